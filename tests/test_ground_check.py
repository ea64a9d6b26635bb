"""Validation on the ground of training is refused, whatever the grid, the file or the split that hides it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS

from sartranslate.backscatter.radiometry import IMAGE
from sartranslate.datasets.dataset import open_pairs
from sartranslate.datasets.ground_check import check_apart, ground_cells
from sartranslate.datasets.pair_check import PairOptions
from sartranslate.datasets.pairs import PairSet
from sartranslate.errors import PairsError
from sartranslate.rasters.raster import moved
from sartranslate.streaming.windows import Window
from tests.tile_files import noise, save_image, save_side_by_side, write, write_pair

SIZE = 100


def opened(*folders: Path, **options: Any) -> PairSet:
    return open_pairs(folders, options=PairOptions(**{"unit": "byte", **options}))


def tile(folder: Path, columns: int, name: str = "a.tif", seed: int = 0, **profile: Any) -> None:
    """A pair of 100 x 100 pixels, so many of them to the east."""
    sar, rgb = (noise(SIZE, SIZE, bands, seed).transpose(2, 0, 1) for bands in (1, 3))
    write_pair(folder, name, sar, rgb, columns, **profile)


@pytest.mark.parametrize("columns", [100, 300, -100])
def test_tiles_beside_each_other_are_apart(tmp_path: Path, columns: int) -> None:
    tile(tmp_path / "train", 0)
    tile(tmp_path / "val", columns, seed=1)
    check_apart(opened(tmp_path / "train"), opened(tmp_path / "val"))


@pytest.mark.parametrize("columns", [0, 50, 97, -97])
def test_overlapping_tiles_are_refused_with_two_names_and_the_count(tmp_path: Path, columns: int) -> None:
    tile(tmp_path / "train", 0)
    tile(tmp_path / "train", 300, "b.tif")
    tile(tmp_path / "val", columns, seed=1)
    tile(tmp_path / "val", 350, "z.tif", seed=2)
    with pytest.raises(
        PairsError, match=r"val/sar/a\.tif: .* of .*train/sar/a\.tif.* tiles like that: 2, expected none"
    ):
        check_apart(opened(tmp_path / "train"), opened(tmp_path / "val"))


def test_ground_is_compared_across_grids(tmp_path: Path) -> None:
    """The same place in the neighbouring zone, and one a degree to the south."""
    tile(tmp_path / "train", 0)
    train = opened(tmp_path / "train")
    for name, latitude, apart in (("here", 47.8496, False), ("south", 46.8, True)):
        place = {"crs": CRS.from_epsg(4326), "transform": Affine(1e-4, 0, 9.0, 0, -1e-4, latitude)}
        folder = tmp_path / name
        save_image(folder / "optical" / "a.png", noise(SIZE, SIZE, seed=1))
        tile(folder, 0, seed=1, **place)
        (folder / "optical" / "a.tif").unlink()
        if apart:
            check_apart(train, opened(folder))
        else:
            with pytest.raises(PairsError, match="tiles like that: 1"):
                check_apart(train, opened(folder))


def test_a_file_used_twice_is_refused_by_whatever_name(tmp_path: Path) -> None:
    save_side_by_side(tmp_path / "train" / "a.png", noise(16, 16), noise(16, 16, seed=1))
    (tmp_path / "val").mkdir()
    (tmp_path / "val" / "b.png").symlink_to(tmp_path / "train" / "a.png")
    with pytest.raises(PairsError, match=r"val/b\.png: .*train/a\.png.* tiles like that: 1"):
        check_apart(opened(tmp_path / "train", radiometry=IMAGE), opened(tmp_path / "val", radiometry=IMAGE))


def test_copies_are_known_by_their_pixels_and_other_pictures_are_not(tmp_path: Path) -> None:
    for side, bands in (("sar", 1), ("optical", 3)):
        picture = noise(16, 16, bands).squeeze()
        save_image(tmp_path / "train" / side / "a.png", picture)
        save_image(tmp_path / "val" / side / "b.tif", picture)
        save_image(tmp_path / "other" / side / "a.png", np.roll(picture, 1, axis=0))
    train = opened(tmp_path / "train")
    with pytest.raises(PairsError, match=r"val/sar/b\.tif: .*train/sar/a\.png"):
        check_apart(train, opened(tmp_path / "val"))
    check_apart(train, opened(tmp_path / "other"))


@pytest.mark.parametrize("side", ["sar", "optical"])
def test_one_side_alone_is_enough_to_know_a_place(tmp_path: Path, side: str) -> None:
    for split, seed in (("train", 0), ("val", 9)):
        save_image(tmp_path / split / "sar" / "a.png", noise(16, 16, 1, seed=0 if side == "sar" else seed).squeeze())
        save_image(tmp_path / split / "optical" / "a.png", noise(16, 16, 3, seed=0 if side == "optical" else seed))
    with pytest.raises(PairsError, match="tiles like that: 1"):
        check_apart(opened(tmp_path / "train"), opened(tmp_path / "val"))


def test_tiles_of_one_colour_tell_no_place(tmp_path: Path) -> None:
    for split, seed in (("train", 0), ("val", 9)):
        save_image(tmp_path / split / "sar" / "a.png", noise(16, 16, 1, seed=seed).squeeze())
        save_image(tmp_path / split / "optical" / "a.png", np.full((16, 16, 3), 40, np.uint8))
    check_apart(opened(tmp_path / "train"), opened(tmp_path / "val"))


def test_tiles_side_by_side_have_cells_of_their_own_and_those_that_overlap_share_some(tmp_path: Path) -> None:
    for number in range(6):
        tile(tmp_path / "beside", SIZE * number, f"{number}.tif", number)
        tile(tmp_path / "half", SIZE // 2 * number, f"{number}.tif", number)
        tile(tmp_path / "dates", 0, f"{number}.tif", number)
        save_image(tmp_path / "nowhere" / f"{number}.png", noise(SIZE, 2 * SIZE, 3, number))
    nowhere = opened(tmp_path / "nowhere", radiometry=IMAGE)
    beside, half, dates = (opened(tmp_path / name) for name in ("beside", "half", "dates"))
    found = [len(set(ground_cells(pairs.pairs))) for pairs in (beside, nowhere, half, dates)]
    assert found[:2] == [6, 6]
    assert 3 <= found[2] <= 4
    assert found[3] == 1


def test_cells_of_turned_grids_are_as_those_of_others(tmp_path: Path) -> None:
    turned = Affine(8.66, 5, 500_000, 5, -8.66, 5_200_000)
    for number in range(9):
        corner = moved(turned, Window(SIZE * (number // 3), SIZE * (number % 3), SIZE, SIZE))
        for side, bands in (("sar", 1), ("optical", 3)):
            values = noise(SIZE, SIZE, bands, number).transpose(2, 0, 1)
            write(tmp_path / side / f"{number}.tif", values, crs=CRS.from_epsg(32632), transform=corner)
    assert len(set(ground_cells(opened(tmp_path).pairs))) == 9


def test_an_empty_set_is_apart_from_any(tmp_path: Path) -> None:
    tile(tmp_path / "tiles", 0)
    train = opened(tmp_path / "tiles")
    check_apart(train, open_pairs([tmp_path / "tiles"], "val"))


def test_a_grid_that_lies_nowhere_is_compared_by_content(tmp_path: Path) -> None:
    """A local CRS has no longitudes and latitudes."""
    local = CRS.from_wkt('LOCAL_CS["site",UNIT["metre",1]]')
    for folder, seed in (("train", 0), ("val", 1)):
        tile(tmp_path / folder, 0, seed=seed, crs=local)
        shutil.rmtree(tmp_path / folder / "optical")
        save_image(tmp_path / folder / "optical" / "a.png", noise(SIZE, SIZE, seed=seed))
    check_apart(opened(tmp_path / "train"), opened(tmp_path / "val"))
