"""Gives the command line what somebody may give it, a thousand times, and judges what it does.

    python benchmarks/chaos_input.py [--cases 1000] [--seed N] [--jobs 3] [--kinds K,…] [--json F]
    python benchmarks/chaos_input.py --seed N --case 417      one of them again, shown in full

Odd command lines and environments, studies and caches that broke or that somebody crafted. Nothing
may print a traceback, take more than 20 s of its own time, change a file outside the study, show or
keep a credential, or lose a row. All is done in a corner of the machine that nothing leaves
(`fuzz/isolation.py`). Exit code 1 if a case failed.
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

from fuzz.isolation import isolated

COUNTED = ("traceback", "hang", "changed outside", "secret")
"""Findings that have a column of their own."""


def main() -> None:
    options = _options()
    sandbox = Path(tempfile.mkdtemp(prefix="ci-"))  # short: a socket's address is
    try:
        code = isolated(sandbox, partial(_round, options, sandbox))
        if options.json and (sandbox / "tally.json").exists():
            shutil.copy(sandbox / "tally.json", options.json)
    finally:
        if options.case is None:
            shutil.rmtree(sandbox, ignore_errors=True)
    sys.exit(code)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--case", type=int, help="only this one, shown, and its folder kept")
    parser.add_argument("--jobs", type=int, default=(os.cpu_count() or 1) + 1)
    parser.add_argument("--kinds", help="only these, separated by commas")
    parser.add_argument("--json", type=Path, help="where to write the tally")
    return parser.parse_args()


def _round(options: argparse.Namespace, sandbox: Path) -> int:
    home = sandbox / "base" / "home"
    home.mkdir(parents=True)
    os.environ |= {"HOME": str(home), "OMP_NUM_THREADS": "1"}  # read by what is imported now
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR"):
        os.environ.pop(name, None)
    os.environ["JE_ARROW_MALLOC_CONF"] = "background_thread:false"
    from fuzz import world
    from fuzz.process import in_child
    from fuzz.runner import run_case, show

    world.import_everything()
    world.add_letters()
    in_child(partial(world.build, sandbox / "base"))
    gc.freeze()  # so that forked processes share the memory
    kinds = _kinds(options.kinds)
    print(f"seed {options.seed} (--seed {options.seed} for the same cases again)", flush=True)
    if options.case is not None:
        result = run_case(options.seed, kinds, sandbox, True, options.case)
        show(result, sandbox)
        return int(bool(result["findings"]))
    began = time.monotonic()
    work = partial(run_case, options.seed, kinds, sandbox, False)
    with multiprocessing.get_context("fork").Pool(options.jobs) as pool:
        results = []
        for result in pool.imap_unordered(work, range(1, options.cases + 1)):
            results.append(result)
            _print_findings(result, options)
            if len(results) % 100 == 0:
                print(f"{len(results)} cases, {time.monotonic() - began:.0f} s", flush=True)
    return _conclude(results, options, sandbox, time.monotonic() - began)


def _kinds(names: str | None) -> dict[str, int] | None:
    from fuzz.case import KINDS

    if names is None:
        return None
    return {kind: KINDS[kind] for kind in KINDS if kind in names.split(",")}


def _again(result: dict[str, Any], options: argparse.Namespace) -> str:
    kinds = f" --kinds {options.kinds!r}" if options.kinds else ""
    return f"--seed {options.seed} --case {result['case']}{kinds}"


def _print_findings(result: dict[str, Any], options: argparse.Namespace) -> None:
    for kind, what, command in result["findings"]:
        print(f"{kind}: {what[:200]}\n    {command[:300]}")
        print(f"    python benchmarks/chaos_input.py {_again(result, options)}", flush=True)


def _conclude(
    results: list[dict[str, Any]], options: argparse.Namespace, sandbox: Path, seconds: float
) -> int:
    """Print the tally, write it as JSON, and give the exit code."""
    tally: dict[str, Counter[str]] = {}
    for result in results:
        counts = tally.setdefault(result["kind"], Counter())
        counts["cases"] += 1
        kinds = {kind for kind, _, _ in result["findings"]}
        counts.update(kind if kind in COUNTED else "other" for kind in kinds)
        counts["failed" if kinds else "refused" if result["refused"] else "handled"] += 1
    columns = ("cases", "refused", "handled", "failed", *COUNTED, "other")
    rows = [*sorted(tally.items()), ("all", sum(tally.values(), Counter()))]
    print(f"\n{'':16}" + "".join(f"{column:>{len(column) + 2}}" for column in columns))
    for name, counts in rows:
        cells = (f"{counts[column]:>{len(column) + 2}}" for column in columns)
        print(f"{name:16}" + "".join(cells))
    others = Counter(kind for each in results for kind in {k for k, _, _ in each["findings"]})
    print("other: " + ", ".join(f"{n} {k}" for k, n in others.items() if k not in COUNTED))
    left = _left_behind(sandbox)
    print(f"left in /tmp and /dev/shm: {', '.join(left) or 'nothing'}")
    print(f"{seconds:.0f} s, {options.jobs} at a time; seed {options.seed}")
    failed = [result for result in results if result["findings"]]
    text = {
        "seed": options.seed,
        "seconds": round(seconds),
        "left behind": left,
        "tally": {name: dict(counts) for name, counts in rows},
        "failures": [{**each, "again": _again(each, options)} for each in failed],
        "cases": [
            {key: each[key] for key in ("case", "commands", "damage")}
            | {"codes": [ran["code"] for ran in each["runs"]]}
            for each in results
        ],
    }
    (sandbox / "tally.json").write_text(json.dumps(text, indent=1))
    return int(bool(failed or left))


def _left_behind(sandbox: Path) -> list[str]:
    """List what the round left in the folders that all cases share, which were empty before."""
    shared = [*Path("/tmp").iterdir(), *Path("/dev/shm").iterdir()]
    return sorted(str(path) for path in shared if path not in (sandbox, *sandbox.parents))


if __name__ == "__main__":
    main()
