"""Batches: the same geometry on both sides, whole epochs, and any batch again without those before it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sartranslate.backscatter.distribution import measure
from sartranslate.backscatter.radiometry import IMAGE, Radiometry
from sartranslate.datasets.crops import CropOptions, Crops
from sartranslate.datasets.dataset import open_pairs
from sartranslate.datasets.pair_check import PairOptions
from sartranslate.datasets.pairs import PairSet
from sartranslate.errors import OptionError, PairsError
from sartranslate.recipes.augmentation import Augmentation
from tests.test_dataset import speckled_tile
from tests.tile_files import noise, ramp_pair, save_side_by_side, write_pair

WHOLE_RANGE = Radiometry(low=0, high=100)
ALL = Augmentation(enlarge=3, speckle=0.3, gain=1)


def opened(folder: Path, **options: Any) -> PairSet:
    return open_pairs([folder], options=PairOptions(**{"unit": "byte", "radiometry": WHOLE_RANGE, **options}))


def same(one: Any, other: Any) -> bool:
    return all(np.array_equal(part, again) for part, again in zip(one, other, strict=True))


@pytest.fixture(scope="module")
def ramps(tmp_path_factory: pytest.TempPathFactory) -> PairSet:
    """Tiles of 32 and 16 pixels, which have room for 16 and 4 crops of 8."""
    folder = tmp_path_factory.mktemp("ramps")
    ramp_pair(folder, "large.tif", 32)
    ramp_pair(folder, "small.tif", 16, start=3)
    return opened(folder)


def test_source_and_target_get_the_same_place_mirror_and_turn(ramps: PairSet) -> None:
    for batch in Crops(ramps, CropOptions(8, 2)).epoch(0):
        assert batch.source.shape == (2, 8, 8, 1)
        assert batch.target.shape == (2, 8, 8, 3)
        assert (batch.source.dtype, batch.target.dtype, batch.seeds.dtype) == (np.float32, np.float32, np.int32)
        restored = (batch.source + 1) * 125 / 127.5 - 1  # ramps go from 0 to 250
        assert np.allclose(restored, batch.target[..., :1], atol=1e-5)


def test_augmentation_shows_all_eight_orientations(tmp_path: Path) -> None:
    ramp_pair(tmp_path, "a.tif", 8)
    crops = Crops(opened(tmp_path), CropOptions(8, 1))
    seen = {next(crops.epoch(number)).source.tobytes() for number in range(100)}
    assert len(seen) == 8


def test_an_epoch_visits_each_tile_as_often_as_crops_fit(ramps: PairSet) -> None:
    crops = Crops(ramps, CropOptions(8, 1))
    assert crops.batches_per_epoch == 20
    steps = [np.abs(np.diff(batch.target[0, :, :, 0], axis=0)).round(4).ravel() for batch in crops.epoch(0)]
    assert len(steps) == 20
    assert len(list(Crops(ramps, CropOptions(8, 3)).epoch(0))) == 6


def test_each_tile_is_visited_once_at_least(tmp_path: Path) -> None:
    """Tiles smaller than a crop have room for none, and are enlarged."""
    ramp_pair(tmp_path, "a.tif", 12)
    crops = Crops(opened(tmp_path), CropOptions(16, 1, Augmentation(enlarge=6)))
    (batch,) = crops.epoch(0)
    assert batch.source.shape == (1, 16, 16, 1)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 10_000), st.integers(1, 4), st.data())
def test_an_epoch_can_go_on_from_any_batch(
    ramps: PairSet, seed: int, number: int, batch_size: int, data: st.DataObject
) -> None:
    crops = Crops(ramps, CropOptions(8, batch_size, ALL, seed))
    first = data.draw(st.integers(0, crops.batches_per_epoch))
    whole, rest = list(crops.epoch(number)), list(crops.epoch(number, first))
    assert len(whole) == crops.batches_per_epoch
    assert len(rest) == len(whole) - first
    assert all(same(one, other) for one, other in zip(whole[first:], rest, strict=True))


@pytest.mark.parametrize("parts", [2, 3])
def test_shares_of_a_batch_side_by_side_are_the_batch(ramps: PairSet, parts: int) -> None:
    crops = Crops(ramps, CropOptions(8, 6, ALL, 1))
    shares = [list(crops.epoch(3, 1, (part, parts))) for part in range(parts)]
    whole = list(crops.epoch(3, 1))
    assert len(whole) == crops.batches_per_epoch - 1
    for number, batch in enumerate(whole):
        together = [np.concatenate(arrays) for arrays in zip(*(share[number] for share in shares), strict=True)]
        assert same(together, batch)


@pytest.mark.parametrize("threads", [1, 4])
def test_batches_are_the_same_from_memory_and_from_files_and_in_any_number_of_threads(
    tmp_path: Path, threads: int
) -> None:
    ramp_pair(tmp_path, "a.tif", 64)
    held, unheld = (Crops(opened(tmp_path, **memory), CropOptions(8, 4, ALL)) for memory in ({}, {"memory": 0}))
    found = unheld.epoch(0, threads=threads)
    assert all(same(one, other) for one, other in zip(held.epoch(0), found, strict=True))


@pytest.mark.parametrize("other", [{"seed": 1}, {"number": 1}])
def test_other_seeds_and_epochs_give_other_orders_crops_and_seeds(ramps: PairSet, other: dict[str, int]) -> None:
    number = other.pop("number", 0)
    one, another = next(Crops(ramps, CropOptions(8, 20)).epoch(0)), None
    another = next(Crops(ramps, CropOptions(8, 20, **other)).epoch(number))
    assert not np.intersect1d(one.seeds, another.seeds).size
    assert not same(one, another)
    assert len(np.unique(one.seeds)) == 20


def test_speckle_and_gain_change_the_source_alone(ramps: PairSet) -> None:
    plain, noisy = (
        next(Crops(ramps, CropOptions(8, 20, a)).epoch(0)) for a in (Augmentation(), Augmentation(speckle=1))
    )
    assert np.array_equal(plain.target, noisy.target)
    assert np.abs(plain.source - noisy.source).mean() > 0.1


@pytest.mark.parametrize("augmentation", [Augmentation(speckle=0.2), Augmentation(gain=1)])
def test_pictures_have_no_decibels(tmp_path: Path, augmentation: Augmentation) -> None:
    save_side_by_side(tmp_path / "a.png", noise(16, 16), noise(16, 16))
    pairs = opened(tmp_path, radiometry=IMAGE)
    with pytest.raises(OptionError, match="speckle and gain are of radar images, expected none for"):
        Crops(pairs, CropOptions(16, 1, augmentation))
    (batch,) = Crops(pairs, CropOptions(16, 1)).epoch(0)
    assert batch.source.shape == (1, 16, 16, 3)


def test_a_dark_tile_stays_dark_beside_a_bright_one(tmp_path: Path) -> None:
    """Tiles are scaled by their folder, as a window is by its scene, not each by its own pixels."""
    rng = np.random.default_rng(0)
    for name, level in (("dark.tif", 20), ("bright.tif", 2000)):
        power = level * rng.gamma(4.4, 1 / 4.4, (1, 16, 16))
        write_pair(tmp_path, name, power.astype(np.float32), np.full((3, 16, 16), level // 8, np.uint8))
    (batch,) = Crops(opened(tmp_path, unit=None, radiometry=Radiometry()), CropOptions(16, 2)).epoch(0)
    by_brightness = np.argsort(batch.target.mean(axis=(1, 2, 3)))
    dark, bright = batch.source[by_brightness].mean(axis=(1, 2, 3))
    assert dark < -0.3 < 0.3 < bright


def test_a_crop_is_scaled_by_its_own_scene(tmp_path: Path) -> None:
    """Two scenes that differ in brightness alone look alike to the network."""
    rng = np.random.default_rng(1)
    scene = 10 ** rng.uniform(-2, 0, 4000) * rng.gamma(4.4, 1 / 4.4, 4000)
    for name, level in (("a.tif", 0.01), ("b.tif", 100)):
        speckled_tile(tmp_path, name, level, measure([level * scene], "power").to_json())
    pairs = opened(tmp_path, unit=None, radiometry=Radiometry())
    one, other = next(Crops(pairs, CropOptions(16, 2)).epoch(0)).source
    assert np.allclose(np.sort(one.ravel()), np.sort(other.ravel()), atol=1e-4)
    assert one.std() > 0.05


def test_crops_without_a_valid_pixel_are_drawn_again(tmp_path: Path) -> None:
    sar = np.zeros((1, 64, 64), np.uint8)
    sar[:, 20:40, 20:40] = np.arange(1, 401).reshape(20, 20) % 250 + 1
    write_pair(tmp_path, "a.tif", sar, np.repeat(sar, 3, axis=0), nodata=0)
    crops = Crops(opened(tmp_path), CropOptions(16, 1))
    assert all((batch.target > -1).any() for batch in crops.epoch(0))


def test_a_folder_with_hardly_any_valid_pixel_gives_up(tmp_path: Path) -> None:
    sar = np.zeros((1, 256, 256), np.uint8)
    sar[:, :1, :2] = (3, 9)
    write_pair(tmp_path, "a.tif", sar, np.repeat(sar, 3, axis=0), nodata=0)
    with pytest.raises(PairsError, match="no valid pixel in 100 random crops of 8 pixels"):
        list(Crops(opened(tmp_path), CropOptions(8, 1)).epoch(0))


def test_tiles_smaller_than_a_crop_are_refused_unless_enlarged(ramps: PairSet) -> None:
    with pytest.raises(PairsError, match=r"small\.tif: 16 x 16 pixels, expected at least 17 x 17"):
        Crops(ramps, CropOptions(17, 1))
    assert Crops(ramps, CropOptions(17, 1, Augmentation(enlarge=2))).batches_per_epoch == 4


def test_a_batch_larger_than_the_folder_is_refused(ramps: PairSet) -> None:
    with pytest.raises(PairsError, match="5 crops of 16 pixels, expected at least a batch of 6"):
        Crops(ramps, CropOptions(16, 6))


@pytest.mark.parametrize("options", [{"batch_size": 0}, {"size": 0}, {"seed": -1}, {"seed": 2**32}])
def test_options_out_of_range_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(OptionError, match="expected"):
        CropOptions(**options)
