"""Batches: the same geometry on both sides, whole epochs, one scaling for a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio

from sartranslate.dataset import Crops, open_folder
from sartranslate.errors import OptionError, PairsError, SceneError
from sartranslate.radiometry import Radiometry, from_rgb
from sartranslate.scaling import SceneStatistics, measure, resolve_scaling
from sartranslate.source import STATISTICS_TAG
from sartranslate.tiles import find_pairs, sample
from tests.test_tiles import write_pair


def ramp_pair(folder: Path, name: str, size: int, start: int = 0) -> None:
    """A pair whose optical bands repeat the SAR values, which are decibels stretched to bytes."""
    ramp = (np.arange(size * size).reshape(1, size, size) * 7 + start) % 251
    write_pair(folder, name, ramp.astype(np.uint8), np.repeat(ramp, 3, axis=0).astype(np.uint8))


def test_source_and_target_get_the_same_place_mirror_and_turn(tmp_path: Path) -> None:
    ramp_pair(tmp_path, "a.tif", 24)
    folder = open_folder(tmp_path, Radiometry(low=0, high=100), unit="byte")
    for batch in Crops([folder], 8, 2).epoch(np.random.default_rng(0)):
        assert batch.source.shape == (2, 8, 8, 1)
        restored = (batch.source + 1) * 125  # 0..250
        assert np.allclose(from_rgb(restored), batch.target[..., :1], atol=1e-5)


def test_augmentation_shows_all_eight_orientations(tmp_path: Path) -> None:
    ramp_pair(tmp_path, "a.tif", 8)
    crops = Crops([open_folder(tmp_path, Radiometry(), unit="byte")], 8, 1)
    rng = np.random.default_rng(0)
    seen = {next(crops.epoch(rng)).source.tobytes() for _ in range(100)}
    assert len(seen) == 8


def test_an_epoch_visits_each_tile_as_often_as_crops_fit(tmp_path: Path) -> None:
    ramp_pair(tmp_path, "large.tif", 32)
    ramp_pair(tmp_path, "small.tif", 16)
    folder = open_folder(tmp_path, Radiometry(), unit="byte")
    assert Crops([folder], 16, 1).batches_per_epoch == 5
    assert len(list(Crops([folder], 16, 2).epoch(np.random.default_rng(0)))) == 2


def test_the_same_seed_gives_the_same_batches(tmp_path: Path) -> None:
    ramp_pair(tmp_path, "a.tif", 32)
    crops = Crops([open_folder(tmp_path, Radiometry(), unit="byte")], 16, 2)
    first, second = (list(crops.epoch(np.random.default_rng(9))) for _ in range(2))
    assert all(np.array_equal(a.source, b.source) for a, b in zip(first, second, strict=True))


def test_a_dark_tile_stays_dark_beside_a_bright_one(tmp_path: Path) -> None:
    """Tiles are scaled by their folder, as a window is by its scene, not each by its own pixels."""
    rng = np.random.default_rng(0)
    for name, level in (("dark.tif", 20), ("bright.tif", 2000)):
        power = level * rng.gamma(4.4, 1 / 4.4, (1, 16, 16))
        write_pair(tmp_path, name, power.astype(np.float32), np.full((3, 16, 16), level // 8, np.uint8))
    folder = open_folder(tmp_path, Radiometry())
    batch = next(iter(Crops([folder], 16, 2).epoch(rng)))
    by_brightness = np.argsort(batch.target.mean(axis=(1, 2, 3)))
    dark, bright = batch.source[by_brightness].mean(axis=(1, 2, 3))
    assert dark < -0.3 < 0.3 < bright


def test_tiles_smaller_than_a_crop_are_refused(tmp_path: Path) -> None:
    ramp_pair(tmp_path, "a.tif", 16)
    with pytest.raises(PairsError, match="16 x 16 pixels, expected at least 32 x 32"):
        Crops([open_folder(tmp_path, Radiometry())], 32, 1)


def test_a_batch_larger_than_the_folder_is_refused(tmp_path: Path) -> None:
    ramp_pair(tmp_path, "a.tif", 16)
    folder = open_folder(tmp_path, Radiometry())
    with pytest.raises(PairsError, match="1 crops of 16 pixels are less than a batch of 2"):
        Crops([folder], 16, 2)
    with pytest.raises(OptionError, match="batch size 0"):
        Crops([folder], 16, 0)


def test_tiles_need_the_bands_of_the_model(tmp_path: Path) -> None:
    ramp_pair(tmp_path, "a.tif", 16)
    with pytest.raises(SceneError, match=r"1 band \(unnamed\), the model expects 2 \(VV, VH\)"):
        open_folder(tmp_path, Radiometry(bands=(("VV",), ("VH",))))


def test_crops_without_a_valid_pixel_are_drawn_again(tmp_path: Path) -> None:
    sar = np.zeros((1, 64, 64), np.uint8)
    sar[:, 20:40, 20:40] = np.arange(1, 401).reshape(20, 20) % 250 + 1
    write_pair(tmp_path, "a.tif", sar, np.repeat(sar, 3, axis=0), nodata=0)
    crops = Crops([open_folder(tmp_path, Radiometry(), unit="byte")], 16, 1)
    assert all((batch.target > -1).any() for batch in crops.epoch(np.random.default_rng(0)))


def test_values_that_can_not_be_scaled_are_reported_with_their_folder(tmp_path: Path) -> None:
    write_pair(tmp_path, "a.tif", np.full((1, 16, 16), 7, np.uint8), np.zeros((3, 16, 16), np.uint8))
    with pytest.raises(PairsError, match="same value"):
        open_folder(tmp_path, Radiometry())


def speckled_tile(folder: Path, name: str, level: float, text: str | None = None, seed: int = 0) -> None:
    """A pair of 16 x 16 pixels; `text` is what it says of the scene that it was cut out of."""
    power = level * np.random.default_rng(seed).gamma(4.4, 1 / 4.4, (1, 16, 16))
    write_pair(folder, name, power.astype(np.float32), np.full((3, 16, 16), 9, np.uint8))
    if text is not None:
        with rasterio.open(folder / "sar" / name, "r+") as tile:
            tile.update_tags(**{STATISTICS_TAG: text})


def statistics_of_a_scene(level: float) -> SceneStatistics:
    rng = np.random.default_rng(1)
    return measure(level * 10 ** rng.uniform(-2, 0, (4000, 1)) * rng.gamma(4.4, 1 / 4.4, (4000, 1)), "power")


def test_tiles_are_scaled_by_their_scenes_and_those_that_know_none_together(tmp_path: Path) -> None:
    dim, bright = statistics_of_a_scene(0.01), statistics_of_a_scene(100)
    speckled_tile(tmp_path, "a.tif", 0.01, dim.to_json())
    speckled_tile(tmp_path, "b.tif", 100, bright.to_json())
    speckled_tile(tmp_path, "c.tif", 1)
    speckled_tile(tmp_path, "d.tif", 5, seed=2)
    folder = open_folder(tmp_path, Radiometry())
    loose = find_pairs(tmp_path, Radiometry().bands)[2:]
    shared = resolve_scaling(Radiometry(), sample(loose))
    assert folder.scalings == (dim.resolve(Radiometry(), [1]), bright.resolve(Radiometry(), [1]), shared, shared)
    assert [line.split(": ")[1] for line in folder.describe()] == ["1 pairs", "1 pairs", "2 pairs"]


def test_a_crop_is_scaled_by_its_own_scene(tmp_path: Path) -> None:
    """Two scenes that differ in brightness alone look alike to the network."""
    for name, level in (("a.tif", 0.01), ("b.tif", 100)):
        speckled_tile(tmp_path, name, level, statistics_of_a_scene(level).to_json())
    crops = Crops([open_folder(tmp_path, Radiometry())], 16, 2)
    one, other = next(iter(crops.epoch(np.random.default_rng(0)))).source
    assert np.allclose(np.sort(one.ravel()), np.sort(other.ravel()), atol=1e-4)
    assert one.std() > 0.05


def test_a_unit_that_is_told_goes_before_the_scenes(tmp_path: Path) -> None:
    speckled_tile(tmp_path, "a.tif", 1, statistics_of_a_scene(1).to_json())
    (scaling,) = open_folder(tmp_path, Radiometry(), unit="amplitude").scalings
    assert (scaling.unit, scaling.reason) == ("amplitude", "as told")


@pytest.mark.parametrize("text", ["null", "hello", "{}", statistics_of_a_scene(1).to_json()[:-9]])
def test_broken_statistics_are_reported_with_folder_and_tile(tmp_path: Path, text: str) -> None:
    speckled_tile(tmp_path, "a.tif", 1, text)
    with pytest.raises(PairsError, match=r"a\.tif: broken statistics of its scene: .* expected those that `pairs`"):
        open_folder(tmp_path, Radiometry())


def test_a_tile_with_more_bands_than_its_scenes_statistics_is_reported(tmp_path: Path) -> None:
    power = np.random.default_rng(0).gamma(4.4, 1 / 4.4, (2, 16, 16)).astype(np.float32)
    write_pair(tmp_path, "a.tif", power, np.full((3, 16, 16), 9, np.uint8))
    with rasterio.open(tmp_path / "sar" / "a.tif", "r+") as tile:
        tile.update_tags(**{STATISTICS_TAG: statistics_of_a_scene(1).to_json()})
    with pytest.raises(PairsError, match=r"a\.tif: band 2 of a tile whose scene's statistics know 1"):
        open_folder(tmp_path, Radiometry(bands=(("VV",), ("VH",))))


def test_where_one_side_shows_nothing_both_are_mirrored_alike(tmp_path: Path) -> None:
    """Else a hole would be learnt as black ground."""
    ramp_pair(tmp_path, "a.tif", 32, start=1)
    seen = np.ones((32, 32), bool)
    seen[10:20, 12:22] = False
    with rasterio.open(tmp_path / "optical" / "a.tif", "r+") as dataset:
        dataset.write(np.where(seen, dataset.read(), 0))
        dataset.write_mask(seen)
    folder = open_folder(tmp_path, Radiometry(low=0, high=100), unit="byte")
    (batch,) = Crops([folder], 32, 1).epoch(np.random.default_rng(0))
    source, target = batch.source[0, ..., 0], batch.target[0, ..., 0]
    # The optical values repeat those of the SAR side, so that all pixels lie on one line.
    slope, offset = np.polyfit(source.ravel(), target.ravel(), 1)
    np.testing.assert_allclose(target, slope * source + offset, atol=1e-3)
