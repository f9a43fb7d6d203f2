"""The supervisor alone, with small programs as its children."""

from __future__ import annotations

import os
import pty
import shutil
import signal
import subprocess
import sys
import termios
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import indent

import pytest
from study import wait_for

from sweeper.cli.main import needs_supervision, report_loss
from sweeper.ledger.ledger import Ledger
from sweeper.run.lost import close_lost_run
from sweeper.run.supervisor import Loss

PROGRAM = """
import ctypes, os, signal, subprocess, sys
from sweeper.run import parent, supervisor
from sweeper.run.interruption import Interruption
def on_loss(loss):
    print("lost", loss.reason, loss.raw_text, loss.signalled, loss.facts)
    return 77
def wait_until_heard():
    heard, (signalled, wake) = [], os.pipe()
    def hear(number, frame):
        heard.append(signal.Signals(number).name)
        os.write(wake, b".")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, hear)
    print("ready", os.getpid(), flush=True)
    while "SIGTERM" not in heard:
        os.read(signalled, 1)
    print(*heard, flush=True)
{before}
def work():
{work}
sys.exit(supervisor.supervise(work, on_loss))
"""


def begin(work: str, before: str = "", **how: object) -> subprocess.Popen[str]:
    program = PROGRAM.format(work=indent(work, "    "), before=before)
    return subprocess.Popen(
        [sys.executable, "-c", program],
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | how,  # type: ignore[call-overload]
        text=True,
        start_new_session=True,
    )


def finish(work: str, before: str = "") -> tuple[int, str, str]:
    process = begin(work, before)
    told, shown = process.communicate(timeout=60)
    return process.returncode, told, shown


def ready(process: subprocess.Popen[str]) -> int:
    """Wait until the child says that it listens, and return its process."""
    assert process.stdout is not None
    return int(process.stdout.readline().removeprefix("ready "))


def state(process: int) -> str:
    """Return the letter of a process's state; Z also if it is gone."""
    try:
        return (Path("/proc") / str(process) / "stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "Z"


@pytest.mark.parametrize(
    ("work", "code"),
    [
        ("pass", 0),
        ("sys.exit()", 0),
        ("sys.exit(1)", 1),
        ("sys.exit(2)", 2),
        ("sys.exit(130)", 130),
        ("os._exit(130)", 130),  # as a run leaves whose backend has died
    ],
)
def test_exit_codes_pass_through(work: str, code: int) -> None:
    assert finish(f"print('{{}}')\n{work.replace('os._exit', 'sys.stdout.flush(); os._exit')}") == (
        code,
        "{}\n",
        "",
    )


def test_the_words_of_an_exit_and_tracebacks_are_shown() -> None:
    assert finish("sys.exit('no such thing')") == (1, "", "no such thing\n")
    code, _, shown = finish("1 / 0")
    assert code == 1
    assert shown.startswith("Traceback")
    assert shown.endswith("ZeroDivisionError: division by zero\n")


@pytest.mark.parametrize(
    ("work", "reason"),
    [
        ("os._exit(1)", "exit code 1"),
        ("os._exit(0)", "exit code 0"),
        ("os.abort()", "SIGABRT"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
    ],
)
def test_a_child_that_dies_by_itself_is_reported(work: str, reason: str) -> None:
    told = "parent.report_to_parent(folder='s')\nparent.report_to_parent(started_at='now')\n"
    code, shown, _ = finish(told + work)
    assert code == 77
    assert shown == f"lost {reason}  False {{'folder': 's', 'started_at': 'now'}}\n"


def test_a_death_after_the_last_word_changes_nothing() -> None:
    """As when Ray's C++ fails while the interpreter shuts down."""
    assert finish("import atexit\natexit.register(os._exit, 1)\nsys.exit(2)") == (2, "", "")


def test_raw_text_is_kept_from_the_terminal_and_python_s_is_not() -> None:
    work = """\
ctypes.CDLL(None).perror(b"core_worker.cc")
subprocess.run(["sh", "-c", "echo from a program >&2"])
print("for the user", file=sys.stderr)
sys.__stderr__.write("this too\\n")
os._exit(1)"""
    code, told, shown = finish(work)
    assert (code, shown) == (77, "for the user\nthis too\n")
    assert told.startswith("lost exit code 1 core_worker.cc: ")
    assert "\nfrom a program False" in told


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("send", [os.kill, os.killpg], ids=["process", "group"])
def test_a_signal_is_passed_on_once(
    send: Callable[[int, int], None], number: signal.Signals
) -> None:
    process = begin("wait_until_heard()")
    ready(process)
    send(process.pid, number)
    send(process.pid, signal.SIGTERM)
    told, _ = process.communicate(timeout=60)
    assert sorted(told.split()) == sorted([number.name, "SIGTERM"])
    assert process.returncode == 0


def test_under_nohup_nothing_is_hung_up() -> None:
    process = begin("wait_until_heard()", "signal.signal(signal.SIGHUP, signal.SIG_IGN)")
    ready(process)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=60)[0] == "SIGTERM\n"


def test_a_death_by_an_unhandled_signal_is_reported() -> None:
    process = begin("print('ready', os.getpid(), flush=True)\nsignal.pause()")
    ready(process)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=60)[0] == "lost SIGTERM  True {}\n"
    assert process.returncode == 77


