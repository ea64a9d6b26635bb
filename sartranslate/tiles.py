"""Folders of paired tiles: find, pair, check and read.

A folder holds `sar/` and `optical/` with the same stems; GeoTIFF, PNG or JPEG, any size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError

from sartranslate.errors import PairsError
from sartranslate.radiometry import Mask, valid_mask
from sartranslate.scene import quiet_georeference, read_window
from sartranslate.windows import Window

SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg")
SAMPLED_TILES = 256  # of a folder, evenly spread, for its statistics
SAMPLED_PIXELS = 65_536  # of each of them


@dataclass(frozen=True)
class Pair:
    """A SAR tile and an optical tile of the same ground."""

    sar: Path
    optical: Path
    height: int  # pixels
    width: int  # pixels
    bands: int  # of the SAR tile
    nodata: tuple[float | None, ...]  # of the SAR tile, band by band


def find_pairs(folder: Path) -> list[Pair]:
    """All pairs below `folder`, by name. Raises `PairsError` for a tile without partner or of other size."""
    sar, optical = _tiles(folder / "sar"), _tiles(folder / "optical")
    if lonely := sorted(sar.keys() ^ optical.keys()):
        here, there = ("sar", "optical") if lonely[0] in sar else ("optical", "sar")
        raise PairsError(
            f"{folder}: {len(lonely)} of {len(sar | optical)} tiles have no partner, "
            f"the first one is {here}/{lonely[0]}, which {there}/ lacks"
        )
    if not sar:
        raise PairsError(f"{folder}: no tiles, expected sar/NAME and optical/NAME as {', '.join(SUFFIXES)}")
    pairs = [_check(sar[stem], optical[stem]) for stem in sorted(sar)]
    for pair in pairs:
        if pair.bands != pairs[0].bands:
            raise PairsError(f"{pair.sar}: {pair.bands} bands, {pairs[0].sar.name} has {pairs[0].bands}")
    return pairs


def read_pair(pair: Pair, window: Window) -> tuple[NDArray[Any], Mask, NDArray[np.uint8]]:
    """SAR (H, W, bands) in its own unit, its validity (H, W), and RGB (H, W, 3) uint8 of one window."""
    sar = _read(pair.sar, window)
    return sar, valid_mask(sar, pair.nodata), _read(pair.optical, window)


def sample(pairs: Sequence[Pair]) -> NDArray[Any]:
    """(N, bands) valid SAR values, evenly spread rows of evenly spread tiles in scan order, for statistics."""
    chosen = pairs[:: -(-len(pairs) // SAMPLED_TILES)]
    return np.concatenate([_sample_tile(pair) for pair in chosen])


def _sample_tile(pair: Pair) -> NDArray[Any]:
    step = -(-pair.height * pair.width // SAMPLED_PIXELS)
    rows = _read(pair.sar, Window(0, 0, pair.height, pair.width))[::step]
    return rows[valid_mask(rows, pair.nodata)]


def _tiles(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise PairsError(f"{folder}: no such folder, expected tiles in it")
    tiles: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in SUFFIXES:
            if path.stem in tiles:
                raise PairsError(f"{path}: {tiles[path.stem].name} has the same stem")
            tiles[path.stem] = path
    return tiles


def _check(sar_path: Path, optical_path: Path) -> Pair:
    try:
        with quiet_georeference(), rasterio.open(sar_path) as sar, rasterio.open(optical_path) as optical:
            if sar.shape != optical.shape:
                raise PairsError(
                    f"{optical_path}: {optical.height} x {optical.width} pixels, "
                    f"its SAR tile {sar.height} x {sar.width}"
                )
            if optical.count < 3 or optical.dtypes[0] != "uint8":
                raise PairsError(f"{optical_path}: {optical.count} bands of {optical.dtypes[0]}, expected RGB uint8")
            if sar.crs != optical.crs or not sar.transform.almost_equals(optical.transform, 1e-3):
                raise PairsError(f"{optical_path}: lies on other ground than its SAR tile")
            if "complex" in sar.dtypes[0]:
                raise PairsError(f"{sar_path}: complex values ({sar.dtypes[0]}), expected amplitude, power or dB")
            return Pair(sar_path, optical_path, sar.height, sar.width, sar.count, sar.nodatavals)
    except RasterioError as error:
        raise PairsError(f"{sar_path}: this tile or its partner can not be read: {error}") from error


def _read(path: Path, window: Window) -> NDArray[Any]:
    try:
        with quiet_georeference(), rasterio.open(path) as dataset:
            return read_window(dataset, window)
    except RasterioError as error:
        raise PairsError(f"{path}: can not be read: {error}") from error
