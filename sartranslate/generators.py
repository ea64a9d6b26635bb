"""Generators of Pix2Pix: U-Nets, the encoder-decoder, and residual networks.

The U-Nets are layer for layer those of Isola et al. 2017, "Image-to-Image Translation with Conditional
Adversarial Networks", arXiv 1611.07004v3, section 6.1, with the constants of the authors' Torch code; the
encoder-decoder is theirs without skips. The residual networks are those of Johnson et al. 2016, "Perceptual
Losses for Real-Time Style Transfer and Super-Resolution", as CycleGAN's authors offer them beside the U-Nets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from sartranslate.architecture import RESNET_HALVINGS, RESNETS, UNETS, GeneratorConfig
from sartranslate.blocks import Normalisation, ReflectionPadding, normal
from sartranslate.dropout import SeededDropout

UNET_KERNEL, RESIZED_KERNEL = 4, 3  # pixels
RESNET_KERNEL, RESNET_END_KERNEL = 3, 7


def build_generator(
    config: GeneratorConfig,
    *,
    training: bool = False,
    sampling: bool = False,
    momentum: float = 0.9,
    synchronized: bool = False,
) -> keras.Model:
    """(N, H, W, source_bands) in [-1, 1] -> (N, H, W, target_bands) in (-1, 1), float32; weights are float32, too.

    H and W are multiples of `config.size_multiple`. What is built for `training` takes a list of source and
    seeds, whole numbers (N,) that fit into int32, and drops values when it is called in training mode: which
    ones follows from a sample's own seed. What is built otherwise takes the source alone, and the output of a
    patch depends on no other in the batch; in test mode "own" it is that of training at batch size 1 with
    seed 0. What is built for `sampling` is such a one too, but takes seeds and drops values in every call. All
    have the same trainable variables in the same order. `momentum` is the share that stored statistics keep in
    an update; `synchronized` batch norm runs over TensorFlow's replicas.
    """
    source = keras.Input((None, None, config.source_bands), name="source")
    seeded = training or sampling
    seed = keras.Input((), dtype="int32", name="seed") if seeded else None
    own = config.test_mode == "own" and not training
    normalise = Normalisation(config.norm, config.norm_epsilon, momentum, synchronized, own)
    parts = _Parts(config, normalise, seed, dropping=seeded or own, always=sampling or own)
    x = parts.unet(source) if config.architecture in UNETS else parts.resnet(source)
    target = layers.Activation("tanh", dtype="float32", name="target")(x)
    return keras.Model([source, seed] if seeded else source, target, name=config.architecture)


def dropout_rate(model: keras.Model) -> float:
    """The share of values that a network drops; 0 where it has no dropout."""
    return max((layer.rate for layer in model.layers if isinstance(layer, SeededDropout)), default=0.0)


@dataclass(frozen=True)
class _Parts:
    config: GeneratorConfig
    normalise: Normalisation
    seed: Any  # (N,), or None where every sample has seed 0
    dropping: bool
    always: bool  # drops values outside training, too

    def unet(self, source: Any) -> Any:
        channels = self.config.channels
        x, skips = source, []
        for level, filters in enumerate(channels):
            x = self._encode(x, filters, level)
            skips.append(x)
        skips.pop()
        for level in reversed(range(1, len(channels))):
            x = self._decode(x, channels[level - 1], level)
            if self.config.skips:
                x = layers.Concatenate(name=f"skip{level}")([skips.pop(), x])
        x = layers.ReLU(name="up0_relu")(x)
        return self._upsample(x, self.config.target_bands, "up0", UNET_KERNEL, use_bias=True)

    def resnet(self, source: Any) -> Any:
        channels = [self.config.filters << level for level in range(RESNET_HALVINGS + 1)]
        x = _reflected(source, channels[0], RESNET_END_KERNEL, "start", use_bias=self._bias)
        x = self._activate(x, "start")
        for level, filters in enumerate(channels[1:], 1):
            x = _convolution(x, filters, RESNET_KERNEL, f"down{level}", 2, use_bias=self._bias)
            x = self._activate(x, f"down{level}")
        for number in range(1, RESNETS[self.config.architecture] + 1):
            x = self._residual(x, f"block{number}")
        for level in reversed(range(RESNET_HALVINGS)):
            x = self._upsample(x, channels[level], f"up{level}", RESNET_KERNEL, use_bias=self._bias)
            x = self._activate(x, f"up{level}")
        return _reflected(x, self.config.target_bands, RESNET_END_KERNEL, "end", use_bias=True)

    @property
    def _bias(self) -> bool:
        return self.config.bias or not self.normalise.offsets

    def _encode(self, x: Any, filters: int, level: int) -> Any:
        name = f"down{level}"
        outermost, bottleneck = level == 0, level == len(self.config.channels) - 1
        if not outermost:
            x = layers.LeakyReLU(self.config.leak, name=f"{name}_leaky")(x)
        x = _convolution(x, filters, UNET_KERNEL, name, 2, use_bias=self._bias)
        # Normalising the bottleneck's single pixel would erase it at batch size 1 (the paper's erratum).
        plain = outermost or (bottleneck and not self.config.bottleneck_norm)
        return x if plain else self.normalise(x, name)

    def _decode(self, x: Any, filters: int, level: int) -> Any:
        name = f"up{level}"
        x = layers.ReLU(name=f"{name}_relu")(x)
        x = self.normalise(self._upsample(x, filters, name, UNET_KERNEL, use_bias=self._bias), name)
        first, last = self.config.dropout_layers
        number = len(self.config.channels) - level  # from the innermost layer on
        return self._drop(x, name) if first <= number <= last else x

    def _residual(self, x: Any, name: str) -> Any:
        filters, first, second = x.shape[-1], f"{name}a", f"{name}b"
        y = self._activate(_reflected(x, filters, RESNET_KERNEL, first, use_bias=self._bias), first)
        y = self._drop(y, first)
        y = self.normalise(_reflected(y, filters, RESNET_KERNEL, second, use_bias=self._bias), second)
        return layers.Add(name=f"{name}_sum")([x, y])

    def _activate(self, x: Any, name: str) -> Any:
        return layers.ReLU(name=f"{name}_relu")(self.normalise(x, name))

    def _drop(self, x: Any, name: str) -> Any:
        if not (self.dropping and self.config.dropout):
            return x
        layer = SeededDropout(self.config.dropout, always=self.always, name=f"{name}_dropout")
        return layer(x) if self.seed is None else layer(x, self.seed)

    def _upsample(self, x: Any, filters: int, name: str, size: int, *, use_bias: bool) -> Any:
        """Twice as high and wide; `size` is the transposed convolution's."""
        if self.config.upsampling == "resize":
            x = layers.UpSampling2D(2, interpolation="nearest", name=f"{name}_nearest")(x)
            return _convolution(x, filters, RESIZED_KERNEL, name, use_bias=use_bias)
        return layers.Conv2DTranspose(
            filters, size, 2, padding="same", use_bias=use_bias, kernel_initializer=normal(), name=name
        )(x)


def _convolution(x: Any, filters: int, size: int, name: str, stride: int = 1, *, use_bias: bool) -> Any:
    return layers.Conv2D(
        filters, size, stride, padding="same", use_bias=use_bias, kernel_initializer=normal(), name=name
    )(x)


def _reflected(x: Any, filters: int, size: int, name: str, *, use_bias: bool) -> Any:
    """A convolution that finds the picture mirrored at its borders."""
    x = ReflectionPadding(size // 2, name=f"{name}_pad")(x)
    return layers.Conv2D(filters, size, use_bias=use_bias, kernel_initializer=normal(), name=name)(x)
