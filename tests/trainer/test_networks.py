"""What every network must do; a row in the registry is enough to be tested here."""

from __future__ import annotations

import pytest
import torch

from trainer import UserError
from trainer.data import DATASETS
from trainer.networks import NETWORKS, Architecture, ImageShape, choose_layers
from trainer.networks.conv import UpsampledConv2d
from trainer.networks.network import Network


def _accepts(row: Architecture, shape: ImageShape) -> bool:
    try:
        choose_layers(row, None, shape)
    except UserError:
        return False
    return True


TAKES = [
    (name, shape)
    for name, row in NETWORKS.items()
    for shape in sorted({info.image_shape for info in DATASETS.values()})
    if _accepts(row, shape)
]
"""Every network, with the shape of every data set that it accepts."""


def test_every_network_accepts_the_images_of_a_data_set() -> None:
    assert {name for name, _ in TAKES} == set(NETWORKS)
    for info in DATASETS.values():
        assert (info.architecture, info.image_shape) in TAKES


@pytest.mark.parametrize(("name", "shape"), TAKES)
def test_a_network_encodes_to_its_width_and_decodes_to_pixels(
    name: str, shape: tuple[int, int, int]
) -> None:
    row = NETWORKS.find(name)
    network = Network(lambda: row.build(shape, 5, row.default_layers(shape)))
    parameters, buffers = network.initial(0)
    weights = network.unflatten(parameters)
    images = torch.rand(3, *shape)
    for training in (True, False):
        mean, log_variance, _ = network.encode(weights, buffers, images, training=training)
        assert mean.shape == log_variance.shape == (3, 5)
        decoded, _ = network.decode(weights, buffers, mean, training=training)
        assert decoded.shape == images.shape
        assert decoded.min() >= 0
        assert decoded.max() <= 1


@pytest.mark.parametrize(("name", "shape"), TAKES)
def test_a_call_does_not_change_its_buffers(name: str, shape: tuple[int, int, int]) -> None:
    row = NETWORKS.find(name)
    network = Network(lambda: row.build(shape, 5, row.default_layers(shape)))
    parameters, buffers = network.initial(0)
    before = {key: value.clone() for key, value in buffers.items()}
    _, _, after = network.encode(network.unflatten(parameters), buffers, torch.rand(3, *shape))
    assert all(torch.equal(before[key], buffers[key]) for key in before)
    own = [key for key in before if key.startswith("encoder")]
    assert all(not torch.equal(before[key], after[key]) for key in own)


def test_the_flat_vector_holds_every_weight_of_the_module() -> None:
    row = NETWORKS.find("conv28")
    network = Network(lambda: row.build((1, 28, 28), 4, (3, 5, 7)))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        vae = row.build((1, 28, 28), 4, (3, 5, 7))
    weights = network.unflatten(network.initial(11)[0])
    assert weights.keys() == dict(vae.named_parameters()).keys()
    for name, value in vae.named_parameters():
        assert torch.equal(weights[name], value)


def test_conv28_is_the_papers_network() -> None:
    """Section 4: kernels 4, 3, 2 of stride 2 down; 2, 3, 3 of stride 1 up; 128 linear units."""
    vae = NETWORKS.find("conv28").build((1, 28, 28), 32, (32, 64, 128))
    convolutions = [m for m in vae.modules() if isinstance(m, torch.nn.Conv2d)]
    assert [c.kernel_size[0] for c in convolutions] == [4, 3, 2, 2, 3, 3]
    assert [c.stride[0] for c in convolutions] == [2, 2, 2, 1, 1, 1]
    linear = [m for m in vae.modules() if isinstance(m, torch.nn.Linear)]
    assert [m.out_features for m in linear] == [128, 64, 128, 2048]
    assert {m.negative_slope for m in vae.modules() if isinstance(m, torch.nn.LeakyReLU)} == {0.02}
    assert {m.momentum for m in vae.modules() if isinstance(m, torch.nn.BatchNorm2d)} == {0.2}