INTERRUPTED = """\
signalled, wake = os.pipe()
def stop():
    print("stop", flush=True)
    os.write(wake, b".")
interruption = Interruption(stop, stop)
with interruption.watching():
    try:
        print("ready", os.getpid(), flush=True)
        while True:
            os.read(signalled, 1)
    except KeyboardInterrupt:
        print("leave", flush=True)
"""


def test_a_signal_to_every_process_counts_once_and_a_second_is_a_second() -> None:
    """As `ray job stop` sends it: to the command and to all of its children, one by one."""
    process = begin(INTERRUPTED)
    child = ready(process)
    assert process.stdout is not None
    process.send_signal(signal.SIGTERM)
    os.kill(child, signal.SIGTERM)
    assert process.stdout.readline() == "stop\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[0] == "leave\n"


def test_a_child_that_does_not_stop_is_killed() -> None:
    work = "signal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('ready', os.getpid(), flush=True)"
    process = begin(f"{work}\nwhile True: signal.pause()", "supervisor.STOP_SECONDS = 1")
    ready(process)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[0] == "lost SIGKILL  True {}\n"


BEGIN_ANOTHER = """\
other = subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL)
print("ready", other.pid, flush=True)
"""


@pytest.mark.parametrize("end", ["pass", "os._exit(1)"])
def test_what_a_child_leaves_behind_is_killed(end: str) -> None:
    process = begin(BEGIN_ANOTHER + end)
    other = ready(process)
    process.communicate(timeout=60)
    wait_for(lambda: state(other) == "Z", seconds=10)


def test_a_child_ends_with_all_of_its_group_when_its_parent_is_killed() -> None:
    process = begin(f"{BEGIN_ANOTHER}print('ready', os.getpid(), flush=True)\nsignal.pause()")
    other, child = ready(process), ready(process)
    process.kill()
    process.communicate(timeout=60)
    wait_for(lambda: state(other) == state(child) == "Z", seconds=10)


def test_ctrl_z_stops_both_and_they_go_on_together() -> None:
    process = begin("wait_until_heard()")
    child = ready(process)
    process.send_signal(signal.SIGTSTP)
    wait_for(lambda: state(process.pid) == state(child) == "T", seconds=10)
    process.send_signal(signal.SIGCONT)
    wait_for(lambda: "T" not in (state(process.pid), state(child)), seconds=10)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=60)[0] == "SIGTERM\n"


