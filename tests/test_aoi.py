"""Areas of interest: what is read, what is refused, and which pixels of a scene lie inside."""

from __future__ import annotations

import json
import sqlite3
import zipfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import rasterio.features
import shapely
from affine import Affine
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pyogrio import raw
from pyproj import Transformer
from rasterio.crs import CRS
from shapely.affinity import translate

from sartranslate.errors import AreaError
from sartranslate.printable import printable
from sartranslate.scenes.aoi import AreaOnGrid, area_on_grid
from sartranslate.scenes.area_file import Area, bbox_area, read_area
from sartranslate.streaming.windows import Window
from tests.conftest import TRANSFORM, UTM

LIGHT = settings(max_examples=60, deadline=None)
SQUARE = shapely.box(9, 47.7, 9.1, 47.8)
OTHER = shapely.box(9.1, 47.7, 9.2, 47.8)
SIZE = 24  # pixels, both sides of the scenes here


def write(path: Path, *geometries: Any, crs: str | None = "EPSG:4326", kind: str = "Polygon", **options: Any) -> str:
    wkb = np.array([shapely.to_wkb(geometry) for geometry in geometries], object)
    numbers = [np.arange(len(geometries))]
    with pytest.warns(UserWarning, match="crs") if crs is None else nullcontext():
        raw.write(path, wkb, numbers, ["number"], geometry_type=kind, crs=crs, **options)
    return str(path)


def on_grid(polygon: Any) -> AreaOnGrid:
    """A polygon of pixels placed in a scene whose coordinates are its pixels."""
    return area_on_grid(Area(polygon, pyproj.CRS.from_epsg(32632), "polygon"), UTM, Affine.identity(), SIZE, SIZE)


def whole(area: AreaOnGrid) -> Any:
    return area.mask(Window(0, 0, SIZE, SIZE))


@st.composite
def polygons(draw: Any) -> Any:
    """Polygons, some with holes or parts, with corners on halves, thirds or tenths of pixels or beyond the scene."""
    unit = draw(st.sampled_from([2, 3, 10]))
    corner = st.tuples(st.integers(-4 * unit, 28 * unit), st.integers(-4 * unit, 28 * unit))
    outer, inner, more = (
        shapely.convex_hull(shapely.MultiPoint(draw(st.lists(corner, min_size=3, max_size=6)))) for _ in range(3)
    )
    cut = shapely.transform(outer.difference(inner).union(more), lambda points: points / unit)
    parts = [part for part in shapely.get_parts(cut) if part.geom_type == "Polygon" and not part.is_empty]
    polygon = shapely.MultiPolygon(parts)
    assume(parts and polygon.is_valid)
    return polygon


@st.composite
def cuts(draw: Any) -> Window:
    row_off, col_off = draw(st.integers(0, SIZE - 1)), draw(st.integers(0, SIZE - 1))
    return Window(row_off, col_off, draw(st.integers(1, SIZE - row_off)), draw(st.integers(1, SIZE - col_off)))


@LIGHT
@given(polygons(), cuts())
def test_the_mask_of_a_window_is_the_same_cut_of_the_mask_of_the_whole(polygon: Any, cut: Window) -> None:
    area = AreaOnGrid(cut, polygon)
    expected = whole(area)[cut.rows, cut.cols]
    assert np.array_equal(area.mask(cut), expected)
    assert area.touches(cut) == expected.any()


@LIGHT
@given(polygons())
def test_pixels_belong_to_an_area_as_gdal_has_it_but_for_centres_on_the_edge(polygon: Any) -> None:
    area = AreaOnGrid(Window(0, 0, SIZE, SIZE), polygon)
    rows, cols = np.mgrid[:SIZE, :SIZE] + 0.5
    clear = shapely.distance(shapely.points(cols, rows), polygon.boundary) > 1e-9
    expected = rasterio.features.rasterize([polygon], (SIZE, SIZE), dtype="uint8") == 1
    assert np.array_equal(whole(area)[clear], expected[clear])


@LIGHT
@given(polygons())
def test_the_window_of_an_area_is_the_smallest_that_holds_its_pixels(polygon: Any) -> None:
    rows, cols = np.nonzero(whole(AreaOnGrid(Window(0, 0, SIZE, SIZE), polygon)))
    assume(len(rows))
    assert on_grid(polygon).window == Window(rows.min(), cols.min(), np.ptp(rows) + 1, np.ptp(cols) + 1)


def test_centres_on_an_edge_that_two_areas_share_belong_to_exactly_one_of_them() -> None:
    left, right = shapely.box(2, 3, 10.5, 20.5), shapely.box(10.5, 3, 15, 20.5)
    upper = shapely.Polygon([(2, 3), (2, 1), (15, 2), (15, 3), (10.5, 3)])
    visits = sum(whole(on_grid(part)).astype(int) for part in (left, right, upper))
    union = whole(on_grid(shapely.union_all([left, right, upper])))
    assert np.array_equal(visits, union.astype(int))


