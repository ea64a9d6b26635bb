"""An area of interest on the pixels of a scene: its rows and columns, and which pixels of a window lie inside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError, ProjError
from rasterio.crs import CRS as RasterCRS  # noqa: N811
from shapely.affinity import translate

from sartranslate.backscatter.radiometry import Mask
from sartranslate.errors import AreaError
from sartranslate.rasters.raster import applied
from sartranslate.scenes.area_file import LONGITUDE_LATITUDE, Area
from sartranslate.streaming.windows import Window

BEND = 0.05  # pixels that an edge may leave the curve it stands for, where that is measured
BEND_AT = (0.25, 0.5, 0.75)  # of an edge; its middle alone would miss a curve shaped like an S
HALVINGS = 20  # of an edge at most; no curve needs more, but a tear does
ADDED_POINTS = 2**16  # to a ring at most, about

Floats = NDArray[np.float64]
Points = NDArray[np.float64]  # (N, 2), x before y
Crossings = tuple[NDArray[np.intp], Floats]  # rows, and columns from which on it is the other side


@dataclass(frozen=True)
class AreaOnGrid:
    """The pixels of a scene whose centres lie inside an area.

    Of two areas with a common edge, a centre on this edge belongs to exactly one. Rings that touch or cross are
    filled by the even-odd rule, so that the polygon need not be valid, as around a pole.
    """

    window: Window  # the bounding rows and columns of these pixels
    polygon: Any  # MultiPolygon in pixels; x is the column, y the row, pixel (0, 0) covers 0..1
    _crossed: dict[tuple[int, int], Crossings] = field(default_factory=dict, repr=False, compare=False)

    def mask(self, window: Window) -> Mask:
        """(H, W), True inside: the same cut out of the mask of the whole scene, for any window."""
        rows, cols = self._crossings(window.row_off, window.row_off + window.height)
        places = rows - window.row_off, np.clip(cols - window.col_off, 0, window.width).astype(np.intp)
        flips = np.zeros((window.height, window.width + 1), np.uint8)
        np.bitwise_xor.at(flips, places, 1)
        return np.bitwise_xor.accumulate(flips[:, :-1], axis=1).astype(bool)

    def touches(self, window: Window) -> bool:
        """Whether any pixel of the window lies inside."""
        return bool(self.mask(window).any())

    def _crossings(self, first_row: int, end_row: int) -> Crossings:
        """Those of the last rows asked for are kept, since windows come row by row."""
        if (first_row, end_row) not in self._crossed:
            self._crossed.clear()
            self._crossed[first_row, end_row] = _crossings(self._edges, first_row, end_row)
        return self._crossed[first_row, end_row]

    @cached_property
    def _edges(self) -> Floats:
        return _edges(self.polygon)


class _NoPlaceError(ValueError):
    """A part of an area, which it names, can not be drawn in a scene."""


def area_on_grid(area: Area, crs: RasterCRS | None, transform: Affine, height: int, width: int) -> AreaOnGrid:
    """Place an area on the pixels of a scene, its edges bent as the scene's CRS bends them, to 0.1 pixels.

    Raises `AreaError` if the scene has no CRS, the area has no place in it, or no centre of a pixel lies inside.
    """
    if crs is None:
        raise AreaError(f"{area.source}: the scene has no CRS, expected one to find the area by")
    scene_crs = CRS.from_user_input(crs)
    to_pixels = _projection(area, scene_crs, transform)
    outline = applied(transform, _outline(0, 0, width, height))
    try:
        polygons = [_projected(polygon, to_pixels) for polygon in _near(area, outline, scene_crs)]
    except _NoPlaceError as error:
        raise AreaError(f"{area.source}: {error} has no place in the scene's CRS, {scene_crs.name}") from error
    if scene_crs.is_geographic:
        polygons = _turned(polygons, scene_crs, transform)
    polygon = shapely.MultiPolygon([part for part in polygons if _overlaps(part, height, width)])
    window = _bounding_window(_edges(polygon), height, width)
    if window is None:
        found = "lies outside the scene" if polygon.is_empty else "holds no pixel centre of the scene"
        covered, place = _extent(outline, scene_crs), _extent(_outline(*area.geometry.bounds), area.crs)
        raise AreaError(f"{area.source}: {found}, which covers {covered}; the area is within {place}")
    return AreaOnGrid(window, polygon)


def _outline(left: float, top: float, right: float, bottom: float) -> Points:
    box = shapely.box(left, top, right, bottom)
    return np.asarray(shapely.get_coordinates(shapely.segmentize(box, max(right - left, bottom - top) / 16)))


def _near(area: Area, outline: Points, crs: CRS) -> list[Any]:
    """The polygons of the area around the scene: what lies far away may have no place in the scene's CRS."""
    x, y = Transformer.from_crs(crs, area.crs, always_xy=True).transform(*outline.T)
    turns = [0.0]
    if area.crs.is_geographic and np.isfinite(x).all():
        turns = [-_circle(area.crs), 0, _circle(area.crs)]
        x = np.unwrap(x, period=_circle(area.crs))
    # The longitudes around a pole do not close, and no box holds all that is near.
    if not np.isfinite([x, y]).all() or abs(x[-1] - x[0]) > np.ptp(x) / 2:
        return list(shapely.get_parts(area.geometry))
    margin = max(np.ptp(x), np.ptp(y))
    box = shapely.box(x.min() - margin, y.min() - margin, x.max() + margin, y.max() + margin)
    around = shapely.union_all([translate(box, turn) for turn in turns])
    parts = shapely.get_parts(shapely.intersection(area.geometry, around))
    return [part for part in parts if part.geom_type == "Polygon" and not part.is_empty]