def test_conv64_is_the_papers_network() -> None:
    """Section 4: kernels 4, 3, 3, 3 of stride 2 down; 3×3 of stride 1 up; 128 linear units."""
    vae = NETWORKS.find("conv64").build((3, 64, 64), 10, (32, 64, 128, 128))
    convolutions = [m for m in vae.modules() if isinstance(m, torch.nn.Conv2d)]
    assert [c.kernel_size[0] for c in convolutions] == [4, 3, 3, 3, 3, 3, 3, 3]
    assert [c.stride[0] for c in convolutions] == [2, 2, 2, 2, 1, 1, 1, 1]
    assert [c.out_channels for c in convolutions] == [32, 64, 128, 128, 128, 64, 32, 3]
    linear = [m for m in vae.modules() if isinstance(m, torch.nn.Linear)]
    assert [m.out_features for m in linear] == [128, 20, 128, 2048]
    assert {m.negative_slope for m in vae.modules() if isinstance(m, torch.nn.LeakyReLU)} == {0.02}
    assert {m.momentum for m in vae.modules() if isinstance(m, torch.nn.BatchNorm2d)} == {0.2}


@pytest.mark.parametrize(("name", "stages"), [("conv28", 3), ("conv64", 4)])
def test_the_papers_layers_are_in_its_order(name: str, stages: int) -> None:
    side = int(name[-2:])
    vae = NETWORKS.find(name).build((1, side, side), 4, (4,) * stages)
    down = ["Conv2d", "LeakyReLU", "BatchNorm2d"] * stages
    assert _kinds(vae.encoder) == [*down, "Flatten", "Linear", "LeakyReLU", "Linear"]
    up = ["BatchNorm2d", "Identity", "UpsampledConv2d", "LeakyReLU"] * stages
    linear = ["Linear", "LeakyReLU", "Linear", "LeakyReLU", "Unflatten"]
    assert _kinds(vae.decoder) == [*linear, *up[:-1], "Sigmoid"]


def _kinds(network: torch.nn.Module) -> list[str]:
    return [type(module).__name__ for module in network.children()]


@pytest.mark.parametrize(
    ("name", "shape", "layers"),
    [
        ("conv28", (1, 8, 8), (4, 4, 4)),
        ("conv28", (1, 28, 28), (4, 4)),
        ("conv28", (3, 64, 64), (4, 4, 4)),
        ("conv64", (1, 28, 28), (4, 4, 4, 4)),
        ("conv64", (3, 64, 64), (4, 4, 4)),
        ("conv64", (3, 64, 32), (4, 4, 4, 4)),
    ],
)
def test_the_papers_networks_refuse_other_images_and_layers(
    name: str, shape: tuple[int, int, int], layers: tuple[int, ...]
) -> None:
    side = name[-2:]
    with pytest.raises(UserError, match=f"{name}.*{side}×{side}.*found images of {shape[1]}×"):
        NETWORKS.find(name).build(shape, 4, layers)


def test_an_unknown_network_is_named_with_the_nearest_known() -> None:
    with pytest.raises(UserError, match="did you mean 'conv28'"):
        NETWORKS.find("conv82")


@pytest.mark.parametrize("kernel", [2, 3])
def test_the_folded_convolution_equals_upsampling_then_convolution(kernel: int) -> None:
    """Exactly, but for rounding (float64): values and all gradients."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        folded = UpsampledConv2d(5, 3, kernel).double()
        inputs = torch.randn(2, 5, 7, 7, dtype=torch.float64, requires_grad=True)
    plain = torch.nn.Conv2d(5, 3, kernel, padding=kernel // 3).double()
    plain.load_state_dict(folded.state_dict())
    results = []
    for module, before in ((folded, inputs), (plain, torch.nn.Upsample(scale_factor=2)(inputs))):
        output = module(before)
        variables = [inputs, *module.parameters()]
        weighted = (output * torch.linspace(-1, 1, output.numel()).view_as(output)).sum()
        results.append([output, *torch.autograd.grad(weighted, variables)])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)
