"""Sheets show each example where it belongs, in its colours, and PNG files keep every pixel."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sartranslate.errors import OptionError, OutputError
from sartranslate.pages.sheet import GAP, LIGHT, encoded, sheet, visible, write_png
from sartranslate.rasters.process_wide import quiet

HEIGHT, WIDTH = 8, 12


def examples(count: int, channels: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(-1, 1, (count, HEIGHT, WIDTH, channels)).astype(np.float32)


def constant(level: float, count: int = 1, channels: int = 3) -> NDArray[np.float32]:
    return np.full((count, HEIGHT, WIDTH, channels), level, np.float32)


def read(path: Path) -> NDArray[np.uint8]:
    with quiet(), rasterio.open(path) as dataset:
        return np.moveaxis(dataset.read(), 0, -1)


def picture(image: NDArray[np.uint8], example: int, column: int) -> NDArray[np.uint8]:
    row_off, col_off = example * (HEIGHT + GAP), column * (WIDTH + GAP)
    return image[row_off : row_off + HEIGHT, col_off : col_off + WIDTH]


@given(count=st.integers(1, 4))
def test_every_example_has_a_row_and_every_kind_a_column(count: int) -> None:
    levels = np.linspace(-1, 1, count, dtype=np.float32)[:, None, None, None]
    truth = examples(count, 3)
    image = sheet(constant(0, count, 1) + levels, constant(1, count), truth)
    assert image.shape == (count * (HEIGHT + GAP) - GAP, 3 * (WIDTH + GAP) - GAP, 3)
    for example in range(count):
        assert picture(image, example, 0).min() == picture(image, example, 0).max()
        assert picture(image, example, 0)[0, 0, 0] == np.rint((levels[example].item() + 1) * 127.5)
        assert picture(image, example, 1).min() == 255
        assert np.abs(picture(image, example, 2) / 127.5 - 1 - truth[example]).max() < 0.005


def test_the_pictures_are_separated_by_light_gaps() -> None:
    image = sheet(constant(-1, 2, 1), constant(-1, 2), constant(-1, 2))
    light = image.max(axis=-1) == LIGHT
    assert light[HEIGHT : HEIGHT + GAP].all()
    assert light[:, WIDTH : WIDTH + GAP].all()
    assert light.sum() == light.size - 6 * HEIGHT * WIDTH


def test_a_list_of_patches_is_as_good_as_a_batch() -> None:
    source, prediction, truth = examples(2, 1), examples(2, 3, seed=1), examples(2, 3, seed=2)
    np.testing.assert_array_equal(sheet(list(source), list(prediction), list(truth)), sheet(source, prediction, truth))


@pytest.mark.parametrize(
    ("channels", "colour"),
    [
        ([0.5], [0.5, 0.5, 0.5]),
        ([0.5, -0.5], [0.5, -0.5, 0.0]),
        ([0.25, 0.25], [0.25, 0.25, 0.25]),
        ([0.1, 0.2, 0.3], [0.1, 0.2, 0.3]),
        ([0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3]),
    ],
)
def test_sar_channels_become_grey_or_false_colours(channels: list[float], colour: list[float]) -> None:
    pixels = np.array([[channels]], np.float32)
    np.testing.assert_allclose(visible(pixels), [[colour]], atol=1e-7)


@pytest.mark.parametrize(("predictions", "found"), [(1, "1 x 8 x 12"), (3, "3 x 8 x 12")])
def test_columns_that_differ_in_number_are_refused(predictions: int, found: str) -> None:
    with pytest.raises(OptionError, match=f"^examples of 2 x 8 x 12, {found}, 2 x 8 x 12: expected"):
        sheet(examples(2, 1), examples(predictions, 3), examples(2, 3))


def test_a_sheet_of_nothing_is_refused() -> None:
    with pytest.raises(OptionError, match="expected at least one"):
        sheet(examples(0, 1), examples(0, 3), examples(0, 3))


def test_a_png_holds_every_pixel_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "sheet.png"
    image = np.random.default_rng(0).integers(0, 256, (31, 17, 3), dtype=np.uint8)
    write_png(path, image)
    np.testing.assert_array_equal(read(path), image)
    assert list(tmp_path.iterdir()) == [path]


def test_encoded_bytes_are_those_of_the_file_and_tell_its_size(tmp_path: Path) -> None:
    image = np.zeros((31, 17, 3), np.uint8)
    content = encoded(image)
    write_png(tmp_path / "sheet.png", image)
    assert (tmp_path / "sheet.png").read_bytes() == content
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", content[16:24]) == (17, 31)


def test_a_jpeg_is_smaller_than_a_png_of_the_same_noise() -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    content = encoded(image, "JPEG")
    assert content.startswith(b"\xff\xd8\xff")
    assert len(content) < len(encoded(image)) / 2


def test_a_picture_that_can_not_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="does not exist"):
        write_png(tmp_path / "run" / "sheet.png", np.zeros((2, 2, 3), np.uint8))
