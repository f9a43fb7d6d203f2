"""Trials that follow from others: planned, run, run again, widened, killed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import study
from processes import processes_of
from study import as_it_was, here, kill_all, start, starts_ray, sweeper, wait_for

from sweeper.ledger.ledger import Ledger
from sweeper.messages import Ended, Event, Proposed, Started
from sweeper.options import RunOptions
from sweeper.planning.missing import missing_trials
from sweeper.run.run import run_study
from sweeper.status import read_status
from sweeper.studies.base import Plan
from sweeper.studies.compression import CompressionOptions, plan
from sweeper.studies.setup import TrainingOptions
from trainer import data
from trainer.errors import UserError

SHORT = ("--layers", "16", "--steps", "400", "--backend", "local")
RUN = ("run", "compression", "--sizes", "2,3", *SHORT)
OFTEN = ("--checkpoint-seconds", "0.1")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study of `RUN`, run without a disturbance."""
    folder = tmp_path_factory.mktemp("done")
    ran = here(*RUN, cwd=folder)
    assert ran.returncode == 0, ran.stderr
    return folder / "studies" / "compression"


def _plan(sizes: str = "2,3", steps: int = 400, **training_options: Any) -> Plan:
    training = TrainingOptions(layers="16", steps=steps, **training_options)
    return plan(CompressionOptions(sizes=sizes), training, data.load)


def _by_size(folder: Path) -> dict[int, tuple[dict[str, Any], dict[str, Any]]]:
    """Return each size's baseline and the trial that took its error for τ."""
    rows = study.rows(folder)
    baselines = [row for row in rows if row["objective"] == "geco"]
    return {
        row["width"]: (row, next(other for other in rows if other["tau"] == row["train_sse"]))
        for row in baselines
    }


def test_a_baseline_s_error_is_the_tau_of_twice_its_dimensions(done: Path) -> None:
    pairs = _by_size(done)
    assert sorted(pairs) == [2, 3]
    for size, (baseline, gated) in pairs.items():
        assert (baseline["tau"], baseline["steps"], baseline["open_gates"]) == (0, 400, size)
        assert (gated["objective"], gated["width"], gated["steps"]) == (
            "geco-l0-arm",
            2 * size,
            800,
        )
    assert len(study.rows(done)) == 4
    manifest = json.loads((done / "study.json").read_text())
    assert sorted(manifest["asked"]) == sorted(row["trial_id"] for row in study.rows(done))
    assert manifest["waiting"] == []
    assert manifest["request"] == {"sizes": [2, 3], "seeds": [0]}
    assert (done / "report" / "compression.csv").exists()


def test_a_gated_trial_is_named_once_its_baseline_has_ended(done: Path, tmp_path: Path) -> None:
    nothing = missing_trials(_plan(), Ledger(tmp_path / "nothing"))
    assert (len(nothing.missing), len(nothing.proposal.later), nothing.asked) == (2, 2, 4)
    wider = missing_trials(_plan("2,3,4"), Ledger(done))
    assert (wider.reused, len(wider.missing), len(wider.proposal.later)) == (4, 1, 1)
    asked = {spec.trial_id for spec in wider.proposal.specs}
    assert asked > {row["trial_id"] for row in study.rows(done)}


