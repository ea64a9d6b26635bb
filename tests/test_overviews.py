"""Overviews are means of the valid pixels, however the rows come in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sartranslate.streaming.overviews import Halving, Rows, halved, level_sizes

sides = st.integers(1, 9)


def raster(height: int, width: int, share: float) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    rng = np.random.default_rng(height + 10 * width)
    return rng.integers(0, 256, (height, width, 3)).astype(np.uint8), rng.random((height, width)) < share


@given(sides, sides, st.sampled_from([0.0, 0.5, 1.0]))
def test_each_pixel_is_the_rounded_mean_of_the_valid_ones_under_it(height: int, width: int, share: float) -> None:
    values, mask = raster(height, width, share)
    smaller, valid = halved(values, mask)
    assert smaller.shape == (-(-height // 2), -(-width // 2), 3)
    for row, col in np.ndindex(*valid.shape):
        under = slice(2 * row, 2 * row + 2), slice(2 * col, 2 * col + 2)
        known = values[under][mask[under]].astype(float)
        assert valid[row, col] == bool(len(known))
        if len(known):
            assert np.abs(smaller[row, col] - known.mean(axis=0)).max() <= 0.5


@given(st.integers(1, 40), st.integers(1, 7), st.integers(1, 9), st.integers(1, 4))
def test_which_rows_come_together_does_not_matter(height: int, width: int, step: int, together: int) -> None:
    values, mask = raster(height, width, 0.7)
    halving = Halving(height, together)
    found = []
    for row in range(0, height, step):
        found += list(halving.add(Rows(row, values[row : row + step], mask[row : row + step])))
    assert all(len(rows.mask) % together == 0 for rows in found[:-1])
    assert [rows.row_off for rows in found] == list(np.cumsum([0, *(len(rows.mask) for rows in found)])[:-1])
    whole = halved(values, mask)
    np.testing.assert_array_equal(np.concatenate([rows.values for rows in found]), whole[0])
    np.testing.assert_array_equal(np.concatenate([rows.mask for rows in found]), whole[1])


@pytest.mark.parametrize(
    ("size", "expected"),
    [((512, 512), []), ((513, 1), [(257, 1)]), ((2049, 700), [(1025, 350), (513, 175), (257, 88)])],
)
def test_levels_end_with_the_first_that_is_small_enough(size: tuple[int, int], expected: list[tuple[int, int]]) -> None:
    assert level_sizes(*size, 512) == expected
