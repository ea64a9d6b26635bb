"""A folded generator against the Keras model of the same weights, in every runtime."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sartranslate.errors import BackendError, BundleError
from sartranslate.networks import backend
from sartranslate.recipes.architecture import ARCHITECTURES, NORMS, UPSAMPLINGS, GeneratorConfig
from sartranslate.runtimes import runtime
from sartranslate.runtimes.folding import dense_kernel, fold, transposed_kernel
from sartranslate.runtimes.steps import Convolve, Drop, Folded, Standardise, inputs
from tests.both_backends import assert_alike, needs_torch
from tests.drawn_weights import CONTRAST, weights

backend.select("tensorflow")

from sartranslate.networks.blocks import initialise  # noqa: E402
from sartranslate.networks.generators import build_generator  # noqa: E402

# As far apart as two orders of the same sums in float32; grey levels are 1 / 127.5.
TOLERANCE = 1e-3


def noise(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(1).uniform(-1, 1, shape).astype(np.float32)


def by_keras(config: GeneratorConfig, tensors: dict[str, Any], *inputs: Any, sampling: bool = False) -> NDArray[Any]:
    model = build_generator(config, sampling=sampling)
    initialise(model, CONTRAST, 0)
    for variable in model.variables:
        if variable.path in tensors:
            variable.assign(tensors[variable.path])
    return np.asarray(backend.predictor(model)(*inputs))


def kinds(folded: Folded) -> list[str]:
    return [type(step).__name__ for step in folded.steps]


QUICK = [("unet_128", "batch", "resize"), ("resnet_6blocks", "instance", "transpose")]
REST = [each for each in itertools.product(ARCHITECTURES, NORMS, UPSAMPLINGS) if each not in QUICK]


@pytest.mark.parametrize(
    ("architecture", "norm", "upsampling"), [*QUICK, *(pytest.param(*each, marks=pytest.mark.long) for each in REST)]
)
def test_every_runtime_computes_what_keras_does(architecture: str, norm: str, upsampling: str) -> None:
    config = GeneratorConfig(architecture, source_bands=2, filters=2, norm=norm, upsampling=upsampling)
    tensors, source = weights(config), noise(2, 256, 512, 2)
    expected = by_keras(config, tensors, source)
    assert expected.std() > 0.01
    for name in runtime.RUNTIMES:
        engine = runtime.load(name, fold(config, tensors), "float32")
        np.testing.assert_allclose(engine.generator(source), expected, atol=TOLERANCE, err_msg=name)


@pytest.mark.parametrize("architecture", ["unet_128", pytest.param("resnet_6blocks", marks=pytest.mark.long)])
@pytest.mark.parametrize("test_mode", ["stored", "own"])
def test_samples_drop_what_keras_drops(architecture: str, test_mode: str) -> None:
    config = GeneratorConfig(architecture, filters=2, test_mode=test_mode)
    tensors, source, seeds = weights(config), noise(2, 128, 128, 1), np.array([5, -6], np.int32)
    expected = by_keras(config, tensors, source, seeds, sampling=True)
    sampler = runtime.load("keras", fold(config, tensors, sampling=True), "float32").generator
    np.testing.assert_allclose(sampler(source, seeds), expected, atol=TOLERANCE)
    assert np.abs(expected - sampler(source, seeds + 1)).max() > 10 * TOLERANCE


def test_the_own_test_mode_drops_with_seed_zero() -> None:
    config = GeneratorConfig("unet_128", filters=2, test_mode="own")
    tensors, source = weights(config), noise(2, 128, 128, 1)
    folded = fold(config, tensors)
    assert folded.dropout == 0.5
    found = runtime.load("keras", folded, "float32").generator(source)
    np.testing.assert_allclose(found, by_keras(config, tensors, source), atol=TOLERANCE)


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_what_drops_values_is_for_keras_alone(name: str) -> None:
    config = GeneratorConfig("unet_128", filters=1, test_mode="own")
    with pytest.raises(BackendError, match="ONNX can not hold a generator that drops values"):
        runtime.load(name, fold(config, weights(config)))


@given(st.integers(1, 3), st.integers(1, 3))
def test_a_resized_convolution_is_a_transposed_one(inputs: int, outputs: int) -> None:
    rng = np.random.default_rng(inputs + 10 * outputs)
    kernel, picture = rng.normal(size=(3, 3, inputs, outputs)), rng.normal(size=(5, 4, inputs))
    enlarged = np.pad(picture.repeat(2, 0).repeat(2, 1), ((1, 1), (1, 1), (0, 0)))
    expected = sum(enlarged[row : row + 10, col : col + 8] @ kernel[row, col] for row in range(3) for col in range(3))
    transposed = transposed_kernel(kernel.astype(np.float32))
    spread = np.zeros((12, 10, outputs))
    for row in range(4):
        for col in range(4):
            spread[row : row + 10 : 2, col : col + 8 : 2] += picture @ transposed[row, col]
    np.testing.assert_allclose(spread[1:-1, 1:-1], expected, atol=1e-5)


@pytest.mark.parametrize("size", [3, 4])
def test_a_dense_kernel_holds_each_weight_of_the_transposed_one_once(size: int) -> None:
    kernel = np.arange(1, size * size * 6 + 1, dtype=np.float32).reshape(size, size, 2, 3)
    dense = dense_kernel(kernel)
    assert dense.shape == (2, 2, 2, 12)
    assert sorted(dense[dense != 0]) == sorted(kernel.ravel())


def test_batch_norm_and_activations_vanish_from_a_unet() -> None:
    folded = fold(GeneratorConfig(filters=1), weights(GeneratorConfig(filters=1)))
    assert kinds(folded).count("Convolve") == 16
    assert kinds(folded).count("Rectify") == 7  # of each skip, whose convolution has another slope
    assert not any(isinstance(step, Standardise | Drop) for step in folded.steps)
    slopes = [step.slope for step in folded.steps if isinstance(step, Convolve)]
    assert slopes == pytest.approx([0.2] * 7 + [0.0] * 8 + [1.0])


def test_instance_norm_stays() -> None:
    config = GeneratorConfig("resnet_6blocks", filters=1, norm="instance")
    assert kinds(fold(config, weights(config))).count("Standardise") == 17


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_no_step_is_left_that_nothing_uses(architecture: str) -> None:
    config = GeneratorConfig(architecture, filters=1)
    folded = fold(config, weights(config))
    assert {place for step in folded.steps for place in inputs(step)} == set(range(len(folded.steps)))


def test_a_missing_tensor_is_named() -> None:
    config = GeneratorConfig("unet_128", filters=1)
    tensors = weights(config)
    del tensors["up3_norm/gamma"]
    with pytest.raises(BundleError, match="tensor 'up3_norm/gamma' is missing"):
        fold(config, tensors)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_lower_precision_stays_within_two_grey_levels(precision: str) -> None:
    """At the 99.9th percentile; the default model is in `test_runtime.py`."""
    config = GeneratorConfig("unet_128", filters=8)
    folded, source = fold(config, weights(config)), noise(2, 256, 256, 1)
    exact, rounded = (runtime.load("keras", folded, name).generator(source) for name in ("float32", precision))
    difference = 127.5 * np.abs(exact - rounded)
    assert 0 < np.quantile(difference, 0.999) < 2


ON_BACKENDS = """
import numpy as np
from sartranslate.runtimes import runtime
from sartranslate.recipes.architecture import GeneratorConfig
from sartranslate.runtimes.folding import fold
from tests.drawn_weights import weights

