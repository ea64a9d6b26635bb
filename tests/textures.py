"""Images with structure at all scales, and what can happen to them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

Image = NDArray[Any]


def textures(count: int = 6, size: int = 64) -> Image:
    """Images (count, size, size, 3) with structure at all scales."""
    rng = np.random.default_rng(4)
    octaves = [gaussian_filter(rng.normal(size=(count, size, size, 3)), (0, s, s, 0), mode="wrap") for s in (1, 2, 6)]
    relief = sum(octave / octave.std() for octave in octaves)
    return (110 + 18 * relief).clip(0, 255).astype(np.uint8)


def blurred(images: Image, sigma: float) -> Image:
    spread = [0.0] * (images.ndim - 3) + [sigma, sigma, 0.0]
    return gaussian_filter(images.astype(np.float32), spread, mode="mirror").clip(0, 255)


def noisy(images: Image, deviation: float) -> Image:
    noise = np.random.default_rng(9).normal(size=images.shape)
    return (images + deviation * noise).clip(0, 255).astype(np.float32)


TRUTH = textures()
