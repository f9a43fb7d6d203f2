"""How many trials are trained together where the user does not say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sweeper.planning.missing import Work
from sweeper.planning.pack_size import PACK_OUT_OF_SIGHT, pack_size
from sweeper.run.record import RunOptions
from sweeper.studies.base import StudyPlan
from trainer import TrialSpec, data
from trainer.step.memory import MAX_PACK


def _size(device: str, layers: int = 32, **options: object) -> int:
    digits = data.load("digits")
    spec = TrialSpec(
        dataset="digits",
        dataset_sha256=digits.sha256,
        architecture="dense",
        layers=(layers,),
        tau=1.0,
        width=16,
        seed=0,
        steps=100,
    )
    specs = tuple(replace(spec, seed=seed) for seed in range(80))
    plan = StudyPlan(study="pareto", datasets=(digits,), specs=specs, request={}, budget="--steps")
    run = replace(RunOptions(folder=Path("s"), command="sweeper"), **options)
    return pack_size(run, plan, Work(specs, specs), device=device, workers=2)


def test_it_is_what_was_asked_for_or_one_on_a_cpu() -> None:
    assert _size("cpu") == 1
    assert _size("cpu", pack=7) == 7
    assert _size("cuda", pack=7) == 7


def test_on_the_gpus_of_a_cluster_it_is_fixed() -> None:
    assert _size("cuda", address="auto") == PACK_OUT_OF_SIGHT


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_this_machine_s_gpu_it_is_what_fits() -> None:
    small, large = _size("cuda"), _size("cuda", layers=2**14)
    assert small == MAX_PACK
    assert 1 <= large <= MAX_PACK
