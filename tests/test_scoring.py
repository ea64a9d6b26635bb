"""All images of all methods are scored alike, and only by their valid pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sartranslate.backscatter.radiometry import from_rgb
from sartranslate.quality import metrics
from sartranslate.quality.pyramid import high_frequency_ratio
from sartranslate.quality.scoring import Place, Sample, Scoring, largest_set
from sartranslate.quality.wasserstein import sliced_wasserstein
from sartranslate.streaming.windows import Window
from tests.textures import TRUTH, Image, blurred, noisy

SIZE = 64
FAKES = blurred(noisy(TRUTH, 20), 0.7)
TILES = (0, 0, 1, 1, 2, 3)


def place(number: int, size: int = SIZE) -> Place:
    return Place(f"image {number}", TILES[number], Window(0, 0, size, size))


def sample(number: int, truth: Image = TRUTH, mask: Image | None = None, *, sar: bool = True) -> Sample:
    valid = np.ones(truth.shape[1:3], bool) if mask is None else mask
    source = from_rgb(TRUTH[number, : len(valid), : len(valid), :1]) if sar else None
    return Sample(place(number, len(valid)), truth[number], valid, source)


def scored(fakes: Image = FAKES, numbers: range = range(6), **told: bool) -> Scoring:
    scoring = Scoring([place(number) for number in numbers])
    for number in numbers:
        scoring.add(sample(number, **told), {"model": fakes[number], "other": TRUTH[number]})
    return scoring


def test_scores_are_those_of_the_metrics_over_all_images() -> None:
    scores = scored().scores("model")
    assert scores["mae"].value == pytest.approx(metrics.mae(FAKES, TRUTH))
    assert scores["psnr"].value == pytest.approx(metrics.psnr(FAKES, TRUTH))
    assert scores["ssim"].value == pytest.approx(metrics.ssim(FAKES, TRUTH))
    assert scores["spectral_angle"].value == pytest.approx(metrics.spectral_angle(FAKES, TRUTH))
    assert scores["high_frequency_ratio"].value == pytest.approx(high_frequency_ratio(FAKES, TRUTH), rel=1e-4)
    wanted = metrics.identity_collapse(FAKES, TRUTH, TRUTH[..., :1])
    assert scores["identity_collapse"].value == pytest.approx(wanted)


@pytest.mark.parametrize("bands", [(1, 0), (0, 1, 2), (2, 2, 0)])
def test_a_copy_of_any_band_or_of_all_as_colours_is_seen(bands: tuple[int, ...]) -> None:
    source = from_rgb(TRUTH[0][..., bands])
    scoring = Scoring([place(0)])
    valid = np.ones(TRUTH.shape[1:3], bool)
    copies = {f"band {band}": np.repeat(TRUTH[0][..., [band]], 3, axis=-1) for band in bands}
    if len(bands) == 3:
        copies["colours"] = TRUTH[0][..., bands]
    other = Sample(place(0), 255 - TRUTH[0], valid, source)
    scoring.add(other, copies)
    assert [scoring.scores(name)["identity_collapse"].value for name in copies] == [0] * len(copies)


def test_the_distance_of_sets_is_that_of_the_metric_up_to_chance() -> None:
    wanted = sliced_wasserstein(FAKES, TRUTH, np.random.default_rng(0)).mean
    assert scored().scores("model")["sliced_wasserstein"].value == pytest.approx(wanted, rel=0.05)


def test_a_perfect_method_is_perfect_beside_another_one() -> None:
    scores = scored().scores("other")
    assert [scores[name].value for name in ("mae", "psnr", "sliced_wasserstein")] == [0, math.inf, 0]
    assert scores["high_frequency_ratio"].value == 1
    assert scores["identity_collapse"].value == math.inf


def test_every_score_but_a_perfect_one_lies_within_its_interval() -> None:
    for name, score in scored().scores("model").items():
        assert score.low is not None, name
        assert score.high is not None, name
        assert score.low < score.value < score.high, name


def test_equal_images_in_all_tiles_leave_no_width_to_an_interval() -> None:
    scoring = Scoring([place(number) for number in range(6)])
    for number in range(6):
        scoring.add(sample(0)._replace(place=place(number)), {"model": FAKES[0]})
    for name, score in scoring.scores("model").items():
        assert (score.low, score.high) == pytest.approx((score.value, score.value), rel=0.2), name


def test_invalid_pixels_change_no_score() -> None:
    mask = np.ones((SIZE, SIZE), bool)
    mask[:, 40:] = False
    found = []
    for nothing in (0, 255):
        fakes, truth = FAKES.copy(), TRUTH.copy()
        fakes[:, :, 40:], truth[:, :, 40:] = nothing, 255 - nothing
        scoring = Scoring([place(0), place(1)])
        for number in range(2):
            scoring.add(sample(number, truth, mask), {"model": fakes[number]})
        found.append(scoring.scores("model"))
    assert found[0] == found[1]


def test_the_detail_of_a_half_valid_image_is_about_that_of_its_half() -> None:
    mask = np.ones((SIZE, SIZE), bool)
    mask[:, 32:] = False
    scoring = Scoring([place(0)])
    scoring.add(sample(0, mask=mask), {"model": FAKES[0]})
    wanted = high_frequency_ratio(FAKES[0, :, :32], TRUTH[0, :, :32])
    assert scoring.scores("model")["high_frequency_ratio"].value == pytest.approx(wanted, rel=0.02)


def test_without_sar_nothing_is_said_of_copying_it() -> None:
    scoring = scored(sar=False)
    assert "identity_collapse" not in scoring.scores("model")
    assert "identity_collapse" not in scoring.images("model")[0].scores


def test_images_have_scores_of_their_own() -> None:
    images = scored().images("model")
    assert [image.name for image in images] == [f"image {number}" for number in range(6)]
    assert images[3].scores["mae"] == metrics.mae(FAKES[3], TRUTH[3])
    assert images[3].scores["high_frequency_ratio"] == pytest.approx(high_frequency_ratio(FAKES[3], TRUTH[3]), rel=1e-4)


def test_a_single_tile_has_no_intervals_and_a_note_says_so() -> None:
    scoring = scored(numbers=range(2))
    assert all(score.low is None and score.high is None for score in scoring.scores("model").values())
    assert "single tile" in next(scoring.notes(2))


def test_few_tiles_are_said_to_be_few() -> None:
    assert "Intervals come from 4 tiles only" in next(scored().notes(6))


def test_what_stays_away_is_counted() -> None:
    assert any("3 of 9 images have no 11 x 11 valid pixels" in note for note in scored().notes(9))


def test_a_set_is_of_the_images_of_the_commonest_size() -> None:
    assert largest_set([(9, 9), (5, 5), (5, 5), (7, 7), (7, 7)]) == ((7, 7), 2)
    small = place(5, 40)
    scoring = Scoring([*(place(number) for number in range(5)), small])
    for number in range(5):
        scoring.add(sample(number), {"model": FAKES[number]})
    cropped = Sample(small, TRUTH[5, :40, :40], np.ones((40, 40), bool), None)
    alone = scoring.scores("model")["sliced_wasserstein"]
    scoring.add(cropped._replace(source=from_rgb(TRUTH[5, :40, :40, :1])), {"model": FAKES[5, :40, :40]})
    assert scoring.scores("model")["sliced_wasserstein"] == alone
    assert any("of 5 images of 64 x 64 pixels" in note for note in scoring.notes(6))
    assert scoring.describe() == "6, most of 64 x 64 pixels"


def test_images_smaller_than_a_pyramid_have_all_other_scores() -> None:
    scoring = Scoring([place(0, 12)])
    tiny = Sample(place(0, 12), TRUTH[0, :12, :12], np.ones((12, 12), bool), None)
    scoring.add(tiny, {"model": FAKES[0, :12, :12]})
    assert list(scoring.scores("model")) == ["psnr", "ssim", "mae", "spectral_angle", "high_frequency_ratio"]
    assert any("expected images of at least 16 x 16" in note for note in scoring.notes(1))


def test_an_image_says_something_where_11_x_11_pixels_are_valid_in_one_piece() -> None:
    mask = np.zeros((SIZE, SIZE), bool)
    mask[5:15, 5:16] = True
    assert not sample(0, mask=mask).says_something
    mask[15, 5:16] = True
    assert sample(0, mask=mask).says_something
    assert not Sample(place(0, 10), TRUTH[0, :10, :10], np.ones((10, 10), bool), None).says_something
