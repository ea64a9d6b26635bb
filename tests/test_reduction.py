"""Each pixel of a reduced raster is the mean of the valid pixels of its block, whatever strips it is read in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sartranslate.streaming import reduction
from sartranslate.streaming.reduction import Reduction, block_means
from sartranslate.streaming.windows import Window

SIZES = st.integers(1, 40)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 5), st.integers(0, 99))
def test_a_mean_is_that_of_the_valid_pixels_of_a_block(height: int, width: int, step: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values, mask = rng.integers(0, 65536, (height, width, 2)), rng.random((height, width)) < 0.5
    means, valid = block_means(values, mask, step)
    for row, col in np.ndindex(valid.shape):
        block = slice(row * step, (row + 1) * step), slice(col * step, (col + 1) * step)
        known = values[block][mask[block]]
        assert valid[row, col] == bool(len(known))
        np.testing.assert_allclose(means[row, col], known.mean(axis=0) if len(known) else 0, rtol=1e-5)


def test_what_is_invalid_may_be_no_number() -> None:
    means, valid = block_means(np.array([[[np.nan], [7.0], [np.inf]]]), np.array([[False, True, False]]), 2)
    assert means[..., 0].tolist() == [[7, 0]]
    assert valid.tolist() == [[True, False]]


@given(st.integers(1, 30_000), st.integers(1, 30_000), st.integers(1, 5000))
def test_the_longer_side_has_the_size_at_most_and_no_smaller_step_would_do(height: int, width: int, size: int) -> None:
    found = Reduction.to_size(height, width, size)
    assert max(found.shape) <= size
    assert found.step == 1 or max(found._replace(step=found.step - 1).shape) > size


@given(SIZES, SIZES, st.integers(1, 9), st.integers(1, 20))
def test_strips_read_each_pixel_once_and_give_the_means_of_the_whole(
    height: int, width: int, step: int, strip_rows: int
) -> None:
    values = np.arange(height * width).reshape(height, width, 1)
    seen = np.zeros((height, width), int)

    def read(window: Window) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        seen[window.rows, window.cols] += 1
        patch = values[window.rows, window.cols]
        return patch, np.ones(patch.shape[:2], bool)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(reduction, "STRIP_ROWS", strip_rows)
        strips = [means for means, _ in Reduction(height, width, step).means(read)]
    assert (seen == 1).all()
    whole, _ = block_means(values, np.ones((height, width), bool), step)
    np.testing.assert_array_equal(np.concatenate(strips), whole)
    assert whole.shape[:2] == Reduction(height, width, step).shape
