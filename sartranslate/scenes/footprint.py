"""Where a rectangle of pixels lies on the globe: its border in longitude and latitude, and its footprint."""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer
from pyproj.exceptions import ProjError
from rasterio.crs import CRS
from shapely import MultiPolygon, Polygon
from shapely.geometry.polygon import orient

from sartranslate.errors import SceneError
from sartranslate.rasters.raster import applied
from sartranslate.scenes.longitudes import NEAR_POLE, Degrees, closed_longitudes
from sartranslate.scenes.scene import Scene
from sartranslate.streaming.windows import Window

STEPS = 8  # on each side; a border of 20 km on a map then leaves the chords by decimetres at most
SIDES = np.array([(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)])  # corners in the order column, row
SNAP = 1e-10  # degrees, microns: what is moved by whole turns meets again
AT_POLE = 90 - 1e-9  # degrees; longitudes mean nothing beyond


def outline(crs: CRS | None, transform: Affine, window: Window, steps: int = STEPS) -> Degrees:
    """(4 * steps, 2) longitude -180..180 and latitude (WGS 84) along the border of the window, not closed.

    Begins at the first pixel's outer corner and goes along the first row; any affine transform will
    do. Raises `SceneError` without a CRS, or where the border has no place on the globe.
    """
    return to_degrees(crs, applied(transform, _border(window, steps)))


def footprint(crs: CRS | None, transform: Affine, window: Window, steps: int = STEPS) -> Polygon | MultiPolygon:
    """The ground of a window in longitude and latitude (RFC 7946): valid, counter-clockwise, within -180..180.

    Cut at the antimeridian where it crosses that; a pole on it becomes an edge along latitude 90.
    Raises `SceneError` as `outline` does, or for pixels without an area.
    """
    return _shape(outline(crs, transform, window, steps))


class Raster(Protocol):
    """What lies on a grid of pixels."""

    @property
    def crs(self) -> CRS | None: ...
    @property
    def transform(self) -> Affine: ...
    @property
    def height(self) -> int: ...
    @property
    def width(self) -> int: ...


def whole_footprint(raster: Raster) -> Polygon | MultiPolygon:
    """The ground of all pixels of a raster, as `footprint`."""
    return footprint(raster.crs, raster.transform, Window(0, 0, raster.height, raster.width))


def scene_footprint(scene: Scene) -> Polygon | MultiPolygon:
    """The ground of a scene, as `footprint`; of one that was warped, without the corners of its map grid."""
    if scene.grid and scene.unwarped:
        whole = Window(0, 0, scene.unwarped.height, scene.unwarped.width)
        places = scene.grid.points.to_ground(_border(whole, STEPS).astype(np.float64), scene.grid.method)
        return _shape(to_degrees(scene.crs, places))
    return whole_footprint(scene)


def bounding_box(shape: Polygon | MultiPolygon) -> list[float]:
    """West, south, east, north; west > east across the antimeridian, where the shape is cut.

    >>> bounding_box(shapely.union_all([shapely.box(170, -20, 180, -10), shapely.box(-180, -20, -175, -10)]))
    [170.0, -20.0, -175.0, -10.0]
    """
    bounds = shapely.bounds(shapely.get_parts(shape))
    bounds = bounds[np.argsort(bounds[:, 0])]
    wests, easts = bounds[:, 0], np.maximum.accumulate(bounds[:, 2])
    gaps = np.append(wests[1:], wests[0] + 360) - easts  # without ground, east of each part
    widest = int(np.argmax(gaps))
    _, south, _, north = shape.bounds
    return [float(wests[(widest + 1) % len(wests)]), south, float(easts[widest]), north]


def _border(window: Window, steps: int) -> Degrees:
    """(4 * steps, 2) columns and rows along the outer border."""
    corners = SIDES * (window.width, window.height) + (window.col_off, window.row_off)
    return np.concatenate([np.linspace(*side, steps, endpoint=False) for side in pairwise(corners)])


