"""The RGB output as a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp, MaskFlags
from rio_cogeo.cogeo import cog_validate

from sartranslate.cog import COMPRESSIONS, RgbProfile, rgb_writer
from sartranslate.errors import OptionError, OutputError
from tests.conftest import TRANSFORM, UTM

HEIGHT, WIDTH = 1100, 700
RGB = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
MASK = np.ones((HEIGHT, WIDTH), bool)
MASK[200:500, :300] = False


def write(path: Path, compress: str = "zstd", rows: int = 192) -> None:
    with rgb_writer(path, RgbProfile(HEIGHT, WIDTH, UTM, TRANSFORM, compress, {"SYNTHETIC": "YES"})) as writer:
        for row_off in range(0, HEIGHT, rows):
            writer.write(row_off, RGB[row_off : row_off + rows], MASK[row_off : row_off + rows])


@pytest.mark.parametrize("compress", COMPRESSIONS)
def test_every_compression_gives_a_valid_cog_with_overviews_and_mask(tmp_path: Path, compress: str) -> None:
    path = tmp_path / "out.tif"
    write(path, compress)
    valid, errors, warnings = cog_validate(path)
    assert (valid, errors, warnings) == (True, [], [])
    with rasterio.open(path) as dataset:
        assert dataset.colorinterp == (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
        assert dataset.overviews(1)
        assert dataset.nodata is None
        assert dataset.mask_flag_enums == ([MaskFlags.per_dataset],) * 3
        assert np.array_equal(dataset.dataset_mask() > 0, MASK)
        assert dataset.tags()["SYNTHETIC"] == "YES"
    assert [file.name for file in tmp_path.iterdir()] == ["out.tif"]


@pytest.mark.parametrize("compress", ["zstd", "deflate", "lzw", "none"])
def test_lossless_compressions_keep_every_valid_value(tmp_path: Path, compress: str) -> None:
    write(tmp_path / "out.tif", compress)
    with rasterio.open(tmp_path / "out.tif") as dataset:
        assert np.array_equal(np.moveaxis(dataset.read(), 0, -1), np.where(MASK[..., None], RGB, 0))


def test_the_bytes_do_not_depend_on_the_strips(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", rows=192)
    write(tmp_path / "b.tif", rows=37)
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


def test_a_failure_leaves_the_earlier_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "out.tif"
    path.write_text("precious")

    def fail_half_way() -> None:
        with rgb_writer(path, RgbProfile(HEIGHT, WIDTH, UTM, TRANSFORM)) as writer:
            writer.write(0, RGB[:100], MASK[:100])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_half_way()
    assert path.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="does not exist"):
        write(tmp_path / "absent" / "out.tif")


def test_an_unknown_compression_is_refused() -> None:
    with pytest.raises(OptionError, match="compress 'zip'"):
        RgbProfile(1, 1, UTM, TRANSFORM, "zip")
