"""What a run and its workers tell Ray's metrics endpoint, for Prometheus and Grafana.

Ray puts `ray_` before the names. It forgets a gauge that is not set again within two of its
report intervals (10 s each), so that the series of a trial end soon after the trial. What it needs
for a new series, about 2 KB, it keeps; hence the workers set those of their own trials, and what
the run itself keeps does not grow with every trial.
"""

from __future__ import annotations

import functools
import time
from collections import Counter, deque

from ray.util.metrics import Gauge

from sweeper.ledger.ledger import Ledger
from sweeper.ledger.storage import open_folder
from sweeper.messages import (
    TRAINING,
    WAITING,
    Ended,
    Event,
    Failed,
    Job,
    PackFailed,
    Progress,
    Proposed,
    Started,
    WorkerLost,
)
from trainer.spec import TrialSpec
from trainer.verdict import Status

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

STATUSES = (WAITING, TRAINING, *(status.value for status in Status))

EXPORT_SECONDS = 1.0
"""How often the gauges are set again; Ray passes them on every 10 s at most every second."""

RATE_REPORTS = 10
"""A trial's rate is that between its last so many reports, which are about a second apart."""


class StudyMetrics:
    """Keeps the gauge of a study's trials by status.

    Args:
        job: the run's.
    """

    def __init__(self, job: Job) -> None:
        self._study = _study_tag(job)
        self._trials = Gauge("sweeper_trials", STUDY_GAUGES["sweeper_trials"], STUDY_TAGS)
        rows = Ledger(job.folder).ended()
        self._statuses = {trial_id: row.status for trial_id, row in rows.items()}
        self._next_export = 0.0

    def on_event(self, event: Event) -> None:
        """Take in what became of trials."""
        match event:
            case Proposed(specs=specs):
                self._statuses.update((spec.trial_id, WAITING) for spec in specs)
            case Started(spec=spec):
                self._statuses[spec.trial_id] = TRAINING
            case Ended(spec=spec, outcome=outcome):
                self._statuses[spec.trial_id] = outcome.status
            case Failed(spec=spec):
                self._statuses[spec.trial_id] = Status.FAILED
            case PackFailed(specs=specs) | WorkerLost(specs=specs):
                for spec in specs:
                    if self._statuses.get(spec.trial_id) == TRAINING:  # the others have ended
                        self._statuses[spec.trial_id] = WAITING

    def counts(self) -> Counter[str]:
        """Count the trials by status."""
        return Counter(self._statuses.values())

    def export(self) -> None:
        """Set the gauge, if it is time."""
        if time.monotonic() < self._next_export:
            return
        self._next_export = time.monotonic() + EXPORT_SECONDS
        counts = self.counts()
        for status in STATUSES:
            self._trials.set(counts[status], {"study": self._study, "status": status})


class TrialMetrics:
    """The gauges of the trials that a worker trains."""

    def __init__(self, job: Job) -> None:
        self._study = _study_tag(job)
        self._training: dict[str, _InTraining] = {}
        self._next_export = 0.0

    def progressed(self, spec: TrialSpec, progress: Progress) -> None:
        """Take in how far a trial is; to be called about every second, or less often."""
        if spec.trial_id not in self._training:
            self._training[spec.trial_id] = _InTraining(self._study, spec)
        self._training[spec.trial_id].reports.append((time.monotonic(), progress))

    def ended(self, spec: TrialSpec) -> None:
        """End the trial's series."""
        self._training.pop(spec.trial_id, None)

    def export(self) -> None:
        """Set the gauges, if it is time; to be called more often than they are to be set."""
        if time.monotonic() < self._next_export:
            return
        self._next_export = time.monotonic() + EXPORT_SECONDS
        gauges = _trial_gauges()
        for trial in self._training.values():
            for name, value in trial.values().items():
                gauges[name].set(value, trial.tags)


class _InTraining:
    """What is known of a trial."""

    def __init__(self, study: str, spec: TrialSpec) -> None:
        self.tags = {
            "study": study,
            "dataset": _ascii(spec.dataset),
            "trial": _ascii(spec.label.replace("τ", "tau")),
            "trial_id": spec.trial_id,
        }
        self.reports: deque[tuple[float, Progress]] = deque(maxlen=RATE_REPORTS)

    def values(self) -> dict[str, float]:
        """Return the latest values, by gauge; no rate before there are two reports."""
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


@functools.cache
def _trial_gauges() -> dict[str, Gauge]:
    """Return a worker's gauges, which serve all its trials."""
    return {name: Gauge(name, text, TRIAL_TAGS) for name, text in TRIAL_GAUGES.items()}


def _study_tag(job: Job) -> str:
    return _ascii(open_folder(job.folder).name)


def _ascii(text: str) -> str:
    """Ray's tags are ASCII; other characters are spelled as in Python."""
    return text.encode("ascii", "backslashreplace").decode()
