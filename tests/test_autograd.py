"""Gradients and the fused kernels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sartranslate.networks import autograd, backend
from tests.both_backends import assert_alike, needs_torch

backend.select("tensorflow")

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

SHAPES = [(4, 4, 3, 5), (5,), ()]


def variables() -> list[Any]:
    rng = np.random.default_rng(0)
    return [keras.Variable(rng.standard_normal(shape), dtype="float32") for shape in SHAPES]


def gradients(step: int) -> list[Any]:
    """Some of vanishing size, some exactly zero."""
    rng = np.random.default_rng(step)
    sizes = 10.0 ** rng.uniform(-12, 2, len(SHAPES))
    found = [
        size * rng.standard_normal(shape) * rng.integers(0, 2, shape) for size, shape in zip(sizes, SHAPES, strict=True)
    ]
    return [tf.constant(gradient, tf.float32) for gradient in found]


def built(optimizer: keras.optimizers.Optimizer, moved: list[Any]) -> keras.optimizers.Optimizer:
    optimizer.build(moved)
    optimizer.learning_rate = 2e-4
    return optimizer


@pytest.mark.parametrize("epsilon", [1e-8, 1e-3])
@pytest.mark.parametrize("in_graph", [False, True])
def test_the_fused_optimiser_is_keras_own_adam(epsilon: float, in_graph: bool) -> None:
    ours, theirs = variables(), variables()
    fused = built(autograd.adam(0.5, 0.999, epsilon), ours)
    plain = built(keras.optimizers.Adam(beta_1=0.5, beta_2=0.999, epsilon=epsilon, name="adam"), theirs)
    assert type(fused) is not keras.optimizers.Adam
    moved = tf.function(lambda *found: fused.apply(list(found), ours)) if in_graph else None
    for step in range(10):
        found = gradients(step)
        moved(*found) if moved else fused.apply(found, ours)
        plain.apply(found, theirs)
        if step == 4:
            fused.learning_rate = plain.learning_rate = 1e-3
    for one, other in zip([*ours, *fused.variables], [*theirs, *plain.variables], strict=True):
        # beta2 is rounded to float32 before it is taken from 1 or after: second moments differ by 1.3e-5.
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=2e-5, atol=1e-30, err_msg=one.path)
    for one, start, other in zip(ours, variables(), theirs, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=2e-7, atol=2e-7)
        assert np.abs(one.numpy() - start.numpy()).max() > 1e-3


def trained(layer: keras.layers.Layer, x: tf.Tensor) -> dict[str, NDArray[Any]]:
    """Output, stored statistics, gradients, and the gradient of a penalty on a gradient, of one call in training."""
    layer.build(x.shape)
    layer.gamma.assign(np.linspace(0.5, 1.5, x.shape[-1]))
    layer.beta.assign(np.linspace(-1, 1, x.shape[-1]))
    watched = [x, layer.gamma.value, layer.beta.value]
    wave = tf.cast(tf.sin(tf.range(tf.size(x), dtype=tf.float32)), x.dtype)
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(watched)
            y = layer(x, training=True)
            loss = tf.reduce_sum(y * tf.reshape(wave, x.shape))
        found = inner.gradient(loss, watched)
        penalty = tf.reduce_sum(tf.square(tf.cast(found[0], tf.float32)))
    values = {"output": y, "source": found[0], "gamma": found[1], "beta": found[2]}
    values |= {"mean": layer.moving_mean, "variance": layer.moving_variance, "second": outer.gradient(penalty, x)}
    return {name: np.asarray(value).astype(np.float32) for name, value in values.items()}


@pytest.mark.parametrize("shape", [(2, 9, 7, 5), (3, 1, 1, 4), (1, 32, 32, 3)])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("mixed_bfloat16", 2e-2)])
def test_the_fused_batch_norm_is_keras_own(shape: tuple[int, ...], dtype: str, tolerance: float) -> None:
    x = tf.constant(np.random.default_rng(0).normal(3, 2, shape), tf.float32)
    options = {"momentum": 0.9, "epsilon": 1e-3, "dtype": dtype}
    fused = autograd.batch_normalization(synchronized=False, **options)
    plain = keras.layers.BatchNormalization(**options)
    assert type(fused) is not keras.layers.BatchNormalization
    rounded = tf.cast(x, fused.compute_dtype)
    found, expected = trained(fused, rounded), trained(plain, rounded)
    for name, values in expected.items():
        apart = np.abs(found[name] - values).max() / np.abs(values).max()
        assert apart < tolerance, name
    np.testing.assert_array_equal(fused(rounded, training=False), plain_at_rest(fused, plain, rounded))


def plain_at_rest(fused: keras.layers.Layer, plain: keras.layers.Layer, x: tf.Tensor) -> tf.Tensor:
    """What Keras' own layer makes of `x` with the fused one's stored statistics."""
    for one, other in zip(plain.variables, fused.variables, strict=True):
        one.assign(other)
    return plain(x, training=False)


def test_a_single_pixel_leaves_finite_statistics() -> None:
    layer = autograd.batch_normalization(synchronized=False, momentum=0.0)
    layer(tf.fill((1, 1, 1, 2), 5.0), training=True)
    np.testing.assert_array_equal(layer.moving_mean, [5, 5])
    np.testing.assert_array_equal(layer.moving_variance, [0, 0])


BATCH_NORM = """
from sartranslate.networks.autograd import Tape, batch_normalization
import keras
layer = batch_normalization(synchronized=False, momentum=0.9, epsilon=1e-3)
layer.build(given["x"].shape)
layer.gamma.assign(given["gamma"])
source = keras.Variable(given["x"])
with Tape() as tape:
    y = layer(source.value, training=True)
    loss = ops.sum(y * given["wave"])
