"""Intervals of scores: between which values they would be for other tiles of the same kind.

Images of one tile resemble each other, so that resampling images would make intervals too narrow; tiles are drawn with
replacement, each with all of its images (cluster bootstrap; Davison & Hinkley 1997, Bootstrap Methods and their
Application, section 3.8).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sartranslate.quality.metrics import Values
from sartranslate.quality.scores import Score

RESAMPLES = 1000
COVERED = 0.95


class Resamples:
    """The same draws of tiles for every score, so that methods are compared on equal terms.

    Of a single tile nothing can be drawn, and scores have no interval.
    """

    def __init__(self, tiles: Sequence[int], seed: int) -> None:
        """`tiles` says of each image which tile it lies in."""
        names, self.indexes = np.unique(np.asarray(tiles), return_inverse=True)
        count = len(names)
        drawn = np.random.default_rng(seed).multinomial(count, [1 / count] * count, RESAMPLES if count > 1 else 0)
        # How often each tile counts: (1 + resamples, tiles), in the first row once.
        self.counts: Values = np.concatenate([np.ones((1, count)), drawn])

    def mean(self, values: ArrayLike) -> Score:
        """Over images, infinite where one of them is."""
        return self.ratio(values, np.ones(np.shape(values)))

    def ratio(self, parts: ArrayLike, wholes: ArrayLike) -> Score:
        """Of sums over images, as `metrics.ratio`."""
        part, whole = self._sums(parts), self._sums(wholes)
        with np.errstate(divide="ignore", invalid="ignore"):
            return interval(np.where(whole > 0, part / whole, np.where(part > 0, np.inf, 1)))

    def _sums(self, values: ArrayLike) -> Values:
        """Of all images and of those of each resample."""
        values, count = np.asarray(values, np.float64), self.counts.shape[1]
        endless = np.isinf(values)
        finite = np.bincount(self.indexes, np.where(endless, 0, values), count)
        return np.where(self.counts @ np.bincount(self.indexes, endless, count) > 0, np.inf, self.counts @ finite)


def interval(values: NDArray[np.float64]) -> Score:
    """The first value, and between which of the others, if any, the middle 95 % lie: those of resamples."""
    if len(values) == 1:
        return Score(float(values[0]))
    others = np.sort(values[1:])
    left_out = round((1 - COVERED) / 2 * len(others))
    return Score(float(values[0]), float(others[left_out]), float(others[-1 - left_out]))
