"""How much detail generated images have, by the Laplacian pyramid of Burt and Adelson.

Burt and Adelson 1983, IEEE Trans. Commun. 31(4) 532-540: each level is what an image loses when it is halved and
doubled again. scipy.ndimage is imported where it is needed, since it takes long to load.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sartranslate.backscatter.radiometry import Mask
from sartranslate.quality.metrics import Values, image_pairs, ratio

BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
COARSEST = 16  # pixels, least side of the coarsest level of a pyramid


def high_frequency_ratio(generated: ArrayLike, truth: ArrayLike) -> float:
    """Energy of the finest detail against that of the truth: 1 is as sharp, less is blurred, more is grainier.

    Images are as those of `metrics`. The energies, squares of the finest level of the pyramid summed over pixels,
    channels and all images of a batch, are divided. Infinite where only the truth is flat.
    """
    energies = [
        [detail_energy(image, valid).sum() for image in (fake, real)]
        for fake, real, valid in image_pairs(generated, truth)
    ]
    fake, real = np.sum(energies, axis=0).tolist()
    return ratio(fake, real)


def detail_energy(image: NDArray[Any], mask: Mask) -> Values:
    """(C,) squares of the finest level of the pyramid of an (H, W, C) image, summed over valid pixels.

    What lies where `mask` is False is not summed, but reaches valid pixels beside it: fill it before.
    """
    return np.asarray(np.square(halved(image)[1][mask]).sum(axis=0, dtype=np.float64))


def pyramid(image: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """What each halving of (H, W, C) loses, finest first, and in the end the smallest image itself."""
    while min(image.shape[:2]) >= 2 * COARSEST:
        image, detail = halved(image)
        yield detail
    yield image


def halved(image: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Every other pixel of the blurred (H, W, C), and the detail (H, W, C) that doubling can not bring back."""
    half = _blurred(_blurred(image, 0)[::2], 1)[:, ::2]
    return half, image - doubled(half, image.shape[:2])


def doubled(half: NDArray[Any], size: tuple[int, ...]) -> NDArray[Any]:
    """An image of `size` (H, W) from every other pixel of it, the others interpolated."""
    spread = np.zeros((*size, half.shape[-1]), half.dtype)
    spread[::2, ::2] = 4 * half
    return _blurred(_blurred(spread, 0), 1)


def _blurred(image: NDArray[Any], axis: int) -> NDArray[Any]:
    from scipy.ndimage import correlate1d

    return np.asarray(correlate1d(image, BINOMIAL, axis, mode="mirror"))
