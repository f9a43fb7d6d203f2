"""A sweep's metrics: at Ray's endpoint, in a real Prometheus, and on the Grafana dashboard."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from study import start, starts_ray, wait_for

from sweeper.backends.ray import metrics, token_path
from sweeper.backends.ray.metrics import STUDY_GAUGES, TRIAL_GAUGES
from sweeper.ledger.ledger import Ledger

DASHBOARD = json.loads((Path(metrics.__file__).parent / "dashboard.json").read_text())
TRIALS = 400
TOKEN = token_path()

needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="Prometheus is not installed"
)


@dataclass(frozen=True)
class Sweep:
    """A sweep under way."""

    folder: Path
    discovery: str
    """Where Ray tells Prometheus what there is to scrape."""

    def targets(self) -> list[str]:
        """Return what there is to scrape, as Prometheus is told; nothing in the beginning."""
        shown = {"Authorization": f"Bearer {TOKEN.read_text()}"}
        asked = urllib.request.Request(self.discovery, headers=shown)
        answer = json.loads(urllib.request.urlopen(asked, timeout=60).read())
        return [target for group in answer for target in group["targets"]]


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sweep]:
    """Many trials of some seconds each, two at a time, in a folder whose name is not ASCII."""
    cwd = tmp_path_factory.mktemp("metrics")
    ray_folder = Path(tempfile.mkdtemp(prefix="ray-"))  # short: the names of sockets are limited
    process = start(
        "run", "pareto", "--taus", f"1..3@{TRIALS}", "--steps", "3000", "--layers", "16",
        "--workers", "2", "--study", "étude",
        cwd=cwd, RAY_TMPDIR=str(ray_folder), RAY_metrics_report_interval_ms="1000",
    )  # fmt: skip
    try:
        assert process.stderr is not None
        (dashboard,) = re.findall(r"Ray dashboard: (\S+)", process.stderr.readline())
        yield Sweep(cwd / "étude", f"{dashboard}/api/prometheus/sd")
    finally:
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
        shutil.rmtree(ray_folder)
    assert process.returncode == 130, stderr


@starts_ray
def test_the_endpoint_shows_each_trial_in_training(sweep: Sweep) -> None:
    def whole() -> list[Sample]:
        found = _scrape(sweep)
        names = {sample.name for sample in found}
        return found if names == {*TRIAL_GAUGES, *STUDY_GAUGES} else []

    samples = wait_for(whole)
    asked = set(Ledger(sweep.folder).manifest().asked)
    values: dict[str, list[float]] = {}
    for sample in samples:
        values.setdefault(sample.name, []).append(sample.value)
        assert sample.tags["study"] == "\\\\xe9tude"  # escaped by us, then by the endpoint
        if sample.name in TRIAL_GAUGES:
            assert sample.tags["dataset"] == "digits"
            assert re.fullmatch(r"tau=[\d.]+ width=16 seed=0", sample.tags["trial"])
            assert sample.tags["trial_id"] in asked
    assert all(1 <= len(values[name]) <= 2 * 3 for name in TRIAL_GAUGES)  # and those just ended
    assert all(0 < step <= 3000 for step in values["sweeper_step"])
    assert all(0 <= gates <= 16 for gates in values["sweeper_open_gates"])
    assert all(rate > 0 for rate in values["sweeper_steps_per_second"])
    assert all(0 < weight <= 5 for weight in values["sweeper_lambda"])
    assert all(sse > 0 for sse in values["sweeper_sse"])


@starts_ray
def test_the_trials_by_status_are_all_that_there_are(sweep: Sweep) -> None:
    def counts() -> dict[str, float]:
        found = _scrape(sweep)
        return {s.tags["status"]: s.value for s in found if s.name == "sweeper_trials"}

    by_status = wait_for(lambda: (now := counts()) and now["training"] == 2 and now)
    assert set(by_status) == set(metrics.STATUSES)
    assert sum(by_status.values()) == TRIALS
    wait_for(lambda: counts().get("waiting", TRIALS) < by_status["waiting"])  # it is kept up


@starts_ray
def test_a_trials_series_come_from_its_worker(sweep: Sweep) -> None:
    """What Ray needs for a series stays in the process that set it: not in the run's."""

    def by_process() -> list[set[str]]:
        found: dict[str, set[str]] = {}
        for sample in _scrape(sweep):
            found.setdefault(sample.tags["WorkerId"], set()).add(sample.name)
        return list(found.values())

    trial, study = set(TRIAL_GAUGES), set(STUDY_GAUGES)
    whole = wait_for(lambda: (now := by_process()) and trial in now and study in now and now)
    assert all(names <= trial or names == study for names in whole)


