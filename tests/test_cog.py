"""Outputs as files."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, MaskFlags
from rio_cogeo.cogeo import cog_validate

from sartranslate.errors import OptionError, OutputError
from sartranslate.outputs.cog import cog_writer
from sartranslate.outputs.cog_profile import COMPRESSIONS, CogProfile, lossless
from sartranslate.streaming.overviews import halved
from tests.conftest import TRANSFORM, UTM

HEIGHT, WIDTH = 1100, 700
RGB = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
MASK = np.ones((HEIGHT, WIDTH), bool)
MASK[200:500, :300] = False
ROTATED_POLE = CRS.from_string("+proj=ob_tran +o_proj=longlat +o_lon_p=0 +o_lat_p=40 +lon_0=10 +datum=WGS84")


def write(path: Path, compress: str = "zstd", rows: int = 192) -> None:
    with cog_writer({path: CogProfile(HEIGHT, WIDTH, UTM, TRANSFORM, compress, {"SYNTHETIC": "YES"})}) as writer:
        for row_off in range(0, HEIGHT, rows):
            writer.write(row_off, [RGB[row_off : row_off + rows]], MASK[row_off : row_off + rows])


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


def test_a_grid_in_degrees_and_numbers_of_numpy_stay_where_they_are(tmp_path: Path) -> None:
    path, step = tmp_path / "out.tif", np.float64(1e-4)
    transform = Affine(step, np.float64(0), np.float64(11.5), np.float64(0), -step, np.float64(48.25))
    with cog_writer({path: CogProfile(HEIGHT, WIDTH, CRS.from_epsg(4326), transform)}) as writer:
        writer.write(0, [RGB], MASK)
    with rasterio.open(path) as dataset:
        assert dataset.crs == CRS.from_epsg(4326)
        assert dataset.transform.almost_equals(transform)
        assert dataset.bounds.left == pytest.approx(11.5)


def test_the_bytes_do_not_depend_on_the_strips(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", rows=192)
    write(tmp_path / "b.tif", rows=37)
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


@pytest.mark.parametrize("rows", [192, 37, HEIGHT])
def test_overviews_are_means_of_the_valid_pixels_and_masked_where_there_are_none(tmp_path: Path, rows: int) -> None:
    write(tmp_path / "out.tif", rows=rows)
    values, mask = RGB, MASK
    with rasterio.open(tmp_path / "out.tif") as dataset:
        assert dataset.overviews(1) == [2, 4]
    for level in range(2):
        values, mask = halved(values, mask)
        with rasterio.open(tmp_path / "out.tif", overview_level=level) as dataset:
            assert np.array_equal(np.moveaxis(dataset.read(), 0, -1), np.where(mask[..., None], values, 0))
            assert np.array_equal(dataset.dataset_mask() > 0, mask)


def test_a_failure_leaves_the_earlier_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "out.tif"
    path.write_text("precious")

    def fail_half_way() -> None:
        with cog_writer({path: CogProfile(HEIGHT, WIDTH, UTM, TRANSFORM)}) as writer:
            writer.write(0, [RGB[:100]], MASK[:100])
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
        CogProfile(1, 1, UTM, TRANSFORM, "zip")


@pytest.mark.parametrize("compress", COMPRESSIONS)
def test_one_band_is_grey_and_keeps_every_valid_value(tmp_path: Path, compress: str) -> None:
    path = tmp_path / "grey.tif"
    with cog_writer({path: CogProfile(HEIGHT, WIDTH, UTM, TRANSFORM, lossless(compress), bands=1)}) as writer:
        for row_off in range(0, HEIGHT, 100):
            writer.write(row_off, [RGB[row_off : row_off + 100, :, :1]], MASK[row_off : row_off + 100])
    assert cog_validate(path) == (True, [], [])
    with rasterio.open(path) as dataset:
        assert dataset.colorinterp == (ColorInterp.gray,)
        assert dataset.overviews(1)
        assert np.array_equal(dataset.dataset_mask() > 0, MASK)
        assert np.array_equal(dataset.read(1), np.where(MASK, RGB[..., 0], 0))


def test_where_one_of_two_can_not_be_finished_neither_appears(tmp_path: Path) -> None:
    first, second = tmp_path / "first.tif", tmp_path / "second.tif"
    first.write_text("precious")
    profile = CogProfile(HEIGHT, WIDTH, UTM, TRANSFORM)
    unholdable = CogProfile(HEIGHT, WIDTH, ROTATED_POLE, TRANSFORM)

    def write_both(profiles: dict[Path, CogProfile]) -> None:
        with cog_writer(profiles) as writer:
            writer.write(0, [RGB, RGB], MASK)

    for profiles in ({first: profile, second: unholdable}, {first: unholdable, second: profile}):
        with pytest.raises(OutputError, match="GeoTIFF can not hold the scene's CRS"):
            write_both(profiles)
        assert first.read_text() == "precious"
        assert list(tmp_path.iterdir()) == [first]
    write_both({first: profile, second: profile})
    assert first.read_bytes() == second.read_bytes()


def test_of_two_that_are_finished_none_has_its_name_until_both_are_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first.tif", tmp_path / "second.tif"
    profile = CogProfile(HEIGHT, WIDTH, UTM, TRANSFORM)

    def full(path: Path) -> None:
        if path.name == second.name:
            raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr("sartranslate.storage.working_folder.onto_disk", full)
    with (
        pytest.raises(OutputError, match=r"second\.tif: can not be replaced: Disk quota exceeded"),
        cog_writer({first: profile, second: profile}) as writer,
    ):
        writer.write(0, [RGB, RGB], MASK)
    assert list(tmp_path.iterdir()) == []
