"""Which tiles show the same ground: validation on that of training measures memory, and copies are no new evidence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import shapely

from sartranslate.datasets.pair_check import PLAIN
from sartranslate.datasets.pairs import Pair, PairSet
from sartranslate.datasets.sides import Side
from sartranslate.errors import PairsError, SceneError
from sartranslate.rasters.raster import applied
from sartranslate.scenes.footprint import whole_footprint

SLIVER = 0.01  # of the smaller tile's area; tiles beside each other share a row of pixels now and then


def check_apart(train: PairSet, val: PairSet) -> None:
    """Raise `PairsError`, naming two tiles and how many pairs of tiles there are, where both sets show the same ground.

    That are tiles whose footprints overlap by more than a sliver, the same file, and files with the same pixels.
    """
    shared = {*_same_ground(train.pairs, val.pairs), *_same_content(train.pairs, val.pairs)}
    if shared:
        first, second = min(shared)
        raise PairsError(
            f"{val.pairs[second].source.path}: for validation, shows the ground of {train.pairs[first].source.path}, "
            f"which is trained on; pairs of tiles like that: {len(shared)}, expected none"
        )


def ground_cells(pairs: Sequence[Pair]) -> list[int]:
    """For each pair the number of the cell of ground, as large as itself, that its middle lies in.

    Tiles side by side have cells of their own, those that overlap by half or show one place on several dates do not;
    neither do pairs whose place is not known share any.
    """
    numbers: dict[object, int] = {}
    return [numbers.setdefault(_cell(pair) or index, len(numbers)) for index, pair in enumerate(pairs)]


def _cell(pair: Pair) -> tuple[object, ...] | None:
    side = next(_placed_sides(pair), None)
    if side is None:
        return None
    place, size = side.transform, np.array([pair.width, pair.height])
    axes = np.array([[place.a, place.b], [place.d, place.e]])
    middle = np.linalg.solve(axes, applied(place, size[None] / 2)[0]) / size  # in tiles, along their own grid
    # Rounded, so that cells do not hang on the last digits.
    spans = [float(f"{span:.5e}") for span in (axes * size).ravel()]
    return str(side.crs), *np.floor(np.round(middle, 3)).tolist(), *spans


def _same_content(train: Sequence[Pair], val: Sequence[Pair]) -> Iterator[tuple[int, int]]:
    """Indices of pairs that are the same file, or have the same pixels on both sides, or on one of several colours."""
    places: dict[object, list[int]] = {}
    for index, pair in enumerate(train):
        for key in _keys(pair):
            places.setdefault(key, []).append(index)
    for index, pair in enumerate(val):
        yield from ((other, index) for key in _keys(pair) for other in places.get(key, ()))


def _keys(pair: Pair) -> set[object]:
    sides = {side for side in pair.digests.values() if not side.startswith(PLAIN)}
    return {pair.source.path.resolve(), tuple(pair.digests.values()), *sides}


def _same_ground(train: Sequence[Pair], val: Sequence[Pair]) -> Iterator[tuple[int, int]]:
    """Indices of pairs whose footprints overlap, of those that have one."""
    (here, places), (there, others) = _placed(train), _placed(val)
    if not (places and others):
        return
    trained, validated = np.array(places, object), np.array(others, object)
    second, first = shapely.STRtree(trained).query(validated, predicate="intersects")
    common = shapely.area(shapely.intersection(trained[first], validated[second]))
    smaller = np.minimum(shapely.area(trained[first]), shapely.area(validated[second]))
    for index in np.flatnonzero(common > SLIVER * smaller):
        yield here[first[index]], there[second[index]]


def _placed(pairs: Sequence[Pair]) -> tuple[list[int], list[Any]]:
    """Indices and footprints, in longitude and latitude, of the pairs whose place on the globe is known."""
    known = [(index, shape) for index, pair in enumerate(pairs) if (shape := _shape(pair)) is not None]
    return [index for index, _ in known], [shape for _, shape in known]


def _shape(pair: Pair) -> Any:
    for side in _placed_sides(pair):
        with suppress(SceneError):  # of a grid of its own, which lies nowhere on the globe
            return whole_footprint(side)
    return None


def _placed_sides(pair: Pair) -> Iterator[Side]:
    return (side for side in (pair.source, pair.target) if side.crs is not None and not side.transform.is_identity)
