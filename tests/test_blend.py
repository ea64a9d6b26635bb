"""Weights sum to one by construction, and strips are final, in order, and small."""

import tracemalloc
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sartranslate.streaming.blend import OverlapAdd, Strip, axis_weights, taper
from sartranslate.streaming.windows import Window, WindowGrid, offsets

LIGHT = settings(max_examples=60, deadline=None)


@st.composite
def axes(draw: Any) -> tuple[int, int, int]:
    size = draw(st.integers(1, 64))
    return draw(st.integers(1, 300)), size, draw(st.integers(0, size - 1))


def noise(grid: WindowGrid, channels: int = 2) -> dict[Window, Any]:
    """A random patch for each window: neighbours disagree, so that order and weights matter."""
    rng = np.random.default_rng(0)
    return {w: rng.uniform(-1, 1, (w.height, w.width, channels)).astype(np.float32) for w in grid}


def blended(grid: WindowGrid, windows: Iterable[Window], strip_height: int = 1000) -> list[Strip]:
    patches, blend, strips = noise(grid), OverlapAdd(grid, 2, strip_height), []
    for window in windows:
        strips.extend(blend.add(window, patches[window], np.ones((window.height, window.width), bool)))
    return [*strips, *blend.finish()]


def joined(strips: list[Strip]) -> tuple[Any, Any]:
    return np.concatenate([s.values for s in strips]), np.concatenate([s.mask for s in strips])


@LIGHT
@given(axes())
def test_the_weights_of_an_axis_sum_to_one_at_every_pixel(axis: tuple[int, int, int]) -> None:
    length, size, _ = axis
    total = np.zeros(length)
    for start, weights in zip(offsets(*axis), axis_weights(*axis), strict=True):
        total[start : start + size] += weights
    np.testing.assert_allclose(total, 1, rtol=0, atol=1e-6)


@pytest.mark.parametrize("overlap", [0, 1, 64, 128, 200, 255])
@pytest.mark.parametrize("length", [1, 255, 256, 257, 509, 1000])
def test_the_weights_of_real_window_sizes_sum_to_one_at_every_pixel(length: int, overlap: int) -> None:
    total = np.zeros(length)
    weights = axis_weights(length, 256, overlap)
    for start, window in zip(offsets(length, 256, overlap), weights, strict=True):
        total[start : start + 256] += window
    np.testing.assert_allclose(total, 1, rtol=0, atol=1e-6)
    assert weights.min() > 0


@LIGHT
@given(axes())
def test_every_weight_is_above_zero_and_at_most_one(axis: tuple[int, int, int]) -> None:
    weights = axis_weights(*axis)
    assert weights.min() > 0
    assert weights.max() <= 1


