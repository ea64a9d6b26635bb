"""SAR values to [-1, 1] and generator output to uint8 RGB.

Arrays are channels-last: a patch is (H, W, C), a sample (N, C). In decibels the common forms of SAR
values differ by an offset and a factor only (20 log10 amplitude = 10 log10 power, and calibration
is an added constant), so percentiles of the whole scene map all of them to the same range.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sartranslate.errors import OptionError
from sartranslate.limits import check_numbers

Float = NDArray[np.float32]
Mask = NDArray[np.bool_]

UNITS = {
    "db": "decibels",
    "power": "linear backscatter",
    "amplitude": "amplitude",
    "byte": "decibels stretched to bytes",
}
DECIBELS_PER_DECADE = {"power": 10.0, "amplitude": 20.0}
SCALINGS = ("scene", "fixed", "image")
FILLS = ("mirror", "mean")
COLOURS = ("RED", "GREEN", "BLUE")
MOST_NAMES, LONGEST_NAME = 64, 32  # of channels or of polarisations of one, and characters
WIDEST = 1000.0  # decibels, beyond what any radar sees


@dataclass(frozen=True)
class Radiometry:
    """How a model wants its input: stored in the bundle, the same in training and inference.

    `bands` lists, channel by channel, the polarisations it accepts, the preferred one first.
    Raises `OptionError` for a value out of range.
    """

    bands: tuple[tuple[str, ...], ...] = (("VH", "VV"),)
    scaling: str = (
        "scene"  # low, high are of "scene": percentiles of the valid scene; "fixed": decibels; "image": bytes
    )
    low: float = 1.0  # becomes -1
    high: float = 99.0  # becomes +1
    fill: str = "mirror"  # what a generator sees in place of invalid pixels: mirrored valid ones, or their mean

    def __post_init__(self) -> None:
        if self.scaling not in SCALINGS:
            raise OptionError(f"scaling {self.scaling!r}: expected one of {', '.join(SCALINGS)}")
        if self.fill not in FILLS:
            raise OptionError(f"fill {self.fill!r}: expected one of {', '.join(FILLS)}")
        if not self.bands or not all(self.bands):
            raise OptionError("bands: expected at least one polarisation for each channel")
        if any(len(names) > MOST_NAMES for names in (self.bands, *self.bands)):
            raise OptionError(f"bands: expected at most {MOST_NAMES} channels, and as many polarisations for each")
        if not all(_is_name(name) for names in self.bands for name in names):
            raise OptionError("bands: expected names of letters and digits, such as VV")
        if not self.low < self.high:
            raise OptionError(f"scaling range {self.low} to {self.high}: expected low < high")
        check_numbers(self, low=(-WIDEST, WIDEST), high=(-WIDEST, WIDEST))
        if self.scaling == "scene" and not (self.low >= 0 and self.high <= 100):
            raise OptionError(f"percentiles {self.low} to {self.high}: expected 0 to 100")
        if self.scaling == "image" and not (self.low >= 0 and self.high <= 255):
            raise OptionError(f"bytes {self.low} to {self.high}: expected 0 to 255")

    @property
    def is_colour(self) -> bool:
        """Whether the model wants an image in red, green and blue, and no SAR scene."""
        return self.scaling == "image" and len(self.bands) == len(COLOURS)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Radiometry:
        """The inverse of `as_dict`, through JSON too. Raises `KeyError`, `TypeError` or `OptionError`."""
        return cls(**{**content, "bands": tuple(tuple(names) for names in content["bands"])})


def _is_name(name: object) -> bool:
    return isinstance(name, str) and name.isidentifier() and len(name) <= LONGEST_NAME


IMAGE = Radiometry(tuple((name,) for name in COLOURS), "image", 0.0, 255.0)  # of a model fed with any picture


def valid_mask(patch: NDArray[Any], nodata: Sequence[float | None]) -> Mask:
    """(H, W) True where every channel of (H, W, C) is finite and differs from its nodata value."""
    valid = np.isfinite(patch).all(axis=-1) if patch.dtype.kind in "fc" else np.ones(patch.shape[:-1], bool)
    for channel, value in enumerate(nodata):
        if value is not None and not np.isnan(value):
            valid &= patch[..., channel] != value
    return np.asarray(valid)


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
    levels = np.array(generated, np.float32)
    levels += 1
    levels *= np.float32(127.5)
    return np.asarray(np.clip(np.rint(levels, out=levels), 0, 255, out=levels), np.uint8)


def from_rgb(rgb: ArrayLike) -> Float:
    """uint8 0..255 -> float32 in [-1, 1]: the inverse of `to_rgb`."""
    return np.asarray(rgb, np.float32) / 127.5 - 1
