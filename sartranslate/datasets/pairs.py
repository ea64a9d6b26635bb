"""Pairs that are checked and scaled: what training and validation read their crops from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sartranslate.backscatter.fill import fill_mirrored
from sartranslate.backscatter.radiometry import Float, Mask, from_rgb
from sartranslate.backscatter.scaling import SceneScaling
from sartranslate.counts import counted
from sartranslate.datasets.sides import Image, Side
from sartranslate.recipes.augmentation import Patches
from sartranslate.scenes.stretch import Stretch, to_bytes
from sartranslate.streaming.windows import Window


class Scaled(NamedTuple):
    """A pair or a part of it, not filled where it is invalid."""

    source: Float  # (H, W, bands) in [-1, 1]
    target: NDArray[np.uint8]  # (H, W, 3)
    mask: Mask | None  # (H, W); None: all valid

    @property
    def nbytes(self) -> int:
        return sum(part.nbytes for part in self if part is not None)


def scaled(
    source: NDArray[Any], target: NDArray[Any], mask: Mask, scaling: SceneScaling, stretch: Stretch | None
) -> Scaled:
    """Values as they are stored, scaled; `mask` says where both sides are valid."""
    # Files are read band by band; crops of pixel by pixel are faster.
    sides = np.ascontiguousarray(scaling.scaled(source, mask)), np.ascontiguousarray(to_bytes(target, stretch))
    return Scaled(*sides, None if mask.all() else mask)


@dataclass(frozen=True, eq=False)
class Pair:
    """A source tile and a target tile of the same ground."""

    source: Side
    target: Image
    scaling: SceneScaling
    stretch: Stretch | None  # what becomes 0 and 255 of the target; None: bytes already
    digests: Mapping[str, str]  # of its files, by name in its folder
    held: Scaled | None = field(repr=False)  # all of it; None: read again at each visit

    @property
    def height(self) -> int:
        return self.target.height

    @property
    def width(self) -> int:
        return self.target.width

    def read(self, window: Window) -> Patches:
        """A window in [-1, 1]; where either side is invalid both are filled alike, so that they show the same ground.

        Without a valid pixel the patches mean nothing. Raises `SceneError`.
        """
        source, target, mask = self._scaled(window)
        if mask is None:
            return Patches(source, from_rgb(target), np.ones(source.shape[:2], bool))
        return Patches(self.scaling.filled(source, mask), fill_mirrored(from_rgb(target), mask), mask)

    def _scaled(self, window: Window) -> Scaled:
        if self.held is None:
            (source, seen), (target, shown) = self.source.read(window), self.target.read(window)
            return scaled(source, target, seen & shown, self.scaling, self.stretch)
        source, target, mask = self.held
        place = window.rows, window.cols
        part = None if mask is None or mask[place].all() else mask[place]
        return Scaled(source[place], target[place], part)


@dataclass(frozen=True)
class PairFolder:
    """The pairs of one folder, each with the scaling of its scene; tiles that know of none share one."""

    path: Path  # as the user calls it
    pairs: tuple[Pair, ...]
    shared: SceneScaling | None  # None: of no tile
    stretch: Stretch | None  # of images that are not bytes
    skipped: tuple[str, ...]  # what is left out, and why
    called: str = ""  # as it was before it was moved; empty: as its path

    def describe(self) -> Iterator[str]:
        """Lines for people: each scaling, and the stretch."""
        for scaling, count in Counter(pair.scaling for pair in self.pairs).items():
            yield f"{self.path}: {counted(count, 'pair')}: {scaling.describe()}"
        if self.stretch:
            yield f"{self.path}: optical values {self.stretch.describe()}, percentiles 1 and 99, become 0 and 255"


@dataclass(frozen=True)
class PairSet:
    """The pairs of all folders for training, or of all for validation, which may be none."""

    folders: tuple[PairFolder, ...]

    @property
    def pairs(self) -> tuple[Pair, ...]:
        return tuple(pair for folder in self.folders for pair in folder.pairs)

    @property
    def skipped(self) -> tuple[str, ...]:
        """Pairs that are left out, file by file, and why."""
        return tuple(line for folder in self.folders for line in folder.skipped)

    @property
    def digests(self) -> dict[str, str]:
        """A fingerprint of the content of each file, by its name in its folder, with which of several folders."""
        return {
            f"{label}{name}": text
            for label, folder in zip(self._labels(), self.folders, strict=True)
            for pair in folder.pairs
            for name, text in pair.digests.items()
        }

    @property
    def held_bytes(self) -> int:
        """Memory that decoded tiles take."""
        return sum(pair.held.nbytes for pair in self.pairs if pair.held)

    def describe(self) -> list[str]:
        """Lines for people: how each folder is scaled, and how many tiles did not find room in memory."""
        lines = [line for folder in self.folders for line in folder.describe()]
        pairs = self.pairs
        if unheld := sum(pair.held is None for pair in pairs):
            held = f"{self.held_bytes / 2**20:.0f} MB of memory"
            lines.append(f"{unheld} of {len(pairs)} pairs are read at each visit, the others fill {held}")
        return lines

    def stretch_of(self, dtypes: Collection[str]) -> Stretch | None:
        """The stretch of images of these types; None where there is none, or several."""
        pairs = [pair for pair in self.pairs if pair.stretch]
        stretches = {pair.stretch for pair in pairs}
        alike = len(stretches) == 1 and {pair.target.dtype for pair in pairs} == set(dtypes)
        return stretches.pop() if alike else None

    def called(self, names: Mapping[Path, str]) -> PairSet:
        """The same, where folders at these places had such names before."""
        return PairSet(tuple(replace(folder, called=names.get(folder.path.resolve(), "")) for folder in self.folders))

    def folder(self, path: Path) -> PairFolder | None:
        """The pairs of a folder, where they are among these."""
        return next((folder for folder in self.folders if folder.path.resolve() == path.resolve()), None)

    def _labels(self) -> list[str]:
        names = [folder.called or folder.path.resolve().name for folder in self.folders]
        if len(names) == 1:
            return [""]
        counts = Counter(names)
        return [f"{name}/" if counts[name] == 1 else f"{number}:{name}/" for number, name in enumerate(names, 1)]
