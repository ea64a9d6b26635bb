"""Which split a place belongs to: the ground in blocks, each drawn for one split, with a guard band between splits.

Random tiles of one scene look alike where they touch, so a test on them measures memory; splits by
blocks of ground do not have that leak (Roberts et al. 2017, Ecography 40(8) 913-929).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from sartranslate.errors import OptionError
from sartranslate.scenes.longitudes import NEAR_POLE, Degrees, closed_longitudes

SPLITS = ("train", "val", "test")
METRES_PER_DEGREE = 111_320.0  # of the equator
LEAST_METRES_PER_DEGREE = 110_574.0  # of a meridian of WGS 84, at the equator; the guard may be wider, never narrower
SMALLEST_BLOCK = 100.0  # metres
SEEDS = 2**63  # what a column of whole numbers can hold
DRAW_BYTES = 6  # 48 bits are exact in a float


class _Box(NamedTuple):
    """Degrees; east may lie beyond 180 and is never less than west."""

    south: float
    north: float
    west: float
    east: float


@dataclass(frozen=True)
class PlaceSplit:
    """Two outlines of different splits are at least `guard` apart, whichever scenes and runs they come from.

    The split is a function of place and these options alone. The globe is cut into rows of equal
    height, each row into a whole number of columns about as wide; a hash of seed, row and column
    draws the split of a block. Raises `OptionError` for a value out of range.
    """

    seed: int = 0
    block: float = 10_000.0  # metres, both sides
    guard: float = 500.0  # metres between tiles of different splits
    shares: tuple[float, float, float] = (0.7, 0.15, 0.15)  # of the ground, in the order of SPLITS

    def __post_init__(self) -> None:
        if not 0 <= self.seed < SEEDS:
            raise OptionError(f"seed {self.seed}: expected 0 to {SEEDS - 1}")
        if not SMALLEST_BLOCK <= self.block < math.inf:
            raise OptionError(f"block {self.block}: expected at least {SMALLEST_BLOCK:.0f} metres")
        if not 0 <= self.guard < self.block:
            raise OptionError(f"guard {self.guard}: expected 0 to less than the block ({self.block}), in metres")
        if len(self.shares) != len(SPLITS) or not all(share >= 0 for share in self.shares):
            raise OptionError(f"shares {self.shares}: expected three of at least 0, for {', '.join(SPLITS)}")
        if not math.isclose(sum(self.shares), 1, abs_tol=1e-6):
            raise OptionError(f"shares {self.shares}: their sum is {sum(self.shares):.6g}, expected 1")

    @property
    def shares_text(self) -> str:
        """The shares as an index of tiles records them."""
        return " ".join(f"{share:g}" for share in self.shares)

    def of(self, outline: Degrees) -> str | None:
        """One of SPLITS, or None where the outline lies in the guard band or in blocks of several splits.

        `outline` is (N, 2) longitude and latitude in degrees along a border, closed or not, neighbours
        less than 90 degrees of longitude apart; it may cross the antimeridian and run around a pole.
        Counts are all blocks that its bounding box touches when grown by half the guard: two outlines
        nearer than the guard then have a block in common.
        """
        draws = (self._draw(row, column) for row, column in self._blocks(_grown(_bounds(outline), self.guard / 2)))
        first = next(draws)
        return first if all(split == first for split in draws) else None

    def _blocks(self, box: _Box) -> Iterator[tuple[int, int]]:
        rows = max(1, round(180 * METRES_PER_DEGREE / self.block))
        first, last = (min(int((latitude + 90) / 180 * rows), rows - 1) for latitude in (box.south, box.north))
        for row in range(first, last + 1):
            middle = math.radians((row + 0.5) / rows * 180 - 90)
            columns = max(1, round(360 * METRES_PER_DEGREE * math.cos(middle) / self.block))
            west, east = (math.floor((longitude + 180) / 360 * columns) for longitude in (box.west, box.east))
            for column in range(west, min(east + 1, west + columns)):
                yield row, column % columns

    def _draw(self, row: int, column: int) -> str:
        digest = blake2b(f"{self.seed} {row} {column}".encode(), digest_size=DRAW_BYTES).digest()
        draw = int.from_bytes(digest, "big") / 256**DRAW_BYTES * sum(self.shares)
        return next(split for split, end in zip(SPLITS, accumulate(self.shares), strict=True) if draw < end)


def _bounds(outline: Degrees) -> _Box:
    # Rounded, so that -180 is a border of blocks from whichever side an outline comes to it.
    longitudes, latitudes = np.round(closed_longitudes(outline), 9), outline[:, 1]
    south, north = float(latitudes.min()), float(latitudes.max())
    around = abs(longitudes[-1] - longitudes[0]) > 180
    if not around and abs(np.diff(longitudes)).max() < NEAR_POLE:
        return _Box(south, north, float(longitudes.min()), float(longitudes.max()))
    return _Box(south, 90, -180, 180) if south + north > 0 else _Box(-90, north, -180, 180)


def _grown(box: _Box, metres: float) -> _Box:
    margin = metres / LEAST_METRES_PER_DEGREE
    south, north = max(box.south - margin, -90.0), min(box.north + margin, 90.0)
    # Degrees of longitude are shortest on the parallel nearest to a pole; on the pole itself this is the whole row.
    side = margin / math.cos(math.radians(max(-south, north)))
    return _Box(south, north, box.west - side, box.east + side)
