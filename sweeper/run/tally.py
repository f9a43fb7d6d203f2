"""The accounts of a run, kept from what it hears."""

from __future__ import annotations

from sweeper.messages import Ended, Event, Failed


class Tally:
    """Counts the trials that ended in a run, each once, and the time they took."""

    def __init__(self) -> None:
        self._ended: set[str] = set()
        self.failed = 0
        self.trial_seconds = 0.0

    @property
    def trained(self) -> int:
        """How many trials have a result."""
        return len(self._ended)

    def on_event(self, event: Event) -> None:
        """Take in what became of a trial."""
        match event:
            case Ended(spec=spec, outcome=outcome) if spec.trial_id not in self._ended:
                self._ended.add(spec.trial_id)
                self.trial_seconds += outcome.seconds
            case Failed():
                self.failed += 1
