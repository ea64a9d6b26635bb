"""Tiles are cut up without a gap, scaled as for training and translated as `infer` does it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sartranslate.backscatter.radiometry import IMAGE, Float, to_rgb
from sartranslate.datasets.dataset import open_pairs
from sartranslate.datasets.pair_check import PairOptions
from sartranslate.errors import PairsError
from sartranslate.evaluate.tile_images import EvaluatedPairs, TileImages, Translation, open_evaluated
from tests.tile_files import noise, placed, ramp_pair, write, write_pair

COLOURS = PairOptions(IMAGE)


def identity(batch: Float) -> Float:
    return batch


def grey(batch: Float) -> Float:
    return np.repeat(batch, 3, axis=-1)


def twin(folder: Path, name: str, height: int, width: int, seed: int = 0, **profile: Any) -> NDArray[np.uint8]:
    """A pair whose sides are the same picture, so that a perfect generator is the identity."""
    image = noise(height, width, seed=seed)
    for side in ("sar", "optical"):
        write(folder / side / name, image.transpose(2, 0, 1), **placed(1000 * seed), **profile)
    return image


def images(folder: Path, generator: Any = identity, **told: int) -> TileImages:
    return TileImages(open_evaluated([folder], options=COLOURS).pairs, Translation(generator, **told))


def split_folder(folder: Path, *splits: str) -> Path:
    for number, split in enumerate(splits):
        twin(folder / split, "tile.tif", 20, 20, number)
    return folder


def test_a_tile_is_cut_into_windows_side_by_side_that_cover_it(tmp_path: Path) -> None:
    image = twin(tmp_path, "large.tif", 300, 520)
    found = images(tmp_path)
    seen = np.zeros((300, 520), int)
    for sample in found.samples():
        window = sample.place.window
        seen[window.rows, window.cols] += 1
        assert (sample.truth == image[window.rows, window.cols]).all()
        assert sample.truth.shape == (256, 256, 3)
    assert seen.min() == 1
    assert [place.name for place in found.places][:2] == ["large, row 0, column 0", "large, row 0, column 256"]
    assert len({place.name for place in found.places}) == len(found.places) == 6


def test_a_small_tile_is_one_image_and_has_its_name(tmp_path: Path) -> None:
    twin(tmp_path, "small.tif", 40, 60)
    (sample,) = images(tmp_path).samples()
    assert sample.place.name == "small"
    assert sample.place.size == (40, 60)


@pytest.mark.parametrize("size", [(40, 60), (256, 256), (300, 520)])
def test_the_identity_gives_back_every_pixel_of_tiles_of_any_size(tmp_path: Path, size: tuple[int, int]) -> None:
    twin(tmp_path, "tile.tif", *size)
    for sample, prediction in images(tmp_path).translated():
        assert np.abs(prediction.astype(int) - sample.truth).max() <= 1  # blended floats may round to a neighbour


def test_a_tile_of_one_window_is_a_single_call_of_a_single_patch(tmp_path: Path) -> None:
    twin(tmp_path, "tile.tif", 40, 60)
    shapes = []

    def watched(batch: Float) -> Float:
        shapes.append(batch.shape)
        return batch

    list(images(tmp_path, watched).translated())
    assert shapes == [(1, 256, 256, 3)]


def test_a_generator_sees_the_radar_where_only_the_optical_side_is_invalid(tmp_path: Path) -> None:
    sar, optical = noise(64, 64, 1).transpose(2, 0, 1), noise(64, 64).transpose(2, 0, 1)
    write_pair(tmp_path / "whole", "tile.tif", sar, optical)
    optical[:, :, 20:] = 0
    write(tmp_path / "holes" / "sar" / "tile.tif", sar, **placed())
    write(tmp_path / "holes" / "optical" / "tile.tif", optical, nodata=0, **placed())
    seen = []

    def watched(batch: Float) -> Float:
        seen.append(batch)
        return grey(batch)

    masks = []
    for name in ("whole", "holes"):
        found = TileImages(open_evaluated([tmp_path / name]).pairs, Translation(watched))
        masks += [sample.mask.mean() for sample, _ in found.translated()]
    assert (seen[0] == seen[1]).all()
    assert masks == [1, 20 / 64]


def test_tiles_are_scaled_as_those_that_training_reads(tmp_path: Path) -> None:
    for number in range(2):
        ramp_pair(tmp_path, f"{number}.tif", 40, 60 * number)
    trained = open_pairs([tmp_path]).pairs
    evaluated = TileImages(open_evaluated([tmp_path]).pairs, Translation(grey))
    for sample, pair in zip(evaluated.samples(), trained, strict=True):
        assert sample.source is not None
        assert (sample.source == pair.read(sample.place.window).source).all()


def test_wanted_images_alone_are_translated(tmp_path: Path) -> None:
    for seed in range(3):
        twin(tmp_path, f"{seed}.tif", 30, 30, seed)
    calls = []

    def watched(batch: Float) -> Float:
        calls.append(len(batch))
        return batch

    assert [sample.place.name for sample, _ in images(tmp_path, watched).translated({"1"})] == ["1"]
    assert calls == [1]


def test_seams_are_looked_for_in_tiles_larger_than_a_window(tmp_path: Path) -> None:
    twin(tmp_path, "large.tif", 96, 96)
    twin(tmp_path, "small.tif", 32, 32, 1)
    calls = iter(range(1000))

    def patchy(batch: Float) -> Float:
        """A flat picture, each time another one."""
        return np.stack([np.full_like(patch, next(calls) % 7 / 10) for patch in batch])

    found = images(tmp_path, patchy, window=32, overlap=0)
    assert found.seams() == {}
    list(found.translated())
    assert {tile: sums.score for tile, sums in found.seams().items()} == {0: np.inf}


@pytest.mark.parametrize(
    ("splits", "chosen"),
    [(("train", "val", "test"), "test"), (("train", "val"), "val"), (("train",), "train"), ((), "")],
)
def test_the_part_that_training_is_farthest_from_is_scored(
    tmp_path: Path, splits: tuple[str, ...], chosen: str
) -> None:
    folder = split_folder(tmp_path, *(splits or ("",)))
    found = open_evaluated([folder], options=COLOURS)
    assert found.splits == (chosen,)
    (pair,) = found.pairs.pairs
    assert pair.target.path == folder / chosen / "optical" / "tile.tif"
    assert found.seen_in_training == (chosen in ("", "train"))


def test_a_part_that_is_asked_for_is_taken_or_refused(tmp_path: Path) -> None:
    folder = split_folder(tmp_path, "train", "val")
    assert open_evaluated([folder], "train", COLOURS).splits == ("train",)
    with pytest.raises(PairsError, match=r"only train and val, expected tiles in test/"):
        open_evaluated([folder], "test", COLOURS)


def test_loose_tiles_of_a_part_are_scaled_as_those_of_training(tmp_path: Path) -> None:
    ramp_pair(tmp_path / "train", "a.tif", 40)
    dark = (np.arange(1600).reshape(1, 40, 40) % 60).astype(np.uint8)
    write_pair(tmp_path / "val", "b.tif", dark, np.repeat(dark, 3, axis=0))
    (training,) = open_pairs([tmp_path]).pairs
    (pair,) = open_evaluated([tmp_path]).pairs.pairs
    assert pair.scaling == training.scaling


@pytest.mark.parametrize("there", [True, False])
def test_a_folder_without_pairs_is_refused_with_what_is_expected(tmp_path: Path, there: bool) -> None:
    folder = tmp_path / "nothing"
    if there:
        folder.mkdir()
    found = "no tiles" if there else "no such folder"
    with pytest.raises(PairsError, match=f"nothing: {found}, expected sar/NAME and optical/NAME"):
        open_evaluated([folder])


def test_tiles_of_the_same_name_in_several_folders_are_told_apart(tmp_path: Path) -> None:
    for number, name in enumerate("ab"):
        twin(tmp_path / name, "tile.tif", 20, 20, number)
    evaluated = open_evaluated([tmp_path / "a", tmp_path / "b"], options=COLOURS)
    assert isinstance(evaluated, EvaluatedPairs)
    names = [place.name for place in TileImages(evaluated.pairs, Translation(identity)).places]
    assert names == [str(tmp_path / name / "optical" / "tile.tif") for name in "ab"]


def test_predictions_are_rounded_as_those_of_infer(tmp_path: Path) -> None:
    twin(tmp_path, "tile.tif", 20, 20)
    ((_, prediction),) = images(tmp_path, lambda batch: np.full_like(batch, 0.123)).translated()
    assert (prediction == to_rgb(0.123)).all()
