"""Spread over samples: what it is, tried with callables in place of networks, and with one network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sartranslate.errors import OptionError
from sartranslate.networks import backend, bundle
from sartranslate.quality.uncertainty import Spread, deviation, to_levels

LIGHT = settings(max_examples=40, deadline=None)
GREY_LEVELS = 127.5


def noise(*shape: int) -> Any:
    return np.random.default_rng(1).uniform(-1, 1, shape).astype(np.float32)


def coordinates(height: int, width: int) -> Any:
    """(1, H, W, 2): row and column of each pixel, divided by 512 so that they are exact."""
    return (np.stack(np.mgrid[:height, :width], axis=-1) / 512).astype(np.float32)[None]


def same(batch: Any, seeds: Any) -> Any:
    return batch


@LIGHT
@given(st.integers(2, 20), st.integers(1, 9), st.integers(1, 9))
def test_mirrors_are_undone_exactly(count: int, height: int, width: int) -> None:
    batch = coordinates(height, width)
    for sample in Spread(same, count).samples:
        sample = sample._replace(contrast=1)
        np.testing.assert_array_equal(sample.back(sample.seen(batch)), batch)
    spread = Spread(same, count)(batch)
    assert (spread.dtype, spread.shape) == (np.float32, (1, height, width, 1))


def test_a_network_that_drops_nothing_and_cares_for_no_orientation_or_contrast_has_no_spread() -> None:
    def outlined(batch: Any, seeds: Any) -> Any:
        around = np.pad(batch, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
        # Opposite neighbours first: sums are then the same whichever of them comes first.
        crosswise = (around[:, :-2, 1:-1] + around[:, 2:, 1:-1]) + (around[:, 1:-1, :-2] + around[:, 1:-1, 2:])
        return np.repeat(np.sign(4 * batch - crosswise), 3, axis=-1)

    assert not Spread(outlined, 8)(noise(3, 16, 16, 1) / 2).any()


def orientations(batch: Any, count: int) -> list[Any]:
    """How samples turn a patch whose contrast they leave."""
    return [sample._replace(contrast=1).seen(batch) for sample in Spread(same, count).samples]


def test_the_first_four_samples_are_the_mirrors_and_the_next_four_the_same() -> None:
    batch = noise(2, 4, 5, 1)
    expected = [batch, batch[:, :, ::-1], batch[:, ::-1], batch[:, ::-1, ::-1]]
    for turned, mirrored in zip(orientations(batch, 8), expected * 2, strict=True):
        np.testing.assert_array_equal(turned, mirrored)


def test_transposed_samples_follow_and_all_orientations_differ() -> None:
    seen = orientations(noise(1, 4, 5, 1), 16)
    assert all(turned.flags.c_contiguous for turned in seen)
    assert [turned.shape[1:3] for turned in seen] == [(4, 5)] * 8 + [(5, 4)] * 8
    assert len({(turned.shape, turned.tobytes()) for turned in seen}) == 8


@pytest.mark.parametrize("count", [4, 8, 16, 64])
def test_contrasts_are_all_different_and_cover_the_range_evenly(count: int) -> None:
    contrasts = np.sort([sample.contrast for sample in Spread(same, count).samples])
    even = 0.8 + 0.4 * (np.arange(count) + 0.5) / count
    np.testing.assert_allclose(contrasts, even, atol=1.2 * 0.4 / count)
    assert len(set(contrasts)) == count


def test_more_contrast_moves_values_away_from_the_middle_of_the_range_and_no_further_than_its_ends() -> None:
    sample = Spread(same).samples[0]._replace(contrast=1.2)
    seen = sample.seen(np.float32([-1, -0.5, 0, 0.5, 0.9])[None, None, :, None])
    np.testing.assert_allclose(seen[0, 0, :, 0], [-1, -0.6, 0, 0.6, 1])


def test_what_hangs_on_contrast_shows_as_spread() -> None:
    """A callable that gives back its input, in 3 colours: as much spread as the contrasts have, times the value."""
    contrasts = [sample.contrast for sample in Spread(same).samples]
    values = np.float32([0, 0.25, -0.5])
    spread = Spread(same)(np.broadcast_to(values[:, None, None, None], (3, 2, 2, 3)))
    expected = np.std(contrasts, ddof=1) * GREY_LEVELS * np.abs(values)
    np.testing.assert_allclose(spread[:, 0, 0, 0], expected, rtol=1e-5)


def test_every_sample_has_a_seed_of_its_own_that_is_the_same_for_all_patches() -> None:
    seen: list[Any] = []

    def keeping(batch: Any, seeds: Any) -> Any:
        seen.append(seeds)
        return batch

    Spread(keeping, 5)(noise(3, 4, 4, 1))
    np.testing.assert_array_equal(np.stack(seen), np.repeat(np.arange(5)[:, None], 3, axis=1))
    assert {seeds.dtype.name for seeds in seen} == {"int32"}


def test_what_hangs_on_how_a_patch_lies_shows_as_spread() -> None:
    """The gradient of a callable that paints the rows from black to white is turned over in half of the samples."""
    ramp = np.linspace(-1, 1, 6, dtype=np.float32)

    def painted(batch: Any, seeds: Any) -> Any:
        return np.broadcast_to(ramp[:, None, None], (*batch.shape[:3], 3))

    spread = Spread(painted, 4, dropout=0)(noise(1, 6, 6, 1))
    apart = np.std(np.stack([ramp, ramp, -ramp, -ramp]), axis=0, ddof=1) * GREY_LEVELS
    np.testing.assert_allclose(spread[0, ..., 0], np.repeat(apart[:, None], 6, axis=1), rtol=1e-5)


@pytest.mark.parametrize("level", [0.5, 10.0, 40.0])
def test_noise_of_a_known_deviation_has_that_spread(level: float) -> None:
    def noisy(batch: Any, seeds: Any) -> Any:
        rngs = [np.random.default_rng(int(seed)) for seed in seeds]
        drawn = [rng.normal(0, level / GREY_LEVELS, (*batch.shape[1:3], 3)) for rng in rngs]
        return np.stack(drawn).astype(np.float32)

    spread = Spread(noisy, 8)(noise(1, 64, 64, 1))
    assert abs(np.sqrt(np.mean(np.square(spread))) / level - 1) < 0.02


@LIGHT
@given(st.integers(2, 12), st.integers(1, 4), st.floats(-0.9, 0.9))
def test_it_is_the_root_mean_square_of_the_colours_deviations(count: int, colours: int, offset: float) -> None:
    drawn = noise(count, 2, 3, 4, colours) * np.float32(0.1) + np.float32(offset)
    deviations = drawn.astype(np.float64).std(axis=0, ddof=1) * GREY_LEVELS
    expected = np.sqrt(np.square(deviations).mean(axis=-1, keepdims=True))
    np.testing.assert_allclose(deviation(iter(drawn)), expected, rtol=1e-4)


def test_samples_are_taken_one_at_a_time() -> None:
    held: list[int] = []

    def drawn() -> Any:
        for number in range(5):
            held.append(number)
            yield np.full((1, 2, 2, 3), number, np.float32)
            held.remove(number)

    spread = deviation(drawn())
    assert held == []
    np.testing.assert_allclose(spread, np.full((1, 2, 2, 1), np.std(np.arange(5), ddof=1) * GREY_LEVELS), rtol=1e-6)


def test_the_sampler_s_own_arrays_are_left_alone() -> None:
    pictures = [noise(1, 4, 4, 3), noise(1, 4, 4, 3) / 2]
    before = [picture.copy() for picture in pictures]
    deviation(pictures)
    for picture, kept in zip(pictures, before, strict=True):
        np.testing.assert_array_equal(picture, kept)


@pytest.mark.parametrize(
    ("count", "dropout", "message"),
    [
        (1, 0.5, "uncertainty samples 1: expected at least 2"),
        (0, 0.0, "uncertainty samples 0: expected at least 2"),
    ],
)
def test_a_number_of_samples_that_tells_no_spread_is_refused(count: int, dropout: float, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Spread(same, count, dropout)


@pytest.mark.parametrize(
    ("count", "dropout", "text"),
    [
        (3, 0.5, "3 samples of each window in 3 orientations, contrast 0.92 to 1.17, dropout 0.5"),
        (16, 0.25, "16 samples of each window in 8 orientations, contrast 0.81 to 1.18, dropout 0.25"),
        (8, 0.0, "8 samples of each window in 4 orientations, contrast 0.81 to 1.17, a model without dropout"),
    ],
)
def test_it_says_what_it_is_over(count: int, dropout: float, text: str) -> None:
    assert Spread(same, count, dropout).describe() == text


def test_levels_are_rounded_to_the_nearest_and_end_at_255() -> None:
    assert to_levels(np.float32([0, 0.49, 0.51, 254.6, 255.4, 1e6])).tolist() == [0, 0, 1, 255, 255, 255]


def test_a_network_s_spread_is_the_same_in_every_run_and_of_every_patch_its_own(tiny_model: Path) -> None:
    predict, batch = backend.predictor(bundle.load(tiny_model, sampling=True).model), noise(3, 256, 256, 1)
    together = Spread(predict, 4)(batch)
    np.testing.assert_array_equal(Spread(predict, 4)(batch), together)
    alone = np.concatenate([Spread(predict, 4)(patch[None]) for patch in batch])
    np.testing.assert_allclose(together, alone, atol=0.05)
    assert together.mean() > 1
