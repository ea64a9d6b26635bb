"""Layers that Keras lacks against numpy, and against the Keras layers that they stand in for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sartranslate.networks import backend
from sartranslate.recipes.initialisation import Initialisation, initial_value

backend.select("tensorflow")

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

from sartranslate.networks.blocks import (  # noqa: E402
    Detail,
    HalvingPool,
    Normalisation,
    PatchNormalization,
    ReflectionPadding,
    SpectralConvolution,
    initialise,
)


def features(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(3, 2, shape).astype(np.float32)


def randomised(layer: keras.layers.Layer, shape: tuple[int, ...]) -> keras.layers.Layer:
    layer.build(shape)
    for variable in layer.variables:
        variable.assign(np.random.default_rng(1).normal(1, 0.5, variable.shape))
    return layer


@pytest.mark.parametrize("training", [True, False])
def test_a_patch_s_own_statistics_are_those_of_batch_norm_in_training_at_batch_size_one(training: bool) -> None:
    x = features(3, 8, 6, 4)
    own = randomised(PatchNormalization(1e-3, affine=True, name="norm"), x.shape)
    batch = randomised(keras.layers.BatchNormalization(epsilon=1e-3, name="norm"), x.shape)
    expected = np.concatenate([batch(patch[None], training=True) for patch in x])
    np.testing.assert_allclose(own(x, training=training), expected, atol=1e-5)
    assert [variable.path for variable in own.variables] == [variable.path for variable in batch.trainable_variables]


def test_instance_norm_brings_each_channel_of_each_sample_to_mean_zero_and_variance_one() -> None:
    x = features(3, 8, 6, 4)
    layer = PatchNormalization(0.5, affine=False)
    mean, variance = x.mean((1, 2), keepdims=True), x.var((1, 2), keepdims=True)
    np.testing.assert_allclose(layer(x), (x - mean) / np.sqrt(variance + 0.5), atol=1e-5)
    assert layer.variables == []


def test_instance_norm_does_not_overflow_in_half_precision() -> None:
    x = (1e4 * np.sign(features(1, 64, 64, 2) - 3)).astype(np.float16)
    normalised = PatchNormalization(1e-5, affine=False, dtype="mixed_float16")(x)
    assert normalised.dtype == "float16"
    np.testing.assert_allclose(normalised.numpy().astype(float).std((0, 1, 2)), 1, rtol=1e-2)


@pytest.mark.parametrize("synchronized", [True, False])
def test_batch_norm_is_what_was_asked_for(synchronized: bool) -> None:
    inputs = keras.Input((4, 4, 2))
    outputs = Normalisation("batch", 1e-3, momentum=0.75, synchronized=synchronized)(inputs, "down1_norm")
    layer = keras.Model(inputs, outputs).get_layer("down1_norm")
    assert (layer.epsilon, layer.momentum, layer.synchronized) == (1e-3, 0.75, synchronized)


def test_no_normalisation_leaves_features_alone() -> None:
    x = features(1, 4, 4, 2)
    assert Normalisation("none", 1e-5)(x, "down1_norm") is x


@pytest.mark.parametrize(("shape", "pixels"), [((2, 5, 7, 3), 3), ((1, 4, 4, 1), 3), ((1, 2, 9, 2), 1)])
def test_reflection_mirrors_at_the_outermost_pixels(shape: tuple[int, ...], pixels: int) -> None:
    x = features(*shape)
    around = ((0, 0), (pixels, pixels), (pixels, pixels), (0, 0))
    assert np.array_equal(ReflectionPadding(pixels)(x), np.pad(x, around, mode="reflect"))


@pytest.mark.parametrize(("shape", "pixels"), [((1, 1, 1, 2), 1), ((1, 3, 3, 1), 3)])
def test_reflection_repeats_a_picture_that_is_no_larger_than_the_padding(shape: tuple[int, ...], pixels: int) -> None:
    x = features(*shape)
    around = ((0, 0), (pixels, pixels), (pixels, pixels), (0, 0))
    assert np.array_equal(ReflectionPadding(pixels)(x), np.pad(x, around, mode="symmetric"))


def test_reflection_works_in_graphs_of_unknown_sizes() -> None:
    layer = ReflectionPadding(1)
    graph = tf.function(layer, input_signature=[tf.TensorSpec((None, None, None, 2))])
    for shape in [(2, 5, 4, 2), (1, 1, 3, 2)]:
        x = features(*shape)
        assert np.array_equal(graph(x), layer(x))


@pytest.mark.parametrize("size", [(8, 6), (7, 5), (1, 2)])
def test_halving_takes_means_of_the_pixels_within_the_picture(size: tuple[int, int]) -> None:
    x = features(2, *size, 3)
    halved = HalvingPool()(x).numpy()
    assert halved.shape == (2, (size[0] + 1) // 2, (size[1] + 1) // 2, 3)
    for row in range(halved.shape[1]):
        for col in range(halved.shape[2]):
            around = x[:, max(2 * row - 1, 0) : 2 * row + 2, max(2 * col - 1, 0) : 2 * col + 2]
            np.testing.assert_allclose(halved[:, row, col], around.mean((1, 2)), rtol=1e-5)


@pytest.mark.parametrize("size", [(9, 7), (3, 20)])
def test_detail_is_what_a_picture_has_beyond_the_mean_around_each_pixel(size: tuple[int, int]) -> None:
    x = features(2, *size, 3)
    detail = Detail(2)(x).numpy()
    assert detail.shape == x.shape
    for row, col in np.ndindex(size):
        around = x[:, max(row - 2, 0) : row + 3, max(col - 2, 0) : col + 3]
        np.testing.assert_allclose(detail[:, row, col], x[:, row, col] - around.mean((1, 2)), atol=1e-5)


def test_detail_is_in_float32_whatever_the_precision() -> None:
    with backend.policy("bfloat16"):
        detail = Detail(2)(features(1, 8, 8, 3))
    assert detail.dtype == "float32"
    np.testing.assert_array_equal(detail, Detail(2)(features(1, 8, 8, 3)))


def spectral(filters: int = 6, size: int = 3, bands: int = 4) -> SpectralConvolution:
    layer = SpectralConvolution(filters, size, 2, padding="valid", use_bias=True, name="patch")
    return randomised(layer, (None, None, None, bands))


def matrix_of(layer: SpectralConvolution) -> NDArray[np.float64]:
    return layer.kernel.numpy().reshape(-1, layer.filters).astype(np.float64)


def plain(layer: SpectralConvolution, x: NDArray[np.float32], scale: Any) -> NDArray[np.float32]:
    return keras.ops.conv(x, layer.kernel.numpy() / np.float32(scale), 2, "valid") + layer.bias.numpy()


@pytest.mark.parametrize("filters", [1, 6, 60])
def test_the_kernel_is_divided_by_its_largest_singular_value(filters: int) -> None:
    layer, x = spectral(filters), features(2, 9, 9, 4)
    kernel = layer.kernel.numpy()
    for _ in range(50):
        layer(x, training=True)
    largest = np.linalg.svd(matrix_of(layer), compute_uv=False)[0]
    np.testing.assert_allclose(layer(x, training=False), plain(layer, x, largest), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(layer.u.numpy()), 1, rtol=1e-5)
    assert np.array_equal(layer.kernel.numpy(), kernel)


def test_one_call_in_training_is_one_power_iteration_and_none_in_inference() -> None:
    layer, x = spectral(), features(1, 5, 5, 4)
    before = layer.u.numpy()
    layer(x, training=False)
    assert np.array_equal(layer.u.numpy(), before)
    step = matrix_of(layer).T @ matrix_of(layer) @ before
    output = layer(x, training=True)
    np.testing.assert_allclose(layer.u.numpy(), step / np.linalg.norm(step), rtol=1e-4)
    v = matrix_of(layer) @ before
    scale = v / np.linalg.norm(v) @ matrix_of(layer) @ layer.u.numpy()
    np.testing.assert_allclose(output, plain(layer, x, scale), rtol=1e-4)


def test_the_gradient_flows_through_the_singular_value_with_constant_vectors() -> None:
    """Miyato et al. 2018, equation 12: (G - <G, W / sigma> u v') / sigma for a gradient G to the divided kernel."""
    layer, x = spectral(), features(1, 7, 7, 4)
    before = layer.u.numpy()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(x, training=True) ** 2)
    gradient = tape.gradient(loss, layer.kernel.value).numpy().reshape(-1, layer.filters)
    matrix, u = matrix_of(layer), layer.u.numpy()
    v = matrix @ before / np.linalg.norm(matrix @ before)
    sigma = v @ matrix @ u
    divided = tf.Variable((matrix / sigma).reshape(layer.kernel.shape), dtype=tf.float32)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum((keras.ops.conv(x, divided, 2, "valid") + layer.bias.numpy()) ** 2)
    outer = tape.gradient(loss, divided).numpy().reshape(-1, layer.filters).astype(np.float64)
    expected = (outer - (outer * matrix / sigma).sum() * np.outer(v, u)) / sigma
    np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


