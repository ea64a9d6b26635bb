"""Real Sentinel-1 scenes; skipped where the data is not at hand."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags
from rio_cogeo.cogeo import cog_validate

from sartranslate import inference
from sartranslate.bundle import DEFAULT_MODEL
from sartranslate.errors import SceneError
from sartranslate.inference import (
    InferenceOptions,
    InferenceSummary,
    Plan,
    Translator,
    load_translator,
    plan,
    translate,
)
from sartranslate.radiometry import Float, Radiometry
from sartranslate.scene import open_scene, sample_scene
from sartranslate.units import guess_unit

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
    patches = inference._patches
    monkeypatch.setattr(inference, "_patches", feed_everything)
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
    opened = open_scene(DATA / scene, VH_OR_VV.bands, allow_ungeoreferenced=True)
    assert opened.bands == bands
    assert guess_unit(sample_scene(opened))[0] == unit


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
    planned = plan(DATA / scene, out, VH_OR_VV, InferenceOptions(bands=bands))
    translate(planned, Translator(blur))
    assert_same_ground_as_a_cog(DATA / scene, out)


def test_a_scene_with_ground_control_points_only_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SceneError, match="only 210 ground control points"):
        plan(DATA / "scenes" / "gcp_only_grd" / "iw-vh.tiff", tmp_path / "out.tif", VH_OR_VV)
