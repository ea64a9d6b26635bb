"""The two networks of Pix2Pix: a U-Net generator and a PatchGAN discriminator.

Layer for layer as in Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial
Networks", arXiv 1611.07004v3, section 6.1, with the constants of the authors' Torch code.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from sartranslate.architecture import DOWNSAMPLINGS, GeneratorConfig

LEAK = 0.2
MOMENTUM = 0.9  # Keras' sense; 0.1 in PyTorch's
EPSILON = 1e-5
DROPOUT = 0.5
DROPOUT_LAYERS = 3  # the innermost decoder layers


def build_generator(config: GeneratorConfig, *, dropout: float = DROPOUT, momentum: float = MOMENTUM) -> keras.Model:
    """U-Net: (N, H, W, source_bands) in [-1, 1] -> (N, H, W, target_bands) in (-1, 1), float32.

    H and W are multiples of 256. With 64 filters and 3 -> 3 bands it has 54,413,955 trainable
    parameters. `momentum` is the share that the stored batch-norm statistics keep in an update.
    """
    source = keras.Input((None, None, config.source_bands), name="source")
    channels = config.channels
    x, skips = source, []
    for level, filters in enumerate(channels):
        x = _encode(x, filters, level, momentum)
        skips.append(x)
    skips.pop()
    for level in reversed(range(1, DOWNSAMPLINGS)):
        x = _decode(x, channels[level - 1], level, config.upsampling, dropout, momentum)
        x = layers.Concatenate(name=f"skip{level}")([skips.pop(), x])
    x = layers.ReLU(name="up0_relu")(x)
    x = _upsample(x, config.target_bands, "up0", config.upsampling, use_bias=True)
    target = layers.Activation("tanh", dtype="float32", name="target")(x)
    return keras.Model(source, target, name=config.architecture)


def build_discriminator(source_bands: int = 1, target_bands: int = 3, filters: int = 64) -> keras.Model:
    """70 x 70 PatchGAN: (source, target) of (N, 256, 256, bands) -> (N, 30, 30, 1) logits, float32.

    Each logit judges one patch of 70 x 70 pixels; the condition comes first in the concatenation.
    With 64 filters and 6 bands in all it has 2,768,705 trainable parameters.
    """
    source = keras.Input((None, None, source_bands), name="source")
    target = keras.Input((None, None, target_bands), name="target")
    x = layers.Concatenate(name="condition")([source, target])
    for level, (factor, stride) in enumerate([(1, 2), (2, 2), (4, 2), (8, 1)]):
        normalised = level > 0
        x = _patch_convolution(x, filters * factor, stride, f"patch{level}", use_bias=not normalised)
        if normalised:
            x = _batch_norm(f"patch{level}_norm")(x)
        x = layers.LeakyReLU(LEAK, name=f"patch{level}_leaky")(x)
    x = _patch_convolution(x, 1, 1, "logits", use_bias=True)
    logits = layers.Activation("linear", dtype="float32", name="float32_logits")(x)
    return keras.Model([source, target], logits, name="patchgan_70")


def _encode(x: Any, filters: int, level: int, momentum: float) -> Any:
    outermost, bottleneck = level == 0, level == DOWNSAMPLINGS - 1
    name = f"down{level}"
    if not outermost:
        x = layers.LeakyReLU(LEAK, name=f"{name}_leaky")(x)
    # Normalising the bottleneck's single pixel would erase it at batch size 1 (the paper's erratum).
    normalised = not (outermost or bottleneck)
    x = layers.Conv2D(filters, 4, 2, padding="same", use_bias=False, kernel_initializer=_normal(), name=name)(x)
    return _batch_norm(f"{name}_norm", momentum)(x) if normalised else x


def _decode(x: Any, filters: int, level: int, upsampling: str, dropout: float, momentum: float) -> Any:
    name = f"up{level}"
    x = layers.ReLU(name=f"{name}_relu")(x)
    x = _upsample(x, filters, name, upsampling, use_bias=False)
    x = _batch_norm(f"{name}_norm", momentum)(x)
    if level >= DOWNSAMPLINGS - DROPOUT_LAYERS:
        x = layers.Dropout(dropout, name=f"{name}_dropout")(x)
    return x


def _upsample(x: Any, filters: int, name: str, upsampling: str, *, use_bias: bool) -> Any:
    if upsampling == "transpose":
        return layers.Conv2DTranspose(
            filters, 4, 2, padding="same", use_bias=use_bias, kernel_initializer=_normal(), name=name
        )(x)
    x = layers.UpSampling2D(2, interpolation="nearest", name=f"{name}_nearest")(x)
    return layers.Conv2D(filters, 3, padding="same", use_bias=use_bias, kernel_initializer=_normal(), name=name)(x)


def _patch_convolution(x: Any, filters: int, stride: int, name: str, *, use_bias: bool) -> Any:
    # Keras' "same" keeps 32 x 32 at stride 1 where one pixel of padding gives the PatchGAN's 31, then 30.
    x = layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
    return layers.Conv2D(filters, 4, stride, use_bias=use_bias, kernel_initializer=_normal(), name=name)(x)


def _batch_norm(name: str, momentum: float = MOMENTUM) -> keras.layers.Layer:
    return layers.BatchNormalization(momentum=momentum, epsilon=EPSILON, gamma_initializer=_normal(mean=1.0), name=name)


def _normal(mean: float = 0.0) -> keras.initializers.Initializer:
    return keras.initializers.RandomNormal(mean, 0.02)
