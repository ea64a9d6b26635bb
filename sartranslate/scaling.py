"""A model's radiometry applied to one scene: which unit its values have, and which of them become -1 and +1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sartranslate.errors import OptionError, SceneError
from sartranslate.fill import fill_mirrored
from sartranslate.radiometry import DECIBELS_PER_DECADE, UNITS, Float, Mask, Radiometry, to_decibels
from sartranslate.units import DIGITAL_NUMBERS, check_unit, guess_unit

LEAST_SPAN = 1e-3  # decibels or byte values; a scene with less has nothing to scale


@dataclass(frozen=True)
class SceneScaling:
    """A model's radiometry resolved for one scene (or one folder of training tiles)."""

    unit: str  # a key of UNITS
    reason: str  # why this unit was assumed
    ranges: tuple[tuple[float, float], ...]  # per channel: what becomes -1 and +1, decibels or bytes
    fill: str = "mirror"  # one of FILLS

    def apply(self, values: ArrayLike, mask: Mask) -> Float:
        """Scale (H, W, C) scene values to [-1, 1]; invalid pixels are filled from the valid ones.

        Values outside the scene's range are clipped. `mask` is (H, W), True = valid.
        """
        low, high = np.asarray(self.ranges, np.float32).T
        whole = bool(mask.all())
        known = values if whole else np.where(mask[..., None], values, 1)  # nodata may be too large to compute with
        scaled = (to_decibels(known, self.unit) - low) * (2 / (high - low)) - 1
        scaled = np.clip(scaled, -1, 1, dtype=np.float32)
        fill = fill_mirrored if self.fill == "mirror" else _fill_mean
        return scaled if whole else fill(scaled, mask)

    def describe(self) -> str:
        """One line for people: unit, reason and range."""
        suffix = "" if self.unit == "byte" else " dB"
        spans = ", ".join(f"{low:.1f}..{high:.1f}{suffix}" for low, high in self.ranges)
        return f"{UNITS[self.unit]} ({self.reason}), {spans}"


def resolve_scaling(radiometry: Radiometry, sample: NDArray[Any], unit: str | None = None) -> SceneScaling:
    """Decide unit and range for the scene that (N, C) valid `sample` values come from.

    `unit` overrides the guess. Raises `SceneError` when the sample is empty or constant, or bytes
    without a physical scale meet a model that wants fixed decibels.
    """
    if unit is not None and unit not in UNITS:
        raise OptionError(f"unit {unit!r}: expected one of {', '.join(UNITS)}")
    if sample.size == 0:
        raise SceneError("no valid pixels")
    if sample.dtype.kind == "f":
        # An exact zero among measured floats is fill that nobody declared: it says nothing about unit and range.
        sample = sample[(sample != 0).all(axis=1)]
        if sample.size == 0:
            raise SceneError("all valid pixels are 0")
    if unit:
        check_unit(unit, sample)
    unit, reason = (unit, "as told") if unit else guess_unit(sample)
    if radiometry.scaling == "fixed":
        if unit == "byte":
            raise SceneError("stretched bytes have no physical scale, the model expects calibrated decibels")
        if reason.endswith(DIGITAL_NUMBERS):
            raise SceneError(
                f"{DIGITAL_NUMBERS} without calibration have no physical scale, the model expects calibrated "
                "decibels; --unit amplitude takes them for calibrated"
            )
        ranges = [(radiometry.low, radiometry.high)] * sample.shape[1]
    else:
        ranges = [_percentile_range(sample[:, channel], unit, radiometry) for channel in range(sample.shape[1])]
    return SceneScaling(unit, reason, tuple(ranges), radiometry.fill)


def _percentile_range(sample: NDArray[Any], unit: str, radiometry: Radiometry) -> tuple[float, float]:
    # Linear values of zero or less have no logarithm; they say nothing about the range of the rest.
    usable = sample[sample > 0] if unit in DECIBELS_PER_DECADE else sample
    if usable.size == 0:
        raise SceneError(f"no valid pixel is above 0, expected {UNITS[unit]}")
    low, high = np.percentile(to_decibels(usable, unit), [radiometry.low, radiometry.high])
    if high - low < LEAST_SPAN:
        raise SceneError(f"all valid pixels have about the same value ({usable[0]}): nothing to scale")
    return float(low), float(high)


def _fill_mean(scaled: Float, mask: Mask) -> Float:
    if not mask.any():
        return np.zeros_like(scaled)
    mean = scaled[mask].mean(axis=0, dtype=np.float64)
    return np.asarray(np.where(mask[..., None], scaled, mean.astype(np.float32)))
