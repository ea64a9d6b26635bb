"""The overlapping windows of a scene, row by row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from sartranslate.errors import OptionError
from sartranslate.limits import whole


class Window(NamedTuple):
    """A rectangle of pixels, named as in rasterio; row before column, height before width."""

    row_off: int
    col_off: int
    height: int
    width: int

    @property
    def rows(self) -> slice:
        return slice(self.row_off, self.row_off + self.height)

    @property
    def cols(self) -> slice:
        return slice(self.col_off, self.col_off + self.width)

    def grown(self, margin: int, height: int, width: int) -> Window:
        """With `margin` pixels more on every side, as far as a raster of this size reaches."""
        top, left = max(self.row_off - margin, 0), max(self.col_off - margin, 0)
        bottom, right = min(self.rows.stop + margin, height), min(self.cols.stop + margin, width)
        return Window(top, left, bottom - top, right - left)

    def below(self, row: int) -> Window:
        """Its rows from this one on, counted from its first."""
        return self._replace(row_off=self.row_off + row, height=self.height - row)

    def relative(self, row_off: int, col_off: int) -> Window:
        """The same pixels, counted from another origin."""
        return Window(self.row_off - row_off, self.col_off - col_off, self.height, self.width)

    def common(self, other: Window) -> Window:
        """The pixels that both have; of those that overlap."""
        top, left = max(self.row_off, other.row_off), max(self.col_off, other.col_off)
        return Window(
            top, left, min(self.rows.stop, other.rows.stop) - top, min(self.cols.stop, other.cols.stop) - left
        )

    def overlaps(self, other: Window) -> bool:
        """Whether both have a pixel in common."""
        below_and_above = self.row_off < other.row_off + other.height and other.row_off < self.row_off + self.height
        return (
            below_and_above and self.col_off < other.col_off + other.width and other.col_off < self.col_off + self.width
        )


def offsets(length: int, size: int, overlap: int) -> list[int]:
    """First pixels of the windows that cover one axis; the last window snaps back to the edge.

    An axis shorter than a window has the single offset 0.

    >>> offsets(1000, 256, 64)
    [0, 192, 384, 576, 744]
    """
    if length <= size:
        return [0]
    stride = size - overlap
    return [*range(0, length - size, stride), length - size]


def check_window(window: int) -> None:
    """Raise `OptionError` for a side that no window can have."""
    if whole(window, "window") < 1:
        raise OptionError(f"window {window}: expected at least 1 pixel")
    if window > LARGEST:
        raise OptionError(f"window {window}: expected at most {LARGEST} pixels")


def check_multiple(window: int, multiple: int) -> None:
    """Raise `OptionError` for a window whose side a model can not take."""
    check_window(window)
    if window % multiple:
        raise OptionError(f"window {window}: the model needs a multiple of {multiple}")


LARGEST = 2**15  # pixels of a window's sides, beyond what any machine translates at once


@dataclass(frozen=True)
class WindowGrid:
    """All windows of a scene, in row-major order; every pixel lies in at least one of them.

    Raises `OptionError` unless 0 <= overlap < size and the scene has pixels.
    """

    height: int  # pixels
    width: int  # pixels
    size: int = 256  # pixels, both sides of a window
    overlap: int = 64  # pixels shared by neighbours

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise OptionError(f"a scene of {self.height} x {self.width} pixels has no windows")
        check_window(self.size)
        if not 0 <= whole(self.overlap, "overlap") < self.size:
            raise OptionError(
                f"overlap {self.overlap}: expected 0 to {self.size - 1}, less than the window ({self.size})"
            )

    @property
    def row_offs(self) -> list[int]:
        return offsets(self.height, self.size, self.overlap)

    @property
    def col_offs(self) -> list[int]:
        return offsets(self.width, self.size, self.overlap)

    def __len__(self) -> int:
        return len(self.row_offs) * len(self.col_offs)

    def __iter__(self) -> Iterator[Window]:
        height, width = min(self.size, self.height), min(self.size, self.width)
        col_offs = self.col_offs
        for row_off in self.row_offs:
            for col_off in col_offs:
                yield Window(row_off, col_off, height, width)
