"""Whether the windows that a scene was translated in show as seams."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sartranslate.backscatter.radiometry import Mask
from sartranslate.quality.metrics import ratio
from sartranslate.streaming.windows import Window, WindowGrid

WINDOW_TAG = "SARTRANSLATE_WINDOW"  # of a translation, a text as `TranslatedRegion.describe` makes it
TAGGED = re.compile(r"(\d+), overlap (\d+)(?:, from row (\d+), column (\d+) of (\d+) x (\d+))?")


class TranslatedRegion(NamedTuple):
    """What a translation shows of its scene, and in which windows that was translated."""

    grid: WindowGrid  # of the whole scene
    region: Window

    @classmethod
    def tagged(cls, text: str | None, height: int, width: int) -> TranslatedRegion | None:
        """What the tag of a translation of such a size tells: of one without a place, that it is a whole scene.

        None where there is no such tag. Raises `OptionError` for windows that can not be.

        >>> TranslatedRegion.tagged("256, overlap 64, from row 128, column 64 of 3000 x 4000", 300, 420).region
        Window(row_off=128, col_off=64, height=300, width=420)
        """
        if not (found := TAGGED.fullmatch(text or "")):
            return None
        size, overlap, *place = (int(number) for number in found.groups() if number)
        if not place:
            return cls.whole(WindowGrid(height, width, size, overlap))
        row_off, col_off, scene_height, scene_width = place
        grid = WindowGrid(scene_height, scene_width, size, overlap)
        return cls(grid, Window(row_off, col_off, height, width))

    @classmethod
    def whole(cls, grid: WindowGrid) -> TranslatedRegion:
        return cls(grid, Window(0, 0, grid.height, grid.width))

    def describe(self) -> str:
        """The inverse of `tagged`; a whole scene has no place.

        >>> TranslatedRegion(WindowGrid(3000, 4000, 256, 64), Window(128, 64, 300, 420)).describe()
        '256, overlap 64, from row 128, column 64 of 3000 x 4000'
        """
        windows, (row_off, col_off, *_) = f"{self.grid.size}, overlap {self.grid.overlap}", self.region
        if self == self.whole(self.grid):
            return windows
        return f"{windows}, from row {row_off}, column {col_off} of {self.grid.height} x {self.grid.width}"

    @property
    def lies_within(self) -> bool:
        """Whether the scene is as large as that."""
        return bool(self.region.rows.stop <= self.grid.height and self.region.cols.stop <= self.grid.width)

    @property
    def borders(self) -> Borders:
        """Where windows begin and where they end within the region.

        >>> TranslatedRegion.tagged("256, overlap 64", 200, 600).borders
        Borders(rows=[], cols=[192, 256, 344, 448])
        """
        starts, kept = (self.grid.row_offs, self.grid.col_offs), (self.region.rows, self.region.cols)
        return Borders(*(_along(firsts, self.grid.size, part) for firsts, part in zip(starts, kept, strict=True)))


class Borders(NamedTuple):
    """First rows and first columns behind the borders of windows, counted from the corner of the raster."""

    rows: Collection[int]
    cols: Collection[int]

    @property
    def any(self) -> bool:
        return bool(self.rows or self.cols)


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


def _along(starts: Sequence[int], size: int, kept: slice) -> list[int]:
    """Ends of windows between two pixels of `kept`, counted from its first one."""
    places = {*starts, *(start + size for start in starts)}
    return sorted(place - kept.start for place in places if kept.start < place < kept.stop)


def _steps(image: NDArray[Any], mask: Mask, axis: int) -> tuple[NDArray[np.float64], Mask]:
    """Gradients along an axis, which comes first, and which of them count."""
    pixels, valid = np.moveaxis(image, axis, 0).astype(np.float64), np.moveaxis(mask, axis, 0)
    counted = valid[1:] & valid[:-1]
    return np.where(counted, np.abs(np.diff(pixels, axis=0)).mean(axis=-1), 0), counted
