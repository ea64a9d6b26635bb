"""An optical image lands on the pixels of a scene, in the right colours, and says where it shows nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.crs import CRS
from rasterio.enums import ColorInterp

from sartranslate.errors import OptionError, SceneError
from sartranslate.rasters.raster import moved
from sartranslate.scenes.optical import OpticalOptions, open_optical, optical_reader
from sartranslate.scenes.scene import Scene, open_scene
from sartranslate.streaming.windows import Window
from tests.conftest import TRANSFORM, UTM, WriteScene

SIZE = 60  # pixels of the SAR grid
WHOLE = Window(0, 0, SIZE, SIZE)
STEP = 4.0  # grey levels of the coordinate raster from one SAR pixel to the next
CODED = (0.0, 255.0)


@pytest.fixture
def scene(write_scene: WriteScene) -> Scene:
    return open_scene(write_scene("sar.tif", np.ones((SIZE, SIZE, 1), np.float32)), None)


def colours(height: int = SIZE, width: int = SIZE, dtype: str = "uint8") -> NDArray[Any]:
    return np.random.default_rng(1).integers(1, 200, (height, width, 3)).astype(dtype)


def read(path: Path, scene: Scene, window: Window = WHOLE, **told: Any) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    with optical_reader(open_optical(path, OpticalOptions(**told)), scene) as reader:
        return reader.read(window)


def coordinate_raster(write_scene: WriteScene, crs: CRS, metres: float) -> Path:
    """Row and column of the SAR grid as red and green of an image in another CRS that covers it and more."""
    to_image = Transformer.from_crs(UTM.to_wkt(), crs.to_wkt(), always_xy=True)
    left, top = to_image.transform(TRANSFORM.c - 200, TRANSFORM.f + 200)
    right, bottom = to_image.transform(TRANSFORM.c + 10 * SIZE + 200, TRANSFORM.f - 10 * SIZE - 200)
    side = int((10 * SIZE + 400) / metres)
    across, down = (right - left) / side, (bottom - top) / side
    xs, ys = np.meshgrid(left + across * (np.arange(side) + 0.5), top + down * (np.arange(side) + 0.5))
    x, y = to_image.transform(xs, ys, direction="INVERSE")
    coded = np.stack([(TRANSFORM.f - y) / 10, (x - TRANSFORM.c) / 10, np.zeros_like(x)], axis=-1) * STEP
    return write_scene(
        "coordinates.tif", coded.astype(np.float32), crs=crs, transform=Affine(across, 0, left, 0, down, top)
    )


@pytest.mark.parametrize("metres", [2.5, 8, 10, 20])
@pytest.mark.parametrize("code", [32632, 32631, 4326, 3857])
def test_ground_lands_on_its_sar_pixel_within_half_a_pixel(
    scene: Scene, write_scene: WriteScene, code: int, metres: float
) -> None:
    image = coordinate_raster(write_scene, CRS.from_epsg(code), metres)
    window = Window(7, 3, 40, 50)
    rgb, mask = read(image, scene, window, stretch=CODED)
    rows, cols = np.mgrid[window.rows, window.cols]
    found = rgb[..., :2] / STEP
    assert mask.all()
    assert abs(found[..., 0] - (rows + 0.5)).max() < 0.5
    assert abs(found[..., 1] - (cols + 0.5)).max() < 0.5
    assert abs((found - np.stack([rows, cols], axis=-1) - 0.5).mean(axis=(0, 1))).max() < 0.05


@pytest.mark.parametrize("declared", [{}, {"nodata": 255}])
def test_an_image_on_the_scenes_grid_comes_through_bit_for_bit(
    scene: Scene, write_scene: WriteScene, declared: dict[str, Any]
) -> None:
    rgb = colours()
    path = write_scene("optical.tif", rgb, **declared)
    for window in (WHOLE, Window(11, 5, 17, 23)):
        found, mask = read(path, scene, window)
        assert mask.all()
        assert np.array_equal(found, rgb[window.rows, window.cols])


def test_black_is_a_colour_where_no_nodata_is_declared(scene: Scene, write_scene: WriteScene) -> None:
    rgb = colours()
    rgb[10:30, 10:30] = 0
    found, mask = read(write_scene("optical.tif", rgb), scene)
    assert mask.all()
    assert np.array_equal(found, rgb)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_black_windows_are_fill_where_nothing_is_declared_unless_that_is_denied(
    scene: Scene, write_scene: WriteScene, dtype: str
) -> None:
    """As Sentinel-2 pictures have it; a range is measured on the rest."""
    rgb = colours(192, dtype=dtype)
    rgb[32:128] = 0
    path = write_scene("optical.tif", rgb)
    assert np.array_equal(read(path, scene)[1], rgb[:SIZE].any(axis=-1))
    assert read(path, scene, optical_nodata=np.nan)[1].all()
    if dtype == "uint16":
        stretch = open_optical(path).stretch
        assert stretch is not None
        assert stretch.low == np.percentile(rgb[rgb.any(axis=-1)], 1)


@pytest.mark.parametrize("sides", [slice(0, 4), slice(0, 1)])
def test_a_narrow_black_border_is_fill_where_nothing_is_declared(
    scene: Scene, write_scene: WriteScene, sides: slice
) -> None:
    rgb = colours(320, 320)
    for part in (rgb[:20], rgb[-20:], rgb[:, :20], rgb[:, -20:])[sides]:
        part[...] = 0
    path = write_scene("optical.tif", rgb)
    assert np.array_equal(read(path, scene)[1], rgb[:SIZE, :SIZE].any(axis=-1))


def test_haze_is_measured_on_pixels_that_are_zero_in_one_colour_whether_nodata_is_declared_or_not(
    write_scene: WriteScene,
) -> None:
    rgb = colours(200, 200)
    rgb[..., 2] = rgb[..., 2].clip(60) - 60
    paths = write_scene("plain.tif", rgb), write_scene("declared.tif", rgb, nodata=0)
    first, second = (open_optical(path, OpticalOptions(subtract_haze=True)).stretch for path in paths)
    assert first == second


def test_nodata_in_one_colour_is_no_value_of_it_where_it_is_another_one_than_zero(write_scene: WriteScene) -> None:
    rgb = colours(200, 200, "int16")
    whole = open_optical(write_scene("whole.tif", rgb, nodata=-9999), OpticalOptions(subtract_haze=True))
    rgb[:20, :, 0] = -9999
    edged = open_optical(write_scene("edged.tif", rgb, nodata=-9999), OpticalOptions(subtract_haze=True))
    assert edged.stretch is not None
    assert edged.stretch == whole.stretch


def test_a_small_image_with_a_black_side_and_one_of_the_night_are_not_filled(write_scene: WriteScene) -> None:
    small = colours(40, 40)
    small[:, :5] = 0
    assert open_optical(write_scene("small.tif", small)).nodata is None
    night = np.zeros((700, 700, 3), np.uint8)
    night[::30, ::30] = 200  # so that no window is black
    night[:20] = 0
    assert open_optical(write_scene("night.tif", night)).nodata is None


def test_black_is_fill_where_all_bands_of_the_file_are_so(scene: Scene, write_scene: WriteScene) -> None:
    """As GDAL takes it: another band that has values there says that it is none."""
    rgb = colours(192)
    rgb[32:128] = 0
    others = {"none": np.where(rgb[..., :1] > 0, 7, 0), "some": np.full_like(rgb[..., :1], 7)}
    masks = {}
    for name, other in others.items():
        path = write_scene(f"{name}.tif", np.concatenate([rgb, other, other], axis=-1).astype(np.uint8))
        masks[name] = read(path, scene, rgb=(1, 2, 3))[1]
    assert np.array_equal(masks["none"], rgb[:SIZE].any(axis=-1))
    assert masks["some"].all()


def test_one_dark_lake_is_no_fill(write_scene: WriteScene) -> None:
    rgb = colours(640, 640)
    rgb[64:128, 64:128] = 0
    assert open_optical(write_scene("lake.tif", rgb)).nodata is None


def test_a_value_told_beside_what_the_file_tells_is_refused(write_scene: WriteScene) -> None:
    path = write_scene("optical.tif", colours(), nodata=0)
    with pytest.raises(SceneError, match="nodata 255 told, and the file tells by itself which pixels are valid"):
        open_optical(path, OpticalOptions(optical_nodata=255))


def test_a_value_told_to_be_no_data_is_so_where_all_bands_have_it(scene: Scene, write_scene: WriteScene) -> None:
    rgb = colours(dtype="uint16")
    rgb[:50], rgb[55, 5, 1] = 65535, 65535
    path = write_scene("optical.tif", rgb)
    _, mask = read(path, scene, optical_nodata=65535, stretch=(0, 200))
    assert np.array_equal(mask, (rgb != 65535).any(axis=-1))
    assert open_optical(path, OpticalOptions(optical_nodata=65535)).stretch.high < 300  # type: ignore[union-attr]


def test_a_stretch_is_not_measured_on_overviews(write_scene: WriteScene) -> None:
    """They may be of an earlier state of the image."""
    path = write_scene("optical.tif", np.random.default_rng(1).integers(500, 900, (2100, 2100, 3)).astype(np.uint16))
    with rasterio.open(path, "r+") as dataset:
        dataset.build_overviews([2])
        now = dataset.read() * 10
    before = open_optical(path).stretch
    with rasterio.open(path, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as dataset:
        dataset.write(now)
    after = open_optical(path).stretch
    assert before is not None
    assert after is not None
    assert after.low == pytest.approx(10 * before.low)  # type: ignore[operator]


def test_a_palette_is_refused_with_what_expands_it(write_scene: WriteScene) -> None:
    path = write_scene("optical.tif", np.ones((SIZE, SIZE, 1), np.uint8))
    with rasterio.open(path, "r+") as dataset:
        dataset.write_colormap(1, {1: (10, 20, 30, 255)})
    for told in ((), (1, 1, 1)):
        with pytest.raises(SceneError, match=r"a palette image, expected its colours: gdal_translate -expand rgb"):
            open_optical(path, OpticalOptions(rgb=told))


def test_a_zero_in_one_colour_is_dark_and_only_zero_in_all_is_nodata(scene: Scene, write_scene: WriteScene) -> None:
    rgb = colours()
    rgb[10:20, :, 0] = 0
    rgb[40:50, 20:30] = 0
    found, mask = read(write_scene("optical.tif", rgb, nodata=0), scene)
    assert np.array_equal(mask, rgb.any(axis=-1))
    assert abs(found.astype(int) - rgb)[mask].max() <= 1  # GDAL keeps valid values off the nodata value


def test_finer_pixels_are_averaged(scene: Scene, write_scene: WriteScene) -> None:
    fine = colours(SIZE * 4, SIZE * 4)
    found, mask = read(
        write_scene("fine.tif", fine, transform=Affine(2.5, 0, TRANSFORM.c, 0, -2.5, TRANSFORM.f)), scene
    )
    mean = fine.reshape(SIZE, 4, SIZE, 4, 3).mean(axis=(1, 3))
    assert mask.all()
    assert abs(found - mean).max() <= 1


def test_ground_outside_the_image_is_invalid(scene: Scene, write_scene: WriteScene) -> None:
    path = write_scene("part.tif", colours(30, 20), transform=moved(TRANSFORM, Window(5, 10, 30, 20)))
    _, mask = read(path, scene)
    expected = np.zeros((SIZE, SIZE), bool)
    expected[5:35, 10:30] = True
    assert np.array_equal(mask, expected)


def hole() -> NDArray[np.bool_]:
    valid = np.ones((SIZE, SIZE), bool)
    valid[20:40, 5:25] = False
    return valid


def test_alpha_a_mask_and_nodata_say_where_an_image_shows_nothing(scene: Scene, write_scene: WriteScene) -> None:
    rgb, valid = colours(), hole()
    alpha = np.where(valid, 255, 0).astype(np.uint8)[..., None]
    with_alpha = write_scene("alpha.tif", np.concatenate([rgb, alpha], axis=-1))
    with_mask = write_scene("mask.tif", rgb)
    with rasterio.open(with_mask, "r+") as dataset:
        dataset.write_mask(valid)
    with_nodata = write_scene("nodata.tif", np.where(valid[..., None], rgb, 255).astype(np.uint8), nodata=255)
    for path in (with_alpha, with_mask, with_nodata):
        found, mask = read(path, scene)
        assert np.array_equal(mask, valid), path
        assert np.array_equal(found[valid], rgb[valid]), path


@pytest.mark.parametrize("declared", [{"nodata": np.nan}, {}])
def test_values_that_are_no_numbers_are_invalid(
    scene: Scene, write_scene: WriteScene, declared: dict[str, Any]
) -> None:
    rgb, valid = colours().astype(np.float32), hole()
    rgb[~valid] = np.nan
    found, mask = read(write_scene("reflectance.tif", rgb, **declared), scene, stretch=CODED)
    assert np.array_equal(mask, valid)
    assert np.array_equal(found[valid], rgb[valid])


@pytest.mark.parametrize("far", [1e38, np.inf])
def test_values_far_beyond_the_stretch_are_black_or_white_where_they_are_valid(
    scene: Scene, write_scene: WriteScene, far: float
) -> None:
    values = np.full((SIZE, SIZE, 3), -far, np.float32)
    values[: SIZE // 2] = far
    found, mask = read(write_scene("reflectance.tif", values), scene, stretch=(0, 1))
    assert mask.all() == np.isfinite(far)
    assert (found == np.where(values > 0, 255, 0)).all()


def test_sixteen_bits_are_stretched_as_told(scene: Scene, write_scene: WriteScene) -> None:
    values = np.full((SIZE, SIZE, 3), 1500, np.uint16)
    values[0, 0], values[0, 1], values[0, 2] = 500, 999, 60_000
    path = write_scene("optical.tif", values)
    found, _ = read(path, scene, stretch=(1000, 3000))
    assert found[0, :4].tolist() == [[0] * 3, [0] * 3, [255] * 3, [64] * 3]


def test_large_values_close_together_keep_all_levels(scene: Scene, write_scene: WriteScene) -> None:
    values = np.zeros((SIZE, SIZE, 3), np.int32)
    values[0, :12] = np.arange(2_000_000, 2_000_012)[:, None]
    found, _ = read(write_scene("optical.tif", values), scene, stretch=(2_000_000, 2_000_010))
    assert found[0, :12, 0].tolist() == [0, 26, 51, 76, 102, 128, 153, 178, 204, 230, 255, 255]


def test_sixteen_bits_are_stretched_by_percentiles_of_all_colours_together(write_scene: WriteScene) -> None:
    values = np.broadcast_to(np.linspace(1000, 3000, SIZE * SIZE).reshape(SIZE, SIZE, 1), (SIZE, SIZE, 3)).copy()
    values[..., 2] -= 500
    values[:9] = 0  # nodata, and no colour
    optical = open_optical(write_scene("optical.tif", values.astype(np.uint16), nodata=0))
    expected = np.percentile(values[9:], (1, 99))
    assert optical.stretch == pytest.approx(expected, abs=2)


def test_bytes_stay_as_they_are_unless_told(scene: Scene, write_scene: WriteScene) -> None:
    path = write_scene("optical.tif", np.full((SIZE, SIZE, 3), 100, np.uint8))
    assert open_optical(path).stretch is None
    found, _ = read(path, scene, stretch=(0, 200))
    assert (found == 128).all()


HAZE = np.array([30, 60, 90])  # red, green and blue


def hazy(dtype: str = "uint8", factor: int = 1) -> NDArray[Any]:
    """Colours from black to white behind haze, black enough for the darkest thousandth, and fill in a corner."""
    ground = np.linspace(0, 1, SIZE * SIZE).reshape(SIZE, SIZE, 1) * np.ones(3)
    ground[:2] = 0
    seen = factor * (HAZE + ground * (255 - HAZE))
    seen[-9:, -9:] = 0
    return np.rint(seen).astype(dtype)


@pytest.mark.parametrize(("dtype", "factor", "told"), [("uint8", 1, None), ("uint16", 20, (0, 5100))])
def test_haze_is_what_the_darkest_of_each_colour_has(
    scene: Scene, write_scene: WriteScene, dtype: str, factor: int, told: tuple[float, float] | None
) -> None:
    path = write_scene("hazy.tif", hazy(dtype, factor))
    optical = open_optical(path, OpticalOptions(stretch=told, subtract_haze=True))
    assert optical.stretch == (tuple(HAZE * factor), 255 * factor)
    found, mask = read(path, scene, stretch=told, subtract_haze=True)
    assert mask.all()
    ground = np.rint(np.linspace(0, 255, SIZE * SIZE)).reshape(SIZE, SIZE, 1)
    assert abs(found[2:-9].astype(int) - ground[2:-9]).max() <= 2  # grey: the haze's colour has gone
    assert not found[:2].any()


def test_an_image_without_haze_stays_as_it_is(scene: Scene, write_scene: WriteScene) -> None:
    rgb = colours()
    rgb[::4, ::4] = [[0, 9, 9], [9, 0, 9], [9, 9, 0]] * (SIZE // 12) * np.ones((SIZE // 4, 1, 1), int)
    path = write_scene("clear.tif", rgb)
    assert np.array_equal(read(path, scene, subtract_haze=True)[0], rgb)


def test_sixteen_bits_without_haze_end_at_the_percentile_of_all_colours(write_scene: WriteScene) -> None:
    values = hazy("uint16", 20)
    optical = open_optical(write_scene("hazy.tif", values), OpticalOptions(subtract_haze=True))
    assert optical.stretch is not None
    assert optical.stretch.high == pytest.approx(np.percentile(values, 99))
    assert optical.stretch.low == tuple(HAZE * 20)
    assert optical.stretch.describe().startswith("600, 1200, 1800 to ")


@pytest.mark.parametrize(
    ("value", "told", "found"),
    [
        (0, None, "no valid pixels$"),
        (255, None, "without haze the stretch is 255, 255, 255 to 255, expected low < high in each colour"),
        (90, (0, 80), "without haze the stretch is 90, 90, 90 to 80, expected low < high in each colour"),
    ],
)
def test_an_image_that_haze_can_not_be_measured_on_is_refused(
    write_scene: WriteScene, value: int, told: tuple[float, float] | None, found: str
) -> None:
    path = write_scene("flat.tif", np.full((SIZE, SIZE, 3), value, np.uint8))
    with pytest.raises(SceneError, match=rf"flat\.tif: {found}"):
        open_optical(path, OpticalOptions(stretch=told, subtract_haze=True))


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_neutral_haze_keeps_brightness_and_white_and_loses_its_colour(
    scene: Scene, write_scene: WriteScene, share: float
) -> None:
    reflected = np.random.default_rng(1).uniform(0, 1, (SIZE, SIZE, 3)) ** 3
    reflected[:9], reflected[9:18] = 0, 1
    haze = np.array([30.0, 60.0, 90.0])
    rgb = np.rint(haze + (255 - haze) * reflected).astype(np.uint8)
    found, mask = read(write_scene("hazy.tif", rgb), scene, neutral_haze=share)
    expected = haze + share * (60 - haze)
    assert mask.all()
    assert np.array_equal(found[0, 0], np.rint(expected))
    assert (found[9:18] == 255).all()
    assert np.abs(found - (expected + (255 - expected) * reflected)).max() < 1.1


def test_haze_that_is_subtracted_has_no_colour_left(write_scene: WriteScene) -> None:
    path = write_scene("hazy.tif", colours())
    with pytest.raises(OptionError, match=r"neutral haze 0\.5: expected 0 to 1, and no haze subtracted"):
        open_optical(path, OpticalOptions(subtract_haze=True, neutral_haze=0.5))


def test_haze_is_not_measured_on_black_pixels_alone(write_scene: WriteScene) -> None:
    path = write_scene("flat.tif", np.zeros((SIZE, SIZE, 3), np.uint8))
    with pytest.raises(SceneError, match=r"flat\.tif: no valid pixels but black ones, so no haze to measure"):
        open_optical(path, OpticalOptions(subtract_haze=True, optical_nodata=np.nan))


def test_an_image_of_one_value_has_nothing_to_stretch(write_scene: WriteScene) -> None:
    path = write_scene("flat.tif", np.full((SIZE, SIZE, 3), 700, np.uint16))
    with pytest.raises(SceneError, match=r"flat\.tif: all valid pixels have about the same value \(700\)"):
        open_optical(path)


def test_an_image_without_a_valid_pixel_is_named(write_scene: WriteScene) -> None:
    path = write_scene("void.tif", np.zeros((SIZE, SIZE, 3), np.uint16), nodata=0)
    with pytest.raises(SceneError, match=r"void\.tif: no valid pixels"):
        open_optical(path)


def test_colours_are_known_by_their_interpretation(scene: Scene, write_scene: WriteScene) -> None:
    rgb = colours()
    path = write_scene("bgr.tif", rgb[..., ::-1])
    with rasterio.open(path, "r+") as dataset:
        dataset.colorinterp = (ColorInterp.blue, ColorInterp.green, ColorInterp.red)
    assert open_optical(path).bands == (3, 2, 1)
    assert np.array_equal(read(path, scene)[0], rgb)


@pytest.mark.parametrize(
    ("names", "bands"),
    [
        (("B2", "B3", "B4", "B8"), (3, 2, 1)),
        (("B08", "B04", "B03", "B02"), (2, 3, 4)),
        (("blue", "Green", "RED", "nir"), (3, 2, 1)),
    ],
)
def test_colours_are_known_by_their_names(
    write_scene: WriteScene, names: tuple[str, ...], bands: tuple[int, ...]
) -> None:
    values = np.random.default_rng(0).integers(0, 9000, (8, 8, 4)).astype(np.uint16)
    assert open_optical(write_scene("s2.tif", values, names)).bands == bands


def test_bands_told_go_before_names(write_scene: WriteScene) -> None:
    values = np.random.default_rng(0).integers(0, 9000, (8, 8, 4)).astype(np.uint16)
    path = write_scene("s2.tif", values, ("B2", "B3", "B4", "B8"))
    assert open_optical(path, OpticalOptions(rgb=(4, 3, 2))).bands == (4, 3, 2)


@pytest.mark.parametrize("count", [1, 2, 4, 5])
def test_unnamed_bands_are_refused_with_the_option_that_names_them(write_scene: WriteScene, count: int) -> None:
    path = write_scene("unnamed.tif", np.zeros((8, 8, count), np.uint16))
    found = "1 band" if count == 1 else f"{count} bands"
    with pytest.raises(SceneError, match=rf"unnamed\.tif: {found}, expected red, green and blue; choose with --rgb"):
        open_optical(path)


@pytest.mark.parametrize("rgb", [(1, 2, 9), (0, 1, 2), (1, 2)])
def test_bands_that_are_not_there_are_refused(write_scene: WriteScene, rgb: tuple[int, ...]) -> None:
    path = write_scene("rgb.tif", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(SceneError, match=r"rgb\.tif: bands .* of 3 told, expected three"):
        open_optical(path, OpticalOptions(rgb))


@pytest.mark.parametrize("stretch", [(5.0, 5.0), (9.0, 1.0), (np.nan, 1.0), (0.0, np.inf), (-np.inf, np.inf)])
def test_a_stretch_without_a_range_is_refused(write_scene: WriteScene, stretch: tuple[float, float]) -> None:
    path = write_scene("rgb.tif", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(OptionError, match="expected low < high"):
        open_optical(path, OpticalOptions(stretch=stretch))


def test_an_image_on_no_ground_is_refused(write_scene: WriteScene) -> None:
    path = write_scene("photo.tif", np.zeros((8, 8, 3), np.uint8), crs=None, transform=Affine.identity())
    with pytest.raises(SceneError, match=r"photo\.tif: no georeference, expected an optical image with CRS"):
        open_optical(path)


def test_a_truncated_image_is_named_when_it_is_read(scene: Scene, write_scene: WriteScene) -> None:
    path = write_scene("cut.tif", colours(), tiled=True, blockxsize=16, blockysize=16)
    os.truncate(path, path.stat().st_size * 2 // 3)
    with pytest.raises(SceneError, match=r"cut\.tif: can not be read"):
        read(path, scene)


@pytest.mark.parametrize(("code", "side"), [(2229, 10), (3857, 8)], ids=["feet", "Mercator, where it stretches"])
def test_finer_pixels_are_known_in_any_crs(write_scene: WriteScene, code: int, side: float) -> None:
    """Ten feet are 3 m, and 8 m of Web Mercator at 60 degrees are 4 m."""
    crs = CRS.from_epsg(code)
    place = (-118.2, 34.0) if code == 2229 else (9.0, 60.0)
    zone = CRS.from_epsg(32611 if code == 2229 else 32632)
    (x, y), (left, top) = (
        Transformer.from_crs("EPSG:4326", each.to_wkt(), always_xy=True).transform(*place) for each in (crs, zone)
    )
    grid = {"crs": zone, "transform": Affine(10, 0, left, 0, -10, top)}
    scene = open_scene(write_scene("sar.tif", np.ones((8, 8, 1), np.float32), **grid), None)
    edge = np.where(np.arange(64)[:, None] < 21, np.full((64, 1, 3), 50), 200)
    image = {"crs": crs, "transform": Affine(side, 0, x - 10 * side, 0, -side, y + 10 * side)}
    rgb, mask = read(write_scene("rgb.tif", edge.astype(np.uint8), **image), scene, Window(1, 1, 6, 6))
    assert mask.all()
    # A cubic kernel goes beyond both sides of an edge, means do not.
    assert (rgb.min(), rgb.max()) == (50, 200)


def test_a_value_that_no_pixel_can_have_is_refused_as_nodata(write_scene: WriteScene) -> None:
    path = write_scene("optical.tif", np.full((64, 64, 3), 7, np.uint8))
    with pytest.raises(SceneError, match="nodata -9999 told, which uint8 can not hold"):
        open_optical(path, OpticalOptions(optical_nodata=-9999))
