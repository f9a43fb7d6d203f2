"""The trial's own random numbers."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.step.random import BLOCK, Batches, RandomStream

CPU = torch.device("cpu")


def _stream(seed: int = 0, count: int = 100) -> RandomStream:
    return RandomStream(seed, batch_size=8, width=4, count=count, device=CPU, dtype=torch.float32)


def test_a_steps_numbers_do_not_depend_on_earlier_steps() -> None:
    steps = [0, 1, BLOCK - 1, BLOCK, 3 * BLOCK + 7]
    forward = _stream()
    seen = {step: forward.at(step) for step in range(max(steps) + 1)}
    torch.manual_seed(99)  # nor on torch's own stream
    for step in reversed(steps):
        indices, noise = _stream().at(step)
        assert torch.equal(indices, seen[step][0])
        assert torch.equal(noise.epsilon, seen[step][1].epsilon)
        assert torch.equal(noise.uniform, seen[step][1].uniform)


def test_steps_blocks_and_seeds_get_different_numbers() -> None:
    drawn = [_stream().at(step)[1] for step in (0, 1, BLOCK, 2 * BLOCK)] + [_stream(1).at(0)[1]]
    for index, one in enumerate(drawn):
        for other in drawn[:index]:
            assert not torch.equal(one.epsilon, other.epsilon)
            assert not torch.equal(one.uniform, other.uniform)


@settings(max_examples=30, deadline=None)
@given(count=st.integers(1, 400), batch_size=st.integers(1, 40), seed=st.integers(0, 2**63 - 1))
def test_every_image_is_drawn_once_per_epoch(count: int, batch_size: int, seed: int) -> None:
    batches = Batches(seed, batch_size, count)
    blocks = [batches.block(number) for number in range(3)]
    stream = torch.cat([block.flatten() for block in blocks])
    assert blocks[0].shape == (BLOCK, batch_size)
    for start in range(0, len(stream) - count + 1, count):
        assert sorted(stream[start : start + count].tolist()) == list(range(count))


def test_noise_is_standard_normal_and_uniform() -> None:
    stream = _stream()
    noise = [stream.at(step)[1] for step in range(10 * BLOCK)]
    epsilon = torch.stack([drawn.epsilon for drawn in noise])
    uniform = torch.stack([drawn.uniform for drawn in noise])
    assert abs(epsilon.mean()) < 0.03
    assert abs(epsilon.std() - 1) < 0.03
    assert abs(uniform.mean() - 0.5) < 0.01
    assert 0 <= uniform.min() < uniform.max() < 1
