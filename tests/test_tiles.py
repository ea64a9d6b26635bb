"""Layouts of training folders: which files are a pair, and which are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from sartranslate.datasets.tiles import find_tiles
from sartranslate.errors import PairsError


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def found(folder: Path, split: str = "train") -> list[tuple[str, str]]:
    """Source and target of each pair, within the folder."""
    pairs = find_tiles(folder, split).pairs
    return [
        (files.source.relative_to(folder).as_posix(), files.target.relative_to(folder).as_posix()) for files in pairs
    ]


def test_pairs_are_found_by_stem_across_formats(tmp_path: Path) -> None:
    touch(tmp_path, "sar/b.tif", "optical/b.png", "sar/a.png", "optical/a.TIF", "sar/notes.txt", "sar/.a.tif")
    assert found(tmp_path) == [("sar/a.png", "optical/a.TIF"), ("sar/b.tif", "optical/b.png")]


def test_of_a_folder_split_by_place_each_split_is_found(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        touch(tmp_path, f"{split}/sar/{split}.tif", f"{split}/optical/{split}.tif")
    for split in ("train", "val", "test"):
        assert found(tmp_path, split) == [(f"{split}/sar/{split}.tif", f"{split}/optical/{split}.tif")]
    assert found(tmp_path / "val") == [("sar/val.tif", "optical/val.tif")]


def test_images_of_two_halves_are_found_with_and_without_splits(tmp_path: Path) -> None:
    touch(tmp_path / "plain", "1.jpg", "2.png", "readme.md")
    touch(tmp_path / "split", "train/1.jpg", "val/2.jpg", "val/3.tif")
    assert found(tmp_path / "plain") == [("1.jpg", "1.jpg"), ("2.png", "2.png")]
    assert found(tmp_path / "split") == [("train/1.jpg", "train/1.jpg")]
    assert found(tmp_path / "split", "val") == [("val/2.jpg", "val/2.jpg"), ("val/3.tif", "val/3.tif")]


@pytest.mark.parametrize("name", ["sar/a.tif", "train/sar/a.tif", "a.png", "train/a.png"])
def test_a_folder_without_validation_tiles_has_none(tmp_path: Path, name: str) -> None:
    touch(tmp_path, name, name.replace("sar", "optical"))
    (tmp_path / "test").mkdir()
    assert len(found(tmp_path)) == 1
    assert found(tmp_path, "val") == []


def test_tiles_without_partner_are_all_listed(tmp_path: Path) -> None:
    touch(tmp_path, "sar/a.tif", "sar/b.tif", "optical/b.tif", "optical/c.png")
    tiles = find_tiles(tmp_path)
    assert (len(tiles.pairs), tiles.unpaired, tiles.count) == (1, 2, 3)
    assert [(fault.path.name, fault.text.partition(" with")[0]) for fault in tiles.faults] == [
        ("a.tif", "no partner, expected optical/a"),
        ("c.png", "no partner, expected sar/c"),
    ]


def test_two_tiles_of_one_stem_are_no_pair(tmp_path: Path) -> None:
    touch(tmp_path, "sar/a.tif", "sar/a.png", "optical/a.tif", "sar/b.tif", "optical/b.tif")
    tiles = find_tiles(tmp_path)
    assert [files.source.stem for files in tiles.pairs] == ["b"]
    assert [(fault.path.name, fault.text) for fault in tiles.faults] == [("a.tif", "a.png has the same stem")]


@pytest.mark.parametrize("sides", [(), ("sar",), ("sar", "optical")])
def test_a_folder_without_tiles_says_what_is_expected(tmp_path: Path, sides: tuple[str, ...]) -> None:
    for side in sides:
        (tmp_path / side).mkdir()
    with pytest.raises(PairsError, match="expected"):
        find_tiles(tmp_path)


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(PairsError, match="lost: no such folder, expected sar/NAME and optical/NAME, or images"):
        find_tiles(tmp_path / "lost")


@pytest.mark.parametrize("name", ["val/sar/a.tif", "val/a.png"])
def test_a_folder_without_training_tiles_says_what_it_has(tmp_path: Path, name: str) -> None:
    touch(tmp_path, name, name.replace("sar", "optical"))
    with pytest.raises(PairsError, match="no tiles to train on, only val, expected sar/NAME"):
        find_tiles(tmp_path)
