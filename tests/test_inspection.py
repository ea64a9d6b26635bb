"""What `inspect` says of scenes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from click.testing import Result
from numpy.typing import NDArray
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS

from sartranslate.backscatter.radiometry import Radiometry
from sartranslate.errors import OptionError, SceneError
from sartranslate.infer.inspection import SceneReport, inspect_scene
from sartranslate.infer.planning import plan
from sartranslate.recipes.architecture import GeneratorConfig
from sartranslate.scenes.source import SceneOptions
from tests.conftest import WriteScene

Run = Callable[..., Result]
TWO_BANDS = Radiometry(bands=(("VV",), ("VH",)))


def inspect(path: Path, radiometry: Radiometry | None = None, **options: object) -> SceneReport:
    told = SceneOptions(**options)  # type: ignore[arg-type]
    return inspect_scene(path, told, radiometry or Radiometry(), GeneratorConfig(filters=8), name="model")


def test_size_ground_and_footprint_are_those_of_the_scene(
    write_scene: WriteScene, amplitudes: NDArray[np.uint16]
) -> None:
    report = inspect(write_scene("s.tif", amplitudes))
    assert (report.height, report.width) == (300, 420)
    assert report.ground.crs == "EPSG:32632"
    west, south, east, north = report.ground.bounds or ()
    # The upper left corner lies on the zone's central meridian; 47.85 degrees is 5,300 km from the equator.
    assert west == pytest.approx(9.0, abs=1e-3)
    assert east == pytest.approx(9.0 + 4200 / (111_320 * np.cos(np.radians(47.85))), abs=1e-3)
    assert (south, north) == pytest.approx((47.826, 47.853), abs=2e-3)
    assert report.ground.footprint is not None
    assert report.ground.footprint["type"] == "Polygon"


def test_ranges_are_told_in_the_scene_s_unit_and_in_decibels(
    write_scene: WriteScene, amplitudes: NDArray[np.uint16]
) -> None:
    report = inspect(write_scene("s.tif", amplitudes, names=("VH",)))
    (band,) = report.bands
    assert (band.number, band.polarisation, band.dtype) == (1, "VH", "uint16")
    assert band.values == pytest.approx(np.percentile(amplitudes, [1, 50, 99]), rel=0.02)
    assert band.decibels == pytest.approx(20 * np.log10(band.values), abs=0.01)
    assert (report.unit, report.reason) == ("amplitude", "uint16 digital numbers")


def test_the_share_of_nodata_and_how_it_is_known_are_told(
    write_scene: WriteScene, amplitudes: NDArray[np.uint16]
) -> None:
    amplitudes[:100] = 0
    untagged, tagged = (
        inspect(write_scene(name, amplitudes, nodata=nodata)) for name, nodata in (("u.tif", None), ("t.tif", 0))
    )
    assert untagged.bands[0].validity == "blocks of zeros, no tag"
    assert tagged.bands[0].validity == "nodata 0"
    assert untagged.nodata_share == pytest.approx(1 / 3, abs=0.03)
    assert tagged.nodata_share == pytest.approx(1 / 3, abs=0.03)


def test_padding_round_control_points_changes_no_more_than_the_share_of_nodata(write_gcp_scene: WriteScene) -> None:
    values = np.random.default_rng(0).normal(120, 12, (160, 200, 1)).clip(1, 255).astype(np.uint8)
    whole = inspect(write_gcp_scene("w.tif", values))
    values[:40] = 0
    padded = inspect(write_gcp_scene("p.tif", values))
    assert padded.unit == whole.unit == "byte"
    assert padded.bands[0].values == pytest.approx(whole.bands[0].values, abs=1)
    assert (whole.nodata_share, padded.nodata_share) == (0, pytest.approx(0.25, abs=0.05))


def test_the_bands_a_model_would_take_are_told_or_why_it_does_not_fit(
    write_scene: WriteScene, amplitudes: NDArray[np.uint16]
) -> None:
    both = write_scene("both.tif", np.repeat(amplitudes, 2, axis=-1), names=("VH", "VV"))
    assert inspect(both, TWO_BANDS).model.bands == (2, 1)
    one = write_scene("one.tif", amplitudes, names=("VH",))
    assert inspect(one, TWO_BANDS).model.bands == ()
    assert "1 band (VH), the model expects 2 (VV, VH)" in str(inspect(one, TWO_BANDS).model.problem)


def test_work_grows_with_the_scene(write_scene: WriteScene, amplitudes: NDArray[np.uint16]) -> None:
    small = inspect(write_scene("s.tif", amplitudes)).model
    large = inspect(write_scene("l.tif", np.tile(amplitudes, (4, 4, 1)))).model
    assert small.windows == 4
    assert large.windows == 54
    assert large.estimate.operations == pytest.approx(54 / 4 * small.estimate.operations)
    assert large.estimate.memory_bytes > small.estimate.memory_bytes


def test_ground_control_points_are_told_with_the_grid_they_give(
    write_scene: WriteScene, amplitudes: NDArray[np.uint16]
) -> None:
    path = write_scene("grd.tif", amplitudes, crs=None, transform=Affine.identity())
    points = [
        GroundControlPoint(row, col, 10 + col * 1e-4, 50 - row * 1e-4)
        for row in range(0, 301, 60)
        for col in range(0, 421, 60)
    ]
    with rasterio.open(path, "r+") as dataset:
        dataset.gcps = (points, CRS.from_epsg(4326))
    report = inspect(path)
    assert report.ground.crs == "EPSG:32632"
    assert str(report.ground.gcps).startswith("48 ground control points by third-order polynomial, on EPSG:32632")
    west, south, east, north = report.ground.bounds or ()
    assert (west, east) == pytest.approx((10, 10.042), abs=1e-3)
    assert (south, north) == pytest.approx((49.97, 50.0), abs=1e-3)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_scene_without_georeference_is_described_with_what_infer_would_say(
    write_scene: WriteScene, amplitudes: NDArray[np.uint16]
) -> None:
    path = write_scene("s.tif", amplitudes, crs=None, transform=Affine.identity())
    report = inspect(path)
    assert report.ground.crs is None
    assert "--allow-ungeoreferenced" in str(report.model.problem)
    assert inspect(path, allow_ungeoreferenced=True).model.problem is None


def test_a_band_that_the_model_does_not_take_may_be_empty(
    write_scene: WriteScene, amplitudes: NDArray[np.uint16], sartranslate: Run
) -> None:
    values = np.concatenate([amplitudes.astype(np.float32), np.full(amplitudes.shape, np.nan, np.float32)], axis=-1)
    scene = write_scene("scene.tif", values, names=("VH", "angle"))
    found = inspect(scene, Radiometry(bands=(("VH",),)))
    assert found.bands[0].values
    assert (found.bands[1].values, found.bands[1].decibels) == ((), None)
    done = sartranslate("inspect", scene)
    assert (done.exit_code, "band 2    unnamed: no valid pixels" in done.stdout) == (0, True), done.output
    with pytest.raises(SceneError, match="no valid pixels"):
        inspect(scene, Radiometry(bands=(("VH",),)), bands=(2,))


def test_across_the_antimeridian_west_is_east_of_east(
    write_scene: WriteScene, amplitudes: NDArray[np.uint16], sartranslate: Run
) -> None:
    scene = write_scene("scene.tif", amplitudes, crs="EPSG:32760", transform=Affine(10, 0, 817_000, 0, -10, 8_100_000))
    bounds = inspect(scene).ground.bounds
    assert bounds is not None
    assert 179 < bounds[0] < 180
    assert -180 < bounds[2] < -179


def test_a_crs_without_a_transform_is_no_place(write_scene: WriteScene, amplitudes: NDArray[np.uint16]) -> None:
    found = inspect(write_scene("scene.tif", amplitudes, transform=Affine.identity()))
    assert found.model.problem == "no georeference; --allow-ungeoreferenced goes ahead in pixel coordinates"
    assert (found.ground.crs, found.ground.bounds) == ("EPSG:32632", None)


def test_a_crs_without_longitudes_has_no_footprint_and_the_rest_is_told(
    write_scene: WriteScene, amplitudes: NDArray[np.uint16], sartranslate: Run
) -> None:
    scene = write_scene("scene.tif", amplitudes, names=("VH",), crs=CRS.from_wkt('LOCAL_CS["site",UNIT["metre",1]]'))
    assert inspect(scene).model.problem is None
    assert "footprint none: " in sartranslate("inspect", scene).stdout


@pytest.mark.long
def test_a_large_single_block_is_warned_of_and_tiles_are_not(write_scene: WriteScene) -> None:
    values = np.tile(np.random.default_rng(0).gamma(4, 1, (60, 60, 1)), (50, 50, 1))
    strip = write_scene("strip.tif", values, compress="zstd", zstd_level=1, blockysize=3000, nodata=0)
    tiled = write_scene("tiled.tif", values, tiled=True, blockxsize=512, blockysize=512, nodata=0)
    assert "3000 x 3000 px" in str(inspect(strip).warning)
    assert inspect(tiled).warning is None


def test_what_can_not_be_opened_is_refused(tmp_path: Path, write_scene: WriteScene) -> None:
    with pytest.raises(SceneError, match=r"absent\.tif: can not be read"):
        inspect(tmp_path / "absent.tif")
    with pytest.raises(SceneError, match=r"^[^ ]*empty\.tif: no valid pixels$"):
        inspect(write_scene("empty.tif", np.full((9, 9, 1), np.nan, np.float32)))
    with pytest.raises(SceneError, match="complex values"):
        inspect(write_scene("slc.tif", np.ones((9, 9, 1), np.complex64)))


def test_the_command_prints_lines_or_one_json_object(
    sartranslate: Run, write_scene: WriteScene, amplitudes: NDArray[np.uint16], tiny_model: Path
) -> None:
    path = write_scene("s.tif", amplitudes, names=("VH",))
    lines = sartranslate("inspect", path, "--model", tiny_model).stdout.splitlines()
    assert [line.split()[0] for line in lines] == [
        "scene", "size", "ground", "footprint", "band", "uint16,", "unit", "nodata", "model", "work",
    ]  # fmt: skip
    report = json.loads(sartranslate("inspect", path, "--model", tiny_model, "--json").stdout)
    assert (report["width"], report["unit"], report["model"]["windows"]) == (420, "amplitude", 4)


def test_the_command_takes_files_by_polarisation(
    sartranslate: Run, write_scene: WriteScene, amplitudes: NDArray[np.uint16], tiny_two_band_model: Path
) -> None:
    vv, vh = (write_scene(name, amplitudes) for name in ("a.tif", "b.tif"))
    result = sartranslate(
        "inspect", "--band", f"VV={vv}", "--band", f"vh={vh}", "--model", tiny_two_band_model, "--json"
    )
    assert [band["polarisation"] for band in json.loads(result.stdout)["bands"]] == ["VV", "VH"]
    assert json.loads(result.stdout)["model"]["problem"] is None


def test_inspect_tells_the_problem_that_infer_would_stop_at(
    write_scene: WriteScene, amplitudes: NDArray[np.uint16], tmp_path: Path
) -> None:
    fixed = Radiometry(scaling="fixed", low=-25, high=0)
    path = write_scene("s.tif", amplitudes, names=("VH",))
    with pytest.raises(SceneError) as stopped:
        plan(path, tmp_path / "out.tif", fixed)
    model = inspect(path, fixed).model
    assert str(stopped.value).endswith(str(model.problem))
    assert model.bands == ()


def test_the_unit_is_that_of_the_bands_a_model_takes(write_scene: WriteScene) -> None:
    """An angle of incidence beside the polarisations is no backscatter."""
    power = np.random.default_rng(0).gamma(4.4, 0.01, (300, 420, 2)) * np.linspace(0.2, 5, 420)[:, None]
    angle = np.broadcast_to(np.linspace(30, 45, 420)[:, None], (300, 420, 1))
    path = write_scene("s.tif", np.concatenate([power, angle], axis=-1).astype(np.float32), names=("VV", "VH", "angle"))
    report = inspect(path)
    assert (report.unit, report.model.bands) == ("power", (2,))
    assert len(report.bands) == 3


def test_windows_that_the_model_can_not_take_are_refused(
    write_scene: WriteScene, amplitudes: NDArray[np.uint16]
) -> None:
    path = write_scene("s.tif", amplitudes)
    with pytest.raises(OptionError, match="window 300: the model needs a multiple of 256"):
        inspect_scene(path, SceneOptions(), Radiometry(), GeneratorConfig(), name="model", window=300)


def test_bands_in_different_units_are_told_and_do_not_fit_a_model_of_both(write_scene: WriteScene) -> None:
    power = np.random.default_rng(0).gamma(4, 0.02, (200, 200, 1)).astype(np.float32)
    path = write_scene("s.tif", np.concatenate([power, 10 * np.log10(power)], axis=-1), ("VV", "VH"))
    report = inspect(path, TWO_BANDS)
    assert report.model.problem is not None
    assert report.model.problem.startswith("bands in power and db, expected one unit")
    assert report.unit == "power"
    assert report.bands[1].decibels == pytest.approx(report.bands[0].decibels, abs=0.1)


def test_the_footprint_of_a_turned_scene_leaves_out_the_corners_of_its_grid(write_gcp_scene: WriteScene) -> None:
    report = inspect(
        write_gcp_scene("s.tif", np.ones((200, 200, 1), np.uint16) + np.arange(200, dtype=np.uint16)[:, None])
    )
    pixels = report.height * report.width
    west, south, east, north = report.ground.bounds or ()
    outline = np.array((report.ground.footprint or {})["coordinates"][0])
    x, y = outline.T
    area = abs(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1])) / 2
    assert area / ((east - west) * (north - south)) == pytest.approx(200 * 200 / pixels, rel=0.05)
