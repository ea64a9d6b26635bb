"""Folders of pairs, opened: found, checked as a whole, scaled, and held decoded as far as memory allows."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sartranslate.backscatter.distribution import resolve_scaling
from sartranslate.backscatter.radiometry import IMAGE, Radiometry
from sartranslate.backscatter.scaling import SceneScaling
from sartranslate.backscatter.units import guess_unit
from sartranslate.counts import counted
from sartranslate.datasets.pair_check import CheckedPair, PairOptions, check_pairs
from sartranslate.datasets.pairs import Pair, PairFolder, PairSet, scaled
from sartranslate.datasets.sides import is_coloured, open_image
from sartranslate.datasets.tiles import TRAINING, Fault, FoundTiles, PairFiles, find_tiles
from sartranslate.errors import PairsError, SceneError
from sartranslate.printable import printable
from sartranslate.scenes.stretch import Stretch, percentile_stretch

PEEKED = 8  # images of a folder, evenly spread, that say whether it shows colours
SCALED_BYTES = 4  # of a channel of the source in a pixel; a target takes three


def open_pairs(
    folders: Sequence[Path],
    split: str = TRAINING,
    options: PairOptions | None = None,
    *,
    like: PairSet | None = None,
    watch: Callable[[int, int], None] = lambda done, planned: None,
) -> PairSet:
    """Find, decode and scale the pairs of a split of all folders; a folder without splits is for training.

    Folders that `like` has too are scaled and stretched as there, and the memory that it takes counts. Raises one
    `PairsError` that lists all that is wrong with all folders, unless bad pairs are to be skipped and others are left.
    `watch` is told pairs decoded and in all.
    """
    options = options or PairOptions()
    found = [find_tiles(folder, split) for folder in folders]
    progress = _Progress(sum(len(tiles.pairs) for tiles in found), watch)
    room = _Room(options.memory - (like.held_bytes if like else 0))
    checked = [_checked(tiles, options, room, progress) for tiles in found]
    if refusals := [folder.refusal(options) for folder in checked if folder.is_refused(options)]:
        raise PairsError("\n".join(refusals))
    return PairSet(tuple(_opened(folder, options, like) for folder in checked))


def default_radiometry(folders: Sequence[Path], direction: str = "AtoB") -> Radiometry:
    """That of a picture where the sources of all folders are coloured images side by side, else that of one SAR band.

    Raises `PairsError` for a folder without training tiles.
    """
    options = PairOptions(direction=direction)
    coloured = [_shows_colours(find_tiles(folder), options) for folder in folders]
    return IMAGE if coloured and all(coloured) else Radiometry()


def _shows_colours(tiles: FoundTiles, options: PairOptions) -> bool:
    """Whether any of a few images has a coloured source; of those that can not be read others are told."""
    step = -(-tiles.count // PEEKED)
    return any(_has_coloured_source(files, options) for files in islice(tiles.pairs, 0, None, step))


def _has_coloured_source(files: PairFiles, options: PairOptions) -> bool:
    if not files.side_by_side:
        return False
    try:
        values, _ = open_image(files.source, options.halves(files)[0]).read_whole()
    except (SceneError, PairsError):
        return False
    return is_coloured(values)


@dataclass(frozen=True)
class _CheckedFolder:
    tiles: FoundTiles
    pairs: deque[CheckedPair]
    faults: list[Fault]
    bad: int  # pairs

    def is_refused(self, options: PairOptions) -> bool:
        return self.bad > 0 and not (options.skip_bad and self.pairs)

    def refusal(self, options: PairOptions) -> str:
        """How many pairs are bad, and a line for each file."""
        advice = "; --skip-bad leaves them out" if self.pairs and not options.skip_bad else ""
        first = f"{self.tiles.root}: {self.bad} of {counted(self.tiles.count, 'pair')} can not be used{advice}:"
        return "\n".join([first, *(f"  {self._name(fault)}: {fault.text}" for fault in self.faults)])

    def _name(self, fault: Fault) -> str:
        return printable(fault.path.relative_to(self.tiles.root).as_posix())


class _Progress:
    def __init__(self, planned: int, watch: Callable[[int, int], None]) -> None:
        self._done, self._planned, self._watch = 0, planned, watch

    def step(self) -> None:
        self._done += 1
        self._watch(self._done, self._planned)


class _Room:
    """Bytes of memory that are left for decoded tiles."""

    def __init__(self, left: int) -> None:
        self._left = left

    def kept(self, checked: CheckedPair) -> CheckedPair:
        """The pair, without its pixels where they find no room, be it as they are stored or as they are scaled."""
        if checked.pixels is None:
            return checked
        source, target, mask = checked.pixels
        pixel = SCALED_BYTES * source.shape[-1] + 3 + (not mask.all())
        needed = max(source.nbytes + target.nbytes + mask.nbytes, mask.size * pixel)
        if needed > self._left:
            return replace(checked, pixels=None)
        self._left -= needed
        return checked


def _checked(tiles: FoundTiles, options: PairOptions, room: _Room, progress: _Progress) -> _CheckedFolder:
    pairs, faults, bad = deque[CheckedPair](), list(tiles.faults), tiles.unpaired
    for result in check_pairs(tiles, options):
        if isinstance(result, CheckedPair):
            pairs.append(room.kept(result))
        else:
            bad += 1
            faults += result
        progress.step()
    return _CheckedFolder(tiles, pairs, faults, bad)


def _opened(folder: _CheckedFolder, options: PairOptions, like: PairSet | None) -> PairFolder:
    known = like and like.folder(folder.tiles.folder)
    try:
        shared = _shared_scaling(folder.pairs, options, known.shared if known else None)
        usual = known.stretch if known else like and like.stretch_of({pair.target.dtype for pair in folder.pairs})
        stretch = _stretch(folder.pairs, usual or None)
    except SceneError as error:
        raise PairsError(f"{folder.tiles.folder}: {error}") from error
    skipped = tuple(f"{printable(str(fault.path))}: {fault.text}" for fault in folder.faults)
    return PairFolder(folder.tiles.folder, tuple(_scaled(folder.pairs, shared, stretch)), shared, stretch, skipped)


def _shared_scaling(
    pairs: Sequence[CheckedPair], options: PairOptions, known: SceneScaling | None
) -> SceneScaling | None:
    """Of the tiles that know of no scene together; None where all do."""
    samples = [pair.source_sample for pair in pairs if pair.source_sample is not None]
    if known or not samples:
        return known
    if options.unit is None:
        _check_alike(samples)
    return resolve_scaling(options.radiometry, [*np.concatenate(samples).T], options.unit)


def _check_alike(samples: Sequence[NDArray[Any]]) -> None:
    """Raise `SceneError` where tiles of different types are in different units."""
    types = sorted({sample.dtype.name for sample in samples})
    if len(types) == 1:
        return
    alike = [np.concatenate([sample for sample in samples if sample.dtype.name == name]) for name in types]
    if len({guess_unit(values.T.ravel())[0] for values in alike}) > 1:
        raise SceneError(f"tiles of {' and '.join(types)} in different units, expected one in a folder or a told unit")


def _stretch(pairs: Sequence[CheckedPair], known: Stretch | None) -> Stretch | None:
    """Of the images that are not bytes, all bands together; None where all are."""
    samples = [pair.target_sample for pair in pairs if pair.target_sample is not None]
    if known or not samples:
        return known
    return percentile_stretch(np.concatenate(samples).astype(np.float64), "optical tiles")


def _scaled(pairs: deque[CheckedPair], shared: SceneScaling | None, stretch: Stretch | None) -> Iterator[Pair]:
    """Each pair in turn, which is dropped as it was stored, so that memory holds few of them twice."""
    while pairs:
        pair = pairs.popleft()
        scaling: SceneScaling = pair.scaling or shared  # type: ignore[assignment]  # there is one if any tile needs it
        own_stretch = None if pair.target_sample is None else stretch
        held = scaled(*pair.pixels, scaling, own_stretch) if pair.pixels else None
        yield Pair(pair.source, pair.target, scaling, own_stretch, pair.digests, held)
