"""Folders of pairs as images to score: each tile translated as `infer` translates a scene, then cut up."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sartranslate.backscatter.radiometry import Float, Mask, to_rgb
from sartranslate.backscatter.scaling import SceneScaling
from sartranslate.datasets.dataset import open_pairs
from sartranslate.datasets.ground_check import ground_cells
from sartranslate.datasets.pair_check import PairOptions
from sartranslate.datasets.pairs import Pair, PairFolder, PairSet
from sartranslate.datasets.split import SPLITS
from sartranslate.datasets.tiles import TRAINING, find_tiles
from sartranslate.errors import PairsError
from sartranslate.quality.scoring import SIZE, Picture, Place, Sample
from sartranslate.quality.seams import SeamSums, TranslatedRegion
from sartranslate.scenes.stretch import to_bytes
from sartranslate.streaming.sliding import Generator, Patch, slide
from sartranslate.streaming.windows import Window, WindowGrid


class EvaluatedPairs(NamedTuple):
    """Pairs to score, none of them held in memory, and which split of each folder they are."""

    pairs: PairSet
    splits: tuple[str, ...]  # one for each folder: of SPLITS, or "" for a folder without splits

    @property
    def seen_in_training(self) -> bool:
        """Whether a model may have been trained on some of them, as far as the folders tell."""
        return bool({TRAINING, ""} & set(self.splits))


@dataclass(frozen=True)
class Translation:
    """How a tile is translated, as `infer` does it. Raises `OptionError` for windows that can not be."""

    generator: Generator
    window: int = 256  # pixels, both sides
    overlap: int = 64  # pixels shared by neighbouring windows
    batch_size: int = 8  # windows in a call
    concurrency: int = 1  # calls at once

    def __post_init__(self) -> None:
        WindowGrid(1, 1, self.window, self.overlap)


def open_evaluated(
    folders: Sequence[Path], split: str | None = None, options: PairOptions | None = None
) -> EvaluatedPairs:
    """The pairs of a split of each folder: of `split`, or of its test part, else of its validation part, else all.

    Tiles that know of no scene are scaled, and images other than bytes stretched, as those of the folder's training
    part if it has one. Raises `PairsError` for a folder without such pairs, and as `open_pairs`.
    """
    options = replace(options or PairOptions(), memory=0)
    chosen = [_split_of(folder, split) for folder in folders]
    opened = [_open(folder, name, options) for folder, name in zip(folders, chosen, strict=True)]
    return EvaluatedPairs(PairSet(tuple(opened)), tuple(chosen))


class TileImages:
    """The images of tiles: windows side by side, the last one of a row or column moved back to the edge.

    A tile smaller than that is one image. Tiles are read anew for each pass and held one at a time.
    """

    def __init__(self, pairs: PairSet, translation: Translation) -> None:
        self._pairs, self._translation = pairs.pairs, translation
        self._seams: dict[int, SeamSums] = {}
        names = _names(self._pairs)
        cells = ground_cells(self._pairs)
        self._places = [list(_cut(*each)) for each in zip(names, cells, self._pairs, strict=True)]

    @property
    def places(self) -> list[Place]:
        return [place for tile in self._places for place in tile]

    def samples(self) -> Iterator[Sample]:
        """All images."""
        for places, pair in zip(self._places, self._pairs, strict=True):
            tile = _Tile.of(pair)
            yield from (tile.sample(place) for place in places)

    def translated(self, wanted: Collection[str] | None = None) -> Iterator[tuple[Sample, Picture]]:
        """All images, or those of such names, with the predictions (H, W, 3)."""
        for number, (places, pair) in enumerate(zip(self._places, self._pairs, strict=True)):
            chosen = [place for place in places if wanted is None or place.name in wanted]
            if chosen:
                tile = _Tile.of(pair)
                prediction = self._translated(tile)
                self._look_for_seams(number, prediction, tile.seen)
                yield from ((tile.sample(place), prediction[place.window.rows, place.window.cols]) for place in chosen)

    def seams(self) -> Mapping[int, SeamSums]:
        """Of the tiles larger than a window that have been translated, by number."""
        return self._seams

    def _translated(self, tile: _Tile) -> Picture:
        asked = self._translation
        height, width = tile.seen.shape
        grid = WindowGrid(height, width, asked.window, asked.overlap)
        size = min(asked.batch_size, len(grid))  # no more, since batches are filled up
        strips = slide(tile.patches(grid), asked.generator, grid, batch_size=size, concurrency=asked.concurrency)
        return to_rgb(np.concatenate([strip.values for strip in strips]))

    def _look_for_seams(self, number: int, prediction: Picture, seen: Mask) -> None:
        height, width = seen.shape
        grid = WindowGrid(height, width, self._translation.window, self._translation.overlap)
        borders = TranslatedRegion.whole(grid).borders
        if borders.any:
            self._seams[number] = SeamSums(borders)
            self._seams[number].add(prediction, seen)


class _Tile(NamedTuple):
    """A pair, read."""

    scaling: SceneScaling
    scaled: Float  # (H, W, bands), not filled where it is invalid
    seen: Mask  # where the SAR is valid
    truth: Picture
    mask: Mask  # where both are

    @classmethod
    def of(cls, pair: Pair) -> _Tile:
        whole = Window(0, 0, pair.height, pair.width)
        (values, seen), (target, shown) = pair.source.read(whole), pair.target.read(whole)
        scaled = pair.scaling.scaled(values, seen)
        return cls(pair.scaling, scaled, seen, to_bytes(target, pair.stretch), seen & shown)

    def patches(self, grid: WindowGrid) -> Iterator[Patch]:
        for window in grid:
            seen = self.seen[window.rows, window.cols]
            yield Patch(window, self.scaling.filled(self.scaled[window.rows, window.cols], seen), seen)

    def sample(self, place: Place) -> Sample:
        part = place.window.rows, place.window.cols
        source = self.scaling.filled(self.scaled[part], self.seen[part])
        return Sample(place, self.truth[part], self.mask[part], source)


def _split_of(folder: Path, split: str | None) -> str:
    """That to be scored; raises `PairsError` where it is asked for and there is no such tile."""
    if split is None:
        return next((name for name in reversed(SPLITS) if _has(folder, name)), "")
    if not _has(folder, split):
        there = " and ".join(name for name in SPLITS if (folder / name).is_dir())
        raise PairsError(f"{folder}: {f'only {there}' if there else 'no splits'}, expected tiles in {split}/")
    return split


def _has(folder: Path, split: str) -> bool:
    return (folder / split).is_dir() and find_tiles(folder, split).count > 0


def _open(folder: Path, split: str, options: PairOptions) -> PairFolder:
    (opened,) = open_pairs([folder], split or TRAINING, options).folders
    if split in ("", TRAINING) or not (opened.shared or opened.stretch) or not _has_training(folder):
        return opened
    like = open_pairs([folder], TRAINING, options)
    return open_pairs([folder], split, options, like=like).folders[0]


def _has_training(folder: Path) -> bool:
    try:
        return find_tiles(folder, TRAINING).count > 0
    except PairsError:  # tiles of other splits alone
        return False


def _names(pairs: Sequence[Pair]) -> list[str]:
    """Stems of the files or, where several have the same one, whole paths."""
    stems = [pair.target.path.stem for pair in pairs]
    return stems if len(set(stems)) == len(stems) else [str(pair.target.path) for pair in pairs]


def _cut(name: str, cell: int, pair: Pair) -> Iterator[Place]:
    grid = WindowGrid(pair.height, pair.width, SIZE, 0)
    for window in grid:
        yield Place(name if len(grid) == 1 else f"{name}, row {window.row_off}, column {window.col_off}", cell, window)
