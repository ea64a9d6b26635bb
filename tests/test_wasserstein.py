"""Sets of images are as far apart as their local structures, whatever lies where."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sartranslate.errors import OptionError, PairsError
from sartranslate.quality.metrics import Values
from sartranslate.quality.wasserstein import (
    SlicedWasserstein,
    patches_by_level,
    resampled_distances,
    sliced_wasserstein,
)
from sartranslate.quality.wasserstein import distance as level_distance
from tests.textures import TRUTH, Image, blurred, noisy


def distance(generated: Image, truth: Image = TRUTH, **options: int) -> SlicedWasserstein:
    return sliced_wasserstein(generated, truth, np.random.default_rng(1), **options)


def test_a_set_has_no_distance_from_itself() -> None:
    assert distance(TRUTH).levels == pytest.approx((0, 0, 0), abs=1e-6)


def test_the_same_state_of_the_generator_gives_the_same_distance_and_another_a_similar_one() -> None:
    fakes = blurred(TRUTH, 1.0)
    assert distance(fakes) == distance(fakes)
    other = sliced_wasserstein(fakes, TRUTH, np.random.default_rng(2))
    assert other != distance(fakes)
    assert other.mean == pytest.approx(distance(fakes).mean, rel=0.1)


def test_the_distance_grows_with_blur_and_most_in_the_finest_detail() -> None:
    found = [distance(blurred(TRUTH, sigma)) for sigma in (0.5, 1, 2)]
    assert (np.diff([0, *(each.mean for each in found)]) > 0).all()
    for each in found:
        assert each.levels[0] == max(each.levels)
    assert found[0].levels[0] > 5 * found[0].levels[-1]


def test_the_distance_grows_with_noise_and_least_where_images_are_small() -> None:
    found = [distance(noisy(TRUTH, deviation)) for deviation in (5, 10, 20)]
    assert (np.diff([0, *(each.mean for each in found)]) > 0).all()
    for each in found:
        assert each.levels[0] > each.levels[1] > each.levels[2]


def test_lost_contrast_is_seen_at_all_levels_and_in_proportion() -> None:
    faded, dull, flat = (distance(110 + kept * (TRUTH - 110.0)).levels for kept in (0.75, 0.5, 0))
    assert min(flat) > 0.5
    assert faded == pytest.approx(0.25 * np.array(flat), rel=1e-4)
    assert dull == pytest.approx(0.5 * np.array(flat), rel=1e-4)


def test_a_tint_is_seen_only_where_images_are_small() -> None:
    tinted = distance((TRUTH + np.float32([0, 30, 0])).clip(0, 255))
    assert tinted.levels[-1] > 0.5
    assert max(tinted.levels[:-1]) < 0.05


@pytest.mark.parametrize("corner", [(0, 0), (0, -1), (-1, 0), (-1, -1)])
def test_patches_reach_all_corners(corner: tuple[int, int]) -> None:
    images = TRUTH[:1, :16, :16]
    fakes = images.copy()
    fakes[0][corner] += 90
    assert distance(fakes, images, patches=1000).mean > 0


def test_the_order_of_the_images_of_a_set_hardly_counts() -> None:
    assert distance(TRUTH[::-1], patches=1000).mean < 0.3 * distance(blurred(TRUTH, 0.7), patches=1000).mean


def test_flat_sets_a_level_apart_are_as_far_apart_as_geometry_says() -> None:
    # The difference of any patches has 49 equal components, in deviations of rounding, which are 12 ** -0.5. Its mean
    # projection on a random direction is its length times that of a unit vector in 49 dimensions.
    unit = math.gamma(49 / 2) / (math.sqrt(math.pi) * math.gamma(50 / 2))
    flat = np.full((1, 16, 16, 1), 100.0)
    found = distance(flat + 1, flat, patches=2, projections=20_001)
    assert found.levels == pytest.approx([7 * math.sqrt(12) * unit], rel=0.02)


@pytest.mark.parametrize(
    ("size", "levels"),
    [((16, 16), 1), ((31, 90), 1), ((32, 32), 2), ((63, 65), 3), ((64, 64), 3), ((124, 130), 3), ((256, 256), 5)],
)
def test_a_level_of_32_pixels_is_halved_and_a_smaller_one_is_the_last(size: tuple[int, int], levels: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (1, *size, 3), np.uint8)
    found = distance(blurred(images, 1.0), images, patches=4, projections=8)
    assert len(found.levels) == levels
    assert found.mean == pytest.approx(np.mean(found.levels))
    assert min(found.levels) > 0


@pytest.mark.parametrize("counts", [{"patches": 0}, {"projections": 0}])
def test_a_distance_of_nothing_is_refused(counts: dict[str, int]) -> None:
    with pytest.raises(OptionError, match="expected at least 1 of each"):
        distance(TRUTH, **counts)


def test_images_too_small_for_a_pyramid_are_refused_with_the_least_size() -> None:
    with pytest.raises(PairsError, match=r"\(6, 64, 15, 3\): expected a height and a width of at least 16 pixels"):
        distance(TRUTH[:, :, :15], TRUTH[:, :, :15])


def finest(images: Image, seed: int = 0) -> Image:
    """Patches of the finest level, 64 of each image."""
    rng = np.random.default_rng(seed)
    return np.concatenate([patches_by_level(image.astype(np.float32), 64, rng)[0] for image in images])


def resampled(fakes: Image, counts: Values) -> Values:
    tiles = np.repeat(np.arange(len(TRUTH)), 64)
    return resampled_distances(finest(fakes), finest(TRUTH), tiles, counts, 64, np.random.default_rng(3))


def test_a_resample_in_which_each_tile_counts_once_is_the_set_itself() -> None:
    fakes = blurred(TRUTH, 1.0)
    whole = level_distance(finest(fakes), finest(TRUTH), 64, np.random.default_rng(3))
    assert resampled(fakes, np.ones((1, len(TRUTH)))) == pytest.approx(whole, rel=0.02)


def test_a_resample_is_as_far_as_a_set_in_which_tiles_are_repeated_or_left_out() -> None:
    fakes = np.stack([blurred(image, 0.3 * number) for number, image in enumerate(TRUTH, 1)])
    counts = np.array([[3.0, 0, 0, 2, 0, 1], [0, 0, 0, 0, 0, 6]])
    deviation = finest(TRUTH).std(axis=(0, 2, 3), keepdims=True)
    for row, found in zip(counts.astype(int), resampled(fakes, counts), strict=True):
        chosen = np.repeat(np.arange(len(TRUTH) * 64), np.repeat(row, 64))
        fake, real = finest(fakes)[chosen], finest(TRUTH)[chosen]
        # Deviations stay those of the whole set, which differ a little from those of a resample.
        scale = real.std(axis=(0, 2, 3), keepdims=True).mean() / deviation.mean()
        wanted = level_distance(fake, real, 64, np.random.default_rng(3)) * scale
        assert found == pytest.approx(wanted, rel=0.05)


def test_equal_sets_have_no_distance_in_any_resample() -> None:
    assert resampled(TRUTH, np.array([[1.0, 1, 1, 1, 1, 1], [0, 0, 3, 3, 0, 0]])).tolist() == [0, 0]
