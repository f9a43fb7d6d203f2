"""How exactly float32 numbers are multiplied, and what the record says of it."""

from __future__ import annotations

import pytest
import torch

from trainer.hardware import precision_name, set_precision

pytestmark = pytest.mark.usefixtures("precision")

needs_gpu = pytest.mark.skipif(
    not torch.cuda.is_available() or not torch.cuda.is_tf32_supported(),
    reason="needs a GPU that knows TF32",
)


def _flags() -> tuple[str, str]:
    return torch.backends.cuda.matmul.fp32_precision, torch.backends.cudnn.conv.fp32_precision


@pytest.mark.parametrize(
    ("strict", "name", "older"), [(False, "tf32", "high"), (True, "ieee", "highest")]
)
def test_products_and_convolutions_are_set_alike(strict: bool, name: str, older: str) -> None:
    """And torch's older setting says the same, without which parts of torch raise."""
    set_precision(strict=not strict)
    set_precision(strict=strict)
    assert _flags() == (name, name)
    assert torch.get_float32_matmul_precision() == older


@pytest.mark.parametrize("strict", [False, True])
def test_a_cpu_always_computes_in_float32(strict: bool) -> None:
    set_precision(strict=True)
    generator = torch.Generator().manual_seed(0)
    one, other = (torch.randn(64, 64, generator=generator) for _ in range(2))
    exact = one @ other
    set_precision(strict=strict)
    assert torch.equal(one @ other, exact)
    assert precision_name(torch.device("cpu")) == "float32"


@needs_gpu
@pytest.mark.parametrize(("strict", "name"), [(False, "tf32"), (True, "float32")])
def test_a_gpu_multiplies_in_the_recorded_precision(strict: bool, name: str) -> None:
    set_precision(strict=strict)
    assert precision_name(torch.device("cuda")) == name
    generator = torch.Generator("cuda").manual_seed(0)
    one, other = (
        torch.randn(512, 512, generator=generator, device="cuda", dtype=torch.float64)
        for _ in range(2)
    )
    exact = one @ other
    error = ((one.float() @ other.float()).double() - exact).norm() / exact.norm()
    assert bool(error < 1e-5) is strict