def _circle(crs: CRS) -> float:
    """A full turn in the unit of a geographic CRS."""
    return float(2 * np.pi / crs.axis_info[0].unit_conversion_factor)


def _projection(area: Area, crs: CRS, transform: Affine) -> Callable[[Points], Points]:
    """From the area's CRS to pixels of the scene."""
    try:
        transformer = Transformer.from_crs(area.crs, crs, always_xy=True)
    except (CRSError, ProjError) as error:
        raise AreaError(f"{area.source}: no way from {area.crs.name} to the scene's CRS, {crs.name}") from error

    def to_pixels(points: Points) -> Points:
        projected = np.column_stack(transformer.transform(*points.T))
        if not np.isfinite(projected).all():
            x, y = points[~np.isfinite(projected).all(axis=1)][0]
            raise _NoPlaceError(f"({x:g}, {y:g})")
        return _inverted(transform, projected)

    return to_pixels


def _inverted(transform: Affine, points: Points) -> Points:
    # From the origin first: a large offset would cost digits of the pixel.
    x, y = points[:, 0] - transform.c, points[:, 1] - transform.f
    columns = (transform.e * x - transform.b * y) / transform.determinant
    rows = (transform.a * y - transform.d * x) / transform.determinant
    return np.column_stack([columns, rows])


def _projected(polygon: Any, to_pixels: Callable[[Points], Points]) -> Any:
    shell, *holes = (_densified(shapely.get_coordinates(ring), to_pixels) for ring in shapely.get_rings(polygon))
    return shapely.Polygon(shell, holes)


def _densified(ring: Points, to_pixels: Callable[[Points], Points]) -> Points:
    """The ring's points in pixels, with more where its straight edges are curves there.

    Raises `_NoPlaceError` where no number of points follows an edge: it runs over a pole or a seam of the scene's CRS.
    """
    vertices = np.arange(len(ring), dtype=float)

    def at(places: Floats) -> Points:
        return to_pixels(np.column_stack([np.interp(places, vertices, axis) for axis in ring.T]))

    places, starts, step = vertices, vertices[:-1], 1.0
    for _ in range(HALVINGS):
        starts = starts[_bends(at, starts, step) > BEND]
        if not len(starts):
            return at(np.sort(places))
        if len(places) - len(ring) > ADDED_POINTS:
            break
        step /= 2
        places = np.concatenate([places, starts + step])
        starts = np.concatenate([starts, starts + step])
    x, y = ring[int(starts[0])]
    raise _NoPlaceError(f"the edge from ({x:g}, {y:g}) on")


