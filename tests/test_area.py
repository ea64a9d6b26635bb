"""A run on an area of interest: the same pixels as the run on the whole scene, cut and masked, for less work."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyogrio
import pytest
import rasterio
import rasterio.features
import shapely
from affine import Affine
from click.testing import Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.control import GroundControlPoint
from rio_cogeo.cogeo import cog_validate

from sartranslate.backscatter.radiometry import Float, Mask, Radiometry
from sartranslate.errors import AreaError
from sartranslate.infer.inference import translate
from sartranslate.infer.inference_summary import InferenceSummary
from sartranslate.infer.planning import InferenceOptions, plan
from sartranslate.networks.bundle import DEFAULT_MODEL
from sartranslate.quality.seams import WINDOW_TAG, TranslatedRegion
from sartranslate.runtimes.translator import Translator, load_translator
from sartranslate.scenes.area_file import Area, bbox_area, read_area
from sartranslate.streaming.sliding import Generator
from sartranslate.streaming.windows import Window, WindowGrid
from tests.conftest import TRANSFORM, UTM, WriteScene

HEIGHT, WIDTH = 150, 211
SMALL = InferenceOptions(window=64, overlap=16, unit="db")
ROTATED = Affine(8, 6, 500_000, 6, -8, 5_300_000)
SLANTED = shapely.Polygon([(20.3, 31.2), (120.6, 12.3), (182.4, 77.7), (60.2, 129.6)])
WITH_HOLES = SLANTED - shapely.box(60.2, 40.3, 95.4, 90.3) - shapely.box(120.3, 50.2, 130.7, 55.8)
TWO_PARTS = shapely.MultiPolygon([shapely.box(3, 5, 20, 30), shapely.box(150, 100, 200, 140)])
DIAGONAL = shapely.LineString([(5, 5), (200, 140)]).buffer(4)  # leaves out windows within its rows and columns
Run = Callable[..., Result]


class Picture(NamedTuple):
    """What was written, and where."""

    rgb: NDArray[np.uint8]  # (H, W, 3)
    mask: Mask
    transform: Affine
    crs: Any

    @classmethod
    def read(cls, path: Path) -> Picture:
        with rasterio.open(path) as dataset:
            rgb = np.moveaxis(dataset.read(), 0, -1)
            return cls(rgb, dataset.dataset_mask() > 0, dataset.transform, dataset.crs)


def surroundings(batch: Float) -> Float:
    """A generator to whose every pixel the whole patch contributes."""
    return np.repeat((batch + batch.mean(axis=(1, 2), keepdims=True)) / 2, 3, axis=-1)


def run(
    scene: Path,
    name: str,
    area: Area | None = None,
    options: InferenceOptions = SMALL,
    translator: Translator | Generator = surroundings,
) -> tuple[Picture, InferenceSummary]:
    translator = translator if isinstance(translator, Translator) else Translator(translator, batch_size=5)
    out = scene.parent / name
    planned = plan(scene, out, Radiometry(), replace(options, area=area, overwrite=True))
    summary = translate(planned, translator)
    return Picture.read(out), summary


def on_ground(polygon: Any, transform: Affine = TRANSFORM, crs: str = "EPSG:32632") -> Any:
    """A polygon of pixels, x the column, on the map of another CRS, with so many corners that its edges stay."""
    a, b, c, d, e, f = transform[:6]
    to_crs = Transformer.from_crs(UTM.to_wkt(), crs, always_xy=True)

    def place(points: NDArray[np.float64]) -> NDArray[np.float64]:
        x, y = points.T
        return np.column_stack(to_crs.transform(a * x + b * y + c, d * x + e * y + f))

    return shapely.transform(shapely.segmentize(polygon, 2), place)


def within(polygon: Any, shape: tuple[int, int] = (HEIGHT, WIDTH)) -> Mask:
    """Pixels whose centres lie in a polygon of pixels, as GDAL has it."""
    return np.asarray(rasterio.features.rasterize([polygon], shape, dtype="uint8") == 1)


def assert_cut_out(whole: Picture, cut: Picture, inside: Mask) -> None:
    """`cut` is the bounding rows and columns of `inside`, the same bits there, and masked outside."""
    rows, cols = np.nonzero(inside)
    top, left = int(rows.min()), int(cols.min())
    part = np.s_[top : rows.max() + 1, left : cols.max() + 1]
    a, b, c, d, e, f = whole.transform[:6]
    assert cut.mask.shape == inside[part].shape
    assert cut.crs == whole.crs
    assert cut.transform == Affine(a, b, c + a * left + b * top, d, e, f + d * left + e * top)
    assert np.array_equal(cut.mask, (whole.mask & inside)[part])
    assert np.array_equal(cut.rgb[cut.mask], whole.rgb[part][cut.mask])
    assert not cut.rgb[~cut.mask].any()


@pytest.fixture
def scene(write_scene: WriteScene) -> Path:
    """Decibels that vary over the scene, with a hole and an invalid corner."""
    values = np.random.default_rng(1).normal(-12, 3, (HEIGHT, WIDTH, 1)).astype(np.float32)
    values += np.linspace(-9, 9, WIDTH, dtype=np.float32)[:, None]
    values[40:55, 70:90] = -99
    values[:20, 180:] = -99
    return write_scene("scene.tif", values, nodata=-99)


def box(left: float, top: float, right: float, bottom: float) -> Area:
    west, south, east, north = on_ground(shapely.box(left, top, right, bottom)).bounds
    return bbox_area(west, south, east, north, "EPSG:32632")


@pytest.mark.parametrize(
    "sides",
    [
        (30, 20, 171, 133),
        (0, 0, WIDTH, HEIGHT),
        (100, 70, 101, 71),
        (0, 0, 1, 1),
        (WIDTH - 1, HEIGHT - 1, WIDTH, HEIGHT),
        (0, HEIGHT - 9, 7, HEIGHT),
        (150, 0, WIDTH, 33),
        (0, 60, WIDTH, 61),
        (47, 0, 49, HEIGHT),
        (60, 40, 100, 60),
    ],
    ids=lambda sides: "-".join(map(str, sides)),
)
def test_the_pixels_of_a_box_are_those_of_the_whole_scene(scene: Path, sides: tuple[int, int, int, int]) -> None:
    whole, _ = run(scene, "whole.tif")
    cut, _ = run(scene, "cut.tif", box(*sides))
    assert_cut_out(whole, cut, within(shapely.box(*sides)))
    assert cog_validate(scene.parent / "cut.tif") == (True, [], [])


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_window_overlap_or_batch_makes_a_difference_between_area_and_whole(scene: Path, data: Any) -> None:
    size = data.draw(st.integers(16, 100))
    chosen = InferenceOptions(
        window=size,
        overlap=data.draw(st.integers(0, size - 1)) // 2,
        batch_size=data.draw(st.integers(1, 9)),
        strip_height=data.draw(st.sampled_from([1, 16, 50])),
    )
    left, top = data.draw(st.integers(-20, WIDTH - 1)), data.draw(st.integers(-20, HEIGHT - 1))
    right, bottom = data.draw(st.integers(max(left, 0) + 1, 230)), data.draw(st.integers(max(top, 0) + 1, 170))
    whole, _ = run(scene, "whole.tif", None, chosen)
    cut, _ = run(scene, "cut.tif", box(left, top, right, bottom), chosen)
    assert_cut_out(whole, cut, within(shapely.box(left, top, right, bottom)))


@pytest.mark.parametrize(
    ("name", "crs"),
    [
        ("area.geojson", "EPSG:4326"),
        ("area.gpkg", "EPSG:32632"),
        ("area.gpkg", "EPSG:32633"),
        ("area.gpkg", "EPSG:3857"),
        ("area.fgb", "EPSG:3035"),
        ("area.shp", "EPSG:4326"),
    ],
)
def test_a_polygon_in_a_file_of_any_crs_is_cut_out(scene: Path, name: str, crs: str) -> None:
    path = scene.parent / name
    whole, _ = run(scene, "whole.tif")
    for polygon in (SLANTED, WITH_HOLES, TWO_PARTS):
        geometry = np.array([shapely.to_wkb(on_ground(polygon, crs=crs))], object)
        kind = "Unknown" if name.endswith("gpkg") else polygon.geom_type
        pyogrio.raw.write(path, geometry, [np.arange(1)], ["number"], geometry_type=kind, crs=crs)
        cut, _ = run(scene, "cut.tif", read_area(str(path)))
        assert_cut_out(whole, cut, within(polygon))


@pytest.mark.parametrize("sides", [(-50, -30, 40, 25), (180, 120, 400, 300), (-9, 70, 300, 90), (-999, -999, 999, 999)])
def test_of_an_area_partly_outside_the_scene_the_part_inside_is_cut_out(
    scene: Path, sides: tuple[int, int, int, int]
) -> None:
    whole, _ = run(scene, "whole.tif")
    cut, _ = run(scene, "cut.tif", box(*sides))
    assert_cut_out(whole, cut, within(shapely.box(*sides)))


def test_an_area_without_valid_pixels_comes_out_masked(scene: Path) -> None:
    cut, summary = run(scene, "cut.tif", box(75, 42, 80, 50))
    assert cut.mask.shape == (8, 5)
    assert not cut.mask.any()
    assert not cut.rgb.any()
    assert summary.windows > 0


def test_an_area_tells_where_in_the_windows_of_its_scene_it_lies(scene: Path) -> None:
    found = {}
    for name, area in {"whole.tif": None, "cut.tif": box(100, 60, 150, 90)}.items():
        run(scene, name, area)
        with rasterio.open(scene.parent / name) as dataset:
            found[name] = dataset.tags()[WINDOW_TAG]
    assert found["whole.tif"] == "64, overlap 16"
    assert found["cut.tif"] == f"64, overlap 16, from row 60, column 100 of {HEIGHT} x {WIDTH}"
    region = TranslatedRegion.tagged(found["cut.tif"], 30, 50)
    assert region == TranslatedRegion(WindowGrid(HEIGHT, WIDTH, 64, 16), Window(60, 100, 30, 50))


@pytest.mark.parametrize("polygon", [shapely.box(30, 20, 60, 40), DIAGONAL, TWO_PARTS])
def test_only_windows_that_the_area_touches_are_translated(scene: Path, polygon: Any) -> None:
    inside = within(polygon)
    grid = WindowGrid(HEIGHT, WIDTH, SMALL.window, SMALL.overlap)
    needed = sum(bool(inside[window.rows, window.cols].any()) for window in grid)
    seen = []

    def count(batch: Float) -> Float:
        seen.extend(patch.tobytes() for patch in batch)
        return surroundings(batch)

    _, summary = run(scene, "cut.tif", read_area(on_ground(polygon).wkt, "EPSG:32632"), translator=count)
    assert summary.windows == needed < len(grid)
    assert len(set(seen)) == needed - summary.skipped_windows
    assert (summary.height, summary.width) == tuple(np.ptp(np.nonzero(inside), axis=1) + 1)


def test_what_lies_around_an_area_is_read_with_it(write_scene: WriteScene, scene: Path) -> None:
    """A generator of patch means is dark on a dark area amid bright surroundings only if it sees nothing of them."""
    values = np.full((HEIGHT, WIDTH, 1), -5, np.float32)
    values[60:80, 100:120] = -25
    values[0, 0] = -26
    surrounded, alone = write_scene("surrounded.tif", values), write_scene("alone.tif", values[60:80, 100:120])

    def means(batch: Float) -> Float:
        return np.broadcast_to(batch.mean(axis=(1, 2), keepdims=True), (*batch.shape[:3], 3)).copy()

    decibels = Radiometry(scaling="fixed", low=-25, high=-5)
    out = scene.parent / "out.tif"
    chosen = replace(SMALL, area=box(100, 60, 120, 80))
    translate(plan(surrounded, out, decibels, chosen), Translator(means))
    assert (Picture.read(out).rgb > 200).all()
    alone_chosen = replace(SMALL, overwrite=True)
    with pytest.raises(Exception, match="about the same value"):
        plan(alone, out, Radiometry(), alone_chosen)
    translate(plan(alone, out, decibels, alone_chosen), Translator(means))
    assert (Picture.read(out).rgb == 0).all()


def test_the_range_of_the_whole_scene_is_that_of_its_areas(scene: Path) -> None:
    _, whole = run(scene, "whole.tif")
    _, dark = run(scene, "cut.tif", box(0, 60, 30, 90))
    _, bright = run(scene, "cut.tif", box(180, 60, WIDTH, 90))
    assert dark.scaling == bright.scaling == whole.scaling


@pytest.mark.parametrize("transform", [ROTATED, Affine(10, 0, 5e5, 0, 10, 53e5)], ids=["rotated", "south up"])
def test_an_area_is_cut_out_of_a_scene_whose_rows_do_not_run_east(write_scene: WriteScene, transform: Affine) -> None:
    values = np.random.default_rng(1).normal(-12, 3, (HEIGHT, WIDTH, 1)).astype(np.float32)
    path = write_scene("scene.tif", values, transform=transform)
    ground = on_ground(WITH_HOLES, transform, "EPSG:4326")
    whole, _ = run(path, "whole.tif")
    cut, _ = run(path, "cut.tif", read_area(f"SRID=4326;{ground.wkt}"))
    assert_cut_out(whole, cut, within(WITH_HOLES))


def test_an_area_is_cut_out_of_the_map_of_a_scene_with_ground_control_points(write_scene: WriteScene) -> None:
    values = np.random.default_rng(1).normal(-12, 3, (HEIGHT, WIDTH, 1)).astype(np.float32)
    to_degrees = Transformer.from_crs(UTM.to_wkt(), "EPSG:4326", always_xy=True)
    points = [
        GroundControlPoint(row, col, *to_degrees.transform(5e5 + 9.6 * col + 2.8 * row, 53e5 + 2.8 * col - 9.6 * row))
        for row in np.linspace(0, HEIGHT, 5)
        for col in np.linspace(0, WIDTH, 6)
    ]
    # rasterio writes the CRS of points as that of the dataset.
    path = write_scene("scene.tif", values, transform=Affine.identity(), crs="EPSG:4326", gcps=points)
    whole, full = run(path, "whole.tif")
    assert (full.height, full.width) > (HEIGHT, WIDTH)
    assert whole.crs == UTM
    polygon = shapely.Polygon([(50.2, 60.3), (150.9, 40.4), (200.3, 170.6), (90.4, 150.2)])
    area = read_area(f"SRID=4326;{on_ground(polygon, whole.transform, 'EPSG:4326').wkt}")
    cut, part = run(path, "cut.tif", area)
    assert_cut_out(whole, cut, within(polygon, whole.mask.shape))
    assert part.windows < full.windows


def test_a_network_makes_the_same_of_an_area_through_the_command_line(
    sartranslate: Run, write_scene: WriteScene, amplitudes: NDArray[np.uint16], tiny_model: Path
) -> None:
    path = write_scene("scene.tif", amplitudes)
    folder, corner = path.parent, shapely.box(10, 12, 100, 40)
    (folder / "area.geojson").write_text(shapely.to_geojson(on_ground(WITH_HOLES, crs="EPSG:4326")))
    assert sartranslate("infer", path, folder / "whole.tif", "--model", tiny_model, "-q").output == ""
    for polygon, windows, told in [
        (WITH_HOLES, 4, ["--aoi", folder / "area.geojson"]),
        (SLANTED, 4, ["--aoi", on_ground(SLANTED).wkt, "--aoi-crs", "EPSG:32632"]),
        (corner, 1, ["--aoi-crs", "EPSG:32632", "--bbox", *on_ground(corner).bounds]),
    ]:
        cut = sartranslate("infer", path, folder / "cut.tif", "--model", tiny_model, "--json", "--overwrite", *told)
        assert (json.loads(cut.stdout)["windows"], cut.stderr) == (windows, "")
        pictures = Picture.read(folder / "whole.tif"), Picture.read(folder / "cut.tif")
        assert_cut_out(*pictures, within(polygon, amplitudes.shape[:2]))


@pytest.mark.long
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_default_model_makes_the_same_of_an_area_in_batches_of_any_size(
    write_scene: WriteScene, precision: str
) -> None:
    values = 100 * np.sqrt(np.random.default_rng(5).gamma(4.4, 1 / 4.4, (460, 660, 1))) + 1
    path = write_scene("scene.tif", values.astype(np.uint16))
    translator = load_translator(DEFAULT_MODEL, precision)
    inside = WITH_HOLES, shapely.box(400, 300, 460, 420), shapely.box(659, 459, 660, 460)
    for batch_size in (1, 3, 8):
        chosen = InferenceOptions(batch_size=batch_size)
        whole, _ = run(path, "whole.tif", None, chosen, translator)
        for polygon in inside:
            area = read_area(on_ground(polygon).wkt, "EPSG:32632")
            cut, summary = run(path, "cut.tif", area, chosen, translator)
            assert summary.windows < 12
            assert_cut_out(whole, cut, within(polygon, values.shape[:2]))


def test_nothing_is_left_beside_an_area_in_gml(scene: Path, tmp_path: Path) -> None:
    folder = tmp_path / "areas"
    folder.mkdir()
    path = folder / "area.gml"
    shape = on_ground(SLANTED, crs="EPSG:4326")
    pyogrio.raw.write(path, shapely.to_wkb([shape]), [], [], driver="GML", geometry_type="Polygon", crs="EPSG:4326")
    path.with_suffix(".xsd").unlink()
    read_area(str(path))
    assert list(folder.iterdir()) == [path]


@pytest.mark.parametrize("text", ["POLYGON ((1 K\x1d\u2028 2))", "POLYGEN ((" + "0 0, " * 900, "x" * 900])
def test_a_text_that_is_neither_file_nor_polygon_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(AreaError, match="expected a file of polygons, or WKT") as caught:
        read_area(text, "EPSG:4326")
    assert str(caught.value).isprintable()


def test_a_crossing_of_huge_sides_is_refused_without_a_warning(tmp_path: Path) -> None:
    with pytest.raises(AreaError, match="Self-intersection"):
        read_area("POLYGON ((0 0, 1e300 1e300, 1e300 0, 0 1e300, 0 0))", "EPSG:4326")
