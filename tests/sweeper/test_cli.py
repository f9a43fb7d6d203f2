"""The command line as a user meets it: help, bad input, and what looks without training."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
from study import here, sweeper
from typer.testing import CliRunner

from analysis.views import VIEWS
from sweeper.cli.app import app
from sweeper.ledger.ledger import Ledger
from sweeper.studies import STUDIES
from sweeper.studies.setup import TrainingOptions
from trainer import data

RUN = ("run", "pareto")

BAD_INPUT = [
    ((*RUN, "--dataset", "mnits"), "unknown data set 'mnits'; did you mean 'mnist'?"),
    (("run", "paretto"), "no such command 'paretto'; did you mean 'pareto'?"),
    (("frobnicate",), "no such command 'frobnicate' (see `sweeper --help`)"),
    ((*RUN, "--taus", "1..100000", "--seeds", "100000"), "are 10,000,000,000 trials"),
    ((*RUN, "--widths", "1..1000", "--seeds", "1000"), "1,000 widths × 1,000 seeds are"),
    (("run", "compare", "--taus", "1..100000", "--seeds", "3"), "are 300,000 trials"),
    (("run", "compression", "--sizes", "1..60000", "--seeds", "3"), "360,000 trials"),
    ((*RUN, "--budget", "quick", "--steps", "5"), "leave one of them away"),
    ((*RUN, "--tolerance", "1e300"), "tolerance is a share of τ"),
    ((*RUN, "--seeds", "x"), "use for example 3 for seeds 0, 1 and 2"),
    ((*RUN, "--taus", "3..30@1000000000"), "it has more than 100000 values"),
    ((*RUN, "--layers", "65536,65536,65536", "--backend", "local"), "takes at least 275 GB"),
    ((*RUN, "--layers", "65536,65536,65536", "--dry-run"), "give smaller --layers"),
    ((*RUN, "--layers", "8," * 5000 + "8"), "--layers takes 100 stages at most, found 5,001"),
    ((*RUN, "--study", ""), "--study is empty"),
    ((*RUN, "--study", "bad\udcff"), "cannot be printed"),
    ((*RUN, "--study", "a\nb"), "cannot be printed"),
    ((*RUN, "--study", "~nobody-of-this-name/x"), "there is no such home folder"),
    ((*RUN, "--study", "x" * 300), "is too long: 300 characters"),
    ((*RUN, "--study", "x/" * 3000), "is too long: 6,000 characters"),
    ((*RUN, "--data-dir", ""), "--data-dir is empty"),
    ((*RUN, "--data-dir", "s3://key:secret@x"), "--data-dir must be on this machine"),
    (("status", ""), "STUDY is empty"),
    (("status", "."), "no study in .: the folder holds none (no study.json)"),
    (("report", "/nowhere"), "no study '/nowhere': it does not exist"),
    (("list", ""), "FOLDER is empty"),
    (("data", "show", "digits", "--out", ""), "--out is empty"),
    ((*RUN, "--tuas", "3"), "no such option: --tuas; did you mean --taus? (see `sweeper run"),
    (("run", "trajectory"), "missing option '--tau' (see `sweeper run trajectory --help`)"),
    ((*RUN, "--taus"), "option '--taus' requires an argument"),
    ((*RUN, "more", "words"), "unexpected extra argument(s) (more words)"),
    ((*RUN, "--workers", "0"), "--workers must be a whole number from 1 up, found '0'"),
    ((*RUN, "--steps", "1e3"), "--steps must be a whole number, found '1e3'"),
    ((*RUN, "--tolerance", "x" * 99), f"--tolerance must be a number, found '{'x' * 60}…'"),
    ((*RUN, "--checkpoint-seconds", "nan"), "must be a number from 0 up, found 'nan'"),
    ((*RUN, "--checkpoint-seconds", "-1"), "must be a number from 0 up, found '-1'"),
    ((*RUN, "--architecture", "conv82"), "did you mean 'conv28'"),
    ((*RUN, "--architecture", "conv28"), "takes 28×28 images"),
    ((*RUN, "--layers", "12,x"), "positive whole numbers such as 128,64, found '12,x'"),
    ((*RUN, "--budget", "hughe"), "unknown budget 'hughe'"),
    ((*RUN, "--taus", "0..3"), "is not above 0"),
    ((*RUN, "--taus", "3...4"), "3..30"),
    ((*RUN, "--taus", ""), "--taus"),
    ((*RUN, "--taus", "paper"), "paper"),
    ((*RUN, "--widths", "0"), "--widths"),
    ((*RUN, "--widths", "2.5"), "--widths"),
    ((*RUN, "--seeds", "0"), "--seeds"),
    ((*RUN, "--steps", "0"), "steps must be"),
    ((*RUN, "--backend", "slurm"), "unknown backend 'slurm'"),
    ((*RUN, "--device", "tpu"), "unknown device 'tpu'"),
    ((*RUN, "--backend", "local", "--address", "auto"), "--address"),
    ((*RUN, "--backend", "local", "--workers", "2"), "--workers"),
    ((*RUN, "--data-dir", "nowhere", "--dataset", "mnist"), "nowhere"),
    (("status", "nope"), "no study 'nope'"),
    (("status",), "there are none"),
    ((*RUN, "--layers", "99999999999999999999"), "--layers"),
    ((*RUN, "--layers", "99999999,8"), "--layers must be from 1"),
    ((*RUN, "--layers", ""), "--layers"),
    ((*RUN, "--widths", "100000000000"), "width must be"),
    ((*RUN, "--objective", "elbo"), "unknown objective 'elbo'"),
    ((*RUN, "--tolerance", "-1"), "tolerance"),
    ((*RUN, "--pack", "0"), "--pack must be auto or a whole number"),
    (("run", "trajectory", "--tau", "0"), "tau must be above 0 for objective 'geco-l0-arm'"),
    (("run", "trajectory", "--tau", "nan"), "tau must be a number"),
    (("run", "trajectory", "--tau", "2", "--width", "0"), "width must be"),
    (("run", "compare", "--taus", "0,1"), "is not above 0"),
    (("run", "compare", "--taus", "paper"), "no paper has values"),
    (("run", "compression", "--sizes", "0,3"), "--sizes '0,3': 0 is not from 1"),
    (("run", "compression", "--sizes", "-3"), "--sizes"),
    (("run", "compression", "--sizes", "2.5"), "--sizes"),
    (("run", "compression", "--sizes", "40000"), "width must be a whole number from 1 to 65536"),
    (("run", "compression", "--datasets", "digits,mnits"), "did you mean 'mnist'"),
    (("run", "compression", "--datasets", "digits,digits"), "must be different names"),
    (("run", "compression", "--datasets", ","), "must be different names"),
    (("run", "compression", "--architecture", "conv28"), "takes 28×28 images"),
    ((*RUN, "--learning-rate", "0"), "learning_rate"),
    ((*RUN, "--backend", "slurm", "--dry-run"), "unknown backend 'slurm'"),
    (("data", "show", "digits", "--out", "x.foo"), "x.foo"),
    (("report", "nope"), "no study 'nope'"),
    (("data", "show", ""), "unknown data set ''"),
    ((*RUN, "--layers", "٣"), "positive whole numbers such as 128,64, found '٣'"),
    (("data", "show", "mnits"), "did you mean 'mnist'"),
    (("data", "fetch", "mnits"), "did you mean 'mnist'"),
]


@pytest.mark.parametrize(("arguments", "words"), BAD_INPUT)
def test_bad_input_is_one_line_and_leaves_nothing(
    arguments: tuple[str, ...], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    assert ran.exit_code == 2, ran.output
    assert words in ran.stderr
    assert "Traceback" not in ran.output
    assert ran.stderr.startswith("error: ")
    assert ran.stderr.count("\n") == 1
    assert ran.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_an_address_of_two_lines_is_refused_in_one(tmp_path: Path) -> None:
    """In a process of its own: it is the import of Ray that finds out."""
    ran = sweeper(*RUN, "--address", "a\nb", cwd=tmp_path)
    assert ran.returncode == 2
    assert ran.stderr.startswith("error: cannot reach the Ray cluster at 'a\\nb'")
    assert ran.stderr.count("\n") == 1
    assert ran.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_gpu_that_is_not_there_is_refused(tmp_path: Path) -> None:
    ran = sweeper(*RUN, "--device", "cuda", cwd=tmp_path, CUDA_VISIBLE_DEVICES="")
    assert ran.returncode == 2
    assert ran.stderr.startswith("error: no GPU found")
    assert list(tmp_path.rglob("*")) in ([], [tmp_path / "studies"])


def test_a_file_that_is_not_the_official_one_is_refused_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "mnist"
    folder.mkdir(parents=True)
    for name in ("train-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte.gz"):
        (folder / name).write_bytes(gzip.compress(b"\0\0\x08\x03 and so on"))
    cache = str(tmp_path / "cache")
    command = (*RUN, "--dataset", "mnist", "--data-dir", str(tmp_path / "data"))
    ran = here(*command, cwd=tmp_path, XDG_CACHE_HOME=cache)
    assert ran.returncode == 2
    assert ran.stderr.count("\n") == 1
    assert "train-images-idx3-ubyte.gz" in ran.stderr
    assert "expected" in ran.stderr
    assert "found" in ran.stderr
    assert not (tmp_path / "studies").exists()


def test_a_folder_of_something_else_is_left_as_it_is(tmp_path: Path) -> None:
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    (thesis / "chapter.tex").touch()
    for path in (thesis, thesis / "chapter.tex", thesis / "chapter.tex" / "x"):
        ran = here(*RUN, "--backend", "local", "--study", str(path), cwd=tmp_path)
        assert ran.returncode == 2
        assert ran.stderr.count("\n") == 1
        assert "chapter.tex" in ran.stderr
    assert [path.name for path in thesis.iterdir()] == ["chapter.tex"]


def test_a_locked_folder_is_refused(finished: Path, tmp_path: Path) -> None:
    with Ledger(finished).locked():
        command = (*RUN, "--taus", "2..9", "--steps", "400", "--layers", "16")
        ran = here(*command, "--study", str(finished), cwd=tmp_path)
    assert ran.returncode == 2
    assert "is in use by process" in ran.stderr


def test_a_tau_above_the_mean_image_s_error_is_warned_of(tmp_path: Path) -> None:
    ran = here(*RUN, "--taus", "2,5", "--dry-run", cwd=tmp_path)
    assert ran.returncode == 0
    assert "warning: τ = 5: always answering the mean image" in ran.stderr


def test_a_warning_of_many_values_is_short(tmp_path: Path) -> None:
    command = (*RUN, "--taus", "1..20000", "--study", "digits.txt")
    (tmp_path / "digits.txt").touch()
    warning, error = here(*command, cwd=tmp_path).stderr.splitlines()
    assert "τ = 5, 6, 7, 8, 9, 10, 11, 12, 13, …, 20000 (19,996 values): always" in warning
    assert len(warning) < 250
    assert "is a file" in error


def test_a_study_without_a_view_is_refused_before_it_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(VIEWS, "pareto")
    ran = here(*RUN, "--backend", "local", cwd=tmp_path)
    assert ran.returncode == 2
    assert ran.stderr.startswith("error: study 'pareto' has no view")
    assert list(tmp_path.iterdir()) == []


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    home = {"HOME": str(tmp_path / "home"), "MPLCONFIGDIR": str(tmp_path)}
    ran = sweeper(*RUN, "--steps", "60", cwd=tmp_path, **home)
    assert ran.returncode == 2
    assert ran.stderr.startswith(f"error: Ray keeps a secret in {tmp_path}/home/.ray, which")
    assert not (tmp_path / "studies").exists()


def test_a_dry_run_measures_and_touches_nothing(tmp_path: Path) -> None:
    command = (*RUN, "--taus", "0.5..3.5..0.5", "--seeds", "2", "--dry-run")
    shown = here(*command, cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "14 asked, 0 in the ledger, 14 to train" in shown.stdout
    assert "14 digits geco-l0-arm: 16,000 steps each" in shown.stdout
    counted = json.loads(here(*command, "--workers", "4", "--json", cwd=tmp_path).stdout)
    (kind,) = counted["kinds"]
    expected = 4 * 16_000 * kind["seconds_per_step"]  # 14 trials, 4 at a time
    assert counted["seconds"] == pytest.approx(expected)
    assert counted["memory_bytes"] > 50e6
    assert counted["disk_bytes"] > 14 * 50e3
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_counts_what_the_ledger_has(finished: Path, tmp_path: Path) -> None:
    command = (*RUN, "--taus", "2..4", "--steps", "400", "--layers", "16", "--dry-run", "--json")
    plan = json.loads(here(*command, "--study", str(finished), cwd=tmp_path).stdout)
    assert (plan["asked"], plan["reused"], plan["to_train"]) == (3, 2, 1)


def test_status_list_and_report_read_a_study(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(finished.parent.parent)
    runner = CliRunner()
    listed = json.loads(runner.invoke(app, ["list", "--json"]).stdout)
    assert [(s["folder"], s["finished"], s["asked"]) for s in listed] == [
        ("studies/pareto-digits", 2, 2)
    ]
    assert "pareto-digits" in runner.invoke(app, ["list"]).stdout
    told = runner.invoke(app, ["status", "pareto-digits"])
    assert told.exit_code == 0
    assert "2 of 2 trials done" in told.stdout
    statuses = json.loads(runner.invoke(app, ["status", str(finished), "--json"]).stdout)
    assert sum(statuses["statuses"].values()) == 2
    page = finished / "report" / "report.html"
    page.unlink()
    assert runner.invoke(app, ["report", "pareto-digits"]).stdout.strip() == str(
        page.relative_to(finished.parent.parent)
    )
    assert page.exists()
    near = runner.invoke(app, ["status", "pareto-digit"])
    assert near.exit_code == 2
    assert "did you mean 'pareto-digits'?" in near.stderr


def test_data_is_listed_and_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()
    assert "fashion-mnist" in runner.invoke(app, ["data", "list"]).stdout
    shown = runner.invoke(app, ["data", "show", "digits"]).stdout
    assert "1×8×8" in shown
    assert "sse 4.724" in shown
    assert (tmp_path / "digits.png").read_bytes().startswith(b"\x89PNG")
    assert "nothing to download" in runner.invoke(app, ["data", "fetch", "digits"]).stdout


@pytest.mark.parametrize("name", ["[/red]x[bold]", "é τ", "a b/", "'q\"", "-x", "%s{0}", "~"])
def test_a_study_may_have_any_name_that_can_be_printed(name: str, tmp_path: Path) -> None:
    small = ("--taus", "2", "--steps", "60", "--layers", "8", "--backend", "local")
    ran = here(*RUN, *small, f"--study=./{name}", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert f"report: {name.rstrip('/')}/report/report.html" in ran.stdout
    assert (tmp_path / name / "report" / "report.html").exists()
    listed = here("list", str(Path("./", name).parent), cwd=tmp_path).stdout
    assert "1 of 1" in listed
    assert name.rstrip("/") in listed
    assert here("status", f"./{name}", cwd=tmp_path).returncode == 0


def test_a_tilde_is_the_home_folder(finished: Path, tmp_path: Path) -> None:
    home = {"HOME": str(finished.parent.parent)}
    ran = here("status", "~/studies/pareto-digits", cwd=tmp_path, **home)
    assert "2 of 2 trials done" in ran.stdout
    command = (*RUN, "--taus", "2,3", "--steps", "400", "--layers", "16", "--dry-run")
    ran = here(*command, "--study", "~/studies/pareto-digits", cwd=tmp_path, **home)
    assert "nothing to train" in ran.stdout


def test_what_a_user_has_is_not_replaced_by_a_contact_sheet(tmp_path: Path) -> None:
    mine = tmp_path / "digits.png"
    mine.write_text("mine")
    refused = here("data", "show", "digits", cwd=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: digits.png exists")
    assert mine.read_text() == "mine"
    assert here("data", "show", "digits", "--out", "digits.png", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [[], ["run"], ["data"], ["status"], ["list"], ["report"], *[["run", s] for s in STUDIES]],
    ids=lambda arguments: " ".join(["sweeper", *arguments]),
)
def test_every_command_has_help(arguments: list[str]) -> None:
    ran = CliRunner().invoke(app, [*arguments, "--help"])
    assert ran.exit_code == 0
    assert "Usage:" in ran.stdout


REQUIRED = {"trajectory": {"tau": 2.0}, "compare": {"taus": "2,3"}}
"""What must be said to a study that has no default for it."""


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_has_a_view_and_proposes_the_same_trials_again(name: str) -> None:
    row = STUDIES[name]
    assert name in VIEWS
    options = row.options(**REQUIRED.get(name, {}))
    plans = [row.plan(options, TrainingOptions(steps=40), data.load) for _ in range(2)]
    one, other = (plan.propose({}) for plan in plans)
    assert one.specs
    assert [spec.trial_id for spec in one.specs] == [spec.trial_id for spec in other.specs]
    assert [trial.key for trial in one.later] == [trial.key for trial in other.later]
    assert plans[0].settings == plans[1].settings
    assert {dataset.name for dataset in plans[0].datasets} == set(plans[0].settings)


def test_a_current_folder_that_has_been_deleted_is_one_line(tmp_path: Path) -> None:
    command = 'rmdir "$PWD" && "$0" -m sweeper run pareto --steps 20 --backend local --study ../s'
    gone = tmp_path / "gone"
    gone.mkdir()
    ran = subprocess.run(
        ["sh", "-c", command, sys.executable], cwd=gone, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 2
    assert ran.stderr == "error: the current folder has been deleted; change to another one\n"
    assert not (tmp_path / "s").exists()
