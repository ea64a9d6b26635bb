"""Scores of generators whose pictures are known, on windows that stay the same."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from sartranslate.backscatter.radiometry import to_rgb
from sartranslate.pages.sheet import GAP
from sartranslate.recipes.augmentation import Patches
from sartranslate.recipes.recipe import SCORES
from sartranslate.train.report import SCORE_PREFIX
from sartranslate.train.validation import BATCH, Examination, better, translated

SIZE = 48  # pixels, both sides of a window

Float = NDArray[np.float32]


def window(seed: int, mask: NDArray[np.bool_] | None = None) -> Patches:
    """A pair whose sides are the same colours, so that a perfect generator is the identity."""
    colours = np.random.default_rng(seed).uniform(-1, 1, (SIZE, SIZE, 3)).astype(np.float32)
    return Patches(colours, colours, np.ones((SIZE, SIZE), np.bool_) if mask is None else mask)


def valid_rows(count: int) -> NDArray[np.bool_]:
    return np.broadcast_to(np.arange(SIZE)[:, None] < count, (SIZE, SIZE)).copy()


def perfect(batch: Float) -> Float:
    return batch


def blurred(batch: Float) -> Float:
    return np.asarray(gaussian_filter(batch, (0, 1, 1, 0)), np.float32)


def black(batch: Float) -> Float:
    return np.full_like(batch, -1)


WINDOWS = [window(seed) for seed in range(2)]


def test_a_perfect_generator_has_the_best_scores_that_there_are() -> None:
    scores = Examination(WINDOWS, []).scores(perfect)
    assert scores == {"val_ssim": pytest.approx(1), "val_psnr": math.inf, "val_mae": 0, "val_sliced_wasserstein": 0}


def test_a_blurred_generator_is_worse_by_every_score() -> None:
    examination = Examination(WINDOWS, [])
    best, worse = examination.scores(perfect), examination.scores(blurred)
    assert all(better(name, best[SCORE_PREFIX + name], worse[SCORE_PREFIX + name]) for name in SCORES)
    assert worse["val_ssim"] < 0.9
    assert worse["val_sliced_wasserstein"] > 0.1


def test_scores_are_those_of_pictures_in_levels() -> None:
    """Black for white differs by all 255 levels: PSNR 0 dB, and SSIM C1 / (255^2 + C1) with C1 = 2.55^2."""
    white = np.ones((SIZE, SIZE, 3), np.float32)
    scores = Examination([Patches(white, white, valid_rows(SIZE))], []).scores(black)
    assert scores["val_mae"] == 255
    assert scores["val_psnr"] == pytest.approx(0)
    assert scores["val_ssim"] == pytest.approx(2.55**2 / (255**2 + 2.55**2))


def test_scores_are_means_over_the_windows() -> None:
    def half_black(batch: Float) -> Float:
        return np.concatenate([batch[:1], np.full_like(batch[1:], -1)])

    alone = Examination(WINDOWS[1:], []).scores(black)["val_mae"]
    assert Examination(WINDOWS, []).scores(half_black)["val_mae"] == pytest.approx(alone / 2)


def test_invalid_pixels_do_not_count() -> None:
    patches = window(0, valid_rows(30))
    spoilt = patches._replace(source=np.where(patches.mask[..., None], patches.source, 0))
    scores = Examination([spoilt], []).scores(perfect)
    assert (scores["val_mae"], scores["val_psnr"]) == (0, math.inf)
    assert scores["val_ssim"] == pytest.approx(1)


def test_invalid_pixels_do_not_count_in_the_distance_of_sets_either() -> None:
    patches = window(0, valid_rows(30))
    spoilt = patches._replace(source=np.where(patches.mask[..., None], patches.source, 0))
    assert Examination([spoilt], []).scores(perfect)["val_sliced_wasserstein"] == 0


@pytest.mark.parametrize("level", [-1, 0, 1])
def test_what_is_made_of_invalid_pixels_changes_no_score(level: float) -> None:
    masks = [valid_rows(30), valid_rows(SIZE)]

    def scribbling(batch: Float) -> Float:
        return np.where(np.stack(masks)[..., None], blurred(batch), np.float32(level))

    examination = Examination([window(seed, mask) for seed, mask in enumerate(masks)], [])
    assert examination.scores(scribbling) == examination.scores(blurred)


def test_windows_with_fewer_valid_pixels_than_half_are_left_out() -> None:
    few, half = window(8, valid_rows(SIZE // 2 - 1)), window(9, valid_rows(SIZE // 2))
    alone = Examination([half], []).scores(blurred)
    assert alone
    assert Examination([few, half, few], []).scores(blurred) == alone


def test_where_every_window_is_left_out_there_are_no_scores_and_the_generator_rests() -> None:
    def never(batch: Float) -> Float:
        pytest.fail("asked")

    chequered = np.indices((SIZE, SIZE)).sum(axis=0) % 2 == 0
    for windows in ([], [window(0, valid_rows(3)), window(1, chequered)]):
        examination = Examination(windows, [])
        assert not examination.scores_anything
        assert examination.scores(never) == {}
    assert Examination(WINDOWS, []).scores_anything


def test_windows_with_gaps_all_over_are_left_out() -> None:
    """Most pixels are valid, and yet no 11 x 11 of them in one piece, which structural similarity looks at."""
    gaps = np.indices((SIZE, SIZE)).sum(axis=0) % 5 == 0
    gappy = window(7, ~gaps)
    assert gappy.mask.mean() > 0.75
    assert Examination([gappy, *WINDOWS, gappy], []).scores(blurred) == Examination(WINDOWS, []).scores(blurred)


def test_a_single_piece_of_11_x_11_valid_pixels_is_enough_for_a_window() -> None:
    mask = np.indices((SIZE, SIZE)).sum(axis=0) % 5 != 0
    mask[20:31, 20:30] = True
    assert not Examination([window(7, mask)], []).scores_anything
    mask[20:31, 30] = True
    assert Examination([window(7, mask)], []).scores(perfect)["val_ssim"] == pytest.approx(1)


def test_the_same_windows_give_the_same_scores_every_time() -> None:
    examination = Examination(WINDOWS, [], seed=3)
    first = examination.scores(blurred)
    examination.scores(black)
    assert examination.scores(blurred) == first
    assert Examination(WINDOWS, [], seed=3).scores(blurred) == first


def test_another_seed_looks_at_other_places_of_the_same_windows() -> None:
    one, other = (Examination(WINDOWS, [], seed).scores(blurred) for seed in (0, 1))
    assert one.pop("val_sliced_wasserstein") != other.pop("val_sliced_wasserstein")
    assert one == other


@pytest.mark.parametrize("count", [0, 1, BATCH, BATCH + 1, 2 * BATCH + 3])
def test_any_number_of_windows_is_translated_in_order_and_in_small_batches(count: int) -> None:
    windows, sizes = [window(seed) for seed in range(count)], []

    def generator(batch: Float) -> Float:
        sizes.append(len(batch))
        return -batch

    images = translated(generator, windows)
    assert len(images) == count
    assert all(np.array_equal(image, -patches.source) for image, patches in zip(images, windows, strict=True))
    assert sum(sizes) == count
    assert max(sizes, default=0) <= BATCH


def test_the_sheet_has_a_row_for_each_shown_window_of_source_prediction_and_truth() -> None:
    shown = [WINDOWS[0], WINDOWS[1]._replace(source=WINDOWS[0].source)]
    picture = Examination([], shown).sheet(black)
    assert picture.shape == (2 * SIZE + GAP, 3 * SIZE + 2 * GAP, 3)
    columns = [slice(start, start + SIZE) for start in (0, SIZE + GAP, 2 * (SIZE + GAP))]
    for row, patches in zip((slice(0, SIZE), slice(SIZE + GAP, None)), shown, strict=True):
        found = [picture[row, column] for column in columns]
        expected = [to_rgb(patches.source), np.zeros((SIZE, SIZE, 3), np.uint8), to_rgb(patches.target)]
        assert all(np.array_equal(*pair) for pair in zip(found, expected, strict=True))


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [("ssim", 0.9, 0.8), ("psnr", math.inf, 30.0), ("mae", 3.0, 4.0), ("sliced_wasserstein", 0.1, 0.2)],
)
def test_each_score_knows_its_good_end(name: str, good: float, bad: float) -> None:
    assert better(name, good, bad)
    assert not better(name, bad, good)
    assert not better(name, good, good)
    assert better(name, bad, None)


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("best", [None, 0.5, math.inf, -math.inf])
def test_a_score_that_is_no_number_is_never_better_not_even_where_there_is_none_yet(
    name: str, best: float | None
) -> None:
    assert not better(name, math.nan, best)


def test_this_file_knows_all_scores() -> None:
    assert set(SCORES) == {"ssim", "psnr", "mae", "sliced_wasserstein"}
