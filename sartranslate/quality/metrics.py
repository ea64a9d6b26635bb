"""How near generated images come to the true ones, pixel by pixel: in value, structure and colour.

Images are (H, W, C) or batches (N, H, W, C), RGB in levels 0 to 255, as integers or floats. A mask is (H, W), or
(N, H, W) for a batch, True = valid; what other pixels hold, NaN too, changes nothing. Images that differ in shape or
leave this range, and those without a valid pixel, are refused with `PairsError`. All of these scores favour blurred
images; those of `pyramid` and `wasserstein` see blur, but not whether a field lies where it should.
"""

import math
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from sartranslate.backscatter.radiometry import Mask
from sartranslate.errors import PairsError

Values = NDArray[np.float64]

PEAK = 255.0  # levels
NUMBERS = "biuf"  # kinds of types that images have
WINDOW = 11  # pixels, side of the window of structural similarity
GAUSSIAN = np.exp(-((np.arange(WINDOW) - WINDOW // 2) ** 2) / (2 * 1.5**2))  # 1.5 pixels deviation
GAUSSIAN /= GAUSSIAN.sum()
LUMINANCE_GUARD = (0.01 * PEAK) ** 2  # C1 and
CONTRAST_GUARD = (0.03 * PEAK) ** 2  # C2 of Wang et al.
ABSENT: Any = object()


class Scores(NamedTuple):
    """Means over images, each image counted once whatever its size."""

    mae: float  # levels, 0 to 255
    psnr: float  # decibels, infinite if one image is equal to its truth
    ssim: float  # at most 1


def score_images(
    generated: Iterable[ArrayLike], truth: Iterable[ArrayLike], masks: Iterable[ArrayLike | None] | None = None
) -> Scores:
    """Score image by image, then average: (H, W, C) images of any sizes, taken one at a time from any iterables.

    A mask of None makes all pixels of its image valid. Raises `PairsError` if there are not as many of each, or none.
    """
    columns: list[Iterable[Any]] = [generated, truth] if masks is None else [generated, truth, masks]
    rows = []
    for number, row in enumerate(zip_longest(*columns, fillvalue=ABSENT)):
        if any(part is ABSENT for part in row):
            raise PairsError(f"image {number}: expected as many generated as true images, and as many masks if any")
        rows.append([metric(*row) for metric in (mae, psnr, ssim)])
    if not rows:
        raise PairsError("no images: expected at least one to score")
    return Scores(*np.mean(rows, axis=0).tolist())


def mae(generated: ArrayLike, truth: ArrayLike, mask: ArrayLike | None = None) -> float:
    """Mean absolute difference of valid pixels in levels, 0 to 255, per image, then averaged.

    >>> mae([[[10], [20]]], [[[13], [20]]])
    1.5
    """
    pairs = image_pairs(generated, truth, mask)
    return float(np.mean([np.abs(fake - real)[valid].mean() for fake, real, valid in pairs]))


def psnr(generated: ArrayLike, truth: ArrayLike, mask: ArrayLike | None = None) -> float:
    """Peak signal-to-noise ratio of valid pixels in decibels, per image, then averaged; infinite for equal ones."""
    squares = (np.square(fake - real)[valid].mean() for fake, real, valid in image_pairs(generated, truth, mask))
    return float(np.mean([10 * math.log10(ratio(PEAK**2, square)) for square in squares]))


def ssim(generated: ArrayLike, truth: ArrayLike, mask: ArrayLike | None = None) -> float:
    """Structural similarity, 1 for equal images and lower for others, per channel and image, then averaged.

    Wang et al. 2004 (IEEE Trans. Image Process. 13(4) 600-612), equation 13: a Gaussian window of 11 x 11 pixels and
    1.5 pixels deviation, K1 = 0.01, K2 = 0.03. Only windows within the image and without an invalid pixel count.
    Raises `PairsError` where there is none.
    """
    pairs = image_pairs(generated, truth, mask, WINDOW)
    return float(np.mean([_similarity(fake, real)[_some_windows(valid)].mean() for fake, real, valid in pairs]))


def spectral_angle(generated: ArrayLike, truth: ArrayLike, mask: ArrayLike | None = None) -> float:
    """Mean angle between the colours of valid pixels, 0 to pi / 2 radians: a difference in brightness makes none.

    Kruse et al. 1993 (Remote Sens. Environ. 44 145-163). Black has no direction: two black pixels count as 0, black
    and another colour as pi / 2.
    """
    pairs = image_pairs(generated, truth, mask)
    return float(np.mean([_angles(fake, real)[valid].mean() for fake, real, valid in pairs]))


def identity_collapse(generated: ArrayLike, truth: ArrayLike, sar: ArrayLike, mask: ArrayLike | None = None) -> float:
    """Mean |generated - SAR| / mean |generated - truth|: below 1 the input is copied rather than translated.

    `sar` is what the generator saw, in levels 0 to 255 too: one channel, to compare all of the generated ones with,
    or as many as they. Infinite for a perfect image.

    >>> identity_collapse(generated=[[[10, 20, 30]]], truth=[[[10, 20, 90]]], sar=[[[30]]])
    0.5
    """
    seen, shape = np.asarray(sar), np.shape(generated)
    if seen.shape not in (shape, (*shape[:-1], 1)):
        raise PairsError(f"SAR {seen.shape}, generated {shape}: expected the same, or a single channel of SAR")
    return ratio(mae(generated, np.broadcast_to(seen, shape), mask), mae(generated, truth, mask))


def image_pairs(
    generated: ArrayLike, truth: ArrayLike, mask: ArrayLike | None = None, least: int = 1
) -> Iterator[tuple[Values, Values, Mask]]:
    """Image by image, generated and true (H, W, C), 0 where invalid, and the valid pixels (H, W)."""
    if np.ma.is_masked(generated) or np.ma.is_masked(truth):
        raise PairsError("masked images, expected plain ones, and what is valid as mask")
    fakes, reals = np.asarray(generated), np.asarray(truth)
    if not {fakes.dtype.kind, reals.dtype.kind} <= set(NUMBERS):
        raise PairsError(f"images of {fakes.dtype} and {reals.dtype}, expected real numbers")
    if fakes.ndim not in (3, 4) or fakes.shape != reals.shape or not fakes.size:
        raise PairsError(f"generated {fakes.shape}, truth {reals.shape}: expected the same (H, W, C) or (N, H, W, C)")
    if min(fakes.shape[-3:-1]) < least:
        raise PairsError(f"images {fakes.shape}: expected a height and a width of at least {least} pixels")
    fakes, reals = (images.reshape(-1, *images.shape[-3:]) for images in (fakes, reals))
    masks = np.ones(fakes.shape[:3], np.bool_) if mask is None else np.asarray(mask, np.bool_)
    if masks.shape not in (fakes.shape[:3], fakes.shape[1:3]):
        raise PairsError(f"mask {masks.shape}: expected {fakes.shape[1:3]}, as the image, or {fakes.shape[:3]}")
    for fake, real, valid in zip(fakes, reals, np.broadcast_to(masks, fakes.shape[:3]), strict=True):
        if not valid.any():
            raise PairsError("mask: no valid pixel in an image, expected at least one")
        yield _levels(fake, valid), _levels(real, valid), valid


def _levels(image: NDArray[Any], valid: Mask) -> Values:
    levels = np.where(valid[..., None], image, 0).astype(np.float64)
    low, high = levels.min(), levels.max()
    if not (low >= 0 and high <= PEAK):
        raise PairsError(f"image: values {low:g} to {high:g} where valid, expected 0 to {PEAK:g}")
    return levels


def ratio(part: float, whole: float) -> float:
    """A quotient of sums of at least 0: infinite where only the second is 0, and 1 where both are."""
    return part / whole if whole > 0 else math.inf if part > 0 else 1.0


def _angles(fake: Values, real: Values) -> Values:
    """(H, W) radians; the arc cosine of a dot product would lose half of the digits of a small angle."""
    fake, real = unit_vectors(fake), unit_vectors(real)
    return np.asarray(2 * np.arctan2(np.linalg.norm(fake - real, axis=-1), np.linalg.norm(fake + real, axis=-1)))


def unit_vectors(vectors: Values) -> Values:
    """Vectors along the last axis at length 1, or 0 where they were."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1))


def _similarity(fake: Values, real: Values) -> Values:
    """The index of equation 13 for each whole window, (H - 10, W - 10, C)."""
    moments = np.stack([fake, real, fake * real, fake**2 + real**2]).transpose(0, 3, 1, 2)
    across = sliding_window_view(moments, WINDOW, axis=-1) @ GAUSSIAN
    fake_mean, real_mean, product, squares = sliding_window_view(across, WINDOW, axis=-2) @ GAUSSIAN
    product_of_means, squares_of_means = fake_mean * real_mean, fake_mean**2 + real_mean**2
    luminance = (2 * product_of_means + LUMINANCE_GUARD) / (squares_of_means + LUMINANCE_GUARD)
    variances, covariance = squares - squares_of_means, product - product_of_means
    return np.moveaxis(luminance * (2 * covariance + CONTRAST_GUARD) / (variances + CONTRAST_GUARD), 0, -1)


def whole_windows(valid: Mask) -> Mask:
    """(H - 10, W - 10) of an (H, W) mask: where structural similarity finds nothing invalid."""
    across = sliding_window_view(valid, WINDOW, axis=1).all(axis=-1)
    return np.asarray(sliding_window_view(across, WINDOW, axis=0).all(axis=-1))


def _some_windows(valid: Mask) -> Mask:
    whole = whole_windows(valid)
    if not whole.any():
        raise PairsError(f"mask: no {WINDOW} x {WINDOW} valid pixels in an image, expected at least one such window")
    return whole
