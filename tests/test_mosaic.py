"""Translations joined in a virtual raster that GDAL opens, with the mask of its parts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from sartranslate.errors import OutputError
from sartranslate.outputs.mosaic import check_mosaic, write_mosaic
from sartranslate.rasters.raster import moved
from sartranslate.streaming.windows import Window
from tests.conftest import TRANSFORM, save_scene


def part(path: Path, value: int, transform: Affine = TRANSFORM, **profile: object) -> Path:
    """30 rows of 40 pixels, the first five rows of which are invalid."""
    save_scene(path, np.full((30, 40, 3), value, np.uint8), transform=transform, **profile)
    mask = np.full((30, 40), 255, np.uint8)
    mask[:5] = 0
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as dataset:
        dataset.write_mask(mask)
    return path


def test_parts_lie_where_they_belong_and_what_is_invalid_in_all_stays_so(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    first = part(tmp_path / "parts" / "a.tif", 10)
    second = part(tmp_path / "parts" / "b.tif", 20, moved(TRANSFORM, Window(20, 30, 30, 40)))
    write_mosaic(tmp_path / "all.vrt", [first, second])
    elsewhere = tmp_path.rename(tmp_path.with_name("elsewhere"))  # its names are relative
    with rasterio.open(elsewhere / "all.vrt") as dataset:
        values, mask = dataset.read(), dataset.dataset_mask()
        assert (dataset.crs.to_epsg(), dataset.transform) == (32632, TRANSFORM)
        assert [colour.name for colour in dataset.colorinterp] == ["red", "green", "blue"]
    assert values.shape == (3, 50, 70)
    assert set(np.unique(values[:, 25:30, 30:40])) == {20}  # the later one is above
    assert set(np.unique(values[:, 20:25, 30:40])) == {10}  # but not where it is invalid
    expected = np.zeros((50, 70), np.uint8)
    expected[5:30, :40] = expected[25:, 30:] = 255
    assert np.array_equal(mask, expected)


def test_parts_whose_rows_go_north_lie_where_they_belong(tmp_path: Path) -> None:
    south_up = Affine(10, 0, 500_000, 0, 10, 5_300_000)
    first = part(tmp_path / "a.tif", 10, south_up)
    second = part(tmp_path / "b.tif", 20, moved(south_up, Window(20, 30, 30, 40)))
    for order in ([first, second], [second, first]):
        write_mosaic(tmp_path / "all.vrt", order)
        with rasterio.open(tmp_path / "all.vrt") as dataset:
            values = dataset.read(1)
            assert dataset.transform == south_up
        assert values.shape == (50, 70)
        assert set(np.unique(values[5:20, :30])) == {10}
        assert set(np.unique(values[30:, 40:])) == {20}


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"crs": "EPSG:32633"}, r"a.tif is in EPSG:32632, \S+b.tif in EPSG:32633"),
        (
            {"transform": Affine(20, 0, 0, 0, -20, 0)},
            r"a.tif has pixels of 10 x -10 and \S+ has pixels of 20 x -20",
        ),
        ({"transform": Affine(10, 1, 0, 1, -10, 0)}, r"b.tif does not lie straight on a map"),
    ],
)
def test_parts_that_do_not_fit_are_told_and_nothing_is_written(
    tmp_path: Path, other: dict[str, object], reason: str
) -> None:
    first, second = part(tmp_path / "a.tif", 10), part(tmp_path / "b.tif", 20, **other)  # type: ignore[arg-type]
    with pytest.raises(OutputError, match=rf"all.vrt: not written, for \S*{reason}"):
        write_mosaic(tmp_path / "all.vrt", [first, second])
    assert not (tmp_path / "all.vrt").exists()


def test_a_mosaic_takes_the_place_of_a_mosaic_and_of_nothing_else(tmp_path: Path) -> None:
    first, out = part(tmp_path / "a.tif", 10), tmp_path / "all.vrt"
    write_mosaic(out, [first])
    check_mosaic(out, [first])
    with pytest.raises(OutputError, match=r"a.tif: is an output itself"):
        check_mosaic(first, [first])
    with pytest.raises(OutputError, match=r"a.tif: exists already and is no mosaic"):
        check_mosaic(first, [out])
    with pytest.raises(OutputError, match=r"all.vrt: is a scene itself"):
        check_mosaic(out, [first], [str(out)])
    other = tmp_path / "other.vrt"
    other.write_text(out.read_text().replace("UseMaskBand", "NODATA"))
    with pytest.raises(OutputError, match=r"other.vrt: exists already and is no mosaic"):
        check_mosaic(other, [first])
    with pytest.raises(OutputError, match="does not exist"):
        check_mosaic(tmp_path / "none" / "all.vrt", [first])
