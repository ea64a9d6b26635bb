"""The shift of an optical tile is found where there is one to find, and called unclear where there is none."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sartranslate.backscatter.radiometry import Float
from sartranslate.datasets.coregistration import (
    CLEAR,
    LEAST_SHARED,
    LEVELS,
    NO_PEAK,
    Shift,
    estimate_shift,
    shared_information,
)
from sartranslate.errors import OptionError, PairsError
from sartranslate.simulate.simulator import Landscape
from sartranslate.streaming.windows import Window

SIZE = 128
MARGIN = 16  # pixels of optical ground around the SAR tile
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)

Ground = tuple[Float, Float]


@pytest.fixture(scope="module")
def ground() -> Ground:
    """Speckled power of a tile and luminance of the tile with its surroundings."""
    plane = Landscape(seed=7)
    power, rgb = plane.pair(Window(500, 300, SIZE + 2 * MARGIN, SIZE + 2 * MARGIN))
    return power[MARGIN:-MARGIN, MARGIN:-MARGIN, 0], rgb @ LUMINANCE


def decibels(power: Float) -> Float:
    return np.asarray(10 * np.log10(power), np.float32)


def cut(luminance: Float, row_off: int, col_off: int) -> Float:
    """An optical tile that begins so far below and right of its SAR tile, and so shows all things too high and left."""
    rows, cols = slice(MARGIN + row_off, MARGIN + row_off + SIZE), slice(MARGIN + col_off, MARGIN + col_off + SIZE)
    return luminance[rows, cols]


def miss(found: Shift, row_off: int, col_off: int) -> float:
    return max(abs(found.rows - row_off), abs(found.cols - col_off))


def noise(seed: int, size: int = SIZE) -> Float:
    return np.random.default_rng(seed).normal(size=(size, size)).astype(np.float32)


@pytest.mark.parametrize("offset", [(0, 0), (3, -5), (-7, 2), (12, 12), (-12, 0)])
def test_the_shift_of_a_tile_cut_off_its_place_is_found_to_within_a_pixel(
    ground: Ground, offset: tuple[int, int]
) -> None:
    found = estimate_shift(decibels(ground[0]), cut(ground[1], *offset))
    assert found.clarity > CLEAR
    assert miss(found, *offset) < 1


def test_the_shift_says_how_far_down_and_right_the_optical_content_has_to_go() -> None:
    sar, optical = noise(1, 60), noise(2, 60)
    for row, col in np.random.default_rng(3).integers(8, 48, (30, 2)):
        sar[row : row + 4, col : col + 4] = 20
        optical[row - 2 : row + 2, col + 5 : col + 9] = 20  # two rows too high and five columns too far right
    found = estimate_shift(sar, optical)
    assert (round(found.rows), round(found.cols)) == (2, -5)


@pytest.mark.parametrize("quarters", [-2, -1, 1, 2])
def test_fractions_of_a_pixel_are_found_to_within_a_fifth(quarters: int) -> None:
    fine = np.cumsum(np.cumsum(noise(3, 4 * 110), axis=0), axis=1)
    pixels = fine[6:, 6:] - fine[:-6, 6:] - fine[6:, :-6] + fine[:-6, :-6]
    sar, optical = pixels[8:408:4, 8:408:4], pixels[8:408:4, 8 + quarters : 408 + quarters : 4]
    found = estimate_shift(sar, optical)
    assert found.rows == pytest.approx(0, abs=0.2)
    assert found.cols == pytest.approx(quarters / 4, abs=0.2)


def test_power_amplitude_and_decibels_give_exactly_the_same_shift(ground: Ground) -> None:
    power, optical = ground[0], cut(ground[1], 4, 1)
    amplitude, shifted = np.sqrt(power, dtype=np.float64), 10 * np.log10(power, dtype=np.float64) + 83
    found = [estimate_shift(sar, optical) for sar in (power, np.asarray(amplitude), shifted)]
    assert found[0] == found[1] == found[2]


def test_an_optical_tile_with_inverted_brightness_is_found_as_well(ground: Ground) -> None:
    found = estimate_shift(decibels(ground[0]), 255 - cut(ground[1], 4, 1))
    assert found.clarity > CLEAR
    assert miss(found, 4, 1) < 1


@pytest.mark.parametrize("value", [0.0, -12.3, 1e30])
def test_a_tile_of_one_value_has_no_peak_beside_anything(value: float) -> None:
    flat = np.full((60, 60), value, np.float32)
    assert estimate_shift(flat, flat) == NO_PEAK
    assert estimate_shift(flat, noise(1, 60)) == NO_PEAK
    assert estimate_shift(noise(1, 60), flat) == NO_PEAK


@pytest.mark.parametrize("seed", range(6))
def test_noise_beside_other_noise_is_not_clear(seed: int) -> None:
    assert estimate_shift(noise(seed, 96), noise(seed + 100, 96)).clarity < CLEAR


@pytest.mark.parametrize("place", [(1000, 0), (0, 2000), (-900, 700)])
def test_tiles_of_different_ground_are_not_clear(ground: Ground, place: tuple[int, int]) -> None:
    elsewhere = Landscape(seed=8).optical(Window(*place, SIZE, SIZE)) @ LUMINANCE
    assert estimate_shift(decibels(ground[0]), elsewhere).clarity < CLEAR


def test_a_shift_beyond_the_reach_is_not_clear(ground: Ground) -> None:
    assert estimate_shift(decibels(ground[0]), cut(ground[1], 14, -14), reach=8).clarity < CLEAR


def test_a_shift_one_pixel_beyond_the_reach_is_no_peak() -> None:
    optical = noise(4, 60)
    assert estimate_shift(np.roll(optical, 8, axis=0), optical, reach=7) == NO_PEAK
    assert estimate_shift(np.roll(optical, 8, axis=0), optical, reach=8).rows == pytest.approx(8, abs=0.1)


@pytest.mark.parametrize("fill", [0.0, -3.4e38, 3.4e38, np.nan, np.inf])
def test_what_lies_outside_the_mask_changes_nothing(ground: Ground, fill: float) -> None:
    sar, optical = decibels(ground[0])[:80, :80], cut(ground[1], 2, 3)[:80, :80]
    mask = noise(5, 80) > -0.8
    filled = np.where(mask, sar, np.float32(fill)), np.where(mask, optical, np.float32(fill))
    assert estimate_shift(*filled, mask) == estimate_shift(sar, optical, mask) != NO_PEAK


def test_pixels_that_are_not_finite_are_left_out_without_a_mask(ground: Ground) -> None:
    sar, optical = decibels(ground[0])[:80, :80], cut(ground[1], 2, 3)[:80, :80]
    mask = noise(5, 80) > -0.8
    assert estimate_shift(np.where(mask, sar, np.nan), optical) == estimate_shift(sar, optical, mask)
    assert estimate_shift(sar, np.where(mask, optical, np.inf)) == estimate_shift(sar, optical, mask)


def test_half_a_tile_is_enough_and_its_slanted_border_no_peak_of_its_own(ground: Ground) -> None:
    rows, cols = np.mgrid[:SIZE, :SIZE]
    sar, optical, mask = decibels(ground[0]), cut(ground[1], -3, 6), rows + cols > SIZE
    found = estimate_shift(sar, optical, mask)
    assert found.clarity > CLEAR
    assert miss(found, -3, 6) < 1
    assert estimate_shift(noise(1), noise(2), mask).clarity < CLEAR


@pytest.mark.parametrize("share", [0.0, 0.0005, 0.01, 0.1])
@pytest.mark.parametrize("seed", range(2))
def test_noise_in_a_few_valid_pixels_is_not_clear(share: float, seed: int) -> None:
    mask = np.random.default_rng(seed).random((80, 80)) < share
    assert estimate_shift(noise(seed, 80), noise(seed + 50, 80), mask).clarity < CLEAR


def test_scattered_valid_pixels_that_fit_only_themselves_are_no_measurement(ground: Ground) -> None:
    mask = np.random.default_rng(4).random((SIZE, SIZE)) < 0.3
    assert estimate_shift(decibels(ground[0]), cut(ground[1], 4, -3), mask) == NO_PEAK


def test_a_small_valid_corner_of_noise_is_not_clear() -> None:
    mask = np.zeros((80, 80), bool)
    mask[:9, :11] = True
    assert estimate_shift(noise(1, 80), noise(2, 80), mask).clarity < CLEAR


def test_a_tile_without_a_valid_pixel_has_no_peak() -> None:
    nothing = np.full((40, 40), np.nan, np.float32)
    assert estimate_shift(nothing, noise(1, 40)) == NO_PEAK
    assert estimate_shift(noise(1, 40), noise(1, 40), np.zeros((40, 40), bool)) == NO_PEAK


def mutual_information(one: NDArray[Any], two: NDArray[Any]) -> float:
    """In nats, from its definition: the mean logarithm of joint over independent probability."""
    total = 0.0
    for a in np.unique(one):
        for b in np.unique(two):
            joint = ((one == a) & (two == b)).mean()
            if joint > 0:
                total += joint * np.log(joint / ((one == a).mean() * (two == b).mean()))
    return total


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([(0, 0), (2, -1), (-2, 1), (1, 2), (-1, 0)]))
def test_shared_information_is_twice_the_pixels_times_their_mutual_information(seed: int, by: tuple[int, int]) -> None:
    fixed, moved = np.random.default_rng(seed).integers(0, 5, (2, 50, 45))
    there = np.zeros((60, 55), int)
    there[5 + by[0] : 55 + by[0], 5 + by[1] : 50 + by[1]] = moved
    there = there[5:-5, 5:-5]
    both = (fixed > 0) & (there > 0)
    expected = 2 * both.sum() * mutual_information(fixed[both], there[both])
    found = shared_information(fixed, moved, range(-2, 3))
    assert found[by[0] + 2, by[1] + 2] == pytest.approx(expected, abs=1e-5)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_moving_the_other_image_the_other_way_shares_the_same_information(seed: int) -> None:
    one, two = np.random.default_rng(seed).integers(0, LEVELS + 1, (2, 40, 45))
    span = range(-3, 4)
    there_and_back = shared_information(two, one, span)[::-1, ::-1]
    np.testing.assert_allclose(shared_information(one, two, span), there_and_back, atol=1e-5)


def test_too_few_shared_pixels_are_no_measurement() -> None:
    levels = np.ones((LEAST_SHARED // 20, 20), int)
    shared = shared_information(levels, levels, range(-1, 2))
    assert shared[1, 1] == 0
    assert np.count_nonzero(np.isnan(shared)) == 8


def test_unrelated_levels_share_as_much_information_as_chi_squared_says() -> None:
    one, two = np.random.default_rng(6).integers(1, LEVELS + 1, (2, 150, 150))
    ratios = shared_information(one, two, range(-8, 9))
    freedom = (LEVELS - 1) ** 2
    assert ratios.mean() == pytest.approx(freedom, rel=0.03)
    assert ratios.std() == pytest.approx(np.sqrt(2 * freedom), rel=0.15)


def test_tiles_of_different_size_are_refused_with_both_sizes() -> None:
    with pytest.raises(PairsError, match=r"SAR tile \(40, 40\), optical tile \(40, 41\): expected"):
        estimate_shift(noise(1, 40), np.zeros((40, 41), np.float32))


def test_an_optical_tile_with_channels_is_refused() -> None:
    with pytest.raises(PairsError, match=r"optical tile \(40, 40, 3\): expected two of the same height, width"):
        estimate_shift(noise(1, 40), np.zeros((40, 40, 3), np.float32))


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(PairsError, match=r"mask \(1, 40\): expected \(40, 40\)"):
        estimate_shift(noise(1, 40), noise(2, 40), np.ones((1, 40), bool))


@pytest.mark.parametrize("reach", [-1, 0, 5, 39])
def test_a_reach_too_small_or_too_large_for_the_tile_is_refused(reach: int) -> None:
    with pytest.raises(OptionError, match=rf"reach {reach}: expected 6 to 38 for a tile \(40, 40\)"):
        estimate_shift(noise(1, 40), noise(2, 40), reach=reach)
