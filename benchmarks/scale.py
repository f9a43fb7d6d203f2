"""How long it takes to plan against a large ledger, and to read and report on one.

    python benchmarks/scale.py [--asked 100000] [--reported 10000] [--points 1000] [--model 150000]

Half of the trials that are asked for are finished. The ledgers are made up, of as many τ as a
sweep has and many seeds, and are written as a run writes them, in volumes. Reporting includes
checking the models, samples and curves for damage, for five seconds at most; `check` is the time
to check all. Each figure is of a process of its own, without the time it takes to import the
packages.
"""

from __future__ import annotations

import argparse
import math
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from analysis import StudyData, compute_report, write_report
from sweeper.environment import hardware
from sweeper.ledger.columns import CURVE_SCHEMA, TRIAL_SCHEMA
from sweeper.ledger.compaction import Volumes
from sweeper.ledger.digests import curve_digest, file_digest
from sweeper.ledger.ledger import VOLUME, Ledger
from sweeper.ledger.manifest import Manifest
from sweeper.ledger.record import TrialRecord
from sweeper.planning.missing import missing_trials
from sweeper.planning.packs import form_packs
from sweeper.studies.base import Plan
from sweeper.studies.pareto import sweep
from sweeper.studies.setup import TrainingSetup
from trainer import Status, TrialResult, TrialSpec, data

TAUS = [0.5 + 0.1 * number for number in range(50)]
WIDTH = 16
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
TARGETS = {"plan": (10, 1.0), "report": (10, 2.0), "check": (10, 2.0)}
"""Seconds, and GB of resident memory."""


