"""SAR values to [-1, 1] and generator output to uint8 RGB.

Arrays are channels-last: a patch is (H, W, C), a sample (N, C). In decibels the common forms of SAR
values differ by an offset and a factor only (20 log10 amplitude = 10 log10 power, and calibration
is an added constant), so percentiles of the whole scene map all of them to the same range.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sartranslate.errors import OptionError, SceneError

Float = NDArray[np.float32]
Mask = NDArray[np.bool_]

UNITS = {
    "db": "decibels",
    "power": "linear backscatter",
    "amplitude": "amplitude",
    "byte": "decibels stretched to bytes",
}
DECIBELS_PER_DECADE = {"power": 10.0, "amplitude": 20.0}
SCALINGS = ("scene", "fixed")
FILLS = ("mean",)
NEIGHBOURS = 16  # values that follow each other in a sample and are compared
LINEAR_GROWTH = 0.5  # of speckle with brightness, see `speckle_growth`; halfway between both cases
BELOW_NOISE = 0.1  # of the bright end: linear values fall below 0 by subtracted noise only, which is little
DECIBEL_SPREAD = 2.5  # bright over dark: speckled power spreads by 8 and more, shifted decibels by less than 2
LEAST_SPAN = 1e-3  # decibels or byte values; a scene with less has nothing to scale


@dataclass(frozen=True)
class Radiometry:
    """How a model wants its input: stored in the bundle, the same in training and inference.

    `bands` lists, channel by channel, the polarisations it accepts, the preferred one first.
    Raises `OptionError` for a value out of range.
    """

    bands: tuple[tuple[str, ...], ...] = (("VH", "VV"),)
    scaling: str = "scene"  # "scene": low, high are percentiles of the valid scene; "fixed": decibels
    low: float = 1.0  # becomes -1
    high: float = 99.0  # becomes +1
    fill: str = "mean"  # what a generator sees in place of invalid pixels: the mean of the patch's valid ones

    def __post_init__(self) -> None:
        if self.scaling not in SCALINGS:
            raise OptionError(f"scaling {self.scaling!r}: expected one of {', '.join(SCALINGS)}")
        if self.fill not in FILLS:
            raise OptionError(f"fill {self.fill!r}: expected one of {', '.join(FILLS)}")
        if not self.bands or not all(self.bands) or not all(isinstance(n, str) for names in self.bands for n in names):
            raise OptionError("bands: expected at least one polarisation for each channel")
        if not self.low < self.high:
            raise OptionError(f"scaling range {self.low} to {self.high}: expected low < high")
        if self.scaling == "scene" and not (self.low >= 0 and self.high <= 100):
            raise OptionError(f"percentiles {self.low} to {self.high}: expected 0 to 100")

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class SceneScaling:
    """A model's radiometry resolved for one scene (or one folder of training tiles)."""

    unit: str  # a key of UNITS
    reason: str  # why this unit was assumed
    ranges: tuple[tuple[float, float], ...]  # per channel: what becomes -1 and +1, decibels or bytes

    def apply(self, values: ArrayLike, mask: Mask) -> Float:
        """Scale (..., H, W, C) scene values to [-1, 1]; invalid pixels get the mean of the valid ones.

        Values outside the scene's range are clipped. `mask` is (..., H, W), True = valid.
        """
        low, high = np.asarray(self.ranges, np.float32).T
        whole = bool(mask.all())
        known = values if whole else np.where(mask[..., None], values, 1)  # nodata may be too large to compute with
        scaled = (to_decibels(known, self.unit) - low) * (2 / (high - low)) - 1
        scaled = np.clip(scaled, -1, 1, dtype=np.float32)
        return scaled if whole else _fill_with_mean(scaled, mask)

    def describe(self) -> str:
        """One line for people: unit, reason and range."""
        suffix = "" if self.unit == "byte" else " dB"
        spans = ", ".join(f"{low:.1f}..{high:.1f}{suffix}" for low, high in self.ranges)
        return f"{UNITS[self.unit]} ({self.reason}), {spans}"


def valid_mask(patch: NDArray[Any], nodata: Sequence[float | None]) -> Mask:
    """(H, W) True where every channel of (H, W, C) is finite and differs from its nodata value."""
    valid = np.isfinite(patch)
    for channel, value in enumerate(nodata):
        if value is not None and not np.isnan(value):
            valid[..., channel] &= patch[..., channel] != value
    return np.asarray(valid.all(axis=-1))


