"""Ground control points give a scene the map grid it would have been delivered on."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rasterio.crs import CRS

from sartranslate.errors import OptionError, SceneError
from sartranslate.rasters.groundcontrol import METHODS, ControlPoints, control_points, map_grid, utm
from tests.conftest import GCP_COLS, GCP_SPACING, gcp_pixels, gcp_places, on_grid

LIGHT = settings(max_examples=40, deadline=None)
DEGREES = CRS.from_epsg(4326)
SIZE = (270, 315)
FOLDS = 5
TERRAIN = 0.8  # pixels that lines of points jump to and fro


def product(jump: float = 0.0, crs: str | None = None) -> ControlPoints:
    """The points of a synthetic GRD product."""
    pixels = gcp_pixels(*SIZE)
    return control_points(pixels, gcp_places(pixels, *SIZE, jump), DEGREES, crs)


def around(longitude: float, latitude: float) -> NDArray[np.float64]:
    """Places of the product's points when it is moved there."""
    moved = gcp_places(gcp_pixels(*SIZE), *SIZE) + np.array([longitude - 11, latitude - 48])
    moved[:, 0] = (moved[:, 0] + 180) % 360 - 180
    return moved


def misses(points: ControlPoints, method: str) -> NDArray[np.float64]:
    """How far points come out from their places when every fifth in turn is left out: pixels."""
    errors = np.empty(len(points.pixels))
    for fold in range(FOLDS):
        out = np.arange(len(errors)) % FOLDS == fold
        kept = ControlPoints(points.pixels[~out], points.ground[~out], points.crs)
        errors[out] = np.hypot(*(placed(kept, points.pixels[out], method) - points.ground[out]).T) / GCP_SPACING
    return errors


def placed(points: ControlPoints, pixels: NDArray[np.float64], method: str) -> NDArray[np.float64]:
    if method != "affine":
        return points.to_ground(pixels, method)
    terms, wanted = (np.c_[places, np.ones(len(places))] for places in (points.pixels, pixels))
    return np.asarray(wanted @ np.linalg.lstsq(terms, points.ground, rcond=None)[0])


@pytest.mark.parametrize("jump", [0.0, 0.4, TERRAIN, 1.5])
def test_held_out_points_come_out_within_a_pixel_by_the_method_chosen_and_not_by_an_affine(jump: float) -> None:
    points = product(jump)
    assert misses(points, map_grid(points, *SIZE).method).max() < 1
    assert misses(points, "affine").max() > 5


def test_the_spline_is_taken_where_the_polynomial_passes_by_the_points() -> None:
    assert map_grid(product(), *SIZE).method == "polynomial"
    assert map_grid(product(TERRAIN), *SIZE).method == "tps"
    assert misses(product(TERRAIN), "polynomial").max() > 1 > 2 * misses(product(TERRAIN), "tps").max()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("jump", [0.0, TERRAIN])
def test_a_method_that_is_told_is_taken(method: str, jump: float) -> None:
    assert map_grid(product(jump), *SIZE, method=method).method == method


def test_the_residual_of_the_polynomial_is_in_pixels() -> None:
    assert product().residual() < 0.1
    # A cubic can not follow it; the largest jump is the square root of 2 times as large.
    assert 1.3 * TERRAIN < product(TERRAIN).residual() < 2 * TERRAIN


def test_the_spline_goes_through_its_points() -> None:
    points = product(1.5)
    np.testing.assert_allclose(points.to_ground(points.pixels, "tps"), points.ground, rtol=0, atol=0.01)


@pytest.mark.parametrize("jump", [0.0, TERRAIN])
def test_the_grid_has_the_pixel_spacing_of_the_source_and_covers_it(jump: float) -> None:
    points = product(jump)
    grid = map_grid(points, *SIZE)
    assert grid.transform.a == -grid.transform.e == GCP_SPACING
    assert (grid.transform.b, grid.transform.d, grid.averaged) == (0, 0, False)
    columns, rows = on_grid(points.ground, grid.transform).T
    assert columns.min() >= -0.01
    assert rows.min() >= -0.01
    assert columns.max() <= grid.width + 0.01
    assert rows.max() <= grid.height + 0.01
    # A pixel more on each side at most, where a line of the grid does not meet the border.
    assert max(columns.min(), rows.min(), grid.width - columns.max(), grid.height - rows.max()) < 2


