"""Discriminators against the published parameter counts, shapes and receptive fields of Pix2Pix."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sartranslate.networks import backend
from sartranslate.recipes.architecture import DiscriminatorConfig
from tests.conftest import user_environment

backend.select("tensorflow")

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

from sartranslate.networks.blocks import HalvingPool, initialise  # noqa: E402
from sartranslate.networks.discriminators import build_discriminator, features_of, logits_of  # noqa: E402
from sartranslate.recipes.initialisation import Initialisation  # noqa: E402

MLM = DiscriminatorConfig(layers=4, bias=True, padding="same")


def trainable(model: keras.Model) -> int:
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


def pictures(*shape: int) -> list[NDArray[np.float32]]:
    rng = np.random.default_rng(0)
    return [rng.uniform(-1, 1, (*shape, bands)).astype(np.float32) for bands in (1, 3)]


def small(**config: object) -> keras.Model:
    return build_discriminator(DiscriminatorConfig(**{"filters": 2, **config}), 1, 3)


@pytest.mark.parametrize(("bands", "count"), [(3, 2_768_705), (1, 2_766_657), (2, 2_767_681)])
def test_the_patchgan_70_has_the_parameters_of_the_reference(bands: int, count: int) -> None:
    assert trainable(build_discriminator(DiscriminatorConfig(), bands, 3)) == count


@pytest.mark.parametrize(
    ("layers", "count"), [(0, 9_024), (1, 139_585), (2, 666_433), (3, 2_768_705), (4, 6_964_033), (5, 11_159_361)]
)
def test_fewer_and_more_layers_have_the_parameters_of_the_reference(layers: int, count: int) -> None:
    assert trainable(build_discriminator(DiscriminatorConfig(layers=layers), 3, 3)) == count


def test_the_tutorial_s_discriminator_has_its_parameters_counted_with_the_stored_statistics() -> None:
    assert build_discriminator(MLM, 3, 3).count_params() == 6_968_257


@pytest.mark.parametrize("norm", ["instance", "none"])
def test_without_batch_norm_all_convolutions_have_a_bias(norm: str) -> None:
    """As many as batch norm's offsets; its scales are missing: 128 + 256 + 512 of them."""
    assert trainable(build_discriminator(DiscriminatorConfig(norm=norm), 3, 3)) == 2_768_705 - 896
    assert all(layer.use_bias for layer in small(norm=norm).layers if hasattr(layer, "kernel"))


@pytest.mark.parametrize(("layers", "side"), [(0, 256), (1, 126), (2, 62), (3, 30), (4, 14), (5, 6)])
def test_a_picture_of_256_pixels_is_judged_by_the_reference_s_number_of_patches(layers: int, side: int) -> None:
    [logits] = logits_of(small(layers=layers)(pictures(2, 256, 256)))
    assert logits.shape == (2, side, side, 1)


def test_padding_that_keeps_the_size_gives_the_tutorial_s_16_by_16_patches() -> None:
    [logits] = logits_of(small(layers=4, bias=True, padding="same")(pictures(1, 256, 256)))
    assert logits.shape == (1, 16, 16, 1)


@pytest.mark.parametrize(("padding", "shape"), [("one", (12, 8)), ("same", (14, 10))])
def test_odd_sizes_are_judged_but_for_their_last_pixels(padding: str, shape: tuple[int, int]) -> None:
    [logits] = logits_of(small(padding=padding)(pictures(1, 119, 87)))
    assert logits.shape == (1, *shape, 1)


@pytest.mark.parametrize(("layers", "padding"), [*((n, "one") for n in range(6)), (3, "same"), (4, "same")])
def test_a_logit_sees_the_receptive_field_of_its_layers(layers: int, padding: str) -> None:
    config = DiscriminatorConfig(layers=layers, filters=1, padding=padding)
    discriminator = build_discriminator(config, 1, 3)
    source, target = map(tf.convert_to_tensor, pictures(1, 512, 512))
    with tf.GradientTape() as tape:
        tape.watch(source)
        [logits] = logits_of(discriminator([source, target], training=False))
        middle = logits.shape[1] // 2
        logit = logits[0, middle, middle, 0]
    rows, cols = np.nonzero(tape.gradient(logit, source).numpy()[0, :, :, 0])
    assert (np.ptp(rows) + 1, np.ptp(cols) + 1) == (config.receptive_field,) * 2


def test_features_are_those_after_each_activation() -> None:
    model = small(leak=0.0)
    features = features_of(model(pictures(1, 256, 256)))
    assert [tuple(layer.shape) for layer in features] == [
        (1, 128, 128, 2),
        (1, 64, 64, 4),
        (1, 32, 32, 8),
        (1, 31, 31, 16),
    ]
    assert all(layer.numpy().min() == 0 for layer in features)


