"""A made-up landscape as a radar and as a camera would see it: paired scenes for tests, examples and dry runs."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sartranslate.errors import OptionError
from sartranslate.simulate.landcover import Survey, survey
from sartranslate.simulate.materials import MATERIALS
from sartranslate.simulate.noise import Floats, subseed, value_noise, white_noise
from sartranslate.simulate.speckle import SPECKLES, Speckle, check_speckle
from sartranslate.streaming.windows import Window

POLARISATIONS = ("VV", "VH")
MARGIN = 6  # pixels of surroundings that decide on a pixel: slopes, walls, shadows
INCIDENCE = math.radians(38.0)  # the middle of Sentinel-1 IW
SUN = (0.55, 0.40, 0.73)  # towards the sun: rows (south), columns (east), up
INNER = (..., slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))

COVERS = np.array([material.cover for material in MATERIALS], dtype=np.uint8)
COLOURS = np.array([[m.red, m.green, m.blue] for m in MATERIALS], dtype=np.float32).T
GRAINS = np.array([[material.grain for material in MATERIALS]], dtype=np.float32)
HEIGHTS = np.array([[material.height for material in MATERIALS]], dtype=np.float32)
POWERS = {
    "VV": (10.0 ** (np.array([m.vv for m in MATERIALS]) / 10)).astype(np.float32),
    "VH": (10.0 ** (np.array([m.vh for m in MATERIALS]) / 10)).astype(np.float32),
}


@dataclass(frozen=True)
class Landscape:
    """An endless plane of 10 m pixels; the same place always looks the same, whatever window it is seen through.

    A window may lie anywhere, at negative offsets too. Nothing is nodata.

    >>> plane = Landscape(seed=0)
    >>> whole = plane.optical(Window(0, 0, 40, 60))
    >>> bool((plane.optical(Window(10, 20, 5, 5)) == whole[10:15, 20:25]).all())
    True
    """

    seed: int
    looks: float = 4.4  # equivalent number of looks of Sentinel-1 IW GRD high resolution
    speckle: Speckle = "white"  # "correlated": neighbours share some, as in Sentinel-1

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise OptionError(f"seed {self.seed}: expected 0 or more")
        check_speckle(self.speckle, self.looks)

    def cover(self, window: Window) -> NDArray[np.uint8]:
        """Return the `Cover` that fills most of each pixel, (H, W) uint8."""
        return _cover(survey(self.seed, _grow(window)))[INNER]

    def optical(self, window: Window) -> NDArray[np.uint8]:
        """Return the true-colour picture, (H, W, 3) uint8 RGB."""
        return self._photograph(window, survey(self.seed, _grow(window)))

    def sigma0(self, window: Window, polarisations: tuple[str, ...] = ("VH",)) -> Floats:
        """Return the mean backscatter, without speckle, (H, W, polarisations) float32, linear power."""
        return _backscatter(survey(self.seed, _grow(window)), polarisations)

    def sar(self, window: Window, polarisations: tuple[str, ...] = ("VH",)) -> Floats:
        """Return speckled sigma0, (H, W, polarisations) float32, linear power, above 0.

        Fully developed speckle (Goodman 1976, Some fundamental properties of speckle, J. Opt. Soc. Am. 66(11),
        1145-1150) multiplies the mean power; averaged over L looks it is gamma distributed with mean 1 and variance
        1/L (Oliver & Quegan 2004, Understanding Synthetic Aperture Radar Images, ch. 4). Where it is correlated,
        neighbours share some. Raises `OptionError` for an unknown polarisation.
        """
        return self._illuminate(window, survey(self.seed, _grow(window)), polarisations)

    def pair(self, window: Window, polarisations: tuple[str, ...] = ("VH",)) -> tuple[Floats, NDArray[np.uint8]]:
        """Return what `sar` and `optical` return, in half the time."""
        ground = survey(self.seed, _grow(window))
        return self._illuminate(window, ground, polarisations), self._photograph(window, ground)

    def _illuminate(self, window: Window, ground: Survey, polarisations: tuple[str, ...]) -> Floats:
        power = _backscatter(ground, polarisations)
        speckle = SPECKLES[self.speckle]
        for channel, name in enumerate(polarisations):
            power[..., channel] *= speckle(self.seed, window, POLARISATIONS.index(name), self.looks)
        return power

    def _photograph(self, window: Window, ground: Survey) -> NDArray[np.uint8]:
        grain = white_noise(subseed(self.seed, 30), window)
        grain += value_noise(subseed(self.seed, 31), window, 2.6) * np.float32(1.6)
        grain *= _composite(ground, GRAINS)[0][INNER]
        light = _daylight(ground)[INNER] * (np.float32(1) + grain)
        colours = _composite(ground, COLOURS, "shade")[INNER] * light
        return np.moveaxis(np.rint(np.clip(colours, 0, 255)).astype(np.uint8), 0, -1)


def _grow(window: Window) -> Window:
    row, col, height, width = window
    return Window(row - MARGIN, col - MARGIN, height + 2 * MARGIN, width + 2 * MARGIN)


def _cover(ground: Survey) -> NDArray[np.uint8]:
    cover = COVERS[ground.layers[0].material]
    for layer in ground.layers[1:]:
        cover = np.where(layer.coverage >= 0.5, COVERS[layer.material], cover)
    return cover


def _composite(ground: Survey, table: Floats, factor: Literal["shade", "echo"] | None = None) -> Floats:
    """Mix the layers' table values by area, (values, H, W): what a pixel that sees several surfaces records."""
    total = np.zeros((table.shape[0], 1, 1), dtype=np.float32)
    for layer in ground.layers:
        values = table[:, layer.material]
        if factor:
            values = values * getattr(layer, factor)
        total = total + layer.coverage * (values - total)
    return total


