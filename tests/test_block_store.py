"""Blocks of a remote raster are read once, whatever windows ask for them, and are what the file holds."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rasterio.windows import Window

from benchmarks.remote_bytes import KINDS, made, reading
from sartranslate.errors import SceneError
from sartranslate.rasters.block_store import BlockStore, StoredDataset
from sartranslate.rasters.raster import opened_raster
from sartranslate.scenes.reader import scene_reader
from sartranslate.scenes.scene import open_scene
from tests.conftest import save_scene
from tests.faulty_server import served

HEIGHT, WIDTH = 90, 110
SMALL = 1024  # pixels
BAND = """<VRTRasterBand dataType="{}" band="{}">{}<SimpleSource><SourceFilename>{}</SourceFilename></SimpleSource>
</VRTRasterBand>"""
WHOLE = Window(0, 0, WIDTH, HEIGHT)


class Counted:
    """A dataset that counts how often each of its blocks is asked for."""

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset
        self.visits = np.zeros((HEIGHT, WIDTH), int)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dataset, name)

    def read(self, indexes: list[int], window: Window) -> Any:
        rows, cols = window.toslices()
        self.visits[rows, cols] += 1
        return self._dataset.read(indexes, window=window)


@contextmanager
def never() -> Iterator[None]:
    raise AssertionError("opened again")
    yield


@pytest.fixture(scope="module")
def values() -> NDArray[np.uint16]:
    return np.random.default_rng(1).integers(1, 1000, (HEIGHT, WIDTH, 2), np.uint16)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, values: NDArray[np.uint16]) -> list[Path]:
    folder = tmp_path_factory.mktemp("files")
    tiled = {"tiled": True, "blockxsize": 32, "blockysize": 16}
    return [save_scene(folder / "a.tif", values, **tiled), save_scene(folder / "b.tif", values, blockysize=7)]


windows = st.tuples(
    st.integers(0, HEIGHT - 1), st.integers(0, WIDTH - 1), st.integers(1, HEIGHT), st.integers(1, WIDTH)
).map(lambda t: Window(t[1], t[0], min(t[3], WIDTH - t[1]), min(t[2], HEIGHT - t[0])))


@given(st.lists(windows, min_size=1, max_size=6), st.integers(0, 1))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_window_is_that_of_the_file_and_no_pixel_is_asked_for_twice(
    files: list[Path], values: NDArray[np.uint16], asked: list[Window], number: int
) -> None:
    with rasterio.open(files[number]) as dataset:
        counted = Counted(dataset)
        stored = StoredDataset(counted, "a", BlockStore(), never)
        for window in asked:
            rows, cols = window.toslices()
            np.testing.assert_array_equal(
                stored.read([2, 1], window=window), values[rows, cols, ::-1].transpose(2, 0, 1)
            )
        assert counted.visits.max() == 1


def test_bands_of_different_types_and_masks_are_kept_apart(tmp_path: Path) -> None:
    one = save_scene(tmp_path / "one.tif", np.full((8, 8, 1), 7, np.uint8), nodata=7)
    two = save_scene(tmp_path / "two.tif", np.full((8, 8, 1), 0.5, np.float32))
    mixed = tmp_path / "mixed.vrt"
    first = BAND.format("Byte", 1, "<NoDataValue>7</NoDataValue>", one)
    second = BAND.format("Float32", 2, "", two)
    mixed.write_text(f'<VRTDataset rasterXSize="8" rasterYSize="8">{first}{second}</VRTDataset>')
    window = Window(2, 3, 4, 5)
    with opened_raster(mixed) as dataset:
        stored = StoredDataset(dataset, "a", BlockStore(), never)
        for index in (1, 2, 1, 2):
            np.testing.assert_array_equal(stored.read([index], window), dataset.read([index], window=window))
            np.testing.assert_array_equal(
                stored.read_masks([index], window), dataset.read_masks([index], window=window)
            )
            assert stored.read([index], window).dtype == dataset.dtypes[index - 1]


def test_a_copy_in_another_process_begins_empty(files: list[Path]) -> None:
    store = BlockStore()
    with rasterio.open(files[0]) as dataset:
        StoredDataset(dataset, "a", store, never).read([1], WHOLE)
        counted = Counted(dataset)
        StoredDataset(counted, "a", pickle.loads(pickle.dumps(store)), never).read([1], WHOLE)
    assert counted.visits.min() == 1


def test_no_room_is_said_in_one_line(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**options: Any) -> Any:
        return Path("/dev/full").open("wb", **options)

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with rasterio.open(files[0]) as dataset:
        stored = StoredDataset(dataset, "a", BlockStore(), never)
        with pytest.raises(
            SceneError, match=r"no room for blocks in a temporary file: No space left on device; \$TMPDIR"
        ):
            stored.read([1], WHOLE)


def test_scenes_of_this_machine_are_not_copied(files: list[Path], tmp_path: Path) -> None:
    scene = open_scene(files[0], None)
    assert scene.blocks is None
    with scene_reader(scene) as reader:
        assert not isinstance(next(iter(reader._datasets.values())), StoredDataset)


FIRST, *OTHERS = KINDS


@pytest.mark.parametrize("kind", [FIRST, *(pytest.param(kind, marks=pytest.mark.long) for kind in OTHERS)])
def test_a_translation_reads_little_more_than_the_blocks_that_it_needs(tmp_path: Path, kind: str) -> None:
    file = made(tmp_path / "scene_VH.tif", KINDS[kind], SMALL)
    for share in (1.0, 0.3):
        assert reading(file, share).ratio < 1.1


@pytest.mark.long
@pytest.mark.parametrize("kind", [kind for kind in KINDS if "128" not in kind])  # of which GDAL reads half a MB ahead
def test_so_does_that_of_a_small_scene_which_is_placed_by_ground_control_points(tmp_path: Path, kind: str) -> None:
    assert reading(made(tmp_path / "scene_VH.tif", KINDS[kind], 2 * SMALL, points=True)).ratio < 1.1


def test_nothing_beside_a_remote_scene_is_asked_for_unless_the_user_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = save_scene(tmp_path / "scene_VH.tif", np.ones((64, 64, 1), np.uint16))
    with served(scene) as server:
        open_scene(server.scene, None)
        assert {path for _, path in server.requests} == {"/scene_VH.tif"}
    monkeypatch.setenv("GDAL_DISABLE_READDIR_ON_OPEN", "FALSE")
    with served(scene) as server:
        open_scene(server.scene, None)
        assert {path for _, path in server.requests} > {"/scene_VH.tif"}


def test_addresses_are_scenes_as_they_are(tmp_path: Path) -> None:
    scene = save_scene(tmp_path / "scene_VH.tif", np.ones((64, 64, 1), np.uint16))
    with served(scene) as server:
        address = f"{server.address}/scene_VH.tif"
        for given_as in (address, Path(address), Path(server.scene)):
            assert open_scene(given_as, None).names == ("VH",)
        with pytest.raises(SceneError, match=f"^{server.address}/other.tif: can not be read"):
            open_scene(Path(f"{server.address}/other.tif"), None)
