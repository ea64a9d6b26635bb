"""Longitudes and latitudes between the nodes are those of the map projection, to a tenth of a pixel."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from numpy.typing import NDArray
from pyproj import Geod, Transformer
from rasterio.crs import CRS

from sartranslate.errors import SceneError
from sartranslate.rasters.raster import applied
from sartranslate.scenes.geolocation import FEWEST, geolocate
from tests.conftest import TRANSFORM, UTM

Floats = NDArray[np.float64]
POLAR = CRS.from_epsg(3413)
LOCAL = CRS.from_wkt('LOCAL_CS["a quarry",UNIT["metre",1]]')


def interpolated(nodes: Floats, rows: Floats, cols: Floats) -> Floats:
    """At rows and columns from 0 to 1, as the script of the page does it."""
    cells = len(nodes) - 1
    top, left = np.minimum(rows * cells, cells - 1).astype(int), np.minimum(cols * cells, cells - 1).astype(int)
    v, u = (rows * cells - top)[:, None], (cols * cells - left)[:, None]
    upper = nodes[top, left] * (1 - u) + nodes[top, left + 1] * u
    return upper * (1 - v) + (nodes[top + 1, left] * (1 - u) + nodes[top + 1, left + 1] * u) * v


@pytest.mark.parametrize(
    ("crs", "transform", "size"),
    [
        (UTM, TRANSFORM, (900, 1200)),
        (UTM, TRANSFORM, (16_000, 25_000)),
        (UTM, Affine(7, 7, 400_000, 7, -7, 6_900_000), (9_000, 12_000)),
        (CRS.from_epsg(4326), Affine(1e-4, 0, 11, 0, -1e-4, 48), (20_000, 20_000)),
        (CRS.from_epsg(32660), Affine(40, 0, 650_000, 0, -40, 7_000_000), (8_000, 10_000)),  # across longitude 180
        (CRS.from_epsg(3857), Affine(100, 0, -1e6, 0, -100, 9e6), (10_000, 10_000)),
        (POLAR, Affine(40, 0, -1e6, 0, -40, -1e6), (10_000, 10_000)),
    ],
)
def test_no_place_is_missed_by_a_tenth_of_a_pixel(crs: CRS, transform: Affine, size: tuple[int, int]) -> None:
    found = geolocate(crs, transform, *size)
    assert found.nodes is not None
    rows, cols = np.random.default_rng(0).random((2, 2000))
    x, y = applied(transform, np.stack([cols * size[1], rows * size[0]], axis=-1)).T
    longitudes, latitudes = Transformer.from_crs(crs.to_wkt(), "EPSG:4326", always_xy=True).transform(x, y)
    lonlat = interpolated(found.nodes, rows, cols)
    metres = Geod(ellps="WGS84").inv(lonlat[:, 0], lonlat[:, 1], longitudes, latitudes)[2]
    assert max(metres) < 0.1 * min(found.ground_size)


def test_a_grid_in_degrees_needs_the_fewest_nodes_and_a_map_more_as_it_grows() -> None:
    degrees = geolocate(CRS.from_epsg(4326), Affine(1e-4, 0, 11, 0, -1e-4, 48), 9000, 9000)
    counts = [len(geolocate(UTM, TRANSFORM, size, size).nodes) for size in (1000, 10_000, 25_000)]
    assert len(degrees.nodes) == FEWEST
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]


def test_longitudes_go_on_beyond_180() -> None:
    nodes = geolocate(CRS.from_epsg(32660), Affine(40, 0, 650_000, 0, -40, 7_000_000), 8_000, 10_000).nodes
    assert nodes[..., 0].max() > 180
    assert abs(np.diff(nodes[..., 0], axis=1)).max() < 5


def test_around_a_pole_there_are_no_nodes_but_a_ground_size() -> None:
    nodes, (along_row, along_column) = geolocate(POLAR, Affine(100, 0, -50_000, 0, -100, 50_000), 1000, 1000)
    assert nodes is None
    assert along_row == pytest.approx(along_column, rel=1e-3)
    assert along_row == pytest.approx(100, rel=0.04)  # scale 0.97 at the pole


def test_a_pixel_in_degrees_is_half_as_wide_as_high_at_latitude_60() -> None:
    along_row, along_column = geolocate(CRS.from_epsg(4326), Affine(1e-4, 0, 10, 0, -1e-4, 60.01), 200, 200).ground_size
    assert along_row / along_column == pytest.approx(0.5, rel=0.01)
    assert along_column == pytest.approx(11.14, rel=0.001)


@pytest.mark.parametrize("crs", [None, LOCAL])
def test_a_grid_that_lies_nowhere_is_refused(crs: CRS | None) -> None:
    with pytest.raises(SceneError, match=r"no CRS|no longitudes and latitudes"):
        geolocate(crs, TRANSFORM, 100, 100)
