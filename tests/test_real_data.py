"""Real Sentinel-1 scenes; skipped where the data is not at hand."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from click.testing import Result
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.windows import Window as RasterWindow
from rio_cogeo.cogeo import cog_validate

from sartranslate.backscatter.radiometry import Float, Radiometry, to_rgb
from sartranslate.backscatter.units import guess_unit
from sartranslate.datasets.coregistration import CLEAR
from sartranslate.datasets.tile_index import read_index
from sartranslate.errors import SceneError
from sartranslate.infer import generation
from sartranslate.infer.inference import InferenceSummary, translate
from sartranslate.infer.planning import InferenceOptions, Plan, plan
from sartranslate.networks.bundle import DEFAULT_MODEL
from sartranslate.rasters.process_wide import quiet
from sartranslate.runtimes.translator import Translator, load_translator
from sartranslate.scenes.sampling import sample_scene
from sartranslate.scenes.scene import open_scene
from sartranslate.scenes.source import SceneOptions

DATA = Path(os.environ.get("SARTRANSLATE_REAL_DATA", Path(__file__).parents[2] / "shared" / "data"))
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not DATA.is_dir(), reason="no real data; $SARTRANSLATE_REAL_DATA tells where it is"),
]
VH_OR_VV = Radiometry()


@pytest.fixture(scope="module")
def default_translator() -> Translator:
    return load_translator(DEFAULT_MODEL)


def blur(batch: Float) -> Float:
    """A cheap generator whose output depends on the whole patch."""
    return np.repeat((batch + batch.mean(axis=(1, 2), keepdims=True)) / 2, 3, axis=-1)


def same(batch: Float) -> Float:
    return np.repeat(batch, 3, axis=-1)


def read(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    with rasterio.open(path) as dataset:
        return dataset.read(), dataset.dataset_mask() > 0


def assert_same_ground_as_a_cog(scene: Path, out: Path) -> None:
    assert cog_validate(out) == (True, [], [])
    with rasterio.open(scene) as source, rasterio.open(out) as target:
        assert (target.crs, target.transform, target.shape) == (source.crs, source.transform, source.shape)
        assert target.dtypes == ("uint8",) * 3
        assert target.colorinterp == (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
        assert target.mask_flag_enums == ([MaskFlags.per_dataset],) * 3
        assert bool(target.overviews(1)) == (max(target.shape) > 512)  # a single block needs none
        assert {"SARTRANSLATE_MODEL", "SARTRANSLATE_SOURCE", "TIFFTAG_SOFTWARE", "SYNTHETIC"} <= target.tags().keys()


def test_los_angeles_comes_out_on_its_ground(default_translator: Translator, tmp_path: Path) -> None:
    scene, out = DATA / "s1s2" / "la_block_sar.vrt", tmp_path / "out.tif"
    summary = translate(plan(scene, out, VH_OR_VV), default_translator)
    assert_same_ground_as_a_cog(scene, out)
    assert (summary.width, summary.height, summary.windows, summary.skipped_windows) == (4096, 3072, 336, 0)
    rgb, mask = read(out)
    assert mask.all()
    assert (np.percentile(rgb, 95, axis=(1, 2)) - np.percentile(rgb, 5, axis=(1, 2)) > 30).all()


@pytest.mark.parametrize("scene", ["s1s2/la_block_sar.vrt", "scenes/db_two_files/VH.tif"])
def test_bfloat16_is_within_two_grey_levels_for_999_of_1000_values(scene: str, tmp_path: Path) -> None:
    exact, lower = (load_translator(DEFAULT_MODEL, precision, runtime="keras") for precision in ("float32", "bfloat16"))
    patches = generation.calibration_patches(plan(DATA / scene, tmp_path / "out.tif", VH_OR_VV))
    apart = np.abs(to_rgb(lower.generator(patches)).astype(int) - to_rgb(exact.generator(patches)))
    assert np.quantile(apart, 0.999) <= 2


def test_holes_of_san_antonio_stay_nodata(default_translator: Translator, tmp_path: Path) -> None:
    scene, out = DATA / "s1s2" / "sat_holes_sar.vrt", tmp_path / "out.tif"
    summary = translate(plan(scene, out, VH_OR_VV), default_translator)
    assert_same_ground_as_a_cog(scene, out)
    assert summary.skipped_windows > summary.windows / 3
    rgb, mask = read(out)
    with rasterio.open(scene) as source:
        assert np.array_equal(mask, source.read(1) != 0)
    assert not rgb[:, ~mask].any()


def test_skipping_empty_windows_of_san_antonio_changes_no_valid_pixel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(name: str) -> tuple[InferenceSummary, NDArray[np.uint8], NDArray[np.bool_]]:
        planned = plan(DATA / "s1s2" / "sat_holes_sar.vrt", tmp_path / name, VH_OR_VV)
        return translate(planned, Translator(blur)), *read(tmp_path / name)

    def feed_everything(planned: Plan) -> Any:
        return (patch._replace(mask=np.ones_like(patch.mask)) for patch in patches(planned))

    skipping, expected, mask = run("skipping.tif")
    patches = generation._patches
    monkeypatch.setattr(generation, "_patches", feed_everything)
    feeding, rgb, _ = run("feeding.tif")
    assert feeding.skipped_windows == 0 < skipping.skipped_windows
    assert np.array_equal(rgb[:, mask], expected[:, mask])


@pytest.mark.parametrize(
    ("scene", "bands", "unit"),
    [
        ("s1s2/la_block_sar.vrt", (1,), "power"),
        ("s1s2/sat_holes_sar.vrt", (1,), "power"),
        ("sen12/sar/ROIs1868_summer_59_p10.png", (1,), "byte"),
        ("sen12/sar/ROIs1970_fall_2_p10.png", (1,), "byte"),
        ("sen12/sar/ROIs1970_fall_11_p201.png", (1,), "byte"),
        ("scenes/db_two_files/VH.tif", (1,), "db"),
        ("scenes/db_vv_vh/Spain_7370579_S1Hand.tif", (2,), "db"),
        ("scenes/nodata/S1A__IW___A_20150309T173017_VV_grd_mli_geo_norm_db.tif", (1,), "db"),
        ("scenes/gcp_only_grd/iw-vh.tiff", (1,), "amplitude"),
    ],
)
def test_the_unit_of_real_scenes_is_recognised(scene: str, bands: tuple[int, ...], unit: str) -> None:
    opened = open_scene(DATA / scene, VH_OR_VV.bands, SceneOptions(allow_ungeoreferenced=True))
    assert tuple(band.index for band in opened.bands) == bands
    assert {guess_unit(band)[0] for band in sample_scene(opened).T} == {unit}


@pytest.mark.parametrize(
    ("scene", "bands"),
    [
        ("scenes/db_two_files/VV.tif", ()),
        ("scenes/db_vv_vh/Spain_7370579_S1Hand.tif", ()),
        ("scenes/db_vv_vh/terramesh_609U_541L_3_0_s1rtc.tif", (2,)),
        ("scenes/nodata/S1A__IW___A_20150309T173017_VV_grd_mli_geo_norm_db.tif", ()),
    ],
)
def test_scenes_of_other_sources_come_out_on_their_ground(tmp_path: Path, scene: str, bands: tuple[int, ...]) -> None:
    out = tmp_path / "out.tif"
    planned = plan(DATA / scene, out, VH_OR_VV, InferenceOptions(scene=SceneOptions(bands=bands)))
    translate(planned, Translator(blur))
    assert_same_ground_as_a_cog(DATA / scene, out)


RGB = "3 bands (unnamed, unnamed, unnamed), the model expects 1 (VH or VV); choose with --bidx"
TWO_BANDS = "2 bands (unnamed, unnamed), the model expects 1 (VH or VV); choose with --bidx"
NOWHERE = "no georeference, expected CRS and transform, or ground control points; --allow-ungeoreferenced goes ahead"
UTM_43 = "EPSG:32643"
EVERY_RASTER = [  # which files, how many, and the unit they are translated from or the line they are refused with
    ("s1s2/*_sar.vrt", 2, "power"),
    ("s1s2/*_optical.vrt", 2, RGB),
    ("s1s2/sar/*.tif", 63, "power"),
    ("s1s2/optical/*.tif", 63, RGB),
    ("sen12/sar/*.png", 109, NOWHERE),
    ("sen12/optical/*.png", 109, RGB),
    ("scenes/db_two_files/*.tif", 2, "db"),
    ("scenes/db_vv_vh/Spain_*.tif", 1, "db"),
    ("scenes/db_vv_vh/*_s1rtc.tif", 2, TWO_BANDS),
    ("scenes/db_vv_vh/*_s2rgb.tif", 2, RGB),
    ("scenes/nodata/*.tif", 1, "db"),
    ("scenes/gcp_only_grd/*.tiff", 2, "amplitude"),
]


def test_the_table_of_rasters_holds_every_file_once() -> None:
    rasters = [path for path in DATA.rglob("*") if path.is_file() and path.suffix != ".md"]
    listed = [path for pattern, _, _ in EVERY_RASTER for path in DATA.glob(pattern)]
    assert sorted(listed) == sorted(rasters)


@pytest.mark.parametrize(("pattern", "count", "outcome"), EVERY_RASTER)
def test_every_raster_is_translated_or_refused_with_the_right_line(
    tmp_path: Path, pattern: str, count: int, outcome: str
) -> None:
    scenes = sorted(DATA.glob(pattern))
    assert len(scenes) == count
    assert {scene: first_words(scene, tmp_path / f"{scene.stem}.tif", outcome) for scene in scenes} == dict.fromkeys(
        scenes, outcome
    )


def first_words(scene: Path, out: Path, outcome: str) -> str:
    """The unit a scene is translated from, or as much of what it is refused with as `outcome` has."""
    try:
        planned = plan(scene, out, VH_OR_VV)
    except SceneError as error:
        return refusal(str(error), scene, out)[: len(outcome)]
    translate(planned, Translator(blur))
    if planned.scene.grid is None:
        assert_same_ground_as_a_cog(scene, out)
    assert read(out)[1].any()
    out.unlink()
    return planned.scaling.unit


def refusal(line: str, scene: Path, out: Path) -> str:
    assert list(out.parent.iterdir()) == []
    assert "\n" not in line
    return line.removeprefix(f"{scene}: ")


@pytest.mark.parametrize("scene", sorted((DATA / "sen12" / "sar").glob("*_p1*1.png")), ids=lambda scene: scene.stem)
def test_pictures_without_place_are_translated_when_that_is_allowed(scene: Path, tmp_path: Path) -> None:
    options = InferenceOptions(scene=SceneOptions(allow_ungeoreferenced=True))
    planned = plan(scene, tmp_path / "out.tif", VH_OR_VV, options)
    translate(planned, Translator(blur))
    assert planned.scaling.unit == "byte"
    with quiet(), rasterio.open(tmp_path / "out.tif") as dataset:
        assert (dataset.crs, dataset.shape) == (None, (256, 256))
        assert np.ptp(dataset.read()) > 50


@pytest.mark.parametrize("name", ["iw-vv.tiff", "iw-vh.tiff"])
def test_a_scene_with_ground_control_points_only_comes_out_on_the_map_where_they_are(tmp_path: Path, name: str) -> None:
    """Where the points say a pixel is, the picture is as bright as the pixel, and nowhere around more so."""
    scene, out = DATA / "scenes" / "gcp_only_grd" / name, tmp_path / "out.tif"
    with quiet(), rasterio.open(scene) as source:
        points, crs = source.gcps
        values = source.read(1)
    translate(plan(scene, out, VH_OR_VV), Translator(same))
    with rasterio.open(out) as target:
        assert (target.crs.to_string(), target.res) == (UTM_43, (200, 200))
        to_map = Transformer.from_crs(crs.to_wkt(), target.crs.to_wkt(), always_xy=True)
        places = to_map.transform([point.x for point in points], [point.y for point in points])
        rows, cols = np.array(rasterio.transform.rowcol(target.transform, *places)).astype(int)
        grey, mask = target.read(1), target.dataset_mask() > 0
    there = np.array([2 < point.col < 1277 and 2 < point.row < 834 for point in points])
    valid = there & mask[np.where(there, rows, 0), np.where(there, cols, 0)]
    source_rows, source_cols = np.array([(point.row, point.col) for point in points])[valid].astype(int).T
    decibels = np.log(np.maximum(values[source_rows, source_cols], 1))

    def alike(down: int, right: int) -> float:
        return float(np.corrcoef(decibels, grey[rows[valid] + down, cols[valid] + right])[0, 1])

    shifts = [(down, right) for down in range(-4, 5) for right in range(-4, 5)]
    assert valid.sum() > 0.9 * there.sum()
    assert alike(0, 0) > 0.9
    assert max(shifts, key=lambda shift: alike(*shift)) == (0, 0)


def test_training_takes_the_pairs_of_los_angeles_unchanged(tmp_path: Path, sartranslate: Callable[..., Result]) -> None:
    scenes = [DATA / "s1s2" / f"la_block_{side}.vrt" for side in ("sar", "optical")]
    made = sartranslate("pairs", *scenes, tmp_path / "pairs", "--stride", 1024, "--check-shift", "--json")
    assert made.exit_code == 0, made.output
    tiles = json.loads(made.stdout)["tiles"]
    records = read_index(tmp_path / "pairs" / "index.gpkg")
    assert len(records) == sum(tiles.values()) > 6
    for record in records:
        place = RasterWindow(record.col_off, record.row_off, 256, 256)
        for side, scene in zip(("sar", "optical"), scenes, strict=True):
            cut = tmp_path / "pairs" / record.split / side / f"{record.name}.tif"
            with rasterio.open(cut) as tile, rasterio.open(scene) as whole:
                assert np.array_equal(tile.read(), whole.read(window=place))
    assert sum((record.shift_clarity or 0) >= CLEAR for record in records) > len(records) / 2
    small = ("--epochs", 1, "--filters", 2, "--discriminator-filters", 2)
    trained = sartranslate("train", "--pairs", tmp_path / "pairs", "--out", tmp_path / "run", *small)
    assert trained.exit_code == 0, trained.output
    assert f"{tiles['train']} pairs" in trained.stdout
    scaling = plan(scenes[0], tmp_path / "out.tif", VH_OR_VV).scaling
    assert scaling.describe() in trained.stdout
