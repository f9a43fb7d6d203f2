"""What a run tells Ray's metrics endpoint, for Prometheus and Grafana.

Ray puts `ray_` before the names. It forgets a gauge that is not set again within two of its
report intervals (10 s each), so that the series of a trial end soon after the trial.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Sequence

from ray.util.metrics import Gauge

from sweeper.backends.base import Listener
from sweeper.job import Finished, Job, Progress
from sweeper.ledger import Ledger
from sweeper.packs import Packs
from trainer.spec import Status, TrialSpec

TRIAL_GAUGES = {
    "sweeper_step": "Steps that a trial in training has taken",
    "sweeper_sse": "Squared error of its last batch, summed over an image's pixels",
    "sweeper_open_gates": "Latent dimensions that it has left",
    "sweeper_lambda": "Weight of the error against the size of its latent space",
    "sweeper_steps_per_second": "Steps that it takes a second",
}
"""One series for each trial in training."""

STUDY_GAUGES = {"sweeper_trials": "Trials of a study by status"}
"""One series for each status."""

TRIAL_TAGS = ("study", "dataset", "trial", "trial_id")
STUDY_TAGS = ("study", "status")

TRAINING, WAITING = "training", "waiting"
STATUSES = (WAITING, TRAINING, *(status.value for status in Status))

EXPORT_SECONDS = 1.0
"""How often the gauges are set again; Ray passes them on every 10 s at most every second."""

RATE_REPORTS = 10
"""A trial's rate is that between its last so many reports, which are about a second apart."""


class Metered:
    """A listener that keeps Ray's gauges and passes on what it hears.

    Args:
        packs: what the run is to train.
        job: the run's.
        listener: the next to hear.
    """

    def __init__(self, packs: Packs, job: Job, listener: Listener) -> None:
        self._listener = listener
        ledger = Ledger(job.folder)
        self._study = _ascii(ledger.folder.name)
        self._gauges = {name: Gauge(name, text, TRIAL_TAGS) for name, text in TRIAL_GAUGES.items()}
        self._trials = Gauge("sweeper_trials", STUDY_GAUGES["sweeper_trials"], STUDY_TAGS)
        rows = ledger.rows()
        self._statuses = dict(
            zip(rows["trial_id"].to_pylist(), rows["status"].to_pylist(), strict=True)
        )
        self._statuses.update((spec.trial_id, WAITING) for pack in packs for spec in pack)
        self._training: dict[str, _InTraining] = {}
        self._next_export = 0.0

    def export(self) -> None:
        """Set the gauges of all trials in training, if it is time."""
        if time.monotonic() < self._next_export:
            return
        self._next_export = time.monotonic() + EXPORT_SECONDS
        for trial in self._training.values():
            tags = {"study": self._study, **trial.tags}
            for name, value in trial.values().items():
                self._gauges[name].set(value, tags)
        counts = Counter(self._statuses.values())
        for status in STATUSES:
            self._trials.set(counts[status], {"study": self._study, "status": status})

    def started(self, spec: TrialSpec) -> None:
        """See `Listener`."""
        self._statuses[spec.trial_id] = TRAINING
        self._training[spec.trial_id] = _InTraining(spec)
        self._listener.started(spec)

    def progressed(self, spec: TrialSpec, progress: Progress) -> None:
        """See `Listener`."""
        if spec.trial_id not in self._training:
            self._training[spec.trial_id] = _InTraining(spec)
        self._training[spec.trial_id].reports.append((time.monotonic(), progress))
        self._listener.progressed(spec, progress)

    def note(self, text: str) -> None:
        """See `Listener`."""
        self._listener.note(text)

    def finished(self, spec: TrialSpec, outcome: Finished) -> None:
        """See `Listener`."""
        self._ended(spec, outcome.status)
        self._listener.finished(spec, outcome)

    def failed(self, spec: TrialSpec, error: str) -> None:
        """See `Listener`."""
        self._ended(spec, Status.FAILED)
        self._listener.failed(spec, error)

    def broken(self, pack: Sequence[TrialSpec], error: str) -> None:
        """See `Listener`."""
        for spec in pack:
            if spec.trial_id in self._training:  # the others have ended
                self._ended(spec, WAITING)
        self._listener.broken(pack, error)

    def _ended(self, spec: TrialSpec, status: str) -> None:
        self._statuses[spec.trial_id] = status
        self._training.pop(spec.trial_id, None)


class _InTraining:
    """What was heard of a trial."""

    def __init__(self, spec: TrialSpec) -> None:
        self.tags = {
            "dataset": _ascii(spec.dataset),
            "trial": _ascii(spec.label.replace("τ", "tau")),
            "trial_id": spec.trial_id,
        }
        self.reports: deque[tuple[float, Progress]] = deque(maxlen=RATE_REPORTS)

    def values(self) -> dict[str, float]:
        """Give what is known, by gauge."""
        if not self.reports:
            return {}
        (first_time, first), (last_time, last) = self.reports[0], self.reports[-1]
        known: dict[str, float] = {
            "sweeper_step": last.step,
            "sweeper_sse": last.sse,
            "sweeper_open_gates": last.open_gates,
            "sweeper_lambda": last.multiplier,
        }
        if last_time > first_time:
            rate = (last.step - first.step) / (last_time - first_time)
            known["sweeper_steps_per_second"] = rate
        return known


def _ascii(text: str) -> str:
    """Ray's tags are ASCII; other characters are spelled as in Python."""
    return text.encode("ascii", "backslashreplace").decode()
