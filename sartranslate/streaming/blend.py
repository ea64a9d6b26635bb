"""Blending of overlapping patches with weights that sum to one by construction.

Each window's taper is divided, axis by axis, by the sum of all tapers at that pixel, so the blend of
equal patches is that patch up to the corners, and accumulation is a plain sum.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sartranslate.backscatter.radiometry import Float, Mask
from sartranslate.streaming.windows import Window, WindowGrid, offsets

# Rows of a strip. Taller strips are allocated and freed in pieces so large that the heap fragments.
STRIP_HEIGHT = 16


class Strip(NamedTuple):
    """Finished rows of a scene, or of a region of it in full width."""

    row_off: int  # in the scene
    values: Float  # (rows, width, channels)
    mask: Mask  # (rows, width), True = valid


def taper(size: int, overlap: int) -> Float:
    """A window's blending profile, (size,): raised-cosine ramps over `overlap` pixels at both ends.

    Strictly positive. With an overlap above half the window the two ramps meet in the middle.

    >>> (1000 * taper(4, 2)).round().astype(int).tolist()
    [146, 854, 854, 146]
    """
    distance = np.minimum(np.arange(size), np.arange(size)[::-1]) + 0.5
    ramp = np.minimum(distance / max(overlap, 1), 1)
    return np.asarray(np.sin(ramp * np.pi / 2) ** 2, np.float32)


def axis_weights(length: int, size: int, overlap: int) -> Float:
    """Weights (windows, min(size, length)) of the windows along one axis; they sum to one at every pixel."""
    size = min(size, length)
    profile = taper(size, overlap).astype(np.float64)
    starts = offsets(length, size, overlap)
    total = np.zeros(length)
    for start in starts:
        total[start : start + size] += profile
    return np.stack([profile / total[start : start + size] for start in starts]).astype(np.float32)


class OverlapAdd:
    """Weighted sum of patches that hands out strips of rows as soon as they are final.

    Windows must arrive in the grid's row-major order; a window may be left out, and its pixels then
    lack its share. Holds at most one window row: about window height x region width x channels floats.
    """

    def __init__(
        self, grid: WindowGrid, channels: int, strip_height: int = STRIP_HEIGHT, region: Window | None = None
    ) -> None:
        """`strip_height` bounds the rows of a strip; only the pixels of `region` are kept. No sum depends on either."""
        self._region = region or Window(0, 0, grid.height, grid.width)
        self._strip_height = strip_height
        self._row_weights = dict(zip(grid.row_offs, axis_weights(grid.height, grid.size, grid.overlap), strict=True))
        self._col_weights = dict(zip(grid.col_offs, axis_weights(grid.width, grid.size, grid.overlap), strict=True))
        self._weights: tuple[Float, Float, Float] | None = None  # of rows, of columns, and of both: the latest
        rows = min(grid.size, self._region.height)
        self._sum = np.zeros((rows, self._region.width, channels), np.float32)
        self._mask = np.zeros((rows, self._region.width), bool)
        self._top = self._region.row_off  # scene row of the first row held

    def add(self, window: Window, patch: Float, mask: Mask) -> Iterator[Strip]:
        """Add a (height, width, channels) patch; yields the strips above `window`, which are final."""
        yield from self._advance(window.row_off)
        weighted = self._window_weights(window, patch.shape[-1]) * patch.reshape(len(patch), -1)
        kept = window.common(self._region)
        held, within = kept.relative(self._top, self._region.col_off), kept.relative(window.row_off, window.col_off)
        self._sum[held.rows, held.cols] += weighted.reshape(patch.shape)[within.rows, within.cols]
        self._mask[held.rows, held.cols] |= mask[within.rows, within.cols]

    def finish(self) -> Iterator[Strip]:
        """Yield all strips not yet handed out, down to the last row of the region."""
        yield from self._advance(self._region.rows.stop)

    def _window_weights(self, window: Window, channels: int) -> Float:
        """(height, width x channels) of a window. Most windows have the weights of the one before."""
        rows, cols = self._row_weights[window.row_off], self._col_weights[window.col_off]
        if self._weights is None or not all(map(np.array_equal, self._weights, (rows, cols))):
            self._weights = rows, cols, np.repeat(rows[:, None] * cols, channels, axis=1)
        return self._weights[2]

    def _advance(self, row_off: int) -> Iterator[Strip]:
        """Hand out the rows above `row_off` and make room for as many below."""
        while self._top < row_off:
            count = min(row_off - self._top, len(self._sum))
            for first in range(0, count, self._strip_height):
                rows = slice(first, min(first + self._strip_height, count))
                yield Strip(self._top + first, self._sum[rows].copy(), self._mask[rows].copy())
            _move_up(self._sum, count)
            _move_up(self._mask, count)
            self._top += count


def _move_up(held: NDArray[Any], count: int) -> None:
    """Drop the first `count` rows and append as many zeros, in place and in steps that need no copy of the whole."""
    for first in range(0, len(held), count):
        below = held[first + count : first + 2 * count]
        held[first : first + len(below)] = below
        held[first + len(below) : first + count] = 0
