"""Scenes as files: what is read, what counts as valid, what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from click.testing import Result
from rasterio.enums import ColorInterp, Resampling

from sartranslate.errors import SceneError
from sartranslate.scenes.reader import scene_reader
from sartranslate.scenes.sampling import sample_scene
from sartranslate.scenes.scene import open_scene
from sartranslate.scenes.source import SceneOptions
from sartranslate.streaming.windows import Window
from tests.conftest import TRANSFORM, UTM, WriteScene

Run = Callable[..., Result]
ONE = (("VH", "VV"),)
TWO = (("VV",), ("VH",))
RAMP = np.arange(30 * 40 * 2, dtype=np.float32).reshape(30, 40, 2) + 1


def test_patches_are_channels_last_and_from_their_place(write_scene: WriteScene) -> None:
    scene = open_scene(write_scene("s.tif", RAMP), TWO)
    with scene_reader(scene) as reader:
        values, mask = reader.read(Window(5, 7, 10, 12))
    assert np.array_equal(values, RAMP[5:15, 7:19])
    assert mask.all()
    assert (scene.height, scene.width, scene.crs, scene.transform) == (30, 40, UTM, TRANSFORM)


def test_bands_are_taken_by_name_whatever_their_order(write_scene: WriteScene) -> None:
    scene = open_scene(write_scene("s.tif", RAMP, names=("Sigma0_VH", "Sigma0_VV")), TWO)
    assert [band.index for band in scene.bands] == [2, 1]
    assert scene.names == ("VV", "VH")
    with scene_reader(scene) as reader:
        assert np.array_equal(reader.read(Window(0, 0, 30, 40))[0], RAMP[..., ::-1])


def test_nodata_nan_and_infinity_are_invalid_in_any_band(write_scene: WriteScene) -> None:
    values = RAMP.copy()
    values[0, 0, 0] = -99
    values[1, 1, 1] = np.nan
    values[2, 2, 0] = np.inf
    with scene_reader(open_scene(write_scene("s.tif", values, nodata=-99), TWO)) as reader:
        mask = reader.read(Window(0, 0, 30, 40))[1]
    assert list(zip(*np.nonzero(~mask), strict=True)) == [(0, 0), (1, 1), (2, 2)]


def test_a_mask_band_is_respected(write_scene: WriteScene) -> None:
    path = write_scene("s.tif", RAMP)
    valid = np.ones((30, 40), bool)
    valid[10:20, 5:9] = False
    with rasterio.open(path, "r+") as dataset:
        dataset.write_mask(valid)
    with scene_reader(open_scene(path, TWO)) as reader:
        assert np.array_equal(reader.read(Window(5, 0, 20, 40))[1], valid[5:25])


def test_an_alpha_band_is_validity_and_no_polarisation(write_scene: WriteScene) -> None:
    values = np.full((30, 40, 2), 9, np.uint8)
    values[3:6, :, 1] = 0
    values[6:, :, 1] = 255
    path = write_scene("s.tif", values)
    with rasterio.open(path, "r+") as dataset:
        dataset.colorinterp = (ColorInterp.gray, ColorInterp.alpha)
    scene = open_scene(path, ONE)
    assert [band.index for band in scene.bands] == [1]
    with scene_reader(scene) as reader:
        assert np.array_equal(reader.read(Window(0, 0, 30, 40))[1], values[..., 1] > 0)


@pytest.mark.parametrize(
    ("dtype", "bands", "nodata"), [("float32", 1, None), ("uint16", 2, None), ("uint16", 1, 0), ("float32", 2, -99)]
)
def test_an_alpha_band_is_respected_whatever_gdal_makes_of_it(
    write_scene: WriteScene, dtype: str, bands: int, nodata: float | None
) -> None:
    """GDAL tells of alpha masks for one or three bands of 8 or 16 bits without nodata only."""
    values = np.concatenate([RAMP[..., :bands], np.full((30, 40, 1), 255)], axis=-1).astype(dtype)
    values[3:6, :, -1] = 0
    path = write_scene("s.tif", values, nodata=nodata)
    with rasterio.open(path, "r+") as dataset:
        dataset.colorinterp = (*[ColorInterp.gray] * bands, ColorInterp.alpha)
    with scene_reader(open_scene(path, (ONE, TWO)[bands - 1])) as reader:
        assert np.array_equal(reader.read(Window(0, 0, 30, 40))[1], values[..., -1] > 0)


def test_a_mask_of_a_later_band_alone_is_respected(write_scene: WriteScene, tmp_path: Path) -> None:
    mask = np.full((30, 40, 1), 255, np.uint8)
    mask[4:9] = 0
    write_scene("s.tif", RAMP)
    write_scene("mask.tif", mask)
    source = (
        "<SimpleSource><SourceFilename relativeToVRT='1'>{}</SourceFilename><SourceBand>{}</SourceBand></SimpleSource>"
    )
    (tmp_path / "s.vrt").write_text(
        "<VRTDataset rasterXSize='40' rasterYSize='30'><SRS>EPSG:32632</SRS>"
        "<GeoTransform>500000,10,0,5300000,0,-10</GeoTransform>"
        f"<VRTRasterBand dataType='Float32' band='1'>{source.format('s.tif', 1)}</VRTRasterBand>"
        f"<VRTRasterBand dataType='Float32' band='2'>{source.format('s.tif', 2)}<MaskBand>"
        f"<VRTRasterBand dataType='Byte'>{source.format('mask.tif', 1)}</VRTRasterBand></MaskBand></VRTRasterBand>"
        "</VRTDataset>"
    )
    with scene_reader(open_scene(tmp_path / "s.vrt", TWO)) as reader:
        assert np.array_equal(reader.read(Window(0, 0, 30, 40))[1], mask[..., 0] > 0)


def test_a_stored_scale_and_offset_are_applied(write_scene: WriteScene) -> None:
    path = write_scene("s.tif", (RAMP[..., :1] * 10).astype(np.uint16))
    with rasterio.open(path, "r+") as dataset:
        dataset.scales, dataset.offsets = (0.1,), (-50,)
    with scene_reader(open_scene(path, ONE)) as reader:
        values, _ = reader.read(Window(0, 0, 30, 40))
    np.testing.assert_allclose(values, RAMP[..., :1] - 50, rtol=1e-5)


def test_the_sample_is_at_full_resolution_even_where_overviews_exist(write_scene: WriteScene) -> None:
    """Averaged overviews would narrow the distribution of speckle."""
    rng = np.random.default_rng(0)
    values = rng.gamma(4.4, 1, (3000, 2500, 1)).astype(np.float32)
    path = write_scene("s.tif", values, tiled=True, blockxsize=256, blockysize=256)
    with rasterio.open(path, "r+") as dataset:
        dataset.build_overviews([2, 4, 8, 16], Resampling.average)
    sample = sample_scene(open_scene(path, ONE))
    assert sample.std() == pytest.approx(values.std(), rel=0.01)
    assert np.percentile(sample, [1, 99]) == pytest.approx(np.percentile(values, [1, 99]), rel=0.01)


def test_a_few_valid_pixels_between_the_sampled_windows_are_found(write_scene: WriteScene) -> None:
    values = np.zeros((4000, 90, 1), np.float32)
    scene = open_scene(write_scene("s.tif", values, nodata=0), ONE)
    with pytest.raises(SceneError, match=r"s\.tif: no valid pixels"):
        sample_scene(scene)
    values[100, 40:50] = 7
    sample = sample_scene(open_scene(write_scene("t.tif", values, nodata=0), ONE))
    assert sample.tolist() == [[7]] * 10


def test_a_missing_polarisation_is_named_with_what_is_expected(write_scene: WriteScene) -> None:
    path = write_scene("s.tif", RAMP[..., :1], names=("VH",))
    with pytest.raises(SceneError, match=r"s\.tif: 1 band \(VH\), the model expects 2 \(VV, VH\)"):
        open_scene(path, TWO)


def test_complex_values_are_refused(write_scene: WriteScene) -> None:
    with pytest.raises(SceneError, match=r"complex values \(complex64\), expected detected amplitude"):
        open_scene(write_scene("slc.tif", RAMP[..., :1].astype(np.complex64)), ONE)


def test_complex_whole_numbers_are_refused_too(tmp_path: Path) -> None:
    """As products of single looks have them; NumPy knows none."""
    (tmp_path / "slc.vrt").write_text(
        "<VRTDataset rasterXSize='40' rasterYSize='30'><GeoTransform>0,10,0,0,0,-10</GeoTransform><SRS>EPSG:32632</SRS>"
        "<VRTRasterBand dataType='CInt16' band='1'/></VRTDataset>"
    )
    for options in (SceneOptions(), SceneOptions(nodata=0)):
        with pytest.raises(SceneError, match=r"complex values \(complex_int16\), expected detected amplitude"):
            open_scene(tmp_path / "slc.vrt", ONE, options)


@pytest.mark.parametrize(
    ("dtype", "nodata"), [("uint16", 70000), ("uint16", -9999), ("uint8", 1.5), ("int16", np.nan), ("float32", 1e300)]
)
def test_a_value_that_a_band_can_not_hold_is_no_nodata_of_it(
    write_scene: WriteScene, dtype: str, nodata: float
) -> None:
    path = write_scene("s.tif", RAMP[..., :1].astype(dtype), nodata=1)
    with pytest.raises(SceneError, match=rf"nodata \S+ told, which {dtype} can not hold"):
        open_scene(path, ONE, SceneOptions(nodata=float(nodata)))


@pytest.mark.parametrize("scale", [(np.nan, 0), (1, np.nan), (np.inf, 0)])
def test_a_scale_that_is_no_number_is_refused(write_scene: WriteScene, scale: tuple[float, float]) -> None:
    path = write_scene("s.tif", RAMP[..., :1])
    with rasterio.open(path, "r+") as dataset:
        dataset.scales, dataset.offsets = (scale[0],), (scale[1],)
    with pytest.raises(SceneError, match=r"band 1 has a scale of \S+ and an offset of \S+, expected numbers"):
        open_scene(path, ONE)


@pytest.mark.parametrize(
    ("dtype", "scale", "offset", "fill"),
    [
        ("float32", 1, 0, -3.4028235e38),
        ("float32", 1, 0, -9999.123),
        ("int16", 0.01, 0, -32768),
        ("int16", 0.002, -30, -32768),
        ("uint16", 0.005, -60, 65535),
        ("int32", 1e-6, 0, -(2**31)),
        ("int32", 1, 0, -1234567),
    ],
)
def test_the_fill_value_advised_is_that_which_is_stored_and_does_what_it_says(
    write_scene: WriteScene, sartranslate: Run, dtype: str, scale: float, offset: float, fill: float
) -> None:
    decibels = np.random.default_rng(1).normal(-12, 3, (192, 192, 1))
    values = ((decibels - offset) / scale).astype(dtype)
    values[:40] = fill
    path = write_scene("s.tif", values)
    with rasterio.open(path, "r+") as dataset:
        dataset.scales, dataset.offsets = (scale,), (offset,)
    told = set()
    for command in (("inspect", path), ("infer", path, path.with_name("out.tif")), ("pairs", path, path, "pairs")):
        told |= set(re.findall(r"--nodata (\S+) if that", sartranslate(*command).output))
    (advised,) = told
    assert (values == float(advised)).sum() == 40 * 192
    done = sartranslate("inspect", path, "--nodata", advised)
    assert (done.exit_code, "about 20.8 %" in done.output) == (0, True), done.output


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_scene_on_unknown_ground_needs_permission(write_scene: WriteScene) -> None:
    path = write_scene("s.tif", RAMP[..., :1], crs=None, transform=Affine.identity())
    with pytest.raises(SceneError, match="no georeference"):
        open_scene(path, ONE)
    assert open_scene(path, ONE, SceneOptions(allow_ungeoreferenced=True)).crs is None


@pytest.mark.parametrize("name", ["absent.tif", "text.tif"])
def test_what_is_no_raster_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "text.tif").write_text("not a raster")
    with pytest.raises(SceneError, match=f"{name}: can not be read"):
        open_scene(tmp_path / name, ONE)


def test_a_truncated_scene_fails_in_reading_with_its_name(write_scene: WriteScene) -> None:
    rng = np.random.default_rng(0)
    path = write_scene("cut.tif", rng.integers(0, 9999, (600, 600, 1)).astype(np.uint16), tiled=True)
    path.write_bytes(path.read_bytes()[:-200_000])
    with pytest.raises(SceneError, match=r"cut\.tif: can not be read"), scene_reader(open_scene(path, ONE)) as reader:
        reader.read(Window(344, 344, 256, 256))
