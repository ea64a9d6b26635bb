"""Statistics of a whole scene from a part of it."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.errors import NotGeoreferencedWarning

from sartranslate.backscatter.distribution import measure
from sartranslate.errors import SceneError
from sartranslate.rasters.block_store import BlockStore
from sartranslate.rasters.process_wide import quiet
from sartranslate.scenes import sampling
from sartranslate.scenes.reader import SceneReader
from sartranslate.scenes.sampling import sample_bands, sample_scene, survey
from sartranslate.scenes.scene import open_scene
from sartranslate.scenes.source import SceneOptions
from sartranslate.streaming.threads import VARIABLE
from sartranslate.streaming.windows import Window
from tests.conftest import WriteScene

ONE = (("VH", "VV"),)


def test_a_scene_that_is_valid_between_the_sampled_windows_is_sampled_in_bounds(
    write_scene: WriteScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it has to be looked at, and not all of it kept."""
    values = np.random.default_rng(0).gamma(4, 1, (4000, 300, 1)).astype(np.float32)
    rows = np.ones(4000, bool)
    for row_off in sampling._spread(4000, sampling.SAMPLED_SIZE):
        rows[row_off : row_off + sampling.SAMPLED_SIZE] = False
    values[~rows] = 0
    monkeypatch.setattr(sampling, "MOST_VALUES", 50_000)
    scene = open_scene(write_scene("s.tif", values, nodata=0), ONE)
    sample, share = survey(scene)
    assert np.array_equal(survey(scene)[0], sample)
    assert 10_000 < len(sample) <= 50_000
    assert share == rows.mean()
    assert np.percentile(sample, [1, 50, 99]) == pytest.approx(np.percentile(values[rows], [1, 50, 99]), rel=0.05)


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """So many threads read a sample, however few blocks there are."""
    monkeypatch.setattr(sampling, "LEAST_ROWS", 1)
    return lambda threads: monkeypatch.setenv(VARIABLE, str(threads))


@pytest.mark.parametrize("threads", [2, 7])
def test_a_scene_read_in_parts_at_once_has_the_same_sample_in_the_same_order(
    write_scene: WriteScene, in_parts: Callable[[int], None], threads: int
) -> None:
    values = np.random.default_rng(0).gamma(4, 1, (700, 500, 1)).astype(np.float32)
    values[:90, 200:] = 0
    scene = open_scene(write_scene("s.tif", values, nodata=0, tiled=True, blockxsize=64, blockysize=64), ONE)
    in_parts(1)
    alone, share = survey(scene)
    in_parts(threads)
    assert sampling._readers(scene) == threads
    together, same_share = survey(scene)
    np.testing.assert_array_equal(together, alone)
    assert same_share == share < 1


def test_parts_are_read_without_a_warning_of_a_place_that_is_missing(
    tmp_path: Path, in_parts: Callable[[int], None]
) -> None:
    values = np.random.default_rng(0).integers(1, 999, (1, 512, 64)).astype(np.uint16)
    form = {"driver": "GTiff", "width": 64, "height": 512, "count": 1, "dtype": "uint16"}
    with quiet(), rasterio.open(tmp_path / "s.tif", "w", **form, blockysize=16) as dataset:
        dataset.write(values)
    scene = open_scene(tmp_path / "s.tif", ONE, SceneOptions(allow_ungeoreferenced=True))
    in_parts(8)
    before = warnings.filters[:]
    with warnings.catch_warnings():
        warnings.simplefilter("error", NotGeoreferencedWarning)
        for _ in range(20):
            survey(scene)
    assert warnings.filters == before


@pytest.mark.parametrize(
    ("shape", "block", "cores", "readers"),
    [
        ((6000, 6000), 256, 8, 5),  # 23 rows of blocks
        ((6000, 6000), 256, 2, 2),
        ((900, 1200), 256, 8, 1),
        ((16000, 25000), 1, 8, 8),
        ((16000, 25000), 1000, 8, 2),  # each would hold 100 MB
        ((4000, 4000), 4000, 8, 1),
    ],
)
def test_there_are_no_more_readers_than_blocks_allow(
    write_scene: WriteScene,
    monkeypatch: pytest.MonkeyPatch,
    shape: tuple[int, int],
    block: int,
    cores: int,
    readers: int,
) -> None:
    scene = open_scene(write_scene("s.tif", np.ones((8, 8, 1), np.uint16)), ONE)
    bands = tuple(replace(band, block=(block, block)) for band in scene.bands)
    monkeypatch.setenv(VARIABLE, str(cores))
    assert sampling._readers(replace(scene, height=shape[0], width=shape[1], bands=bands)) == readers


