"""Where the pixels of a raster lie, to tell whether two rasters, or a part of one and another, share them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from affine import Affine
from rasterio.crs import CRS

from sartranslate.errors import PairsError
from sartranslate.rasters.raster import applied, moved
from sartranslate.scenes.optical import Optical
from sartranslate.scenes.scene import Scene
from sartranslate.scenes.source import SAME_PLACE, shift
from sartranslate.streaming.windows import Window


class PixelGrid(NamedTuple):
    """Size in pixels, CRS and transform of a raster; its text tells all of them."""

    height: int
    width: int
    crs: CRS | None
    transform: Affine

    @classmethod
    def of(cls, raster: Scene | Optical) -> PixelGrid:
        return cls(raster.height, raster.width, raster.crs, raster.transform)

    def is_that_of(self, other: PixelGrid) -> bool:
        if self[:3] != other[:3]:
            return False
        return shift(other.transform, self.transform, self.height, self.width) <= SAME_PLACE

    def corner_of(self, other: PixelGrid) -> tuple[int, int] | None:
        """Row and column at which another grid begins that is a part of this one; None: it is none."""
        first = applied(~self.transform, np.array([[other.transform.c, other.transform.f]]))[0]
        col, row = (int(number) for number in np.rint(first))
        window = Window(row, col, other.height, other.width)
        part = PixelGrid(other.height, other.width, self.crs, moved(self.transform, window))
        within = 0 <= row <= self.height - other.height and 0 <= col <= self.width - other.width
        return (row, col) if within and part.is_that_of(other) else None

    def __str__(self) -> str:
        a, b, c, d, e, f = self.transform[:6]
        step = f"{a:.10g} x {e:.10g}" if b == d == 0 else f"({a:.10g}, {d:.10g}) x ({b:.10g}, {e:.10g})"
        crs = self.crs.to_string() if self.crs else "no CRS"
        return f"{self.height} x {self.width} pixels of {step} from {c:.10g}, {f:.10g} in {crs}"


def corner_within(whole: Scene, part: Scene, advice: str) -> tuple[int, int]:
    """Row and column of a scene at which a part of it begins; raises `other_grid` of one that has other pixels."""
    grid = PixelGrid.of(whole)
    corner = grid.corner_of(PixelGrid.of(part))
    if corner is None:
        raise other_grid(whole.path, grid, part, advice)
    return corner


def other_grid(path: str, grid: PixelGrid, expected: Scene, advice: str) -> PairsError:
    """What to raise of a raster that does not share the pixels of a scene; the advice follows as it is."""
    return PairsError(f"{path}: {grid}, expected the grid of {expected.path}, {PixelGrid.of(expected)}{advice}")