@LIGHT
@given(resolution=st.floats(0.5, 900))
def test_lines_of_the_grid_are_multiples_of_the_resolution(resolution: float) -> None:
    grid = map_grid(product(), *SIZE, resolution)
    lines = np.array([grid.transform.c, grid.transform.f]) / resolution
    np.testing.assert_allclose(lines, np.rint(lines), rtol=0, atol=1e-6)
    assert (grid.transform.a, grid.transform.e) == (resolution, -resolution)


def test_scenes_of_one_pass_share_the_lines_of_their_grids() -> None:
    own, other = (map_grid(product(jump), *SIZE).transform for jump in (0.0, TERRAIN))
    assert (other.c - own.c) % GCP_SPACING == (other.f - own.f) % GCP_SPACING == 0


@pytest.mark.parametrize(("resolution", "averaged"), [(5.0, False), (10.0, False), (30.0, True)])
def test_pixels_of_a_coarser_grid_are_means(resolution: float, averaged: bool) -> None:
    assert map_grid(product(), *SIZE, resolution).averaged == averaged


@pytest.mark.parametrize(
    ("spacing", "taken"), [(10.02, 10.0), (9.96, 10.0), (39.7, 40.0), (25.0, 25.0), (13.54, 13.5), (0.0001, 0.0001)]
)
def test_the_default_resolution_is_the_spacing_in_round_numbers(spacing: float, taken: float) -> None:
    pixels = gcp_pixels(*SIZE)
    points = ControlPoints(pixels, pixels * (spacing, -spacing), CRS.from_epsg(32632))
    assert map_grid(points, *SIZE).transform.a == pytest.approx(taken, rel=1e-9)


@pytest.mark.parametrize(
    ("place", "epsg"),
    [
        pytest.param((-118.2, 34.0), 32611, id="Los Angeles"),
        pytest.param((18.4, -33.9), 32734, id="Cape Town"),
        pytest.param((-60.0, 0.0), 32621, id="the equator"),
        pytest.param((-60.0, -0.01), 32721, id="south of the equator"),
        pytest.param((6.0, 48.0), 32632, id="between zones"),
        pytest.param((5.3, 60.4), 32632, id="Bergen lies in 32V"),
        pytest.param((2.9, 60.4), 32631, id="west of 32V"),
        pytest.param((5.3, 64.0), 32631, id="north of 32V"),
        pytest.param((8.9, 78.0), 32631, id="31X"),
        pytest.param((9.0, 78.0), 32633, id="33X begins"),
        pytest.param((20.9, 78.0), 32633, id="33X ends"),
        pytest.param((21.0, 78.0), 32635, id="35X"),
        pytest.param((41.9, 78.0), 32637, id="37X"),
        pytest.param((42.0, 78.0), 32638, id="east of Svalbard"),
        pytest.param((179.99, -17.0), 32760, id="Fiji"),
        pytest.param((-179.99, -17.0), 32701, id="Fiji over the antimeridian"),
        pytest.param((180.0, 10.0), 32601, id="the antimeridian"),
        pytest.param((182.0, 10.0), 32601, id="longitudes beyond 180"),
        pytest.param((10.0, 83.9), 32633, id="the last of UTM"),
        pytest.param((10.0, 84.0), 5041, id="north of UTM"),
        pytest.param((0.0, -79.9), 32731, id="the Ross ice shelf's latitude"),
        pytest.param((0.0, -82.0), 5042, id="south of UTM"),
        pytest.param((0.0, -90.0), 5042, id="the pole"),
    ],
)
def test_the_utm_zone_is_that_of_the_maps(place: tuple[float, float], epsg: int) -> None:
    assert utm(*place).to_epsg() == epsg


@LIGHT
@given(longitude=st.floats(-180, 180, exclude_max=True), latitude=st.floats(-79, 55))
def test_a_place_lies_within_three_degrees_of_its_zones_meridian(longitude: float, latitude: float) -> None:
    zone = utm(longitude, latitude).to_epsg() % 100
    apart = longitude - (zone * 6 - 183)
    assert abs((apart + 180) % 360 - 180) <= 3 + 1e-9


@pytest.mark.parametrize(("longitude", "latitude"), [(180, -17), (-179.99, 10), (20, -81), (-30, 85), (5.3, 61)])
def test_a_scene_is_placed_wherever_it_lies(longitude: float, latitude: float) -> None:
    pixels = gcp_pixels(*SIZE)
    points = control_points(pixels, around(longitude, latitude), DEGREES)
    grid = map_grid(points, *SIZE)
    assert points.crs == utm(longitude, latitude)
    assert grid.height * grid.width < 4 * SIZE[0] * SIZE[1]
    assert misses(points, grid.method).max() < 1


