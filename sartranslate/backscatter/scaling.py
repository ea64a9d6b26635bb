"""A model's radiometry resolved for one scene: its values become -1 to +1, and what is invalid is filled."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sartranslate.backscatter.fill import fill_mirrored
from sartranslate.backscatter.radiometry import UNITS, Float, Mask, Radiometry, to_decibels

TABULATED = (np.uint8, np.uint16)  # have few values: logarithms are looked up
# Decibels that a byte of SAR stands for, where nobody says: those of the usual stretch of -25 to 0. Speckle of
# 4.4 looks, which is 2.2 decibels, then spreads over 22 bytes: as it does in even parts of SEN1-2.
DECIBELS_PER_BYTE = 25 / 255

Ranges = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class SceneScaling:
    """A model's radiometry resolved for one scene (or one folder of training tiles)."""

    unit: str  # a key of UNITS
    reason: str  # why this unit was assumed
    ranges: Ranges  # per channel: what becomes -1 and +1, decibels or bytes
    fill: str = "mirror"  # one of FILLS
    image: bool = False  # bytes of an image, which stand for no decibels

    def apply(self, values: ArrayLike, mask: Mask) -> Float:
        """Scale (H, W, C) scene values to [-1, 1]; invalid pixels are filled from the valid ones.

        Values outside the scene's range are clipped. `mask` is (H, W), True = valid.
        """
        return self.filled(self.scaled(values, mask), mask)

    def scaled(self, values: ArrayLike, mask: Mask) -> Float:
        """The same without filling: a pixel's value is that of any window it lies in, and invalid ones mean nothing."""
        values = np.asarray(values)
        if values.dtype in TABULATED:
            tables = _tables(self.unit, self.ranges, values.dtype)
            return np.stack([table.take(values[..., channel]) for channel, table in enumerate(tables)], axis=-1)
        # Nodata may be too large to compute with.
        known = values if mask.all() else np.where(mask[..., None], values, 1)
        return _scaled(known, self.unit, self.ranges)

    def filled(self, scaled: Float, mask: Mask) -> Float:
        """What a generator sees: (H, W, C) scaled values, invalid pixels filled from the valid ones."""
        if mask.all():
            return scaled
        return fill_mirrored(scaled, mask) if self.fill == "mirror" else _fill_mean(scaled, mask)

    @property
    def decibels(self) -> tuple[float, ...] | None:
        """Channel by channel how many decibels [-1, 1] stands for, of bytes nominally; None of an image."""
        if self.image:
            return None
        factor = DECIBELS_PER_BYTE if self.unit == "byte" else 1.0
        return tuple((high - low) * factor for low, high in self.ranges)

    def describe(self) -> str:
        """One line for people: unit, reason and range."""
        suffix = "" if self.unit == "byte" else " dB"
        spans = ", ".join(f"{low:.1f}..{high:.1f}{suffix}" for low, high in self.ranges)
        return f"{'bytes of an image' if self.image else UNITS[self.unit]} ({self.reason}), {spans}"


def _scaled(values: ArrayLike, unit: str, ranges: Ranges) -> Float:
    """(..., channels) in a unit -> [-1, 1] for the range of each channel, clipped."""
    low, high = np.asarray(ranges, np.float32).T
    with np.errstate(over="ignore"):  # what is beyond float32 is clipped
        scaled = (to_decibels(values, unit) - low) * (2 / (high - low)) - 1
    return np.asarray(np.clip(scaled, -1, 1, dtype=np.float32))


@lru_cache(maxsize=8)
def _tables(unit: str, ranges: Ranges, dtype: np.dtype[Any]) -> tuple[Float, ...]:
    """For each channel what its whole numbers are scaled to."""
    numbers = np.arange(np.iinfo(dtype).max + 1, dtype=dtype)
    return tuple(_scaled(numbers[:, None], unit, (span,))[:, 0] for span in ranges)


def image_scaling(radiometry: Radiometry) -> SceneScaling:
    """That of any image, whatever it shows, for a model with the scaling "image"."""
    ranges = ((radiometry.low, radiometry.high),) * len(radiometry.bands)
    return SceneScaling("byte", "as the model expects", ranges, radiometry.fill, image=True)


def _fill_mean(scaled: Float, mask: Mask) -> Float:
    if not mask.any():
        return np.zeros_like(scaled)
    mean = scaled[mask].mean(axis=0, dtype=np.float64)
    return np.asarray(np.where(mask[..., None], scaled, mean.astype(np.float32)))
