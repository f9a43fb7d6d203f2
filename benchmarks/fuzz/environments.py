"""Environments in which somebody may start the command: variables, streams, limits."""

from __future__ import annotations

from random import Random

from fuzz.values import SECRET

CREDENTIALS = (
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN",
    "GOOGLE_API_KEY", "AZURE_STORAGE_KEY", "AZURE_STORAGE_CONNECTION_STRING", "AZURE_CLIENT_SECRET",
    "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "WANDB_API_KEY", "COMET_API_KEY", "MLFLOW_TRACKING_TOKEN",
    "MLFLOW_TRACKING_PASSWORD", "GITHUB_TOKEN", "GITLAB_TOKEN", "OPENAI_API_KEY", "PGPASSWORD",
    "ANTHROPIC_API_KEY", "DATABASE_URL", "NPM_TOKEN", "TWINE_PASSWORD", "KAGGLE_KEY",
    "MY_API_TOKEN", "SSHPASS", "VAULT_TOKEN", "DOCKER_PASSWORD",
)  # fmt: skip

VARIABLES: tuple[dict[str, str | None], ...] = (
    {"LC_ALL": "C"}, {"LC_ALL": "POSIX"}, {"LC_ALL": "xx_YY.UTF-8"}, {"LC_ALL": "tr_TR.UTF-8"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"LC_ALL": "de_DE.ISO-8859-1"},
    {"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1"}, {"PYTHONIOENCODING": "cp1252"},
    {"PYTHONIOENCODING": "ascii:strict"}, {"PYTHONIOENCODING": "utf-16"}, {"LANG": None},
    {"PYTHONIOENCODING": "cp437:strict"}, {"PYTHONIOENCODING": "koi8-r"}, {"PYTHONUTF8": "1"},
    {"COLUMNS": "0"}, {"COLUMNS": "1"}, {"COLUMNS": "-5"}, {"COLUMNS": "abc"}, {"COLUMNS": "7"},
    {"COLUMNS": "1000000"}, {"LINES": "0"}, {"LINES": "1", "COLUMNS": "1"}, {"LINES": "x"},
    {"TERM": "dumb"}, {"TERM": ""}, {"TERM": "no-such"}, {"TERM": None}, {"NO_COLOR": "1"},
    {"FORCE_COLOR": "1"}, {"TTY_COMPATIBLE": "1"}, {"TTY_INTERACTIVE": "1"},
    {"TZ": "Asia/Kathmandu"},
    {"TZ": "garbage/zone"}, {"TZ": ""}, {"TZ": ":/no/such"}, {"PATH": ""}, {"PATH": None},
    {"HOME": None}, {"HOME": ""}, {"HOME": "{case}/no-such"}, {"HOME": "{case}/decoys/file"},
    {"HOME": "{case}/locked"}, {"HOME": "relative"}, {"TMPDIR": "{case}/no-such"},
    {"TMPDIR": "{case}/locked"}, {"TMPDIR": "{case}/full"}, {"TMPDIR": "{case}/decoys/file"},
    {"HOME": "{case}/full"}, {"XDG_CACHE_HOME": "relative"}, {"XDG_CACHE_HOME": ""},
    {"XDG_CACHE_HOME": "{case}/decoys/file"}, {"XDG_CACHE_HOME": "{case}/locked"},
    {"SWEEPER_DATA": ""}, {"SWEEPER_DATA": "{case}/no-such"},
    {"SWEEPER_DATA": "{case}/decoys/file"},
    {"PYTHONOPTIMIZE": "2"}, {"PYTHONHASHSEED": "0"},
    {"PYTHONNOUSERSITE": "1"},
    {"CUDA_VISIBLE_DEVICES": "abc"}, {"MPLBACKEND": "TkAgg"}, {"MPLBACKEND": "no-such"},
    {"MPLCONFIGDIR": "{case}/locked"}, {"MPLCONFIGDIR": "{case}/decoys/file"}, {"PAGER": "no-such"},
    {"HTTP_PROXY": "garbage"}, {"https_proxy": "http://127.0.0.1:9"}, {"AWS_REGION": "\n"},
    {"RAY_ADDRESS": "127.0.0.1:1"}, {"RAY_AUTH_MODE": "no-such"}, {"RAY_TMPDIR": "{case}/no-such"},
    {"USER": None, "LOGNAME": None}, {"HOSTNAME": "x" * 300}, {"COLUMNS": "³"},
)  # fmt: skip
"""Changes to the plain environment; None takes a variable away."""

STREAMS = ("files", "no stdout", "no stderr", "neither", "no reader", "no readers", "full",
           "terminal", "terminal")  # fmt: skip
"""Where standard output and error go, beside plain files."""

LIMITS: tuple[dict[str, int], ...] = ({"FSIZE": 4096}, {"FSIZE": 0}, {"NOFILE": 16}, {"NOFILE": 40},
                                      {"STACK": 256 * 1024}, {"CORE": 0})  # fmt: skip


def plain(case: str) -> dict[str, str]:
    """Return the environment of a case as far as nothing is said of it: with all credentials."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": f"{case}/home",
        "TMPDIR": f"{case}/tmp",
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "GOOGLE_APPLICATION_CREDENTIALS": f"{case}/home/google.json",
        **{name: f"{SECRET}-{name}" for name in CREDENTIALS},
    }


def environment(random: Random) -> dict[str, str | None]:
    """Choose what is unusual about an environment."""
    chosen = random.sample(VARIABLES, random.choice((0, 1, 1, 1, 2)))
    changes: dict[str, str | None] = {}
    for each in chosen:
        changes |= each
    return changes
