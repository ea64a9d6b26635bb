"""What a header claims is refused where it can not be meant, before any pixel is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine

from sartranslate.errors import SceneError
from sartranslate.rasters.raster import opened_raster
from sartranslate.rasters.raster_limits import FARTHEST, MOST_BANDS, check_transform
from tests.conftest import TRANSFORM, UTM, WriteScene

NAN = float("nan")


def sparse(path: Path, height: int, width: int, **profile: Any) -> Path:
    """A raster of which no block is stored."""
    size = {"driver": "GTiff", "height": height, "width": width, "count": 1, "dtype": "uint8"}
    place = {"crs": UTM, "transform": TRANSFORM}
    with rasterio.open(path, "w", **size, **place, tiled=True, sparse_ok=True, **profile):
        pass
    return path


def test_pixels_that_no_file_can_hold_are_refused(tmp_path: Path) -> None:
    path = sparse(tmp_path / "wide.tif", 256, 2**31 - 1, blockxsize=2**20)
    expected = rf"{path}: 256 x 2147483647 pixels of 1 band in files of \d+ bytes, expected at most 1000 pixels"
    with pytest.raises(SceneError, match=expected), opened_raster(path):
        pass


def test_a_raster_of_moderate_size_may_be_empty(tmp_path: Path) -> None:
    with opened_raster(sparse(tmp_path / "empty.tif", 4096, 4096)) as dataset:
        assert not dataset.read(1, window=rasterio.windows.Window(0, 0, 8, 8)).any()


def test_a_large_raster_with_enough_stored_bytes_is_opened(tmp_path: Path) -> None:
    path = sparse(tmp_path / "mosaic.tif", 10_000, 10_000)
    with path.open("ab") as file:
        file.write(bytes(100_000 - path.stat().st_size % 100_000))
    with opened_raster(path) as dataset:
        assert dataset.shape == (10_000, 10_000)


def test_blocks_beyond_two_gibibytes_are_refused(tmp_path: Path) -> None:
    path = sparse(tmp_path / "block.tif", 40, 48, blockxsize=48_000, blockysize=48_000)
    with pytest.raises(SceneError, match=r"blocks of 48000 x 48000 pixels, 2\.1 GiB each"), opened_raster(path):
        pass


def test_blocks_larger_than_the_raster_count_as_pixels(tmp_path: Path) -> None:
    path = sparse(tmp_path / "tile.tif", 40, 48, blockxsize=30_000, blockysize=30_000)
    with pytest.raises(SceneError, match="40 x 48 pixels of 1 band in files of"), opened_raster(path):
        pass


def test_more_bands_than_any_product_has_are_refused(write_scene: WriteScene) -> None:
    path = write_scene("bands.tif", np.ones((2, 2, MOST_BANDS + 1), np.uint8))
    with pytest.raises(SceneError, match="1001 bands, expected at most 1000"), opened_raster(path):
        pass


@pytest.mark.parametrize(
    ("transform", "expected"),
    [
        (Affine(10, 0, NAN, 0, -10, 0), "expected numbers of at most 1e\\+12"),
        (Affine(10, 0, -2 * FARTHEST, 0, -10, 0), "expected numbers of at most 1e\\+12"),
        (Affine(10, 0, 0, 0, 0, 0), "expected pixels with an area"),
        (Affine(10, 20, 0, 5, 10, 0), "expected pixels with an area"),
    ],
)
def test_a_transform_that_places_nothing_is_refused(transform: Affine, expected: str) -> None:
    with pytest.raises(SceneError, match=expected):
        check_transform(transform)
