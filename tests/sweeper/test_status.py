"""How a study is doing, read from its folder: while it runs, killed, and done."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from study import here, kill_all, start, wait_for

from sweeper.ledger.attempts import begin_attempt, note_loss
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.unfinished import Unfinished, read_unfinished
from sweeper.messages import Job, Pack
from sweeper.options import RunOptions
from sweeper.status import Pace, read_status, seconds_to_go
from sweeper.worker.worker import record_failure
from trainer.spec import TrialSpec

STUDY = Path("studies") / "pareto-digits"
RUN = ("run", "pareto", "--taus", "2,3,4", "--layers", "16", "--backend", "local")
LONG = (*RUN, "--steps", "100000", "--compile", "off", "--checkpoint-seconds", "0.2")
SHORT = (*RUN, "--steps", "1500", "--checkpoint-seconds", "0.2")


def _status(folder: Path) -> dict[str, Any]:
    told = here("status", str(folder), "--json", cwd=folder.parent)
    assert told.returncode == 0, told.stderr
    answer: dict[str, Any] = json.loads(told.stdout)
    return answer


def _checkpoints(folder: Path) -> bool:
    return any(saved.point for saved in read_unfinished(Ledger(folder)))


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A study that was killed in its first trial, and what was said of it while it ran."""
    cwd = tmp_path_factory.mktemp("killed")
    process = start(*LONG, cwd=cwd)
    try:
        wait_for(lambda: _checkpoints(cwd / STUDY))
        told = _status(cwd / STUDY)
    finally:
        kill_all(process)
    return cwd / STUDY, told


def test_status_of_a_run_names_the_trials_in_training(killed: tuple[Path, dict[str, Any]]) -> None:
    folder, told = killed
    assert told["in_use"]
    assert told["last_run"]["outcome"] == "running"
    assert (told["finished"], told["waiting"], told["failed"]) == (0, 2, 0)
    assert told["interrupted"] == []
    (trial,) = told["running"]
    assert trial["trial_id"] in Ledger(folder).manifest().asked
    assert re.fullmatch(r"τ=[234] width=16 seed=0", trial["label"])
    assert trial["dataset"] == "digits"
    assert 0 < trial["step"] < trial["steps"] == 100_000
    assert 0 < trial["point"]["step"] <= trial["step"]
    assert trial["point"]["open_gates"] == 16
    assert told["seconds_to_go"] > 0
    sign = datetime.fromisoformat(told["last_sign"])
    assert sign == datetime.fromisoformat(trial["saved_at"])
    assert datetime.fromisoformat(told["last_run"]["started_at"]) < sign < datetime.now(UTC)


def test_status_of_a_killed_run_names_the_interrupted_trials(
    killed: tuple[Path, dict[str, Any]],
) -> None:
    folder, before = killed
    told = _status(folder)
    assert not told["in_use"]
    assert told["last_run"]["outcome"] == "killed"
    assert told["running"] == []
    (trial,) = told["interrupted"]
    assert trial["trial_id"] == before["running"][0]["trial_id"]
    assert trial["step"] >= before["running"][0]["step"]
    shown = here("status", str(folder), cwd=folder.parent).stdout
    assert "0 of 3 trials done, 1 interrupted, 2 waiting" in shown
    assert re.search(r"about .* to go once it is run again; last sign of life .* ago", shown)
    assert f"{trial['step']:,} of 100,000" in shown
    assert "last run: killed, started 20" in shown


def test_a_trial_of_an_earlier_run_counts_as_interrupted_until_it_is_begun_again(
    killed: tuple[Path, dict[str, Any]],
) -> None:
    """As between the start of the run that goes on and the start of its workers."""
    folder, _ = killed
    ledger = Ledger(folder)
    before = ledger.manifest()
    later = replace(before.runs[-1], started_at=datetime.now(UTC) + timedelta(seconds=5))
    try:
        with ledger.locked():
            ledger.write_manifest(replace(before, runs=(*before.runs, later)))
            status = read_status(ledger)
    finally:
        ledger.write_manifest(before)
    assert status.in_use
    assert (len(status.running), len(status.interrupted), status.waiting) == (0, 1, 2)


