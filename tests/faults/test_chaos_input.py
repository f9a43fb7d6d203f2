"""Forty cases of `make chaos-input`, which does a thousand; and its judges would notice."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fuzz import oracles, scene
from fuzz.case import KINDS, Case, make_case
from fuzz.commands import commands
from fuzz.isolation import NOT_ALLOWED, isolated
from fuzz.process import Ran
from fuzz.values import SECRET

CHAOS_INPUT = Path(__file__).parents[2] / "benchmarks" / "chaos_input.py"


@pytest.mark.slow
def test_nothing_that_is_typed_broken_or_crafted_does_any_harm(tmp_path: Path) -> None:
    tally = tmp_path / "tally.json"
    ran = subprocess.run(
        [sys.executable, str(CHAOS_INPUT), "--seed", "12", "--cases", "40", "--json", str(tally)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if ran.returncode == NOT_ALLOWED:
        pytest.skip(ran.stderr)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    counts = json.loads(tally.read_text())["tally"]["all"]
    assert counts["cases"] == 40
    assert counts["refused"] >= 5
    assert counts["handled"] >= 5


def test_a_case_can_be_made_again_from_its_number() -> None:
    cases = [make_case(7, number) for number in range(300)]
    assert cases == [make_case(7, number) for number in range(300)]
    assert {case.kind for case in cases} == set(KINDS)
    assert cases != [make_case(8, number) for number in range(300)]


def test_every_command_and_option_is_tried() -> None:
    """Those of the command line as it is: nobody has to list them."""
    words = {
        word.partition("=")[0]
        for number in range(3000)
        for command in make_case(7, number, {"command lines": 1}).commands
        for word in command
    }
    for path, parameters in commands().items():
        assert set(path) <= words
        assert {option for each in parameters for option in each.opts if "-" in option} <= words


def test_a_case_can_write_nothing_but_its_sandbox(tmp_path: Path) -> None:
    """The folder of temporary files is another one, in which no file of anyone's lies."""
    sandbox, other = tmp_path / "sandbox", tmp_path / "other"
    sandbox.mkdir()
    other.write_text("precious")

    def work() -> int:
        (sandbox / "made").write_text("x")
        if other.exists():
            return 3
        other.write_text("overwritten")
        for folder in (Path.home(), Path("/etc"), Path(__file__).parent):
            with contextlib.suppress(OSError):
                (folder / "made").write_text("x")
                return 4
        return 5

    code = isolated(sandbox, work)
    if code == NOT_ALLOWED:
        pytest.skip("this machine does not allow namespaces")
    assert code == 5
    assert (sandbox / "made").read_text() == "x"
    assert other.read_text() == "precious"


def _ran(**changes: Any) -> Ran:
    whole = {"words": ["status"], "code": 0, "stdout": b"", "stderr": b"", "seconds": 1.0}
    return Ran(**{**whole, "own_seconds": 1.0, "interrupted": False, "secrets": [], **changes})


def test_a_plain_command_that_is_refused_is_noticed() -> None:
    """So that what cannot run here at all does not pass for refused input."""
    case = Case(seed=1, number=1, kind="Ray", commands=[["run"]], expected=0)
    refused = _ran(code=2, stderr=b"error: cannot start Ray")
    assert [kind for kind, _ in oracles.judge_command(case, refused)] == ["exit code"]


CASE = Case(seed=1, number=1, kind="command lines", commands=[["run"]])


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("traceback", {"stderr": b"Traceback (most recent call last):\nValueError: x", "code": 1}),
        ("raw text", {"stderr": b"[W1125 12:00 core_worker.cc:609] lost", "code": 1}),
        ("hang", {"code": None, "own_seconds": 21.0}),
        ("exit code", {"code": -11}),
        ("exit code", {"code": 3, "stderr": b"error: x"}),
        ("exit code", {"code": 1, "interrupted": True, "stderr": b"error: x"}),
        ("secret", {"secrets": ["/tmp/ray/session/logs/agent.log"]}),
        ("secret", {"stdout": f"key {SECRET}".encode()}),
        ("control characters", {"stdout": b"a\x1b]0;title\x07"}),
        ("control characters", {"stdout": "a\x9b31m".encode()}),
        ("error line", {"code": 2, "stderr": b"no"}),
        ("error line", {"code": 2, "stderr": b"error: a\nerror: b"}),
        ("error line", {"code": 1}),
        ("error line", {"code": 0, "stderr": b"error: a"}),
        ("not JSON", {"words": ["status", "--json"], "stdout": b'{"a": NaN}'}),
        ("not JSON", {"words": ["status", "--json"], "stdout": b"{}{}"}),
    ],
)
def test_what_a_command_must_not_do_is_noticed(kind: str, changes: dict[str, Any]) -> None:
    assert kind in [found for found, _ in oracles.judge_command(CASE, _ran(**changes))]


@pytest.mark.parametrize(
    "changes",
    [
        {"stdout": "τ  width\n1      16\n".encode()},
        {"code": 2, "stderr": b"error: --taus x is not a range"},
        {"code": 130, "stderr": b"interrupted"},
        {"words": ["status", "--json"], "stdout": b'{"a": null}'},
    ],
)
def test_what_a_command_may_do_is_not_a_finding(changes: dict[str, Any]) -> None:
    assert list(oracles.judge_command(CASE, _ran(**changes))) == []


@pytest.mark.parametrize(
    ("kind", "path", "content"),
    [
        ("changed outside", "decoys/file", "overwritten"),
        ("changed outside", "decoys/file", None),
        ("changed outside", "work/new", "made"),
        ("changed outside", "tmp/left", "left"),
        ("secret", "work/studies/s/report.html", SECRET),
        (None, "work/studies/s/report.html", "made"),
        (None, "home/.cache/bottleneck-sweeper/x", "made"),
    ],
)
def test_what_changed_is_noticed(
    kind: str | None, path: str, content: str | None, tmp_path: Path
) -> None:
    for name in ("decoys", "tmp", "home", "work"):
        (tmp_path / name).mkdir()
    (tmp_path / "decoys" / "file").write_text("precious")
    before = scene.contents(tmp_path)
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    if content is None:
        (tmp_path / path).unlink()
    else:
        (tmp_path / path).write_text(content)
    found = oracles.judge_folder(CASE, tmp_path, before, scene.contents(tmp_path))
    kinds = {found_kind for found_kind, _ in found}
    assert kind in kinds if kind else not kinds


@pytest.mark.parametrize("fault", ["gone", "changed"])
def test_a_row_that_was_intact_is_missed(fault: str) -> None:
    now = {"a": "1"} if fault == "gone" else {"a": "1", "b": "3"}
    assert list(oracles.judge_rows({"a": "1", "b": "2"}, now)) == [("row lost", f"b is {fault}")]
    assert list(oracles.judge_rows({"a": "1"}, now)) == []
