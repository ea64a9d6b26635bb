"""Folders of paired tiles: which files belong together. No file is opened.

Three layouts are told apart: `sar/` and `optical/` with the same stems, the same in a folder for each split as `pairs`
writes it, and images of two halves side by side as Isola et al. 2017 published them, in a folder for each split or
without one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from sartranslate.datasets.split import SPLITS
from sartranslate.errors import PairsError
from sartranslate.printable import printable

TRAINING = SPLITS[0]
SIDES = ("sar", "optical")
INDEX_NAME = "index.gpkg"  # of a folder that `pairs` has written
SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg")
EXPECTED = f"sar/NAME and optical/NAME, or images of two halves side by side, as {', '.join(SUFFIXES)}"


class PairFiles(NamedTuple):
    """The files of one pair; one file twice where both sides lie side by side in it."""

    source: Path
    target: Path

    @property
    def side_by_side(self) -> bool:
        return self.source == self.target


class Fault(NamedTuple):
    """Why a file can not be used."""

    path: Path
    text: str  # what was found, what was expected


@dataclass(frozen=True)
class FoundTiles:
    """The tiles of one split of a folder."""

    folder: Path  # as the user calls it
    root: Path  # in it, which holds sar/ and optical/, or the images
    pairs: tuple[PairFiles, ...]  # by name
    faults: tuple[Fault, ...] = ()  # files that make no pair
    unpaired: int = 0  # names that they have

    @property
    def count(self) -> int:
        """Pairs, and what should be some."""
        return len(self.pairs) + self.unpaired


def find_tiles(folder: Path, split: str = TRAINING) -> FoundTiles:
    """All tiles of a split; a folder without splits is for training, and has none of others.

    Raises `PairsError` for a folder without training tiles, when these are asked for.
    """
    for root in (folder / split, *([folder] if split == TRAINING else [])):
        if any((root / side).is_dir() for side in SIDES):
            found = _in_two_folders(folder, root)
        else:
            found = FoundTiles(folder, root, tuple(PairFiles(path, path) for path in _images(root)))
        if found.count:
            return found
    if split == TRAINING:
        raise PairsError(f"{folder}: {_what_there_is(folder)}, expected {EXPECTED}")
    return FoundTiles(folder, folder / split, ())


def _in_two_folders(folder: Path, root: Path) -> FoundTiles:
    """Tiles paired by stem; those without a partner, or with several, are faults."""
    sar, optical = (_by_stem(root / side) for side in SIDES)
    pairs, faults, unpaired = [], [], 0
    for stem in sorted(sar.keys() | optical.keys()):
        here, there = sar.get(stem, []), optical.get(stem, [])
        if len(here) == len(there) == 1:
            pairs.append(PairFiles(here[0], there[0]))
            continue
        unpaired += 1
        alike = ((path, printable(paths[0].name)) for paths in (here, there) for path in paths[1:])
        faults += [Fault(path, f"{first} has the same stem") for path, first in alike]
        if not (here and there):
            lacking = SIDES[1] if here else SIDES[0]
            expected = f"{lacking}/{printable(stem)} with one of the suffixes"
            faults.append(Fault((here or there)[0], f"no partner, expected {expected}"))
    return FoundTiles(folder, root, tuple(pairs), tuple(faults), unpaired)


def files_of(folder: Path) -> Iterator[Path]:
    """The index, and all files that could be tiles, in the folder and in those inside it."""
    yield folder / INDEX_NAME
    yield from filter(_is_image, folder.rglob("*"))


def _by_stem(folder: Path) -> dict[str, list[Path]]:
    if not folder.is_dir():
        raise PairsError(f"{folder}: no such folder, expected tiles in it")
    tiles: dict[str, list[Path]] = {}
    for path in _images(folder):
        tiles.setdefault(path.stem, []).append(path)
    return tiles


def _images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if _is_image(p) and not p.name.startswith("."))


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES


def _what_there_is(folder: Path) -> str:
    if not folder.is_dir():
        return "no such folder"
    others = [split for split in SPLITS[1:] if (folder / split).is_dir()]
    return f"no tiles to train on, only {' and '.join(others)}" if others else "no tiles"
