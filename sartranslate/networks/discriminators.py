"""PatchGAN discriminators of one or several scales, and the pixel discriminator.

Layer for layer as in Isola et al. 2017, arXiv 1611.07004v3, section 6.1, with the constants of the authors'
Torch code; several scales, and features beside the logits, as in Wang et al. 2018 (pix2pixHD), section 3.2; detail
alone as in Fritsche et al. 2019, arXiv 1911.07850.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from sartranslate.networks.blocks import Detail, HalvingPool, Normalisation, SpectralConvolution, normal
from sartranslate.recipes.architecture import MAX_FILTER_FACTOR, DiscriminatorConfig

PATCH_KERNEL, PIXEL_KERNEL = 4, 1  # pixels

Outputs = dict[str, list[Any]]


def build_discriminator(
    config: DiscriminatorConfig,
    source_bands: int,
    target_bands: int,
    *,
    momentum: float = 0.9,
    synchronized: bool = False,
) -> keras.Model:
    """[source, target], both (N, H, W, bands) in [-1, 1] -> {"logits": [...], "features": [...]}.

    `logits_of` and `features_of` take them out. Logits are (N, h, w, 1) for each scale, float32: 30 x 30
    for three layers and 256 x 256 pixels. Features are (N, h, w, channels) after each activation. Each
    scale after the first has weights of its own and sees pictures half as high and wide. `momentum` and
    `synchronized` as in `build_generator`.
    """
    source = keras.Input((None, None, source_bands), name="source")
    target = keras.Input((None, None, target_bands), name="target")
    normalise = Normalisation(config.norm, config.norm_epsilon, momentum, synchronized)
    judged = Detail(config.detail, name="detail")(target) if config.detail else target
    x = layers.Concatenate(name="condition")([source, judged])
    outputs: Outputs = {"logits": [], "features": []}
    for scale in range(config.scales):
        if scale:
            x = HalvingPool(name=f"scale{scale}")(x)
        logits, features = _Scale(config, normalise, f"scale{scale}_" if scale else "").judge(x)
        outputs["logits"].append(logits)
        outputs["features"].extend(features)
    return keras.Model([source, target], outputs, name=f"patchgan_{config.receptive_field}")


def logits_of(outputs: Outputs) -> list[Any]:
    """(N, h, w, 1) of each scale, the finest first, from what a discriminator returns."""
    return outputs["logits"]


def features_of(outputs: Outputs) -> list[Any]:
    """(N, h, w, channels) of all layers of all scales, from what a discriminator returns."""
    return outputs["features"]


@dataclass(frozen=True)
class _Scale:
    config: DiscriminatorConfig
    normalise: Normalisation
    prefix: str  # of the layers' names

    def judge(self, x: Any) -> tuple[Any, list[Any]]:
        """Logits, and the features after each activation."""
        config = self.config
        features = []
        bias = config.bias or not self.normalise.offsets
        for level in range(max(config.layers, 1) + 1):
            name = f"{self.prefix}patch{level}"
            filters = config.filters * min(2**level, MAX_FILTER_FACTOR)
            x = self._convolution(x, filters, 2 if level < config.layers else 1, name, use_bias=bias or not level)
            if level:
                x = self.normalise(x, f"{name}_norm")
            x = layers.LeakyReLU(config.leak, name=f"{name}_leaky")(x)
            features.append(x)
        x = self._convolution(x, 1, 1, f"{self.prefix}logits", use_bias=bias or config.layers > 0)
        return layers.Activation("linear", dtype="float32", name=f"{self.prefix}float32_logits")(x), features

    def _convolution(self, x: Any, filters: int, stride: int, name: str, *, use_bias: bool) -> Any:
        size = PATCH_KERNEL if self.config.layers else PIXEL_KERNEL
        # Keras' "same" keeps 32 x 32 at stride 1 where one pixel of padding gives the PatchGAN's 31, then 30.
        same = size == PIXEL_KERNEL or (stride == 1 and self.config.padding == "same")
        if not same:
            x = layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
        padding = "same" if same else "valid"
        if self.config.spectral_norm:
            return SpectralConvolution(filters, size, stride, padding=padding, use_bias=use_bias, name=name)(x)
        return layers.Conv2D(
            filters, size, stride, padding=padding, use_bias=use_bias, kernel_initializer=normal(), name=name
        )(x)
