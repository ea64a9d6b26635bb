"""Pairs of tiles as shuffled, augmented batches in [-1, 1]."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator

from sartranslate import tiles
from sartranslate.errors import OptionError, PairsError, SceneError
from sartranslate.fill import fill_mirrored
from sartranslate.radiometry import Float, Radiometry, from_rgb
from sartranslate.raster import named_errors
from sartranslate.scaling import SceneScaling, SceneStatistics, resolve_scaling
from sartranslate.scene import Scene
from sartranslate.tiles import Pair
from sartranslate.windows import Window

CROP_TRIALS = 100


@dataclass(frozen=True)
class PairFolder:
    """The pairs of one folder, each with the scaling of its scene; tiles that know of none share one."""

    path: Path
    pairs: tuple[Pair, ...]
    scalings: tuple[SceneScaling, ...]  # pair by pair

    def describe(self) -> list[str]:
        """One line for people for each scaling."""
        counts = Counter(self.scalings)
        return [f"{self.path}: {count} pairs: {scaling.describe()}" for scaling, count in counts.items()]


@dataclass(frozen=True)
class Batch:
    """Network input and truth: (N, size, size, bands) and (N, size, size, 3), float32 in [-1, 1]."""

    source: Float
    target: Float


def open_folder(path: Path, radiometry: Radiometry, unit: str | None = None) -> PairFolder:
    """Find and check the pairs in `path` and resolve their scaling.

    Raises `PairsError` or `SceneError` for unusable tiles.
    """
    pairs = tiles.find_pairs(path, radiometry.bands)
    try:
        scalings = _scalings(pairs, radiometry, unit)
    except SceneError as error:
        raise PairsError(f"{path}: {error}") from error
    return PairFolder(path, tuple(pairs), scalings)


def _scalings(pairs: Sequence[Pair], radiometry: Radiometry, unit: str | None) -> tuple[SceneScaling, ...]:
    """Of the scene that a tile was cut out of where it says so; of the loose tiles together otherwise."""
    known = [None if unit else _scene_scaling(pair.sar, radiometry) for pair in pairs]
    loose = [pair for pair, scaling in zip(pairs, known, strict=True) if scaling is None]
    if not loose:
        return tuple(scaling for scaling in known if scaling)
    shared = resolve_scaling(radiometry, tiles.sample(loose), unit)
    return tuple(scaling or shared for scaling in known)


def _scene_scaling(tile: Scene, radiometry: Radiometry) -> SceneScaling | None:
    if tile.statistics is None:
        return None
    with named_errors(tile.path):
        statistics = SceneStatistics.from_json(tile.statistics)
        return statistics.resolve(radiometry, [band.number for band in tile.bands])


class Crops:
    """Random square crops of all pairs: an epoch visits each tile as often as crops fit into its area."""

    def __init__(self, folders: Sequence[PairFolder], size: int, batch_size: int) -> None:
        """Raises `PairsError` when a tile is smaller than a crop or an epoch has no full batch."""
        self._size = size
        self.batch_size = batch_size
        self._visits: list[tuple[Pair, SceneScaling]] = []
        for folder in folders:
            for pair, scaling in zip(folder.pairs, folder.scalings, strict=True):
                if min(pair.height, pair.width) < size:
                    raise PairsError(
                        f"{pair.sar.path}: {pair.height} x {pair.width} pixels, expected at least {size} x {size}"
                    )
                visits = pair.height * pair.width // size**2
                self._visits += [(pair, scaling)] * visits
        if batch_size < 1:
            raise OptionError(f"batch size {batch_size}: expected at least 1")
        if batch_size > len(self._visits):
            raise PairsError(f"{len(self._visits)} crops of {size} pixels are less than a batch of {batch_size}")

    @property
    def batches_per_epoch(self) -> int:
        return len(self._visits) // self.batch_size

    def epoch(self, rng: Generator) -> Iterator[Batch]:
        """Full batches in random order; the same draw of place, mirror and turn for both sides."""
        order = rng.permutation(len(self._visits))
        for first in range(0, self.batches_per_epoch * self.batch_size, self.batch_size):
            crops = [self._crop(index, rng) for index in order[first : first + self.batch_size]]
            yield Batch(*(np.stack(side) for side in zip(*crops, strict=True)))

    def _crop(self, index: int, rng: Generator) -> tuple[Float, Float]:
        """A crop of the given tile or, where that has no valid pixel, of another one."""
        for _ in range(CROP_TRIALS):
            pair, scaling = self._visits[index]
            row_off = int(rng.integers(pair.height - self._size + 1))
            col_off = int(rng.integers(pair.width - self._size + 1))
            sar, rgb, mask = tiles.read_pair(pair, Window(row_off, col_off, self._size, self._size))
            if mask.any():
                turns, mirror = int(rng.integers(4)), bool(rng.integers(2))
                # Where one side is invalid both are mirrored alike, so that they still show the same ground.
                target = fill_mirrored(from_rgb(rgb), mask)
                return _turn(scaling.apply(sar, mask), turns, mirror), _turn(target, turns, mirror)
            index = int(rng.integers(len(self._visits)))
        raise PairsError(f"no valid pixel in {CROP_TRIALS} random crops of {self._size} pixels")


def _turn(patch: Float, turns: int, mirror: bool) -> Float:
    turned = np.rot90(patch, turns)
    return turned[:, ::-1] if mirror else turned