@LIGHT
@given(st.integers(2, 300), st.data())
def test_a_taper_is_symmetric_and_rises_to_one_where_the_overlap_ends(size: int, data: Any) -> None:
    overlap = data.draw(st.integers(1, size - 1))
    profile = taper(size, overlap)
    np.testing.assert_array_equal(profile, profile[::-1])
    assert (np.diff(profile[: (size + 1) // 2]) >= 0).all()
    assert (profile[overlap : size - overlap] == 1).all()


def test_two_windows_that_overlap_hand_over_to_each_other_smoothly() -> None:
    left, right = axis_weights(12, 8, 4)
    np.testing.assert_allclose(left[4:], [0.962, 0.691, 0.309, 0.038], atol=1e-3)
    np.testing.assert_allclose(right[:4], left[:3:-1], atol=1e-6)


@LIGHT
@given(axes(), st.integers(1, 80))
def test_strips_come_in_order_and_hold_each_row_exactly_once(axis: tuple[int, int, int], strip_height: int) -> None:
    height, size, overlap = axis
    grid = WindowGrid(height, 3, size, overlap)
    strips = blended(grid, grid, strip_height)
    assert [row for s in strips for row in range(s.row_off, s.row_off + len(s.values))] == list(range(height))
    assert all(1 <= len(s.values) == len(s.mask) <= strip_height for s in strips)


@LIGHT
@given(axes(), st.integers(1, 80))
def test_any_strip_height_gives_the_same_rows_bit_for_bit(axis: tuple[int, int, int], strip_height: int) -> None:
    height, size, overlap = axis
    grid = WindowGrid(height, 5, size, overlap)
    values, mask = joined(blended(grid, grid, strip_height))
    expected_values, expected_mask = joined(blended(grid, grid))
    np.testing.assert_array_equal(values, expected_values)
    np.testing.assert_array_equal(mask, expected_mask)


def test_strips_equal_a_sum_over_the_whole_scene_held_at_once() -> None:
    grid = WindowGrid(53, 41, 16, 5)
    rows = dict(zip(grid.row_offs, axis_weights(53, 16, 5), strict=True))
    cols = dict(zip(grid.col_offs, axis_weights(41, 16, 5), strict=True))
    whole = np.zeros((53, 41, 2))
    for window, patch in noise(grid).items():
        whole[window.rows, window.cols] += (rows[window.row_off][:, None] * cols[window.col_off])[..., None] * patch
    np.testing.assert_allclose(joined(blended(grid, grid))[0], whole, rtol=0, atol=1e-6)


def test_rows_above_the_next_window_are_handed_out_before_it_is_added() -> None:
    grid = WindowGrid(20, 8, 8, 2)
    blend, handed = OverlapAdd(grid, 1), []
    for window in grid:
        for strip in blend.add(window, np.ones((8, 8, 1), np.float32), np.ones((8, 8), bool)):
            handed.append((window.row_off, strip.row_off, len(strip.values)))
    assert handed == [(6, 0, 6), (12, 6, 6)]


def test_a_strip_stays_what_it_was_while_later_windows_are_added() -> None:
    grid = WindowGrid(64, 16, 16, 8)
    strips = blended(grid, grid)
    again = joined(strips)[0].copy()
    patches, blend, kept, copies = noise(grid), OverlapAdd(grid, 2), [], []
    for window in grid:
        for strip in blend.add(window, patches[window], np.ones((16, 16), bool)):
            kept.append(strip)
            copies.append(strip.values.copy())
    kept.extend(blend.finish())
    assert all((strip.values == copy).all() for strip, copy in zip(kept, copies, strict=False))
    np.testing.assert_array_equal(joined(kept)[0], again)


@LIGHT
@given(st.lists(st.booleans(), min_size=30, max_size=30), st.integers(1, 40))
def test_where_every_window_is_left_out_values_and_mask_are_zero_and_no_row_is_lost(
    kept: list[bool], strip_height: int
) -> None:
    grid = WindowGrid(47, 31, 12, 4)
    windows = [w for w, keep in zip(grid, [*kept] * 10, strict=False) if keep]
    covered = np.zeros((47, 31), bool)
    for window in windows:
        covered[window.rows, window.cols] = True
    values, mask = joined(blended(grid, windows, strip_height))
    np.testing.assert_array_equal(mask, covered)
    assert (values[~covered] == 0).all()


def test_a_scene_of_which_every_window_is_left_out_is_all_zero_and_has_all_its_rows() -> None:
    values, mask = joined(blended(WindowGrid(100, 9, 16, 4), []))
    assert values.shape == (100, 9, 2)
    assert not values.any()
    assert not mask.any()


def test_the_mask_is_the_union_of_the_windows_masks() -> None:
    grid = WindowGrid(8, 12, 8, 4)
    blend = OverlapAdd(grid, 1)
    for window in grid:
        mask = np.zeros((8, 8), bool)
        mask[2, 6] = True
        assert not list(blend.add(window, np.zeros((8, 8, 1), np.float32), mask))
    (strip,) = blend.finish()
    assert np.argwhere(strip.mask).tolist() == [[2, 6], [2, 10]]


@pytest.mark.parametrize("height", [16, 64, 1000])
def test_the_rows_held_are_one_window_height_whatever_the_scenes_height(height: int) -> None:
    grid = WindowGrid(height, 40, 16, 4)
    blend, held = OverlapAdd(grid, 3), set()
    for window in grid:
        list(blend.add(window, np.zeros((16, 16, 3), np.float32), np.ones((16, 16), bool)))
        held.add(sum(a.shape[0] for a in vars(blend).values() if isinstance(a, np.ndarray) and a.ndim == 3))
    assert held == {16}


def test_memory_grows_with_the_scenes_width_but_not_with_its_height() -> None:
    def peak(height: int, width: int) -> int:
        grid = WindowGrid(height, width, 32, 8)
        patch, mask = np.ones((32, 32, 3), np.float32), np.ones((32, 32), bool)
        tracemalloc.start()
        blend = OverlapAdd(grid, 3)
        for window in grid:
            for _ in blend.add(window, patch, mask):
                pass
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    low, tall, wide = peak(320, 400), peak(3200, 400), peak(320, 1600)
    assert tall < 1.3 * low + 100 * 32 * 4 * 8  # the weights of the rows, one float per row and window, do grow
    assert wide > 2.5 * low


def test_successive_windows_of_one_row_hand_out_nothing() -> None:
    grid = WindowGrid(40, 40, 16, 4)
    blend = OverlapAdd(grid, 1)
    for before, window in pairwise([None, *grid]):
        strips = list(blend.add(window, np.zeros((16, 16, 1), np.float32), np.ones((16, 16), bool)))
        assert bool(strips) == (before is not None and before.row_off != window.row_off)
