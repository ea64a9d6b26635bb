"""Whether the windows that a scene was translated in show as seams."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sartranslate.metrics import ratio
from sartranslate.radiometry import Mask
from sartranslate.windows import offsets

WINDOW_TAG = "SARTRANSLATE_WINDOW"  # of a translation, such as "256, overlap 64"


class Borders(NamedTuple):
    """First rows and first columns behind the borders of windows, counted from the corner of the raster."""

    rows: Collection[int]
    cols: Collection[int]

    @property
    def any(self) -> bool:
        return bool(self.rows or self.cols)


def window_borders(height: int, width: int, size: int, overlap: int) -> Borders:
    """Where windows of a scene begin and where they end, but for the edges of the scene.

    >>> window_borders(200, 600, 256, 64)
    Borders(rows=[], cols=[192, 256, 344, 448])
    """
    return Borders(*(_along(length, size, overlap) for length in (height, width)))


def tagged_window(text: str | None) -> tuple[int, int] | None:
    """Size and overlap that the tag of a translation tells; None where there is no such tag.

    >>> tagged_window("256, overlap 64")
    (256, 64)
    """
    found = re.fullmatch(r"(\d+), overlap (\d+)", text or "")
    return (int(found[1]), int(found[2])) if found else None


class SeamSums:
    """The seam score: mean gradient across the borders of windows against that elsewhere; 1 where no seam shows.

    A gradient is the difference of two pixels that are neighbours in a column or in a row, without its sign, averaged
    over the channels; it counts where both pixels are valid. One lies on a border if its second pixel, the lower or
    right one, is the first of a row or column of `Borders`. The sum of those on borders is divided by what it would be
    if each were the mean of those elsewhere in the same direction, since pictures need not be alike along rows and
    columns.
    """

    def __init__(self, borders: Borders) -> None:
        self._borders = borders
        self._sums, self._pixels = np.zeros((2, 2)), np.zeros((2, 2))  # in each direction: elsewhere, and on borders

    def add(
        self,
        image: NDArray[Any],
        mask: Mask,
        corner: tuple[int, int] = (0, 0),
        margin: tuple[int, int] = (0, 0),
    ) -> None:
        """An image (H, W, C) that is the whole raster, or that part of it whose first pixel lies at `corner`.

        So that none is missed and none counts twice, a part has a `margin` of one row above and one column to the left
        of what it adds, except at the edges of the raster.
        """
        for axis in (0, 1):
            inner = (slice(None), slice(margin[1], None)) if axis == 0 else (slice(margin[0], None), slice(None))
            steps, valid = _steps(image[inner], mask[inner], axis)
            places = corner[axis] + 1 + np.arange(len(valid))
            on_border = np.isin(places, list(self._borders[axis])).astype(np.intp)
            self._sums[axis] += np.bincount(on_border, (steps * valid).sum(axis=1), 2)
            self._pixels[axis] += np.bincount(on_border, valid.sum(axis=1), 2)

    @property
    def found(self) -> float:
        """Sum of the gradients on borders, in those directions that have others to compare with."""
        return float(self._sums[self._compared, 1].sum())

    @property
    def expected(self) -> float:
        """What that sum would be without seams."""
        elsewhere = self._sums[self._compared, 0] / self._pixels[self._compared, 0]
        return float((elsewhere * self._pixels[self._compared, 1]).sum())

    @property
    def score(self) -> float | None:
        """None where there is no border."""
        return ratio(self.found, self.expected) if self._compared.any() else None

    @property
    def _compared(self) -> NDArray[np.bool_]:
        return np.asarray((self._pixels > 0).all(axis=1))


def _along(length: int, size: int, overlap: int) -> list[int]:
    starts = offsets(length, size, overlap)
    return sorted({*starts, *(start + size for start in starts if start + size < length)} - {0})


def _steps(image: NDArray[Any], mask: Mask, axis: int) -> tuple[NDArray[np.float64], Mask]:
    """Gradients along an axis, which comes first, and which of them count."""
    pixels, valid = np.moveaxis(image, axis, 0).astype(np.float64), np.moveaxis(mask, axis, 0)
    counted = valid[1:] & valid[:-1]
    return np.where(counted, np.abs(np.diff(pixels, axis=0)).mean(axis=-1), 0), counted
