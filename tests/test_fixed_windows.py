"""Windows for scores and examples: fixed, spread over all pairs, and honest about what is not valid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sartranslate.backscatter.radiometry import Radiometry
from sartranslate.datasets.dataset import open_pairs
from sartranslate.datasets.fixed_windows import evenly, examples, windows_to_score
from sartranslate.datasets.pair_check import PairOptions
from sartranslate.datasets.pairs import PairSet
from tests.tile_files import write_pair


def bytes_of(levels: np.ndarray) -> np.ndarray:
    """(H, W) levels that the target of a tile shows."""
    return np.repeat(levels[None], 3, axis=0).astype(np.uint8)


def opened(folder: Path) -> PairSet:
    return open_pairs([folder], options=PairOptions(Radiometry(low=0, high=100), "byte"))


@pytest.fixture
def places(tmp_path: Path) -> PairSet:
    """Two tiles of 32 x 48 pixels, whose values say which window of 16 they lie in: 0 to 5 and 100 to 105."""
    rows, cols = np.indices((32, 48)) // 16
    for name, first in (("a.tif", 1), ("b.tif", 101)):
        levels = rows * 3 + cols + first
        write_pair(tmp_path, name, levels[None].astype(np.uint8), bytes_of(levels))
    return opened(tmp_path)


def levels(patches: list) -> list[list[int]]:
    return [np.unique(((patch.target + 1) * 127.5).round()).astype(int).tolist() for patch in patches]


def test_windows_cover_each_pair_once(places: PairSet) -> None:
    assert levels(windows_to_score(places, 16, 100)) == [[level] for level in (*range(1, 7), *range(101, 107))]


def test_fewer_windows_are_spread_over_all_pairs(places: PairSet) -> None:
    assert levels(windows_to_score(places, 16, 3)) == [[1], [101], [106]]


def test_examples_are_the_middle_of_pairs(places: PairSet) -> None:
    assert levels(examples(places, 16, 9)) == [[2, 5], [102, 105]]
    assert levels(examples(places, 16, 1)) == [[2, 5]]


def test_windows_are_the_same_each_time(places: PairSet) -> None:
    for one, other in zip(windows_to_score(places, 16, 4), windows_to_score(places, 16, 4), strict=True):
        assert all(np.array_equal(part, again) for part, again in zip(one, other, strict=True))


def test_windows_that_show_nothing_are_left_out_and_examples_move_to_the_first_that_does(tmp_path: Path) -> None:
    values = np.zeros((48, 48), np.uint8)
    values[32:, :16] = 7
    values[40:, :16] = 9
    write_pair(tmp_path, "a.tif", values[None], bytes_of(values), nodata=0)
    pairs = opened(tmp_path)
    assert levels(windows_to_score(pairs, 16, 100)) == [[7, 9]]
    (example,) = examples(pairs, 16, 4)
    assert example.mask.all()


def test_a_pair_smaller_than_a_window_is_mirrored_and_what_is_made_up_does_not_count(tmp_path: Path) -> None:
    values = np.arange(1, 121).reshape(12, 10)
    write_pair(tmp_path, "a.tif", values[None].astype(np.uint8), bytes_of(values))
    pairs = opened(tmp_path)
    for patches in (*windows_to_score(pairs, 16, 9), *examples(pairs, 16, 9)):
        assert patches.source.shape == (16, 16, 1)
        assert np.array_equal(patches.mask, np.pad(np.ones((12, 10), bool), [(0, 4), (0, 6)]))
        np.testing.assert_allclose(patches.target[:8, 10:], patches.target[:8, 9:3:-1])


def test_all_items_are_taken_where_there_are_few() -> None:
    assert evenly([1, 2], 3) == [1, 2]
    assert evenly([], 3) == []