def test_the_same_again_trains_nothing_and_more_sizes_only_these(
    done: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "studies" / "compression"
    shutil.copytree(done, folder)
    again = json.loads(here(*RUN, "--json", cwd=tmp_path).stdout)
    assert (again["run"]["trained"], again["run"]["reused"]) == (0, 4)
    command = ("run", "compression", "--sizes", "4", *SHORT, "--json")
    wider = json.loads(here(*command, cwd=tmp_path).stdout)
    assert (wider["run"]["trained"], wider["run"]["reused"]) == (2, 0)
    assert [pair["size"] for pair in wider["pairs"]] == [2, 3, 4]
    tiles = ("--datasets", "tiles", "--architecture", "dense", "--sizes", "2")
    other = json.loads(here("run", "compression", *tiles, *SHORT, "--json", cwd=tmp_path).stdout)
    assert other["run"]["trained"] == 2
    assert {pair["dataset"] for pair in other["pairs"]} == {"digits", "tiles"}
    told = json.loads(here("status", "compression", "--json", cwd=tmp_path).stdout)
    assert (told["finished"], told["asked"], told["datasets"]) == (8, 8, ["digits", "tiles"])
    with pytest.raises(UserError, match="steps = 400, asked for 500"):
        missing_trials(_plan(steps=500), Ledger(folder))


@pytest.mark.slow
def test_a_study_killed_in_a_baseline_and_in_a_gated_trial_ends_as_an_undisturbed_one(
    done: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "studies" / "compression"
    for finished in (1, 3):  # of two baselines, then of two gated trials
        process = start(*RUN, *OFTEN, cwd=tmp_path)
        wait_for(
            lambda n=finished: (
                list(folder.glob("checkpoints/*/*.safetensors"))
                and len(list(folder.glob("trials/*.parquet"))) == n
            )
        )
        kill_all(process)
        told = json.loads(here("status", "compression", "--json", cwd=tmp_path).stdout)
        assert (told["finished"], told["asked"]) == (finished, 4)
    ended = here(*RUN, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert study.contents(folder) == study.contents(done)


@starts_ray
def test_killed_between_a_baseline_and_its_gated_trial_a_run_on_ray_ends_as_an_undisturbed_one(
    done: Path, tmp_path: Path
) -> None:
    """With one worker the gated trial comes next: it takes longer than the other baseline."""
    folder = tmp_path / "ray"
    command = ("run", "compression", "--sizes", "2,3", "--layers", "16", "--steps", "400",
               "--workers", "1", "--study", str(folder))  # fmt: skip
    process = start(*command, *OFTEN, cwd=tmp_path)
    wait_for(lambda: list(folder.glob("trials/*.parquet")))
    kill_all(process)
    wait_for(lambda: not processes_of(process.pid))
    now = read_status(Ledger(folder))
    assert now.finished < 4 == now.asked
    ended = sweeper(*command, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert study.contents(folder) == study.contents(done)


def test_the_first_gated_trial_begins_before_the_last_baseline_ends(tmp_path: Path) -> None:
    events: list[Event] = []
    options = RunOptions(backend="local", folder=str(tmp_path / "s"))
    with as_it_was():
        summary = run_study(_plan("2,3,4", steps=40), options, events.append)
    assert (summary.outcome, summary.trained) == ("done", 6)
    begun = [
        place
        for place, event in enumerate(events)
        if isinstance(event, Started) and event.spec.objective == "geco-l0-arm"
    ]
    ended = [
        place
        for place, event in enumerate(events)
        if isinstance(event, Ended) and event.spec.objective == "geco"
    ]
    assert (len(begun), len(ended)) == (3, 3)
    assert min(begun) < max(ended)
    asked = [
        (len(event.specs), event.later)
        for event in events
        if isinstance(event, Proposed) and event.specs
    ]
    assert asked == [(3, 3), (1, 2), (1, 1), (1, 0)]


@pytest.mark.slow
def test_trials_that_wait_are_remembered_while_other_sizes_are_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "studies" / "compression"
    process = start(*RUN, cwd=tmp_path)
    wait_for(lambda: list(folder.glob("checkpoints/*/attempt.json")))
    kill_all(process)
    other = here("run", "compression", "--sizes", "1", *SHORT, cwd=tmp_path)
    assert other.returncode == 0, other.stderr
    told = json.loads(here("status", "compression", "--json", cwd=tmp_path).stdout)
    assert (told["finished"], told["asked"]) == (2, 6)
    ended = here(*RUN, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert json.loads((folder / "study.json").read_text())["waiting"] == []


def test_no_gated_trial_follows_from_a_diverged_baseline(tmp_path: Path) -> None:
    command = ("run", "compression", "--sizes", "2", *SHORT, "--learning-rate", "1e12")
    ran = here(*command, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    folder = tmp_path / "studies" / "compression"
    (row,) = study.rows(folder)
    assert row["status"] == "diverged"
    assert "width=4 seed=0 cannot be trained: its τ is the error of τ=0 width=2" in ran.stderr
    work = missing_trials(_plan("2", learning_rate=1e12), Ledger(folder))
    assert (work.missing, work.proposal.later, len(work.proposal.impossible)) == ((), (), 1)
    again = here(*command, "--json", cwd=tmp_path)
    assert "cannot be trained" in again.stderr
    assert json.loads(again.stdout)["run"]["trained"] == 0
