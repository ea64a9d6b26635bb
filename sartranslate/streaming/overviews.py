"""Overviews of a raster that comes strip by strip: each is half as high and wide as the one before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sartranslate.backscatter.radiometry import Mask

Bytes = NDArray[np.uint8]


class Rows(NamedTuple):
    """Rows of a raster, or of an overview of it, in full width."""

    row_off: int
    values: Bytes  # (rows, width, bands)
    mask: Mask  # (rows, width), True = valid


def level_sizes(height: int, width: int, least: int) -> list[tuple[int, int]]:
    """Heights and widths of the overviews, down to the first one that has no side longer than `least`.

    >>> level_sizes(1100, 700, 512)
    [(550, 350), (275, 175)]
    """
    sizes = []
    while max(height, width) > least:
        height, width = -(-height // 2), -(-width // 2)
        sizes.append((height, width))
    return sizes


def halved(values: Bytes, mask: Mask) -> tuple[Bytes, Mask]:
    """The mean of the valid ones of each 2 x 2 pixels, rounded; valid where any of them is.

    A last row or column alone is taken twice. Where all is valid the second one is a view of `mask`.
    """
    odd = [(0, side % 2) for side in mask.shape]
    if any(after for _, after in odd):
        values, mask = np.pad(values, [*odd, (0, 0)], "edge"), np.pad(mask, odd, "edge")
    if mask.all():
        return np.asarray((_sums(values) + 2) >> 2, np.uint8), mask[::2, ::2]
    counts = _sums(mask[..., None])
    sums = _sums(np.where(mask[..., None], values, 0))
    return np.asarray((sums + counts // 2) // np.maximum(counts, 1), np.uint8), counts[..., 0] > 0


class Halving:
    """Makes rows of the next overview of rows that come in order from the top; which ones together does not matter.

    They are yielded `rows` at a time, or a multiple, but for the last ones.
    """

    def __init__(self, height: int, rows: int) -> None:
        self._height = height
        self._step = 2 * rows
        self._waiting: list[Rows] = []

    def add(self, rows: Rows) -> Iterator[Rows]:
        """What is known of the overview by now and has not been yielded yet."""
        self._waiting.append(rows)
        first, end = self._waiting[0].row_off, rows.row_off + len(rows.mask)
        count = end - first
        whole = count if end == self._height else count - count % self._step
        if not whole:
            return
        values, mask = (np.concatenate([given[part] for given in self._waiting]) for part in (1, 2))
        self._waiting = [Rows(first + whole, values[whole:], mask[whole:])] if whole < count else []
        yield Rows(first // 2, *halved(values[:whole], mask[:whole]))


def _sums(values: NDArray[np.generic]) -> NDArray[np.uint16]:
    """Of 2 x 2 pixels of (rows, width, bands)."""
    rows = np.add(values[::2], values[1::2], dtype=np.uint16)
    sums = np.empty((len(rows), rows.shape[1] // 2, rows.shape[2]), np.uint16)
    for band, summed in zip(np.moveaxis(rows, -1, 0), np.moveaxis(sums, -1, 0), strict=True):
        np.add(band[:, ::2], band[:, 1::2], out=summed)  # all bands at once would be added pixel by pixel
    return sums
