"""The unit and the distribution of a whole scene, and how a model's radiometry scales it by them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sartranslate.backscatter.radiometry import DECIBELS_PER_DECADE, UNITS, WIDEST, Radiometry, to_decibels
from sartranslate.backscatter.scaling import SceneScaling, image_scaling
from sartranslate.backscatter.units import (
    AS_IT_IS,
    BYTES,
    DIGITAL_NUMBERS,
    Stored,
    check_fill,
    check_unit,
    falls_below_zero,
    guess_unit,
)
from sartranslate.errors import OptionError, SceneError
from sartranslate.printable import printable

# At which a distribution is kept.
LOWER = (0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 15, 20, 25, 30, 40)
PERCENTILES = (*map(float, LOWER), 50.0, *(100.0 - below for below in reversed(LOWER)))
MOST_PERCENTILES = 1000
LONGEST_REASON = 200  # characters
LEAST_SPAN = 1e-3  # decibels or byte values; a scene with less has nothing to scale
TOLD = "as told"  # why a unit is what it is
BYTE_UNITS = ("byte", "power")  # what the bytes of an image may be taken for when it is measured like SAR


@dataclass(frozen=True)
class SceneStatistics:
    """The unit and the distribution of a whole scene, kept with tiles cut out of it, which are scaled like it."""

    unit: str  # a key of UNITS
    reason: str
    values: tuple[tuple[float, ...], ...]  # band by band at `percentiles`: decibels or bytes
    percentiles: tuple[float, ...] = PERCENTILES

    def resolve(self, radiometry: Radiometry, bands: Sequence[int]) -> SceneScaling:
        """The scaling of the scene's tiles for a model fed with these bands, counted from 1; raises `SceneError`."""
        if max(bands) > len(self.values):
            raise SceneError(f"band {max(bands)} of a tile whose scene's statistics know {len(self.values)}")
        wanted = (radiometry.low, radiometry.high)
        if radiometry.scaling == "image":
            if self.unit not in BYTE_UNITS:
                raise SceneError(f"{UNITS[self.unit]} ({self.reason}), the model expects bytes of an image")
            return image_scaling(radiometry)
        if radiometry.scaling == "fixed":
            _check_calibrated(self.unit, self.reason)
            ranges = [wanted] * len(bands)
        else:
            ranges = [self._range(band, wanted) for band in bands]
        return SceneScaling(self.unit, self.reason, tuple(ranges), radiometry.fill)

    def _range(self, band: int, wanted: tuple[float, float]) -> tuple[float, float]:
        low, high = np.interp(wanted, self.percentiles, self.values[band - 1])
        if high - low < LEAST_SPAN:
            raise SceneError(f"nearly all valid pixels of its scene have the same value ({low:g}): nothing to scale")
        return float(low), float(high)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> SceneStatistics:
        """Raises `SceneError` for a text that `to_json` has not made."""
        try:
            found = json.loads(text)
            values = tuple(tuple(map(float, band)) for band in found["values"])
            at = tuple(map(float, found["percentiles"]))
            if found["unit"] in UNITS and _are_percentiles(at) and all(_is_distribution(band, at) for band in values):
                return cls(found["unit"], printable(str(found["reason"])[:LONGEST_REASON]), values, at)
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError):
            pass
        raise SceneError(f"broken statistics of its scene: {text[:60]!r}, expected those that `pairs` writes")


def _are_percentiles(at: Sequence[float]) -> bool:
    whole = 2 <= len(at) <= MOST_PERCENTILES and at[0] == 0 and at[-1] == 100
    return whole and all(low < high for low, high in pairwise(at))


def _is_distribution(values: Sequence[float], at: Sequence[float]) -> bool:
    """Whether these can be decibels or bytes at such percentiles."""
    rising = all(low <= high for low, high in pairwise(values))
    return len(values) == len(at) and rising and values[0] >= -WIDEST and values[-1] <= WIDEST


def measure(samples: Sequence[NDArray[Any]], unit: str | None = None, stored: Sequence[Stored] = ()) -> SceneStatistics:
    """Unit and distribution of the scene that valid values (N,) of each band come from; as `resolve_scaling`."""
    samples = [_measured(sample) for sample in samples]
    unit, reason = _unit(samples, unit, stored)
    return SceneStatistics(unit, reason, tuple(_percentiles(sample, unit, PERCENTILES) for sample in samples))


