"""How values of an optical image become bytes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sartranslate.errors import SceneError

PERCENTILES = (1.0, 99.0)  # of all three colours together, so that they keep their balance
DARKEST = 0.1  # percentile of each colour that is held to be a dark object: deep water, shadow
LOWEST, HIGHEST = -9999.0, 1e9  # no reflectance, nor a number that sensors have for it
FILL_SHARE = 1e-3  # of the values that have one beyond, by more than chance
WHITE = 255.0  # of bytes


class Stretch(NamedTuple):
    """What becomes 0 and 255, in the values of an image."""

    low: float | tuple[float, float, float]  # of all colours, or of red, green and blue
    high: float

    def describe(self) -> str:
        """For people, such as "12 to 3000", or "36, 68, 102 to 255"."""
        lowest = self.low if isinstance(self.low, tuple) else (self.low,)
        return f"{', '.join(f'{value:g}' for value in lowest)} to {self.high:g}"


def to_bytes(values: NDArray[Any], stretch: Stretch | None) -> NDArray[np.uint8]:
    """(..., 3) values stretched, clipped beyond and rounded; bytes as they are for None."""
    if stretch is None:
        return np.asarray(values, np.uint8)
    low, high = np.asarray(stretch.low, np.float64), stretch.high
    # Clipped first, since invalid pixels may be as large as their type allows.
    above = (np.clip(np.nan_to_num(values), low, high) - low).astype(np.float32)
    scaled = above * (255 / (high - low)).astype(np.float32)
    return np.asarray(np.clip(np.rint(scaled), 0, 255), np.uint8)


def percentile_stretch(values: NDArray[Any], of: str) -> Stretch:
    """Between two percentiles of values `of` something.

    Raises `SceneError` where they have about one value, or hold a fill value that nobody declared.
    """
    _check_fill(values)
    low, high = (float(value) for value in np.percentile(values, PERCENTILES))
    if not low < high:
        raise SceneError(f"all {of} have about the same value ({low:g}): nothing to stretch")
    return Stretch(low, high)


def _check_fill(values: NDArray[Any]) -> None:
    low, high = values.min(), values.max()
    for value, far in ((low, low <= LOWEST), (high, high >= HIGHEST)):
        if far and (share := np.count_nonzero(values == value) / values.size) > FILL_SHARE:
            raise SceneError(
                f"{100 * share:.1f} % of the values are {value:g}; if that is no data, it has to be declared: "
                "--optical-nodata of an image, gdal_edit -a_nodata of tiles; else --stretch tells a range"
            )


def without_haze(stretch: Stretch, colours: NDArray[Any]) -> Stretch:
    """One that begins at the dark object of each colour of (3, N) values.

    Raises `SceneError` where that is not below its end, or as `dark_object`.
    """
    haze = dark_object(colours)
    darkest = Stretch(haze, stretch.high)
    if not max(haze) < stretch.high:
        raise SceneError(f"without haze the stretch is {darkest.describe()}, expected low < high in each colour")
    return darkest


def with_neutral_haze(stretch: Stretch, colours: NDArray[Any], share: float) -> Stretch:
    """One that takes this share of its colour, and none of its brightness, out of the haze of (3, N) values.

    The dark object of each colour goes that much of its way to the mean of the three; white stays white. Raises
    `SceneError` as `without_haze`.
    """
    dark, high = np.array(without_haze(stretch, colours).low), stretch.high
    low = np.asarray(stretch.low)
    levels = (dark - low) * WHITE / (high - low)
    wanted = levels + share * (levels.mean() - levels)
    red, green, blue = dark - wanted * (high - dark) / (WHITE - wanted)
    return Stretch((float(red), float(green), float(blue)), high)


def dark_object(colours: NDArray[Any]) -> tuple[float, float, float]:
    """The least red, green and blue of (3, N) values, but for one in a thousand: what haze adds to each colour.

    Something in a large image reflects next to nothing, so what is seen of it is the light that the air scatters
    (dark-object subtraction, Chavez 1988, Remote Sensing of Environment 24, pages 459 to 479). Pixels of 0 in all
    colours are taken for fill. Raises `SceneError` where there are no others.
    """
    seen = colours[:, colours.any(axis=0)]
    if not seen.size:
        raise SceneError("no valid pixels but black ones, so no haze to measure")
    red, green, blue = np.percentile(seen, DARKEST, axis=1)
    return float(red), float(green), float(blue)