def guess_unit(sample: NDArray[Any]) -> tuple[str, str]:
    """Unit of (N, C) valid scene values in scan order and the reason in words; dtype and distribution decide."""
    dtype = sample.dtype
    low, high = np.percentile(sample.astype(np.float64), [2, 98])
    if low < -BELOW_NOISE * abs(high):
        return "db", f"{dtype}, values below 0"
    if dtype.kind in "iu" and dtype.itemsize > 1:
        return "amplitude", f"{dtype} digital numbers"
    if dtype != np.uint8 and high < DECIBEL_SPREAD * low:
        return "db", f"{dtype}, a narrow range above 0"
    if speckle_growth(sample) > LINEAR_GROWTH:
        return "power", f"{dtype}, speckle grows with brightness"
    return "byte" if dtype == np.uint8 else "db", f"{dtype}, speckle alike in dark and bright parts"


def speckle_growth(sample: NDArray[Any]) -> float:
    """Exponent with which speckle grows with brightness, over (N, C) values whose neighbours follow each other.

    About 1 in linear values, where speckle is multiplicative (Goodman 1976, J. Opt. Soc. Am. 66(11)
    1145-1150), and 0 in decibels, where it is additive. Compares the calmest tenth of the darkest
    third of all neighbourhoods with that of the brightest third, since edges and buildings are no
    speckle. Measured on Sentinel-1 bytes: 1.3 and 1.9 where linear, -0.4 to -0.1 where decibels.
    """
    count = len(sample) // NEIGHBOURS
    if count == 0:
        return 0.0
    runs = sample[: count * NEIGHBOURS].astype(np.float64).reshape(count, NEIGHBOURS, -1)
    # Less than the rounding of whole numbers is no measurement.
    least = 0.5 if sample.dtype.kind in "iu" else float(np.finfo(np.float32).tiny)
    mean, deviation = np.maximum(runs.mean(axis=1), least), np.maximum(runs.std(axis=1), least)
    dark, bright = np.percentile(mean, [100 / 3, 200 / 3])
    contrast = np.log(np.median(mean[mean >= bright]) / np.median(mean[mean <= dark]))
    growth = np.log(np.percentile(deviation[mean >= bright], 10) / np.percentile(deviation[mean <= dark], 10))
    return float(growth / contrast) if contrast > 0 else 0.0


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
    unit, reason = (unit, "as told") if unit else guess_unit(sample)
    if radiometry.scaling == "fixed":
        if unit == "byte":
            raise SceneError("stretched bytes have no physical scale, the model expects calibrated decibels")
        ranges = [(radiometry.low, radiometry.high)] * sample.shape[1]
    else:
        ranges = [_percentile_range(sample[:, channel], unit, radiometry) for channel in range(sample.shape[1])]
    return SceneScaling(unit, reason, tuple(ranges))


def to_decibels(values: ArrayLike, unit: str) -> Float:
    """Decibels up to an offset, float32; zero and negative linear values become very low, not NaN.

    >>> to_decibels([1.0, 10.0], "amplitude").tolist()
    [0.0, 20.0]
    """
    with np.errstate(over="ignore"):
        values = np.asarray(values, np.float32)
    if unit not in DECIBELS_PER_DECADE:
        return values
    floor = np.finfo(np.float32).tiny
    return np.asarray(DECIBELS_PER_DECADE[unit] * np.log10(np.maximum(values, floor)), np.float32)


def to_rgb(generated: ArrayLike) -> NDArray[np.uint8]:
    """Generator output in [-1, 1] -> uint8 0..255, rounded to the nearest and clipped.

    >>> to_rgb([-1.0, 0.0, 1.0]).tolist()
    [0, 128, 255]
    """
    levels = (np.asarray(generated, np.float32) + 1) * np.float32(127.5)
    return np.asarray(np.clip(np.rint(levels), 0, 255), np.uint8)


def from_rgb(rgb: ArrayLike) -> Float:
    """uint8 0..255 -> float32 in [-1, 1]: the inverse of `to_rgb`."""
    return np.asarray(rgb, np.float32) / 127.5 - 1


def _percentile_range(sample: NDArray[Any], unit: str, radiometry: Radiometry) -> tuple[float, float]:
    # Linear values of zero or less have no logarithm; they say nothing about the range of the rest.
    usable = sample[sample > 0] if unit in DECIBELS_PER_DECADE else sample
    if usable.size == 0:
        raise SceneError(f"no valid pixel is above 0, expected {UNITS[unit]}")
    low, high = np.percentile(to_decibels(usable, unit), [radiometry.low, radiometry.high])
    if high - low < LEAST_SPAN:
        raise SceneError(f"all valid pixels have about the same value ({usable[0]}): nothing to scale")
    return float(low), float(high)


def _fill_with_mean(scaled: Float, mask: Mask) -> Float:
    if not mask.any():
        return np.zeros_like(scaled)
    mean = scaled[mask].mean(axis=0, dtype=np.float64)
    return np.where(mask[..., None], scaled, mean.astype(np.float32))
