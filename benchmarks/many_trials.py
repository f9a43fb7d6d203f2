"""What a run costs beside its trials: throughput and the driver's memory over many short ones.

    python benchmarks/many_trials.py [--trials 100] [--steps 450] [--workers 2]

A real sweep through Ray of trials that take about a second each, in a temporary folder. `of ideal`
is the trials' own time over the workers' time, Ray's start and the report included; `without start`
counts from the first trial that finished. The driver's memory is read as trials finish, from a
quarter of them on.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from processes import driver_of

from sweeper.environment import hardware
from sweeper.ledger.ledger import VOLUME, Ledger

POLL_SECONDS = 0.5


def main() -> None:
    options = _options()
    print(f"{hardware()}; {options.trials:,} trials of {options.steps:,} steps")
    print("the targets are for 2,000 trials of a second\n", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "sweeper", "run", "pareto", "--dataset", "digits"]
        command += ["--taus", "1", "--seeds", str(options.trials), "--steps", str(options.steps)]
        command += ["--workers", str(options.workers), "--study", f"{folder}/study", "--json"]
        began = time.monotonic()
        run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        first, few, many = _watch(run, Path(folder) / "study", options.trials)
        ended = time.monotonic()
        summary = json.loads(run.stdout.read())["run"] if run.stdout else {}
        rows = Ledger(f"{folder}/study").rows()
    seconds = sum(rows["seconds"].to_pylist()) / options.workers
    print(f"a trial           {1e3 * options.workers * seconds / len(rows):8.0f} ms")
    print(f"wall time         {ended - began:8.1f} s, {summary['overhead']:.2f}× the trials' own")
    print(f"of ideal          {seconds / (ended - began):8.0%}  target 94%")
    print(f"without start     {seconds * (1 - 1 / len(rows)) / (ended - first):8.0%}")
    growth = 1024 * (many[1] - few[1]) / (many[0] - few[0])
    print(f"driver's memory   {growth:8.0f} bytes a trial, target 5,000; {many[1] / 1024:.0f} MB")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--steps", type=int, default=450)
    parser.add_argument("--workers", type=int, default=2)
    return parser.parse_args()


Sample = tuple[int, int]
"""How many trials had finished, and the driver's resident kilobytes."""


def _watch(run: subprocess.Popen[str], folder: Path, trials: int) -> tuple[float, Sample, Sample]:
    """Wait for the run to end.

    Returns:
        When the first trial had finished; a sample at a quarter of the trials, and the last one
        before the last had finished, since the report takes memory of its own.
    """
    samples: list[Sample] = []
    first = 0.0
    while run.poll() is None:
        names = (folder / "trials").iterdir() if (folder / "trials").exists() else iter(())
        done = sum(VOLUME if path.name.startswith("volume") else 1 for path in names)
        first = first or (time.monotonic() if done else 0.0)
        if trials / 4 <= done < trials:
            samples.append((done, _resident(driver_of(run.pid))))
        time.sleep(POLL_SECONDS)
    return first, samples[0], samples[-1]


def _resident(process: int) -> int:
    status = Path(f"/proc/{process}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in status if line.startswith("VmRSS:")))


if __name__ == "__main__":
    main()
