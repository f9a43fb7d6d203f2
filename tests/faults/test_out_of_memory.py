"""One worker may have no more memory; the others, and what is tried again, may."""

from __future__ import annotations

import resource
from pathlib import Path

import study
from processes import processes_of
from study import here, start, starts_ray, wait_for

from sweeper.ledger.ledger import Ledger

WIDE = 4096
ROOM = 32 * 2**20
"""Bytes that a worker may still take: not enough for the noise of a wide trial's steps."""
COMMAND = ("run", "pareto", "--taus", "2,3", "--widths", f"16,{WIDE}", "--steps", "60",
           "--layers", "16", "--study", "s")  # fmt: skip


def _limit_a_wide_trial_s_worker(run: int) -> int | None:
    for worker, title in processes_of(run).items():
        if title.startswith(f"ray::pareto digits τ=2 width={WIDE}"):
            status = Path(f"/proc/{worker}/status").read_text()
            taken = int(status.split("VmSize:")[1].split()[0]) * 1024
            resource.prlimit(worker, resource.RLIMIT_AS, (taken + ROOM, taken + ROOM))
            return worker
    return None


@starts_ray
def test_a_trial_out_of_memory_is_tried_again_and_the_others_go_on(tmp_path: Path) -> None:
    process = start(*COMMAND, "--workers", "2", cwd=tmp_path)
    wait_for(lambda: _limit_a_wide_trial_s_worker(process.pid))
    _, told = process.communicate(timeout=200)
    assert process.returncode == 0, told
    rows = Ledger(tmp_path / "s").rows().to_pylist()
    attempts = {(row["tau"], row["width"]): row["attempts"] for row in rows}
    assert attempts.pop((2.0, WIDE)) == 2
    assert set(attempts.values()) == {1}
    truth = here(*COMMAND, "--backend", "local", "--study", "truth", cwd=tmp_path)
    assert truth.returncode == 0, truth.stderr
    assert study.contents(tmp_path / "s") == study.contents(tmp_path / "truth")
