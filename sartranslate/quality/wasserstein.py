"""Sliced Wasserstein distance of sets of images: how alike their local structures are, whatever lies where."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from sartranslate.backscatter.radiometry import Float
from sartranslate.errors import OptionError
from sartranslate.quality.metrics import Values, image_pairs, unit_vectors
from sartranslate.quality.pyramid import COARSEST, pyramid

PATCH = 7  # pixels
PATCHES, PROJECTIONS = 128, 512  # of an image at a level, and directions
ROUNDING = 12**-0.5  # levels, deviation that rounding leaves in the detail of flat images, not to be blown up
BLOCK = 128  # projections sorted at a time, so that memory stays bounded
STEPS = 256  # of distribution functions of resampled sets

Index = NDArray[np.intp]


class SlicedWasserstein(NamedTuple):
    """Distances of two sets of images level by level, in standard deviations of the true set at that level."""

    levels: tuple[float, ...]  # of the finest detail first, of the images made small last

    @property
    def mean(self) -> float:
        return math.fsum(self.levels) / len(self.levels)


def sliced_wasserstein(
    generated: ArrayLike,
    truth: ArrayLike,
    rng: np.random.Generator,
    *,
    patches: int = PATCHES,
    projections: int = PROJECTIONS,
) -> SlicedWasserstein:
    """Distance between the local structures of two sets of as many images, scale by scale: 0 for equal sets.

    Karras et al. 2018 (ICLR, section 5): from each level of the Laplacian pyramids `patches` of 7 x 7 pixels per
    image are projected on `projections` random directions, and the sorted projections compared. Unlike there, both sets
    are divided by the deviations of the true one's channels, since sets normalised each by its own mean and deviation
    show no loss of detail, contrast or tint; and patches lie at the same places in both. So values are not those of
    papers, and exchanging the sets changes them. Images are as those of `metrics`. Raises `OptionError` for a count
    below 1.
    """
    if patches < 1 or projections < 1:
        raise OptionError(f"{patches} patches, {projections} projections: expected at least 1 of each")
    pairs = (np.concatenate([fake, real], axis=-1) for fake, real, _ in image_pairs(generated, truth, None, COARSEST))
    found = [patches_by_level(pair.astype(np.float32), patches, rng) for pair in pairs]
    halves = [np.split(np.concatenate(level), 2, axis=1) for level in zip(*found, strict=True)]
    return SlicedWasserstein(tuple(distance(fake, real, projections, rng) for fake, real in halves))


def patches_by_level(image: Float, count: int, rng: np.random.Generator) -> list[Float]:
    """(count, C, 7, 7) patches at random places of each level of the pyramid of (H, W, C); the same in all channels."""
    return [_cut(band, count, rng) for band in pyramid(image)]


def distance(fake: Float, real: Float, projections: int, rng: np.random.Generator) -> float:
    """Mean distance of the sorted projections of two sets of as many patches (N, C, 7, 7), of one level."""
    lines = _lines(fake, real, projections, rng)
    gaps = [np.abs(np.sort(here) - np.sort(there)).sum(dtype=np.float64) for here, there in lines]
    return math.fsum(gaps) / (projections * len(fake))


def resampled_distances(
    fake: Float, real: Float, tiles: Index, counts: Values, projections: int, rng: np.random.Generator
) -> Values:
    """(R,) the same distance of R resamples, in each of which tile t counts `counts[r, t]` times; nearly exact.

    `tiles` (N,) says which tile a patch comes from. The Wasserstein distance on a line is the area between two
    distribution functions (Vallender 1974, Theory Probab. Appl. 18(4) 784-786). Those of a resample are weighted
    means of those of its tiles, so that projections are made and sorted into steps once, whatever R.
    """
    areas = np.zeros(len(counts))
    for lines in _lines(fake, real, projections, rng):
        for here, there in zip(*lines, strict=True):
            areas += _areas(here, there, tiles, counts)
    return areas / projections


def _cut(band: Float, count: int, rng: np.random.Generator) -> Float:
    rows, cols = (rng.integers(side - PATCH + 1, size=count) for side in band.shape[:2])
    return np.asarray(sliding_window_view(band, (PATCH, PATCH), axis=(0, 1))[rows, cols])


def _lines(fake: Float, real: Float, projections: int, rng: np.random.Generator) -> Iterator[tuple[Float, Float]]:
    """Projections (directions, N) of both sets, block by block, in deviations of the true one."""
    deviation = np.maximum(real.std(axis=(0, 2, 3), keepdims=True, dtype=np.float64), ROUNDING)
    sets = [(half / deviation).astype(np.float32).reshape(len(half), -1).T for half in (fake, real)]
    directions = unit_vectors(rng.standard_normal((projections, len(sets[0])))).astype(np.float32)
    for block in np.split(directions, range(BLOCK, projections, BLOCK)):
        yield block @ sets[0], block @ sets[1]


def _areas(fake: Float, real: Float, tiles: Index, counts: Values) -> Values:
    """(R,) between the distribution functions of values on a line (N,), for the counts of tiles of each resample."""
    steps = np.unique(np.quantile(np.concatenate([fake, real]), np.linspace(0, 1, STEPS)))
    gaps = _cumulated(fake, tiles, steps, counts.shape[1]) - _cumulated(real, tiles, steps, counts.shape[1])
    heights = np.abs(counts.astype(np.float32) @ gaps.astype(np.float32))
    patches = counts @ np.bincount(tiles, minlength=counts.shape[1])
    return np.asarray((heights[:, 1:] + heights[:, :-1]) / 2 @ np.diff(steps) / patches)


def _cumulated(values: Float, tiles: Index, steps: NDArray[Any], count: int) -> Index:
    """(tiles, steps) how many values of each tile are at most a step."""
    places = np.minimum(np.searchsorted(steps, values), len(steps) - 1)
    found = np.bincount(tiles * len(steps) + places, minlength=count * len(steps))
    return np.asarray(found.reshape(count, len(steps)).cumsum(axis=1))