def test_each_scale_has_its_own_weights_and_sees_halved_pictures() -> None:
    model, single = small(scales=3), small()
    initialise(model, Initialisation(gain=0.5), 0)
    x = pictures(1, 256, 256)
    outputs = model(x)
    assert [layer.shape[1] for layer in logits_of(outputs)] == [30, 14, 6]
    assert len(features_of(outputs)) == 3 * 4
    assert trainable(model) == 3 * trainable(single)
    values = {variable.path: variable.numpy() for variable in model.variables}
    for scale in range(3):
        for variable in single.variables:
            variable.assign(values[(f"scale{scale}_" if scale else "") + variable.path])
        [expected], [*_, features] = logits_of(single(x)), features_of(single(x))
        np.testing.assert_allclose(logits_of(outputs)[scale], expected, atol=1e-5)
        np.testing.assert_allclose(features_of(outputs)[4 * scale + 3], features, atol=1e-5)
        x = [HalvingPool()(picture) for picture in x]


def test_spectral_normalisation_bounds_every_convolution_and_adds_nothing_to_train() -> None:
    plain, model = small(norm="none"), small(norm="none", spectral_norm=True)
    assert [v.path for v in model.trainable_variables] == [v.path for v in plain.trainable_variables]
    assert len(model.non_trainable_variables) == 5
    for network in (plain, model):
        initialise(network, Initialisation(gain=50.0), 0)
    x = pictures(1, 64, 64)
    for _ in range(20):
        [bounded] = logits_of(model(x, training=True))
    [unbounded] = logits_of(plain(x))
    assert np.abs(unbounded).max() > 1e6
    assert np.abs(bounded).max() < 100


def test_the_condition_and_the_picture_both_count() -> None:
    model, (source, target) = small(), pictures(1, 64, 64)
    initialise(model, Initialisation(gain=0.5), 0)
    [logits] = logits_of(model([source, target]))
    for other in ([-source, target], [source, -target]):
        assert np.abs(logits_of(model(other))[0] - logits).max() > 1e-2


def test_of_detail_alone_the_means_of_the_picture_are_not_seen_but_those_of_the_condition_are() -> None:
    model, (source, target) = small(detail=4), pictures(1, 64, 64)
    initialise(model, Initialisation(gain=0.5), 0)
    [logits] = logits_of(model([source, target]))
    [moved] = logits_of(model([source, target + 0.5]))
    np.testing.assert_allclose(moved, logits, rtol=1e-4, atol=1e-3)
    for other in ([source + 0.5, target], [source, target * 0.5]):
        assert np.abs(logits_of(model(other))[0] - logits).max() > 1


def test_a_compiled_call_returns_the_same_lists() -> None:
    for config in ({}, {"scales": 2, "spectral_norm": True}):
        model, x = small(**config), pictures(1, 64, 64)
        called, compiled = model(x, training=False), tf.function(lambda x, m=model: m(x, training=False))(x)
        for take in (logits_of, features_of):
            assert len(take(called)) == len(take(compiled))
            for eager, graph in zip(take(called), take(compiled), strict=True):
                np.testing.assert_allclose(eager, graph, atol=1e-5)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_reduced_precision_keeps_weights_and_logits_in_float32(precision: str) -> None:
    with backend.policy(precision):
        model = small(scales=2, spectral_norm=True)
    outputs = model(pictures(1, 64, 64), training=True)
    assert {variable.dtype for variable in model.variables} == {"float32"}
    assert {logits.dtype for logits in logits_of(outputs)} == {tf.float32}
    assert {features.dtype for features in features_of(outputs)} == {tf.as_dtype(precision)}


def test_momentum_and_epsilon_reach_every_batch_norm() -> None:
    model = build_discriminator(DiscriminatorConfig(filters=2, norm_epsilon=1e-3), 1, 3, momentum=0.5)
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert [(layer.momentum, layer.epsilon) for layer in norms] == [(0.5, 1e-3)] * 3


# In a process of its own: the devices of one that runs already can not be divided.
ON_TWO_DEVICES = """
from sartranslate.networks import backend
backend.select("tensorflow")
import numpy as np
import tensorflow as tf
from sartranslate.recipes.architecture import DiscriminatorConfig
from sartranslate.networks.discriminators import build_discriminator, logits_of

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
config = DiscriminatorConfig(filters=4, norm="none", spectral_norm=True)
backend.seed(0)
alone = build_discriminator(config, 1, 3)
with strategy.scope():
    shared = build_discriminator(config, 1, 3, synchronized=True)
for variable, value in zip(shared.variables, alone.variables):
    variable.assign(value.numpy())
source, target = (np.random.default_rng(0).uniform(-1, 1, (1, 64, 64, n)).astype("float32") for n in (1, 3))


@tf.function
def step():
    return strategy.run(lambda: logits_of(shared([source, target], training=True))[0])


for _ in range(3):
    [expected] = logits_of(alone([source, target], training=True))
    for logits in strategy.experimental_local_results(step()):
        np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-6)
for mirrored, single in zip(shared.non_trainable_variables, alone.non_trainable_variables):
    for copy in strategy.experimental_local_results(mirrored.value):
        np.testing.assert_allclose(copy.numpy(), single.numpy(), rtol=1e-4, atol=1e-6)
"""


@pytest.mark.long
def test_the_singular_vectors_of_replicas_are_those_of_one_device() -> None:
    command = [sys.executable, "-c", ON_TWO_DEVICES]
    done = subprocess.run(
        command, capture_output=True, text=True, env=user_environment(), cwd=Path(__file__).parents[1]
    )
    assert done.returncode == 0, done.stderr
