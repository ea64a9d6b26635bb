"""Pairs of tiles as shuffled, augmented batches in [-1, 1]."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator

from sartranslate import tiles
from sartranslate.errors import OptionError, PairsError, SceneError
from sartranslate.radiometry import Float, Radiometry, from_rgb
from sartranslate.scaling import SceneScaling, resolve_scaling
from sartranslate.tiles import Pair
from sartranslate.windows import Window

CROP_TRIALS = 100


@dataclass(frozen=True)
class PairFolder:
    """The pairs of one folder; their values are scaled together, as those of one scene."""

    path: Path
    pairs: tuple[Pair, ...]
    scaling: SceneScaling


@dataclass(frozen=True)
class Batch:
    """Network input and truth: (N, size, size, bands) and (N, size, size, 3), float32 in [-1, 1]."""

    source: Float
    target: Float


def open_folder(path: Path, radiometry: Radiometry, unit: str | None = None) -> PairFolder:
    """Find and check the pairs in `path` and resolve the scaling they share.

    Raises `PairsError` or `SceneError` for unusable tiles.
    """
    pairs = tiles.find_pairs(path, radiometry.bands)
    try:
        scaling = resolve_scaling(radiometry, tiles.sample(pairs), unit)
    except SceneError as error:
        raise PairsError(f"{path}: {error}") from error
    return PairFolder(path, tuple(pairs), scaling)


class Crops:
    """Random square crops of all pairs: an epoch visits each tile as often as crops fit into its area."""

    def __init__(self, folders: Sequence[PairFolder], size: int, batch_size: int) -> None:
        """Raises `PairsError` when a tile is smaller than a crop or an epoch has no full batch."""
        self._size = size
        self.batch_size = batch_size
        self._visits: list[tuple[Pair, SceneScaling]] = []
        for folder in folders:
            for pair in folder.pairs:
                if min(pair.height, pair.width) < size:
                    raise PairsError(
                        f"{pair.sar.path}: {pair.height} x {pair.width} pixels, expected at least {size} x {size}"
                    )
                visits = pair.height * pair.width // size**2
                self._visits += [(pair, folder.scaling)] * visits
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
            sar, mask, rgb = tiles.read_pair(pair, Window(row_off, col_off, self._size, self._size))
            if mask.any():
                turns, mirror = int(rng.integers(4)), bool(rng.integers(2))
                return _turn(scaling.apply(sar, mask), turns, mirror), _turn(from_rgb(rgb), turns, mirror)
            index = int(rng.integers(len(self._visits)))
        raise PairsError(f"no valid pixel in {CROP_TRIALS} random crops of {self._size} pixels")


def _turn(patch: Float, turns: int, mirror: bool) -> Float:
    turned = np.rot90(patch, turns)
    return turned[:, ::-1] if mirror else turned