def to_degrees(crs: CRS | None, places: Degrees) -> Degrees:
    """(N, 2) longitude -180..180 and latitude (WGS 84) of x and y in a CRS. Raises `SceneError` as `outline` does."""
    if crs is None:
        raise SceneError("no CRS, expected one that says where the scene lies")
    degrees = np.stack(_transformer(crs.to_wkt()).transform(*places.T), axis=-1)
    known = np.isfinite(degrees).all(axis=1) & (abs(degrees[:, 1]) <= 90)
    if not known.all():
        x, y = places[~known][0]
        raise SceneError(
            f"x {x:.6g}, y {y:.6g} has no longitude and latitude, expected a place within {crs.to_string()}"
        )
    beyond = abs(degrees[:, 0]) > 180
    degrees[beyond, 0] = (degrees[beyond, 0] + 180) % 360 - 180
    return degrees


def _shape(border: Degrees) -> Polygon | MultiPolygon:
    ring = _ring(border)
    polygons = _polygons(Polygon(ring))
    if not polygons:
        raise SceneError("its pixels cover no ground, expected some")
    if abs(ring[:, 0]).max() > 180:
        turns = [_turn(polygons, turn) for turn in _turns(ring[:, 0].min(), ring[:, 0].max())]
        polygons = _polygons(shapely.union_all(turns, grid_size=SNAP))
    polygons = [orient(polygon) for polygon in polygons]
    return polygons[0] if len(polygons) == 1 else MultiPolygon(polygons)


@lru_cache(maxsize=16)
def _transformer(wkt: str) -> Transformer:
    try:
        return Transformer.from_crs(wkt, "EPSG:4326", always_xy=True)
    except ProjError as error:
        name = wkt.split('"')[1]
        raise SceneError(
            f"CRS {name!r}: no longitudes and latitudes, expected a geographic or projected one"
        ) from error


def _ring(border: Degrees) -> NDArray[np.float64]:
    """Border without jumps; by way of the pole where it passes that or runs around it."""
    longitudes = closed_longitudes(border)
    latitudes = np.append(border[:, 1], border[0, 1])
    polar = abs(latitudes) >= AT_POLE
    by_pole = (abs(np.diff(longitudes)) >= NEAR_POLE) | polar[1:] | polar[:-1]
    steps = np.flatnonzero(by_pole)
    poles = np.copysign(90, latitudes[steps] + latitudes[steps + 1])
    visits = np.stack([longitudes[[steps, steps + 1]].T.ravel(), np.repeat(poles, 2)], axis=-1)
    ring = np.insert(np.stack([longitudes, latitudes], axis=-1), np.repeat(steps + 1, 2), visits, axis=0)
    if abs(longitudes[-1] - longitudes[0]) < 180:
        return ring
    pole = math.copysign(90, latitudes.min() + latitudes.max())
    return np.concatenate([ring, [(longitudes[-1], pole), (longitudes[0], pole)]])


def _turns(west: float, east: float) -> range:
    """How often 360 lies between the turns of the globe that these longitudes reach into and -180..180."""
    return range(math.floor((west + 180) / 360), math.ceil((east + 180) / 360))


def _turn(polygons: list[Polygon], turn: int) -> Any:
    """What lies in one turn of the globe, moved to -180..180."""
    globe = shapely.box(360 * turn - 180, -90, 360 * turn + 180, 90)
    inside = shapely.union_all(_polygons(shapely.intersection(polygons, globe)))
    return shapely.transform(inside, lambda degrees: degrees - (360 * turn, 0))


def _polygons(shape: Any) -> list[Polygon]:
    """The parts of a shape that have an area."""
    valid = shape if shapely.is_valid(shape).all() else shapely.make_valid(shape)
    parts = shapely.get_parts(shapely.get_parts(valid))
    return [part for part in parts if part.area > 0]