def test_in_a_terminal_it_writes_and_ctrl_c_reaches_it() -> None:
    """Though the terminal stops whoever writes in the background, or reads."""
    ours, theirs = pty.openpty()
    settings = termios.tcgetattr(theirs)
    settings[3] |= termios.TOSTOP
    termios.tcsetattr(theirs, termios.TCSANOW, settings)
    process = begin(
        "print(sys.stdin.read(), sys.stderr.isatty(), file=sys.stderr)\nwait_until_heard()",
        "import fcntl, termios\nfcntl.ioctl(0, termios.TIOCSCTTY, 0)",
        stdin=theirs,
        stderr=theirs,
    )
    ready(process)
    assert os.read(ours, 100) == b" True\r\n"
    os.write(ours, b"\x03")
    wait_for(lambda: b"^C" in os.read(ours, 100))
    process.send_signal(signal.SIGTERM)
    # In any order: both may be pending by the time that the child comes to it.
    assert sorted(process.communicate(timeout=60)[0].split()) == ["SIGINT", "SIGTERM"]
    os.close(ours)
    os.close(theirs)


def test_a_run_whose_terminal_is_closed_stops_as_at_any_signal() -> None:
    """What it says then, nobody can read, and writing it fails."""
    ours, theirs = pty.openpty()
    process = begin(
        INTERRUPTED.replace('"stop", flush=True', '"stop", file=sys.stderr').replace(
            "while True:", "if True:"
        )
        + "\nprint('saved')",
        "import fcntl, termios\nfcntl.ioctl(0, termios.TIOCSCTTY, 0)",
        stdin=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    ready(process)
    os.close(ours)
    assert process.communicate(timeout=60)[0] == "saved\n"
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("command", "needed"),
    [
        ("run pareto --taus 1,2", True),
        ("run pareto --backend ray", True),
        ("run pareto --backend local", False),
        ("run pareto --backend=local", False),
        ("run pareto --dry-run", False),
        ("run pareto --help", False),
        ("status", False),
        ("", False),
    ],
)
def test_only_runs_on_ray_are_supervised(command: str, needed: bool) -> None:
    assert needs_supervision(command.split()) is needed


@pytest.mark.parametrize(
    ("signalled", "code", "words"),
    [
        (False, 1, "error: ended by SIGILL before the run began: raw text\n"),
        (True, 130, "run the same command again:\n  sweeper run pareto\n"),
    ],
)
def test_what_dies_before_its_run_began_is_an_error_unless_it_was_stopped(
    signalled: bool,
    code: int,
    words: str,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", ["sweeper", "run", "pareto"])
    loss = Loss("SIGILL", "raw text", signalled=signalled, facts={})
    assert report_loss(loss) == code
    assert capfd.readouterr().err.endswith(words)


def test_only_the_last_run_is_closed_and_only_if_it_has_not_ended(
    finished: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(finished, tmp_path / "s")
    ledger = Ledger(folder)
    ended = ledger.manifest()
    (run,) = ended.runs
    close_lost_run(str(folder), run.started_at.isoformat(), "SIGKILL")
    assert ledger.manifest() == ended
    now = datetime.now(UTC)
    then = now - timedelta(hours=1)
    begun = replace(run, started_at=then, finished_at=None, outcome="running")
    ledger.write_manifest(replace(ended, runs=(run, begun, replace(begun, started_at=now))))
    close_lost_run(str(folder), then.isoformat(), "SIGKILL")
    assert [run.outcome for run in ledger.manifest().runs] == ["done", "running", "running"]
    close_lost_run(str(folder), now.isoformat(), "SIGKILL")
    last = ledger.manifest().runs[-1]
    assert (last.outcome, last.lost) == ("interrupted", "SIGKILL")
    close_lost_run(str(tmp_path / "nowhere"), now.isoformat(), "SIGKILL")
    assert not (tmp_path / "nowhere").exists()


def test_the_parent_imports_little() -> None:
    program = "import sys, sweeper.cli.main; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert {"ray", "torch", "numpy", "pyarrow", "rich", "typer", "click"}.isdisjoint(loaded)