def test_watching_a_study_that_does_not_run_shows_it_and_ends(
    killed: tuple[Path, dict[str, Any]],
) -> None:
    folder, _ = killed
    watched = here("status", str(folder), "--watch", cwd=folder.parent)
    assert watched.returncode == 0
    assert watched.stdout.count("trials done") == 1


@pytest.mark.slow
def test_watching_prints_each_change_and_ends_with_the_run(tmp_path: Path) -> None:
    process = start(*SHORT, cwd=tmp_path)
    folder = tmp_path / STUDY
    wait_for(lambda: _checkpoints(folder))
    process.send_signal(signal.SIGSTOP)  # so that it does not end before it is watched
    watching = start("status", str(folder), "--watch", cwd=tmp_path)
    assert watching.stdout
    shown = watching.stdout.readline()
    process.send_signal(signal.SIGCONT)
    rest, errors = watching.communicate(timeout=240)
    shown += rest
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert watching.returncode == 0, errors
    counts = re.findall(r"^(\d) of 3 trials done", shown, re.MULTILINE)
    assert counts == sorted(counts)
    assert counts[-1] == "3"
    assert len(counts) >= 2
    assert "last run: done" in shown
    assert "held-out sse" in shown
    assert "\x1b" not in shown


@pytest.mark.slow
def test_watching_in_a_terminal_redraws_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    process = start(*LONG, cwd=tmp_path)
    folder = tmp_path / STUDY
    wait_for(lambda: _checkpoints(folder))
    ours, theirs = pty.openpty()
    watching = subprocess.Popen(
        [sys.executable, "-m", "sweeper", "status", str(folder), "--watch"],
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        env={**os.environ, "COLUMNS": "120", "LINES": "30", "TERM": "xterm"},
    )  # fmt: skip
    os.close(theirs)
    shown = ""
    try:
        while len(re.findall(r"0 of 3 trials done", shown)) < 3:
            shown += os.read(ours, 4096).decode(errors="replace")
        watching.send_signal(signal.SIGINT)
        with contextlib.suppress(OSError):  # EIO: the other end is closed
            while rest := os.read(ours, 4096):  # a terminal that nobody reads blocks its writer
                shown += rest.decode(errors="replace")
        assert watching.wait(timeout=60) == 130
    finally:
        kill_all(process)
        watching.kill()
        watching.wait()
        os.close(ours)
    assert "\x1b[1A" in shown  # up a line: drawn in place
    assert "running" in shown
    assert "━" in shown


def _begun(killed: Path, tmp_path: Path) -> tuple[Path, Ledger, Unfinished, TrialSpec]:
    """Return a copy of a study, its ledger, and what its one unfinished trial has saved."""
    folder = shutil.copytree(killed, tmp_path / "s")
    ledger = Ledger(folder)
    (saved,) = read_unfinished(ledger)
    assert saved.spec is not None
    return folder, ledger, saved, saved.spec


