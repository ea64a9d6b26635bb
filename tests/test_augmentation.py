"""Augmented crops: one geometry for both sides, every place and orientation alike, noise as radars make it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sartranslate.errors import OptionError
from sartranslate.recipes.augmentation import Augmentation, Draw, Patches
from sartranslate.recipes.resample import RESAMPLINGS, Span, enlarged

LIGHT = settings(max_examples=60, deadline=None)
PLAIN = Augmentation(mirror=False, turns=False)
WIDE = 200.0  # decibels, so many that noise stays within them
SIZE = 256


def key(index: int) -> np.random.Generator:
    return np.random.default_rng((1, 2, index))


def coordinates(height: int, width: int) -> Patches:
    """Each pixel says on both sides where it lies; a third of the ground is valid."""
    rows, cols = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    target = np.stack([rows, cols, rows * cols], axis=-1).astype(np.float32)
    return Patches(target[..., :2].copy(), target, rows + 2 * cols > 0.4)


def noise(height: int, width: int, bands: int = 1) -> Patches:
    """What must not be written to, as a cache is not."""
    rng = np.random.default_rng(7)
    source, target = (rng.uniform(-1, 1, (height, width, count)).astype(np.float32) for count in (bands, 3))
    patches = Patches(source, target, rng.random((height, width)) > 0.3)
    for patch in patches:
        patch.flags.writeable = False
    return patches


def grey(height: int, width: int, bands: int = 1, value: float = 0) -> Patches:
    return noise(height, width)._replace(source=np.full((height, width, bands), value, np.float32))


def crop_of(
    tile: Patches, options: Augmentation, size: int, rng: np.random.Generator, decibels: Any = None
) -> tuple[Draw, Patches]:
    """As a data set does it: draw, read the window, apply."""
    draw = options.draw(rng, *tile.mask.shape, size)
    read = Patches(*(side[draw.window.rows, draw.window.cols] for side in tile))
    return draw, options.apply(read, draw, rng, decibels)


def equal(one: Patches, other: Patches) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@st.composite
def cases(draw: Any) -> tuple[Patches, Augmentation, int]:
    size = draw(st.integers(1, 12))
    resampling = draw(st.sampled_from(RESAMPLINGS))
    options = Augmentation(draw(st.integers(0, 12)), resampling, draw(st.booleans()), draw(st.booleans()))
    least = options.least_side(size)
    return noise(draw(st.integers(least, 30)), draw(st.integers(least, 30)), 2), options, size


@LIGHT
@given(cases(), st.integers(0, 99))
def test_a_crop_is_a_part_of_the_enlarged_tile_turned_and_mirrored(
    case: tuple[Patches, Augmentation, int], index: int
) -> None:
    tile, options, size = case
    draw, crop = crop_of(tile, options, size, key(index))
    whole = [span._replace(offset=0, out=span.size) for span in (draw.rows, draw.cols)]
    part = np.s_[draw.rows.offset : draw.rows.offset + size, draw.cols.offset : draw.cols.offset + size]
    for found, side, resampling in zip(crop, tile, [options.resampling] * 2 + ["nearest"], strict=True):
        expected = np.rot90(enlarged(side, *whole, resampling)[part], draw.turns)
        expected = np.fliplr(expected) if draw.mirror else expected
        np.testing.assert_array_equal(found, np.clip(expected, -1, 1) if found.dtype != bool else expected)


@LIGHT
@given(cases(), st.integers(0, 99))
def test_both_sides_show_the_same_ground(case: tuple[Patches, Augmentation, int], index: int) -> None:
    (_, _, mask), options, size = case
    crop = crop_of(coordinates(*mask.shape), options, size, key(index))[1]
    np.testing.assert_array_equal(crop.source, crop.target[..., :2])


@pytest.mark.parametrize("enlarge", [0, 5, 30])
def test_the_mask_lies_on_the_same_ground_as_both_sides(enlarge: int) -> None:
    tile = coordinates(70, 90)
    for index in range(20):
        crop = crop_of(tile, Augmentation(enlarge, "nearest"), 64, key(index))[1]
        np.testing.assert_array_equal(crop.mask, crop.source[..., 0] + 2 * crop.source[..., 1] > 0.4)
        blurred = crop_of(tile, Augmentation(enlarge, "bicubic"), 64, key(index))[1]
        np.testing.assert_array_equal(blurred.mask, crop.mask)
        np.testing.assert_allclose(blurred.source, crop.source, atol=0.03)  # a pixel is 2 / 69 and 2 / 89


def test_the_seeds_enlarge_256_pixels_to_286() -> None:
    draw = Augmentation(enlarge=30).draw(key(0), SIZE, SIZE, SIZE)
    assert (draw.rows.size, draw.cols.size, draw.rows.out) == (286, 286, SIZE)


def test_a_tile_that_is_not_square_grows_by_the_same_factor_both_ways() -> None:
    draw = Augmentation(enlarge=30).draw(key(0), 512, 300, SIZE)
    assert (draw.rows.size, draw.cols.size) == (572, 335)  # 300 * 286 / 256 = 335.2


def test_with_nothing_on_a_crop_is_the_tile_s_pixels_bit_for_bit() -> None:
    tile = noise(40, 50, 2)
    draw, crop = crop_of(tile, PLAIN, 16, key(0), (20.0, 30.0))
    assert (draw.turns, draw.mirror) == (0, False)
    window = draw.window
    assert window == (draw.rows.offset, draw.cols.offset, 16, 16)
    assert equal(crop, Patches(*(side[window.rows, window.cols] for side in tile)))
    assert [side.dtype for side in crop] == [np.float32, np.float32, bool]


@pytest.mark.parametrize(
    ("mirror", "turns", "expected"), [(True, True, 8), (False, True, 4), (True, False, 2), (False, False, 1)]
)
def test_all_orientations_that_are_on_occur_equally(mirror: bool, turns: bool, expected: int) -> None:
    rng, options = key(0), Augmentation(mirror=mirror, turns=turns)
    tile = noise(2, 2)
    seen = Counter(crop_of(tile, options, 2, rng)[1].source.tobytes() for _ in range(2000))
    assert len(seen) == expected
    deviation = np.sqrt(2000 / expected)
    assert all(abs(count - 2000 / expected) < 3 * deviation for count in seen.values())


@pytest.mark.parametrize(("enlarge", "side", "last"), [(30, 256, 30), (30, 230, 1), (0, 272, 16), (30, 272, 48)])
def test_offsets_reach_both_ends_of_the_enlarged_tile_equally_often(enlarge: int, side: int, last: int) -> None:
    rng, options = key(0), Augmentation(enlarge)
    draws = [options.draw(rng, side, side, SIZE) for _ in range(4000)]
    for spans in ([draw.rows for draw in draws], [draw.cols for draw in draws]):
        counts = Counter(span.offset for span in spans)
        assert sorted(counts) == list(range(last + 1))
        assert stats.chisquare(list(counts.values())).pvalue > 0.001
    together = [(draw.rows.offset, draw.cols.offset, draw.turns, draw.mirror) for draw in draws]
    assert np.abs(np.corrcoef(together, rowvar=False) - np.eye(4)).max() < 0.06


@LIGHT
@given(st.integers(1, 600), st.integers(0, 200))
def test_a_crop_needs_as_few_pixels_as_grow_to_its_size_and_no_fewer(size: int, enlarge: int) -> None:
    options = Augmentation(enlarge)
    least = options.least_side(size)
    assert (least - 1) * (size + enlarge) < size * size <= least * (size + enlarge)
    draw = options.draw(key(0), least, least + 1, size)
    assert (draw.rows.out, draw.cols.out) == (size, size)
    with pytest.raises(OptionError, match=f"a tile of {least} x {least - 1} pixels: expected at least {least} x"):
        options.draw(key(0), least, least - 1, size)


def test_a_crop_of_a_large_tile_reads_little_more_than_its_own_ground() -> None:
    for index in range(20):
        window = Augmentation(enlarge=30).draw(key(index), 20_000, 30_000, SIZE).window
        assert max(window.height, window.width) <= SIZE * SIZE / 286 + 4


def test_the_same_key_gives_the_same_crop_and_another_key_another() -> None:
    tile, options = noise(300, 300), Augmentation(30, speckle=0.3, gain=1)
    first, again, other = (crop_of(tile, options, SIZE, key(index), (25.0,)) for index in (5, 5, 6))
    assert first[0] == again[0] != other[0]
    assert equal(first[1], again[1])
    assert not np.array_equal(first[1].source, other[1].source)


def test_mirror_and_turns_being_off_leave_places_and_noise_as_they_were() -> None:
    tile = grey(40, 40)
    full = [crop_of(tile, Augmentation(8, speckle=0.5, gain=1), 32, key(i), (40.0,)) for i in range(8)]
    options = Augmentation(8, mirror=False, turns=False, speckle=0.5, gain=1)
    still = [crop_of(tile, options, 32, key(i), (40.0,)) for i in range(8)]
    assert len({(draw.turns, draw.mirror) for draw, _ in full}) > 3
    for (draw, crop), (plain, unturned) in zip(full, still, strict=True):
        assert (draw.rows, draw.cols) == (plain.rows, plain.cols)
        np.testing.assert_array_equal(crop.source, unturned.source)


def power_of(scaled: Any, decibels: float) -> Any:
    return 10 ** (np.asarray(scaled, np.float64) * decibels / 2 / 10)


@pytest.mark.parametrize("deviation", [0.01, 0.1, 0.3, 0.5, 1.0])
def test_speckle_is_gamma_noise_on_power_of_mean_1_and_the_deviation_told(deviation: float) -> None:
    options = Augmentation(speckle=deviation, speckle_share=1)
    power = power_of(crop_of(grey(SIZE, SIZE), options, SIZE, key(1), (WIDE,))[1].source, WIDE).ravel()
    assert power.mean() == pytest.approx(1, abs=3 * deviation / SIZE)
    assert power.std() == pytest.approx(deviation, rel=0.02)
    looks = 1 / deviation**2
    assert stats.kstest(power, stats.gamma(looks, scale=1 / looks).cdf).pvalue > 0.01


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_speckle_is_in_the_share_of_crops_told_and_the_others_are_as_they_were(share: float) -> None:
    rng, tile, options = key(0), grey(2, 2, value=0.5), Augmentation(speckle=0.3, speckle_share=share)
    crops = [crop_of(tile, options, 2, rng, (WIDE,))[1].source for _ in range(1000)]
    untouched = [np.array_equal(crop, tile.source) for crop in crops]
    assert np.mean(untouched) == pytest.approx(1 - share, abs=0.05)


def test_speckle_has_no_pattern_and_differs_between_channels() -> None:
    options = Augmentation(speckle=0.3, speckle_share=1)
    crop = crop_of(grey(SIZE, SIZE, 2), options, SIZE, key(0), (WIDE, WIDE))[1].source
    shifted = [crop[1:, 1:, 0], crop[:-1, 1:, 0], crop[1:, :-1, 0], crop[1:, 1:, 1]]
    correlation = np.corrcoef([part.ravel() for part in shifted])
    assert np.abs(correlation - np.eye(4)).max() < 4 / SIZE


def test_the_same_decibels_are_less_of_a_wider_range() -> None:
    options = Augmentation(speckle=0.3, speckle_share=1)
    crop = crop_of(grey(SIZE, SIZE, 2), options, SIZE, key(0), (40.0, 80.0))[1].source
    assert crop[..., 0].std() == pytest.approx(2 * crop[..., 1].std(), rel=0.02)


def test_speckle_and_gain_change_the_source_alone() -> None:
    tile = noise(SIZE, SIZE)
    loud = crop_of(tile, Augmentation(30, speckle=0.5, speckle_share=1, gain=3), SIZE, key(0), (25.0,))[1]
    quiet = crop_of(tile, Augmentation(30), SIZE, key(0), (25.0,))[1]
    assert not np.array_equal(loud.source, quiet.source)
    assert equal(loud._replace(source=quiet.source), quiet)


def test_speckle_is_clipped_to_the_range_of_the_source() -> None:
    for end in (-1.0, 1.0):
        crop = crop_of(grey(64, 64, value=end), Augmentation(speckle=1, speckle_share=1), 64, key(0), (10.0,))[1].source
        assert np.abs(crop).max() == 1
        assert np.mean(crop == end) == pytest.approx(1 - np.exp(-1) if end < 0 else np.exp(-1), abs=0.03)


class Dark(np.random.Generator):
    """Draws the speckle that a single look has once in ten million times."""

    def standard_gamma(self, shape: Any, size: Any = None, dtype: Any = None, out: Any = None) -> Any:  # type: ignore[override]
        return np.zeros(size, dtype)


def test_speckle_of_no_power_at_all_is_as_dark_as_can_be() -> None:
    crop = crop_of(grey(4, 4), Augmentation(speckle=1, speckle_share=1), 4, Dark(np.random.PCG64(0)), (25.0,))[1]
    np.testing.assert_array_equal(crop.source, np.full((4, 4, 1), -1))


def test_gain_adds_to_each_channel_as_a_whole_decibels_of_the_deviation_told() -> None:
    bands = 20_000
    crop = crop_of(grey(2, 2, bands), Augmentation(gain=1.5), 2, key(0), (WIDE,) * bands)[1].source
    added = crop[0, 0] * WIDE / 2
    np.testing.assert_array_equal(crop, np.broadcast_to(crop[0, 0], crop.shape))
    assert added.mean() == pytest.approx(0, abs=0.03)
    assert added.std() == pytest.approx(1.5, rel=0.015)
    assert stats.kstest(added, stats.norm(0, 1.5).cdf).pvalue > 0.01


def test_gain_differs_from_crop_to_crop() -> None:
    rng, tile = key(0), grey(2, 2)
    gains = [crop_of(tile, Augmentation(gain=2), 2, rng, (WIDE,))[1].source[0, 0, 0] * WIDE / 2 for _ in range(1000)]
    assert np.std(gains) == pytest.approx(2, rel=0.06)
    assert abs(np.corrcoef(gains[1:], gains[:-1])[0, 1]) < 0.1


def test_values_without_a_physical_scale_get_neither_speckle_nor_gain() -> None:
    tile = noise(64, 64, 2)
    plain = crop_of(tile, Augmentation(8), 64, key(0))[1]
    assert equal(crop_of(tile, Augmentation(8, speckle=0.5, gain=2), 64, key(0), None)[1], plain)


@pytest.mark.parametrize(
    ("options", "needed"), [({}, False), ({"enlarge": 30}, False), ({"speckle": 0.2}, True), ({"gain": 1.0}, True)]
)
def test_only_speckle_and_gain_need_decibels(options: Any, needed: bool) -> None:
    assert Augmentation(**options).needs_decibels is needed


def test_overshoots_of_cubic_interpolation_are_clipped() -> None:
    tile = noise(60, 60)
    checks = tile._replace(source=np.sign(tile.source), target=np.sign(tile.target))
    crop = crop_of(checks, Augmentation(30), 64, key(0))[1]
    for side in crop[:2]:
        assert (side.min(), side.max()) == (-1, 1)
        assert np.mean(np.abs(side) < 1) > 0.2  # interpolated, not copied


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"enlarge": -1}, "enlarge -1: expected a whole number from 0 to 8192"),
        ({"enlarge": 8193}, "enlarge 8193: expected a whole number from 0 to 8192"),
        ({"enlarge": 30.0}, "enlarge 30.0: expected a whole number from 0 to 8192"),
        ({"enlarge": "30"}, "enlarge '30': expected a whole number from 0 to 8192"),
        ({"resampling": "linear"}, "resampling 'linear': expected one of bicubic, bilinear, nearest"),
        ({"mirror": "yes"}, "mirror 'yes': expected true or false"),
        ({"turns": 1}, "turns 1: expected true or false"),
        ({"speckle": -0.1}, "speckle -0.1: expected a number from 0 to 1"),
        ({"speckle": 0.009}, r"speckle 0.009: expected 0, or 0.01 to 1 \(a single look\)"),
        ({"speckle": 1.01}, "speckle 1.01: expected a number from 0 to 1"),
        ({"speckle": True}, "speckle True: expected a number from 0 to 1"),
        ({"speckle": float("nan")}, "speckle nan: expected a number from 0 to 1"),
        ({"speckle_share": 1.5}, "speckle_share 1.5: expected a number from 0 to 1"),
        ({"gain": -1.0}, "gain -1.0: expected a number from 0 to 10"),
        ({"gain": 11.0}, "gain 11.0: expected a number from 0 to 10"),
        ({"gain": float("nan")}, "gain nan: expected a number from 0 to 10"),
        ({"gain": "1"}, "gain '1': expected a number from 0 to 10"),
    ],
)
def test_options_out_of_range_are_refused_with_what_was_expected(options: Any, message: str) -> None:
    with pytest.raises(OptionError, match=f"^{message}$"):
        Augmentation(**options)


@pytest.mark.parametrize(
    ("field", "value"), [("enlarge", 8192), ("speckle", 0), ("speckle", 0.01), ("speckle", 1), ("gain", 10)]
)
def test_options_may_be_both_ends_of_their_range(field: str, value: Any) -> None:
    assert getattr(Augmentation(**{field: value}), field) == value


def test_patches_that_were_not_read_through_the_window_are_refused() -> None:
    tile, draw = noise(30, 40), Draw(Span(30, 30, 2, 8), Span(40, 40, 5, 8))
    read = Patches(*(side[draw.window.rows, draw.window.cols] for side in tile))
    for name in Patches._fields:
        with pytest.raises(OptionError, match=f"^{name} of 30 x 40 pixels: expected 8 x 8, the draw's window$"):
            PLAIN.apply(read._replace(**{name: getattr(tile, name)}), draw, key(0))


def test_decibels_of_another_number_of_channels_are_refused() -> None:
    with pytest.raises(OptionError, match=r"^1 decibel widths: expected 2, one for each channel of the source$"):
        crop_of(noise(8, 8, 2), Augmentation(speckle=0.3), 8, key(0), (25.0,))
