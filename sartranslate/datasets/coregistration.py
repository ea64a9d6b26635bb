"""How far an optical tile lies off its SAR tile, by the mutual information of their fine structure."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sartranslate.backscatter.radiometry import Float, Mask
from sartranslate.errors import OptionError, PairsError

# Clarity from which on a shift can be believed. Of 192 real Sentinel tiles of 256 pixels 68 % have it, and 1 % of the
# same SAR tiles beside optical tiles of other ground.
CLEAR = 7.0
REACH = 12  # pixels
LEAST_REACH = 6  # pixels; in a smaller search the peak has no rest to stand out of

RANKS = 256
LEVELS = 12  # along each axis of a joint histogram
SPECKLE = 3  # pixels, side of the box averaged over; in optical tiles, too, since one blur alone flattens the peak
SURROUNDINGS = 31  # pixels, side of the box whose mean is taken off: broad shapes fit nearly as well anywhere near
NEAR = 5  # pixels around a peak that belong to it
LEAST_SPREAD = 2**0.5  # of chi-squared with one degree of freedom
LEAST_SHARED = 5 * LEVELS**2  # pixels; with fewer the ratio is not chi-squared (Cochran 1954, Biometrics 10(4) 417-451)
LEAST_SHARE = 0.35  # of the valid pixels; a mask of scattered pixels fits itself best, whatever it shows

Values = NDArray[np.float64]
Levels = NDArray[np.intp]


class Shift(NamedTuple):
    """Where an optical tile's content has to go to lie on the SAR tile's: down by `rows`, right by `cols`."""

    rows: float  # pixels
    cols: float  # pixels
    clarity: float  # standard deviations by which the best shift exceeds those more than NEAR pixels from it


NO_PEAK = Shift(0.0, 0.0, 0.0)


def estimate_shift(sar: Float, optical: Float, mask: Mask | None = None, *, reach: int = REACH) -> Shift:
    """Find the shift of (H, W) `optical` against (H, W) `sar`; any growing scale of either gives the same.

    SAR may be decibels, amplitude or power; optical is luminance. Pixels that are not finite, or not
    in `mask` (True = valid on both sides), take no part. Maximises mutual information (Maes et al.
    1997, IEEE Trans. Med. Imaging 16(2) 187-198) over all whole shifts of up to `reach` pixels along
    each axis and places the peak between pixels by a parabola. Where information still grows at the
    end of the search, and where some shift leaves too few valid pixels in common, the
    result is `NO_PEAK`. Raises `PairsError` for tiles of different size, `OptionError` for a
    reach that does not fit their size.

    >>> optical = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    >>> sar = np.roll(optical, (3, -2), axis=(0, 1))
    >>> rows, cols, clarity = estimate_shift(sar, optical)
    >>> round(rows), round(cols), clarity > CLEAR
    (3, -2, True)
    """
    _check_sizes(sar, optical, mask, reach)
    valid = np.isfinite(sar) & np.isfinite(optical)
    if mask is not None:
        valid &= mask
    if np.count_nonzero(valid) < LEAST_SHARED:
        return NO_PEAK
    # One pixel more, so that a peak at the end of the reach is seen to fall off.
    span = range(-reach - 1, reach + 2)
    return _peak(shared_information(_structure(sar, valid), _structure(optical, valid), span))


def shared_information(fixed: Levels, moved: Levels, span: range) -> Values:
    """Mutual information of two (H, W) images of levels, (shifts, shifts), each row a shift down, each column right.

    Levels are 1 to LEVELS, 0 takes no part. Counted as the log-likelihood ratio against unrelated
    images, twice the nats of all pixels together: chi-squared with (LEVELS - 1)^2 degrees of freedom
    if they are (Wilks 1938, Ann. Math. Stat. 9(1) 60-62), so that few shared pixels make no peak.
    NaN where they share fewer than LEAST_SHARED pixels, or than LEAST_SHARE of those shared unmoved.
    """
    least = max(LEAST_SHARED, LEAST_SHARE * np.count_nonzero(fixed * moved))
    coded = fixed * (LEVELS + 1)
    height, width = fixed.shape
    ratios = np.empty((len(span), len(span)))
    for row, down in enumerate(span):
        for col, right in enumerate(span):
            here = coded[max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)]
            there = moved[max(-down, 0) : height + min(-down, 0), max(-right, 0) : width + min(-right, 0)]
            counts = np.bincount((here + there).ravel(), minlength=(LEVELS + 1) ** 2)
            ratios[row, col] = _likelihood_ratio(counts.reshape(LEVELS + 1, LEVELS + 1)[1:, 1:], least)
    return ratios


def _check_sizes(sar: Float, optical: Float, mask: Mask | None, reach: int) -> None:
    if sar.ndim != 2 or optical.shape != sar.shape:
        raise PairsError(f"SAR tile {sar.shape}, optical tile {optical.shape}: expected two of the same height, width")
    if mask is not None and mask.shape != sar.shape:
        raise PairsError(f"mask {mask.shape}: expected {sar.shape}, as the tile")
    if reach < LEAST_REACH or reach + 1 >= min(sar.shape):
        raise OptionError(f"reach {reach}: expected {LEAST_REACH} to {min(sar.shape) - 2} for a tile {sar.shape}")


def _structure(image: Float, valid: Mask) -> Levels:
    """Levels, 1 to LEVELS in equal numbers, of what sets pixels apart from their surroundings; 0 where invalid."""
    # Ranks, and their means in whole numbers, keep all sums below exact: rounding would pattern flat ground.
    ranks = np.rint(_box_mean(_quantise(image, valid, RANKS), valid, SPECKLE))
    return np.where(valid, 1 + _quantise(ranks - _box_mean(ranks, valid, SURROUNDINGS), valid, LEVELS), 0)


def _quantise(image: NDArray[Any], valid: Mask, count: int) -> Levels:
    """Number the quantiles of the valid values from 0; equal values share one."""
    edges = np.quantile(image[valid], np.arange(1, count) / count, method="inverted_cdf")
    return np.asarray(np.searchsorted(edges, image), np.intp)


def _box_mean(image: NDArray[Any], valid: Mask, size: int) -> Values:
    """Mean of the valid pixels in the (size, size) box around each pixel, 0 where there is none."""
    return np.asarray(_box_sum(np.where(valid, image, 0), size) / np.maximum(_box_sum(valid, size), 1))


def _box_sum(image: NDArray[Any], size: int) -> Values:
    total = np.pad(np.asarray(image, np.float64), (size // 2 + 1, size // 2)).cumsum(axis=0).cumsum(axis=1)
    rows = total[size:] - total[:-size]
    return np.asarray(rows[:, size:] - rows[:, :-size])


def _likelihood_ratio(counts: NDArray[np.intp], least: float) -> float:
    if counts.sum() < least:
        return np.nan
    margins = _entropic(counts.sum(axis=0)) + _entropic(counts.sum(axis=1))
    # Rounded, so that a tile of one value has nothing to share anywhere.
    return round(2 * (_entropic(counts) + _entropic(counts.sum()) - margins), 6)


def _entropic(counts: NDArray[np.intp]) -> float:
    return float((counts * np.log(np.maximum(counts, 1))).sum())


def _peak(ratios: Values) -> Shift:
    if np.isnan(ratios).any():
        return NO_PEAK
    row, col = (int(place) for place in np.unravel_index(ratios.argmax(), ratios.shape))
    end = len(ratios) - 1
    if not (0 < row < end and 0 < col < end):
        return NO_PEAK
    places = np.arange(end + 1)
    rest = ratios[np.maximum(abs(places - row)[:, None], abs(places - col)) > NEAR]
    clarity = (ratios[row, col] - rest.mean()) / max(rest.std(), LEAST_SPREAD)
    rows = row - end / 2 + _vertex(ratios[row - 1 : row + 2, col])
    cols = col - end / 2 + _vertex(ratios[row, col - 1 : col + 2])
    return Shift(float(rows), float(cols), float(clarity))


def _vertex(heights: Values) -> float:
    """Where the parabola through three heights at -1, 0 and 1, the middle one the greatest, has its top."""
    before, top, after = heights
    bend = 2 * top - before - after
    return float((after - before) / (2 * bend)) if bend > 0 else 0.0
