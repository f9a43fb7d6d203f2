"""The formulas against independent truth."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from trainer.functional import adam, gates, geco, vae

DOUBLE = torch.float64


def test_kl_equals_torch_distributions() -> None:
    torch.manual_seed(0)
    mean, log_variance = torch.randn(2, 5, 7, dtype=DOUBLE)
    expected = kl_divergence(
        Normal(mean, (log_variance / 2).exp()),
        Normal(torch.zeros_like(mean), torch.ones_like(mean)),
    )
    torch.testing.assert_close(vae.kl_elementwise(mean, log_variance), expected)


def test_sse_is_summed_over_pixels_and_channels() -> None:
    images = torch.zeros(2, 3, 4, 5)
    reconstructions = torch.stack([torch.full((3, 4, 5), 0.5), torch.zeros(3, 4, 5)])
    assert vae.sse(reconstructions, images).tolist() == [0.25 * 60, 0.0]


def test_reparameterised_samples_have_the_posteriors_moments() -> None:
    torch.manual_seed(0)
    epsilon = torch.randn(200_000, 1, dtype=DOUBLE)
    samples = vae.reparameterise(
        torch.tensor(1.5, dtype=DOUBLE), torch.tensor(0.8, dtype=DOUBLE), epsilon
    )
    assert samples.mean().item() == pytest.approx(1.5, abs=0.02)
    assert samples.var().item() == pytest.approx(2.718281828**0.8, rel=0.02)


def _error(pattern: Tensor) -> Tensor:
    """An error that depends on the gates in no simple way: [..., 3] → [...]."""
    a, b, c = pattern.unbind(-1)
    return 3 - 2 * a + 0.5 * b - a * b * 1.5 + (1 - c) * (0.3 + a) + 4 * (1 - a) * (1 - b) * (1 - c)


def _exact_gradient(gate_logits: Tensor, k: Tensor) -> Tensor:
    """∇γ E[error], enumerated over all 2ⁿ gate patterns."""
    logits = gate_logits.clone().requires_grad_()
    probability = torch.sigmoid(k * logits)
    expected = torch.zeros((), dtype=DOUBLE)
    for bits in product((0.0, 1.0), repeat=len(logits)):
        pattern = torch.tensor(bits, dtype=DOUBLE)
        weight = torch.where(pattern == 1, probability, 1 - probability).prod()
        expected = expected + weight * _error(pattern)
    return torch.autograd.grad(expected, logits)[0]


@pytest.mark.parametrize("logits", [(0.42, 0.1, -0.05), (0.0, 0.0, 0.0), (-0.2, 0.3, 0.15)])
def test_arm_gradient_is_unbiased(logits: tuple[float, ...]) -> None:
    gate_logits, k = torch.tensor(logits, dtype=DOUBLE), torch.tensor(7.0, dtype=DOUBLE)
    torch.manual_seed(0)
    count = 400_000
    uniform = torch.rand(count, 3, dtype=DOUBLE)
    every = torch.ones(3, dtype=torch.bool)
    first, second = gates.sample_pair(gate_logits, uniform, k, torch.tensor(True), every)
    estimate = gates.arm_gradient(_error(first), _error(second), uniform, k)
    singles = k * (_error(first) - _error(second))[:, None] * (uniform - 0.5)
    standard_error = singles.std(0) / count**0.5
    exact = _exact_gradient(gate_logits, k)
    assert bool(((estimate - exact).abs() < 4.5 * standard_error + 1e-12).all())
    assert bool((exact.abs() > 10 * standard_error).any()), "the check could not fail"


def test_arm_gradient_multiplies_before_it_averages() -> None:
    """What ALGORITHM warns of is not what the estimator does."""
    gate_logits, k = torch.tensor([0.1, 0.1, 0.1], dtype=DOUBLE), torch.tensor(7.0, dtype=DOUBLE)
    torch.manual_seed(1)
    uniform = torch.rand(64, 3, dtype=DOUBLE)
    every = torch.ones(3, dtype=torch.bool)
    first, second = gates.sample_pair(gate_logits, uniform, k, torch.tensor(True), every)
    right = gates.arm_gradient(_error(first), _error(second), uniform, k)
    wrong = k * (_error(first).mean() - _error(second).mean()) * (uniform - 0.5).mean(0)
    assert not torch.allclose(right, wrong, rtol=0.5)


def test_gates_are_antithetic_and_open_with_their_probability() -> None:
    torch.manual_seed(0)
    gate_logits, k = torch.tensor([0.42, -0.1], dtype=DOUBLE), torch.tensor(7.0, dtype=DOUBLE)
    uniform = torch.rand(100_000, 2, dtype=DOUBLE)
    every = torch.ones(2, dtype=torch.bool)
    first, second = gates.sample_pair(gate_logits, uniform, k, torch.tensor(True), every)
    mirrored = gates.sample_pair(gate_logits, 1 - uniform, k, torch.tensor(True), every)[1]
    assert torch.equal(first, mirrored)
    expected = torch.sigmoid(7 * gate_logits)
    for drawn in (first, second):
        torch.testing.assert_close(drawn.mean(0), expected, atol=0.006, rtol=0)


def test_before_the_first_hit_all_unmasked_gates_are_open() -> None:
    exists = torch.tensor([True, False, True])
    pair = gates.sample_pair(
        torch.full((3,), -9.0), torch.rand(4, 3), torch.tensor(7.0), torch.tensor(False), exists
    )
    for drawn in pair:
        assert drawn.tolist() == [[1, 0, 1]] * 4


@given(st.floats(1e-5, 5.0))
def test_raw_multiplier_inverts_multiplier(value: float) -> None:
    raw = torch.tensor(geco.raw_multiplier(value), dtype=DOUBLE)
    assert geco.multiplier(raw).item() == pytest.approx(value, rel=1e-9)


def test_replace_value_has_the_averages_value_and_the_batchs_gradient() -> None:
    current = torch.tensor(3.0, requires_grad=True)
    combined = geco.replace_value(torch.tensor(-1.0), current)
    assert combined.item() == -1.0
    assert torch.autograd.grad(combined, current)[0].item() == 1.0


def test_the_moving_average_starts_at_the_first_value() -> None:
    keep, value = torch.tensor(0.99), torch.tensor(4.0)
    assert geco.moving_average(torch.tensor(0.0), value, keep, torch.tensor(True)).item() == 4.0
    second = geco.moving_average(torch.tensor(4.0), torch.tensor(2.0), keep, torch.tensor(False))
    assert second.item() == pytest.approx(3.98)


def test_adam_equals_torch_adam() -> None:
    torch.manual_seed(0)
    start = torch.randn(20, dtype=DOUBLE)
    target = torch.randn(20, dtype=DOUBLE)
    reference = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([reference], lr=1e-2)
    ours, state = start, adam.init(start)
    for step in range(1, 60):
        optimizer.zero_grad()
        (reference - target).pow(4).sum().backward()
        optimizer.step()
        gradient = 4 * (ours - target).pow(3)
        ours, state = adam.update(
            ours, gradient, state, torch.tensor(step), torch.tensor(1e-2, dtype=DOUBLE)
        )
    torch.testing.assert_close(ours, reference.detach(), rtol=1e-12, atol=1e-12)