def _bends(at: Callable[[Floats], Points], starts: Floats, step: float) -> Floats:
    """(N,) pixels between the edges of length `step` from these places on and the curves they stand for."""
    first, middle, last = at(starts), at(starts + step / 2), at(starts + step)
    curves = [shapely.points(at(starts + part * step)) for part in BEND_AT]
    bends = shapely.distance(shapely.linestrings(np.stack([first, last], axis=1)), curves).max(axis=0)
    # The points of a curve that is torn lie on the edge across the gap, but all at its ends.
    off_centre = np.hypot(*(middle - (first + last) / 2).T) - np.hypot(*(last - first).T) / 4
    return np.asarray(np.maximum(bends, off_centre))


def _turned(polygons: list[Any], crs: CRS, transform: Affine) -> list[Any]:
    """The polygons as they are and a full turn to both sides: a scene's longitudes go on beyond the antimeridian."""
    columns, rows = _inverted(transform, np.array([[transform.c + _circle(crs), transform.f]]))[0]
    return [translate(part, turn * columns, turn * rows) for part in polygons for turn in (-1, 0, 1)]


def _overlaps(polygon: Any, height: int, width: int) -> bool:
    left, top, right, bottom = polygon.bounds
    return bool(left < width and right > 0 and top < height and bottom > 0)


def _edges(polygon: Any) -> Floats:
    """(4, N): x and y of the upper end, x and y of the lower end of all edges that are not level."""
    rings = shapely.get_rings(shapely.get_parts(polygon))
    points, ring = shapely.get_coordinates(rings, return_index=True)
    edges = np.hstack([points[:-1], points[1:]])[ring[:-1] == ring[1:]]
    edges = np.where(edges[:, 1:2] > edges[:, 3:4], edges[:, [2, 3, 0, 1]], edges)
    return np.asarray(edges[edges[:, 1] < edges[:, 3]].T)


def _crossings(edges: Floats, first_row: int, end_row: int) -> Crossings:
    """Rows, and columns from which on it is the other side, where edges cross the centres of these rows.

    A crossing depends on its edge and its row alone, not on what is cut out. Ties are broken as GDAL does it.
    """
    left, top, right, bottom = edges
    starts, ends = (np.clip(np.ceil(y - 0.5), first_row, end_row).astype(np.intp) for y in (top, bottom))
    counts = ends - starts
    edge = np.repeat(np.arange(len(counts)), counts)
    rows = np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts - starts, counts)
    x = (rows + 0.5 - top[edge]) * (right - left)[edge] / (bottom - top)[edge] + left[edge]
    return rows, np.floor(x + 0.5)


def _bounding_window(edges: Floats, height: int, width: int) -> Window | None:
    rows, cols = _crossings(edges, 0, height)
    cols = np.clip(cols, 0, width)
    order = np.lexsort((cols, rows))
    # Closed rings cross a row an even number of times: in and out.
    starts, ends, rows = cols[order][::2], cols[order][1::2], rows[order][::2]
    filled = ends > starts
    if not filled.any():
        return None
    row_off, col_off = int(rows[filled].min()), int(starts[filled].min())
    return Window(row_off, col_off, int(rows[filled].max()) + 1 - row_off, int(ends[filled].max()) - col_off)


def _extent(ring: Points, crs: CRS) -> str:
    transformer = Transformer.from_crs(crs, LONGITUDE_LATITUDE, always_xy=True)
    degrees = np.column_stack(transformer.transform(*ring.T))
    degrees = degrees[np.isfinite(degrees).all(axis=1)]
    if not len(degrees):
        return "no longitudes and latitudes"
    x, y = np.unwrap(degrees[:, 0], period=360), degrees[:, 1]
    return f"longitude {x.min():.4f}..{x.max():.4f}, latitude {y.min():.4f}..{y.max():.4f}"
