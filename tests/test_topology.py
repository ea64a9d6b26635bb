"""Generators as lists of layers; that Keras builds the same from them is tested in `test_generators.py`."""

from __future__ import annotations

from math import prod

import pytest

from sartranslate.networks.topology import SOURCE, TARGET, layers, operations, variables
from sartranslate.recipes.architecture import ARCHITECTURES, NORMS, UPSAMPLINGS, GeneratorConfig


@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_layers_come_after_their_inputs_and_end_at_the_target(architecture: str, norm: str, upsampling: str) -> None:
    known = [SOURCE]
    for layer in layers(GeneratorConfig(architecture, norm=norm, upsampling=upsampling)):
        assert set(layer.inputs) <= set(known)
        assert layer.name not in known
        known.append(layer.name)
    assert known[-1] == TARGET


def test_the_unet_256_has_the_parameters_of_the_reference() -> None:
    shapes = variables(GeneratorConfig(source_bands=3, test_mode="own"))
    assert sum(map(prod, shapes.values())) == 54_413_955


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_operations_grow_with_the_area_of_the_window(architecture: str) -> None:
    config = GeneratorConfig(architecture)
    assert operations(config, 512) == 4 * operations(config, 256)
