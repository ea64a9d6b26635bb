"""How far generated pictures are from their targets: terms that the generator's objective adds to the GAN's.

Pictures are (N, H, W, C) in [-1, 1]. Plain Keras operations on float32 tensors. Every result is (N,), one
value per sample, 0 where both pictures are the same: a batch that is spread over devices is averaged by
its global size.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from keras import ops

from sartranslate.recipes.objective import SHIFT_BLOCK

SSIM_WINDOW = 11  # pixels
SSIM_SIGMA = 1.5  # pixels
SSIM_STABILISERS = ((0.01 * 2) ** 2, (0.03 * 2) ** 2)  # C1 and C2 at a data range of 2
TINY = float(np.finfo(np.float32).tiny)


def l1(target: Any, fake: Any, weight: Any = None) -> Any:
    """(N,) mean absolute differences, of the pixels with `weight` 1 only.

    `weight` is (N, H, W, 1) of 0 and 1, float32; both pictures are finite where it is 0, too. A sample
    without any 1 gives 0.
    """
    return _mean(ops.absolute(target - fake), weight)


def shifted_l1(target: Any, fake: Any, reach: int) -> Any:
    """(N,) mean absolute differences, in each block of the picture at the shift of the target that fits best.

    Shifts are by 0, half of `reach` and all of it, in pixels, up or down and left or right: what a pair may be
    misregistered by. The outermost `reach` pixels of the picture take no part; the others are divided into blocks of
    equal size, at least 64 pixels high and wide, but for less than a pixel for each block at the lower and right end.
    H and W are known when the graph is made, and at least 64 + 2 `reach`.
    """
    _, height, width, _ = fake.shape
    block = tuple(inside // (inside // SHIFT_BLOCK) for inside in (height - 2 * reach, width - 2 * reach))
    inner = fake[:, reach : height - reach, reach : width - reach]
    steps = sorted({0, reach // 2, reach, 2 * reach - reach // 2, 2 * reach})
    differences = []
    for row, col in product(steps, steps):
        moved = target[:, row : height - 2 * reach + row, col : width - 2 * reach + col]
        pixels = ops.mean(ops.absolute(moved - inner), axis=-1, keepdims=True)
        differences.append(ops.average_pool(pixels, block, data_format="channels_last"))
    return _mean(ops.min(ops.stack(differences), axis=0))


def l2(target: Any, fake: Any, weight: Any = None) -> Any:
    """(N,) mean squared differences, of the pixels with `weight` 1 only; see `l1`."""
    return _mean(ops.square(target - fake), weight)


def ssim_loss(target: Any, fake: Any) -> Any:
    """(N,) in [0, 2]: 1 minus the mean structural similarity over channels and over all whole windows.

    Gaussian windows of 11 x 11 pixels with sigma 1.5; no padding, so H and W are at least 11. The
    similarity is that of the same pictures in [0, 1] (Wang et al. 2004, equation 13, K1 .01, K2 .03).
    """
    stacked = [target, fake, ops.square(target) + ops.square(fake), target * fake]
    moments = _windowed_means(ops.concatenate(stacked, axis=-1))
    target_mean, fake_mean, squares, product = ops.split(moments, 4, axis=-1)
    variances = squares - ops.square(target_mean) - ops.square(fake_mean)
    covariance = product - target_mean * fake_mean
    # Luminance is counted from black, here -1. Variances are exacter about mid-grey, and the same.
    x, y, (c1, c2) = target_mean + 1, fake_mean + 1, SSIM_STABILISERS
    luminance = (2 * x * y + c1) / (ops.square(x) + ops.square(y) + c1)
    structure = (2 * covariance + c2) / (variances + c2)
    return 1 - _mean(luminance * structure)


def focal_frequency(target: Any, fake: Any) -> Any:
    """(N,) mean squared differences of the spectra, weighted towards the frequencies that differ most.

    Spectra are orthonormal 2-D Fourier transforms, so the value is at most that of `l2`. A weight is the
    difference's magnitude over the largest one of its sample and channel, and a constant in derivatives
    (Jiang et al. 2021, "Focal Frequency Loss", with alpha 1).
    """
    difference = ops.transpose(target - fake, (0, 3, 1, 2))
    _, _, height, width = ops.shape(difference)
    # The transform is linear: one of the difference instead of one of each picture.
    real, imaginary = ops.fft2((difference, ops.zeros_like(difference)))
    energy = (ops.square(real) + ops.square(imaginary)) / ops.cast(height * width, "float32")
    peak = ops.max(energy, axis=(2, 3), keepdims=True)
    weight = ops.stop_gradient(ops.sqrt(energy / ops.maximum(peak, TINY)))
    return _mean(weight * energy)


def feature_matching(real_features: Sequence[Any], fake_features: Sequence[Any]) -> Any:
    """(N,) mean absolute differences of features, averaged over layers; the real side is a constant.

    Features are (N, h, w, c) of any floating type, one array for each of at least one layer of the
    discriminator (Wang et al. 2018, pix2pixHD, equation 3).
    """
    # In mixed precision the features are in half precision, whose differences overflow; the objective is not.
    pairs = [
        (ops.cast(ops.stop_gradient(real), "float32"), ops.cast(fake, "float32"))
        for real, fake in zip(real_features, fake_features, strict=True)
    ]
    return sum(l1(real, fake) for real, fake in pairs) / len(pairs)


def _mean(values: Any, weight: Any = None) -> Any:
    """(N,) means over all axes but the first, of the pixels with `weight` 1 only."""
    if weight is None:
        return ops.mean(values, axis=(1, 2, 3))
    pixels = ops.mean(values, axis=-1, keepdims=True)
    count = ops.sum(weight, axis=(1, 2, 3))
    return ops.sum(weight * pixels, axis=(1, 2, 3)) / ops.maximum(count, 1.0)


def _windowed_means(images: Any) -> Any:
    """Gaussian-weighted means of all whole windows of (N, H, W, C), one axis after the other."""
    offset = np.arange(SSIM_WINDOW) - SSIM_WINDOW // 2
    bell = np.exp(-0.5 * (offset / SSIM_SIGMA) ** 2)
    bell = (bell / bell.sum()).astype(np.float32).reshape(-1, 1, 1, 1)
    kernel = np.tile(bell, (1, 1, images.shape[-1], 1))
    rows = ops.depthwise_conv(images, kernel, data_format="channels_last")
    return ops.depthwise_conv(rows, np.swapaxes(kernel, 0, 1), data_format="channels_last")
