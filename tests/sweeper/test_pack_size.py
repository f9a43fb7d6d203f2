"""How many trials are trained together where the user does not say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from sweeper.ledger.manifest import settings_of
from sweeper.options import RunOptions
from sweeper.planning.missing import Work
from sweeper.planning.pack_size import CLUSTER_PACK, pack_size
from sweeper.studies.base import Plan, Proposal, constant
from trainer import TrialSpec, data
from trainer.step.memory import MAX_PACK


def _size(device: str, layers: int = 32, **options: Any) -> int:
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
    plan = Plan(
        study="pareto",
        folder="pareto-digits",
        datasets=(digits,),
        settings={"digits": settings_of(spec)},
        request={},
        budget="--steps",
        propose=constant(specs),
    )
    work = Work(Proposal(specs), missing=specs)
    return pack_size(RunOptions(**options), plan, work, device=device, workers=2)


def test_the_size_is_what_was_asked_for_or_one_on_a_cpu() -> None:
    assert _size("cpu") == 1
    assert _size("cpu", pack=7) == 7
    assert _size("cuda", pack=7) == 7


def test_the_size_is_fixed_on_the_gpus_of_a_cluster() -> None:
    assert _size("cuda", address="auto") == CLUSTER_PACK


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_size_is_what_fits_on_this_machine_s_gpu() -> None:
    small, large = _size("cuda"), _size("cuda", layers=2**14)
    assert small == MAX_PACK
    assert 1 <= large <= MAX_PACK
