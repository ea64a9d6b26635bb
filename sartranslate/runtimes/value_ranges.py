"""What the values at both ends of an exported generator are, where they are not in [-1, 1]."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sartranslate.backscatter.radiometry import Float
from sartranslate.errors import OptionError

Range = tuple[float, float]
UNIT: Range = (-1.0, 1.0)
LEAST, MOST = 1e-30, 1e30  # of a range
LEAST_SHARE = 1e-3  # of the larger end, of its span: float32 tells the values of less too badly apart


class Line(NamedTuple):
    """A factor, and what is added then."""

    factor: float
    offset: float


class ValueRanges(NamedTuple):
    """Which source values become -1 and 1, others being clipped, and what -1 and 1 become in the target."""

    source: Range = UNIT
    target: Range = UNIT

    def check(self) -> None:
        """Raises `OptionError` for a range that is none."""
        for low, high in self:
            if not (np.isfinite([low, high]).all() and low < high):
                raise OptionError(f"range {low:g} to {high:g}: expected low < high")
            largest = max(abs(low), abs(high))
            if not max(LEAST, LEAST_SHARE * largest) <= high - low <= MOST or largest > MOST:
                raise OptionError(f"range {low:g} to {high:g}: expected a span and limits that float32 computes with")

    @property
    def into(self) -> Line:
        """From source values to [-1, 1]."""
        low, high = self.source
        return Line(2 / (high - low), -(high + low) / (high - low))

    @property
    def out(self) -> Line:
        """From [-1, 1] to target values."""
        low, high = self.target
        return Line((high - low) / 2, (high + low) / 2)

    def scaled(self, source: Float) -> Float:
        """What the generator sees of source values."""
        return np.asarray(np.clip(source * np.float32(self.into.factor) + np.float32(self.into.offset), -1, 1))
