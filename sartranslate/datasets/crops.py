"""Pairs as shuffled, augmented batches in [-1, 1], of which any can be made again without those before it."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy import random
from numpy.typing import NDArray

from sartranslate.backscatter.radiometry import Float
from sartranslate.counts import counted
from sartranslate.datasets.pairs import Pair, PairSet
from sartranslate.errors import OptionError, PairsError
from sartranslate.recipes.augmentation import Augmentation
from sartranslate.streaming.prefetch import in_threads

CROP_TRIALS = 100
ORDER, CROP = 1, 2  # streams of random numbers; no zeros, which would not tell seeds apart
SEEDS = 2**31  # what fits into int32


class Batch(NamedTuple):
    """Crops of one update."""

    source: Float  # (N, size, size, bands) in [-1, 1]
    target: Float  # (N, size, size, 3) in [-1, 1]
    seeds: NDArray[np.int32]  # (N,) of what is drawn for each crop later, such as dropout


@dataclass(frozen=True)
class CropOptions:
    """How crops are drawn; raises `OptionError` for a value out of range."""

    size: int = 256  # pixels, both sides
    batch_size: int = 1
    augmentation: Augmentation = field(default_factory=Augmentation)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.size < 1:
            raise OptionError(f"crop {self.size}: expected at least 1 pixel")
        if self.batch_size < 1:
            raise OptionError(f"batch size {self.batch_size}: expected at least 1")
        if not 0 <= self.seed < 2**32:
            raise OptionError(f"seed {self.seed}: expected 0 to {2**32 - 1}")


class Crops:
    """Random square crops of all pairs: an epoch visits each tile as often as crops fit into its area, once at least.

    Every batch is a function of the pairs, the options, the epoch and its place in it.
    """

    def __init__(self, pairs: PairSet, options: CropOptions) -> None:
        """Raises `PairsError` when a tile is too small for a crop or an epoch has no full batch.

        Raises `OptionError` for speckle or gain of images, which have no decibels.
        """
        self._options = options
        least = options.augmentation.least_side(options.size)
        self._visits: list[Pair] = []
        for pair in pairs.pairs:
            if min(pair.height, pair.width) < least:
                raise PairsError(
                    f"{pair.source.path}: {pair.height} x {pair.width} pixels, expected at least {least} x {least}"
                )
            if options.augmentation.needs_decibels and pair.scaling.decibels is None:
                raise OptionError(f"speckle and gain are of radar images, expected none for {pair.source.path}")
            self._visits += [pair] * max(pair.height * pair.width // options.size**2, 1)
        if options.batch_size > len(self._visits):
            raise PairsError(
                f"{counted(len(self._visits), 'crop')} of {options.size} pixels, expected at least a batch of "
                f"{options.batch_size}"
            )

    @property
    def batches_per_epoch(self) -> int:
        return len(self._visits) // self._options.batch_size

    def epoch(
        self, number: int, first_batch: int = 0, share: tuple[int, int] = (0, 1), threads: int = 1
    ) -> Generator[Batch, None, None]:
        """The full batches of an epoch from the given one on, counted from 0; the same for any way to get there.

        Of each batch a share: which one of how many equal parts, from 0. Only what belongs to it is read. As many
        batches are made at once as there are threads.
        """
        order = self._rng(ORDER, number, 0).permutation(len(self._visits))
        size, (part, parts) = self._options.batch_size, share
        own = size // parts

        def batch(first: int) -> Batch:
            places = range(first, first + own)
            crops = [self._crop(order[place], self._rng(CROP, number, place)) for place in places]
            sources, targets, seeds = zip(*crops, strict=True)
            return Batch(np.stack(sources), np.stack(targets), np.array(seeds, np.int32))

        firsts = range(first_batch * size + part * own, self.batches_per_epoch * size, size)
        return in_threads(batch, firsts, threads)

    def _rng(self, stream: int, epoch: int, place: int) -> random.Generator:
        return random.default_rng((stream, self._options.seed, epoch, place))

    def _crop(self, index: int, rng: random.Generator) -> tuple[Float, Float, int]:
        """Source, target and seed of a crop of the given tile or, where that has no valid pixel, of another one."""
        options, seed = self._options, int(rng.integers(SEEDS))
        for _ in range(CROP_TRIALS):
            pair = self._visits[index]
            draw = options.augmentation.draw(rng, pair.height, pair.width, options.size)
            patches = pair.read(draw.window)
            if patches.mask.any():
                crop = options.augmentation.apply(patches, draw, rng, pair.scaling.decibels)
                return crop.source, crop.target, seed
            index = int(rng.integers(len(self._visits)))
        raise PairsError(f"no valid pixel in {CROP_TRIALS} random crops of {options.size} pixels")
