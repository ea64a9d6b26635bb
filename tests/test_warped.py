"""A scene on a map grid: pixels where their ground control points say, the same however it is read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rasterio.features import geometry_mask
from scipy.ndimage import map_coordinates
from shapely.geometry import Polygon

from sartranslate.backscatter.radiometry import Mask
from sartranslate.errors import SceneError
from sartranslate.rasters.process_wide import quiet
from sartranslate.rasters.warped import BLOCK
from sartranslate.scenes.reader import scene_reader
from sartranslate.scenes.sampling import sample_scene
from sartranslate.scenes.scene import Scene, open_scene
from sartranslate.scenes.source import SceneOptions
from sartranslate.streaming.windows import Window
from tests.conftest import GCP_COLS, GCP_ROWS, WriteScene, gcp_pixels, on_grid, save_gcp_scene

SIZE = (150, 180)
LARGE = (180, 900)  # several blocks of the grid in both directions
TERRAIN = 0.8  # pixels that lines of points jump to and fro
FOLDS = 5


def read(scene: Scene, window: Window | None = None) -> tuple[NDArray[Any], Mask]:
    """A window, or all, through datasets that nothing was read from before."""
    with scene_reader(scene) as reader:
        return reader.read(window or Window(0, 0, scene.height, scene.width))


def coordinates(height: int, width: int) -> NDArray[np.float32]:
    """Column and row of each pixel's middle."""
    return np.stack(np.indices((height, width), np.float32)[::-1], axis=-1) + np.float32(0.5)


def at_places(values: NDArray[Any], scene: Scene, places: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, bands) of a warped scene at places on its map, between the middles of pixels."""
    columns, rows = on_grid(places, scene.transform).T - 0.5
    return np.stack([map_coordinates(band, [rows, columns], order=1) for band in np.moveaxis(values, -1, 0)], axis=-1)


def inner_points() -> NDArray[np.bool_]:
    """Those that have pixels all around."""
    inner = np.zeros((GCP_ROWS, GCP_COLS), bool)
    inner[1:-1, 1:-1] = True
    return inner.ravel()


@pytest.mark.parametrize(("jump", "method"), [(0.0, None), (0.0, "tps"), (0.4, "polynomial"), (TERRAIN, None)])
def test_held_out_points_are_read_within_a_pixel_of_their_columns_and_rows(
    write_gcp_scene: WriteScene, jump: float, method: str | None
) -> None:
    pixels, number = gcp_pixels(*SIZE), np.arange(GCP_ROWS * GCP_COLS)
    everywhere = open_scene(write_gcp_scene("all.tif", coordinates(*SIZE), jump=jump), None).grid
    assert everywhere is not None
    for fold in (0, 3):
        out = number % FOLDS == fold
        path = write_gcp_scene("kept.tif", coordinates(*SIZE), jump=jump, kept=~out)
        scene = open_scene(path, None, SceneOptions(gcps=method))
        values, _ = read(scene)
        wanted = out & inner_points()
        misses = at_places(values, scene, everywhere.points.ground[wanted]) - pixels[wanted]
        assert np.hypot(*misses.T).max() < 1


def test_points_in_use_are_read_at_their_columns_and_rows(write_gcp_scene: WriteScene) -> None:
    scene = open_scene(write_gcp_scene("s.tif", coordinates(*SIZE), jump=1.5), None)
    assert scene.grid
    assert scene.grid.method == "tps"
    inner = inner_points()
    found = at_places(read(scene)[0], scene, scene.grid.points.ground[inner])
    # The spline bends within a pixel, where bilinear reading goes straight.
    np.testing.assert_allclose(found, gcp_pixels(*SIZE)[inner], rtol=0, atol=0.1)


Case = tuple[Scene, NDArray[Any], Mask]
CASES = [
    pytest.param(("polynomial", "uint16", 1, None), id="polynomial, uint16"),
    pytest.param(("tps", "float32", 2, None), id="spline, two bands of float32 with NaN"),
    pytest.param(("tps", "uint16", 2, 17.0), id="spline, means of uint16"),
    pytest.param(("polynomial", "float32", 1, 17.0), id="polynomial, means of float32 with NaN"),
]


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A scene of many blocks, and its full read."""
    method, dtype, bands, resolution = request.param
    height, width = LARGE if resolution is None else (2 * LARGE[0], 2 * LARGE[1])
    rng = np.random.default_rng(3)
    values = rng.gamma(4, 30, (height, width, bands)).astype(dtype)
    values[40:60, 300:400] = 0
    if dtype == "float32":
        values[rng.uniform(size=values.shape) < 0.002] = np.nan
    some = slice(None, None, 6)  # a spline through all points takes seconds
    path = save_gcp_scene(tmp_path_factory.mktemp("gcp") / "s.tif", values, jump=TERRAIN, kept=some)
    scene = open_scene(path, None, SceneOptions(gcps=method, resolution=resolution))
    assert scene.height > 2 * BLOCK[1]
    assert scene.width > BLOCK[0]
    return scene, *read(scene)