def test_a_hole_is_outside() -> None:
    mask = whole(on_grid(shapely.box(2, 2, 12, 12).difference(shapely.box(5, 6, 8, 10))))
    expected = np.zeros((SIZE, SIZE), bool)
    expected[2:12, 2:12] = True
    expected[6:10, 5:8] = False
    assert np.array_equal(mask, expected)


@pytest.mark.parametrize(
    "transform",
    [
        Affine(10, 0, 500_000, 0, -10, 5_300_000),
        Affine(10, 0, 500_000, 0, 10, 5_300_000),
        Affine(8, 6, 500_000, 6, -8, 5_300_000),
        Affine(10, 3, 500_000, 0, -10, 5_300_000),
    ],
    ids=["north up", "south up", "rotated", "sheared"],
)
def test_pixels_are_found_through_any_transform(transform: Affine) -> None:
    pixels = shapely.Polygon([(3, 2), (20, 7), (6, 21)])
    a, b, c, d, e, f = transform[:6]
    ground = shapely.transform(
        pixels, lambda xy: np.column_stack([a * xy[:, 0] + b * xy[:, 1] + c, d * xy[:, 0] + e * xy[:, 1] + f])
    )
    area = area_on_grid(read_area(ground.wkt, "EPSG:32632"), UTM, transform, SIZE, SIZE)
    expected = rasterio.features.rasterize([pixels], (SIZE, SIZE), dtype="uint8") == 1
    assert np.array_equal(whole(area), expected)


def test_edges_are_bent_as_the_crs_of_the_scene_bends_them() -> None:
    size = 30_000  # pixels, so that a parallel bends by hundreds
    area = area_on_grid(bbox_area(9.2, 46.2, 11.8, 47.6), UTM, TRANSFORM, size, size)
    to_scene = Transformer.from_crs(4326, UTM.to_epsg(), always_xy=True)
    longitude = np.linspace(9.2, 11.8, 5001)
    x, y = to_scene.transform(longitude, np.full_like(longitude, 46.2))
    points = shapely.points((x - TRANSFORM.c) / 10, (TRANSFORM.f - y) / 10)
    assert shapely.distance(area.polygon.boundary, points).max() < 0.1
    assert len(shapely.get_coordinates(area.polygon)) < 1000


def test_a_box_across_the_antimeridian_is_found_in_a_projected_and_in_a_geographic_scene() -> None:
    box = bbox_area(179, -18, -179, -17)
    assert [part.bounds for part in shapely.get_parts(box.geometry)] == [
        (-180, -18, -179, -17),
        (179, -18, 180, -17),
    ]
    degrees = area_on_grid(box, CRS.from_epsg(4326), Affine(0.125, 0, 178, 0, -0.125, -16), SIZE, SIZE)
    assert degrees.window == Window(8, 8, 8, 16)
    assert degrees.mask(degrees.window).all()
    metres = area_on_grid(box, CRS.from_epsg(32760), Affine(2000, 0, 650_000, 0, -2000, 8_150_000), 100, 150)
    inside = metres.mask(metres.window)
    assert abs(inside.sum() - 2 * 106_300 * 110_700 / 2000**2) < 30


def test_an_area_around_a_pole_or_the_world_is_found() -> None:
    polar, transform = CRS.from_epsg(3413), Affine(100_000, 0, -4e6, 0, -100_000, 4e6)
    mask = area_on_grid(bbox_area(-180, 80, 180, 90), polar, transform, 80, 80).mask(Window(0, 0, 80, 80))
    rows, cols = np.nonzero(mask)
    assert abs(mask.sum() - np.pi * 10.9**2) < 20
    assert (rows.min() + rows.max(), cols.min() + cols.max()) == (79, 79)
    world = area_on_grid(bbox_area(-180, -90, 180, 90), UTM, TRANSFORM, SIZE, SIZE)
    assert whole(world).all()


def test_an_area_elsewhere_is_refused_with_what_the_scene_covers() -> None:
    with pytest.raises(AreaError, match=r"^bbox 20 20 21 21: lies outside the scene, which covers longitude 9\.0000"):
        area_on_grid(bbox_area(20, 20, 21, 21), UTM, TRANSFORM, SIZE, SIZE)


def test_an_area_between_the_centres_of_pixels_is_refused() -> None:
    with pytest.raises(AreaError, match="holds no pixel centre of the scene"):
        on_grid(shapely.box(3.6, 3.6, 4.4, 4.4))


