"""Folders as a whole: one list of faults, one scaling and one stretch for loose tiles, memory, and fingerprints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

from sartranslate.backscatter.distribution import SceneStatistics, measure, resolve_scaling
from sartranslate.backscatter.radiometry import IMAGE, Radiometry
from sartranslate.datasets.dataset import default_radiometry, open_pairs
from sartranslate.datasets.pair_check import PairOptions
from sartranslate.datasets.pairs import PairSet
from sartranslate.errors import PairsError
from sartranslate.scenes.source import STATISTICS_TAG
from sartranslate.storage.digest import differences
from sartranslate.streaming.windows import Window
from tests.tile_files import SAR, cut_off, noise, ramp_pair, save_image, save_side_by_side, write, write_pair


def opened(*folders: Path, split: str = "train", like: PairSet | None = None, **options: Any) -> PairSet:
    return open_pairs(folders, split, PairOptions(**options), like=like)


def whole(pairs: PairSet, index: int = 0) -> Any:
    pair = pairs.pairs[index]
    return pair.read(Window(0, 0, pair.height, pair.width))


def speckled_tile(folder: Path, name: str, level: float, text: str | None = None, seed: int = 0) -> NDArray[np.float32]:
    """A pair of 16 x 16 pixels; `text` is what it says of the scene that it was cut out of."""
    power = (level * np.random.default_rng(seed).gamma(4.4, 1 / 4.4, (1, 16, 16))).astype(np.float32)
    write_pair(folder, name, power, np.full((3, 16, 16), 9, np.uint8))
    if text is not None:
        with rasterio.open(folder / "sar" / name, "r+") as tile:
            tile.update_tags(**{STATISTICS_TAG: text})
    return power.reshape(-1, 1)


def statistics_of_a_scene(level: float) -> SceneStatistics:
    rng = np.random.default_rng(1)
    return measure([level * 10 ** rng.uniform(-2, 0, 4000) * rng.gamma(4.4, 1 / 4.4, 4000)], "power")


# What is wrong with folders.


def folder_with_faults(folder: Path) -> None:
    for name in ("a.tif", "b.tif", "c.tif"):
        ramp_pair(folder, name, 16)
    (folder / "optical" / "b.tif").unlink()
    cut_off(folder / "sar" / "c.tif", 0.5)


def test_all_faults_of_all_folders_are_in_one_error(tmp_path: Path) -> None:
    folder_with_faults(tmp_path / "one")
    save_image(tmp_path / "two" / "x.png", noise(16, 33))
    with pytest.raises(PairsError) as error:
        opened(tmp_path / "one", tmp_path / "two", unit="byte")
    lines = str(error.value).splitlines()
    assert lines[0] == f"{tmp_path}/one: 2 of 3 pairs can not be used; --skip-bad leaves them out:"
    assert lines[1].startswith("  sar/b.tif: no partner, expected optical/b")
    assert lines[2].startswith("  sar/c.tif: can not be read in rows 0 to 15: ")
    assert lines[3:] == [
        f"{tmp_path}/two: 1 of 1 pair can not be used:",
        "  x.png: 33 columns, expected an even number for two images side by side",
    ]


def test_bad_pairs_are_left_out_if_asked_and_named(tmp_path: Path) -> None:
    folder_with_faults(tmp_path)
    pairs = opened(tmp_path, unit="byte", skip_bad=True)
    assert [pair.source.path.name for pair in pairs.pairs] == ["a.tif"]
    assert [line.partition(": ")[0] for line in pairs.skipped] == [f"{tmp_path}/sar/{name}.tif" for name in "bc"]


def test_a_folder_of_bad_pairs_alone_is_an_error_all_the_same(tmp_path: Path) -> None:
    save_image(tmp_path / "x.png", noise(16, 33))
    with pytest.raises(PairsError, match=r"1 of 1 pair can not be used:\n  x\.png: 33 columns"):
        opened(tmp_path, skip_bad=True)


def test_values_that_can_not_be_scaled_are_reported_with_their_folder(tmp_path: Path) -> None:
    write_pair(tmp_path, "a.tif", np.full((1, 16, 16), 7, np.uint8), np.zeros((3, 16, 16), np.uint8))
    with pytest.raises(PairsError, match=f"{tmp_path}: .*same value"):
        opened(tmp_path)


def test_a_tile_with_more_bands_than_its_scenes_statistics_is_reported(tmp_path: Path) -> None:
    power = np.random.default_rng(0).gamma(4.4, 1 / 4.4, (2, 16, 16)).astype(np.float32)
    write_pair(tmp_path, "a.tif", power, np.full((3, 16, 16), 9, np.uint8))
    with rasterio.open(tmp_path / "sar" / "a.tif", "r+") as tile:
        tile.update_tags(**{STATISTICS_TAG: statistics_of_a_scene(1).to_json()})
    with pytest.raises(PairsError, match=r"sar/a\.tif: band 2 of a tile whose scene's statistics know 1"):
        opened(tmp_path, radiometry=Radiometry(bands=(("VV",), ("VH",))))


def test_each_pair_that_is_decoded_is_told(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    for folder in ("one", "two"):
        for name in ("a.tif", "b.tif"):
            ramp_pair(tmp_path / folder, name, 16)
    folders = [tmp_path / "one", tmp_path / "two"]
    open_pairs(folders, options=PairOptions(unit="byte"), watch=lambda *step: told.append(step))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


# Scaling.


def test_tiles_are_scaled_by_their_scenes_and_those_that_know_none_together(tmp_path: Path) -> None:
    dim, bright = statistics_of_a_scene(0.01), statistics_of_a_scene(100)
    speckled_tile(tmp_path, "a.tif", 0.01, dim.to_json())
    speckled_tile(tmp_path, "b.tif", 100, bright.to_json())
    loose = [speckled_tile(tmp_path, "c.tif", 1), speckled_tile(tmp_path, "d.tif", 5, seed=2)]
    pairs = opened(tmp_path)
    shared = resolve_scaling(Radiometry(), np.concatenate(loose).T)
    own = [statistics.resolve(Radiometry(), [1]) for statistics in (dim, bright)]
    assert [pair.scaling for pair in pairs.pairs] == [*own, shared, shared]
    assert [line.split(": ")[1] for line in pairs.describe()] == ["1 pair", "1 pair", "2 pairs"]


def test_another_unit_that_is_told_goes_before_the_scenes(tmp_path: Path) -> None:
    speckled_tile(tmp_path, "a.tif", 1, statistics_of_a_scene(1).to_json())
    scaling = opened(tmp_path, unit="amplitude").pairs[0].scaling
    assert (scaling.unit, scaling.reason) == ("amplitude", "as told")
    assert opened(tmp_path, unit="power").pairs[0].scaling == statistics_of_a_scene(1).resolve(Radiometry(), [1])


def test_validation_tiles_are_scaled_and_stretched_as_those_for_training(tmp_path: Path) -> None:
    for split, level in (("train", 1), ("val", 2)):
        sar = np.random.default_rng(level).gamma(4.4, level / 4.4, (1, 16, 16)).astype(np.float32)
        write_pair(tmp_path / split, "a.tif", sar, noise(16, 16).transpose(2, 0, 1).astype(np.uint16) * 10 * level)
    train = opened(tmp_path)
    val = opened(tmp_path, split="val", like=train)
    assert val.pairs[0].scaling == train.pairs[0].scaling != opened(tmp_path, split="val").pairs[0].scaling
    assert val.pairs[0].stretch == train.pairs[0].stretch != opened(tmp_path, split="val").pairs[0].stretch
    assert whole(val).source.mean() > whole(train).source.mean() + 0.2


def filled_pair(folder: Path, fill: int, share: float, dtype: str = "int16") -> None:
    """Reflectance of which a share was never seen, as nobody declares."""
    optical = np.random.default_rng(3).integers(700, 6000, (3, 16, 16)).astype(dtype)
    optical[:, : int(16 * share)] = fill
    sar = np.random.default_rng(4).gamma(4.4, 1 / 4.4, (1, 16, 16)).astype(np.float32)
    write_pair(folder, "a.tif", sar, optical)


def test_fill_that_no_optical_tile_declares_is_refused(tmp_path: Path) -> None:
    filled_pair(tmp_path, -32768, 0.25)
    with pytest.raises(PairsError, match=r"25\.0 % of the values are -32768; .*gdal_edit -a_nodata of tiles"):
        opened(tmp_path)


def test_zeros_of_all_bands_of_a_tile_that_declares_nothing_are_no_data_among_whole_numbers(tmp_path: Path) -> None:
    filled_pair(tmp_path / "wide", 0, 0.25, "uint16")
    pair = opened(tmp_path / "wide").pairs[0]
    assert pair.read(Window(0, 0, 16, 16)).mask.mean() == 0.75
    assert pair.stretch.low > 600
    for dtype in ("uint8", "float32"):
        filled_pair(tmp_path / dtype, 0, 0.25, dtype)
        assert opened(tmp_path / dtype).pairs[0].read(Window(0, 0, 16, 16)).mask.all()


def test_the_unit_of_a_scene_that_is_told_makes_it_calibrated(tmp_path: Path) -> None:
    fixed = Radiometry(scaling="fixed", low=-25, high=0)
    guessed = replace(statistics_of_a_scene(1), reason="uint8, speckle grows with brightness")
    speckled_tile(tmp_path, "a.tif", 1, guessed.to_json())
    with pytest.raises(PairsError, match="--unit power takes them for calibrated"):
        opened(tmp_path, radiometry=fixed)
    assert opened(tmp_path, radiometry=fixed, unit="power").pairs[0].scaling.ranges == ((-25, 0),)


@pytest.mark.parametrize("fill", [65535, -1000])
def test_what_sensors_have_of_their_own_is_no_fill(tmp_path: Path, fill: int) -> None:
    filled_pair(tmp_path, fill, 0.25, "int32")
    assert opened(tmp_path).pairs[0].stretch is not None


def test_validation_tiles_of_another_type_have_a_stretch_of_their_own(tmp_path: Path) -> None:
    filled_pair(tmp_path / "train", 700, 0, "uint16")
    sar = np.random.default_rng(4).gamma(4.4, 1 / 4.4, (1, 16, 16)).astype(np.float32)
    write_pair(tmp_path / "val", "a.tif", sar, (noise(16, 16).transpose(2, 0, 1) / 255).astype(np.float32))
    assert opened(tmp_path / "val", like=opened(tmp_path / "train")).pairs[0].stretch.high <= 1


def test_validation_tiles_of_a_folder_of_their_own_are_stretched_as_those_for_training(tmp_path: Path) -> None:
    for split, level in (("train", 1), ("val", 2)):
        sar = np.random.default_rng(level).gamma(4.4, level / 4.4, (1, 16, 16)).astype(np.float32)
        write_pair(tmp_path / split, "a.tif", sar, noise(16, 16).transpose(2, 0, 1).astype(np.uint16) * 10 * level)
    train = opened(tmp_path / "train")
    assert opened(tmp_path / "val", like=train).pairs[0].stretch == train.pairs[0].stretch


def test_a_folder_without_validation_tiles_gives_an_empty_set(tmp_path: Path) -> None:
    ramp_pair(tmp_path, "a.tif", 16)
    val = opened(tmp_path, split="val")
    assert (val.pairs, val.digests, val.describe(), val.skipped) == ((), {}, [], ())


def test_other_values_than_bytes_are_stretched_alike_in_all_bands_and_tiles(tmp_path: Path) -> None:
    reflectance = np.linspace(0, 3000, 3 * 32 * 32).reshape(3, 32, 32).astype(np.uint16)
    sar = noise(32, 32, 1, seed=4).transpose(2, 0, 1)
    write_pair(tmp_path, "a.tif", sar, reflectance)
    write_pair(tmp_path, "b.tif", sar, reflectance + 3000)
    pairs = opened(tmp_path, unit="byte")
    assert pairs.folders[0].stretch == pytest.approx((60, 5940), abs=2)
    assert "optical values 59.43 to 5939.57, percentiles 1 and 99, become 0 and 255" in pairs.describe()[-1]
    dark, bright = (whole(pairs, index).target for index in (0, 1))
    expected = np.clip((reflectance.transpose(1, 2, 0) - 60.0) / 5880, 0, 1) * 2 - 1
    np.testing.assert_allclose(dark, expected, atol=1 / 127)
    assert dark.max() < 0.01 < bright.max()


def test_pictures_become_minus_one_to_one_whatever_they_show(tmp_path: Path) -> None:
    left, right = noise(16, 16, seed=1) // 2, noise(16, 16, seed=2)
    save_side_by_side(tmp_path / "a.png", left, right)
    for direction, source, target in (("AtoB", left, right), ("BtoA", right, left)):
        patches = whole(opened(tmp_path, radiometry=IMAGE, direction=direction))
        np.testing.assert_allclose(patches.source, source / 127.5 - 1, atol=1e-6)
        np.testing.assert_allclose(patches.target, target / 127.5 - 1, atol=1e-6)


# What pixels are.


def holed_pair(folder: Path) -> None:
    ramp_pair(folder, "a.tif", 32, start=1)
    seen = np.ones((32, 32), bool)
    seen[10:20, 12:22] = False
    with rasterio.open(folder / "optical" / "a.tif", "r+") as dataset:
        dataset.write(np.where(seen, dataset.read(), 0))
        dataset.write_mask(seen)


def test_where_one_side_shows_nothing_both_are_mirrored_alike(tmp_path: Path) -> None:
    """Else a hole would be learnt as black ground."""
    holed_pair(tmp_path)
    patches = whole(opened(tmp_path, radiometry=Radiometry(low=0, high=100), unit="byte"))
    source, target = patches.source[..., 0], patches.target[..., 0]
    # The optical values repeat those of the SAR side, so that all pixels lie on one line.
    slope, offset = np.polyfit(source.ravel(), target.ravel(), 1)
    np.testing.assert_allclose(target, slope * source + offset, atol=1e-3)
    assert np.count_nonzero(~patches.mask) == 100


@pytest.mark.parametrize("window", [Window(0, 0, 32, 32), Window(3, 4, 12, 20), Window(0, 0, 5, 5)])
def test_pixels_are_the_same_from_memory_and_from_the_file(tmp_path: Path, window: Window) -> None:
    holed_pair(tmp_path)
    write_pair(
        tmp_path,
        "b.tif",
        np.random.default_rng(0).gamma(4.4, 10, (1, 32, 32)).astype(np.float32),
        np.random.default_rng(1).integers(0, 4000, (3, 32, 32), np.uint16),
    )
    held, unheld = opened(tmp_path, unit="power"), opened(tmp_path, unit="power", memory=0)
    assert all(pair.held for pair in held.pairs)
    assert not any(pair.held for pair in unheld.pairs)
    for one, other in zip(held.pairs, unheld.pairs, strict=True):
        for part, again in zip(one.read(window), other.read(window), strict=True):
            np.testing.assert_array_equal(part, again)


def test_tiles_are_held_as_far_as_memory_lasts_validation_included(tmp_path: Path) -> None:
    for split in ("train", "val"):
        for name in ("a.tif", "b.tif", "c.tif"):
            ramp_pair(tmp_path / split, name, 16)
    tile = 16 * 16 * 7  # float32 of one band, and three bytes
    train = opened(tmp_path, unit="byte", memory=2 * tile + 1)
    assert [pair.held is None for pair in train.pairs] == [False, False, True]
    assert train.held_bytes == 2 * tile
    assert train.describe()[-1] == "1 of 3 pairs are read at each visit, the others fill 0 MB of memory"
    val = opened(tmp_path, split="val", like=train, unit="byte", memory=3 * tile)
    assert [pair.held is None for pair in val.pairs] == [False, True, True]


# Fingerprints.


def test_names_of_files_are_unique_over_several_folders(tmp_path: Path) -> None:
    folders = [tmp_path / place for place in ("x/tiles", "y/tiles", "other")]
    for folder in folders:
        ramp_pair(folder, "a.tif", 16)
    names = [f"{label}/{side}/a.tif" for label in ("1:tiles", "2:tiles", "other") for side in ("sar", "optical")]
    assert list(opened(*folders, unit="byte").digests) == names
    assert list(opened(folders[0], unit="byte").digests) == ["sar/a.tif", "optical/a.tif"]


def test_a_file_that_changed_is_told_from_one_that_was_moved_with_its_folder(tmp_path: Path) -> None:
    for name in ("a.tif", "b.tif"):
        ramp_pair(tmp_path / "before", name, 16)
    before = opened(tmp_path / "before", unit="byte").digests
    (tmp_path / "before").rename(tmp_path / "after")
    assert differences(before, opened(tmp_path / "after", unit="byte").digests) == []
    ramp_pair(tmp_path / "after", "b.tif", 16, start=1)
    assert differences(before, opened(tmp_path / "after", unit="byte").digests) == [
        "optical/b.tif changed",
        "sar/b.tif changed",
    ]


# What a model is fed with where nobody says.


def test_coloured_sources_side_by_side_are_pictures(tmp_path: Path) -> None:
    colours, grey = noise(16, 16), np.repeat(noise(16, 16, 1), 3, axis=2)
    save_side_by_side(tmp_path / "labels" / "train" / "a.png", colours, grey)
    save_side_by_side(tmp_path / "radar" / "a.png", grey, colours)
    ramp_pair(tmp_path / "tiles", "a.tif", 16)
    expected = {"labels": IMAGE, "radar": Radiometry(), "tiles": Radiometry()}
    assert {name: default_radiometry([tmp_path / name]) for name in expected} == expected
    assert default_radiometry([tmp_path / "radar"], "BtoA") == IMAGE
    assert default_radiometry([tmp_path / "labels", tmp_path / "tiles"]) == Radiometry()


def test_images_that_can_not_be_read_have_no_say(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("hello")
    save_side_by_side(tmp_path / "b.png", noise(16, 16), noise(16, 16))
    assert default_radiometry([tmp_path]) == IMAGE


def test_several_bands_of_a_radar_are_asked_for_by_name(tmp_path: Path) -> None:
    write(tmp_path / "sar" / "a.tif", noise(16, 16, 2).transpose(2, 0, 1))
    save_image(tmp_path / "optical" / "a.png", noise(16, 16))
    pairs = opened(tmp_path, radiometry=Radiometry(bands=(("VV",), ("VH",))), unit="byte")
    assert whole(pairs).source.shape == (16, 16, 2)


def test_names_that_break_lines_are_escaped(tmp_path: Path) -> None:
    write_pair(tmp_path, "a.tif")
    write(tmp_path / "sar" / "b\nc.tif", SAR)
    with pytest.raises(PairsError) as caught:
        opened(tmp_path)
    assert str(caught.value).splitlines()[1:] == [
        "  sar/b\\nc.tif: no partner, expected optical/b\\nc with one of the suffixes"
    ]


@pytest.mark.parametrize(("first", "second", "alike"), [("uint8", "uint16", False), ("float32", "float64", True)])
def test_tiles_of_two_types_share_a_scaling_only_in_one_unit(
    first: str, second: str, alike: bool, tmp_path: Path
) -> None:
    for name, dtype in (("a.tif", first), ("b.tif", second)):
        sar = noise(32, 32, 1).transpose(2, 0, 1).astype(dtype)
        write_pair(tmp_path / "tiles", name, sar - 200 if alike else sar, noise(32, 32).transpose(2, 0, 1), 0)
    if alike:
        assert len(open_pairs([tmp_path / "tiles"]).pairs) == 2
        return
    with pytest.raises(PairsError, match="tiles of uint16 and uint8 in different units"):
        open_pairs([tmp_path / "tiles"])
    assert len(open_pairs([tmp_path / "tiles"], options=PairOptions(unit="amplitude")).pairs) == 2