def test_spectral_normalisation_iterates_in_graphs() -> None:
    eager, graph, x = spectral(), spectral(), features(1, 5, 5, 4)
    call = tf.function(lambda x: graph(x, training=True))
    for _ in range(3):
        np.testing.assert_allclose(call(x), eager(x, training=True), rtol=1e-5)
    np.testing.assert_allclose(graph.u.numpy(), eager.u.numpy(), rtol=1e-5)


def test_spectral_normalisation_computes_the_singular_value_in_float32() -> None:
    layer = SpectralConvolution(8, 3, 1, padding="same", use_bias=True, dtype="mixed_float16")
    layer.build((None, None, None, 64))
    layer.kernel.assign(np.full(layer.kernel.shape, 300.0))  # the squares sum up to more than float16 holds
    output = layer(np.ones((1, 4, 4, 64), np.float16), training=True)
    assert output.dtype == "float16"
    assert {variable.dtype for variable in layer.variables} == {"float32"}
    # A matrix of equal entries has one singular value: the square root of its size times the entry.
    np.testing.assert_allclose(output[0, 1, 1], 9 * 64 / np.sqrt(9 * 64 * 8), rtol=2e-3)


def test_all_variables_of_a_network_get_the_values_drawn_for_their_paths() -> None:
    inputs = keras.Input((None, None, 2))
    x = SpectralConvolution(4, 3, 1, padding="same", use_bias=True, name="patch")(inputs)
    x = keras.layers.BatchNormalization(name="patch_norm")(x)
    model = keras.Model(inputs, keras.layers.Conv2DTranspose(2, 4, 2, name="up")(x))
    for variable in model.variables:
        variable.assign(variable + 7)
    initialise(model, Initialisation("kaiming"), seed=5)
    names = {"patch/kernel", "patch/bias", "patch/u", "up/kernel", "up/bias"}
    names |= {f"patch_norm/{name}" for name in ("gamma", "beta", "moving_mean", "moving_variance")}
    assert {variable.path for variable in model.variables} == names
    for variable in model.variables:
        expected = initial_value(Initialisation("kaiming"), variable.path, tuple(variable.shape), 5)
        assert np.array_equal(variable.numpy(), expected)
