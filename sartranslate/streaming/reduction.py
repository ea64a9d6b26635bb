"""A raster made smaller: each pixel is the mean of the valid pixels of a square block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sartranslate.backscatter.radiometry import Float, Mask
from sartranslate.streaming.windows import Window

STRIP_ROWS = 256  # of the raster, about, that are held at once

# Values (height, width, channels) of a window and their validity (height, width)
Read = Callable[[Window], tuple[NDArray[Any], Mask]]


class Reduction(NamedTuple):
    """Square blocks that cover a raster from its first pixel on; those at its lower and right edge may be cut off."""

    height: int  # of the raster, pixels
    width: int
    step: int  # pixels of the raster along a side of a block

    @classmethod
    def to_size(cls, height: int, width: int, size: int) -> Reduction:
        """The smallest blocks of which no more than `size` lie side by side along the longer side.

        >>> Reduction.to_size(25_000, 16_000, 2000)
        Reduction(height=25000, width=16000, step=13)
        """
        return cls(height, width, -(-max(height, width) // size))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of blocks."""
        return -(-self.height // self.step), -(-self.width // self.step)

    @property
    def strip_rows(self) -> int:
        return self.step * max(1, STRIP_ROWS // self.step)

    def strips(self) -> Iterator[Window]:
        """Windows of whole blocks over the full width, one below the other."""
        for row_off in range(0, self.height, self.strip_rows):
            yield Window(row_off, 0, min(self.strip_rows, self.height - row_off), self.width)

    def means(self, read: Read) -> Iterator[tuple[Float, Mask]]:
        """Strip by strip (rows, columns, channels) means of valid pixels, and which blocks have any."""
        for window in self.strips():
            yield block_means(*read(window), self.step)


def block_means(values: NDArray[Any], mask: Mask, step: int) -> tuple[Float, Mask]:
    """Means of the valid ones of (H, W, C) values over blocks from the first pixel on; of a block with none, 0.

    >>> means, valid = block_means(np.array([[[1], [3], [9]]]), np.array([[True, True, False]]), 2)
    >>> means[..., 0].tolist(), valid.tolist()
    ([[2.0, 0.0]], [[True, False]])
    """
    counts = _block_sums(mask.astype(np.float32), step)
    sums = _block_sums(np.where(mask[..., None], values, 0).astype(np.float32), step)
    return np.asarray(sums / np.maximum(counts, 1)[..., None], np.float32), counts > 0


def _block_sums(values: Float, step: int) -> Float:
    if step == 1:
        return values
    rows = np.add.reduceat(values, np.arange(0, values.shape[0], step), axis=0)
    return np.asarray(np.add.reduceat(rows, np.arange(0, values.shape[1], step), axis=1))