@starts_ray
def test_the_series_of_a_trial_end_with_it(sweep: Sweep) -> None:
    ended = wait_for(lambda: Ledger(sweep.folder).finished())
    shown = wait_for(lambda: (now := _shown(sweep)) and not now & ended and now)
    assert shown <= set(Ledger(sweep.folder).manifest().asked) - ended


@starts_ray
@needs_prometheus
def test_prometheus_finds_it_and_answers_every_panel(sweep: Sweep, tmp_path: Path) -> None:
    ended = Ledger(sweep.folder).finished()
    with _prometheus(sweep.discovery, tmp_path) as ask:
        found = wait_for(lambda: ask("ray_sweeper_open_gates"))
        trials = {series["metric"]["trial_id"] for series in found}
        assert trials <= set(Ledger(sweep.folder).manifest().asked) - ended
        for expression in _expressions():
            wait_for(lambda this=expression: ask(this.replace("$study", ".*")))


def test_the_dashboard_asks_only_for_what_there_is() -> None:
    asked = set(re.findall(r"ray_(sweeper_\w+)", json.dumps(DASHBOARD)))
    assert asked == {*TRIAL_GAUGES, *STUDY_GAUGES}
    tags = {*metrics.TRIAL_TAGS, *metrics.STUDY_TAGS}
    legends = [
        target["legendFormat"] for panel in DASHBOARD["panels"] for target in panel["targets"]
    ]
    assert set(re.findall(r"\{\{(\w+)\}\}", " ".join(legends))) <= tags
    assert all(set(re.findall(r"\{(\w+)=", expression)) <= tags for expression in _expressions())


def test_the_dashboard_can_be_imported() -> None:
    assert DASHBOARD["uid"]
    assert DASHBOARD["title"]
    assert DASHBOARD["schemaVersion"] >= 30
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["type"] in {"timeseries", "stat", "bargauge"}
        assert panel["title"]
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
    variables = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    assert set(re.findall(r"\$\{?([a-z]\w*)", json.dumps(panels))) == variables


@dataclass(frozen=True)
class Sample:
    """A line of a metrics page."""

    name: str
    """Without Ray's prefix."""
    tags: dict[str, str]
    value: float


def _scrape(sweep: Sweep) -> list[Sample]:
    """Read what the sweep says at Ray's endpoints, which are those that Prometheus would read."""
    samples = []
    for target in sweep.targets():
        try:
            page = urllib.request.urlopen(f"http://{target}/metrics", timeout=10).read().decode()
        except OSError:
            continue  # not yet there, or another Ray's, since two of its ports are fixed
        for name, tags, value in re.findall(r"^ray_(sweeper_\w+)\{(.*)\} (\S+)$", page, re.M):
            samples.append(Sample(name, dict(re.findall(r'(\w+)="(.*?)"', tags)), float(value)))
    return samples


def _shown(sweep: Sweep) -> set[str]:
    return {sample.tags["trial_id"] for sample in _scrape(sweep) if sample.name in TRIAL_GAUGES}


def _expressions() -> list[str]:
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


class _prometheus:  # noqa: N801 - used as a function
    """A Prometheus that scrapes what Ray names; gives a function that asks it."""

    def __init__(self, discovery: str, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._address = f"127.0.0.1:{free.getsockname()[1]}"
        found = {"url": discovery, "authorization": {"credentials_file": str(TOKEN)}}
        scrape = {"job_name": "ray", "http_sd_configs": [{**found, "refresh_interval": "1s"}]}
        config = {"global": {"scrape_interval": "1s"}, "scrape_configs": [scrape]}
        (folder / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML
        self._command = [
            "prometheus", f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={self._address}",
        ]  # fmt: skip

    def __enter__(self) -> Any:
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        return self._ask

    def __exit__(self, *exception: object) -> None:
        self._process.terminate()
        self._process.wait()

    def _ask(self, query: str) -> list[dict[str, Any]]:
        url = f"http://{self._address}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
        try:
            answer = json.loads(urllib.request.urlopen(url, timeout=10).read())
        except OSError as error:
            if isinstance(error, urllib.error.HTTPError) and error.code == 400:
                raise  # it does not understand the query
            return []  # it is not up yet
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result
