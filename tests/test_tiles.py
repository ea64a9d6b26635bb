"""Pairing of tiles: what is found, what is refused and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.crs import CRS

from sartranslate import tiles
from sartranslate.errors import PairsError, SceneError
from sartranslate.raster import quiet_georeference
from sartranslate.windows import Window

PLACE = {"crs": CRS.from_epsg(32632), "transform": Affine(10, 0, 0, 0, -10, 0)}
ONE = (("VH", "VV"),)
SAR = np.arange(12 * 10, dtype=np.uint16).reshape(1, 12, 10)
RGB = np.arange(3 * 12 * 10, dtype=np.uint16).astype(np.uint8).reshape(3, 12, 10)


def write(path: Path, values: np.ndarray, **profile: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    driver = "PNG" if path.suffix == ".png" else "GTiff"
    size = {"count": values.shape[0], "height": values.shape[1], "width": values.shape[2]}
    with quiet_georeference(), rasterio.open(path, "w", driver=driver, dtype=values.dtype, **size, **profile) as file:
        file.write(values)


def write_pair(folder: Path, name: str, sar: np.ndarray = SAR, rgb: np.ndarray = RGB, **profile: Any) -> None:
    write(folder / "sar" / name, sar, **{**PLACE, **profile})
    write(folder / "optical" / name, rgb, **PLACE)


def test_pairs_are_found_by_stem_across_formats(tmp_path: Path) -> None:
    write(tmp_path / "sar" / "b.tif", SAR.astype(np.float32))
    write(tmp_path / "optical" / "b.png", RGB)
    write(tmp_path / "sar" / "a.png", SAR.astype(np.uint8))
    write(tmp_path / "optical" / "a.TIF", RGB)
    (tmp_path / "sar" / "notes.txt").write_text("not a tile")
    found = tiles.find_pairs(tmp_path, ONE)
    assert [Path(pair.sar.path).name for pair in found] == ["a.png", "b.tif"]
    assert {(pair.height, pair.width) for pair in found} == {(12, 10)}


def test_both_sides_of_a_window_come_from_the_same_place(tmp_path: Path) -> None:
    write_pair(tmp_path, "a.tif", nodata=35)
    (pair,) = tiles.find_pairs(tmp_path, ONE)
    sar, rgb, mask = tiles.read_pair(pair, Window(3, 4, 2, 5))
    assert np.array_equal(sar[..., 0], SAR[0, 3:5, 4:9])
    assert np.array_equal(rgb, np.moveaxis(RGB[:, 3:5, 4:9], 0, -1))
    assert np.array_equal(mask, sar[..., 0] != 35)


def test_the_sample_holds_valid_values_only(tmp_path: Path) -> None:
    write_pair(tmp_path, "a.tif", nodata=0)
    write_pair(tmp_path, "b.tif", sar=SAR + 500)
    values = tiles.sample(tiles.find_pairs(tmp_path, ONE))
    assert values.shape == (239, 1)
    assert values.min() == 1


def test_a_tile_without_partner_is_named(tmp_path: Path) -> None:
    write_pair(tmp_path, "a.tif")
    write(tmp_path / "sar" / "lonely.tif", SAR, **PLACE)
    with pytest.raises(
        PairsError, match="1 of 2 tiles have no partner, the first one is sar/lonely, which optical/ lacks"
    ):
        tiles.find_pairs(tmp_path, ONE)


@pytest.mark.parametrize(
    ("sar", "rgb", "profile", "message"),
    [
        (SAR[:, :6], RGB, {}, r"12 x 10 pixels, its SAR tile 6 x 10"),
        (SAR, RGB[:1], {}, "1 bands of uint8, expected RGB uint8"),
        (SAR, RGB.astype(np.uint16), {}, "3 bands of uint16, expected RGB uint8"),
        (SAR, RGB, {"transform": Affine(10, 0, 10, 0, -10, 0)}, "lies on other ground"),
        (SAR, RGB, {"crs": CRS.from_epsg(32633)}, "lies on other ground"),
    ],
)
def test_a_pair_that_does_not_fit_is_refused(
    tmp_path: Path, sar: np.ndarray, rgb: np.ndarray, profile: dict[str, Any], message: str
) -> None:
    write_pair(tmp_path, "a.tif", sar, rgb, **profile)
    with pytest.raises(PairsError, match=message):
        tiles.find_pairs(tmp_path, ONE)


def test_bands_are_taken_by_name_as_in_inference(tmp_path: Path) -> None:
    write_pair(tmp_path, "a.tif", np.concatenate([SAR, SAR + 500]))
    with rasterio.open(tmp_path / "sar" / "a.tif", "r+") as file:
        file.descriptions = ("VH", "VV")
    (pair,) = tiles.find_pairs(tmp_path, (("VV",), ("VH",)))
    assert tiles.read_pair(pair, Window(0, 0, 1, 1))[0].tolist() == [[[500, 0]]]
    (pair,) = tiles.find_pairs(tmp_path, ONE)
    assert tiles.read_pair(pair, Window(0, 0, 1, 1))[0].tolist() == [[[0]]]


def test_a_tile_without_the_bands_of_the_model_is_refused(tmp_path: Path) -> None:
    write_pair(tmp_path, "a.tif", np.concatenate([SAR, SAR]))
    with pytest.raises(SceneError, match=r"a\.tif: 2 bands \(unnamed, unnamed\), the model expects 1 \(VH or VV\)"):
        tiles.find_pairs(tmp_path, ONE)


def test_a_mask_band_of_a_tile_is_respected(tmp_path: Path) -> None:
    write_pair(tmp_path, "a.tif")
    valid = np.ones((12, 10), bool)
    valid[2:5] = False
    with rasterio.open(tmp_path / "sar" / "a.tif", "r+") as file:
        file.write_mask(valid)
    (pair,) = tiles.find_pairs(tmp_path, ONE)
    assert np.array_equal(tiles.read_pair(pair, Window(0, 0, 12, 10))[2], valid)


def test_the_alpha_of_an_optical_tile_is_no_colour(tmp_path: Path) -> None:
    write(tmp_path / "sar" / "a.png", SAR.astype(np.uint8))
    write(tmp_path / "optical" / "a.png", np.concatenate([RGB, RGB[:1]]))
    (pair,) = tiles.find_pairs(tmp_path, ONE)
    assert tiles.read_pair(pair, Window(0, 0, 12, 10))[1].shape == (12, 10, 3)


def test_neighbouring_degrees_are_other_ground(tmp_path: Path) -> None:
    """One pixel of such a tile is about 1e-4 of its CRS' units."""
    place = {"crs": CRS.from_epsg(4326), "transform": Affine(1e-4, 0, 10, 0, -1e-4, 50)}
    write(tmp_path / "sar" / "a.tif", SAR, **place)
    write(tmp_path / "optical" / "a.tif", RGB, **{**place, "transform": Affine(1e-4, 0, 10.0001, 0, -1e-4, 50)})
    with pytest.raises(PairsError, match="lies on other ground"):
        tiles.find_pairs(tmp_path, ONE)


