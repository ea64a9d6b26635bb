"""Borders and footprints of pixel windows lie where their CRS says, all over the globe."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod
from rasterio.crs import CRS
from shapely import MultiPolygon, Polygon

from sartranslate.errors import SceneError
from sartranslate.scenes.footprint import footprint, outline
from sartranslate.streaming.windows import Window

LIGHT = settings(max_examples=80, deadline=None)
EARTH = Geod(ellps="WGS84")
TILE = Window(0, 0, 256, 256)
UTM_TRANSFORM = Affine(10, 0, 500_000, 0, -10, 5_300_000)


def crs(code: int) -> CRS:
    return CRS.from_epsg(code)


def area(shape: Polygon | MultiPolygon) -> float:
    """Square metres on the ellipsoid; positive where counter-clockwise."""
    return float(EARTH.geometry_area_perimeter(shape)[0])


def test_a_window_in_degrees_is_its_own_footprint() -> None:
    transform = Affine(0.5, 0, 10, 0, -0.25, 50)
    assert footprint(crs(4326), transform, Window(4, 2, 8, 6)).equals(shapely.box(11, 47, 14, 49))


def test_the_border_follows_the_first_row_the_last_column_and_back() -> None:
    ring = outline(crs(4326), Affine(1, 0, 10, 0, -1, 50), Window(0, 0, 4, 6), steps=2)
    expected = [(10, 50), (13, 50), (16, 50), (16, 48), (16, 46), (13, 46), (10, 46), (10, 48)]
    assert ring.tolist() == [list(place) for place in expected]


def test_a_corner_on_the_middle_meridian_of_a_utm_zone_lies_where_the_arc_of_the_meridian_says() -> None:
    longitude, latitude = outline(crs(32632), UTM_TRANSFORM, TILE)[0]
    arc = EARTH.inv(longitude, 0, longitude, latitude)[2]
    assert longitude == pytest.approx(9, abs=1e-9)
    assert arc * 0.9996 == pytest.approx(5_300_000, abs=0.01)


def test_web_mercator_ends_at_its_known_corner() -> None:
    half = 20_037_508.342789244
    ring = outline(crs(3857), Affine(half / 100, 0, 0, 0, -half / 100, half), Window(0, 0, 100, 100))
    assert ring.max(axis=0) == pytest.approx([180, 85.0511287798], abs=1e-9)
    assert ring.min(axis=0) == pytest.approx([0, 0], abs=1e-9)


@pytest.mark.parametrize(
    "transform",
    [
        Affine(10, 0, 500_000, 0, 10, 5_300_000),
        Affine(-10, 0, 500_000, 0, -10, 5_300_000),
        Affine(8, 6, 500_000, 6, -8, 5_300_000),
        Affine(8, -6, 500_000, 6, 8, 5_300_000),
        Affine(10, 7, 500_000, 0, -10, 5_300_000),
    ],
    ids=["south-up", "east-left", "rotated", "rotated south-up", "sheared"],
)
def test_any_affine_gives_a_valid_counter_clockwise_footprint_of_its_own_area(transform: Affine) -> None:
    shape = footprint(crs(32632), transform, TILE)
    assert shape.is_valid
    assert area(shape) == pytest.approx(2560**2 / 0.9996**2, rel=1e-4)


def test_a_rotated_window_has_the_corners_of_its_transform() -> None:
    ring = outline(crs(4326), Affine(0.3, 0.1, 20, 0.2, -0.3, 40), Window(0, 0, 10, 20), steps=1)
    assert ring == pytest.approx(np.array([(20, 40), (26, 44), (27, 41), (21, 37)]))


def test_edges_that_are_curves_in_degrees_are_followed_closely() -> None:
    """A straight chord from corner to corner would leave the border by hundreds of metres."""
    coarse, fine = (footprint(crs(3035), Affine(1000, 0, 2_500_000, 0, -1000, 5_000_000), TILE, n) for n in (8, 256))
    lost = [
        area(coarse.symmetric_difference(fine)),
        area(footprint(crs(3035), Affine(1000, 0, 2_500_000, 0, -1000, 5_000_000), TILE, 1).symmetric_difference(fine)),
    ]
    assert abs(lost[0]) < area(fine) / 1000
    assert abs(lost[0]) < abs(lost[1]) / 50


@pytest.mark.parametrize(("code", "easting"), [(32660, 832_500), (32601, 165_000)])
def test_a_footprint_across_the_antimeridian_is_cut_there(code: int, easting: float) -> None:
    shape = footprint(crs(code), Affine(10, 0, easting, 0, -10, 100_000), TILE)
    assert isinstance(shape, MultiPolygon)
    assert shape.is_valid
    west, east = sorted((part.bounds for part in shape.geoms), key=lambda bounds: bounds[0])
    assert west[0] == -180
    assert west[2] < -179.95
    assert east[0] > 179.95
    assert east[2] == 180
    assert all(part.exterior.is_ccw for part in shape.geoms)
    assert area(shape) == pytest.approx(2560**2, rel=0.003)


def test_longitudes_from_0_to_360_become_those_around_greenwich() -> None:
    assert footprint(crs(4326), Affine(1, 0, 200, 0, -1, 10), Window(0, 0, 5, 5)).equals(shapely.box(-160, 5, -155, 10))


@pytest.mark.parametrize("west", [-180, 0, 90])
def test_a_raster_of_the_whole_globe_is_all_of_it(west: float) -> None:
    shape = footprint(crs(4326), Affine(1, 0, west, 0, -1, 90), Window(0, 0, 180, 360))
    assert shape.equals(shapely.box(-180, -90, 180, 90))


@pytest.mark.parametrize(("code", "pole"), [(3031, -90), (3413, 90)])
@pytest.mark.parametrize("corner", [(-1280, 1280), (-900, 2000), (-1003, 1), (0, 0), (0, 1280), (-2560, 0), (0, 2560)])
def test_a_footprint_with_a_pole_on_it_is_valid_and_reaches_the_pole(
    code: int, pole: int, corner: tuple[float, float]
) -> None:
    shape = footprint(crs(code), Affine(10, 0, corner[0], 0, -10, corner[1]), TILE, steps=32)
    assert shape.is_valid
    assert pole in shape.bounds
    assert abs(shape.bounds[0]) <= 180
    # The true scale of both maps at the pole is 0.97.
    assert area(shape) == pytest.approx((2560 / 0.972) ** 2, rel=0.03)


def test_a_footprint_beside_a_pole_does_not_reach_it() -> None:
    shape = footprint(crs(3031), Affine(10, 0, 5000, 0, -10, 5000), TILE)
    assert -90 < shape.bounds[1] < -89.9
    assert 27 < shape.bounds[0] < shape.bounds[2] < 73


@LIGHT
@given(st.floats(-180, 180), st.floats(-84, 84), st.floats(0, 6.28), st.integers(-300, 300), st.integers(-300, 300))
def test_a_footprint_has_the_area_of_its_pixels_wherever_it_lies(
    longitude: float, latitude: float, turn: float, row: int, column: int
) -> None:
    local = CRS.from_proj4(f"+proj=laea +lat_0={latitude} +lon_0={longitude} +datum=WGS84")
    a, b = 20 * np.cos(turn), 20 * np.sin(turn)
    shape = footprint(local, Affine(a, b, 0, b, -a, 0), Window(row, column, 100, 150))
    assert shape.is_valid
    assert area(shape) == pytest.approx(100 * 150 * 400, rel=0.01)


def test_a_scene_without_crs_is_refused() -> None:
    with pytest.raises(SceneError, match="no CRS, expected one that says where the scene lies"):
        outline(None, UTM_TRANSFORM, TILE)


def test_a_crs_of_no_place_on_the_globe_is_refused_by_name() -> None:
    local = CRS.from_wkt('LOCAL_CS["my garden",UNIT["metre",1]]')
    with pytest.raises(SceneError, match="CRS 'my garden': no longitudes and latitudes, expected a geographic or"):
        outline(local, UTM_TRANSFORM, TILE)


@pytest.mark.parametrize(
    ("code", "transform"), [(32632, Affine(1e6, 0, 0, 0, -1e6, 0)), (4326, Affine(0.01, 0, 0, 0, -0.01, 91))]
)
def test_a_border_off_the_globe_is_refused_with_its_place_and_crs(code: int, transform: Affine) -> None:
    with pytest.raises(SceneError, match=rf"no longitude and latitude, expected a place within EPSG:{code}"):
        outline(crs(code), transform, TILE)


def test_pixels_without_an_area_have_no_footprint() -> None:
    with pytest.raises(SceneError, match="its pixels cover no ground, expected some"):
        footprint(crs(32632), Affine(10, 0, 500_000, 0, 0, 5_300_000), TILE)
