"""Windows cover a scene, overlap as told, and come row by row."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sartranslate.errors import OptionError
from sartranslate.streaming.windows import Window, WindowGrid, offsets

LIGHT = settings(max_examples=60, deadline=None)


@st.composite
def grids(draw: Any) -> WindowGrid:
    size = draw(st.integers(1, 24))
    overlap = draw(st.integers(0, size - 1))
    return WindowGrid(draw(st.integers(1, 70)), draw(st.integers(1, 70)), size, overlap)


@LIGHT
@given(grids())
def test_every_pixel_lies_in_a_window_and_no_window_leaves_the_scene(grid: WindowGrid) -> None:
    visits = np.zeros((grid.height, grid.width), int)
    for window in grid:
        seen = visits[window.rows, window.cols]
        assert seen.shape == (window.height, window.width)
        seen += 1
    assert visits.min() >= 1


@LIGHT
@given(grids())
def test_windows_come_row_by_row_and_left_to_right_without_repeats(grid: WindowGrid) -> None:
    places = [(window.row_off, window.col_off) for window in grid]
    assert places == sorted(set(places))


@LIGHT
@given(grids())
def test_the_length_of_a_grid_is_the_number_of_its_windows(grid: WindowGrid) -> None:
    assert len(grid) == len(list(grid))


@LIGHT
@given(grids())
def test_the_last_window_of_both_axes_ends_at_the_edge(grid: WindowGrid) -> None:
    *_, last = grid
    assert (last.rows.stop, last.cols.stop) == (grid.height, grid.width)


@LIGHT
@given(grids())
def test_neighbours_share_the_overlap_and_the_last_pair_at_least_as_much(grid: WindowGrid) -> None:
    steps = np.diff(grid.row_offs)
    assert (steps[:-1] == grid.size - grid.overlap).all()
    assert (steps[-1:] <= grid.size - grid.overlap).all()


@LIGHT
@given(grids())
def test_no_window_is_more_than_the_cover_of_an_axis_needs(grid: WindowGrid) -> None:
    needed = max(0, -(-(grid.width - grid.size) // (grid.size - grid.overlap))) + 1
    assert len(grid.col_offs) == needed


def test_a_small_grid_is_the_windows_written_out_by_hand() -> None:
    assert list(WindowGrid(5, 8, 4, 1)) == [
        Window(row_off=0, col_off=0, height=4, width=4),
        Window(row_off=0, col_off=3, height=4, width=4),
        Window(row_off=0, col_off=4, height=4, width=4),
        Window(row_off=1, col_off=0, height=4, width=4),
        Window(row_off=1, col_off=3, height=4, width=4),
        Window(row_off=1, col_off=4, height=4, width=4),
    ]


def test_an_axis_that_the_stride_divides_gets_no_extra_window() -> None:
    assert offsets(256 + 3 * 192, 256, 64) == [0, 192, 384, 576]
    assert offsets(256 + 3 * 192 + 1, 256, 64) == [0, 192, 384, 576, 577]


def test_a_scene_smaller_than_a_window_is_one_window_of_the_scenes_own_size() -> None:
    assert list(WindowGrid(100, 30, 256, 64)) == [Window(0, 0, 100, 30)]


def test_a_scene_narrow_in_one_axis_only_is_cut_along_the_other() -> None:
    assert list(WindowGrid(7, 20, 12, 4)) == [Window(0, 0, 7, 12), Window(0, 8, 7, 12)]
    assert list(WindowGrid(20, 7, 12, 4)) == [Window(0, 0, 12, 7), Window(8, 0, 12, 7)]


def test_rows_and_cols_cut_the_windows_pixels_out_of_a_coordinate_raster() -> None:
    raster = np.stack(np.mgrid[:30, :40], axis=-1)
    window = Window(11, 5, 3, 7)
    patch = raster[window.rows, window.cols]
    assert patch[0, 0].tolist() == [11, 5]
    assert patch[-1, -1].tolist() == [13, 11]


@pytest.mark.parametrize("overlap", [256, 300, -1])
def test_an_overlap_that_leaves_no_stride_is_refused_with_the_overlaps_that_work(overlap: int) -> None:
    with pytest.raises(OptionError, match=rf"overlap {overlap}: expected 0 to 255, less than the window \(256\)"):
        WindowGrid(1000, 1000, 256, overlap)


@pytest.mark.parametrize("size", [0, -4])
def test_a_window_without_pixels_is_refused(size: int) -> None:
    with pytest.raises(OptionError, match=f"window {size}: expected at least 1 pixel"):
        WindowGrid(10, 10, size, 0)


@pytest.mark.parametrize(("height", "width"), [(0, 5), (5, 0), (-1, 5)])
def test_a_scene_without_pixels_is_refused(height: int, width: int) -> None:
    with pytest.raises(OptionError, match=f"a scene of {height} x {width} pixels has no windows"):
        WindowGrid(height, width)
