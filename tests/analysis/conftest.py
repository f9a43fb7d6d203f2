"""Ledgers with synthetic trials, written the way a run writes them."""

import dataclasses
import itertools
import json
import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from analysis import StudyData, compute_report, write_report
from sweeper.ledger.columns import CURVE_SCHEMA, SCHEMA_VERSION
from sweeper.ledger.fields import Fields
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.manifest import FORMAT, SWEPT_FIELDS, Manifest
from sweeper.ledger.record import TrialRecord
from trainer.result import TrialResult
from trainer.spec import TrialSpec
from trainer.verdict import Status

START = datetime(2026, 11, 20, 10, tzinfo=UTC)
VERSIONS = {"python": "3.11.7", "bottleneck-sweeper": "0.1.0", "torch": "2.13.0"}
GATES = {0.5: 12, 1.0: 6, 1.5: 4, 2.0: 4, 2.5: 2, 3.0: 2, 3.5: 1}
"""What training on digits gives at each τ: a front with a knee at τ = 1.5."""


def make_curve(tau, width, gates, steps=8000, samples=200):
    """A trial's curve as in the paper's Figure 1: the error meets τ, then the gates close."""
    step = np.linspace(steps / samples, steps, samples).astype(int)
    done = step / steps
    noise = np.random.default_rng(0).normal(0, 0.08, samples)
    average = tau + 4 * np.exp(-18 * done) - 0.01
    gate_l1 = width - (width - gates) * np.clip((done - 0.2) / 0.5, 0, 1)
    columns = {
        "step": step,
        "sse": average + tau * noise,
        "constraint_ma": average - tau,
        "hit_rate": np.clip(0.55 - 0.55 * np.exp(-14 * done) + noise, 0, 1),
        "gate_l1": gate_l1,
        "open_gates": np.round(gate_l1).astype(int),
        "lambda": 0.15 + 1.6 * np.exp(-6 * done),
        "kl": 2 + 3 * done,
        "seconds": done * 12,
    }
    return pa.table(columns, schema=CURVE_SCHEMA)


def make_samples(tau):
    """Six grey 8x8 images; the more error is accepted, the greyer their reconstructions."""
    images = np.random.default_rng(0).integers(0, 256, (6, 1, 8, 8), dtype=np.uint8)
    blend = min(tau / 4, 1)
    return {
        "images": images,
        "reconstructions": (images * (1 - blend) + 90 * blend).astype(np.uint8),
    }


def make_record(tau=1.5, seed=0, width=16, **changes):
    """One finished trial; `changes` replace fields of its spec, its result or its record."""
    names = {f.name for f in dataclasses.fields(TrialSpec)}
    spec = TrialSpec(
        dataset="digits",
        dataset_sha256="ab" * 32,
        architecture="dense",
        layers=(128, 64),
        tau=tau,
        width=width,
        seed=seed,
        steps=8000,
    )
    spec = dataclasses.replace(spec, **{k: v for k, v in changes.items() if k in names})
    gates = changes.get("open_gates", GATES.get(tau, 3))
    result = TrialResult(
        status=Status.FEASIBLE,
        open_gates=gates,
        gate_l1=gates + 0.02,
        train_sse=tau * 1.01,
        test_sse_sampled=tau * 0.98,
        test_sse_mean=tau * 0.8,
        constraint_ma=-0.01 * tau,
        multiplier=0.2,
        kl=3.1,
        settled_step=5200,
        seconds=12.0,
        steps_per_second=660.0,
        device="cpu",
    )
    names = {f.name for f in dataclasses.fields(TrialResult)}
    result = dataclasses.replace(result, **{k: v for k, v in changes.items() if k in names})
    record = TrialRecord(
        study="pareto",
        spec=spec,
        result=result,
        attempts=1,
        started_at=START,
        finished_at=START + timedelta(seconds=20 * tau + seed),
        versions=VERSIONS,
        curves=make_curve(tau, width, gates),
        samples=make_samples(tau),
    )
    names = {f.name for f in dataclasses.fields(TrialRecord)}
    return dataclasses.replace(record, **{k: v for k, v in changes.items() if k in names})


def make_failed(tau=1.5, seed=0, width=16, **changes):
    """A trial that raised an error, as a run records it: without measurements."""
    record = make_record(tau, seed, width, curves=None, samples=None, **changes)
    result = TrialResult.of_failure("OSError: disk full", "cpu")
    return dataclasses.replace(record, result=result)


