"""What a backend is given to train: with a real study, a real ledger, and trials made by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sweeper.ledger.ledger import Ledger
from sweeper.ledger.record import TrialRecord
from sweeper.messages import Ended, Event, Failed, Noted, Outcome, Pack, PackFailed, Proposed
from sweeper.options import RunOptions
from sweeper.run.feed import Feed
from sweeper.run.record import RunRecord
from sweeper.studies import compression, pareto
from sweeper.studies.base import Plan
from sweeper.studies.setup import TrainingOptions
from trainer import Status, TrialResult, TrialSpec, data
from trainer.local_folder import LocalFolder

TRAINING = TrainingOptions(layers="16", steps=400)


class Run:
    """A feed, its ledger, and what its listener heard; ends trials as a backend would."""

    def __init__(self, plan: Plan, folder: Path, max_pack: int = 1, workers: int = 1) -> None:
        self.ledger = Ledger(folder)
        self.events: list[Event] = []
        record = RunRecord(self.ledger, plan, RunOptions())
        self.feed = Feed(
            plan, self.ledger, record, self.events.append, max_pack=max_pack, workers=workers
        )

    def all_now(self) -> list[Pack]:
        """Return all packs that can be named at this moment."""
        packs = []
        while (pack := self.feed.next_pack()) is not None:
            packs.append(pack)
        return packs

    def end(self, spec: TrialSpec, **changes: Any) -> None:
        """Record a result of a trial, and the feed hears of it."""
        fields: dict[str, Any] = {
            "status": Status.FEASIBLE, "open_gates": 2, "gate_l1": 2.0, "train_sse": 2.5,
            "test_sse_sampled": 2.6, "test_sse_mean": 2.4, "constraint_ma": 0.0, "multiplier": 0.7,
            "kl": 5.0, "settled_step": 300, "seconds": 1.0, "steps_per_second": 400.0,
            "device": "cpu",
        }  # fmt: skip
        result = TrialResult(**fields | changes)
        self._record(spec, result)
        self.feed.on_event(Ended(spec, Outcome(str(result.status), 2, 2.6, 1.0)))

    def fail(self, spec: TrialSpec) -> None:
        """Record the failure of a trial, and the feed hears of it."""
        self._record(spec, TrialResult.of_failure("OSError: no", "cpu"))
        self.feed.on_event(Failed(spec, "OSError: no"))

    def _record(self, spec: TrialSpec, result: TrialResult) -> None:
        moment = datetime(2026, 1, 2, tzinfo=UTC)
        self.ledger.record(
            TrialRecord(
                study="any", spec=spec, result=result, attempts=1, started_at=moment,
                finished_at=moment, versions={},
            )
        )  # fmt: skip

    def asked(self) -> list[tuple[int, int]]:
        """Return how many trials were asked for each time, and how many might follow."""
        return [(len(each.specs), each.later) for each in self.events if isinstance(each, Proposed)]


StartRun = Callable[..., Run]


@pytest.fixture
def sweep(tmp_path: Path) -> StartRun:
    """Start a run of a study that knows all its trials."""
    options = pareto.ParetoOptions(taus="2,3,4")
    return lambda **packs: Run(pareto.plan(options, TRAINING, data.load), tmp_path, **packs)


@pytest.fixture
def pairs(tmp_path: Path) -> StartRun:
    """Start a run of a study of two baselines, from each of which a gated trial follows."""
    options = compression.CompressionOptions(sizes="2,3")
    return lambda **packs: Run(compression.plan(options, TRAINING, data.load), tmp_path, **packs)


def _specs(packs: list[Pack]) -> list[TrialSpec]:
    return [spec for pack in packs for spec in pack.specs]


def test_each_trial_is_given_once(sweep: StartRun) -> None:
    run = sweep()
    assert not run.feed.exhausted
    packs = run.all_now()
    assert [[spec.tau for spec in pack.specs] for pack in packs] == [[2.0], [3.0], [4.0]]
    assert run.feed.exhausted  # of trials alone nothing comes again, whatever they end with
    run.end(packs[0].specs[0])
    run.fail(packs[1].specs[0])
    assert run.all_now() == []
    assert run.asked() == [(3, 0)]


def test_what_the_ledger_has_is_not_given_and_what_failed_before_is(sweep: StartRun) -> None:
    before = sweep()
    finished, failed, _ = _specs(before.all_now())
    before.end(finished)
    before.fail(failed)
    again = sweep()
    assert [spec.tau for spec in _specs(again.all_now())] == [3.0, 4.0]
    assert again.asked() == [(2, 0)]


def test_a_gated_trial_is_given_when_its_baseline_has_ended(pairs: StartRun) -> None:
    run = pairs()
    baselines = _specs(run.all_now())
    assert {spec.objective for spec in baselines} == {"geco"}
    assert not run.feed.exhausted  # it waits
    followers = []
    for baseline in reversed(baselines):  # in any order
        run.end(baseline, train_sse=1.0 + baseline.width)
        (pack,) = run.all_now()
        (follower,) = pack.specs
        assert (follower.tau, follower.width) == (1.0 + baseline.width, 2 * baseline.width)
        assert pack.parents == {follower.trial_id: baseline.trial_id}
        followers.append(follower)
    assert run.feed.exhausted
    for follower in followers:
        run.end(follower)
    assert run.all_now() == []
    assert run.asked() == [(2, 2), (1, 1), (1, 0)]


def test_a_trial_that_takes_longer_is_given_before_those_that_wait(pairs: StartRun) -> None:
    run = pairs()
    first = run.feed.next_pack()
    assert first
    (baseline,) = first.specs
    run.end(baseline)
    follower, other = _specs(run.all_now())
    assert (follower.objective, other.objective) == ("geco-l0-arm", "geco")


def test_nothing_more_comes_once_all_that_it_waits_for_has_failed(pairs: StartRun) -> None:
    run = pairs()
    one, other = _specs(run.all_now())
    run.fail(one)
    assert run.all_now() == []
    assert not run.feed.exhausted  # the other may yet end well
    run.fail(other)
    assert run.all_now() == []
    assert run.feed.exhausted


def test_nothing_follows_from_a_trial_that_diverged(pairs: StartRun) -> None:
    run = pairs()
    for baseline in _specs(run.all_now()):
        run.end(baseline, status=Status.DIVERGED)
    assert run.all_now() == []
    assert run.feed.exhausted
    assert run.asked()[-1] == (0, 0)


def test_the_trials_of_a_pack_that_failed_are_given_again_alone(sweep: StartRun) -> None:
    """But for one that had ended before; and none a third time."""
    run = sweep(max_pack=3)
    (pack,) = run.all_now()
    assert len(pack.specs) == 3
    assert not run.feed.exhausted  # it may fail
    ended, *others = pack.specs
    run.end(ended)
    run.feed.on_event(PackFailed(pack.specs, "OSError: no"))
    assert not run.feed.exhausted
    alone = run.all_now()
    assert [each.specs for each in alone] == [(spec,) for spec in others]
    assert run.feed.exhausted
    for spec in others:
        run.fail(spec)
    assert run.all_now() == []


def test_a_trial_given_again_alone_keeps_its_parent(pairs: StartRun) -> None:
    run = pairs(max_pack=2)
    (baselines,) = run.all_now()
    for number, baseline in enumerate(baselines.specs):
        run.end(baseline, train_sse=2.0 + number)
    (pack,) = run.all_now()
    assert len(pack.specs) == len(pack.parents) == 2
    run.feed.on_event(PackFailed(pack.specs, "OSError: no"))
    alone = run.all_now()
    assert [len(each.specs) for each in alone] == [1, 1]
    parents = {name: parent for each in alone for name, parent in each.parents.items()}
    assert parents == pack.parents


def test_the_manifest_names_what_is_asked_for_and_counts_what_waits(
    pairs: StartRun, tmp_path: Path
) -> None:
    run = pairs()

    def manifest() -> tuple[int, int]:
        found = json.loads((tmp_path / "study.json").read_text())
        return len(found["asked"]), len(found["waiting"])

    baselines = _specs(run.all_now())
    assert manifest() == (2, 2)
    for baseline, expected in zip(baselines, [(3, 1), (4, 0)], strict=True):
        run.end(baseline)
        run.all_now()
        assert manifest() == expected


def test_the_trials_that_follow_a_pack_are_of_one_pack(tmp_path: Path) -> None:
    """They are proposed when the last trial of the pack has ended, whoever asks before."""
    options = compression.CompressionOptions(sizes="2..9")
    run = Run(compression.plan(options, TRAINING, data.load), tmp_path, max_pack=4, workers=2)
    baselines = run.all_now()
    assert [len(pack.specs) for pack in baselines] == [4, 4]
    for pack in baselines:
        for number, spec in enumerate(pack.specs):
            run.end(spec, train_sse=1.0 + number)
            followers = run.all_now()
            assert bool(followers) == (spec == pack.specs[-1])
        assert [len(pack.specs) for pack in followers] == [4]


def test_a_plan_is_asked_again_only_when_a_trial_ends_that_something_waits_for(
    pairs: StartRun,
) -> None:
    run = pairs()
    for baseline in _specs(run.all_now()):
        run.end(baseline)
    followers = _specs(run.all_now())
    proposals = len(run.asked())
    run.end(followers[0])
    assert run.all_now() == []
    assert len(run.asked()) == proposals


def test_a_ledger_that_cannot_be_read_is_read_again_at_the_next_end(
    pairs: StartRun, tmp_path: Path
) -> None:
    run = pairs()
    one, other = _specs(run.all_now())
    run.end(one)
    rows = tmp_path / "trials"
    rows.rename(tmp_path / "away")
    rows.touch()  # a file in the folder's place
    assert run.all_now() == []
    assert not run.feed.exhausted
    (noted,) = (event for event in run.events if isinstance(event, Noted))
    assert "cannot be read now" in noted.text
    rows.unlink()
    (tmp_path / "away").rename(rows)
    run.end(other)
    assert len(run.all_now()) == 2


def test_a_row_that_the_folders_listing_lacks_is_read_by_its_name(
    pairs: StartRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a network mount, whose listings are a while behind."""
    run = pairs()
    baselines = _specs(run.all_now())
    monkeypatch.setattr(LocalFolder, "names", lambda folder: [])
    for baseline in baselines:
        run.end(baseline)
        assert len(run.all_now()) == 1
