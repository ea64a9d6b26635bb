"""What any model has to beat: pictures made of the SAR image and of mean colours of the truth, without training.

Colours are fitted on the very images that are scored, all together. No model has that advantage, so that beating a
baseline can not flatter it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sartranslate.backscatter.radiometry import Mask
from sartranslate.errors import PairsError
from sartranslate.quality.metrics import Values

MEAN_COLOUR = "mean colour"
SAR_AS_GREY = "SAR as grey"
LOOKUP = "per-intensity lookup"
LEVELS = 256

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Baselines:
    """Colours in levels 0 to 255, not rounded, which would be a small handicap."""

    colours: Values  # (256, 3), of each level of the scaled SAR
    mean: Values  # (3,), of all pixels

    def pictures(self, shape: tuple[int, int], grey: Picture | None) -> Mapping[str, NDArray[np.generic]]:
        """(H, W, 3) of each baseline by name; the mean colour alone without `grey`, the SAR (H, W) in levels."""
        found: dict[str, NDArray[np.generic]] = {MEAN_COLOUR: np.broadcast_to(self.mean, (*shape, 3))}
        if grey is not None:
            found |= {SAR_AS_GREY: np.repeat(grey[..., None], 3, axis=-1), LOOKUP: self.colours[grey]}
        return found


class BaselineFit:
    """Takes images one by one; holds sums only."""

    def __init__(self) -> None:
        self._sums = np.zeros((LEVELS, 3))
        self._pixels = np.zeros(LEVELS)

    def add(self, truth: Picture, mask: Mask, grey: Picture | None) -> None:
        """True colours (H, W, 3), where they are valid, and the scaled SAR (H, W) in levels."""
        levels = np.zeros(np.count_nonzero(mask), np.intp) if grey is None else grey[mask].astype(np.intp)
        self._pixels += np.bincount(levels, minlength=LEVELS)
        for channel, values in enumerate(truth[mask].T):
            self._sums[:, channel] += np.bincount(levels, values, LEVELS)

    def fitted(self) -> Baselines:
        """The mean colour, and that of each level; levels that no pixel had get the former.

        Raises `PairsError` without a valid pixel.
        """
        if not self._pixels.any():
            raise PairsError("no valid pixel in any image, expected some")
        mean = self._sums.sum(axis=0) / self._pixels.sum()
        colours = self._sums / np.maximum(self._pixels, 1)[:, None]
        return Baselines(np.where(self._pixels[:, None] > 0, colours, mean), mean)
