"""Resident memory of one MNIST worker and of the driver, while a sweep trains.

    python benchmarks/memory.py [--dataset mnist] [--data-dir DIR]

A real run through Ray is started in a temporary folder, watched until its workers train, and
interrupted. What is read is the resident set of each process (VmRSS), once a second, at its peak;
`shared` is the part that comes from mapped files, such as the data set and the libraries' code.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from processes import driver_of, workers_of

from sweeper.environment import hardware

WATCHED_SECONDS = 20
TARGETS = {"worker": 1000, "driver": 700}


def main() -> None:
    options = _options()
    print(f"{hardware()}; {options.dataset}, 2 workers\n")
    peaks = _watch(options)
    print(f"{'process':10}{'resident':>10}{'shared':>10}{'target':>10}   MB at most")
    for name, target in TARGETS.items():
        resident, shared = peaks[name]
        print(f"{name:10}{resident / 1e3:10.0f}{shared / 1e3:10.0f}{target:10}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="mnist")
    parser.add_argument("--data-dir", type=Path)
    return parser.parse_args()


def _watch(options: argparse.Namespace) -> dict[str, tuple[int, int]]:
    data = ["--data-dir", str(options.data_dir.resolve())] if options.data_dir else []
    command = [
        *(sys.executable, "-m", "sweeper", "run", "pareto", "--dataset", options.dataset),
        *("--taus", "20,30", "--steps", "100000", "--workers", "2", *data),
    ]
    peaks = {"worker": (0, 0), "driver": (0, 0)}
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.Popen(
            command, cwd=folder, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        until: float | None = None
        while run.poll() is None and (until is None or time.monotonic() < until):
            workers = workers_of(run.pid)
            if workers and until is None:
                until = time.monotonic() + WATCHED_SECONDS
            driver = driver_of(run.pid)
            for name, process in [("driver", driver), *(("worker", one) for one in workers)]:
                peaks[name] = max(peaks[name], _memory(process))
            time.sleep(1)
        run.send_signal(signal.SIGINT)
        _, errors = run.communicate()
        if until is None:
            sys.exit(errors)
    return peaks


def _memory(process: int) -> tuple[int, int]:
    """Read the resident kilobytes of a process, and how many of them are shared file pages."""
    fields = dict(
        line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines()
    )
    return int(fields["VmRSS"].split()[0]), int(fields["RssFile"].split()[0])


if __name__ == "__main__":
    main()
