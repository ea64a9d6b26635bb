"""Each side of a pair read from any format: halves, palettes, grey, alpha, and bands by colour and name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp

from sartranslate.datasets.sides import LEFT, RIGHT, is_coloured, open_image, open_radar
from sartranslate.errors import PairsError, SceneError
from sartranslate.rasters.process_wide import quiet
from sartranslate.streaming.windows import Window
from tests.conftest import WriteScene
from tests.tile_files import PLACE, RGB, SAR, cut_off, noise, save_image, save_side_by_side, write

ONE = (("VH", "VV"),)
CALLED = ("B02", "B03", "B04", "B08", "B11", "B12")
WHOLE = Window(0, 0, 12, 10)
LEFT_PICTURE, RIGHT_PICTURE = noise(12, 10, seed=1), noise(12, 10, seed=2)


@pytest.mark.parametrize(("half", "expected"), [(LEFT, LEFT_PICTURE), (RIGHT, RIGHT_PICTURE)])
def test_a_half_is_read_as_if_it_were_a_file_of_its_own(tmp_path: Path, half: int, expected: np.ndarray) -> None:
    image = open_image(save_side_by_side(tmp_path / "a.png", LEFT_PICTURE, RIGHT_PICTURE), half)
    values, mask = image.read(Window(3, 4, 2, 6))
    assert (image.height, image.width) == (12, 10)
    assert np.array_equal(values, expected[3:5, 4:10])
    assert mask.all()


def test_halves_of_an_odd_width_are_refused(tmp_path: Path) -> None:
    path = save_image(tmp_path / "a.png", noise(12, 21))
    for opened in (lambda: open_image(path, LEFT), lambda: open_radar(path, ONE, RIGHT)):
        with pytest.raises(PairsError, match="21 columns, expected an even number for two images side by side"):
            opened()


def test_grey_is_repeated(tmp_path: Path) -> None:
    values, _ = open_image(save_image(tmp_path / "a.png", noise(12, 10)[..., 0])).read(WHOLE)
    assert np.array_equal(values, np.repeat(noise(12, 10)[..., :1], 3, axis=2))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_palettes_are_expanded_and_their_transparent_entries_are_invalid(tmp_path: Path, suffix: str) -> None:
    indices = noise(12, 10)[..., 0] % 4
    colours = np.array([[9, 8, 7, 255], [255, 0, 0, 255], [0, 200, 0, 0], [1, 2, 3, 255]], np.uint8)
    palette = dict(enumerate(map(tuple, colours.tolist())))
    values, mask = open_image(save_image(tmp_path / f"a{suffix}", indices, colours=palette)).read(WHOLE)
    assert np.array_equal(values, colours[indices, :3])
    assert np.array_equal(mask, indices != 2) if suffix == ".png" else mask.all()  # TIFF stores no transparency


def test_alpha_is_a_mask_and_no_colour(tmp_path: Path) -> None:
    picture = np.concatenate([noise(12, 10), np.full((12, 10, 1), 255, np.uint8)], axis=2)
    picture[2:5, :, 3] = 0
    values, mask = open_image(save_image(tmp_path / "a.png", picture)).read(WHOLE)
    assert np.array_equal(values, picture[..., :3])
    assert np.array_equal(mask, picture[..., 3] > 0)


def named(path: Path, names: tuple[str, ...]) -> Path:
    with quiet(), rasterio.open(path, "r+") as dataset:
        dataset.descriptions = names
    return path


def test_of_many_bands_those_with_colours_or_names_count_and_without_they_are_refused(tmp_path: Path) -> None:
    bands = np.concatenate([RGB, RGB + 1])
    path = write(tmp_path / "a.tif", bands, photometric="MINISBLACK")
    with pytest.raises(SceneError, match="6 bands of uint8, expected grey, or red, green and blue; choose with --rgb"):
        open_image(path)
    with quiet(), rasterio.open(path, "r+") as dataset:
        others = [ColorInterp.undefined] * 2
        dataset.colorinterp = [ColorInterp.gray, *others, ColorInterp.red, ColorInterp.green, ColorInterp.blue]
    assert open_image(path).bands == (4, 5, 6)
    path = write(tmp_path / "b.tif", bands, photometric="MINISBLACK")
    assert open_image(named(path, CALLED)).bands == (3, 2, 1)


def test_bands_that_are_told_count_whatever_they_are_called(tmp_path: Path) -> None:
    path = named(write(tmp_path / "a.tif", np.concatenate([RGB, RGB + 1]), photometric="MINISBLACK"), CALLED)
    image = open_image(path, rgb=(6, 5, 4))
    assert np.array_equal(image.read(WHOLE)[0], np.moveaxis(RGB[::-1] + 1, 0, -1))
    with pytest.raises(SceneError, match="bands 4, 3, 7 of 6 told, expected three for RGB"):
        open_image(path, rgb=(4, 3, 7))


def test_a_band_that_is_told_of_three_bytes_is_radar_and_no_grey_picture(tmp_path: Path) -> None:
    radar = open_radar(write(tmp_path / "a.tif", RGB), ONE, bands=(2,))
    assert np.array_equal(radar.read_whole()[0][..., 0], RGB[1])


@pytest.mark.parametrize(("bands", "dtype"), [(2, "uint8"), (3, "complex64")])
def test_bands_that_are_no_picture_are_refused(tmp_path: Path, bands: int, dtype: str) -> None:
    path = write(tmp_path / "a.tif", RGB[:bands].astype(dtype), photometric="MINISBLACK")
    with pytest.raises(SceneError, match=f"{bands} bands of {dtype}, expected grey, or red, green and blue"):
        open_image(path)


def test_values_other_than_bytes_keep_their_type_and_nan_is_invalid(tmp_path: Path) -> None:
    values = RGB.astype(np.float32)
    values[1, 5, 5] = np.nan
    image = open_image(write(tmp_path / "a.tif", values))
    assert image.dtype == "float32"
    assert np.argwhere(~image.read(WHOLE)[1]).tolist() == [[5, 5]]


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_radar_image_saved_as_three_equal_bands_is_one(tmp_path: Path, suffix: str) -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    radar = open_radar(save_image(tmp_path / f"a{suffix}", grey), ONE)
    values, mask = radar.read_whole()
    assert values.shape == (16, 16, 1)
    assert np.abs(values.astype(int) - grey[..., :1]).max() <= (0 if suffix == ".png" else 16)
    assert mask.all()


def test_colours_are_no_single_band_of_a_radar(tmp_path: Path) -> None:
    radar = open_radar(save_image(tmp_path / "a.png", noise(16, 16)), ONE)
    with pytest.raises(SceneError, match=r"3 bands \(a coloured image\), the model expects 1"):
        radar.read_whole()


def test_half_of_a_picture_can_be_a_radar_image(tmp_path: Path) -> None:
    grey = np.repeat(LEFT_PICTURE[..., :1], 3, axis=2)
    radar = open_radar(save_side_by_side(tmp_path / "a.png", RIGHT_PICTURE, grey), ONE, RIGHT)
    assert np.array_equal(radar.read_whole()[0], grey[..., :1])
    assert np.array_equal(radar.read(Window(1, 2, 3, 4))[0], grey[1:4, 2:6, :1])


def test_three_bands_for_three_channels_are_taken_in_their_order(tmp_path: Path) -> None:
    radar = open_radar(save_image(tmp_path / "a.png", LEFT_PICTURE), (("VV",), ("VH",), ("HH",)))
    assert np.array_equal(radar.read_whole()[0], LEFT_PICTURE)


def test_bands_are_taken_by_name_as_in_inference(tmp_path: Path) -> None:
    path = named(write(tmp_path / "a.tif", np.concatenate([SAR, SAR + 500]), **PLACE), ("VH", "VV"))
    first = Window(0, 0, 1, 1)
    assert open_radar(path, (("VV",), ("VH",))).read(first)[0].tolist() == [[[500, 0]]]
    assert open_radar(path, ONE).read(first)[0].tolist() == [[[0]]]


def test_a_tile_without_the_bands_of_the_model_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", np.concatenate([SAR, SAR]), **PLACE)
    with pytest.raises(SceneError, match=r"a\.tif: 2 bands \(unnamed, unnamed\), the model expects 1 \(VH or VV\)"):
        open_radar(path, ONE)


def test_a_tile_placed_by_ground_control_points_is_as_large_as_its_grid(write_gcp_scene: WriteScene) -> None:
    path = write_gcp_scene("a.tif", np.random.default_rng(0).random((60, 80, 1), np.float32) + 1)
    radar = open_radar(path, ONE)
    assert (radar.height, radar.width) == (radar.scene.height, radar.scene.width) != (60, 80)
    assert radar.read_whole()[0].shape == (radar.height, radar.width, 1)


def test_zeros_of_a_tile_with_a_mask_are_measured(tmp_path: Path) -> None:
    sar = SAR.astype(np.float32)
    sar[0, :6, :6] = 0
    path = write(tmp_path / "a.tif", sar, **PLACE)
    assert open_radar(path, ONE).read(WHOLE)[1].sum() == 12 * 10 - 6 * 6
    with rasterio.open(path, "r+") as file:
        file.write_mask(np.ones((12, 10), bool))
    assert open_radar(path, ONE).read(WHOLE)[1].all()


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_file_that_is_cut_off_is_no_side(tmp_path: Path, name: str, share: float) -> None:
    path = save_image(tmp_path / name, noise(100, 100))
    cut_off(path, share)
    for opened in (lambda: open_image(path), lambda: open_radar(path, (("VV",), ("VH",), ("HH",)))):
        with pytest.raises(SceneError, match=name):
            opened().read_whole()


def test_what_a_jpeg_bleeds_from_one_half_into_the_other_is_no_colour(tmp_path: Path) -> None:
    grey, colours = np.repeat(noise(264, 264, 1), 3, axis=2), np.full((264, 264, 3), (250, 0, 0), np.uint8)
    path = save_image(tmp_path / "a.jpg", np.concatenate([grey, colours], axis=1))
    left, right = (open_image(path, half).read_whole()[0].astype(int) for half in (LEFT, RIGHT))
    assert np.ptp(left, axis=-1).max() > 8
    assert not is_coloured(left)
    assert is_coloured(right)
