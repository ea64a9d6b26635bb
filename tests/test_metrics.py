"""Scores are what their papers define, see the fault they are for, and take only valid pixels into account."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sartranslate.errors import PairsError
from sartranslate.quality.metrics import (
    Scores,
    identity_collapse,
    mae,
    psnr,
    score_images,
    spectral_angle,
    ssim,
    whole_windows,
)
from tests.textures import TRUTH, Image, blurred, noisy, textures

Metric = Callable[..., float]
PAIRWISE = [mae, psnr, ssim, spectral_angle]
LIGHT = settings(max_examples=30, deadline=None)


def plain_ssim(fake: Image, real: Image) -> float:
    """Wang et al. 2004, equations 7 to 13 with weights, window by window."""
    offsets = range(-5, 6)
    weights = np.array([[math.exp(-(i * i + j * j) / (2 * 1.5**2)) for j in offsets] for i in offsets])
    weights /= weights.sum()
    fake, real, found = fake.astype(np.float64), real.astype(np.float64), []
    for channel in range(fake.shape[2]):
        for row in range(fake.shape[0] - 10):
            for col in range(fake.shape[1] - 10):
                x = fake[row : row + 11, col : col + 11, channel] / 255.0
                y = real[row : row + 11, col : col + 11, channel] / 255.0
                mx, my = (weights * x).sum(), (weights * y).sum()
                vx, vy = (weights * (x - mx) ** 2).sum(), (weights * (y - my) ** 2).sum()
                cov = (weights * (x - mx) * (y - my)).sum()
                index = (2 * mx * my + 1e-4) * (2 * cov + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))
                found.append(index)
    return float(np.mean(found))


def test_mean_absolute_error_is_in_levels_and_bytes_do_not_wrap() -> None:
    assert mae(np.uint8([[[0, 10, 255]]]), np.uint8([[[255, 13, 0]]])) == (255 + 3 + 255) / 3


def test_a_difference_of_the_whole_range_is_0_decibels_and_each_tenth_of_it_20_more() -> None:
    black = np.zeros((3, 4, 3), np.uint8)
    assert psnr(black, black + 255) == 0
    assert psnr(np.full((3, 4, 3), 25.5), black) == pytest.approx(20)
    assert psnr(np.full((3, 4, 3), 2.55), black) == pytest.approx(40)


def test_equal_images_have_no_error_and_infinite_decibels() -> None:
    assert [metric(TRUTH, TRUTH) for metric in PAIRWISE] == [0, math.inf, pytest.approx(1, abs=1e-12), 0]


def test_structural_similarity_equals_a_plain_reading_of_the_paper() -> None:
    real = TRUTH[0, :13, :15]
    for fake in (TRUTH[1, :13, :15], noisy(real, 20), 255 - real, blurred(real, 1.0)):
        assert ssim(fake, real) == pytest.approx(plain_ssim(fake, real), abs=1e-9)


def test_flat_images_are_as_similar_as_their_luminances() -> None:
    dark, light = np.full((11, 11, 1), 51.0), np.full((11, 11, 1), 102.0)
    assert ssim(dark, light) == pytest.approx((2 * 0.2 * 0.4 + 1e-4) / (0.2**2 + 0.4**2 + 1e-4), abs=1e-9)


def test_a_negative_is_dissimilar() -> None:
    assert ssim(255 - TRUTH, TRUTH) < -0.5


@LIGHT
@given(*[arrays(np.uint8, (12, 13, 3), elements=st.integers(0, 255))] * 2)
def test_exchanging_an_image_and_its_truth_changes_no_score_of_value_structure_or_colour(
    one: Image, two: Image
) -> None:
    for metric in PAIRWISE:
        assert metric(one, two) == pytest.approx(metric(two, one), abs=1e-12)
    assert -1 <= ssim(one, two) <= 1
    assert 0 <= spectral_angle(one, two) <= math.pi / 2 + 1e-12


@pytest.mark.parametrize("harm", [blurred, noisy])
def test_the_more_an_image_is_harmed_the_worse_its_scores(harm: Callable[[Image, float], Image]) -> None:
    images = [harm(TRUTH[0], strength) for strength in (0.5, 1, 2, 4)]
    for metric, better in ((mae, 1), (psnr, -1), (ssim, -1), (spectral_angle, 1)):
        assert (np.diff([metric(image, TRUTH[0]) for image in images]) * better > 0).all()


@pytest.mark.parametrize("metric", PAIRWISE)
def test_a_batch_scores_the_mean_of_its_images_each_for_itself(metric: Metric) -> None:
    fakes = np.stack([noisy(image, 4.0**number) for number, image in enumerate(TRUTH[:3])])
    single = [metric(fake, real) for fake, real in zip(fakes, TRUTH[:3], strict=True)]
    assert metric(fakes, TRUTH[:3]) == pytest.approx(np.mean(single), rel=1e-12)
    masks = np.random.default_rng(2).random(fakes.shape[:3]) < [[[0.999]], [[0.99]], [[0.995]]]
    masked = [metric(fake, real, mask) for fake, real, mask in zip(fakes, TRUTH[:3], masks, strict=True)]
    assert metric(fakes, TRUTH[:3], masks) == pytest.approx(np.mean(masked), rel=1e-12)


@pytest.mark.parametrize("metric", PAIRWISE)
def test_invalid_pixels_may_hold_anything_and_a_half_valid_image_scores_as_its_half(metric: Metric) -> None:
    fake, real = noisy(TRUTH[0], 10), TRUTH[0].astype(np.float32)
    wanted = metric(fake[:, :30], real[:, :30])
    mask = np.zeros(real.shape[:2], bool)
    mask[:, :30] = True
    for nothing in (0, np.nan, np.inf, -9999):
        fake[:, 30:], real[:, 30:] = nothing, -nothing
        assert metric(fake, real, mask) == pytest.approx(wanted, rel=1e-12)


def test_one_invalid_pixel_takes_out_the_windows_that_hold_it_and_no_others() -> None:
    fake, real = TRUTH[1, :22, :11], TRUTH[0, :22, :11]
    mask = np.ones((22, 11), bool)
    mask[11, 4] = False
    assert ssim(fake, real, mask) == pytest.approx(ssim(fake[:11], real[:11]), rel=1e-12)


def test_windows_are_whole_where_none_of_their_11_x_11_pixels_is_invalid() -> None:
    mask = np.ones((22, 13), bool)
    mask[11, 1] = False
    expected = [[mask[row : row + 11, col : col + 11].all() for col in range(3)] for row in range(12)]
    assert whole_windows(mask).tolist() == expected
    assert whole_windows(mask).sum() == 3 + 11  # above the gap, and beside it


def test_a_mask_of_an_image_serves_all_images_of_a_batch() -> None:
    mask = np.random.default_rng(2).random(TRUTH.shape[1:3]) < 0.9
    fakes = noisy(TRUTH, 10)
    assert mae(fakes, TRUTH, mask) == mae(fakes, TRUTH, np.broadcast_to(mask, TRUTH.shape[:3]))
    assert mae(fakes, TRUTH, mask) != mae(fakes, TRUTH)


def test_the_spectral_angle_is_that_between_the_colours() -> None:
    colours = np.float32([[[100, 0, 0], [100, 0, 0], [50, 50, 50]]])
    others = np.float32([[[30, 30, 0], [0, 0, 7], [9, 9, 9]]])
    assert spectral_angle(colours, others) == pytest.approx((math.pi / 4 + math.pi / 2 + 0) / 3)


def test_a_darker_image_of_the_same_colours_has_no_spectral_angle() -> None:
    assert spectral_angle(TRUTH / 3, TRUTH) == pytest.approx(0, abs=1e-12)


def test_a_small_spectral_angle_keeps_its_digits() -> None:
    assert spectral_angle([[[100.0, 1e-7, 0]]], [[[100.0, 0, 0]]]) == pytest.approx(1e-9, rel=1e-6)


def test_black_is_at_right_angles_to_all_colours_but_black() -> None:
    assert spectral_angle([[[0, 0, 0], [0, 0, 0]]], [[[0, 0, 0], [9, 9, 9]]]) == pytest.approx(math.pi / 4)


def test_a_copier_of_its_input_is_below_one_and_a_translator_above() -> None:
    sar = textures(7)[6, ..., :1]
    copier, translator = 0.9 * sar + 0.1 * TRUTH[0], 0.2 * sar + 0.8 * TRUTH[0]
    assert identity_collapse(copier, TRUTH[0], sar) == pytest.approx(1 / 9)
    assert identity_collapse(translator, TRUTH[0], sar) == pytest.approx(4)
    assert identity_collapse(TRUTH[0], TRUTH[0], sar) == math.inf


def test_a_channel_of_sar_is_compared_with_each_channel_generated_where_pixels_are_valid() -> None:
    sar, fakes = TRUTH[::-1, ..., :1], noisy(TRUTH, 10)
    mask = np.random.default_rng(2).random(TRUTH.shape[:3]) < 0.5
    whole = identity_collapse(fakes, TRUTH, np.repeat(sar, 3, axis=-1), mask)
    assert identity_collapse(fakes, TRUTH, sar, mask) == whole
    assert whole == pytest.approx(np.abs(fakes - sar)[mask].mean() / np.abs(fakes - TRUTH)[mask].mean(), rel=0.01)


def test_scores_are_means_over_images_of_any_size() -> None:
    reals = [TRUTH[0], TRUTH[1, :20, :31], TRUTH[2, :11]]
    fakes = [noisy(real, 5.0 * (1 + number)) for number, real in enumerate(reals)]
    wanted = [np.mean([metric(*pair) for pair in zip(fakes, reals, strict=True)]) for metric in (mae, psnr, ssim)]
    assert score_images(iter(fakes), iter(reals)) == pytest.approx(Scores(*wanted))


def test_each_image_is_scored_within_its_own_mask_if_it_has_one() -> None:
    fakes = noisy(TRUTH[:2], 10)
    mask = np.zeros((64, 64), bool)
    mask[:, :20] = True
    found = score_images(fakes, TRUTH[:2], [mask, None])
    assert found == pytest.approx(score_images([fakes[0, :, :20], fakes[1]], [TRUTH[0, :, :20], TRUTH[1]]))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (([], []), "no images: expected at least one to score"),
        ((TRUTH[:2], TRUTH[:3]), "image 2: expected as many generated as true images"),
        ((TRUTH[:2], TRUTH[:1]), "image 1: expected as many generated as true images"),
        ((TRUTH[:2], TRUTH[:2], [None]), "image 1: .* as many masks if any"),
    ],
)
def test_images_that_do_not_pair_up_are_refused_with_the_first_that_is_alone(columns: Any, message: str) -> None:
    with pytest.raises(PairsError, match=message):
        score_images(*columns)


@pytest.mark.parametrize(
    ("generated", "truth", "mask", "message"),
    [
        (TRUTH[0], TRUTH[0, :9], None, r"generated \(64, 64, 3\), truth \(9, 64, 3\): expected the same \(H, W, C\)"),
        (TRUTH[0, ..., 0], TRUTH[0, ..., 0], None, r"generated \(64, 64\), truth \(64, 64\)"),
        (TRUTH[:0], TRUTH[:0], None, r"generated \(0, 64, 64, 3\)"),
        (TRUTH[0], TRUTH[0], np.ones((64, 9)), r"mask \(64, 9\): expected \(64, 64\), as the image, or \(1, 64, 64\)"),
        (TRUTH[0], TRUTH[0], np.zeros((64, 64)), "mask: no valid pixel"),
        (TRUTH[:2], TRUTH[:2], np.arange(2)[:, None, None] * np.ones((64, 64)), "mask: no valid pixel in an image"),
        (TRUTH[0] / 127.5 - 1, TRUTH[0], None, "values -.* to .* where valid, expected 0 to 255"),
        (TRUTH[0], TRUTH[0] * 256.0, None, "values .* to .* where valid, expected 0 to 255"),
        (np.ma.masked_less(TRUTH[0], 100), TRUTH[0], None, "masked images, expected plain ones, and what is valid"),
        (TRUTH[0] * 1j, TRUTH[0], None, "images of complex128 and .*, expected real numbers"),
        (TRUTH[0].astype(str), TRUTH[0], None, "images of <U.*, expected real numbers"),
        (TRUTH[0] * np.nan, TRUTH[0], None, "values nan to nan where valid, expected 0 to 255"),
    ],
)
def test_images_and_masks_that_do_not_fit_are_refused_by_every_score(
    generated: Any, truth: Any, mask: Any, message: str
) -> None:
    for metric in PAIRWISE:
        with pytest.raises(PairsError, match=message):
            metric(generated, truth, mask)


def test_images_too_small_for_a_window_are_refused_with_the_least_size() -> None:
    with pytest.raises(PairsError, match=r"\(10, 64, 3\): expected a height and a width of at least 11 pixels"):
        ssim(TRUTH[0, :10], TRUTH[0, :10])


def test_a_mask_without_a_whole_window_is_refused_by_the_similarity_only() -> None:
    mask = np.zeros((64, 64), bool)
    mask[:10] = True
    assert mae(TRUTH[0], TRUTH[1], mask) == mae(TRUTH[0, :10], TRUTH[1, :10])
    with pytest.raises(PairsError, match="no 11 x 11 valid pixels in an image"):
        ssim(TRUTH[0], TRUTH[1], mask)


def test_sar_of_another_place_or_form_is_refused() -> None:
    for sar in (TRUTH[0, :9], TRUTH[0, ..., 0], TRUTH[0, ..., :2]):
        with pytest.raises(PairsError, match=r"SAR \(.*\), generated \(64, 64, 3\): expected the same, or a single"):
            identity_collapse(TRUTH[0], TRUTH[0], sar)
