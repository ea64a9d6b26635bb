"""Invalid pixels are filled with mirrored valid ones, and a generator that looks around shows no rim along them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.ndimage import distance_transform_edt, uniform_filter

from sartranslate.backscatter.fill import fill_mirrored
from sartranslate.backscatter.radiometry import Float, Mask
from sartranslate.backscatter.scaling import SceneScaling
from sartranslate.simulate.simulator import Landscape
from sartranslate.streaming.windows import Window

LIGHT = settings(max_examples=100, deadline=None)
NONE = np.float32(np.nan)
SIZE = 256
ROWS, COLS = np.mgrid[:SIZE, :SIZE]
HOLES = {
    "disc": np.hypot(ROWS - 120, COLS - 130) > 20,
    "border": COLS < 150 + 0.2 * ROWS,
    "corner": (ROWS < 90) & (COLS < 70),
    "sliver": COLS > SIZE - 12,
}
SCALING = SceneScaling("power", "as told", ((-25.0, -5.0),))  # decibels


@st.composite
def patches(draw: Any) -> tuple[Float, Mask]:
    """Values that all differ, NaN or infinite where the mask says so, mostly valid or mostly not."""
    height, width = draw(array_shapes(min_dims=2, max_dims=2, max_side=12))
    channels = draw(st.integers(1, 2))
    mask = draw(arrays(bool, (height, width), elements=st.booleans(), fill=st.booleans()))
    values = np.arange(height * width * channels, dtype=np.float32).reshape(height, width, channels)
    values[~mask] = draw(st.sampled_from([np.nan, np.inf, -np.inf, 1e30]))
    return values, mask


def on_row(*values: float) -> list[float]:
    row = np.array([values], np.float32)
    return list(fill_mirrored(row[..., None], np.isfinite(row))[0, :, 0])


@LIGHT
@given(patches())
def test_valid_pixels_stay_and_invalid_ones_copy_one_of_them_whole(patch: tuple[Float, Mask]) -> None:
    values, mask = patch
    filled = fill_mirrored(values, mask)
    assert filled.dtype == values.dtype
    np.testing.assert_array_equal(filled[mask], values[mask])
    known = {tuple(pixel) for pixel in values[mask]} or {(0.0,) * values.shape[-1]}
    assert {tuple(pixel) for pixel in filled[~mask]} <= known


@LIGHT
@given(patches())
def test_the_fill_depends_on_valid_values_alone_and_changes_no_input(patch: tuple[Float, Mask]) -> None:
    values, mask = patch
    before = values.copy(), mask.copy()
    other = np.where(mask[..., None], values, np.float32(-7))
    np.testing.assert_array_equal(fill_mirrored(values, mask), fill_mirrored(other, mask))
    np.testing.assert_array_equal(values, before[0])
    np.testing.assert_array_equal(mask, before[1])


@LIGHT
@given(patches())
def test_a_whole_patch_is_returned_as_it_is(patch: tuple[Float, Mask]) -> None:
    values = patch[0]
    assert fill_mirrored(values, np.ones(values.shape[:2], bool)) is values


def test_a_patch_without_a_valid_pixel_becomes_zeros() -> None:
    filled = fill_mirrored(np.full((3, 4, 2), np.nan, np.float32), np.zeros((3, 4), bool))
    np.testing.assert_array_equal(filled, np.zeros((3, 4, 2)))


def test_values_are_mirrored_at_the_edge_of_a_hole() -> None:
    assert on_row(1, 2, 3, 4, NONE, NONE, NONE) == [1, 2, 3, 4, 4, 3, 2]
    assert on_row(NONE, NONE, 3, 4, 5) == [4, 3, 3, 4, 5]


def test_where_the_mirror_runs_out_of_the_patch_it_is_folded_back_at_the_border() -> None:
    assert on_row(1, 2, 3, NONE, NONE, NONE, NONE, NONE) == [1, 2, 3, 3, 2, 1, 2, 3]


def test_a_hole_is_filled_from_both_sides() -> None:
    filled = on_row(*range(100, 115), *[NONE] * 20, *range(200, 215))
    assert filled[15:20] == [114, 113, 112, 111, 110]
    assert filled[30:35] == [204, 203, 202, 201, 200]


def test_around_a_single_valid_pixel_its_value_is_all_there_is() -> None:
    assert on_row(NONE, NONE, NONE, 4, NONE, NONE, NONE) == [4] * 7


@pytest.mark.parametrize("shape", HOLES)
def test_speckle_goes_on_where_nearest_values_make_streaks(shape: str) -> None:
    noise = np.random.default_rng(1).normal(size=(SIZE, SIZE, 1)).astype(np.float32)
    mask = HOLES[shape]
    assert repeated(fill_mirrored(noise, mask), mask) < 0.25
    assert repeated(nearest(noise, mask), mask) > 0.4


def repeated(values: Float, mask: Mask) -> float:
    """Share of neighbouring pixels within a hole that are equal."""
    hole = ~mask
    down = (np.diff(values[..., 0], axis=0) == 0)[hole[1:] & hole[:-1]]
    right = (np.diff(values[..., 0], axis=1) == 0)[hole[:, 1:] & hole[:, :-1]]
    return float(np.concatenate([down, right]).mean())


def nearest(values: Float, mask: Mask) -> Float:
    rows, cols = distance_transform_edt(~mask, return_distances=False, return_indices=True)
    return np.asarray(values[rows, cols])


@pytest.fixture(scope="module")
def whole() -> Float:
    """Windows of a made-up landscape, scaled, (N, SIZE, SIZE, 1)."""
    plane = Landscape(3)
    views = (plane.sar(Window(700 * number, 900, SIZE, SIZE)) for number in range(4))
    return np.stack([SCALING.apply(view, np.ones((SIZE, SIZE), bool)) for view in views])


def rim(whole: Float, filled: Float, mask: Mask, radius: int) -> float:
    """Mean size, over windows, of the mean change of a box blur within 8 px of a hole, in grey levels."""
    ring = mask & (distance_transform_edt(mask) < 8)
    changes = [
        uniform_filter(after - before, (2 * radius + 1, 2 * radius + 1, 1))
        for before, after in zip(whole, filled, strict=True)
    ]
    return float(np.mean([abs(change[ring].mean()) for change in changes]) * 127.5)


@pytest.mark.parametrize("radius", [8, 30])
@pytest.mark.parametrize("shape", ["disc", "border"])
def test_a_blur_shows_no_rim_along_a_hole_but_does_where_it_is_filled_with_the_mean(
    whole: Float, shape: str, radius: int
) -> None:
    mask = HOLES[shape]
    mirrored = np.stack([fill_mirrored(values, mask) for values in whole])
    mean = np.stack([np.where(mask[..., None], values, values[mask].mean()) for values in whole])
    assert rim(whole, mirrored, mask, radius) < 2 < 3 < rim(whole, mean, mask, radius)