def test_two_tiles_of_one_stem_are_refused(tmp_path: Path) -> None:
    write_pair(tmp_path, "a.tif")
    write(tmp_path / "sar" / "a.png", SAR.astype(np.uint8))
    with pytest.raises(PairsError, match="same stem"):
        tiles.find_pairs(tmp_path, ONE)


@pytest.mark.parametrize("sides", [(), ("sar",), ("sar", "optical")])
def test_a_folder_without_tiles_says_what_is_expected(tmp_path: Path, sides: tuple[str, ...]) -> None:
    for side in sides:
        (tmp_path / side).mkdir()
    with pytest.raises(PairsError, match="expected"):
        tiles.find_pairs(tmp_path, ONE)


def test_a_file_that_is_no_raster_is_named(tmp_path: Path) -> None:
    write_pair(tmp_path, "a.tif")
    (tmp_path / "sar" / "a.tif").write_text("hello")
    with pytest.raises(SceneError, match=r"a\.tif: can not be read"):
        tiles.find_pairs(tmp_path, ONE)


def test_of_a_folder_split_by_place_the_training_tiles_are_found(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        write_pair(tmp_path / split, f"{split}.tif")
    for place in (tmp_path, tmp_path / "train"):
        assert [Path(pair.sar.path).name for pair in tiles.find_pairs(place, ONE)] == ["train.tif"]
    assert [Path(pair.sar.path).name for pair in tiles.find_pairs(tmp_path / "val", ONE)] == ["val.tif"]


def test_zeros_of_a_tile_with_a_mask_are_measured(tmp_path: Path) -> None:
    sar = SAR.astype(np.float32)
    sar[0, :6, :6] = 0
    write_pair(tmp_path, "a.tif", sar)
    (pair,) = tiles.find_pairs(tmp_path, ONE)
    assert tiles.read_pair(pair, Window(0, 0, 12, 10))[2].sum() == 12 * 10 - 6 * 6
    with rasterio.open(tmp_path / "sar" / "a.tif", "r+") as file:
        file.write_mask(np.ones((12, 10), bool))
    (pair,) = tiles.find_pairs(tmp_path, ONE)
    assert tiles.read_pair(pair, Window(0, 0, 12, 10))[2].all()


@pytest.mark.parametrize("rule", ["mask", "alpha", "nodata"])
def test_a_pair_is_valid_where_both_sides_are(tmp_path: Path, rule: str) -> None:
    seen = np.ones((12, 10), bool)
    seen[:4] = False
    rgb, profile = np.where(seen, RGB | 1, 0), {"nodata": 0} if rule == "nodata" else {}
    if rule == "alpha":
        rgb, profile = np.concatenate([rgb, seen[None] * np.uint8(255)]), {"photometric": "RGB", "alpha": "YES"}
    write(tmp_path / "sar" / "a.tif", np.where(np.arange(10) < 2, 0, SAR + 1), **PLACE, nodata=0)
    write(tmp_path / "optical" / "a.tif", rgb.astype(np.uint8), **PLACE, **profile)
    if rule == "mask":
        with rasterio.open(tmp_path / "optical" / "a.tif", "r+") as dataset:
            dataset.write_mask(seen)
    (pair,) = tiles.find_pairs(tmp_path, ONE)
    mask = tiles.read_pair(pair, Window(0, 0, 12, 10))[2]
    assert np.array_equal(mask, seen & (np.arange(10) >= 2))


def test_a_folder_without_training_tiles_says_what_it_has(tmp_path: Path) -> None:
    write_pair(tmp_path / "val", "b.tif")
    with pytest.raises(PairsError, match="no such folder, only val, expected tiles in it"):
        tiles.find_pairs(tmp_path, ONE)
