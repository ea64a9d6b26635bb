"""What is valid in a scene, in every form that rasters say it, and where they say nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rasterio.enums import ColorInterp

from sartranslate.backscatter.radiometry import Mask
from sartranslate.errors import SceneError
from sartranslate.rasters.vrt import transform_text
from sartranslate.scenes.reader import block_cache, scene_reader
from sartranslate.scenes.sampling import sample_scene
from sartranslate.scenes.scene import Scene, open_scene
from sartranslate.scenes.source import SceneOptions
from sartranslate.streaming.windows import Window
from tests.conftest import TRANSFORM, UTM, WriteScene, save_scene

LIGHT = settings(max_examples=60, deadline=None)
SIZE = (40, 50)
BLOCK = 5  # pixels, both sides of the smallest block of zeros that is fill
WHOLE = Window(0, 0, *SIZE)
MEASURED = ["uint16", "int16", "uint32", "float32", "float64"]


def values_and_mask(path: Path | None, window: Window = WHOLE, **options: Any) -> tuple[NDArray[Any], Mask]:
    with scene_reader(open_scene(path, None, SceneOptions(**options))) as reader:
        return reader.read(window)


def mask_of(path: Path | None, window: Window = WHOLE, **options: Any) -> Mask:
    return values_and_mask(path, window, **options)[1]


def ones(*zeros: tuple[slice | int, slice | int], dtype: str = "uint16", bands: int = 1) -> NDArray[Any]:
    """A scene of ones with zeros there."""
    values = np.ones((*SIZE, bands), dtype)
    for rows, cols in zeros:
        values[rows, cols] = 0
    return values


def fill_by_hand(zeros: Mask) -> Mask:
    """Zeros of any block of zeros, as if there were only zeros around the raster."""
    beyond = BLOCK - 1
    zeros = np.pad(zeros, beyond, constant_values=True)
    fill = np.zeros_like(zeros)
    for row, col in np.ndindex(zeros.shape[0] - beyond, zeros.shape[1] - beyond):
        block = slice(row, row + BLOCK), slice(col, col + BLOCK)
        fill[block] |= zeros[block].all()
    return fill[beyond:-beyond, beyond:-beyond]


BLOCKS = [
    pytest.param((slice(10, 15), slice(20, 25)), id="the smallest block"),
    pytest.param((slice(10, 30), slice(20, 27)), id="a larger one"),
    pytest.param((slice(0, 5), slice(0, 5)), id="in the corner"),
    pytest.param((slice(35, 40), slice(45, 50)), id="in the last corner"),
    pytest.param((slice(0, 40), slice(0, 5)), id="along the left side"),
    pytest.param((slice(33, 40), slice(0, 50)), id="along the bottom"),
    pytest.param((slice(0, 7), slice(22, 29)), id="at the top"),
]


@pytest.mark.parametrize("dtype", MEASURED)
@pytest.mark.parametrize("block", BLOCKS)
def test_blocks_of_zeros_are_fill_where_nothing_says_what_is_valid(
    write_scene: WriteScene, dtype: str, block: tuple[slice, slice]
) -> None:
    values = ones(block, dtype=dtype)
    assert np.array_equal(mask_of(write_scene("s.tif", values)), values[..., 0] > 0)


@pytest.mark.parametrize("dtype", MEASURED)
@pytest.mark.parametrize("zeros", [
    pytest.param((10, 20), id="one"),
    pytest.param((slice(10, 14), slice(20, 24)), id="four by four"),
    pytest.param((slice(10, 14), slice(None)), id="four rows"),
    pytest.param((slice(10, 30), slice(20, 24)), id="four columns"),
    pytest.param((0, 20), id="one at the border"),
    pytest.param((slice(10, 14), 49), id="four at the border"),
])  # fmt: skip
def test_single_zeros_are_measured(write_scene: WriteScene, dtype: str, zeros: tuple[slice | int, slice | int]) -> None:
    assert mask_of(write_scene("s.tif", ones(zeros, dtype=dtype))).all()


@pytest.mark.parametrize("block", BLOCKS)
def test_zeros_of_bytes_are_dark(write_scene: WriteScene, block: tuple[slice, slice]) -> None:
    assert mask_of(write_scene("s.tif", ones(block, dtype="uint8"))).all()


def test_fill_of_one_band_is_invalid_in_all(write_scene: WriteScene) -> None:
    values = ones(bands=2)
    values[3:12, 4:20, 0] = values[20:32, 30:40, 1] = 0
    assert np.array_equal(mask_of(write_scene("s.tif", values)), values.all(axis=-1))


def test_zeros_of_two_bands_side_by_side_make_no_block(write_scene: WriteScene) -> None:
    values = ones(bands=2)
    values[10:15, 20:23, 0] = values[10:15, 23:26, 1] = 0
    assert mask_of(write_scene("s.tif", values)).all()


@pytest.mark.parametrize("profile", [{"nodata": 7}, {"nodata": np.nan, "dtype": "float32"}])
def test_zeros_are_values_where_another_nodata_value_is_declared(
    write_scene: WriteScene, profile: dict[str, Any]
) -> None:
    values = ones((slice(3, 12), slice(4, 20)))
    assert mask_of(write_scene("s.tif", values, **profile)).all()


def test_single_zeros_are_invalid_where_zero_is_declared(write_scene: WriteScene) -> None:
    values = ones((10, 20), (0, 0))
    assert np.array_equal(mask_of(write_scene("s.tif", values, nodata=0)), values[..., 0] > 0)


def test_what_is_told_goes_before_what_is_declared_and_before_fill(write_scene: WriteScene) -> None:
    values = ones((slice(3, 12), slice(4, 20)), (30, 30))
    values[20:25, 20:25] = 9
    path = write_scene("s.tif", values, nodata=9)
    assert np.array_equal(mask_of(path), values[..., 0] != 9)
    assert np.array_equal(mask_of(path, nodata=0.0), values[..., 0] != 0)
    undeclared = write_scene("u.tif", values)
    assert np.array_equal(mask_of(undeclared, nodata=9.0), values[..., 0] != 9)
    assert np.array_equal(mask_of(undeclared, nodata=0.0), values[..., 0] != 0)


@st.composite
def holed(draw: Any) -> tuple[NDArray[np.uint16], Window]:
    """A small raster of two bands with many zeros, in blocks and alone, and a window in it."""
    height, width = draw(st.integers(1, 24)), draw(st.integers(1, 24))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = (rng.uniform(size=(height, width, 2)) > draw(st.sampled_from([0.02, 0.2, 0.5]))).astype(np.uint16)
    for _ in range(draw(st.integers(0, 5))):
        row, col, band = rng.integers(height), rng.integers(width), rng.integers(2)
        values[row : row + rng.integers(3, 9), col : col + rng.integers(3, 9), band] = 0
    row_off, col_off = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
    return values, Window(
        row_off, col_off, draw(st.integers(1, height - row_off)), draw(st.integers(1, width - col_off))
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reader")


@LIGHT
@given(holed())
def test_the_mask_of_a_window_is_the_cut_of_the_whole(folder: Path, case: tuple[NDArray[np.uint16], Window]) -> None:
    values, window = case
    path = save_scene(folder / "s.tif", values)
    whole = mask_of(path, Window(0, 0, *values.shape[:2]))
    assert np.array_equal(mask_of(path, window), whole[window.rows, window.cols])


@LIGHT
@given(holed())
def test_fill_is_what_blocks_of_zeros_cover_that_may_go_on_beyond_the_border(
    folder: Path, case: tuple[NDArray[np.uint16], Window]
) -> None:
    values, _ = case
    mask = mask_of(save_scene(folder / "s.tif", values), Window(0, 0, *values.shape[:2]))
    assert np.array_equal(~mask, fill_by_hand(values[..., 0] == 0) | fill_by_hand(values[..., 1] == 0))


def masked(path: Path, valid: Mask, internal: bool) -> Path:
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=internal), rasterio.open(path, "r+") as dataset:
        dataset.write_mask(valid)
    assert path.with_name(f"{path.name}.msk").exists() != internal
    return path


@pytest.mark.parametrize("internal", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_a_mask_in_the_file_and_beside_it_says_what_is_valid_and_zeros_then_are(
    write_scene: WriteScene, internal: bool, dtype: str
) -> None:
    valid = np.ones(SIZE, bool)
    valid[5:20, 30:45] = False
    path = write_scene("s.tif", ones((slice(22, 32), slice(4, 14)), dtype=dtype, bands=2))
    assert np.array_equal(mask_of(masked(path, valid, internal)), valid)


def test_a_mask_and_a_nodata_value_both_count(write_scene: WriteScene) -> None:
    valid = np.ones(SIZE, bool)
    valid[5:20, 30:45] = False
    values = ones((slice(22, 32), slice(4, 14)))
    path = masked(write_scene("s.tif", values, nodata=0), valid, internal=False)
    assert np.array_equal(mask_of(path), valid & (values[..., 0] > 0))


def with_alpha(path: Path, gray: int = 1) -> Path:
    with rasterio.open(path, "r+") as dataset:
        dataset.colorinterp = (*[ColorInterp.gray] * gray, ColorInterp.alpha)
    return path


def test_the_alpha_of_each_of_several_files_counts(write_scene: WriteScene) -> None:
    vv = np.full((*SIZE, 2), 255, np.uint16)
    vh = vv.copy()
    vv[:5, :, 1], vh[:, 40:, 1] = 0, 0
    files = {name: str(with_alpha(write_scene(f"{name}.tif", band))) for name, band in (("VV", vv), ("VH", vh))}
    assert np.array_equal(mask_of(None, files=files), (vv[..., 1] > 0) & (vh[..., 1] > 0))


def test_each_of_several_files_says_what_is_valid_in_its_own_way(write_scene: WriteScene) -> None:
    vv = ones((slice(3, 12), slice(4, 20)), dtype="uint16")
    vh = ones((slice(20, 30), slice(30, 40)), dtype="float32")
    vh[35:, 45:] = np.nan
    vh[0, 0] = -99
    files = {"VV": str(write_scene("vv.tif", vv)), "VH": str(write_scene("vh.tif", vh, nodata=-99))}
    values, mask = values_and_mask(None, files=files)
    assert np.array_equal(mask, (vv[..., 0] > 0) & np.isfinite(vh[..., 0]) & (vh[..., 0] >= 0))
    assert np.array_equal(values[mask], np.concatenate([vv, vh], axis=-1)[mask])


def two_nodata_values(tmp_path: Path, values: NDArray[Any], nodata: tuple[object, object]) -> Path:
    """A GeoTIFF has one for all bands, a virtual raster has one for each."""
    save_scene(tmp_path / "s.tif", values)
    bands = "".join(
        f"<VRTRasterBand dataType='Float32' band='{band}'><NoDataValue>{value}</NoDataValue><SimpleSource>"
        f"<SourceFilename relativeToVRT='1'>s.tif</SourceFilename><SourceBand>{band}</SourceBand>"
        "</SimpleSource></VRTRasterBand>"
        for band, value in enumerate(nodata, 1)
    )
    height, width = values.shape[:2]
    (tmp_path / "s.vrt").write_text(
        f"<VRTDataset rasterXSize='{width}' rasterYSize='{height}'><SRS>EPSG:32632</SRS>"
        f"<GeoTransform>500000,10,0,5300000,0,-10</GeoTransform>{bands}</VRTDataset>"
    )
    return tmp_path / "s.vrt"


@pytest.mark.parametrize("second", [-7.0, np.nan])
def test_nodata_may_differ_from_band_to_band(tmp_path: Path, second: float) -> None:
    values = np.full((*SIZE, 2), 3, np.float32)
    values[5, 5] = (-99, 3)
    values[6, 6] = (3, second)
    values[7, 7] = (-7, -99)  # each the value of the other band
    mask = mask_of(two_nodata_values(tmp_path, values, (-99, second)))
    assert list(zip(*np.nonzero(~mask), strict=True)) == [(5, 5), (6, 6)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("nodata", [-3.4028234663852886e38, 1e-30, 0.1])
def test_a_nodata_value_is_met_in_the_precision_of_the_values(
    write_scene: WriteScene, dtype: str, nodata: float
) -> None:
    values = np.ones((*SIZE, 1), dtype)
    values[:7] = nodata
    mask = mask_of(write_scene("s.tif", values, nodata=nodata))
    assert not mask[:7].any()
    assert mask[7:].all()


def test_statistics_leave_fill_out(write_scene: WriteScene) -> None:
    values = np.random.default_rng(3).integers(50, 90, (*SIZE, 1)).astype(np.uint16)
    values[:, :20] = 0
    values[30, 30] = 0
    sample = sample_scene(open_scene(write_scene("s.tif", values), None))
    assert sorted(sample.ravel().tolist()) == sorted(values[:, 20:].ravel().tolist())


def test_a_scene_of_fill_alone_has_no_statistics(write_scene: WriteScene) -> None:
    path = write_scene("s.tif", np.zeros((*SIZE, 1), np.uint16))
    with pytest.raises(SceneError, match=r"s\.tif: no valid pixels$"):
        sample_scene(open_scene(path, None))


def read_through_cache(scene: Scene) -> NDArray[Any]:
    with block_cache(scene, 16), scene_reader(scene) as reader:
        return reader.read(Window(0, 0, scene.height, scene.width))[0]


def test_a_small_cache_changes_no_value(write_scene: WriteScene, write_gcp_scene: WriteScene) -> None:
    values = np.random.default_rng(3).integers(50, 90, (*SIZE, 2)).astype(np.uint16)
    for path in (write_scene("s.tif", values), write_gcp_scene("g.tif", values)):
        scene = open_scene(path, None)
        with scene_reader(scene) as reader:
            expected = reader.read(Window(0, 0, scene.height, scene.width))[0]
        assert np.array_equal(read_through_cache(scene), expected)


def test_bands_of_different_types_are_read_in_one_that_holds_them(tmp_path: Path, write_scene: WriteScene) -> None:
    parts = {
        "Float32": write_scene("a.tif", np.full((40, 30, 1), 0.5, np.float32)),
        "UInt16": write_scene("b.tif", np.full((40, 30, 1), 7, np.uint16)),
    }
    bands = "".join(
        f'<VRTRasterBand dataType="{kind}" band="{number}"><SimpleSource><SourceFilename>{path}</SourceFilename>'
        "<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand>"
        for number, (kind, path) in enumerate(parts.items(), 1)
    )
    place = f"<SRS>{UTM.to_wkt()}</SRS><GeoTransform>{transform_text(TRANSFORM)}</GeoTransform>"
    mixed = tmp_path / "mixed.vrt"
    mixed.write_text(f'<VRTDataset rasterXSize="30" rasterYSize="40">{place}{bands}</VRTDataset>')
    values, mask = values_and_mask(mixed, Window(0, 0, 40, 30))
    assert mask.all()
    assert [np.unique(band).tolist() for band in np.moveaxis(values, -1, 0)] == [[0.5], [7]]


def test_a_damaged_file_of_several_is_the_one_that_is_named(write_scene: WriteScene) -> None:
    whole, damaged = (write_scene(f"{name}.tif", np.ones((300, 300, 1), np.float32)) for name in ("vv", "vh"))
    damaged.write_bytes(damaged.read_bytes()[:200_000])
    for files in ({"VV": str(whole), "VH": str(damaged)}, {"VH": str(damaged), "VV": str(whole)}):
        with pytest.raises(SceneError, match=rf"^{damaged}: can not be read in rows"):
            values_and_mask(None, Window(0, 0, 300, 300), files=files)