def make_diverged(tau=1.5, seed=0, width=16, **changes):
    """A trial that diverged: the last sample of its curve is NaN."""
    record = make_record(tau, seed, width, status=Status.DIVERGED, error="not finite", **changes)
    fields = {f.name: getattr(record.result, f.name) for f in dataclasses.fields(TrialResult)}
    lost = {name: math.nan for name, value in fields.items() if isinstance(value, float)}
    result = dataclasses.replace(
        record.result, **{**lost, "seconds": 3.0, "open_gates": None, "settled_step": None}
    )
    curve = record.curves.slice(0, 60).to_pandas()
    curve.loc[59, ["sse", "constraint_ma", "hit_rate", "gate_l1", "lambda", "kl"]] = math.nan
    curve.loc[59, "open_gates"] = 0  # of gate logits that are no numbers, none is above 0
    curves = pa.Table.from_pandas(curve, schema=CURVE_SCHEMA, preserve_index=False)
    return dataclasses.replace(record, result=result, curves=curves)


def make_pair(size=3, seed=0, error=1.25, gates=4, dataset="digits", **changes):
    """A baseline, and the trial of twice its width and steps that has its error for τ.

    `changes` are the second one's.
    """
    common = {"dataset": dataset, "study": "compression"}
    baseline = make_record(
        0, seed, size, objective="geco", steps=4000, open_gates=size, train_sse=error, **common
    )
    gated = make_record(
        error, seed, 2 * size, steps=8000, open_gates=gates, **{**common, **changes}
    )
    return [baseline, gated]


def make_settings(specs):
    """What the first trial of each data set was trained with."""
    settings = {}
    for spec in specs:
        setting = {name: value for name, value in vars(spec).items() if name not in SWEPT_FIELDS}
        settings.setdefault(setting.pop("dataset"), setting)
    return settings


def make_manifest(records, **changes):
    """The `study.json` of a study that one run asked for and finished."""
    specs = [record.spec for record in records]
    each = [record.result.seconds for record in records]
    seconds = sum(value for value in each if math.isfinite(value))
    run = {
        "command": "sweeper run pareto --dataset digits --taus 0.5..3.5..0.5",
        "started_at": START.isoformat(),
        "finished_at": (START + timedelta(minutes=1)).isoformat(),
        "outcome": "done",
        "backend": "ray",
        "workers": 2,
        "device": "cpu",
        "hardware": "AMD EPYC, 2 cores, 24 GB",
        "host": "node-1",
        "trained": len(records),
        "reused": 0,
        "wall_seconds": 60.1,
        "trial_seconds": seconds,
        "overhead": 60.1 / (seconds / 2) if seconds else None,
        "versions": VERSIONS,
        "git_commit": "abc123",
    }
    manifest = {
        "study": records[0].study if records else "pareto",
        "settings": make_settings(specs or [make_record().spec]),
        "request": {
            "taus": sorted({spec.tau for spec in specs}),
            "widths": sorted({spec.width for spec in specs}),
            "seeds": sorted({spec.seed for spec in specs}),
        },
        "asked": [spec.trial_id for spec in specs],
        "waiting": [],
        "runs": [run],
    }
    return {**manifest, **changes}


@pytest.fixture(scope="session")
def trial():
    """Makes a finished trial: `trial(tau=2.0, status=Status.INFEASIBLE)`."""
    return make_record


@pytest.fixture(scope="session")
def failed():
    """Makes a trial that raised an error."""
    return make_failed


@pytest.fixture(scope="session")
def diverged():
    """Makes a trial that diverged."""
    return make_diverged


@pytest.fixture(scope="session")
def pair():
    """Makes a baseline and its gated trial: `pair(3, seed=1, error=1.3, gates=4)`."""
    return make_pair


@pytest.fixture(scope="session")
def curve_of():
    """Makes a curve: `curve_of(tau=1.5, width=16, gates=4)`."""
    return make_curve


@pytest.fixture(scope="session")
def study_of(tmp_path_factory):
    """Writes a ledger of trials: `study_of([trial(), …], runs=[])`."""
    folder, numbers = tmp_path_factory.mktemp("studies"), itertools.count()

    def write(records, **manifest):
        ledger = Ledger(folder / f"study-{next(numbers)}")
        content = {"format": FORMAT, "schema_version": SCHEMA_VERSION}
        content |= make_manifest(records, **manifest)
        ledger.write_manifest(Manifest.of(Fields(json.loads(json.dumps(content)))))
        for record in records:
            ledger.record(record)
        return ledger

    return write


@pytest.fixture
def digits(study_of):
    """A ledger of seven feasible trials, as the demo's."""
    return study_of([make_record(tau) for tau in GATES])


@pytest.fixture(scope="session")
def written_digits(study_of):
    """The same, with its report written: read it only."""
    ledger = study_of([make_record(tau) for tau in GATES])
    write_report(compute_report(StudyData.read(ledger)))
    return ledger
