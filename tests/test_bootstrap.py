"""Intervals are those of tiles drawn with replacement, each with all of its images."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sartranslate.quality.bootstrap import RESAMPLES, Resamples, interval
from sartranslate.quality.scores import Score

TILES = [0, 0, 0, 1, 2, 2]


def test_a_mean_is_over_images_and_a_ratio_one_of_sums() -> None:
    resamples = Resamples(TILES, 0)
    values, wholes = [1.0, 2, 3, 4, 5, 9], [2.0, 2, 2, 2, 2, 2]
    assert resamples.mean(values).value == pytest.approx(4)
    assert resamples.ratio(values, wholes).value == pytest.approx(2)


def test_a_resample_takes_as_many_tiles_as_there_are_and_each_with_all_of_its_images() -> None:
    resamples = Resamples(TILES, 0)
    assert resamples.counts.shape == (1 + RESAMPLES, 3)
    assert (resamples.counts.sum(axis=1) == 3).all()
    assert resamples.counts[0].tolist() == [1, 1, 1]
    # Values that are the size of their tile: a resample's mean is the sum of squared sizes by the sum of sizes.
    sizes = np.array([3, 1, 2])
    wanted = resamples.counts @ sizes**2 / (resamples.counts @ sizes)
    assert resamples.mean([3, 3, 3, 1, 2, 2]) == interval(wanted)


def test_the_interval_of_many_tiles_is_that_of_a_normal_distribution() -> None:
    values = np.random.default_rng(1).normal(10, 2, 400)
    found = Resamples(range(400), 0).mean(values)
    assert found.low == pytest.approx(values.mean() - 1.96 * 2 / 20, abs=0.03)
    assert found.high == pytest.approx(values.mean() + 1.96 * 2 / 20, abs=0.03)


def test_more_images_of_the_same_tiles_do_not_make_an_interval_narrower() -> None:
    values = np.arange(12.0)
    once, often = (
        Resamples(range(12), 0).mean(values),
        Resamples(np.repeat(range(12), 50), 0).mean(np.repeat(values, 50)),
    )
    assert often == pytest.approx(once)


def test_a_single_tile_has_no_interval_however_many_images_it_has() -> None:
    assert Resamples([7, 7, 7], 0).mean([1, 2, 6]) == Score(3.0)


def test_an_infinite_image_makes_the_mean_infinite_and_every_resample_with_its_tile() -> None:
    found = Resamples([0, 1, 2], 0).mean([10, 20, math.inf])
    assert found.value == found.high == math.inf
    assert found.low == pytest.approx(10)


def test_a_ratio_by_nothing_is_infinite_and_one_of_nothing_by_nothing_is_one() -> None:
    resamples = Resamples([0, 1], 0)
    assert resamples.ratio([1, 1], [0, 0]) == Score(math.inf, math.inf, math.inf)
    assert resamples.ratio([0, 0], [0, 0]) == Score(1, 1, 1)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=20), st.integers(0, 3))
def test_equal_seeds_draw_equal_tiles_and_an_interval_lies_within_the_values(tiles: list[int], seed: int) -> None:
    values = np.random.default_rng(seed).random(len(tiles))
    found = Resamples(tiles, seed).mean(values)
    assert found == Resamples(tiles, seed).mean(values)
    if found.low is not None and found.high is not None:
        assert values.min() - 1e-9 <= found.low <= found.high <= values.max() + 1e-9
