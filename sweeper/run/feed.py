"""What a backend is given to train next: always what the study proposes, given its ledger."""

from __future__ import annotations

from collections import deque

from sweeper.ledger.ledger import Ledger
from sweeper.messages import (
    Asked,
    Ended,
    Event,
    Failed,
    Listener,
    Pack,
    PackFailed,
)
from sweeper.planning.missing import work_given
from sweeper.planning.packs import form_packs
from sweeper.run.record import RunRecord
from sweeper.studies.base import Plan, Proposal
from trainer.spec import TrialSpec


class Feed:
    """The run's `PackSource`: each trial once; those of a pack that failed once more, alone.

    A plan that waits for trials to end is asked again whenever one has.

    Args:
        plan: the study.
        ledger: its ledger.
        record: is told which trials are asked for.
        listen: hears of them too.
        most: trials in a pack.
        workers: packs in training at a time.
    """

    def __init__(
        self,
        plan: Plan,
        ledger: Ledger,
        record: RunRecord,
        listen: Listener,
        *,
        most: int,
        workers: int,
    ) -> None:
        self._plan = plan
        self._ledger = ledger
        self._record = record
        self._listen = listen
        self._most = most
        self._workers = workers
        self._queue: deque[Pack] = deque()
        self._given: set[str] = set()
        self._in_training: dict[str, Pack] = {}
        self._look_again = True
        self._proposal = Proposal(())

    def next_pack(self) -> Pack | None:
        self._propose_if_new()
        if not self._queue:
            return None
        pack = self._queue.popleft()
        self._in_training.update((spec.trial_id, pack) for spec in pack.specs)
        return pack

    @property
    def exhausted(self) -> bool:
        self._propose_if_new()
        if self._queue:
            return False
        if not self._in_training:
            return True  # what may follow would follow on trials that failed
        a_pack_may_fail = any(len(pack.specs) > 1 for pack in self._in_training.values())
        return not self._proposal.later and not a_pack_may_fail

    def hear(self, event: Event) -> None:
        """Take in what became of a trial."""
        match event:
            case Ended(spec=spec) | Failed(spec=spec):
                self._in_training.pop(spec.trial_id, None)
                self._look_again |= bool(self._proposal.later)
            case PackFailed(specs=specs):
                left = [spec for spec in specs if self._in_training.pop(spec.trial_id, None)]
                self._queue.extend(self._pack((spec,)) for spec in left)

    def _propose_if_new(self) -> None:
        if not self._look_again:
            return
        self._look_again = False
        work = work_given(self._plan, self._ledger.ended())
        self._proposal = work.proposal
        new = [spec for spec in work.missing if spec.trial_id not in self._given]
        self._given.update(spec.trial_id for spec in new)
        self._record.ask(work)
        self._listen(Asked(tuple(new), len(self._proposal.later)))
        packs = [self._pack(specs) for specs in form_packs(new, self._most, self._workers)]
        # Stable, so that of trials of equal length those asked for earlier come first.
        ordered = sorted([*self._queue, *packs], key=lambda pack: -pack.specs[0].steps)
        self._queue = deque(ordered)

    def _pack(self, specs: tuple[TrialSpec, ...]) -> Pack:
        parents = self._proposal.parents
        return Pack(
            specs,
            {spec.trial_id: parents[spec.trial_id] for spec in specs if spec.trial_id in parents},
        )
