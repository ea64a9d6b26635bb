"""Statistics of a whole scene from a part of it."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from sartranslate import sampling
from sartranslate.errors import SceneError
from sartranslate.sampling import sample_scene, survey
from sartranslate.scaling import measure
from sartranslate.scene import open_scene
from sartranslate.threads import VARIABLE
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


@pytest.mark.parametrize("threads", [2, 7])
def test_a_scene_read_in_parts_at_once_has_the_same_sample_in_the_same_order(
    write_scene: WriteScene, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    values = np.random.default_rng(0).gamma(4, 1, (700, 500, 1)).astype(np.float32)
    values[:90, 200:] = 0
    scene = open_scene(write_scene("s.tif", values, nodata=0), ONE)
    monkeypatch.setenv(VARIABLE, "1")
    alone, share = survey(scene)
    monkeypatch.setenv(VARIABLE, str(threads))
    together, same_share = survey(scene)
    np.testing.assert_array_equal(together, alone)
    assert same_share == share < 1


def test_a_scene_that_can_not_be_read_in_one_part_is_refused_and_leaves_no_thread(
    write_scene: WriteScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_scene("s.tif", np.random.default_rng(0).gamma(4, 1, (700, 500, 1)).astype(np.float32))
    scene, content = open_scene(path, ONE), path.read_bytes()
    path.write_bytes(content[: len(content) * 3 // 4])
    monkeypatch.setenv(VARIABLE, "4")
    before = set(threading.enumerate())
    with pytest.raises(SceneError, match="can not be read"):
        survey(scene)
    assert set(threading.enumerate()) <= before


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
    expected, found = measure(sample_scene(whole)), measure(sample_scene(part))
    assert found.unit == expected.unit == "byte"
    assert found.values[0][3:-3] == pytest.approx(expected.values[0][3:-3], rel=0.02)
