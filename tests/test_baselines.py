"""Baselines are the colours that fit best, of the pixels that count."""

from __future__ import annotations

import numpy as np
import pytest

from sartranslate.errors import PairsError
from sartranslate.quality.baselines import LOOKUP, MEAN_COLOUR, SAR_AS_GREY, BaselineFit
from sartranslate.quality.metrics import mae, psnr
from tests.textures import TRUTH

VALID = np.ones((64, 64), bool)
GREY = np.ascontiguousarray(TRUTH[5, ..., 0])


def fit(*images: int, sar: bool = True) -> BaselineFit:
    found = BaselineFit()
    for image in images:
        found.add(TRUTH[image], VALID, GREY if sar else None)
    return found


def test_the_mean_colour_is_that_of_all_images_and_fills_any_shape() -> None:
    picture = fit(0, 1).fitted().pictures((3, 5), None)[MEAN_COLOUR]
    assert picture.shape == (3, 5, 3)
    assert picture[0, 0] == pytest.approx(TRUTH[:2].mean(axis=(0, 1, 2)))
    assert (picture == picture[0, 0]).all()


def test_no_flat_picture_has_less_noise_than_the_mean_colour() -> None:
    picture = fit(0).fitted().pictures((64, 64), None)[MEAN_COLOUR]
    assert all(psnr(picture, TRUTH[0]) > psnr(picture + shift, TRUTH[0]) for shift in (-2, 2))


def test_the_lookup_gives_each_level_the_mean_of_what_lies_there() -> None:
    lookup = fit(0).fitted().pictures((64, 64), GREY)[LOOKUP]
    level = GREY[10, 10]
    assert lookup[10, 10] == pytest.approx(TRUTH[0][level == GREY].mean(axis=0))


def test_a_truth_that_is_a_function_of_the_sar_is_looked_up_without_error() -> None:
    truth = np.stack([GREY, 255 - GREY, GREY // 2], axis=-1)
    found = BaselineFit()
    found.add(truth, VALID, GREY)
    assert mae(found.fitted().pictures((64, 64), GREY)[LOOKUP], truth) == 0


def test_the_sar_as_grey_is_the_sar_in_all_three_channels() -> None:
    picture = fit(0).fitted().pictures((64, 64), GREY)[SAR_AS_GREY]
    assert (picture == GREY[..., None]).all()
    assert picture.shape == (64, 64, 3)


def test_levels_without_a_pixel_get_the_mean_colour() -> None:
    truth, grey = np.full((2, 2, 3), 90, np.uint8), np.full((2, 2), 7, np.uint8)
    found = BaselineFit()
    found.add(truth, np.ones((2, 2), bool), grey)
    assert (found.fitted().pictures((2, 2), grey + 1)[LOOKUP] == 90).all()


def test_invalid_pixels_colour_nothing() -> None:
    truth, mask = TRUTH[0].copy(), VALID.copy()
    truth[:, 30:], mask[:, 30:] = 255, False
    found = BaselineFit()
    found.add(truth, mask, GREY)
    wanted = TRUTH[0, :, :30].mean(axis=(0, 1))
    assert found.fitted().pictures((1, 1), None)[MEAN_COLOUR][0, 0] == pytest.approx(wanted)


def test_without_sar_there_is_the_mean_colour_alone() -> None:
    assert list(fit(0, sar=False).fitted().pictures((64, 64), None)) == [MEAN_COLOUR]


def test_images_without_a_valid_pixel_are_refused() -> None:
    with pytest.raises(PairsError, match="no valid pixel in any image"):
        BaselineFit().fitted()