def _above(height: Floats, rows: int, cols: int) -> Floats:
    """Return how much higher a pixel is than the one that many rows and columns away, at most 1."""
    step: Floats = np.clip(height - np.roll(height, (-rows, -cols), axis=(0, 1)), 0, 1)
    return step


def _below(height: Floats, rows: int, cols: int) -> Floats:
    step: Floats = np.clip(np.roll(height, (-rows, -cols), axis=(0, 1)) - height, 0, 1)
    return step


def _facing(ground: Survey, rows: float, cols: float, up: float) -> Floats:
    """Return the cosine of the angle between the terrain's normal and a direction, relative to flat ground."""
    down, right = ground.slope_row, ground.slope_col
    lean = np.float32(1) - down * np.float32(rows / up) - right * np.float32(cols / up)
    facing: Floats = np.maximum(lean / np.sqrt(np.float32(1) + down * down + right * right), np.float32(0.1))
    return facing


def _daylight(ground: Survey) -> Floats:
    """Light the hills, and let woods and houses cast a shadow away from the sun."""
    shadow = _below(_composite(ground, HEIGHTS)[0], 1, 1) * np.float32(0.35)
    return _facing(ground, *SUN) * (np.float32(1) - shadow)


def _backscatter(ground: Survey, polarisations: tuple[str, ...]) -> Floats:
    """Return mean power (H, W, polarisations), trimmed, for a radar in the west.

    Slopes follow the squared cosine of the local incidence angle (Ulaby, Moore & Fung 1982, Microwave Remote
    Sensing II, ch. 12); a wall that faces the radar adds a double bounce, and hides what lies behind it.
    """
    unknown = [name for name in polarisations if name not in POLARISATIONS]
    if unknown or not polarisations:
        raise OptionError(f"polarisations {polarisations}: expected some of {POLARISATIONS}")
    table = np.stack([POWERS[name] for name in polarisations])
    facing = _facing(ground, 0.0, -math.sin(INCIDENCE), math.cos(INCIDENCE))
    height = _composite(ground, HEIGHTS)[0]
    wall = np.float32(1) + _above(height, 0, -1) * np.float32(2.2)
    seen = np.float32(1) - _below(height, 0, -2) * np.float32(0.6)
    power = _composite(ground, table, "echo") * (facing * facing * wall * seen)
    return np.ascontiguousarray(np.moveaxis(power[INNER], 0, -1))
