"""What saving a trial's state costs, as a share of training at the default interval.

    python benchmarks/checkpoints.py [--rounds 20] [--folder DIR] [--data-dir DIR]

A checkpoint is written whole and synced to the disk under `--folder`. The share is of the time
between two of them, `--checkpoint-seconds`, in which the trial trains.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch
from measure import usual_models, usual_spec

from sweeper.environment import hardware
from sweeper.options import RunOptions
from trainer.local_folder import LocalFolder
from trainer.objectives.measures import POINTS, CurvePoint
from trainer.step.trial import Trial
from trainer.training.checkpoint import Checkpoint, CheckpointFolder

TARGET = 0.02


def main() -> None:
    options = _options()
    every = RunOptions().checkpoint_seconds
    print(f"{hardware()}; a checkpoint every {every:g} s\n")
    print(f"{'model':16}{'MB':>8}{'ms':>8}{'most':>8}{'share':>9}{'target':>9}")
    for network, data in usual_models(options.data_dir):
        trial = Trial(usual_spec(data, network), data, torch.device("cpu"))
        with tempfile.TemporaryDirectory(dir=options.folder) as place:
            times = _times(trial, Path(place), options.rounds)
            size = max(path.stat().st_size for path in Path(place).iterdir())
        usual = statistics.median(times)
        print(
            f"{network + '/' + data.name:16}{size / 1e6:8.1f}{1e3 * usual:8.0f}"
            f"{1e3 * max(times):8.0f}{usual / (every + usual):9.2%}{TARGET:9.0%}"
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--folder", type=Path, help="on the disk to be measured")
    parser.add_argument("--data-dir", type=Path)
    return parser.parse_args()


def _times(trial: Trial, place: Path, rounds: int) -> list[float]:
    folder = CheckpointFolder(LocalFolder(place), trial.spec.trial_id)
    curve = [CurvePoint(step, *[1.0] * 4, 16, *[1.0] * 3) for step in range(POINTS)]  # type: ignore[arg-type]
    state, times = trial.initial_state(), []
    for step in range(rounds):
        began = time.perf_counter()
        folder.save(Checkpoint(state, step, 0.0, curve))
        times.append(time.perf_counter() - began)
    return times


if __name__ == "__main__":
    main()