def main() -> None:
    options = _options()
    if options.measure:
        _measure(options)
        return
    print(f"{hardware()}\n")
    print(f"{'':8}{'trials':>9}{'seconds':>9}{'target':>8}{'GB':>7}{'target':>8}")
    with tempfile.TemporaryDirectory() as folder:
        _write(Ledger(folder), _plan(options.asked), options.asked // 2)
        _run("plan", folder, options.asked)
    with tempfile.TemporaryDirectory() as folder:
        files = {"points": options.points, "model": options.model}
        _write(Ledger(folder), _plan(options.reported), options.reported, **files)
        for name in ("report", "check"):
            _run(name, folder, options.reported)


def _run(name: str, folder: str, trials: int) -> None:
    command = [sys.executable, __file__, "--measure", name, "--folder", folder]
    command += ["--asked", str(trials)]
    done = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE)
    seconds, memory = map(float, done.stdout.split()[-2:])
    most, room = TARGETS[name]
    print(f"{name:8}{trials:9,}{seconds:9.1f}{most:8}{memory:7.2f}{room:8}", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--asked", type=int, default=100_000)
    parser.add_argument("--reported", type=int, default=10_000)
    parser.add_argument("--points", type=int, default=1_000, help="samples in a curve")
    parser.add_argument("--model", type=int, default=150_000, help="bytes of a model")
    parser.add_argument("--measure", choices=TARGETS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    return parser.parse_args()


def _measure(options: argparse.Namespace) -> None:
    ledger, began = Ledger(options.folder), time.perf_counter()
    if options.measure == "plan":
        work = missing_trials(_plan(options.asked), ledger)
        packs = form_packs(work.missing, most=16, workers=4)
        assert sum(map(len, packs)) == len(work.missing) == options.asked - options.asked // 2
    elif options.measure == "check":
        assert not ledger.inspect(ledger.rows()).faults
    else:
        report = compute_report(StudyData.read(ledger))
        print(report.answer.headline, write_report(report))
    seconds = time.perf_counter() - began
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)


def _plan(trials: int) -> Plan:
    setup = TrainingSetup(
        dataset=data.load("digits"),
        architecture="dense",
        layers=(64, 32),
        steps=4_000,
        objective="geco-l0-arm",
        tolerance=0.03,
        learning_rate=1e-3,
        budget="quick",
    )
    return sweep("pareto", setup, TAUS, (WIDTH,), range(math.ceil(trials / len(TAUS))))


def _write(ledger: Ledger, asked: Plan, count: int, points: int = 0, model: int = 0) -> None:
    """Write the ledger of a run that has finished so many of the trials.

    Args:
        ledger: an empty one.
        asked: what was asked for.
        count: how many of the trials have finished.
        points: of each one's curve.
        model: bytes of each one's model.
    """
    proposed = asked.propose({}).specs
    specs = proposed[:count]
    ledger.write_manifest(
        Manifest(
            study=asked.study,
            settings=asked.settings,
            request={name: list(values) for name, values in asked.request.items()},
            asked=tuple(spec.trial_id for spec in proposed),
        )
    )
    rows = _rows(specs)
    if model:
        rows = _with_digests(rows, "model_sha256", _write_models(ledger, specs, model))
    volumes = Volumes(ledger.trials, ledger.curves)
    for first in range(0, count, VOLUME):
        batch = specs[first : first + VOLUME]
        curves = {spec.trial_id: _curve(spec, points) for spec in batch} if points else {}
        some = rows.slice(first, len(batch))
        if points:
            digests = [curve_digest(curves[spec.trial_id]) for spec in batch]
            some = _with_digests(some, "curves_sha256", digests)
        volumes.compact(some, curves)


def _write_models(ledger: Ledger, specs: tuple[TrialSpec, ...], size: int) -> list[str]:
    """Write a file for each trial, and return their digests."""
    Path(str(ledger.models)).mkdir()
    digests = []
    for spec in specs:
        content = np.random.default_rng(spec.seed).bytes(size)
        Path(ledger.models.at(f"{spec.trial_id}.safetensors")).write_bytes(content)
        digests.append(file_digest(content))
    return digests


def _with_digests(rows: pa.Table, name: str, digests: list[str]) -> pa.Table:
    field = TRIAL_SCHEMA.field(name)
    return rows.set_column(rows.schema.get_field_index(name), field, [digests])


def _rows(specs: tuple[TrialSpec, ...]) -> pa.Table:
    """Copy one row, and put what differs into it."""
    result = TrialResult(
        status=Status.FEASIBLE, open_gates=5, gate_l1=5.0, train_sse=1.0, test_sse_sampled=1.0,
        test_sse_mean=0.9, constraint_ma=-0.01, multiplier=0.7, kl=9.0, settled_step=1_000,
        seconds=20.0, steps_per_second=200.0, device="cpu",
    )  # fmt: skip
    record = TrialRecord(
        study="pareto", spec=specs[0], result=result, attempts=1, started_at=BEGAN,
        finished_at=BEGAN, versions={"torch": "2"},
    )  # fmt: skip
    gates = [max(1, round(9 / (1 + spec.tau)) + spec.seed % 2) for spec in specs]
    columns = {
        "trial_id": [spec.trial_id for spec in specs],
        "spec": [spec.to_json() for spec in specs],
        "tau": [spec.tau for spec in specs],
        "seed": [spec.seed for spec in specs],
        "open_gates": gates,
        "test_sse_sampled": [spec.tau + 0.001 * (spec.seed % 7) for spec in specs],
        "finished_at": [BEGAN + timedelta(seconds=number) for number in range(len(specs))],
    }
    table = pa.concat_tables([record.row()] * len(specs))
    for name, values in columns.items():
        field = TRIAL_SCHEMA.field(name)
        table = table.set_column(table.schema.get_field_index(name), field, [values])
    return table.combine_chunks()


def _curve(spec: TrialSpec, points: int) -> pa.Table:
    random = np.random.default_rng(spec.seed)
    steps = np.linspace(1, spec.steps, points).astype(int)
    columns = {
        "step": steps,
        "open_gates": np.linspace(WIDTH, 5, points).astype(int),
        **{name: random.random(points) for name in CURVE_SCHEMA.names[1:] if name != "open_gates"},
    }
    return pa.table([columns[name] for name in CURVE_SCHEMA.names], schema=CURVE_SCHEMA)


if __name__ == "__main__":
    main()