def test_what_is_remote_or_in_an_archive_has_one_reader(
    write_scene: WriteScene, in_parts: Callable[[int], None]
) -> None:
    scene = open_scene(
        write_scene("s.tif", np.ones((256, 64, 1), np.uint16), tiled=True, blockxsize=64, blockysize=64), ONE
    )
    in_parts(4)
    assert sampling._readers(scene) == 4
    assert sampling._readers(replace(scene, blocks=BlockStore())) == 1
    packed = tuple(replace(band, dataset=f"/vsizip//a.zip/{band.dataset}") for band in scene.bands)
    assert sampling._readers(replace(scene, bands=packed)) == 1


def test_a_scene_that_can_not_be_read_in_one_part_is_refused_and_leaves_no_thread(
    write_scene: WriteScene, in_parts: Callable[[int], None]
) -> None:
    path = write_scene("s.tif", np.random.default_rng(0).gamma(4, 1, (700, 500, 1)).astype(np.float32))
    scene, content = open_scene(path, ONE), path.read_bytes()
    path.write_bytes(content[: len(content) * 3 // 4])
    in_parts(4)
    before = set(threading.enumerate())
    with pytest.raises(SceneError, match="can not be read"):
        survey(scene)
    assert set(threading.enumerate()) <= before


def test_parts_that_are_being_read_are_given_up_with_the_first_one(
    write_scene: WriteScene, in_parts: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.random.default_rng(0).gamma(4, 1, (2048, 2048, 1)).astype(np.float32)
    scene, read = open_scene(write_scene("s.tif", values), ONE), []
    in_parts(4)

    def slow(self: SceneReader, window: Window) -> None:
        read.append(window)
        time.sleep(0.01)
        if window.row_off == 0:
            raise SceneError("broken")

    monkeypatch.setattr(SceneReader, "read_bands", slow)
    with pytest.raises(SceneError, match="broken"):
        survey(scene)
    assert len(read) < 40  # of 1,024


def test_bands_are_sampled_each_where_it_is_valid_in_one_go(
    write_scene: WriteScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.random.default_rng(0).gamma(4, 1, (300, 300, 2)).astype(np.float32)
    values[:100, :, 1] = np.nan
    scene, windows = open_scene(write_scene("s.tif", values, ("VV", "VH")), None), []
    read = SceneReader.read_bands
    monkeypatch.setattr(SceneReader, "read_bands", lambda self, window: windows.append(window) or read(self, window))
    vv, vh = sample_bands(scene)
    assert len(windows) == len(set(windows))
    assert np.array_equal(vv, sample_scene(scene.only([0]))[:, 0])
    assert np.array_equal(vh, sample_scene(scene.only([1]))[:, 0])
    assert len(vh) < len(vv)


def test_a_padded_scene_of_bytes_with_control_points_is_measured_without_its_padding(
    write_gcp_scene: WriteScene,
) -> None:
    """Once warped every zero is fill, so that its statistics must leave zeros out as well."""
    values = np.random.default_rng(0).normal(120, 12, (400, 400, 1)).clip(1, 255).astype(np.uint8)
    padded = values.copy()
    padded[:100] = 0
    whole, part = (
        open_scene(write_gcp_scene(name, raster), ONE) for name, raster in (("w.tif", values), ("p.tif", padded))
    )
    assert survey(part)[1] == pytest.approx(0.75, abs=0.05)
    expected, found = measure(sample_scene(whole).T), measure(sample_scene(part).T)
    assert found.unit == expected.unit == "byte"
    assert found.values[0][7:-7] == pytest.approx(expected.values[0][7:-7], rel=0.02)


def test_a_few_valid_pixels_in_a_large_canvas_are_all_looked_at(write_scene: WriteScene) -> None:
    values = np.full((2500, 2500, 1), np.nan, np.float32)
    values[1010:1040, 1010:1040, 0] = np.random.default_rng(0).gamma(4, 0.02, (30, 30))
    scene = open_scene(write_scene("scene.tif", values), None)
    sample = sample_scene(scene)
    assert len(sample) == 900
    assert measure(sample.T).unit == "power"
