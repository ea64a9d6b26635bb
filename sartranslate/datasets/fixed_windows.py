"""Windows of pairs that stay the same from epoch to epoch, for scores and examples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple, TypeVar

import numpy as np

from sartranslate.backscatter.fill import fill_mirrored
from sartranslate.datasets.pairs import Pair, PairSet
from sartranslate.recipes.augmentation import Patches
from sartranslate.streaming.windows import Window, WindowGrid, offsets

Item = TypeVar("Item")


class _Place(NamedTuple):
    pair: Pair
    window: Window


def windows_to_score(pairs: PairSet, size: int, most: int) -> Iterator[Patches]:
    """Windows side by side over all pairs, or `most` of these, evenly spread; without those that show nothing.

    Patches are (size, size, C) in [-1, 1]. A pair smaller than a window is continued by its mirror image. Where the
    mask is False, which that is too, a pixel counts for nothing.
    """
    places = [_Place(pair, window) for pair in pairs.pairs for window in WindowGrid(pair.height, pair.width, size, 0)]
    for place in evenly(places, most):
        if (patches := _read(place, size)).mask.any():
            yield patches


def examples(pairs: PairSet, size: int, count: int) -> list[Patches]:
    """One window each of `count` pairs, evenly spread, or of all: the middle or, where that is empty, the first valid.

    Patches are as those of `windows_to_score`.
    """
    return [_example(pair, size) for pair in evenly(pairs.pairs, count)]


def evenly(items: Sequence[Item], most: int) -> list[Item]:
    """All items, or `most` of them from the first to the last.

    >>> evenly("abcdefg", 3)
    ['a', 'd', 'g']
    """
    if len(items) <= most:
        return list(items)
    return [items[index] for index in np.linspace(0, len(items) - 1, most).round().astype(int)]


def _example(pair: Pair, size: int) -> Patches:
    middle = _Place(pair, _window(pair, max(pair.height - size, 0) // 2, max(pair.width - size, 0) // 2, size))
    corners = product(offsets(pair.height, size, 0), offsets(pair.width, size, 0))
    others = (_Place(pair, _window(pair, *corner, size)) for corner in corners)
    return next(patches for place in (middle, *others) if (patches := _read(place, size)).mask.any())


def _window(pair: Pair, row_off: int, col_off: int, size: int) -> Window:
    return Window(row_off, col_off, min(size, pair.height), min(size, pair.width))


def _read(place: _Place, size: int) -> Patches:
    """The window, continued below and to the right where the pair is smaller."""
    source, target, mask = place.pair.read(place.window)
    missing = [(0, size - side) for side in mask.shape]
    if not np.any(missing):
        return Patches(source, target, mask)
    known = np.pad(np.ones(mask.shape, bool), missing)
    source, target = (fill_mirrored(np.pad(side, [*missing, (0, 0)]), known) for side in (source, target))
    return Patches(source, target, np.pad(mask, missing))