for config in (
    GeneratorConfig("unet_128", filters=2, upsampling="resize"),
    GeneratorConfig("resnet_6blocks", filters=2, norm="instance"),
):
    source, seeds = np.asarray(given["source"]), np.asarray(given["seeds"])
    folded = fold(config, weights(config))
    sampler = fold(config, weights(config), sampling=True)
    found[f"{config.architecture} plain"] = runtime.load("keras", folded, "float32").generator(source)
    found[f"{config.architecture} samples"] = runtime.load("keras", sampler, "float32").generator(source, seeds)
"""


@pytest.mark.long
@needs_torch
def test_torch_runs_the_same_steps(tmp_path: Path) -> None:
    seeds = np.array([1, 2], np.int32)
    assert_alike(tmp_path, ON_BACKENDS, 4, 1e-3, atol=TOLERANCE, source=noise(2, 128, 128, 1), seeds=seeds)


@pytest.mark.parametrize(("part", "value"), [("gamma", 3e38), ("moving_variance", -1.0), ("moving_mean", 3e38)])
def test_factors_beyond_float32_are_refused_without_a_warning(part: str, value: float) -> None:
    config = GeneratorConfig("resnet_6blocks", filters=1)
    tensors = weights(config)
    tensors[f"start_norm/{part}"][:] = value
    tensors["start/kernel"] *= 100
    tensors["start_norm/gamma"] *= 100 if part == "moving_mean" else 1
    with pytest.raises(BundleError, match="weights times the factors of batch norm are beyond float32"):
        fold(config, tensors)
