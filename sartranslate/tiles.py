"""Folders of paired tiles: find, pair, check and read.

A folder holds `sar/` and `optical/` with the same stems; GeoTIFF, PNG or JPEG, any size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sartranslate.errors import PairsError
from sartranslate.radiometry import Mask
from sartranslate.raster import opened_raster, read_window, to_rasterio
from sartranslate.reader import scene_reader
from sartranslate.scene import Scene, open_scene
from sartranslate.source import SceneOptions, shift
from sartranslate.split import SPLITS
from sartranslate.windows import Window

TRAINING = SPLITS[0]
SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg")
SAMPLED_TILES = 256  # of a folder, evenly spread, for its statistics
SAMPLED_PIXELS = 65_536  # of each of them
RGB_BANDS = (1, 2, 3)
SAME_GROUND = 0.1  # pixels that the corners of two tiles may be apart


@dataclass(frozen=True)
class Pair:
    """A SAR tile and an optical tile of the same ground."""

    sar: Scene  # with the bands that a model wants
    optical: Path

    @property
    def height(self) -> int:
        return self.sar.height

    @property
    def width(self) -> int:
        return self.sar.width


def find_pairs(folder: Path, wanted: Sequence[Sequence[str]]) -> list[Pair]:
    """All pairs below `folder`, by name; `wanted` lists the polarisations that each channel accepts.

    Of a folder that `pairs` has split, those for training. Raises `PairsError` for a tile without
    partner or of other size or place than it, and `SceneError` for a tile that can not be read or a
    SAR tile without the bands wanted.
    """
    if (folder / TRAINING / "sar").is_dir():
        folder = folder / TRAINING
    sar, optical = _tiles(folder / "sar"), _tiles(folder / "optical")
    if lonely := sorted(sar.keys() ^ optical.keys()):
        here, there = ("sar", "optical") if lonely[0] in sar else ("optical", "sar")
        raise PairsError(
            f"{folder}: {len(lonely)} of {len(sar | optical)} tiles have no partner, "
            f"the first one is {here}/{lonely[0]}, which {there}/ lacks"
        )
    if not sar:
        raise PairsError(f"{folder}: no tiles, expected sar/NAME and optical/NAME as {', '.join(SUFFIXES)}")
    return [_pair(sar[stem], optical[stem], wanted) for stem in sorted(sar)]


def read_pair(pair: Pair, window: Window) -> tuple[NDArray[Any], NDArray[np.uint8], Mask]:
    """SAR (H, W, channels) in its own unit, RGB (H, W, 3) uint8 of one window, and where both are valid (H, W)."""
    with scene_reader(pair.sar) as reader:
        sar, mask = reader.read(window)
    with opened_raster(pair.optical) as dataset:
        seen = dataset.dataset_mask(window=to_rasterio(window)) > 0
        return sar, read_window(dataset, window, RGB_BANDS), mask & seen


def sample(pairs: Sequence[Pair]) -> NDArray[Any]:
    """(N, channels) valid SAR values, evenly spread rows of evenly spread tiles in scan order, for statistics."""
    chosen = pairs[:: -(-len(pairs) // SAMPLED_TILES)]
    return np.concatenate([_sample_tile(pair) for pair in chosen])


def _sample_tile(pair: Pair) -> NDArray[Any]:
    step = -(-pair.height * pair.width // SAMPLED_PIXELS)
    with scene_reader(pair.sar) as reader:
        sar, mask = reader.read(Window(0, 0, pair.height, pair.width))
    return sar[::step][mask[::step]]


def _tiles(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        others = [split for split in SPLITS[1:] if (folder.parent / split / folder.name).is_dir()]
        found = f", only {' and '.join(others)}" if others else ""
        raise PairsError(f"{folder}: no such folder{found}, expected tiles in it")
    tiles: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in SUFFIXES and not path.name.startswith("."):
            if path.stem in tiles:
                raise PairsError(f"{path}: {tiles[path.stem].name} has the same stem")
            tiles[path.stem] = path
    return tiles


def _pair(sar_path: Path, optical_path: Path, wanted: Sequence[Sequence[str]]) -> Pair:
    sar = open_scene(sar_path, wanted, SceneOptions(allow_ungeoreferenced=True))
    with opened_raster(optical_path) as optical:
        if (sar.height, sar.width) != optical.shape:
            raise PairsError(
                f"{optical_path}: {optical.height} x {optical.width} pixels, its SAR tile {sar.height} x {sar.width}"
            )
        if optical.count < 3 or optical.dtypes[0] != "uint8":
            raise PairsError(f"{optical_path}: {optical.count} bands of {optical.dtypes[0]}, expected RGB uint8")
        placed = sar.crs is not None and optical.crs is not None  # a PNG knows of no place
        if placed and (
            sar.crs != optical.crs or shift(sar.transform, optical.transform, sar.height, sar.width) > SAME_GROUND
        ):
            raise PairsError(f"{optical_path}: lies on other ground than its SAR tile")
    return Pair(sar, optical_path)