def resolve_scaling(
    radiometry: Radiometry, samples: Sequence[NDArray[Any]], unit: str | None = None, stored: Sequence[Stored] = ()
) -> SceneScaling:
    """Decide unit and range for the scene that valid values (N,) of each channel, in scan order, come from.

    Each channel is scaled by its own values, whatever the others have there. `unit` overrides the guess, and `stored`
    tells how the values of each lie in their file, where not as they are. Raises
    `SceneError` when a sample is empty or constant, channels are in different units, or bytes
    without a physical scale meet a model that wants fixed decibels, or other values than bytes one that wants an image.
    """
    if radiometry.scaling == "image":
        for sample in samples:
            _check_bytes(sample.dtype, unit)
        return image_scaling(radiometry)
    samples = [_measured(sample) for sample in samples]
    unit, reason = _unit(samples, unit, stored)
    wanted = (radiometry.low, radiometry.high)
    if radiometry.scaling == "fixed":
        _check_calibrated(unit, reason)
        return SceneScaling(unit, reason, (wanted,) * len(samples), radiometry.fill)
    ranges = [_percentiles(sample, unit, wanted) for sample in samples]
    return SceneScaling(unit, reason, tuple((low, high) for low, high in ranges), radiometry.fill)


def _measured(sample: NDArray[Any]) -> NDArray[Any]:
    """Without exact zeros among floats, which are fill that nobody declared and say nothing about unit and range."""
    if sample.size == 0:
        raise SceneError("no valid pixels")
    if sample.dtype.kind == "f":
        sample = sample[sample != 0]
        if sample.size == 0:
            raise SceneError("all valid pixels are 0")
    return sample


def _unit(samples: Sequence[NDArray[Any]], told: str | None, stored: Sequence[Stored]) -> tuple[str, str]:
    """Of all channels, and why."""
    for sample, lying in zip(samples, stored or [AS_IT_IS] * len(samples), strict=True):
        check_fill(sample, lying)
    if told is None:
        return _guessed(samples)
    if told not in UNITS:
        raise OptionError(f"unit {told!r}: expected one of {', '.join(UNITS)}")
    for sample in samples:
        check_unit(told, sample)
    return told, TOLD


def _guessed(samples: Sequence[NDArray[Any]]) -> tuple[str, str]:
    """By the values of all together, whose contrast tells more; raises `SceneError` where only some can be linear."""
    if len(samples) > 1 and len({falls_below_zero(sample) for sample in samples}) > 1:
        units = list(dict.fromkeys(guess_unit(sample)[0] for sample in samples))
        if len(units) > 1:
            raise SceneError(f"bands in {' and '.join(units)}, expected one unit; choose with --bidx or --unit")
    return guess_unit(np.concatenate(samples))


def _check_calibrated(unit: str, reason: str) -> None:
    if unit == "byte":
        raise SceneError("stretched bytes have no physical scale, the model expects calibrated decibels")
    if reason.endswith(DIGITAL_NUMBERS) or reason.startswith(BYTES):
        raise SceneError(
            f"{reason}: without calibration they have no physical scale, the model expects calibrated decibels; "
            f"--unit {unit} takes them for calibrated"
        )


def _check_bytes(dtype: np.dtype[Any], told: str | None) -> None:
    if dtype != np.uint8 or told not in (None, "byte"):
        found = f"values of {dtype}" if dtype != np.uint8 else f"bytes told to be {told}"
        raise SceneError(f"{found}, the model expects bytes (uint8) of an image")


def _percentiles(sample: NDArray[Any], unit: str, wanted: tuple[float, ...]) -> tuple[float, ...]:
    """Of (N,) scene values, in decibels or bytes."""
    # Linear values of zero or less have no logarithm; they say nothing about the range of the rest.
    usable = sample[sample > 0] if unit in DECIBELS_PER_DECADE else sample
    if usable.size == 0:
        raise SceneError(f"no valid pixel is above 0, expected {UNITS[unit]}")
    values = np.percentile(to_decibels(usable, unit), wanted)
    if np.ptp(values) < LEAST_SPAN:
        raise SceneError(f"all valid pixels have about the same value ({usable[0]}): nothing to scale")
    return tuple(values.tolist())
