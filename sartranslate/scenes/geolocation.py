"""Longitude and latitude of all pixels of a raster by a few nodes, for programs that know no map projection."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import Geod
from rasterio.crs import CRS

from sartranslate.rasters.raster import applied
from sartranslate.scenes.footprint import to_degrees
from sartranslate.scenes.longitudes import Degrees

FEWEST, MOST = 5, 129  # nodes along each axis
TOLERANCE = 0.05  # pixels, half of what is promised, since the error is not known everywhere
WGS84 = Geod(ellps="WGS84")


class Geolocation(NamedTuple):
    """Where the pixels of a raster lie on the globe, for bilinear interpolation."""

    nodes: Degrees | None  # (N, N, 2) longitude and latitude at evenly spaced rows and columns from edge to edge
    ground_size: tuple[float, float]  # metres from the middle of the raster to the next pixel in its row, in its column


def geolocate(crs: CRS | None, transform: Affine, height: int, width: int) -> Geolocation:
    """Interpolation between the nodes misses no place by more than a tenth of the pixel in the middle.

    That is checked in the middle of each cell and of its sides, and nodes are doubled until it holds. Longitudes are
    continuous and may pass 180. There are no nodes where so many do not suffice, as around a pole. Raises `SceneError`
    without a CRS, or where a pixel has no place on the globe.
    """
    size = _ground_size(crs, transform, height, width)
    nodes = _nodes(crs, transform, height, width, FEWEST)
    while len(nodes) <= MOST:
        finer = _nodes(crs, transform, height, width, 2 * len(nodes) - 1)
        between = _doubled(_doubled(nodes).swapaxes(0, 1)).swapaxes(0, 1)
        if _distances(between, finer).max() <= TOLERANCE * min(size):
            return Geolocation(nodes, size)
        nodes = finer
    return Geolocation(None, size)


def _ground_size(crs: CRS | None, transform: Affine, height: int, width: int) -> tuple[float, float]:
    middle = np.array([(width / 2, height / 2)])
    here, right, below = (to_degrees(crs, applied(transform, middle + step)) for step in ((0, 0), (1, 0), (0, 1)))
    return float(_distances(here, right)[0]), float(_distances(here, below)[0])


def _nodes(crs: CRS | None, transform: Affine, height: int, width: int, count: int) -> Degrees:
    cols, rows = np.meshgrid(np.linspace(0, width, count), np.linspace(0, height, count))
    places = applied(transform, np.stack([cols.ravel(), rows.ravel()], axis=-1))
    degrees = to_degrees(crs, places).reshape(count, count, 2)
    for axis in (0, 1):
        degrees[..., 0] = np.unwrap(degrees[..., 0], period=360, axis=axis)
    return degrees


def _doubled(nodes: Degrees) -> Degrees:
    """With the means of neighbours along the first axis between them."""
    doubled = np.repeat(nodes, 2, axis=0)[:-1]
    doubled[1::2] = (nodes[1:] + nodes[:-1]) / 2
    return doubled


def _distances(first: Degrees, second: Degrees) -> NDArray[np.float64]:
    """Metres on the ellipsoid between places, one by one."""
    return np.asarray(WGS84.inv(first[..., 0], first[..., 1], second[..., 0], second[..., 1])[2])
