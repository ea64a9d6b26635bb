"""Generators of pytorch-CycleGAN-and-pix2pix as ours: architecture and variables, told by names and shapes of tensors.

Names are those of its `UnetGenerator` and `ResnetGenerator`, as it saves them in `latest_net_G.pth`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sartranslate.errors import BundleError, OptionError
from sartranslate.networks.topology import variables
from sartranslate.recipes.architecture import RESNET_HALVINGS, RESNETS, GeneratorConfig

COLOURS = 3
Tensors = Mapping[str, NDArray[Any]]
PARALLEL = "module."  # before each name of a network that was trained on several GPUs
PARTS = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
HALVINGS = {8: "unet_256", 7: "unet_128"}
UNET_DROPOUT = {"unet_256": (2, 4), "unet_128": (2, 3)}  # layers of the decoder, 1 the innermost
DROPOUT = 0.5
FIRST_BLOCK = 10  # of a ResNet's layers, counted with those that have no tensors


class _Form(NamedTuple):
    """What the names tell."""

    architecture: str
    places: Mapping[str, str]  # of our layers: where theirs are
    dropout: float
    dropout_layers: tuple[int, int]
    last: str  # our last layer with a kernel


def generator_of(tensors: Tensors, test_mode: str = "stored") -> tuple[GeneratorConfig, dict[str, NDArray[np.float32]]]:
    """The configuration of the generator with this state dict, and its variables by our paths.

    `test_mode` is "stored", PyTorch's evaluation mode, or "own", in which its authors test. Raises `BundleError` for
    tensors of another network, or of a generator that ours can not be.
    """
    tensors = {name.removeprefix(PARALLEL): array for name, array in tensors.items()}
    form = _unet(tensors) if "model.model.0.weight" in tensors else _resnet(tensors)
    config = _config(tensors, form, test_mode)
    names = {path: _name(form, path) for path in variables(config)}
    for name in sorted(tensors.keys() - set(names.values())):
        if not name.endswith(STATISTICS):
            raise BundleError(f"tensor {name!r} is no part of a {config.architecture} with {config.norm} norm")
    return config, {path: _variable(tensors, names[path], shape) for path, shape in variables(config).items()}


def _unet(tensors: Tensors) -> _Form:
    """Of blocks within blocks: each holds the one that is a level deeper."""
    prefixes, prefix = ["model.model"], "model.model.1.model"
    while f"{prefix}.1.weight" in tensors:
        prefixes.append(prefix)
        prefix = f"{prefix}.3.model"
    if len(prefixes) not in HALVINGS:
        raise BundleError(f"a U-Net that halves {len(prefixes)} times, expected {' or '.join(map(str, HALVINGS))}")
    places: dict[str, str] = {}
    for level, prefix in enumerate(prefixes):
        down, up = int(level > 0), 5 if 0 < level < len(prefixes) - 1 else 3
        numbers = {f"down{level}": down, f"down{level}_norm": 2, f"up{level}": up, f"up{level}_norm": up + 1}
        places |= {name: f"{prefix}.{number}" for name, number in numbers.items()}
    architecture = HALVINGS[len(prefixes)]
    return _Form(architecture, places, DROPOUT, UNET_DROPOUT[architecture], "up0")


def _resnet(tensors: Tensors) -> _Form:
    """Of layers in a row."""
    blocks = len({match[0] for name in tensors if (match := re.match(r"model\.\d+\.conv_block", name))})
    if blocks not in RESNETS.values():
        raise BundleError(f"no U-Net, and {blocks} residual blocks, expected {' or '.join(map(str, RESNETS.values()))}")
    sixth = tensors.get(f"model.{FIRST_BLOCK}.conv_block.6.weight")
    dropped = sixth is not None and sixth.ndim == 4  # else it is the norm of the second convolution
    places = {"start": "model.1", "start_norm": "model.2"}
    for level in range(1, RESNET_HALVINGS + 1):
        places |= {f"down{level}": f"model.{1 + 3 * level}", f"down{level}_norm": f"model.{2 + 3 * level}"}
        after = FIRST_BLOCK + blocks + 3 * (RESNET_HALVINGS - level)
        places |= {f"up{level - 1}": f"model.{after}", f"up{level - 1}_norm": f"model.{after + 1}"}
    for number in range(blocks):
        block, second = f"model.{FIRST_BLOCK + number}.conv_block", 6 if dropped else 5
        places |= {f"block{number + 1}a": f"{block}.1", f"block{number + 1}a_norm": f"{block}.2"}
        places |= {f"block{number + 1}b": f"{block}.{second}", f"block{number + 1}b_norm": f"{block}.{second + 1}"}
    places["end"] = f"model.{FIRST_BLOCK + blocks + 3 * RESNET_HALVINGS + 1}"
    architecture = next(name for name, count in RESNETS.items() if count == blocks)
    return _Form(architecture, places, DROPOUT if dropped else 0.0, (1, 3), "end")


def _config(tensors: Tensors, form: _Form, test_mode: str) -> GeneratorConfig:
    first = "start" if form.last == "end" else "down0"
    filters, bands = _kernel(tensors, form, first).shape[:2]
    last = _kernel(tensors, form, form.last).shape
    target_bands = last[0] if form.last == "end" else last[1]
    if target_bands != COLOURS:
        raise BundleError(f"{target_bands} channels out, expected {COLOURS}: red, green and blue")
    place = form.places["down1"]
    norm = "instance" if f"{place}.bias" in tensors else "none"
    if f"{form.places['down1_norm']}.weight" in tensors:
        norm = "batch"
    try:
        return GeneratorConfig(
            form.architecture,
            source_bands=bands,
            target_bands=target_bands,
            filters=filters,
            norm=norm,
            dropout=form.dropout,
            dropout_layers=form.dropout_layers,
            test_mode=test_mode,
        )
    except OptionError as error:
        raise BundleError(str(error)) from error


def _kernel(tensors: Tensors, form: _Form, layer: str) -> NDArray[Any]:
    kernel = tensors.get(f"{form.places[layer]}.weight")
    if kernel is None or kernel.ndim != 4:
        raise BundleError(f"no kernel {form.places[layer]}.weight, expected that of {layer} of a {form.architecture}")
    return kernel


def _name(form: _Form, path: str) -> str:
    layer, part = path.split("/")
    return f"{form.places[layer]}.{PARTS[part]}"


def _variable(tensors: Tensors, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Channels of kernels last; a bias that theirs lacks is zero."""
    if name not in tensors and name.endswith(".bias"):
        return np.zeros(shape, np.float32)
    if name not in tensors:
        raise BundleError(f"tensor {name!r} is missing")
    array = np.asarray(tensors[name], np.float32)
    array = array.transpose(2, 3, 1, 0) if array.ndim == 4 else array
    if array.shape != shape:
        raise BundleError(f"tensor {name!r} is {array.shape}, expected {shape}")
    return np.ascontiguousarray(array)
