"""The benchmarks' own machinery, in its smallest form: figures of its speed mean nothing here."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from members import assert_same

from trainer import TrialSpec, data
from trainer.objectives.state import TrainState
from trainer.step.cuda_graph import eager
from trainer.step.pack import Pack
from trainer.step.stepper import Stepper
from trainer.step.trial import Trial

ROOT = Path(__file__).parent.parent
ABSENT = ("ray", "safetensors", "typer", "rich", "optuna", "matplotlib", "jinja2", "scipy")
"""What a machine with a GPU need not have."""


@pytest.fixture
def trials() -> list[Trial]:
    tiles = data.load("tiles")
    spec = TrialSpec(
        dataset="tiles",
        dataset_sha256=tiles.sha256,
        architecture="conv28",
        layers=(4, 6, 8),
        tau=100.0,
        width=8,
        seed=0,
        steps=100,
        batch_size=8,
    )
    device = torch.device("cpu")
    return [Trial(replace(spec, seed=seed), tiles, device, torch.float64) for seed in range(3)]


def _after(stepper: Stepper, trials: Sequence[Trial], steps: int = 5) -> list[TrainState]:
    joint = stepper.join([trial.initial_state() for trial in trials])
    for step in range(steps):
        joint, _ = stepper.advance(joint, [step] * len(trials))
    return [stepper.split(joint, index) for index in range(len(trials))]


def test_the_competitors_take_the_same_step(
    trials: list[Trial], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from competitors import Branches, by_im2col

    ours = _after(Pack(trials), trials)
    branches = _after(Branches(trials, eager), trials)
    columns = _after(by_im2col(trials), trials)
    for one, branch, column in zip(ours, branches, columns, strict=True):
        assert_same(one, branch, rtol=1e-5, atol=1e-7)
        assert_same(one, column, rtol=1e-5, atol=1e-7)


@pytest.mark.slow
def test_the_gpu_benchmark_runs_on_a_cpu_without_the_rest_of_the_project(tmp_path: Path) -> None:
    """Every row is there, measured or with its reason, on the screen and in the folder."""
    for name in ABSENT:
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('{name} is not here')")
    command = [sys.executable, "benchmarks/gpu_throughput.py", "--device", "cpu"]
    ran = subprocess.run(
        [*command, "--minutes", "2", "--out", str(tmp_path / "out")],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    with (tmp_path / "out" / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    raw = json.loads((tmp_path / "out" / "raw.json").read_text())
    assert len(raw["rows"]) == len(rows) == len(ran.stdout.splitlines()) - 2
    assert (tmp_path / "out" / "table.md").read_text().count("\n| ") == len(rows) + 2
    measured = {
        (row["model"], row["variant"], row["precision"]): row for row in rows if not row["note"]
    }
    for model, variant, precision in (
        ("A", "solo eager", "tf32"), ("A", "vmap eager", "tf32"), ("A", "im2col eager", "tf32"),
        ("C", "solo eager", "tf32"), ("A", "vmap eager", "bf16 norm32"),
    ):  # fmt: skip
        row = measured[model, variant, precision]
        assert float(row["trial_steps_per_second"]) > 0
        limit = 0.3 if precision.startswith("bf16") else 1e-4
        assert 0 < float(row["gradient_error"]) < limit
    assert any(row["processes"] == "2" for row in rows if not row["note"])
    graphs = [row["note"] for row in rows if row["variant"].endswith("graph")]
    assert set(graphs) == {"needs CUDA"}
    assert len(graphs) > 30


def test_a_row_that_fails_is_in_the_table_and_the_next_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variant that there is not, a worker that ends, and a case that there is no time for."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import gpu_throughput as benchmark

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    options = benchmark.parse(["--device", "cpu", "--out", str(tmp_path)])
    with (tmp_path / "log.txt").open("w") as log:
        bench = benchmark.Bench(options, log, benchmark.time.monotonic() + 120)
        bench.run(benchmark.Case("A", "solo eagre", 1))
        bench.run(benchmark.Case("A", "solo eager", 1))
        bench.workers[0]._process.kill()
        bench.run(benchmark.Case("A", "vmap eager", 2))
        bench.run(benchmark.Case("A", "vmap eager", 2))
        bench.ends = benchmark.time.monotonic()
        bench.run(benchmark.Case("A", "vmap eager", 4))
        bench.dismiss()
    notes = [row["note"] for row in bench.rows]
    assert notes == [
        "KeyError: 'solo eagre'", "", "its process ended; see log.txt", "", "not begun: out of time"
    ]  # fmt: skip
    assert "KeyError: 'solo eagre'" in (tmp_path / "log.txt").read_text()
    assert "solo eagre" in (tmp_path / "table.md").read_text()
