"""What a command prints never keeps it from its work: any encoding, any reader, a full disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from study import starts_ray, sweeper

from sweeper.run.streams import STAND_INS, ReliableStream, stand_ins

ASCII = {"PYTHONIOENCODING": "ascii"}
C_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
LOCAL = ("run", "pareto", "--backend", "local", "--taus", "2", "--steps", "60", "--layers", "8")


def test_what_ascii_lacks_is_written_as_people_write_it() -> None:
    assert stand_ins("‖ν‖₀ ≤ τ – λ′ 28×28 … é") == "||nu||0 <= tau - lambda' 28x28 ... e"
    assert stand_ins("│─┏") == "|-+"
    assert stand_ins("日 \udcff") == r"\u65e5 \udcff"
    assert "a τ × b".encode("latin-1", STAND_INS).decode("latin-1") == "a tau × b"


@pytest.mark.parametrize("locale", [ASCII, C_LOCALE], ids=["ascii", "C"])
@pytest.mark.parametrize(
    "arguments", [("run", "pareto", "--help"), ("data", "list"), ("status", "STUDY")]
)
def test_an_encoding_without_greek_is_enough(
    locale: dict[str, str], arguments: tuple[str, ...], finished: Path, tmp_path: Path
) -> None:
    words = [str(finished) if word == "STUDY" else word for word in arguments]
    ran = sweeper(*words, cwd=tmp_path, **locale)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.isascii()
    assert ran.stderr == ""


def test_columns_are_in_line_in_any_encoding(finished: Path, tmp_path: Path) -> None:
    *_, head, first, _ = sweeper("status", str(finished), cwd=tmp_path, **ASCII).stdout.splitlines()
    assert head.startswith("tau  width")
    assert first[:4] == "  2 "


@pytest.mark.parametrize(
    "size", [{"COLUMNS": "99999999999", "TERMINAL_WIDTH": "wide"}, {"COLUMNS": "0", "LINES": "²"}]
)
def test_an_odd_size_of_the_terminal_is_ignored(size: dict[str, str], tmp_path: Path) -> None:
    ran = sweeper("data", "--help", cwd=tmp_path, **size)
    assert ran.returncode == 0, ran.stderr
    assert "contact sheet" in ran.stdout


def test_a_backend_for_figures_that_there_is_not_is_ignored(tmp_path: Path) -> None:
    ran = sweeper("data", "show", "digits", cwd=tmp_path, MPLBACKEND="no-such")
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "digits.png").exists()


def test_nothing_is_lost_but_words_where_nobody_reads(capfd: pytest.CaptureFixture[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    stream = ReliableStream(writer, "utf-8")
    for _ in range(3):
        print("x" * 100_000, file=stream)
    assert stream.problem is None
    os.close(writer)


def test_a_full_disk_is_a_problem_of_the_stream_alone() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    stream = ReliableStream(full, "ascii")
    print("τ", file=stream)
    stream.flush()
    assert stream.problem is not None
    assert stream.problem.strerror == "No space left on device"
    os.close(full)


def _shell(command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command line of bash, in which `sweeper` is the command."""
    return subprocess.run(
        ["bash", "-c", f'sweeper() {{ "{sys.executable}" -m sweeper "$@"; }}; {command}'],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("ends", ["2>&1 >&- | true", "2>&1 | true", ">&- 2>&-"])
def test_a_run_goes_on_without_anybody_who_reads(ends: str, tmp_path: Path) -> None:
    ran = _shell(f"sweeper {' '.join(LOCAL)} {ends}; echo ${{PIPESTATUS[0]}}", tmp_path)
    assert (ran.stdout, ran.stderr) == ("0\n", "")
    assert (tmp_path / "studies" / "pareto-digits" / "report" / "report.html").exists()


@starts_ray
def test_a_run_on_ray_goes_on_without_anybody_who_reads(tmp_path: Path) -> None:
    words = [word for word in LOCAL if word not in ("--backend", "local")]
    ran = _shell(f"sweeper {' '.join(words)} 2>&1 | true; echo ${{PIPESTATUS[0]}}", tmp_path)
    assert (ran.stdout, ran.stderr) == ("0\n", "")
    assert (tmp_path / "studies" / "pareto-digits" / "report" / "report.html").exists()


def test_an_answer_that_the_disk_has_no_room_for_is_told(finished: Path, tmp_path: Path) -> None:
    ran = _shell(f"sweeper status '{finished}' > /dev/full", tmp_path)
    assert ran.returncode == 1
    assert ran.stderr == "error: cannot write to standard output: No space left on device\n"


def test_json_stays_json_in_any_encoding(finished: Path, tmp_path: Path) -> None:
    ran = sweeper("status", str(finished), "--json", cwd=tmp_path, **ASCII)
    assert json.loads(ran.stdout)["finished"] == 2