def test_the_crs_told_is_the_grids() -> None:
    points = product(crs="EPSG:2154")
    assert points.crs == CRS.from_epsg(2154)
    assert misses(points, map_grid(points, *SIZE).method).max() < 1


def test_a_grid_in_degrees_has_their_spacing() -> None:
    grid = map_grid(product(crs="EPSG:4326"), *SIZE)
    assert grid.transform.a == pytest.approx(GCP_SPACING / 111_320 / np.sqrt(np.cos(np.radians(48))), rel=0.02)


def refused(error: type[Exception], message: str) -> Any:
    return pytest.raises(error, match=f"^{re.escape(message)}$")


def test_points_without_a_crs_are_refused() -> None:
    with refused(SceneError, "3 ground control points without a CRS, expected one that says where they are"):
        control_points(np.zeros((3, 2)), np.zeros((3, 2)), None)


@pytest.mark.parametrize(
    ("count", "method", "fewest"), [(1, None, 4), (3, None, 4), (3, "tps", 4), (9, "polynomial", 10)]
)
def test_too_few_points_are_refused(count: int, method: str | None, fewest: int) -> None:
    some = np.random.default_rng(1).permutation(len(gcp_pixels(*SIZE)))[:count]
    points = product()
    with refused(SceneError, f"{count} ground control points, expected at least {fewest}"):
        map_grid(ControlPoints(points.pixels[some], points.ground[some], points.crs), *SIZE, method=method)


@pytest.mark.parametrize("method", [None, *METHODS])
@pytest.mark.parametrize("line", [slice(0, GCP_COLS), slice(0, None, GCP_COLS), slice(0, None, GCP_COLS + 1)])
def test_points_on_one_line_are_refused(line: slice, method: str | None) -> None:
    pixels = gcp_pixels(*SIZE)[line]
    points = ControlPoints(pixels, pixels * (10, -10) + (500_000, 5_000_000), CRS.from_epsg(32632))
    with refused(SceneError, f"{len(pixels)} ground control points on one line, expected them spread over the scene"):
        map_grid(points, *SIZE, method=method)


def test_points_that_are_all_one_place_are_refused() -> None:
    pixels = gcp_pixels(*SIZE)
    points = ControlPoints(pixels, np.full_like(pixels, 500_000), CRS.from_epsg(32632))
    with pytest.raises(SceneError, match="expected them spread over the scene"):
        map_grid(points, *SIZE)


def test_four_corners_are_enough_for_a_spline() -> None:
    corners = [0, GCP_COLS - 1, -GCP_COLS, -1]
    points = product()
    grid = map_grid(ControlPoints(points.pixels[corners], points.ground[corners], points.crs), *SIZE)
    assert grid.method == "tps"
    assert grid.transform.a == GCP_SPACING


def test_three_columns_of_points_make_no_polynomial() -> None:
    few = np.isin(np.arange(len(gcp_pixels(*SIZE))) % GCP_COLS, (0, 10, 20))
    points = product()
    kept = ControlPoints(points.pixels[few], points.ground[few], points.crs)
    assert map_grid(kept, *SIZE).method == "tps"
    with refused(SceneError, "30 ground control points do not determine a polynomial, expected 4 rows and columns"):
        map_grid(kept, *SIZE, method="polynomial")


@pytest.mark.parametrize("resolution", [0.0, -10.0, np.nan, np.inf])
def test_a_resolution_that_is_no_length_is_refused(resolution: float) -> None:
    with refused(OptionError, f"resolution {resolution}: expected above 0, in units of EPSG:32632"):
        map_grid(product(), *SIZE, resolution)


@pytest.mark.parametrize("crs", ["EPSG:99999", "Mercator", "+proj=nothing"])
def test_an_unknown_crs_is_refused(crs: str) -> None:
    with refused(OptionError, f"CRS {crs!r}: not known, expected for example EPSG:32633"):
        product(crs=crs)


@pytest.mark.parametrize("crs", ["EPSG:5703", "EPSG:4978", 'LOCAL_CS["site"]'])
def test_heights_and_other_crs_without_a_map_are_refused(crs: str) -> None:
    with refused(OptionError, f"CRS {crs!r}: is of no map, expected for example EPSG:32633"):
        product(crs=crs)


