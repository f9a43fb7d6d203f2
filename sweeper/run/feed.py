"""What a backend is given to train next: always what the study proposes, given its ledger."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from sweeper.ledger.ledger import Ledger
from sweeper.messages import (
    Ended,
    Event,
    Failed,
    Listener,
    Noted,
    Pack,
    PackFailed,
    Proposed,
)
from sweeper.planning.missing import remaining_work
from sweeper.planning.packs import form_packs
from sweeper.run.record import RunRecord
from sweeper.studies.base import Plan, Proposal, longest_first
from trainer.spec import TrialSpec


class Feed:
    """The run's `PackSource`: each trial once; those of a pack that failed once more, alone.

    A plan is asked again when a trial has ended that something waits for, and its whole pack with
    it, so that the trials that follow can be of one pack too.

    Args:
        plan: the study.
        ledger: its ledger.
        record: keeps which trials are asked for.
        listen: the run's listener.
        max_pack: trials in a pack.
        workers: packs in training at a time.
    """

    def __init__(
        self,
        plan: Plan,
        ledger: Ledger,
        record: RunRecord,
        listen: Listener,
        *,
        max_pack: int,
        workers: int,
    ) -> None:
        self._plan = plan
        self._ledger = ledger
        self._record = record
        self._listen = listen
        self._max_pack = max_pack
        self._workers = workers
        self._queue: deque[tuple[TrialSpec, ...]] = deque()
        self._alone: deque[TrialSpec] = deque()
        self._proposed: set[str] = set()
        self._in_training: dict[str, Pack] = {}
        self._proposal = Proposal(())
        self._awaited: set[str] = set()
        self._ended: set[str] = set()  # of the awaited ones, since the plan was asked
        self._stale = True

    def next_pack(self) -> Pack | None:
        if self._stale:
            self._propose()
        if self._queue:
            return self._give(self._queue.popleft())
        if self._alone:
            return self._give((self._alone.popleft(),))
        return None

    @property
    def exhausted(self) -> bool:
        if self._queue or self._alone or self._stale:
            return False
        if not self._in_training:
            return True  # and so no row can come that something waits for
        may_fail_together = any(len(pack.specs) > 1 for pack in self._in_training.values())
        return not self._proposal.later and not may_fail_together

    def on_event(self, event: Event) -> None:
        """Take in what became of a trial."""
        match event:
            case Ended(spec=spec) | Failed(spec=spec):
                pack = self._in_training.pop(spec.trial_id, None)
                if spec.trial_id in self._awaited:
                    self._ended.add(spec.trial_id)
                if pack is not None and not self._is_in_training(pack):
                    self._stale |= bool(self._ended)
            case PackFailed(specs=specs):
                left = [spec for spec in specs if self._in_training.pop(spec.trial_id, None)]
                self._alone.extend(left)
                self._stale |= bool(self._ended)

    def _propose(self) -> None:
        try:
            work = remaining_work(self._plan, self._ledger.ended(self._ended))
        except OSError as error:
            if not self._in_training:
                raise
            self._listen(Noted(f"the ledger cannot be read now, and is read again: {error}"))
            self._stale = False  # until the next trial ends
            return
        self._stale = False
        self._ended.clear()
        self._proposal = work.proposal
        self._awaited = {trial_id for trial in work.proposal.later for trial_id in trial.after}
        new = [spec for spec in work.missing if spec.trial_id not in self._proposed]
        self._proposed.update(spec.trial_id for spec in new)
        self._enqueue(new)
        later = work.proposal.later
        self._listen(Proposed(tuple(new), len(later), sum(trial.like.steps for trial in later)))
        try:
            self._record.ask(work)
        except OSError as error:  # it is written again when something else is asked for
            self._listen(Noted(f"study.json cannot be written now: {error}"))

    def _enqueue(self, new: Iterable[TrialSpec]) -> None:
        """Form packs anew of what waits and what has come, for the workers that are free."""
        waiting = [spec for specs in self._queue for spec in specs]
        busy = len({id(pack) for pack in self._in_training.values()})
        free = max(1, self._workers - busy)
        specs = longest_first([*waiting, *new])
        self._queue = deque(form_packs(specs, self._max_pack, free))

    def _give(self, specs: tuple[TrialSpec, ...]) -> Pack:
        parents = self._proposal.parents
        ids = [spec.trial_id for spec in specs]
        pack = Pack(specs, {each: parents[each] for each in ids if each in parents})
        self._in_training.update(dict.fromkeys(ids, pack))
        return pack

    def _is_in_training(self, pack: Pack) -> bool:
        return any(spec.trial_id in self._in_training for spec in pack.specs)