found |= {"y": y, "mean": layer.moving_mean, "variance": layer.moving_variance}
found["source"], = tape.gradient(loss, [source])
"""


@needs_torch
@pytest.mark.long
@pytest.mark.parametrize("shape", [(2, 9, 7, 5), (1, 1, 1, 5)])
def test_the_fused_batch_norm_is_the_same_on_both_backends(tmp_path: Path, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    x, wave = (rng.normal(3, 2, shape).astype(np.float32) for _ in range(2))
    gamma = np.linspace(0.5, 1.5, shape[-1]).astype(np.float32)
    assert_alike(tmp_path, BATCH_NORM, 4, 1e-4, atol=1e-5, x=x, wave=wave, gamma=gamma)


def test_the_first_step_of_adam_is_the_learning_rate_against_the_sign() -> None:
    """Kingma & Ba 2015, section 2.1: the moments' corrections cancel while there is one gradient."""
    moved = [keras.Variable(np.zeros(3), dtype="float32")]
    built(autograd.adam(0.5, 0.999, 1e-12), moved).apply([tf.constant([3.0, -0.01, 0.0])], moved)
    np.testing.assert_allclose(moved[0].numpy(), [-2e-4, 2e-4, 0], rtol=1e-5)


def test_a_tape_goes_on_recording_when_entered_again() -> None:
    x = keras.Variable(np.array(3.0), dtype="float32")
    with autograd.Tape() as tape:
        first = x * x
    x.assign(5.0)
    with tape:
        second = first * 2
    assert [float(slope) for slope in tape.gradient(second, [x])] == [12]
    assert [float(slope) for slope in tape.gradient(first, [x])] == [6]


def test_what_is_computed_outside_a_tape_is_a_constant() -> None:
    x = keras.Variable(np.array(3.0), dtype="float32")
    outside = x * x
    with autograd.Tape() as tape:
        value = outside * x
    assert float(tape.gradient(value, [x])[0]) == 9


def test_a_slope_is_that_of_each_sample_and_can_be_differentiated() -> None:
    inputs = np.array([[1.0, 2.0], [3.0, -1.0]], np.float32)
    weight = keras.Variable(np.array(2.0), dtype="float32")
    with autograd.Tape() as tape:
        found = autograd.slope(lambda x: keras.ops.sum(weight * x**3, axis=-1), keras.ops.convert_to_tensor(inputs))
        total = keras.ops.sum(found)
    np.testing.assert_allclose(found, 3 * 2 * inputs**2, rtol=1e-6)
    assert float(tape.gradient(total, [weight])[0]) == pytest.approx(float(np.sum(3 * inputs**2)))
