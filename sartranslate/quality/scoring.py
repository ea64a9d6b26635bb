"""Images scored one by one, and what all of them say of each way to make pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sartranslate.backscatter.fill import fill_mirrored
from sartranslate.backscatter.radiometry import Float, Mask, to_rgb
from sartranslate.counts import counted
from sartranslate.quality import metrics
from sartranslate.quality.bootstrap import Resamples, interval
from sartranslate.quality.pyramid import COARSEST, detail_energy
from sartranslate.quality.scores import METRICS, ImageScores, Score
from sartranslate.quality.wasserstein import PATCHES, PROJECTIONS, distance, patches_by_level, resampled_distances
from sartranslate.streaming.windows import Window

SIZE = 256  # pixels, both sides of an image; tiles are cut into as many
MEANS = ("psnr", "ssim", "mae", "spectral_angle")
MOST_PATCHES = 2**14  # of a set at a level, about, so that memory stays bounded
SET_RESAMPLES, SET_PROJECTIONS = 200, 32  # for the interval of the sliced Wasserstein distance
FEW_TILES = 10

Picture = NDArray[np.uint8]


class Place(NamedTuple):
    """An image that is scored, the unit that scores are averaged over."""

    name: str  # there is none other of this name
    tile: int  # that it lies in, or cell of ground where several tiles show the same
    window: Window  # in its tile

    @property
    def size(self) -> tuple[int, int]:
        return self.window.height, self.window.width


class Sample(NamedTuple):
    """The pixels of an image."""

    place: Place
    truth: Picture  # (H, W, 3)
    mask: Mask  # (H, W), valid on all sides
    source: Float | None  # (H, W, bands) in [-1, 1], the SAR as a generator sees it; None: not known

    @property
    def grey(self) -> Picture | None:
        """The first channel of the SAR in levels, (H, W)."""
        return None if self.source is None else to_rgb(self.source[..., 0])

    @property
    def says_something(self) -> bool:
        """Whether some of what is valid lies in one piece, as structural similarity needs."""
        return min(self.mask.shape) >= metrics.WINDOW and bool(metrics.whole_windows(self.mask).any())


class _Measured(NamedTuple):
    """Of one picture beside the truth."""

    psnr: float
    ssim: float
    mae: float
    spectral_angle: float
    detail: float  # energy of the finest
    true_detail: float
    copied: float  # mean difference from the SAR, levels; NaN without SAR

    @classmethod
    def of(cls, picture: NDArray[Any], sample: Sample, detail: float, true_detail: float) -> _Measured:
        pixels = picture, sample.truth, sample.mask
        return cls(
            metrics.psnr(*pixels),
            metrics.ssim(*pixels),
            metrics.mae(*pixels),
            metrics.spectral_angle(*pixels),
            detail,
            true_detail,
            _copied(picture, sample),
        )

    @property
    def ratios(self) -> dict[str, tuple[float, float]]:
        """Scores that are a quotient of sums over images."""
        found = {"high_frequency_ratio": (self.detail, self.true_detail), "identity_collapse": (self.copied, self.mae)}
        return {name: parts for name, parts in found.items() if not np.isnan(parts).any()}


class Scoring:
    """Takes images with the pictures that each method made of them; holds numbers, and patches of a bounded number."""

    def __init__(self, places: Sequence[Place], seed: int = 0) -> None:
        """`places` are the images that are to come, of which some may stay away."""
        self.set_size, self._set_images = largest_set([place.size for place in places])
        self._sets = _Sets(self._set_images, seed) if min(self.set_size) >= COARSEST else None
        self._rows: dict[str, list[_Measured]] = {}
        self._places: list[Place] = []
        self._seed = seed

    def add(self, sample: Sample, pictures: Mapping[str, NDArray[Any]]) -> Float:
        """Score an image (H, W, 3) of each method in levels, invalid pixels left out.

        Returns (H, W, 3 x (methods + 1)) the pictures in their order and the truth, where they are invalid continued by
        their mirror image.
        """
        stack = np.concatenate([*pictures.values(), sample.truth], axis=-1).astype(np.float32)
        filled = fill_mirrored(stack, sample.mask)
        *energies, true_energy = detail_energy(filled, sample.mask).reshape(-1, 3).sum(axis=1).tolist()
        for (name, picture), energy in zip(pictures.items(), energies, strict=True):
            self._rows.setdefault(name, []).append(_Measured.of(picture, sample, energy, true_energy))
        if self._sets and sample.place.size == self.set_size:
            self._sets.add(sample.place.tile, filled)
        self._places.append(sample.place)
        return filled

    def describe(self) -> str:
        """How many images there are, and how large."""
        height, width = self.set_size
        same = all(place.size == self.set_size for place in self._places)
        return f"{len(self._places)}{'' if same else ', most'} of {height} x {width} pixels"

    def resamples(self) -> Resamples:
        """Draws of the tiles of all images so far."""
        return Resamples([place.tile for place in self._places], self._seed)

    def scores(self, name: str) -> dict[str, Score]:
        """Of one of the methods, by names of METRICS, in their order."""
        rows, resamples = self._rows[name], self.resamples()
        found = {metric: resamples.mean([getattr(row, metric) for row in rows]) for metric in MEANS}
        for metric in rows[0].ratios:
            found[metric] = resamples.ratio(*zip(*(row.ratios[metric] for row in rows), strict=True))
        if self._sets and self._sets.tiles:
            found["sliced_wasserstein"] = self._sets.score(list(self._rows).index(name))
        return {metric: found[metric] for metric in METRICS if metric in found}

    def images(self, name: str) -> tuple[ImageScores, ...]:
        """The scores of one of the methods image by image."""
        return tuple(
            ImageScores(
                place.name,
                {metric: getattr(row, metric) for metric in MEANS}
                | {metric: metrics.ratio(*parts) for metric, parts in row.ratios.items()},
            )
            for place, row in zip(self._places, self._rows[name], strict=True)
        )

    def notes(self, planned: int) -> Iterator[str]:
        """What a reader of the scores must know of the images that they come from."""
        tiles = len({place.tile for place in self._places})
        if tiles == 1:
            yield "All images lie in a single tile and are not independent of each other: scores have no interval."
        elif tiles < FEW_TILES:
            yield f"Intervals come from {tiles} tiles only: they are rough."
        if left_out := planned - len(self._places):
            few = f"have no {metrics.WINDOW} x {metrics.WINDOW} valid pixels in one piece"
            yield f"{left_out} of {planned} images {few} and are left out."
        if not (self._sets and self._sets.tiles):
            yield f"Sliced Wasserstein distance: expected images of at least {COARSEST} x {COARSEST} pixels."
        elif len(self._sets.tiles) < len(self._places):
            size = " x ".join(map(str, self.set_size))
            yield (
                f"Sliced Wasserstein distance: of {counted(len(self._sets.tiles), 'image')} of {size} pixels, "
                "since a set has one size."
            )


class _Sets:
    """Patches of the pictures of all methods and of the truth at the same places, level by level."""

    def __init__(self, images: int, seed: int) -> None:
        self.tiles: list[int] = []  # image by image
        self._patches = min(PATCHES, max(1, MOST_PATCHES // images))  # of an image at a level
        self._seed = seed
        self._rng = np.random.default_rng([seed, 0])
        self._levels: list[list[Float]] = []  # image by image

    def add(self, tile: int, filled: Float) -> None:
        self.tiles.append(tile)
        self._levels.append(patches_by_level(filled, self._patches, self._rng))

    def score(self, method: int) -> Score:
        """The mean over the levels, in an interval as wide, in proportion, as that of resamples around their mean.

        Sets in which tiles are repeated are less alike than the set itself, so that their distances lie above its own;
        and resamples are of fewer projections. Both cancel out so.
        """
        values, resampled = [], []
        resamples = Resamples(self.tiles, self._seed)
        counts = resamples.counts[1 : 1 + SET_RESAMPLES]
        tiles = np.repeat(resamples.indexes, self._patches)
        for level in zip(*self._levels, strict=True):
            fake, real = (np.concatenate([image[:, first:][:, :3] for image in level]) for first in (3 * method, -3))
            values.append(distance(fake, real, PROJECTIONS, np.random.default_rng([self._seed, 1])))
            if len(counts):
                rng = np.random.default_rng([self._seed, 2])
                resampled.append(resampled_distances(fake, real, tiles, counts, SET_PROJECTIONS, rng))
        value, spread = float(np.mean(values)), np.mean(resampled, axis=0) if resampled else np.empty(0)
        around = spread / spread.mean() if spread.any() else np.ones_like(spread)
        return interval(value * np.concatenate([[1], around]))


def largest_set(sizes: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], int]:
    """The size (H, W) that most images have, of several such sizes the largest, and how many have it."""
    return max(Counter(sizes).items(), key=lambda found: (found[1], found[0]))


def _copied(picture: NDArray[Any], sample: Sample) -> float:
    """Its distance from what the generator saw: the nearest band in all colours, or three as colours."""
    if sample.source is None:
        return float("nan")
    seen = to_rgb(sample.source)
    copies = [*np.split(seen, seen.shape[-1], axis=-1), *([seen] if seen.shape == picture.shape else [])]
    return min(metrics.mae(picture, np.broadcast_to(copy, picture.shape), sample.mask) for copy in copies)
