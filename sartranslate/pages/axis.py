"""An axis of a chart: values spread from one end to the other, round ticks along it, and what these are called."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LARGEST = 1e100  # beyond, a value is a failure and no point of a curve
SAME = 1e-9  # relative difference that no axis resolves


@dataclass(frozen=True)
class Axis:
    """Values from `low` to `high` spread over 0 to 1."""

    low: float
    high: float
    logarithmic: bool = False

    def fraction(self, value: float) -> float:
        """Where a value lies: 0 at the low end, 1 at the high one, rising in between."""
        if self.logarithmic:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self, most: int, least_step: float = 0.0) -> list[float]:
        """Round values within the axis, ascending, about `most` of them at most.

        >>> Axis(0, 1).ticks(6), Axis(0.05, 2, logarithmic=True).ticks(6)
        ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [0.05, 0.1, 0.2, 0.5, 1.0, 2.0])
        """
        return self._log_ticks(most) if self.logarithmic else self._linear_ticks(most, least_step)

    def _linear_ticks(self, most: int, least_step: float) -> list[float]:
        step = max(round_step((self.high - self.low) / (most - 1)), least_step)
        # A little slack, since ends that are multiples of the step may not divide without a rest.
        first, last = math.ceil(self.low / step - SAME), math.floor(self.high / step + SAME)
        # Twelve digits, for 3 x 0.1 is not 0.3.
        return [float(f"{number * step:.12g}") for number in range(first, last + 1)]

    def _log_ticks(self, most: int) -> list[float]:
        decades = range(math.floor(math.log10(self.low)), math.floor(math.log10(self.high)) + 1)
        fine = [float(f"{digit}e{decade}") for decade in decades for digit in (1, 2, 5)]
        coarse = [float(f"1e{decade}") for decade in decades[:: -(-len(decades) // most)]]
        fine, coarse = ([value for value in ticks if self.low <= value <= self.high] for ticks in (fine, coarse))
        return fine if len(fine) <= most else coarse


def round_step(least: float) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that is at least as large."""
    exponent = math.floor(math.log10(least))
    steps = (float(f"{digit}e{exponent}") for digit in (1, 2, 5))
    return next((step for step in steps if step >= least * (1 - SAME)), float(f"1e{exponent + 1}"))


def widened(low: float, high: float) -> tuple[float, float]:
    """The same, or a range around it where both are about equal."""
    largest = max(abs(low), abs(high))
    if high - low > max(SAME * largest, 1 / LARGEST):
        return low, high
    margin = 0.1 * largest if largest > 1 / LARGEST else 1.0
    return low - margin, high + margin


def labels_of(ticks: Sequence[float]) -> list[str]:
    """In few characters, and all of them in one notation.

    >>> labels_of([0.0, 0.2]), labels_of([0.0, 50000.0, 100000.0]), labels_of([1000000.4, 1000000.5])
    (['0', '0.2'], ['0', '5e4', '1e5'], ['1.0000004e6', '1.0000005e6'])
    """
    if 1e-3 <= max(map(abs, ticks), default=1) < 1e5:
        return [f"{value:.12g}" for value in ticks]
    parts = [f"{value:.11e}".partition("e") for value in ticks]
    return [f"{float(digits):.12g}e{int(exponent)}" if float(digits) else "0" for digits, _, exponent in parts]
