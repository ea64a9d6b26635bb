"""Networks against the published parameter counts and shapes of Pix2Pix."""

from __future__ import annotations

import numpy as np
import pytest

from sartranslate import backend
from sartranslate.architecture import GeneratorConfig
from sartranslate.errors import OptionError

backend.select("tensorflow")

import keras  # noqa: E402

from sartranslate.networks import build_discriminator, build_generator  # noqa: E402


def trainable(model: keras.Model) -> int:
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


@pytest.mark.parametrize(("bands", "count"), [(3, 54_413_955), (1, 54_411_907), (2, 54_412_931)])
def test_the_unet_256_has_the_parameters_of_the_reference(bands: int, count: int) -> None:
    assert trainable(build_generator(GeneratorConfig(source_bands=bands))) == count


@pytest.mark.parametrize(("bands", "count"), [(3, 2_768_705), (1, 2_766_657), (2, 2_767_681)])
def test_the_patchgan_70_has_the_parameters_of_the_reference(bands: int, count: int) -> None:
    assert trainable(build_discriminator(bands)) == count


def test_the_patchgan_judges_30_by_30_patches() -> None:
    source, target = np.zeros((2, 256, 256, 1), np.float32), np.zeros((2, 256, 256, 3), np.float32)
    assert build_discriminator(filters=2)([source, target]).shape == (2, 30, 30, 1)


def test_a_logit_of_the_patchgan_sees_70_by_70_pixels() -> None:
    import tensorflow as tf

    discriminator = build_discriminator(filters=2)
    source = tf.random.stateless_uniform((1, 256, 256, 1), (1, 2))
    with tf.GradientTape() as tape:
        tape.watch(source)
        logit = discriminator([source, tf.zeros((1, 256, 256, 3))], training=False)[0, 15, 15, 0]
    rows, cols = np.nonzero(np.abs(tape.gradient(logit, source).numpy()[0, :, :, 0]))
    assert (np.ptp(rows) + 1, np.ptp(cols) + 1) == (70, 70)


@pytest.mark.parametrize("upsampling", ["transpose", "resize"])
@pytest.mark.parametrize(("bands", "shape"), [(1, (2, 256, 256)), (2, (1, 256, 512))])
def test_the_generator_keeps_size_and_stays_within_tanh(upsampling: str, bands: int, shape: tuple[int, ...]) -> None:
    generator = build_generator(GeneratorConfig(source_bands=bands, filters=2, upsampling=upsampling))
    output = generator(np.ones((*shape, bands), np.float32)).numpy()
    assert output.shape == (*shape, 3)
    assert np.abs(output).max() < 1


def test_an_output_depends_on_its_own_patch_only() -> None:
    """Inference runs on stored statistics: what else is in the batch must not matter."""
    generator = build_generator(GeneratorConfig(filters=4))
    patches = np.random.default_rng(0).uniform(-1, 1, (4, 256, 256, 1)).astype(np.float32)
    together = generator(patches, training=False).numpy()
    alone = np.concatenate([generator(patch[None], training=False).numpy() for patch in patches])
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_dropout_is_on_three_decoder_layers() -> None:
    names = [layer.name for layer in build_generator(GeneratorConfig(filters=2)).layers if "dropout" in layer.name]
    assert names == ["up7_dropout", "up6_dropout", "up5_dropout"]


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_reduced_precision_keeps_weights_and_output_in_float32(precision: str) -> None:
    with backend.policy(precision):
        generator = build_generator(GeneratorConfig(filters=2))
    assert {variable.dtype for variable in generator.trainable_variables} == {"float32"}
    assert generator(np.zeros((1, 256, 256, 1), np.float32)).dtype == "float32"


@pytest.mark.parametrize(
    "field", [{"filters": 0}, {"source_bands": 1.5}, {"upsampling": "bilinear"}, {"architecture": "vgg"}]
)
def test_a_config_out_of_range_is_refused(field: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=next(iter(field))):
        GeneratorConfig(**field)


@pytest.mark.parametrize("upsampling", ["transpose", "resize"])
def test_the_operations_of_a_window_are_those_of_the_network_s_convolutions(upsampling: str) -> None:
    config = GeneratorConfig(source_bands=2, filters=4, upsampling=upsampling)
    model = build_generator(config)
    counted = 0
    x = np.zeros((1, 256, 256, 2), np.float32)
    shapes = keras.Model(model.input, [layer.output for layer in model.layers])(x)
    inputs = keras.Model(model.input, [layer.input for layer in model.layers[1:] if hasattr(layer, "kernel")])(x)
    outputs = {layer.name: output for layer, output in zip(model.layers, shapes, strict=True)}
    for layer, given in zip((layer for layer in model.layers[1:] if hasattr(layer, "kernel")), inputs, strict=True):
        # A transposed convolution spreads each input pixel, a convolution gathers each output pixel.
        side = given if "Transpose" in type(layer).__name__ else outputs[layer.name]
        counted += 2 * int(np.prod(layer.kernel.shape)) * side.shape[1] * side.shape[2]
    assert config.operations(256) == counted
