"""The energy of the finest detail tells blur and grain from the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sartranslate.quality.pyramid import high_frequency_ratio
from tests.textures import TRUTH, blurred, noisy


def test_blur_lowers_the_ratio_of_high_frequencies_and_noise_raises_it() -> None:
    blur = [high_frequency_ratio(blurred(TRUTH, sigma), TRUTH) for sigma in (2.0, 1.0, 0.5)]
    noise = [high_frequency_ratio(noisy(TRUTH, deviation), TRUTH) for deviation in (5, 20)]
    ratios = [0, *blur, high_frequency_ratio(TRUTH, TRUTH), *noise]
    assert ratios[4] == 1
    assert (np.diff(ratios) > 0).all()


def test_half_the_contrast_has_a_quarter_of_the_energy_and_brightness_has_none() -> None:
    halved = 0.5 * TRUTH.astype(np.float64) + 60
    assert high_frequency_ratio(halved, TRUTH) == pytest.approx(0.25, rel=1e-9)


def test_a_chequerboard_is_all_detail_and_a_slope_is_none() -> None:
    rows, cols = np.mgrid[:64, :64]
    board = 100 + 10.0 * (-1) ** (rows + cols)[..., None]
    slope = (rows + 2.0 * cols)[..., None]
    assert high_frequency_ratio(board, 100 + (board - 100) / 5) == pytest.approx(25)
    assert high_frequency_ratio(slope[8:-8, 8:-8], board[8:-8, 8:-8]) < 0.01


def test_a_single_pixel_keeps_as_detail_what_the_filters_of_burt_and_adelson_leave() -> None:
    board = 100 + 10.0 * (-1) ** np.indices((64, 64)).sum(axis=0)[..., None]
    pixel = np.full((64, 64, 1), 100.0)
    pixel[32, 32] += 64
    # Halved with (1, 4, 6, 4, 1) / 16, doubled with twice that: along each axis this is left of a 1.
    smooth = np.array([2, 8, 24, 56, 76, 56, 24, 8, 2]) / 256
    detail = -np.outer(smooth, smooth)
    detail[4, 4] += 1
    wanted = np.square(64 * detail).sum() / np.square(board - 100).sum()
    assert high_frequency_ratio(pixel, board) == pytest.approx(wanted, rel=1e-9)


def test_a_flat_truth_makes_the_ratio_infinite_unless_the_image_is_flat_too() -> None:
    flat = np.full((20, 20, 3), 7, np.uint8)
    assert high_frequency_ratio(TRUTH[0, :20, :20], flat) == math.inf
    assert high_frequency_ratio(flat + 9, flat) == 1
    assert high_frequency_ratio(flat, TRUTH[0, :20, :20]) == 0


def test_flat_images_of_a_batch_do_not_outweigh_the_others() -> None:
    fakes, reals = blurred(TRUTH, 1.0), TRUTH.copy()
    alone = high_frequency_ratio(fakes[1:], reals[1:])
    fakes[0] = reals[0] = 90
    assert high_frequency_ratio(fakes, reals) == pytest.approx(alone)
