"""Kills a sweep of digits at random times until it is complete, and counts what that cost.

    python benchmarks/chaos.py [--kills 100 | --each-kind-once] [--steps 3000] [--seed N]

Killed (SIGKILL) are single workers, the command, each of Ray's own processes, or all processes of
a run at once; or the terminal is closed (SIGHUP). A run that has ended by that is given again. A
sweep that is complete too early is widened by a seed. At the end it is compared with an
undisturbed run. Exit code 1 if a row was lost, was there twice, or has changed, if a bit differs,
if a run did not end as it should, or if anything is left of all of them in the temporary folder.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

from killed_sweep import KilledSweep, Recovery
from kinds_of_kills import KINDS
from ledger_auditor import outcome

from sweeper.environment import git_commit, hardware

AGENTS_SECONDS = 90.0
"""How long Ray's processes may outlive a run: a node's agents, when its raylet has died, try for a
minute to tell a head that has died with it."""


def main() -> None:
    options = _options()
    print(f"{hardware()}; commit {(git_commit() or 'none')[:20]}")
    print(f"seed {options.seed} (--seed {options.seed} for the same kills again)", flush=True)
    with tempfile.TemporaryDirectory(prefix="ch-", ignore_cleanup_errors=True) as folder:
        sweep = KilledSweep(
            Path(folder),
            len(KINDS) if options.each_kind_once else options.kills,
            options.steps,
            random.Random(options.seed),
            options.each_kind_once,
        )
        try:
            began = time.monotonic()
            sweep.run()
            seconds = time.monotonic() - began
            left_behind = sweep.left_behind(AGENTS_SECONDS)
            left = sweep.left_in_temporary_folder()
            truth = outcome(sweep.undisturbed())
        finally:
            sweep.end()
        faults = _faults(sweep, truth) | {"left in /tmp": len(left)}
    _print_counts(sweep, faults, seconds, len(truth), left, left_behind)
    _print_recoveries(sweep.recoveries)
    if any(faults.values()):
        sys.exit(f"something was lost; seed {options.seed}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--each-kind-once", action="store_true", help="instead of --kills")
    parser.add_argument("--steps", type=int, default=3000, help="of each trial")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    return parser.parse_args()


def _faults(sweep: KilledSweep, truth: dict[tuple[str, str], str]) -> dict[str, int]:
    """Count what must not be."""
    auditor, found = sweep.auditor, outcome(sweep.study)
    auditor.check()
    missing = set(sweep.trials.values()) - auditor.seen
    differing = [key for key in truth.keys() | found.keys() if truth.get(key) != found.get(key)]
    return {
        "rows lost": len(auditor.lost | missing),
        "duplicates": len(auditor.twice),
        "rows changed": len(auditor.changed),
        "differing": len(differing),
    }


def _print_counts(
    sweep: KilledSweep,
    faults: dict[str, int],
    seconds: float,
    compared: int,
    left: list[str],
    left_behind: list[str],
) -> None:
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(sweep.kills.items()))
    remarks = {
        "kills": kinds,
        "runs": "of the same command",
        "trials": f"of {sweep.steps:,} steps",
        "differing": f"of {compared} rows, curves, models and sets of samples",
        "left in /tmp": "files and folders, by all runs",
        "left behind": f"processes, {AGENTS_SECONDS:.0f} s after the last run",
    }
    counts = {
        "kills": sweep.kills.total(),
        "runs": sweep.runs,
        "trials": len(sweep.trials),
        **faults,
        "left behind": len(left_behind),
    }
    print()
    for name, count in counts.items():
        print(f"{name:14}{count:6}   {remarks.get(name, '')}".rstrip())
    for title in [*left, *left_behind]:
        print(f"{'':23}{title[:200]}")
    print(f"{'wall time':14}{seconds:6.0f}   s, the undisturbed run not counted\n")


def _print_recoveries(recoveries: list[Recovery]) -> None:
    """Print the times from a kill to training again."""
    runs = [recovery for recovery in recoveries if recovery.kind != "worker"]
    lines = {
        "a worker": [each.seconds for each in recoveries if each.kind == "worker"],
        "the same command": [each.seconds for each in runs],
        "  Ray's start": [each.ray_seconds for each in runs],
        "  the rest (target 15)": [each.seconds - each.ray_seconds for each in runs],
    }
    print(f"{'from kill to training again, s':32}{'median':>8}{'worst':>8}{'kills':>8}")
    for name, seconds in lines.items():
        if seconds:
            middle, worst = statistics.median(seconds), max(seconds)
            print(f"{name:32}{middle:8.1f}{worst:8.1f}{len(seconds):8}")


if __name__ == "__main__":
    main()