@settings(max_examples=8, deadline=None)
@given(share=st.tuples(*[st.floats(0, 1)] * 4))
def test_any_window_is_the_cut_of_the_full_read_bit_for_bit(case: Case, share: tuple[float, ...]) -> None:
    scene, values, mask = case
    row_off, col_off = int(share[0] * (scene.height - 1)), int(share[1] * (scene.width - 1))
    height, width = (1 + int(part * 200) for part in share[2:])
    window = Window(row_off, col_off, min(height, scene.height - row_off), min(width, scene.width - col_off))
    found, valid = read(scene, window)
    assert found.tobytes() == values[window.rows, window.cols].tobytes()
    assert np.array_equal(valid, mask[window.rows, window.cols])


def test_windows_are_the_same_in_any_order_of_reading(case: Case) -> None:
    scene, values, _ = case
    windows = [
        Window(row, col, 70, 90) for row in range(0, scene.height - 70, 70) for col in (0, 300, scene.width - 90)
    ]
    with scene_reader(scene) as reader:
        for window in reversed(windows):
            assert reader.read(window)[0].tobytes() == values[window.rows, window.cols].tobytes()


def inside(scene: Scene, margin: float) -> Mask:
    """Where the middles of the grid's pixels lie in the source, this many of its pixels from its border at least.

    By the bent shape of the border itself, drawn through the points of the product.
    """
    assert scene.grid
    ground = scene.grid.points.ground.reshape(GCP_ROWS, GCP_COLS, 2)
    ring = np.concatenate([ground[0], ground[1:, -1], ground[-1, ::-1][1:], ground[::-1, 0][1:-1]])
    shape = Polygon(ring).buffer(-margin * scene.transform.a)
    return np.asarray(geometry_mask([shape], (scene.height, scene.width), scene.transform, invert=True))


@pytest.mark.parametrize("resolution", [None, 25.0, 6.5])
@pytest.mark.parametrize(
    ("method", "dtype"),
    [("tps", "uint16"), *[("polynomial", dtype) for dtype in ("uint8", "uint16", "int16", "float32", "float64")]],
)
def test_no_valid_pixel_is_lost_inside_and_none_is_won_outside(
    write_gcp_scene: WriteScene, method: str, dtype: str, resolution: float | None
) -> None:
    path = write_gcp_scene("s.tif", np.ones((*SIZE, 1), dtype))
    scene = open_scene(path, None, SceneOptions(gcps=method, resolution=resolution))
    values, mask = read(scene)
    assert mask[inside(scene, 0.7)].all()
    assert not mask[~inside(scene, -0.7)].any()
    assert (values[mask] == 1).all()
    assert values.dtype == dtype