def test_nothing_is_printed_for_an_unknown_crs() -> None:
    program = (
        "from sartranslate.rasters.groundcontrol import control_points\n"
        "from rasterio.crs import CRS\n"
        "import numpy as np\n"
        "try: control_points(np.zeros((4, 2)), np.zeros((4, 2)), CRS.from_epsg(4326), 'EPSG:99999')\n"
        "except ValueError: pass\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_points_that_the_crs_does_not_reach_are_refused() -> None:
    pixels = gcp_pixels(*SIZE)
    other_side = "+proj=ortho +lat_0=-48 +lon_0=-169 +datum=WGS84"
    with pytest.raises(SceneError, match=r"^its ground control points have no place in "):
        control_points(pixels, gcp_places(pixels, *SIZE), DEGREES, other_side)


def test_the_polynomial_is_left_for_a_single_point_that_it_passes_by() -> None:
    """Most of a scene may fit well, and a corner of it be pixels off."""
    points = product()
    ground = points.ground.copy()
    ground[100] += 3 * GCP_SPACING
    bent = ControlPoints(points.pixels, ground, points.crs)
    assert map_grid(points, *SIZE).method == "polynomial"
    assert map_grid(bent, *SIZE).method == "tps"


def test_a_grid_in_degrees_goes_on_across_the_antimeridian() -> None:
    points = control_points(gcp_pixels(*SIZE), around(179.999, -17), DEGREES, "EPSG:4326")
    grid, usual = map_grid(points, *SIZE), map_grid(product(crs="EPSG:4326"), *SIZE)
    assert grid.width == pytest.approx(usual.width, rel=0.5)


def test_a_resolution_in_the_wrong_unit_is_refused() -> None:
    with pytest.raises(OptionError, match=r"resolution 20000\.0: makes a grid of 1 x 1 pixels, expected 2 to"):
        map_grid(product(crs="EPSG:4326"), *SIZE, resolution=20_000.0)


def test_a_resolution_far_finer_than_the_scene_is_refused() -> None:
    spacing = map_grid(product(), *SIZE).transform.a
    assert map_grid(product(), *SIZE, resolution=spacing / 10).transform.a == spacing / 10
    with pytest.raises(OptionError, match=r"resolution 0\.001: makes .* a grid of .*, expected at most 1024 times"):
        map_grid(product(), *SIZE, resolution=0.001)


def test_points_given_twice_count_once_and_contradicting_ones_are_refused() -> None:
    pixels = gcp_pixels(*SIZE)
    places = gcp_places(pixels, *SIZE, TERRAIN)
    twice = control_points(np.tile(pixels, (2, 1)), np.tile(places, (2, 1)), DEGREES)
    assert np.array_equal(twice.ground, product(TERRAIN).ground)
    assert map_grid(twice, *SIZE).method == "tps"
    with pytest.raises(SceneError, match="put one pixel in two places"):
        control_points(np.vstack([pixels, pixels[:1]]), np.vstack([places, places[5:6]]), DEGREES)


@pytest.mark.parametrize("odd", [np.nan, np.inf, -1e300])
def test_a_point_that_is_nowhere_is_refused(odd: float) -> None:
    pixels = gcp_pixels(*SIZE)
    places = gcp_places(pixels, *SIZE)
    pixels[7, 0] = odd
    with pytest.raises(SceneError, match=r"a ground control point is no number, or beyond 1e\+12"):
        control_points(pixels, places, DEGREES)


def test_more_points_than_a_spline_can_pass_through_are_refused() -> None:
    points = np.random.default_rng(0).uniform(0, 1, (5001, 2))
    with pytest.raises(SceneError, match="5001 ground control points, expected at most 5000"):
        control_points(points, points, DEGREES)


def test_points_that_blow_a_scene_up_are_refused_but_a_fine_resolution_is_not() -> None:
    pixels = gcp_pixels(*SIZE)
    ground = 10.0 * pixels
    ground[0] = -3e4, 3e4
    points = ControlPoints(pixels, ground, CRS.from_epsg(32632))
    with pytest.raises(SceneError, match="ground control points spread 270 x 315 pixels over"):
        map_grid(points, *SIZE, method="tps")
    assert map_grid(product(), *SIZE, 0.5).height > 20 * SIZE[0]


def test_points_that_leave_pixels_no_area_are_refused() -> None:
    pixels = gcp_pixels(*SIZE)
    points = ControlPoints(pixels, pixels * 1e-14, CRS.from_epsg(32632))
    with pytest.raises(SceneError, match=r"make pixels of .* square units, expected an area"):
        map_grid(points, *SIZE)
