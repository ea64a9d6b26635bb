"""The audit that training tiles of different splits lie apart.

It measures distances itself and knows nothing of how the splits were drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from sartranslate.datasets.tile_index import TileRecord, outlines
from sartranslate.errors import PairsError

EQUATOR, POLAR = 6_378_137.0, 6_356_752.314245  # metres, half axes of WGS 84
METRES_PER_DEGREE = 110_000.0  # less than anywhere, so that no pair is passed by
ROUNDING = 1e-3  # of the guard, and of a tile's area: borders are chords, and the ground is taken for flat
PAIRS_AT_ONCE = 4096


def audit(records: Sequence[TileRecord], guard: float = 0.0) -> None:
    """Pass where all tiles of different splits are at least their guard apart, else raise `PairsError`.

    The guard of two tiles is the greatest of those recorded with them and `guard` (metres). Names
    the first two tiles and how many pairs there are.
    """
    shapes = outlines(records)
    guards = np.maximum([record.guard for record in records], guard)
    pairs = _candidates(shapes, np.array([record.split for record in records]), guards)
    if not len(pairs):
        return
    needed = guards[pairs].max(axis=1)
    chunks = range(0, len(pairs), PAIRS_AT_ONCE)
    apart = np.concatenate([_apart(*shapes[pairs[i : i + PAIRS_AT_ONCE]].T) for i in chunks])
    close = np.flatnonzero(apart < needed * (1 - ROUNDING))
    if len(close):
        one, other = (records[i] for i in pairs[close[0]])
        raise PairsError(
            f"tiles {one.name} ({one.split}) and {other.name} ({other.split}) {_words(apart[close[0]])}, expected at "
            f"least {needed[close[0]]:.0f} m between different splits; pairs like that in all: {len(close)}"
        )


def _words(apart: float) -> str:
    return "overlap" if apart <= 0 else f"are {apart:.0f} m apart"


def _candidates(shapes: NDArray[Any], splits: NDArray[Any], guards: NDArray[np.float64]) -> NDArray[np.intp]:
    """(N, 2) indices of pairs of different splits that may be nearer than the guard, in order."""
    parts, owner = shapely.get_parts(shapes, return_index=True)
    reaches, source = _reaches(parts, guards[owner])
    found = [np.empty((2, 0), np.intp)]
    for split in np.unique(splits):
        own, others = np.flatnonzero(splits[owner[source]] == split), np.flatnonzero(splits[owner] != split)
        near, far = shapely.STRtree(parts[others]).query(reaches[own])
        found.append(np.stack([owner[source[own[near]]], owner[others[far]]]))
    return np.unique(np.sort(np.concatenate(found, axis=1), axis=0), axis=1).T


def _reaches(parts: NDArray[Any], guards: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Boxes in degrees around all that is nearer than the guard to a part, and the part of each.

    A box across the antimeridian comes twice, once on either side.
    """
    west, south, east, north = shapely.bounds(parts).T
    margin = guards / METRES_PER_DEGREE
    south, north = south - margin, north + margin
    farthest = np.minimum(np.maximum(-south, north), 90)
    side = np.where(farthest < 90, margin / np.maximum(np.cos(np.radians(farthest)), 1e-9), 360)
    turns = np.array([[-360], [0], [360]])
    boxes = shapely.box(west - side + turns, south, east + side + turns, north)
    seen = (west - side + turns <= 180) & (east + side + turns >= -180)
    return boxes[seen], np.nonzero(seen)[1]


def _apart(left: NDArray[Any], right: NDArray[Any]) -> NDArray[np.float64]:
    """Metres between the shapes of each pair, on the plane that touches the Earth between them; below 0 is overlap."""
    up = _middle(left) + _middle(right)
    left, right = _flattened(left, up), _flattened(right, up)
    apart = np.asarray(shapely.distance(left, right), np.float64)
    touching = np.flatnonzero(apart == 0)
    left, right = shapely.make_valid(left[touching]), shapely.make_valid(right[touching])
    common = shapely.area(shapely.intersection(left, right))
    apart[touching[common > ROUNDING**2 * np.minimum(shapely.area(left), shapely.area(right))]] = -np.inf
    return apart


def _flattened(shapes: NDArray[Any], up: NDArray[np.float64]) -> NDArray[Any]:
    """Each shape in metres on the plane across its own (N, 3) direction."""
    # Any axis but the direction itself will do to begin with.
    start = np.eye(3)[abs(up).argmin(axis=1)]
    first = np.cross(up, start)
    axes = np.stack([first, np.cross(up, first)], axis=1)
    axes /= np.linalg.norm(axes, axis=2, keepdims=True)
    each = np.repeat(axes, shapely.get_num_coordinates(shapes), axis=0)
    return np.asarray(shapely.transform(shapes, lambda degrees: np.einsum("nij,nj->ni", each, _earth_centred(degrees))))


def _middle(shapes: NDArray[Any]) -> NDArray[np.float64]:
    degrees, index = shapely.get_coordinates(shapes, return_index=True)
    begins = np.searchsorted(index, np.arange(len(shapes)))
    sums = np.add.reduceat(_earth_centred(degrees), begins, axis=0)
    return np.asarray(sums / np.linalg.norm(sums, axis=1, keepdims=True))


def _earth_centred(degrees: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 3) metres from the centre of the Earth, of longitude and latitude on the ellipsoid."""
    longitude, latitude = np.radians(degrees).T
    flat = (POLAR / EQUATOR) ** 2
    normal = EQUATOR / np.sqrt(np.cos(latitude) ** 2 + flat * np.sin(latitude) ** 2)
    across = normal * np.cos(latitude)
    return np.stack([across * np.cos(longitude), across * np.sin(longitude), flat * normal * np.sin(latitude)], axis=-1)
