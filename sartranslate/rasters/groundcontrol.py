"""From ground control points to a map grid: where a scene without a transform lies.

Sentinel-1 GRD products carry no transform, only a grid of points with row, column, longitude and
latitude. One affine through them is wrong by kilometres; a third-order polynomial or a thin-plate
spline is good to a fraction of a pixel (Bookstein 1989, IEEE TPAMI 11(6) 567-585).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio._err import CPLE_BaseError
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.transform import GCPTransformer

from sartranslate.errors import OptionError, SceneError
from sartranslate.rasters.polynomial import TERMS, Points, determined, polynomial
from sartranslate.rasters.raster_limits import FARTHEST
from sartranslate.rasters.utm import utm

METHODS = {"polynomial": "third-order polynomial", "tps": "thin-plate spline"}
FEWEST_POINTS = {"polynomial": len(TERMS), "tps": 4}
GOOD_FIT = 0.5  # pixels: a polynomial this close to all points is taken, a spline through 210 is far slower
BORDER_STEPS = 64
LONGEST = 2**31 - 1  # pixels that a side of a raster can have in GDAL
MOST_GROWN = 16  # times the scene's pixels in its grid, where nobody tells a resolution; turned: 2, of 1 x 25: 14
MOST_FINER = 1024  # times the scene's pixels where a resolution is told: 32 times finer than the scene's
MOST_POINTS = 5000  # a spline takes memory with their square and time with their cube
NEAR_ROUND = 0.01  # a spacing this close to two digits is taken for those
AVERAGED = 1.5  # grid pixels this much larger than the source's are means of several


@dataclass(frozen=True)
class ControlPoints:
    """Places (columns, rows) of a raster and where they are on a map (x, y)."""

    pixels: Points
    ground: Points
    crs: CRS

    def to_ground(self, pixels: Points, method: str) -> Points:
        """Map places of pixel places, by the polynomial or the spline through all points."""
        if method == "polynomial":
            return polynomial(self.pixels, self.ground, pixels)
        points = [GroundControlPoint(r, c, x, y) for (c, r), (x, y) in zip(self.pixels, self.ground, strict=True)]
        try:
            with GCPTransformer(points, tps=True) as transformer:
                return np.stack(transformer.xy(*pixels.T[::-1], offset="ul"), axis=-1)
        except CPLE_BaseError as error:
            raise SceneError(f"{len(points)} ground control points that no spline passes through: {error}") from error

    def residual(self) -> float:
        """How far the polynomial passes by the points at most, in pixels."""
        misses = polynomial(self.ground, self.pixels, self.ground) - self.pixels
        return float(np.hypot(*misses.T).max())


@dataclass(frozen=True)
class MapGrid:
    """A north-up grid for a scene, its lines at multiples of the resolution."""

    points: ControlPoints
    method: str  # one of METHODS
    height: int
    width: int
    transform: Affine
    averaged: bool  # several source pixels become one
    slant: int  # source rows that one row of the grid runs across, about

    def describe(self) -> str:
        """One line for people."""
        crs, size = self.points.crs, self.transform.a
        return (
            f"{len(self.points.pixels)} ground control points by {METHODS[self.method]},"
            f" on {crs.to_string()} at {size:g} {crs.units_factor[0]}"
        )


def map_grid(
    points: ControlPoints, height: int, width: int, resolution: float | None = None, method: str | None = None
) -> MapGrid:
    """The grid for a raster of this size, by default at its own pixel spacing, and the method that fits its points.

    That is the polynomial where it passes all points within half a pixel, else the spline.
    Raises `SceneError` for too few points, or ones on a line, and `OptionError` for an unusable resolution.
    """
    method = _method(points, method)
    around_middle = np.array([width, height]) / 2 + np.array([(0, 0), (1, 0), (0, 1)])
    corner, right, down = points.to_ground(around_middle, method)
    jacobian = np.stack([right - corner, down - corner], axis=1)
    spacing = _spacing(jacobian)
    if resolution is not None and not (np.isfinite(resolution) and resolution > 0):
        raise OptionError(f"resolution {resolution}: expected above 0, in units of {points.crs.to_string()}")
    size = resolution or _rounded(spacing)
    border = points.to_ground(_border(height, width), method)
    (left, bottom), (right_end, top) = np.floor(border.min(axis=0) / size), np.ceil(border.max(axis=0) / size)
    rows, cols = float(top - bottom), float(right_end - left)
    _check_size((height, width), (rows, cols), resolution, size)
    return MapGrid(
        points,
        method,
        height=int(rows),
        width=int(cols),
        transform=Affine(size, 0, left * size, 0, -size, top * size),
        averaged=size > AVERAGED * spacing,
        slant=int(abs(np.linalg.inv(jacobian)[1, 0]) * size * cols),
    )


def _check_size(size: tuple[int, int], grid: tuple[float, float], resolution: float | None, spacing: float) -> None:
    """Whether a raster of this size (rows, columns) can have a grid of that size."""
    (height, width), (rows, cols) = size, grid
    grown = rows * cols / (max(height, BORDER_STEPS) * max(width, BORDER_STEPS))
    if resolution is None and not grown <= MOST_GROWN:
        raise SceneError(
            f"ground control points spread {height} x {width} pixels over {rows:.3g} x {cols:.3g}, "
            f"expected at most {MOST_GROWN} times as many"
        )
    told = f"resolution {spacing}"
    if not (max(rows, cols) > 1 and rows <= LONGEST and cols <= LONGEST):
        raise OptionError(f"{told}: makes a grid of {rows:.0f} x {cols:.0f} pixels, expected 2 to {LONGEST}")
    if grown > MOST_FINER:
        raise OptionError(
            f"{told}: makes {height} x {width} pixels a grid of {rows:.0f} x {cols:.0f}, "
            f"expected at most {MOST_FINER} times as many"
        )


def control_points(pixels: Points, places: Points, places_crs: CRS | None, crs: str | None = None) -> ControlPoints:
    """Points given as columns and rows and as places in `places_crs`, in `crs` or the UTM zone of their middle.

    Raises `SceneError` for points without CRS or outside the target's reach, `OptionError` for an unknown CRS.
    """
    if places_crs is None:
        raise SceneError(f"{len(pixels)} ground control points without a CRS, expected one that says where they are")
    if len(pixels) > MOST_POINTS:
        raise SceneError(f"{len(pixels)} ground control points, expected at most {MOST_POINTS}")
    if not (np.abs(np.hstack([pixels, places])) <= FARTHEST).all():
        raise SceneError(f"a ground control point is no number, or beyond {FARTHEST:g}")
    pixels, places = _distinct(pixels, places)
    target = _known(crs) if crs else utm(*_middle(_project(places, places_crs, CRS.from_epsg(4326))))
    ground = _project(places, places_crs, target)
    if target.is_geographic:
        # Degrees go on across the antimeridian, where a grid would otherwise run around the globe.
        ground[:, 0] = ground[0, 0] + (ground[:, 0] - ground[0, 0] + 180) % 360 - 180
    return ControlPoints(pixels, ground, target)


def _distinct(pixels: Points, places: Points) -> tuple[Points, Points]:
    """Each point once; a spline can not pass through the same one twice."""
    _, first = np.unique(np.hstack([pixels, places]), axis=0, return_index=True)
    pixels, places = pixels[np.sort(first)], places[np.sort(first)]
    if len(np.unique(pixels, axis=0)) < len(pixels):
        raise SceneError("ground control points put one pixel in two places, expected each in one")
    return pixels, places


def _known(crs: str) -> CRS:
    try:
        with rasterio.Env():  # else GDAL prints the error as well
            known = CRS.from_user_input(crs)
    except CRSError as error:
        raise OptionError(f"CRS {crs!r}: not known, expected for example EPSG:32633") from error
    if not (known.is_projected or known.is_geographic):
        raise OptionError(f"CRS {crs!r}: is of no map, expected for example EPSG:32633")
    return known


def _middle(degrees: Points) -> tuple[float, float]:
    """Mean of (N, 2) longitudes and latitudes, which may lie on both sides of the antimeridian."""
    longitude = np.radians(degrees[:, 0])
    east = np.arctan2(np.sin(longitude).mean(), np.cos(longitude).mean())
    return float(np.degrees(east)), float(degrees[:, 1].mean())


def _project(points: Points, source: CRS, target: CRS) -> Points:
    transformer = Transformer.from_crs(source.to_wkt(), target.to_wkt(), always_xy=True)
    projected = np.stack(transformer.transform(*points.T), axis=-1)
    if not np.isfinite(projected).all():
        raise SceneError(f"its ground control points have no place in {target.to_string()}")
    return projected


def _method(points: ControlPoints, told: str | None) -> str:
    count = len(points.pixels)
    if count < FEWEST_POINTS[told or "tps"]:
        raise SceneError(f"{count} ground control points, expected at least {FEWEST_POINTS[told or 'tps']}")
    both = (points.pixels, points.ground)
    if not all(determined(each, order=1) for each in both):
        raise SceneError(f"{count} ground control points on one line, expected them spread over the scene")
    polynomial_fits = all(map(determined, both))
    if told == "polynomial" and not polynomial_fits:
        raise SceneError(f"{count} ground control points do not determine a polynomial, expected 4 rows and columns")
    return told or ("polynomial" if polynomial_fits and points.residual() <= GOOD_FIT else "tps")


def _spacing(jacobian: NDArray[np.float64]) -> float:
    """Side in map units of a square as large as a pixel."""
    with np.errstate(invalid="ignore"):  # what is no number is refused with what is no area
        area = abs(np.linalg.det(jacobian))
    if not FARTHEST**-2 < area < FARTHEST**2:
        raise SceneError(f"ground control points make pixels of {area:.3g} square units, expected an area")
    return float(np.sqrt(area))


def _border(height: int, width: int) -> Points:
    """Columns and rows along the raster's outer border."""
    steps = np.linspace(0, 1, BORDER_STEPS)
    zeros, ones = np.zeros_like(steps), np.ones_like(steps)
    sides = [(steps, zeros), (steps, ones), (zeros, steps), (ones, steps)]
    return np.concatenate([np.stack(side, axis=-1) for side in sides]) * (width, height)


def _rounded(spacing: float) -> float:
    """Two digits where they are meant (10.02 m is 10 m), else three."""
    two = float(f"{spacing:.1e}")
    return two if abs(two - spacing) <= NEAR_ROUND * spacing else float(f"{spacing:.2e}")