def test_a_scene_without_crs_has_no_areas() -> None:
    with pytest.raises(AreaError, match="the scene has no CRS"):
        area_on_grid(bbox_area(9, 47, 10, 48), None, TRANSFORM, SIZE, SIZE)


def test_coordinates_with_no_place_in_the_scenes_crs_are_named() -> None:
    half_globe = CRS.from_string("+proj=ortho +lat_0=90 +lon_0=0 +R=6371000")
    with pytest.raises(AreaError, match=r"^bbox -180 -60 180 90: \(.*\) has no place in the scene's CRS"):
        area_on_grid(bbox_area(-180, -60, 180, 90), half_globe, Affine(100_000, 0, -4e6, 0, -100_000, 4e6), 80, 80)


def test_edges_that_run_over_a_pole_or_a_seam_of_the_scenes_crs_are_named() -> None:
    polar, transform = CRS.from_epsg(3413), Affine(100_000, 0, -4e6, 0, -100_000, 4e6)
    with pytest.raises(AreaError, match=r"the edge from \(.*-90\) on has no place in the scene's CRS, WGS 84 / NSIDC"):
        area_on_grid(bbox_area(-180, -90, 180, 90), polar, transform, 80, 80)
    cap = bbox_area(-1e6, -1e6, 1e6, 1e6, "EPSG:3413")
    with pytest.raises(AreaError, match=r"the edge from \(.*\) on has no place in the scene's CRS, WGS 84$"):
        area_on_grid(cap, CRS.from_epsg(4326), Affine(1, 0, -180, 0, -1, 90), 180, 360)


@pytest.mark.parametrize("name", ["a.geojson", "a.gpkg", "a.shp", "a.fgb", "a.kml"])
def test_the_polygons_of_a_file_are_united(tmp_path: Path, name: str) -> None:
    options = {"driver": "KML"} if name.endswith("kml") else {}
    area = read_area(write(tmp_path / name, SQUARE, OTHER, **options))
    assert area.geometry.equals(SQUARE.union(OTHER))
    assert area.crs.equals(pyproj.CRS.from_epsg(4326), ignore_axis_order=True)
    assert area.source == str(tmp_path / name)


def test_a_file_in_an_archive_is_read_through_its_virtual_path(tmp_path: Path) -> None:
    write(tmp_path / "a.geojson", SQUARE)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tmp_path / "a.geojson", "a.geojson")
    assert read_area(f"/vsizip/{tmp_path}/a.zip/a.geojson").geometry.equals(SQUARE)


def test_a_text_is_a_polygon_and_its_srid_the_crs_unless_told_otherwise() -> None:
    text = "SRID=32632;MULTIPOLYGON (((0 0, 1 0, 1 1, 0 0)))"
    assert read_area(text).crs.to_epsg() == 32632
    assert read_area(text, "EPSG:32633").crs.to_epsg() == 32633
    assert read_area("polygon z((0 0 7, 1 0 7, 1 1 7, 0 0 7))", "EPSG:4326").geometry.wkt.startswith("POLYGON ((")


def test_a_crs_that_is_given_goes_before_that_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.geojson", shapely.box(5e5, 5e6, 6e5, 6e6))
    assert read_area(path, "EPSG:32632").crs.to_epsg() == 32632
    with pytest.raises(AreaError, match=r"a\.geojson: x 500000\.\.600000.* no longitudes and latitudes.*--aoi-crs"):
        read_area(path)


def test_heights_of_a_file_and_its_crs_are_dropped(tmp_path: Path) -> None:
    area = read_area(write(tmp_path / "a.geojson", shapely.force_3d(SQUARE, 400), crs="EPSG:4979", kind="Polygon Z"))
    assert not area.geometry.has_z
    assert len(area.crs.axis_info) == 2


def test_the_only_layer_with_polygons_is_taken_and_several_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.gpkg"
    write(path, shapely.Point(0, 0), kind="Point", layer="places")
    write(path, SQUARE, layer="fields", append=True)
    assert read_area(str(path)).geometry.equals(SQUARE)
    write(path, OTHER, layer="woods", append=True)
    with pytest.raises(AreaError, match="2 layers of polygons, expected 1; layers: places, fields, woods"):
        read_area(str(path))


@pytest.mark.parametrize("name", ["a.shp", "a.gpkg"])
def test_a_file_without_crs_is_refused_until_it_is_told(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, SQUARE, crs=None)
    with pytest.raises(AreaError, match=rf"{name}: polygon without CRS; --aoi-crs tells it"):
        read_area(path)
    assert read_area(path, "EPSG:4326").geometry.equals(SQUARE)


