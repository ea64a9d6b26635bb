"""Generators of pytorch-CycleGAN-and-pix2pix, built here layer by layer, and what they become."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sartranslate.errors import BundleError
from sartranslate.exchange.peer_weights import generator_of
from sartranslate.runtimes.folding import fold
from sartranslate.runtimes.runtime import load

pytestmark = pytest.mark.long
nn = torch.nn

TOLERANCE = 1e-4
NORMS = {"batch": nn.BatchNorm2d, "instance": nn.InstanceNorm2d, "none": lambda channels: nn.Identity()}


class Level(nn.Module):  # type: ignore[misc]
    """A level of the U-Net around the next one; all but the outermost hand their input on beside their output."""

    def __init__(self, *layers: Any, outermost: bool = False) -> None:
        super().__init__()
        self.model = nn.Sequential(*layers)
        self.outermost = outermost

    def forward(self, x: Any) -> Any:
        return self.model(x) if self.outermost else torch.cat([x, self.model(x)], 1)


class Network(nn.Module):  # type: ignore[misc]
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Any) -> Any:
        return self.model(x)


class Residual(nn.Module):  # type: ignore[misc]
    def __init__(self, *layers: Any) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(*layers)

    def forward(self, x: Any) -> Any:
        return x + self.conv_block(x)


def unet(halvings: int, bands: int, colours: int, filters: int, kind: str) -> Any:
    norm, bias = NORMS[kind], kind == "instance"
    down = partial(nn.Conv2d, kernel_size=4, stride=2, padding=1)
    up = partial(nn.ConvTranspose2d, kernel_size=4, stride=2, padding=1)
    widths = [filters * min(2**level, 8) for level in range(halvings)]
    outer, inner = widths[-2:]
    block = Level(
        nn.LeakyReLU(0.2, True), down(outer, inner, bias=bias), nn.ReLU(True), up(inner, outer, bias=bias), norm(outer)
    )
    for level in reversed(range(1, halvings - 1)):
        outer, inner = widths[level - 1], widths[level]
        layers = [nn.LeakyReLU(0.2, True), down(outer, inner, bias=bias), norm(inner), block]
        layers += [nn.ReLU(True), up(2 * inner, outer, bias=bias), norm(outer)]
        dropped = level >= 4 and level < halvings - 1
        block = Level(*layers, *([nn.Dropout(0.5)] if dropped else []))
    ends = down(bands, filters, bias=bias), block, nn.ReLU(True), up(2 * filters, colours), nn.Tanh()
    return Network(Level(*ends, outermost=True))


def resnet(blocks: int, bands: int, colours: int, filters: int, kind: str, dropout: bool = False) -> Any:
    norm, bias, relu = NORMS[kind], kind == "instance", partial(nn.ReLU, True)
    layers: list[Any] = [nn.ReflectionPad2d(3), nn.Conv2d(bands, filters, 7, bias=bias), norm(filters), relu()]
    for width in (filters, 2 * filters):
        layers += [nn.Conv2d(width, 2 * width, 3, 2, 1, bias=bias), norm(2 * width), relu()]
    width = 4 * filters
    for _ in range(blocks):
        first = [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3, bias=bias), norm(width), relu()]
        second = [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3, bias=bias), norm(width)]
        layers.append(Residual(*first, *([nn.Dropout(0.5)] if dropout else []), *second))
    for width in (4 * filters, 2 * filters):
        layers += [nn.ConvTranspose2d(width, width // 2, 3, 2, 1, 1, bias=bias), norm(width // 2), relu()]
    layers += [nn.ReflectionPad2d(3), nn.Conv2d(filters, colours, 7), nn.Tanh()]
    return Network(nn.Sequential(*layers))


def with_random_weights(network: Any, seed: int = 0) -> Any:
    """Statistics and scales, too; with values that neither vanish nor saturate on their way."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in network.state_dict().items():
        if tensor.ndim == 4:
            fan = tensor[0].numel() if "Transpose" not in name else tensor.shape[0]
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * fan**-0.5)
        elif name.endswith("running_var") or (name.endswith("weight") and tensor.ndim == 1):
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
        elif tensor.is_floating_point():
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.1)
    return network.eval()


def tensors_of(network: Any, prefix: str = "") -> dict[str, Any]:
    return {f"{prefix}{name}": tensor.numpy() for name, tensor in network.state_dict().items()}


UNETS = [("unet_128", 7, 128), ("unet_256", 8, 256)]


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("architecture", "halvings", "side"), UNETS)
def test_a_unet_gives_what_pytorch_gives(architecture: str, halvings: int, side: int, norm: str) -> None:
    network = with_random_weights(unet(halvings, 2, 3, 4, norm))
    config, variables = generator_of(tensors_of(network))
    found = config.architecture, config.source_bands, config.target_bands, config.filters, config.norm
    assert found == (architecture, 2, 3, 4, norm)
    assert_same(network, config, variables, side)


@pytest.mark.parametrize(("norm", "dropout"), [("batch", False), ("instance", True), ("none", False)])
@pytest.mark.parametrize(("blocks", "side"), [(6, 32), (9, 64)])
def test_a_resnet_gives_what_pytorch_gives(blocks: int, side: int, norm: str, dropout: bool) -> None:
    network = with_random_weights(resnet(blocks, 1, 3, 4, norm, dropout))
    config, variables = generator_of(tensors_of(network, "module."))
    found = config.architecture, config.source_bands, config.filters, config.norm, config.dropout
    assert found == (f"resnet_{blocks}blocks", 1, 4, norm, 0.5 if dropout else 0.0)
    assert_same(network, config, variables, side)


def assert_same(network: Any, config: Any, variables: Any, side: int) -> None:
    batch = np.random.default_rng(1).uniform(-1, 1, (2, side, side, config.source_bands)).astype(np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(batch.transpose(0, 3, 1, 2))).numpy().transpose(0, 2, 3, 1)
    found = load("onnxruntime", fold(config, variables), "float32").generator(batch)
    assert 0.05 < np.abs(expected).mean() < 0.9
    assert np.abs(found - expected).max() < TOLERANCE


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("model.model.1.model.1.weight"), "a U-Net that halves 1 times, expected 8 or 7"),
        (
            lambda state: state.pop("model.model.1.model.6.running_var"),
            r"'model\.model\.1\.model\.6\.running_var' is m",
        ),
        (lambda state: state.update({"model.9.weight": np.zeros(3)}), r"'model\.9\.weight' is no part of a unet_128"),
        (lambda state: state.update({"model.model.3.bias": np.zeros(4)}), r"'model\.model\.3\.bias' is \(4,\), exp"),
        (lambda state: state.clear(), "no U-Net, and 0 residual blocks, expected 6 or 9"),
    ],
)
def test_what_is_no_such_generator_is_refused_by_what_is_wrong(change: Any, message: str) -> None:
    state = tensors_of(unet(7, 1, 3, 2, "batch"))
    change(state)
    with pytest.raises(BundleError, match=message):
        generator_of(state)


def test_colours_are_three() -> None:
    with pytest.raises(BundleError, match="4 channels out, expected 3"):
        generator_of(tensors_of(unet(7, 1, 4, 2, "batch")))


def test_statistics_of_another_mode_are_passed_over(tmp_path: Path) -> None:
    config, variables = generator_of(tensors_of(unet(7, 1, 3, 2, "batch")), test_mode="own")
    assert config.test_mode == "own"
    assert not [path for path in variables if "moving" in path]