def test_a_trial_that_failed_is_interrupted_only_when_it_was_begun_again(
    killed: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    folder, ledger, saved, spec = _begun(killed[0], tmp_path)
    job = Job(study="pareto", folder=str(folder), datasets={}, options=RunOptions())
    record_failure(spec, Pack((spec,), {}), job, "OSError: no space left")
    told = read_status(ledger)
    assert (told.finished, told.failed, told.waiting) == (0, 1, 2)
    assert (told.running, told.interrupted) == ((), ())
    assert told.seconds_to_go is None  # a failed trial has no length to go by
    begin_attempt(ledger, spec)
    told = read_status(ledger)
    assert (told.finished, told.failed, told.waiting) == (0, 0, 2)
    assert [(each.trial_id, each.attempts) for each in told.interrupted] == [(saved.trial_id, 2)]


def test_a_trial_that_lost_its_worker_waits_until_it_is_begun_again(
    killed: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    folder, ledger, saved, spec = _begun(killed[0], tmp_path)
    note_loss(ledger, spec)
    with ledger.locked():  # as by the run that had begun it
        told = read_status(ledger)
        assert (told.running, told.interrupted, told.waiting) == ((), (), 3)
        assert [each.step for each in told.lost] == [saved.step]
        shown = here("status", str(folder), cwd=tmp_path).stdout
        assert "0 of 3 trials done, 3 waiting" in shown
        assert re.search(rf"{saved.step:,} of 100,000 .* waiting ", shown)
        begin_attempt(ledger, spec)
        told = read_status(ledger)
        assert (len(told.running), told.lost, told.waiting) == (1, (), 2)
    note_loss(ledger, spec)
    assert len(read_status(ledger).interrupted) == 1  # the run has died since


def _unfinished(step: int, seconds: float | None) -> Unfinished:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    point = None if seconds is None else {"step": float(step), "seconds": seconds}
    return Unfinished(
        trial_id="a", spec=None, began=moment, attempts=1, step=step, point=point, saved_at=moment
    )


def test_a_trial_s_pace_is_that_of_its_newest_point() -> None:
    assert _unfinished(500, 6.0).seconds_per_step == 6 / 500
    assert _unfinished(500, None).seconds_per_step is None
    assert _unfinished(0, 6.0).seconds_per_step is None


UNKNOWN = Pace(step=0, steps=1000, seconds_per_step=None)
HALF = Pace(step=500, steps=1000, seconds_per_step=0.012)  # 12 s in all


def test_no_eta_where_nothing_is_known() -> None:
    assert seconds_to_go([], 3, [], workers=2) is None
    assert seconds_to_go([UNKNOWN], 3, [], workers=2) is None


def test_eta_uses_finished_and_running_trials() -> None:
    ended = [10.0, 30.0]
    assert seconds_to_go([], 0, ended, workers=2) == 0
    assert seconds_to_go([], 4, ended, workers=2) == 4 * 20 / 2
    assert seconds_to_go([HALF], 0, ended, workers=2) == 6
    assert seconds_to_go([HALF, HALF], 3, ended, workers=2) == (6 + 6 + 3 * 20) / 2
    assert seconds_to_go([HALF], 3, [], workers=1) == 6 + 3 * 12
    assert seconds_to_go([UNKNOWN], 1, ended, workers=1) == 20 + 20


def test_a_trial_begun_by_an_older_version_is_named_by_its_id(
    killed: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    folder = shutil.copytree(killed[0], tmp_path / "s")
    (saved,) = read_unfinished(Ledger(folder))
    path = folder / "checkpoints" / saved.trial_id / "attempt.json"
    attempt = json.loads(path.read_text())
    del attempt["spec"]
    path.write_text(json.dumps(attempt))
    shown = here("status", str(folder), cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert f"{saved.trial_id}" in shown.stdout


def test_a_damaged_checkpoint_still_has_a_step(
    killed: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    folder = shutil.copytree(killed[0], tmp_path / "s")
    (before,) = read_unfinished(Ledger(folder))
    newest = max((folder / "checkpoints" / before.trial_id).glob("*.safetensors"))
    newest.write_bytes(newest.read_bytes()[:100])
    (saved,) = read_unfinished(Ledger(folder))
    assert (saved.step, saved.point) == (before.step, None)
    assert "1 interrupted" in here("status", str(folder), cwd=tmp_path).stdout


def test_watching_as_json_is_refused(finished: Path) -> None:
    ran = here("status", str(finished), "--watch", "--json", cwd=finished.parent)
    assert ran.returncode == 2
    assert ran.stderr == "error: --json prints once; leave --watch away\n"


def test_damaged_checkpoints_are_left_out_of_the_status(
    killed: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    folder = shutil.copytree(killed[0], tmp_path / "s")
    (begun,) = (folder / "checkpoints").iterdir()
    (begun / "attempt.json").write_text('{"number": ')
    (folder / "checkpoints" / ".DS_Store").write_bytes(b"Bud1")
    told = _status(folder)
    assert (told["interrupted"], told["asked"]) == ([], 3)
