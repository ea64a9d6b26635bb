"""Write made-up training pairs and a scene to disk, as if they came from Sentinel-1 and Sentinel-2."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from sartranslate.errors import OptionError, OutputError
from sartranslate.rasters.geotiff import TILE, RasterProfile, write_blocks
from sartranslate.simulate.landcover import METRES_PER_PIXEL
from sartranslate.simulate.noise import Floats, cells, value_noise
from sartranslate.simulate.places import REACH, find_scene, find_tile
from sartranslate.simulate.simulator import POLARISATIONS, Landscape
from sartranslate.simulate.speckle import Speckle
from sartranslate.streaming.windows import Window

Unit = Literal["amplitude", "power", "db"]
UNITS: tuple[Unit, ...] = ("amplitude", "power", "db")

CRS = "EPSG:32632"
EASTING, NORTHING = 500_000.0, 5_300_000.0  # metres, where the plane's pixel (0, 0) begins
AMPLITUDE_GAIN = 1000.0  # digital numbers; land at VH -20..-10 dB becomes 100..316
LONGEST = 10**6  # pixels of a scene's side
BLOCK = 2 * TILE  # pixels, the side of the squares a scene is made in


@dataclass(frozen=True)
class SimulationOptions:
    """What to make up: checked when made, raises `OptionError`."""

    pairs: int = 12
    tile_size: int = 256  # pixels
    scene: tuple[int, int] | None = None  # pixels, (height, width)
    truth: bool = False  # write what the scene looks like, too
    seed: int = 0
    polarisations: tuple[str, ...] = ("VH",)
    unit: Unit = "amplitude"
    looks: float = 4.4
    speckle: Speckle = "white"
    nodata_rim: int = 0  # pixels, the widest part of the scene's rim without data
    overwrite: bool = False

    def __post_init__(self) -> None:
        _require(self.pairs >= 0, f"pairs {self.pairs}: expected 0 or more")
        sizes = f"expected 16 to {REACH} pixels"
        _require(16 <= self.tile_size <= REACH, f"tile size {self.tile_size}: {sizes}")
        height, width = self.scene or (1, 1)
        _require(min(height, width) > 0, f"scene {self.scene}: expected a height and a width above 0")
        _require(max(height, width) <= LONGEST, f"scene {self.scene}: expected sides of at most {LONGEST} pixels")
        _require(self.nodata_rim >= 0, f"nodata rim {self.nodata_rim}: expected 0 or more")
        if self.scene:
            most = (min(self.scene) - 1) // 2
            _require(self.nodata_rim <= most, f"nodata rim {self.nodata_rim}: expected at most {most} of such a scene")
        _require(self.unit in UNITS, f"unit {self.unit}: expected one of {', '.join(UNITS)}")
        once = 0 < len(self.polarisations) == len(set(self.polarisations))
        found = ", ".join(self.polarisations) or "none"
        known = set(self.polarisations) <= set(POLARISATIONS)
        _require(once and known, f"polarisations {found}: expected some of {', '.join(POLARISATIONS)}, each once")
        Landscape(self.seed, self.looks, self.speckle)


class SimulationReport(NamedTuple):
    """What was written."""

    pairs: int
    scene: Path | None
    truth: Path | None


class _Target(NamedTuple):
    path: Path
    place: Window  # on the plane
    rim: int = 0


def simulate(folder: Path, options: SimulationOptions) -> SimulationReport:
    """Write `sar/NAME.tif` and `optical/NAME.tif` pairs, and `scene.tif`, that share one plane and lie apart on it.

    SAR is sigma0 as amplitude (uint16 digital numbers, 0 = nodata), power or dB (float32, NaN = nodata); optical is
    uint8 RGB. The same options write the same pixels. Raises `OutputError` if the folder holds results already and
    `overwrite` is off.
    """
    _clear_the_way(folder, options)
    plane = Landscape(options.seed, options.looks, options.speckle)
    rng = np.random.default_rng(options.seed)
    taken: list[Window] = []
    scene = truth = None
    if options.scene:
        place = find_scene(plane, rng, *options.scene)
        taken.append(place)
        scene = _write_sar(_Target(folder / "scene.tif", place, options.nodata_rim), plane, options)
        truth = _write_optical(_Target(folder / "scene_optical.tif", place), plane) if options.truth else None
    for number in range(options.pairs):
        place = find_tile(plane, rng, options.tile_size, taken)
        taken.append(place)
        name = f"tile_{number:03d}.tif"
        _write_sar(_Target(folder / "sar" / name, place), plane, options)
        _write_optical(_Target(folder / "optical" / name, place), plane)
    return SimulationReport(options.pairs, scene, truth)


def _require(fine: bool, complaint: str) -> None:
    if not fine:
        raise OptionError(complaint)


def _clear_the_way(folder: Path, options: SimulationOptions) -> None:
    """Raise, or with `overwrite` remove, what would mix with the new results: stale tiles, and an old scene."""
    names = ["sar/*", "optical/*"] if options.pairs else []
    names += ["scene.tif", "scene_optical.tif"] if options.scene else []
    found = sorted(path for name in names for path in folder.glob(name))
    if found and not options.overwrite:
        raise OutputError(f"{folder}: {found[0].relative_to(folder)} exists already; --overwrite replaces it")
    for path in found:
        if path.match("tile_*.tif") or path.parent == folder:  # anything else is not ours to remove
            path.unlink()


def transform_at(place: Window) -> Affine:
    """Return the map position of a window of the plane: pixel corner to metres in `CRS`."""
    east = EASTING + METRES_PER_PIXEL * place.col_off
    north = NORTHING - METRES_PER_PIXEL * place.row_off
    return Affine(METRES_PER_PIXEL, 0.0, east, 0.0, -METRES_PER_PIXEL, north)


def _write_sar(target: _Target, plane: Landscape, options: SimulationOptions) -> Path:
    amplitude = options.unit == "amplitude"
    profile = RasterProfile(
        target.place.height,
        target.place.width,
        len(options.polarisations),
        "uint16" if amplitude else "float32",
        CRS,
        transform_at(target.place),
        nodata=0 if amplitude else np.nan,
        descriptions=options.polarisations,
        tags={"SOFTWARE": "sartranslate simulate", "UNIT": options.unit, "SEED": str(options.seed)},
    )
    write_blocks(target.path, profile, _sar_blocks(target, plane, options))
    return target.path


def _sar_blocks(target: _Target, plane: Landscape, options: SimulationOptions) -> Iterator[tuple[Window, NDArray[Any]]]:
    height, width = target.place[2:]
    for window in cells(Window(0, 0, height, width), BLOCK):
        values = to_unit(plane.sar(_on_plane(window, target.place), options.polarisations), options.unit)
        if target.rim:
            nodata = 0 if options.unit == "amplitude" else np.nan
            values[~_footprint(window, height, width, target.rim)] = nodata
        yield window, values


def _write_optical(target: _Target, plane: Landscape) -> Path:
    height, width = target.place[2:]
    tags = {"SOFTWARE": "sartranslate simulate", "SEED": str(plane.seed)}
    profile = RasterProfile(height, width, 3, "uint8", CRS, transform_at(target.place), tags=tags)
    windows = cells(Window(0, 0, height, width), BLOCK)
    blocks = ((window, plane.optical(_on_plane(window, target.place))) for window in windows)
    write_blocks(target.path, profile, blocks)
    return target.path


def _on_plane(window: Window, place: Window) -> Window:
    return window._replace(row_off=window.row_off + place.row_off, col_off=window.col_off + place.col_off)


def to_unit(power: Floats, unit: Unit) -> NDArray[Any]:
    """Turn linear power into uint16 digital numbers from 1 (0 is nodata), float32 power or float32 dB."""
    if unit == "amplitude":
        numbers = np.rint(np.sqrt(power) * np.float32(AMPLITUDE_GAIN))
        return np.clip(numbers, 1, np.iinfo(np.uint16).max).astype(np.uint16)
    if unit == "db":
        return np.float32(10) * np.log10(power)
    return power


def _footprint(window: Window, height: int, width: int, rim: int) -> NDArray[np.bool_]:
    """Return True inside a slanted, ragged quadrilateral that ends at most `rim` pixels within the scene's border."""
    rows = np.arange(window.row_off, window.row_off + window.height)[:, None]
    cols = np.arange(window.col_off, window.col_off + window.width)[None, :]
    down, right = rows / height, cols / width
    ragged_rows = value_noise(1, Window(window.row_off, 0, window.height, 1), 40) * 0.15
    ragged_cols = value_noise(2, Window(0, window.col_off, 1, window.width), 40) * 0.15
    left = rim * np.clip(0.15 + 0.7 * (1 - down) + ragged_rows, 0, 1)
    far = rim * np.clip(0.15 + 0.7 * down + ragged_rows, 0, 1)
    top = rim * np.clip(0.15 + 0.7 * right + ragged_cols, 0, 1)
    bottom = rim * np.clip(0.15 + 0.7 * (1 - right) + ragged_cols, 0, 1)
    inside: NDArray[np.bool_] = (cols >= left) & (cols < width - far) & (rows >= top) & (rows < height - bottom)
    return inside
