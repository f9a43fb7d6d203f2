"""The step against a second implementation, and what must hold of any."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from naive import NaiveTrial
from torch import Tensor
from torch.utils import _pytree as pytree

from trainer import Status, TrialSpec, UserError
from trainer.data import Dataset
from trainer.functional import geco
from trainer.networks import NETWORKS, VAE
from trainer.networks.network import _to_flat
from trainer.objectives import OBJECTIVES, Constants
from trainer.objectives.geco_l0_arm import step as geco_step
from trainer.objectives.gradients import functional_grad_and_value, grad_and_value
from trainer.objectives.state import Noise, TrainState
from trainer.step.random import derive
from trainer.step.trial import Trial, network_of
from trainer.training.loop import train

CPU, DOUBLE = torch.device("cpu"), torch.float64
CLOSE = {"rtol": 1e-7, "atol": 1e-9}


def _naive_twin(trial: Trial) -> NaiveTrial:
    spec = trial.spec
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(spec.seed, "parameters"))
        build = NETWORKS.find(spec.architecture).build
        vae = build(trial.dataset.image_shape, spec.width, spec.layers)
    gated = spec.objective == "geco-l0-arm"
    return NaiveTrial(vae.encoder, vae.decoder, spec.width, spec.tau, spec.learning_rate, gated)


@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
@pytest.mark.parametrize("network", ["dense", "conv28"])
def test_the_step_equals_the_naive_implementation_in_float64(
    network: str,
    objective: str,
    digits: Dataset,
    blobs: Dataset,
    make_spec: Any,
    blobs_spec: TrialSpec,
) -> None:
    """τ lies where the constraint is met, missed and met again within the steps taken."""
    spec = make_spec(tau=10.0, batch_size=8) if network == "dense" else blobs_spec
    spec = dataclasses.replace(spec, objective=objective)
    trial = Trial(spec, digits if network == "dense" else blobs, CPU, DOUBLE)
    naive = _naive_twin(trial)
    state = trial.initial_state()
    signs = set()
    for step in range(40):
        indices, noise = trial.random.at(step)
        value = naive.step(trial.images(indices), noise.epsilon, noise.uniform)
        signs.add(value <= 0)
        state, _ = trial.advance(state, step)
        assert state.constraint_ma.item() == pytest.approx(naive.average, rel=1e-8, abs=1e-8)
    assert signs == {True, False}, "the steps did not visit both sides of the constraint"
    vae = VAE(naive.encoder, naive.decoder, spec.width)
    parameters = torch.cat([_to_flat(value.detach()) for value in vae.parameters()])
    assert_same(
        state,
        state._replace(
            parameters=parameters,
            buffers=dict(sorted(vae.named_buffers())),
            gate_logits=naive.gamma.detach(),
            multiplier=naive.raw.detach(),
        ),
    )
    assert bool(state.hit) is naive.hit is True


@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
@pytest.mark.parametrize("network", ["dense", "conv28"])
def test_the_vmapped_step_equals_each_trials_own_step(
    network: str,
    objective: str,
    digits: Dataset,
    blobs: Dataset,
    make_spec: Any,
    blobs_spec: TrialSpec,
) -> None:
    """Three trials with other τ and seeds, as one program, are three trials alone (float64)."""
    base = make_spec(batch_size=8) if network == "dense" else blobs_spec
    base = dataclasses.replace(base, objective=objective)
    dataset = digits if network == "dense" else blobs
    taus = (8.0, 10.0, 12.0) if network == "dense" else (90.0, 100.0, 110.0)
    specs = [
        dataclasses.replace(base, tau=tau, seed=seed)
        for seed, tau in enumerate(taus, start=base.seed)
    ]
    trials = [Trial(spec, dataset, CPU, DOUBLE) for spec in specs]
    states = [trial.initial_state() for trial in trials]
    stacked: TrainState = pytree.tree_map(lambda *leaves: torch.stack(leaves), *states)
    constants: Constants = pytree.tree_map(
        lambda *leaves: torch.stack(leaves), *[trial.constants for trial in trials]
    )
    step_of_one = OBJECTIVES[objective].step(trials[0].network)

    def one(constants: Any, state: Any, images: Tensor, epsilon: Tensor, uniform: Tensor) -> Any:
        noise = Noise(epsilon, uniform)
        return step_of_one(constants, state, images, noise, functional_grad_and_value)

    pack = torch.func.vmap(one)
    for step in range(20):
        drawn = [trial.random.at(step) for trial in trials]
        images = torch.stack(
            [trial.images(indices) for trial, (indices, _) in zip(trials, drawn, strict=True)]
        )
        epsilon = torch.stack([noise.epsilon for _, noise in drawn])
        uniform = torch.stack([noise.uniform for _, noise in drawn])
        stacked, _ = pack(constants, stacked, images, epsilon, uniform)
        states = [
            trial.advance(state, step)[0] for trial, state in zip(trials, states, strict=True)
        ]
    expected = pytree.tree_map(lambda *leaves: torch.stack(leaves), *states)
    assert bool(expected.hit.any()), "no trial got as far as its gates"
    assert_same(stacked, expected)


def assert_same(ours: TrainState, other: TrainState) -> None:
    for one, two in zip(pytree.tree_leaves(ours), pytree.tree_leaves(other), strict=True):
        torch.testing.assert_close(one, two, **CLOSE)


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_a_step_does_not_change_its_arguments(
    name: str, blobs: Dataset, blobs_spec: TrialSpec
) -> None:
    trial = Trial(dataclasses.replace(blobs_spec, objective=name), blobs, CPU)
    state, _ = trial.advance(trial.initial_state(), 0)
    before = pytree.tree_map(torch.clone, state)
    first, _ = trial.advance(state, 1)
    for kept, now in zip(pytree.tree_leaves(before), pytree.tree_leaves(state), strict=True):
        assert torch.equal(kept, now)
    again, _ = trial.advance(state, 1)
    for one, other in zip(pytree.tree_leaves(first), pytree.tree_leaves(again), strict=True):
        assert torch.equal(one, other)


def test_both_ways_to_differentiate_agree(digits: Dataset, make_spec: Any) -> None:
    trial = Trial(make_spec(tau=10.0), digits, CPU, DOUBLE)
    state = trial.initial_state()
    for step in range(5):
        state, _ = trial.advance(state, step)
    indices, noise = trial.random.at(5)
    images = trial.images(indices)
    one, _ = geco_step(trial.network, trial.constants, state, images, noise, grad_and_value)
    other, _ = geco_step(
        trial.network, trial.constants, state, images, noise, functional_grad_and_value
    )
    for a, b in zip(pytree.tree_leaves(one), pytree.tree_leaves(other), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("network", ["dense", "conv28"])
def test_the_step_on_a_gpu_equals_the_step_on_a_cpu(
    network: str, digits: Dataset, blobs: Dataset, make_spec: Any, blobs_spec: TrialSpec
) -> None:
    """The same state, batch and noise in float64, on either device."""
    spec = make_spec(tau=10.0) if network == "dense" else blobs_spec
    dataset = digits if network == "dense" else blobs
    cpu, gpu = (Trial(spec, dataset, torch.device(name), DOUBLE) for name in ("cpu", "cuda"))
    state, state_gpu = cpu.initial_state(), gpu.initial_state()
    for step in range(30):
        indices, noise = cpu.random.at(step)
        moved = Noise(noise.epsilon.cuda(), noise.uniform.cuda())
        images = cpu.images(indices)
        state, _ = geco_step(cpu.network, cpu.constants, state, images, noise)
        state_gpu, _ = geco_step(gpu.network, gpu.constants, state_gpu, images.cuda(), moved)
    back = pytree.tree_map(Tensor.cpu, state_gpu)
    for one, two in zip(pytree.tree_leaves(state), pytree.tree_leaves(back), strict=True):
        torch.testing.assert_close(one, two, **CLOSE)


def test_lambda_rises_while_violated_falls_while_met_and_leaves_its_bounds(
    digits: Dataset, make_spec: Any
) -> None:
    """Far below what is reachable λ' goes to its upper bound; at a τ always met, to the lower;
    and from either bound it comes back as soon as the sign of the constraint turns."""
    spec = make_spec(learning_rate=0.05, lambda_max=1.0, lambda_min=0.1)
    violated = Trial(dataclasses.replace(spec, tau=1e-3), digits, CPU)
    met = Trial(dataclasses.replace(spec, tau=30.0), digits, CPU)
    state = violated.initial_state()._replace(multiplier=torch.tensor(0.0))
    rising, state = _lambdas(violated, state, range(60))
    falling, state = _lambdas(met, state, range(60, 400))
    rising_again, state = _lambdas(violated, state, range(400, 1000))
    assert rising == sorted(rising)
    assert rising[0] < rising[5]
    assert rising[-1] == pytest.approx(1.0, rel=1e-5)
    assert falling[-1] == pytest.approx(0.1, rel=1e-5)
    assert rising_again[-1] == pytest.approx(1.0, rel=1e-5)


def _lambdas(trial: Trial, state: TrainState, steps: range) -> tuple[list[float], TrainState]:
    values = []
    for step in steps:
        state, _ = trial.advance(state, step)
        values.append(geco.multiplier(state.multiplier).item())
    return values, state


def test_gates_do_not_move_before_the_first_hit(digits: Dataset, make_spec: Any) -> None:
    trial = Trial(make_spec(tau=1e-3), digits, CPU)
    state = trial.initial_state()
    for step in range(30):
        state, _ = trial.advance(state, step)
    assert not bool(state.hit)
    assert state.gate_logits.tolist() == pytest.approx([0.42] * 8)


def test_with_all_gates_closed_everything_stays_finite(digits: Dataset, make_spec: Any) -> None:
    trial = Trial(make_spec(tau=1e3), digits, CPU)
    state = trial.initial_state()._replace(
        gate_logits=torch.full((8,), -9.0), hit=torch.tensor(True)
    )
    for step in range(3):
        state, measures = trial.advance(state, step)
    assert bool(measures.errors.isfinite().all())
    assert bool(state.parameters.isfinite().all())
    assert int(state.open_gates) == 0


def test_a_network_built_twice_starts_with_the_same_parameters(
    blobs: Dataset, blobs_spec: TrialSpec
) -> None:
    network = network_of(blobs_spec, blobs)
    parameters, _ = network.initial(3)
    weights = network.unflatten(parameters)
    again, _ = network_of(blobs_spec, blobs).initial(3)
    assert torch.equal(parameters, again)
    assert weights["encoder.0.weight"].shape == (4, 1, 4, 4)
    assert weights["encoder.3.weight"].is_contiguous(memory_format=torch.channels_last)


def test_geco_with_tau_0_minimises_the_error(digits: Dataset, make_spec: Any) -> None:
    """The paper's baseline: all gates stay open, λ' rises to its bound, and that is feasible."""
    spec = make_spec(objective="geco", tau=0.0, steps=2000)
    baseline = train(Trial(spec, digits, CPU))
    held = train(Trial(dataclasses.replace(spec, tau=3.0), digits, CPU))
    assert baseline.result.status is held.result.status is Status.FEASIBLE
    assert baseline.result.open_gates == spec.width
    assert baseline.result.settled_step == 0
    assert baseline.result.multiplier == pytest.approx(5.0, rel=1e-4)
    assert baseline.result.train_sse < 0.9 * held.result.train_sse < 3.0


def test_tau_0_is_refused_with_gates(digits: Dataset, make_spec: Any) -> None:
    with pytest.raises(UserError, match="tau must be above 0 for objective 'geco-l0-arm'"):
        Trial(make_spec(tau=0.0), digits, CPU)