def around(raster: NDArray[Any], columns: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[Any]:
    """The four pixels (4, ...) of a raster whose middles lie around places in it."""
    height, width = raster.shape
    return np.stack(
        [
            raster[
                np.clip(np.floor(rows + down), 0, height - 1).astype(int),
                np.clip(np.floor(columns + right), 0, width - 1).astype(int),
            ]
            # A little more than a pixel apart: places are good to a hundredth of one.
            for down in (-0.52, 0.52)
            for right in (-0.52, 0.52)
        ]
    )


FILL = np.zeros(SIZE, bool)
FILL[:, :20] = FILL[-30:] = FILL[:40, 120:] = True


@pytest.mark.parametrize(("method", "dtype", "fill", "declared"), [
    pytest.param("polynomial", "uint16", 0, None, id="padding of GRD products"),
    pytest.param("tps", "uint16", 0, None, id="padding of GRD products, spline"),
    pytest.param("polynomial", "float32", 0, None, id="the same in floats"),
    pytest.param("polynomial", "float32", np.nan, None, id="NaN"),
    pytest.param("tps", "float32", np.nan, np.nan, id="NaN, declared, spline"),
    pytest.param("polynomial", "int16", -99, -99, id="a nodata value"),
    pytest.param("polynomial", "uint8", 0, None, id="bytes"),
])  # fmt: skip
def test_fill_is_invalid_and_all_else_valid_and_unmixed(
    write_gcp_scene: WriteScene, method: str, dtype: str, fill: float, declared: float | None
) -> None:
    options = SceneOptions(gcps=method)
    whole = open_scene(write_gcp_scene("whole.tif", coordinates(*SIZE)), None, options)
    places, inner = read(whole)
    columns, rows = np.moveaxis(places.astype(float), -1, 0)
    values = np.where(FILL, fill, 100)[..., None].astype(dtype)
    found, mask = read(open_scene(write_gcp_scene("s.tif", values, nodata=declared), None, options))
    near = around(FILL, columns, rows)
    assert mask[inner & ~near.any(axis=0)].all()
    assert not mask[~inner | near.all(axis=0)].any()
    assert (found[mask] == 100).all()


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_fill_is_not_averaged_into_a_coarser_grid(write_gcp_scene: WriteScene, dtype: str) -> None:
    values = np.where(FILL, 0, 100)[..., None].astype(dtype)
    found, mask = read(open_scene(write_gcp_scene("s.tif", values), None, SceneOptions(resolution=40.0)))
    assert (found[mask] == 100).all()
    assert mask.sum() * 16 == pytest.approx((~FILL).sum(), rel=0.1)


def test_a_zero_told_to_be_a_value_is_one(write_gcp_scene: WriteScene) -> None:
    values = np.where(FILL, 0, 100)[..., None].astype(np.float32)
    scene = open_scene(write_gcp_scene("s.tif", values), None, SceneOptions(nodata=-1))
    found, mask = read(scene)
    assert mask[inside(scene, 0.7)].all()
    assert (found[mask] == 0).any()


@pytest.mark.parametrize("nodata", [-9999, 70_000, 0.5, np.nan])
def test_a_nodata_value_that_pixels_can_not_have_declares_none(write_gcp_scene: WriteScene, nodata: float) -> None:
    """Else what lies outside the scene would be valid zeros."""
    path = write_gcp_scene("s.tif", np.where(FILL, 0, 100)[..., None].astype(np.uint16))
    virtual = path.with_suffix(".vrt")
    rasterio.shutil.copy(path, virtual, driver="VRT")
    band = '<VRTRasterBand dataType="UInt16" band="1"'
    text = re.sub(rf"{band}([^>]*)>", rf"{band}\1><NoDataValue>{nodata}</NoDataValue>", virtual.read_text())
    assert "NoDataValue" in text
    virtual.write_text(text)
    expected, found = (read(open_scene(file, None))[1] for file in (path, virtual))
    assert np.array_equal(found, expected)
    with pytest.raises(SceneError, match=r"nodata \S+ told, which uint16 can not hold"):
        open_scene(path, None, SceneOptions(nodata=nodata))


def test_a_hole_in_one_band_is_a_hole_of_the_scene_and_no_value_of_the_other(write_gcp_scene: WriteScene) -> None:
    values = np.full((*SIZE, 2), 100, np.uint16)
    values[60:80, 30:50, 0] = 0
    values[90:120, 100:120, 1] = 0
    scene = open_scene(write_gcp_scene("s.tif", values), None)
    found, mask = read(scene)
    lost = (inside(scene, 0.7) & ~mask).sum()
    assert lost == pytest.approx(20 * 20 + 30 * 20, rel=0.15)
    assert (found[mask] == 100).all()


@pytest.mark.parametrize(("resolution", "mean"), [(None, False), (40.0, True)])
def test_a_coarser_grid_has_means_and_no_other(
    write_gcp_scene: WriteScene, resolution: float | None, mean: bool
) -> None:
    speckle = np.random.default_rng(2).gamma(4, 25, (*SIZE, 1)).astype(np.float32)
    scene = open_scene(write_gcp_scene("s.tif", speckle), None, SceneOptions(resolution=resolution))
    values, mask = read(scene)
    assert values[mask].mean() == pytest.approx(speckle.mean(), rel=0.01)
    # Of 16 pixels the mean has a quarter of their deviation, and what lies between two more than half.
    assert (values[mask].std() < 0.3 * speckle.std()) == mean


def test_speckle_is_not_drawn_beyond_its_range(write_gcp_scene: WriteScene) -> None:
    speckle = np.random.default_rng(2).gamma(1, 25, (*SIZE, 1)).astype(np.uint16) + 1
    found, mask = read(open_scene(write_gcp_scene("s.tif", speckle.astype(np.uint16)), None))
    assert speckle.min() <= found[mask].min()
    assert found[mask].max() <= speckle.max()


def test_statistics_are_of_the_source_and_not_of_the_grid(write_gcp_scene: WriteScene) -> None:
    speckle = np.random.default_rng(2).gamma(4, 25, (*SIZE, 1)).astype(np.float32)
    scene = open_scene(write_gcp_scene("s.tif", speckle), None, SceneOptions(resolution=40.0))
    sample = sample_scene(scene)
    assert np.array_equal(np.unique(sample), np.unique(speckle))
    assert sample.std() == pytest.approx(speckle.std(), rel=0.05)


def test_a_stored_scale_is_applied_once(write_gcp_scene: WriteScene) -> None:
    path = write_gcp_scene("s.tif", np.full((*SIZE, 1), 500, np.uint16))
    with quiet(), rasterio.open(path, "r+") as dataset:
        dataset.scales, dataset.offsets = (0.1,), (-60,)
    values, mask = read(open_scene(path, None))
    np.testing.assert_allclose(values[mask], -10, rtol=1e-5)


@pytest.mark.parametrize("name", ["a & b.tif", "<s>.tif", "q\"u'o.tif", "[1] größe.tif", "{1}, 50 %.tif", "s.tif"])
def test_scenes_are_read_whatever_they_are_called(
    write_gcp_scene: WriteScene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    write_gcp_scene(name, np.ones((*SIZE, 1), np.uint16))
    monkeypatch.chdir(tmp_path)
    for path in (name, tmp_path / name):
        scene = open_scene(path, None)
        assert read(scene)[1][inside(scene, 0.7)].all()
