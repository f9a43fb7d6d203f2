"""Runs one case: its folder, its commands, the verdict."""

from __future__ import annotations

import shlex
import shutil
from functools import partial
from pathlib import Path
from typing import Any

from fuzz import oracles, scene
from fuzz.case import as_json, make_case
from fuzz.process import Ran, in_child, run


def run_case(
    seed: int, kinds: dict[str, int] | None, sandbox: Path, keep: bool, number: int
) -> dict[str, Any]:
    """Run a case and judge it; gives all that there is to say of it, as JSON has it."""
    case = make_case(seed, number, kinds)
    folder, base = sandbox / f"case-{number}", sandbox / "base"
    study, untouched = folder / "work" / "studies" / "s", base / "studies" / case.study
    findings: list[tuple[str, str, str]] = []
    damage: list[str] = []
    runs: list[Ran] = []
    try:
        damage = in_child(partial(scene.set_up, case, folder, base))
        intact = in_child(partial(oracles.intact_rows, study, untouched))
        before = scene.contents(folder)
        runs = [run(case, command, folder, at) for at, command in enumerate(case.commands)]
        after = scene.contents(folder)
        for ran in runs:
            command = shlex.join(["sweeper", *ran.words])
            findings += [(*found, command) for found in oracles.judge_command(case, ran)]
        if case.ray_folder and all(ran.code == 0 for ran in runs):
            left = oracles.judge_ray_folder(Path(case.ray_folder))
            findings += [(*found, "all of its commands") for found in left]
        for found in oracles.judge_folder(case, folder, before, after):
            findings.append((*found, "all of its commands"))
        if not case.folder_gone:
            now = in_child(partial(oracles.rows_of, study))
            lost = oracles.judge_rows(intact, now)
            findings += [(*found, "all of its commands") for found in lost]
            findings += [(*found, "report") for found in oracles.judge_report(study)]
    except Exception as error:  # the other cases are to be run all the same
        findings.append(("not judged", f"{type(error).__name__}: {error}", "this program"))
    finally:
        if folder.exists():
            scene.take_down(folder)
        if case.ray_folder:
            shutil.rmtree(case.ray_folder, ignore_errors=True)
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    return {
        **case.describe(),
        "damage": damage,
        "refused": any(ran.code == 2 for ran in runs),
        "findings": findings,
        "runs": [_as_told(ran) for ran in runs],
    }


def show(result: dict[str, Any], sandbox: Path) -> None:
    """Print a case in full, and where its folder is."""
    print(as_json({name: result[name] for name in result if name not in ("runs", "findings")}))
    for ran in result["runs"]:
        print(f"\n$ {shlex.join(['sweeper', *ran['words']])!r}"[:2000])
        for name in ("stdout", "stderr"):
            if ran[name]:
                print(f"--- {name}\n{ran[name]!a}".replace("\\n", "\n"))
        print(f"--- exit code {ran['code']}, {ran['seconds']} s")
    for finding in result["findings"]:
        print(f"\nFAILED: {finding[0]}: {finding[1]!a}")
    print(f"\nits folder: {sandbox / 'case-{}'.format(result['case'])}")


def _as_told(ran: Ran) -> dict[str, Any]:
    return {
        "words": ran.words,
        "code": ran.code,
        "seconds": round(ran.seconds, 2),
        "interrupted": ran.interrupted,
        "stdout": ran.stdout.decode(errors="replace")[-4000:],
        "stderr": ran.stderr.decode(errors="replace")[-4000:],
    }