@pytest.mark.parametrize("srs", [0, -1])
def test_a_geopackage_that_says_its_crs_is_undefined_has_none(tmp_path: Path, srs: int) -> None:
    path = write(tmp_path / "a.gpkg", SQUARE)
    with sqlite3.connect(path) as database:
        database.execute("UPDATE gpkg_geometry_columns SET srs_id = ?", (srs,))
        database.execute("UPDATE gpkg_contents SET srs_id = ?", (srs,))
    database.close()
    with pytest.raises(AreaError, match="polygon without CRS"):
        read_area(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("POLYGON ((0 0, 1 0, 1 1, 0 0))", "^POLYGON .*: polygon without CRS; --aoi-crs tells it"),
        ("SRID=4326;POINT (1 1)", "Point, expected Polygon or MultiPolygon"),
        ("SRID=4326;POLYGON EMPTY", "no geometry, expected Polygon or MultiPolygon"),
        ("SRID=4326;POLYGON ((0 0, 1 1, 1 0, 0 1, 0 0))", r"Self-intersection\[0\.5 0\.5\], expected a valid"),
        ("SRID=4326;POLYGON ((0 0, 1 1, 1 0))", "can not be read: .*closed"),
        ("SRID=4326;POLYGON ((0 0, 1 1, 1 nan, 0 0))", "not finite"),
        ("SRID=99999;POLYGON ((0 0, 1 0, 1 1, 0 0))", "unknown CRS 'EPSG:99999', expected one such as EPSG:4326"),
        ("SRID=5773;POLYGON ((0 0, 1 0, 1 1, 0 0))", "Vertical CRS .*expected a geographic or projected CRS"),
    ],
)
def test_a_text_that_is_no_valid_polygon_on_known_ground_is_refused(text: str, message: str) -> None:
    with pytest.raises(AreaError, match=message):
        read_area(text)


@pytest.mark.parametrize(
    ("geometries", "message"),
    [
        ([], r"a\.geojson: no features, expected a file of polygons"),
        ([None], "no geometry, expected Polygon"),
        ([shapely.geometry.mapping(shapely.LineString([(0, 0), (1, 1)]))], "LineString, expected Polygon"),
        ([SQUARE.__geo_interface__, shapely.Point(0, 0).__geo_interface__], "feature 2: Point, expected Polygon"),
        ([{"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1]]]}], r"a\.geojson: can not be read: .*closed"),
    ],
)
def test_a_file_with_anything_but_polygons_is_refused(tmp_path: Path, geometries: list[Any], message: str) -> None:
    features = [{"type": "Feature", "properties": {}, "geometry": geometry} for geometry in geometries]
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    with pytest.raises(AreaError, match=message) as caught:
        read_area(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["missing.shp", "text.geojson", "scene.tif", "table.csv", "", "\udcff.shp"])
def test_what_is_no_vector_file_is_named_with_what_was_expected(tmp_path: Path, name: str) -> None:
    for file in ("text.geojson", "scene.tif"):
        (tmp_path / file).write_text("no polygons")
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    path = str(tmp_path / name) if name else ""
    with pytest.raises(AreaError, match="expected a file of polygons, or WKT") as caught:
        read_area(path)
    assert str(caught.value).startswith(f"{printable(path)}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("sides", "crs", "message"),
    [
        ((9, 48, 10, 47), None, "south 48 is not below north 47; expected west south east north"),
        ((9, 47, 9, 48), None, "west 9 is not below east 9"),
        ((10, 47, 9, 48), "EPSG:32632", "west 10 is not below east 9"),
        ((9, 47, float("nan"), 48), None, "expected finite numbers"),
        ((9, 47, float("inf"), 48), None, "expected finite numbers"),
        ((5e5, 5e6, 6e5, 6e6), None, "no longitudes and latitudes.*--aoi-crs"),
        ((9, 47, 10, 48), "EPSG:nowhere", "unknown CRS 'EPSG:nowhere'"),
    ],
)
def test_a_box_with_impossible_sides_is_refused(sides: tuple[float, ...], crs: str | None, message: str) -> None:
    with pytest.raises(AreaError, match=f"^bbox .*{message}"):
        bbox_area(*sides, crs)


def test_a_box_is_in_the_unit_of_its_crs() -> None:
    box = bbox_area(500_020, 5_299_900, 500_070, 5_299_960, "EPSG:32632")
    assert area_on_grid(box, UTM, TRANSFORM, SIZE, SIZE).window == Window(4, 2, 6, 5)


def test_two_areas_of_the_same_shape_apart_are_apart_on_the_grid() -> None:
    pair = shapely.MultiPolygon([shapely.box(1, 1, 4, 4), translate(shapely.box(1, 1, 4, 4), 10, 12)])
    area = on_grid(pair)
    assert area.window == Window(1, 1, 15, 13)
    assert not area.touches(Window(5, 5, 6, 4))
    assert whole(area).sum() == 18
