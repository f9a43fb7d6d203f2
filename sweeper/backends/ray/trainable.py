"""What runs in a worker of Ray, and its reports to Tune."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ray import tune

from sweeper.backends.ray.cluster import Bundle, receive_data
from sweeper.backends.ray.credentials import Credentials, use_credentials
from sweeper.backends.ray.metrics import TrialMetrics
from sweeper.backends.ray.private import setproctitle
from sweeper.backends.ray.searcher import pack_of
from sweeper.ledger.stop_file import StopFile
from sweeper.ledger.storage import open_folder
from sweeper.messages import REPORT_SECONDS, Job, Outcome, Progress
from sweeper.worker.worker import Reporter, run_pack
from trainer.spec import TrialSpec
from trainer.training.loop import Interrupted


def trainable(job: Job, bundles: Mapping[str, Bundle], credentials: Credentials) -> Any:
    """Return what Tune runs in a worker: it trains the pack of its configuration.

    Args:
        job: the run's.
        bundles: data that nodes may lack.
        credentials: of the study's storage, that nodes may lack.
    """

    def sweeper_trial(
        config: dict[str, Any], job: Job, bundles: Mapping[str, Bundle], credentials: Credentials
    ) -> None:
        use_credentials(credentials)
        pack = pack_of(config)
        title = f"{job.study} {config['title']}"
        print(title, file=sys.stderr, flush=True)  # the dashboard shows it as the actor's log
        metrics, stop_file = TrialMetrics(job), StopFile(open_folder(job.folder), job.run)

        def should_stop() -> bool:
            metrics.export()  # at every step, since a trial's points may be far apart
            return stop_file()

        reports = _Reports(f"ray::{title}", metrics)
        reporter = Reporter(
            progress=reports.progress,
            ended=reports.ended,
            note=reports.note,
            should_stop=should_stop,
        )
        try:
            if should_stop():
                raise Interrupted
            receive_data(pack.specs[0], job, bundles)
            run_pack(pack, job, reporter)
        except Interrupted:
            tune.report({"event": "interrupted"})

    # The dashboard lists actors by this name. It is read once, before an actor's first trial, so
    # it says what all of them have in common.
    sweeper_trial.__name__ = "-".join([job.study, *sorted(job.datasets)])
    # These go through Ray's memory; the function itself, Tune also writes into a file.
    return tune.with_parameters(sweeper_trial, job=job, bundles=bundles, credentials=credentials)


class _Reports:
    """Passes a worker's reports on to Tune; progress at most once a second, of all its trials."""

    def __init__(self, title: str, metrics: TrialMetrics) -> None:
        self._title = title
        self._metrics = metrics
        self._last = 0.0
        self._latest: dict[TrialSpec, Progress] = {}
        setproctitle(title)

    def progress(self, spec: TrialSpec, progress: Progress) -> None:
        self._latest[spec] = progress
        if time.monotonic() - self._last >= REPORT_SECONDS:
            self._last = time.monotonic()
            for each, its_progress in self._latest.items():
                self._metrics.progressed(each, its_progress)
            by_trial = {each.trial_id: asdict(latest) for each, latest in self._latest.items()}
            self._report("progressed", by_trial)
            self._latest = {}

    def ended(self, spec: TrialSpec, outcome: Outcome) -> None:
        self._metrics.ended(spec)
        self._report("ended", {spec.trial_id: asdict(outcome)})

    def note(self, text: str) -> None:
        self._report("noted", {}, text)

    def _report(self, event: str, by_trial: dict[str, dict[str, Any]], text: str = "") -> None:
        tune.report({"event": event, "trials": json.dumps(by_trial), "text": text})
        # Ray names the process after the actor's method with every report; the dashboard and
        # `top` are to show which trial it trains.
        setproctitle(self._title)
