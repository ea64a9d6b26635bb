"""Pairs: where they lie, what they hold, what is dropped, and that a folder is never left half-written."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from affine import Affine
from click.testing import Result
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS

from sartranslate.backscatter.radiometry import Radiometry
from sartranslate.datasets import pairing
from sartranslate.datasets.coregistration import CLEAR
from sartranslate.datasets.cutting import CuttingOptions
from sartranslate.datasets.dataset import open_pairs
from sartranslate.datasets.pair_check import PairOptions
from sartranslate.datasets.pairing import PairingOptions, make_pairs
from sartranslate.datasets.split import SPLITS, PlaceSplit
from sartranslate.datasets.tile_index import TileRecord, read_index, write_index
from sartranslate.datasets.tiles import INDEX_NAME, find_tiles
from sartranslate.errors import OptionError, OutputError, PairsError, SceneError
from sartranslate.infer.planning import InferenceOptions, plan
from sartranslate.rasters.raster import moved
from sartranslate.scenes.optical import OpticalOptions
from sartranslate.scenes.reader import scene_reader
from sartranslate.scenes.scene import open_scene
from sartranslate.scenes.source import SceneOptions
from sartranslate.simulate.simulation import SimulationOptions, simulate
from sartranslate.streaming.windows import Window
from tests.conftest import TRANSFORM, UTM, WriteScene

ALL_TRAIN = PlaceSplit(shares=(1, 0, 0))
BLOCKS = PlaceSplit(seed=1, block=400, guard=40, shares=(0.5, 0.25, 0.25))
Run = Callable[..., Result]
Contents = dict[str, bytes]


def speckle(height: int = 96, width: int = 128, bands: int = 1, seed: int = 5) -> NDArray[np.float32]:
    """Power that neither the scaling nor the dropping objects to."""
    rng = np.random.default_rng(seed)
    ground = np.repeat(np.repeat(10 ** rng.uniform(-2.5, -0.5, (height // 8 + 1, width // 8 + 1, 1)), 8, 0), 8, 1)
    return (ground[:height, :width] * rng.gamma(4.4, 1 / 4.4, (height, width, bands))).astype(np.float32)


def colours(height: int = 96, width: int = 128, seed: int = 6) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(1, 200, (height, width, 3), dtype=np.uint8)


def options(tile: int = 32, split: PlaceSplit = ALL_TRAIN, **cutting: Any) -> PairingOptions:
    return PairingOptions(CuttingOptions(tile, split=split, **cutting))


def contents(folder: Path) -> Contents:
    """Every file and folder below, hidden ones included."""
    return {
        str(path.relative_to(folder)): b"" if path.is_dir() else path.read_bytes() for path in sorted(folder.rglob("*"))
    }


def records(folder: Path) -> list[TileRecord]:
    return read_index(folder / INDEX_NAME)


def sides(folder: Path, record: TileRecord) -> tuple[Path, Path]:
    sar, optical = (folder / record.split / side / f"{record.name}.tif" for side in ("sar", "optical"))
    return sar, optical


@pytest.fixture
def sar(write_scene: WriteScene) -> Path:
    return write_scene("scene.tif", speckle(), ("VH",))


@pytest.fixture
def optical(write_scene: WriteScene) -> Path:
    return write_scene("optical.tif", colours())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "pairs"


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A SAR scene with ground to recognise, and what it looks like."""
    report = simulate(tmp_path_factory.mktemp("sim"), SimulationOptions(pairs=0, scene=(128, 256), truth=True))
    assert report.scene
    assert report.truth
    return report.scene, report.truth


# What tiles hold, and where they lie.


def test_tiles_are_the_scenes_pixels_on_the_scenes_ground(write_scene: WriteScene, optical: Path, folder: Path) -> None:
    values = speckle(bands=2)
    sar = write_scene("two.tif", values, ("VV", "VH"))
    make_pairs(sar, optical, folder, options(stride=45))
    assert len(records(folder)) == 2 * 3
    for record in records(folder):
        window = Window(record.row_off, record.col_off, record.height, record.width)
        expected = {"crs": UTM, "transform": moved(TRANSFORM, window), "size": (32, 32)}
        for path, image in zip(sides(folder, record), (values, colours()), strict=True):
            with rasterio.open(path) as tile:
                assert {"crs": tile.crs, "transform": tile.transform, "size": tile.shape} == expected
                assert np.array_equal(np.moveaxis(tile.read(), 0, -1), image[window.rows, window.cols])
                assert tile.dtypes[0] == image.dtype.name
                assert tile.descriptions == (("VV", "VH") if image is values else (None,) * 3)


def test_the_index_shows_each_tile_on_its_ground_and_opens_as_a_vector_layer(
    sar: Path, optical: Path, folder: Path
) -> None:
    make_pairs(sar, optical, folder, options())
    meta, _, shapes, columns = pyogrio.raw.read(folder / INDEX_NAME, layer="tiles")
    rows = dict(zip(meta["fields"], columns, strict=True))
    assert meta["crs"] == "EPSG:4326"
    assert set(rows) >= {"name", "split", "scene", "optical", "valid_share", "shift_rows", "seed", "scaling"}
    assert len(shapes) == len(list(folder.glob("train/sar/*.tif"))) == 12
    to_utm = Transformer.from_crs("EPSG:4326", UTM.to_wkt(), always_xy=True)
    for name, shape in zip(rows["name"], shapely.from_wkb(shapes), strict=True):
        with rasterio.open(folder / "train" / "sar" / f"{name}.tif") as tile:
            ground = shapely.transform(shape, lambda places: np.stack(to_utm.transform(*places.T), axis=-1))
            assert shapely.symmetric_difference(ground, shapely.box(*tile.bounds)).area < 1  # m2, of 102400


def test_an_optical_image_of_other_crs_and_pixels_lands_on_the_sar_pixels_of_a_scene_placed_by_control_points(
    write_scene: WriteScene, folder: Path
) -> None:
    """Both sides tell the easting they show; the scene has no transform but points in degrees."""
    to_degrees = Transformer.from_crs(UTM.to_wkt(), "EPSG:4326", always_xy=True)
    turned = Affine(9.8, 2, 500_000, 2, -9.8, 5_300_000)  # the scene's own pixels, slanted on the map
    places = [(row, col) for row in range(0, 121, 30) for col in range(0, 161, 40)]
    points = []
    for row, col in places:
        x, y = turned.c + turned.a * col + turned.b * row, turned.f + turned.d * col + turned.e * row
        points.append(GroundControlPoint(row, col, *to_degrees.transform(x, y)))
    rows, cols = np.mgrid[:120, :160] + 0.5
    easting = (turned.a * cols + turned.b * rows)[..., None]
    bare = {"transform": Affine.identity(), "crs": CRS.from_epsg(4326)}
    sar = write_scene("bare.tif", (easting + 1).astype(np.float32), gcps=points, **bare)
    west, north = to_degrees.transform(499_500, 5_300_800)
    lons, lats = np.meshgrid(west + 1e-4 * (np.arange(400) + 0.5), north - 7e-5 * (np.arange(400) + 0.5))
    x, _ = to_degrees.transform(lons, lats, direction="INVERSE")
    shown = np.repeat((x - 500_000)[..., None], 3, axis=-1).astype(np.float32)
    place = {"crs": CRS.from_epsg(4326), "transform": Affine(1e-4, 0, west, 0, -7e-5, north)}
    optical = write_scene("degrees.tif", shown, **place)
    make_pairs(sar, optical, folder, replace(options(), optical=OpticalOptions(stretch=(0, 2550)), unit="power"))
    assert len(records(folder)) > 6
    for record in records(folder):
        with rasterio.open(sides(folder, record)[0]) as tile, rasterio.open(sides(folder, record)[1]) as image:
            known = tile.read_masks(1) > 0
            expected = (tile.transform.c - 500_000 + tile.transform.a * (np.arange(32) + 0.5))[None] * np.ones((32, 1))
            assert abs(tile.read(1) - 1 - expected)[known].max() < 5  # metres: half a pixel
            assert abs(image.read(1) * 10.0 - expected).max() < 5 + 5  # and the rounding of bytes


def test_holes_of_the_scene_stay_holes_of_its_tiles_and_measured_zeros_stay_valid(
    write_scene: WriteScene, optical: Path, folder: Path
) -> None:
    values, valid = speckle(), np.ones((96, 128), bool)
    valid[20:30, 50:60] = False
    values[70:80, 70:80] = 0  # measured, since a nodata value is declared
    sar = write_scene("holes.tif", np.where(valid[..., None], values, np.float32(-9999)), nodata=-9999)
    make_pairs(sar, optical, folder, options(max_nodata=0.2))
    for record in records(folder):
        window = Window(record.row_off, record.col_off, record.height, record.width)
        scene = open_scene(sides(folder, record)[0], None)
        with scene_reader(scene) as reader:
            found, mask = reader.read(Window(0, 0, 32, 32))
        expected = valid[window.rows, window.cols]
        assert np.array_equal(mask, expected)
        assert np.array_equal(found[mask], values[window.rows, window.cols][mask])
        assert record.valid_share == pytest.approx(expected.mean())


def test_a_scene_of_a_file_for_each_polarisation_gives_tiles_with_both(
    write_scene: WriteScene, optical: Path, folder: Path, sartranslate: Run
) -> None:
    values = speckle(bands=2)
    files = [write_scene(f"{name}.tif", values[..., [channel]]) for channel, name in enumerate(("VV", "VH"))]
    bands = ("--band", f"VV={files[0]}", "--band", f"VH={files[1]}")
    result = sartranslate("pairs", *bands, optical, folder, "--tile", 48, "--shares", 1, 0, 0, "-q")
    assert (result.exit_code, result.output) == (0, "")
    record = records(folder)[-1]
    with rasterio.open(sides(folder, record)[0]) as tile:
        assert tile.descriptions == ("VV", "VH")
        window = Window(record.row_off, record.col_off, 48, 48)
        assert np.array_equal(np.moveaxis(tile.read(), 0, -1), values[window.rows, window.cols])


def test_a_tile_as_large_as_the_scene_is_the_scene(sar: Path, write_scene: WriteScene, folder: Path) -> None:
    square = write_scene("square.tif", speckle(40, 40))
    summary = make_pairs(square, write_scene("o.tif", colours(40, 40)), folder, options(tile=40, stride=1))
    assert summary.tiles == {"train": 1, "val": 0, "test": 0}


# Repeatable, and split by place.


def test_the_same_command_gives_the_same_bytes_of_every_file(sar: Path, optical: Path, tmp_path: Path) -> None:
    for name in ("one", "other"):
        make_pairs(sar, optical, tmp_path / name, options(16, BLOCKS, stride=20))
    one, other = contents(tmp_path / "one"), contents(tmp_path / "other")
    assert one == other
    assert sum(name.endswith(".tif") for name in one) == 2 * len(records(tmp_path / "one")) > 2


def test_another_seed_gives_another_split(sar: Path, optical: Path, tmp_path: Path) -> None:
    found = set()
    for seed in (1, 2):
        make_pairs(sar, optical, tmp_path / str(seed), options(16, replace(BLOCKS, seed=seed), stride=20))
        found.add(frozenset((record.name, record.split) for record in records(tmp_path / str(seed))))
    assert len(found) == 2


def test_tiles_of_different_splits_lie_the_guard_apart_across_overlapping_scenes(
    sar: Path, optical: Path, write_scene: WriteScene, folder: Path
) -> None:
    make_pairs(sar, optical, folder, options(16, BLOCKS))
    for number, (down, right) in enumerate([(-31, 45), (11, -77)]):
        place = {"transform": moved(TRANSFORM, Window(down, right, 96, 128))}
        files = [write_scene(f"{side}{number}.tif", make(), **place) for side, make in SIDES.items()]
        make_pairs(*files, folder, options(16, BLOCKS))
    tiles: dict[str, list[Any]] = {split: [] for split in SPLITS}
    for record in records(folder):
        with rasterio.open(sides(folder, record)[0]) as tile:
            tiles[record.split].append(shapely.box(*tile.bounds))
    grounds = [shapely.union_all(tiles[split]) for split in SPLITS]
    assert all(not ground.is_empty for ground in grounds)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert grounds[one].distance(grounds[other]) >= BLOCKS.guard * 0.998  # the map is not quite the ground
    assert {record.scene for record in records(folder)} == {"scene", "sar0", "sar1"}


SIDES: dict[str, Callable[[], NDArray[Any]]] = {"sar": speckle, "optical": colours}


@pytest.mark.parametrize(
    "changed",
    [{"seed": 2}, {"block": 401.0}, {"guard": 41.0}, {"shares": (0.5, 0.3, 0.2)}],
    ids=lambda c: next(iter(c)),
)
def test_a_folder_split_otherwise_is_refused_before_anything_is_written(
    sar: Path, optical: Path, folder: Path, changed: dict[str, Any]
) -> None:
    make_pairs(sar, optical, folder, options(16, BLOCKS, stride=40))
    before = contents(folder)
    other = replace(options(16, replace(BLOCKS, **changed)), name="other")
    with pytest.raises(OptionError, match=r"index\.gpkg: split with seed 1, blocks of 400 m, .* expected the same"):
        make_pairs(sar, optical, folder, other)
    assert contents(folder) == before


def test_overwrite_replaces_the_scenes_tiles_and_leaves_the_others(
    sar: Path, optical: Path, write_scene: WriteScene, folder: Path
) -> None:
    make_pairs(sar, optical, folder, options(tile=48))
    others = contents(folder)
    make_pairs(write_scene("second.tif", speckle(seed=9)), optical, folder, options(tile=48))
    with pytest.raises(OutputError, match=r"tiles of second are there already; --overwrite"):
        make_pairs(folder.parent / "second.tif", optical, folder, options(tile=48))
    write_scene("second.tif", speckle(seed=10))
    make_pairs(folder.parent / "second.tif", optical, folder, replace(options(tile=40), overwrite=True))
    after = contents(folder)
    kept = {name: data for name, data in others.items() if name.endswith(".tif")}
    assert kept.items() <= after.items()
    second = [record for record in records(folder) if record.scene == "second"]
    assert [record.height for record in second] == [40] * 6
    assert sum(name.endswith(".tif") for name in after) == len(kept) + 2 * 6
    with rasterio.open(sides(folder, second[0])[0]) as tile:
        assert np.array_equal(tile.read(1), speckle(seed=10)[:40, :40, 0])


# Nothing half-written.


def cut_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size * 3 // 4)


def test_an_error_while_reading_leaves_the_folder_as_it_was(
    sar: Path, optical: Path, write_scene: WriteScene, folder: Path
) -> None:
    make_pairs(sar, optical, folder, options(tile=48))
    before = contents(folder)
    broken = write_scene("broken.tif", colours(), tiled=True, blockxsize=16, blockysize=16)
    cut_short(broken)
    for name, overwrite in (("scene", True), ("new", False)):
        with pytest.raises(SceneError, match=r"broken\.tif: can not be read"):
            make_pairs(sar, broken, folder, replace(options(tile=48), name=name, overwrite=overwrite))
        assert contents(folder) == before


def test_a_new_folder_goes_with_the_error_and_its_new_parents_too(
    sar: Path, write_scene: WriteScene, tmp_path: Path
) -> None:
    broken = write_scene("broken.tif", colours(), tiled=True, blockxsize=16, blockysize=16)
    cut_short(broken)
    before = contents(tmp_path)
    with pytest.raises(SceneError, match="can not be read"):
        make_pairs(sar, broken, tmp_path / "new" / "er", options())
    assert contents(tmp_path) == before


def test_an_interrupt_in_the_middle_leaves_nothing(sar: Path, optical: Path, tmp_path: Path) -> None:
    before = contents(tmp_path)
    seen = []

    def interrupt(done: int, planned: int) -> None:
        seen.append((done, len(list((tmp_path / "new").rglob("*.tif")))))
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_pairs(sar, optical, tmp_path / "new", options(), interrupt)
    assert seen[-1] == (5, 10)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("blocked", ["train/optical", "val"])
def test_a_place_that_can_not_be_written_leaves_the_tiles_of_the_earlier_run(
    sar: Path, optical: Path, write_scene: WriteScene, folder: Path, blocked: str
) -> None:
    make_pairs(sar, optical, folder, options(16, BLOCKS, stride=20))
    for path in sorted((folder / blocked).rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    (folder / blocked).rmdir()
    (folder / blocked).write_text("in the way")
    before = contents(folder)
    with pytest.raises(OutputError, match="can not be written"):
        make_pairs(sar, optical, folder, replace(options(16, BLOCKS, stride=20), overwrite=True))
    assert contents(folder) == before


def test_a_file_that_the_index_does_not_know_is_not_replaced(sar: Path, optical: Path, folder: Path) -> None:
    stranger = folder / "train" / "sar" / "scene_00032_00064.tif"
    stranger.parent.mkdir(parents=True)
    stranger.write_text("mine")
    before = contents(folder)
    with pytest.raises(OutputError, match=r"scene_00032_00064\.tif: is not in the index, expected no such file"):
        make_pairs(sar, optical, folder, options())
    assert contents(folder) == before


def test_a_folder_whose_index_breaks_the_rule_fails_the_audit_loudly(
    sar: Path, optical: Path, write_scene: WriteScene, folder: Path, sartranslate: Run
) -> None:
    make_pairs(sar, optical, folder, options(tile=48))
    first, *_ = records(folder)
    write_index(folder / INDEX_NAME, [replace(first, name="foreign", scene="foreign", split="test")])
    before = contents(folder)
    with pytest.raises(PairsError, match=r"foreign \(test\).* overlap, expected at least 500 m between different"):
        make_pairs(sar, optical, folder, replace(options(tile=48), name="again"))
    arguments = ("pairs", sar, optical, folder, "--tile", 48, "--shares", 1, 0, 0, "--name", "again")
    result = sartranslate(*arguments)
    assert result.exit_code == 1
    assert len(result.output.strip().splitlines()[-1:]) == 1
    assert "overlap, expected at least" in result.output
    assert contents(folder) == before


# What is dropped, and why.


def test_tiles_with_too_little_data_on_either_side_are_dropped(write_scene: WriteScene, folder: Path) -> None:
    values, rgb = speckle(64, 64), colours(64, 64)
    values[:10, :32] = np.nan
    rgb[:4, 32:], rgb[32:, :10] = 0, 0
    files = write_scene("s.tif", values, nodata=np.nan), write_scene("o.tif", rgb, nodata=0)
    summary = make_pairs(*files, folder, options(max_nodata=0.2))
    assert summary.dropped == {"nodata": 2}
    assert [(record.row_off, record.col_off) for record in records(folder)] == [(0, 32), (32, 32)]
    assert records(folder)[0].valid_share == pytest.approx(1 - 4 / 32)


def test_the_holes_of_both_sides_count_together(write_scene: WriteScene, folder: Path) -> None:
    values, rgb = speckle(32, 64), colours(32, 64)
    values[:4], rgb[-4:] = np.nan, 0  # an eighth of the left tile each, and of the right one together
    values[-4:, 32:] = np.nan
    values[:4, 32:] = 0.1
    files = write_scene("s.tif", values, nodata=np.nan), write_scene("o.tif", rgb, nodata=0)
    summary = make_pairs(*files, folder, options(max_nodata=0.2))
    assert (summary.tiles["train"], summary.dropped) == (1, {"nodata": 1})
    assert records(folder)[0].col_off == 32


def test_clouds_are_dropped_and_white_roofs_are_not(write_scene: WriteScene, folder: Path) -> None:
    rgb = colours(64, 64)
    rgb[2:18, 2:18] = 250  # a cloud, a quarter of the first tile
    for row in range(0, 30, 10):
        rgb[row : row + 8, 33:62] = 250  # roofs, more than half of the second
    rgb[34:50, 2:18] = (250, 250, 150)  # bright, and not white
    files = write_scene("s.tif", speckle(64, 64)), write_scene("o.tif", rgb)
    summary = make_pairs(*files, folder, options())
    assert summary.dropped == {"white": 1}
    assert {(record.row_off, record.col_off): record.white_share for record in records(folder)} == {
        (0, 32): 0,
        (32, 0): 0,
        (32, 32): 0,
    }
    make_pairs(*files, folder, replace(options(max_white=0.3), overwrite=True))
    assert records(folder)[0].white_share == pytest.approx(16 * 16 / 32**2)


def test_tiles_that_show_nothing_on_either_side_are_dropped(write_scene: WriteScene, folder: Path) -> None:
    values, rgb = speckle(64, 64), colours(64, 64)
    values[:32, :32] = 0.02
    rgb[32:, 32:] = (10, 20, 30)
    files = write_scene("s.tif", values), write_scene("o.tif", rgb)
    assert make_pairs(*files, folder, options()).dropped == {"empty": 2}


@pytest.fixture
def off(simulated: tuple[Path, Path], tmp_path: Path) -> Path:
    """What the scene looks like, laid 2 pixels too far up and 3 too far right."""
    with rasterio.open(simulated[1]) as truth:
        profile, pixels = truth.profile, truth.read()
    profile["transform"] = moved(profile["transform"], Window(-2, 3, 1, 1))
    with rasterio.open(tmp_path / "off.tif", "w", **profile) as image:
        image.write(pixels)
    return tmp_path / "off.tif"


def test_a_known_shift_is_found_and_written_to_the_index(simulated: tuple[Path, Path], off: Path, folder: Path) -> None:
    made = options(tile=120, check_shift=True)
    make_pairs(simulated[0], off, folder, made)
    for record in records(folder):
        assert (record.shift_rows, record.shift_cols) == pytest.approx((2, -3), abs=0.5)
        assert record.shift_clarity is not None
        assert record.shift_clarity > CLEAR
    make_pairs(simulated[0], simulated[1], folder, replace(made, name="a_right_one"))
    record, *others = records(folder)
    assert len(others) == 3
    assert (record.shift_rows, record.shift_cols) == pytest.approx((0, 0), abs=0.5)


def test_tiles_shifted_by_more_than_the_threshold_are_dropped(
    simulated: tuple[Path, Path], off: Path, folder: Path
) -> None:
    assert make_pairs(simulated[0], off, folder, options(tile=120, max_shift=5)).tiles["train"] == 2
    with pytest.raises(PairsError, match=r"no tile of strict is left: 2 shifted"):
        make_pairs(simulated[0], off, folder, replace(options(tile=120, max_shift=2.5), name="strict"))


def test_without_the_check_the_index_has_no_shift(sar: Path, optical: Path, folder: Path) -> None:
    make_pairs(sar, optical, folder, options(tile=48))
    assert {record.shift_clarity for record in records(folder)} == {None}


# Tiles are scaled as their scene is at inference.


@pytest.mark.parametrize(
    ("bands", "unit"),
    [((("VH", "VV"),), None), ((("VV",),), None), ((("VV",), ("VH",)), None), ((("VH",), ("VV",)), "amplitude")],
)
def test_tiles_of_two_scenes_are_scaled_like_their_scenes_at_inference(
    write_scene: WriteScene, optical: Path, folder: Path, bands: tuple[tuple[str, ...], ...], unit: str | None
) -> None:
    values = speckle(bands=2) * np.array([1, 0.2], np.float32)
    dim = speckle(bands=2, seed=8)
    dim[:, :64] *= 0.001  # half of it; its tiles alone would be scaled otherwise
    dim[::3, ::3, 1] = 0  # as subtracted noise leaves single pixels
    scenes = [write_scene("bright.tif", values, ("VV", "VH")), write_scene("dim.tif", dim, ("VV", "VH"))]
    radiometry = Radiometry(bands=bands)
    for scene in scenes:
        make_pairs(scene, optical, folder, replace(options(tile=48), unit=unit))
    pairs = open_pairs([folder], options=PairOptions(radiometry)).pairs
    inferred = {
        scene.stem: plan(scene, folder.parent / "out.tif", radiometry, InferenceOptions(unit=unit)) for scene in scenes
    }
    assert len({pair.scaling for pair in pairs}) == 2
    for pair in pairs:
        assert pair.scaling == inferred[pair.source.path.name.partition("_")[0]].scaling


def test_the_scenes_statistics_are_in_the_tiles_and_in_the_index(sar: Path, optical: Path, folder: Path) -> None:
    make_pairs(sar, optical, folder, options(tile=48))
    for record in records(folder):
        with rasterio.open(sides(folder, record)[0]) as tile:
            assert tile.tags()["SARTRANSLATE_SCENE"] == record.scaling
    assert json.loads(records(folder)[0].scaling)["unit"] == "power"


def test_training_takes_the_folder_and_its_training_tiles_only(sar: Path, optical: Path, folder: Path) -> None:
    make_pairs(sar, optical, folder, options(16, BLOCKS, stride=20))
    names = sorted(record.name for record in records(folder) if record.split == "train")
    for place in (folder, folder / "train"):
        assert [pair.source.stem for pair in find_tiles(place).pairs] == names
    assert 0 < len(names) < len(records(folder))


# Bad input.


def test_images_of_other_ground_are_refused_with_where_both_lie(
    sar: Path, write_scene: WriteScene, folder: Path
) -> None:
    far = write_scene("far.tif", colours(), transform=Affine(10, 0, 600_000, 0, -10, 5_300_000))
    with pytest.raises(SceneError, match=r"do not overlap: .*scene\.tif covers 9\.000.* E, .*far\.tif covers 10\.33"):
        make_pairs(sar, far, folder, options())
    assert not folder.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sar", "sar", "new"), "scene.tif: 1 band, expected red, green and blue; choose with --rgb"),
        (("sar", "none.tif", "new"), "none.tif: can not be read: No such file or directory"),
        (("none.tif", "optical", "new"), "none.tif: can not be read: No such file or directory"),
        (("sar", "optical", "sar"), "scene.tif: is a file, expected a folder"),
        (("sar", "optical", "sar/new", "--tile", "32"), "scene.tif/new: can not be written"),
        (("sar", "optical", "new", "--tile", "97"), "96 x 128 pixels, expected at least a tile of 97 x 97"),
        (("sar", "optical", "new", "--tile", "0"), "tile 0, stride None: expected at least 1 pixel"),
        (("sar", "optical", "new", "--stride", "0"), "stride 0: expected at least 1 pixel"),
        (("sar", "optical", "new", "--tile", "8", "--check-shift"), "tile 8: expected at least 14 pixels to measure"),
        (("sar", "optical", "new", "--max-shift", "99"), "max shift 99.0: expected above 0 to 12 pixels"),
        (("sar", "optical", "new", "--max-nodata", "nan"), "max_nodata nan: expected a share from 0 to 1"),
        (("sar", "optical", "new", "--max-white", "2"), "max_white 2.0: expected a share from 0 to 1"),
        (("sar", "optical", "new", "--white", "256"), "white 256: expected 0 to 255"),
        (("sar", "optical", "new", "--rgb", "1,2"), "expected three band numbers, such as 4,3,2"),
        (("sar", "optical", "new", "--rgb", "1,2,4"), "optical.tif: bands 1, 2, 4 of 3 told, expected three for RGB"),
        (("sar", "optical", "new", "--stretch", "5", "5"), "stretch 5.0 to 5.0: expected low < high"),
        (("sar", "optical", "new", "--shares", "1", "1", "0"), "their sum is 2, expected 1"),
        (("sar", "optical", "new", "--guard", "20000"), "guard 20000.0: expected 0 to less than the block"),
        (("sar", "optical", "new", "--name", "../evil"), "name '../evil': expected letters, digits"),
        (("sar", "optical", "new", "--name", ".hidden"), "name '.hidden': expected letters, digits"),
        (("sar", "optical", "new", "--name", ""), "name '': expected letters, digits"),
        (("sar", "optical"), "2 arguments, expected SAR OPTICAL DIR, or --band"),
    ],
)
def test_bad_input_is_one_clear_line_and_nothing_is_written(
    sar: Path, optical: Path, tmp_path: Path, sartranslate: Run, arguments: tuple[str, ...], message: str
) -> None:
    before = contents(tmp_path)
    known = {"sar": str(sar), "optical": str(optical), "new": str(tmp_path / "new"), "sar/new": f"{sar}/new"}
    result = sartranslate("pairs", *(known.get(text, text) for text in arguments))
    assert result.exit_code in (1, 2)
    assert message in result.output.splitlines()[-1]
    assert isinstance(result.exception, SystemExit)
    assert contents(tmp_path) == before


def test_a_scene_without_georeference_is_refused_even_where_allowed(
    optical: Path, write_scene: WriteScene, folder: Path
) -> None:
    sar = write_scene("nowhere.tif", speckle(), crs=None, transform=Affine.identity())
    allowed = replace(options(), scene=SceneOptions(allow_ungeoreferenced=True))
    with pytest.raises(SceneError, match=r"nowhere\.tif: no georeference"):
        make_pairs(sar, optical, folder, options())
    with pytest.raises(SceneError, match=r"nowhere\.tif: no CRS, expected one that says where the scene lies"):
        make_pairs(sar, optical, folder, allowed)
    assert not folder.exists()


def test_an_index_with_edits_of_another_program_that_are_not_in_it_yet_is_refused(
    sar: Path, optical: Path, folder: Path
) -> None:
    make_pairs(sar, optical, folder, options())
    with closing(sqlite3.connect(folder / INDEX_NAME)) as database:  # as QGIS keeps a layer that is being edited
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE notes (text)")
        before = contents(folder)
        with pytest.raises(OutputError, match="is being edited in another program"):
            make_pairs(sar, optical, folder, replace(options(), name="second"))
        assert contents(folder) == before
    make_pairs(sar, optical, folder, replace(options(), name="second"))


def test_a_scene_with_a_name_too_long_for_an_index_is_refused_before_any_work(
    write_scene: WriteScene, optical: Path, folder: Path
) -> None:
    long = write_scene(f"{'x' * 151}.tif", speckle())
    with pytest.raises(OptionError, match="151 characters, expected at most 150; --name tells another"):
        make_pairs(long, optical, folder, options())
    assert not folder.exists()
    make_pairs(long, optical, folder, replace(options(), name="x" * 150))
    make_pairs(long, optical, folder, replace(options(), name="y"))


def test_a_broken_index_is_refused_and_kept(sar: Path, optical: Path, folder: Path) -> None:
    folder.mkdir()
    (folder / INDEX_NAME).write_text("hello")
    with pytest.raises(PairsError, match=r"index\.gpkg: can not be read as an index of tiles"):
        make_pairs(sar, optical, folder, options())
    assert contents(folder) == {INDEX_NAME: b"hello"}


@pytest.mark.parametrize("name", ["../../../victim", "../../victim", "{}/victim", "..\\victim", ".", "..", ""])
def test_an_index_that_names_files_elsewhere_is_refused_and_they_stay(
    sar: Path, optical: Path, folder: Path, tmp_path: Path, name: str
) -> None:
    make_pairs(sar, optical, folder, options(tile=48))
    victims = [tmp_path / "victim.tif", folder / "victim.tif", folder / "train" / "victim.tif"]
    for victim in victims:
        victim.write_bytes(b"kept")
    write_index(folder / INDEX_NAME, [replace(records(folder)[0], name=name.format(tmp_path))])
    before = contents(tmp_path)
    with pytest.raises(PairsError, match=r"index\.gpkg: tile '.*': expected a name of letters, digits"):
        make_pairs(sar, optical, folder, replace(options(tile=48), overwrite=True))
    assert contents(tmp_path) == before


# The command line.


def test_the_command_says_what_it_cut_and_dropped(sar: Path, optical: Path, folder: Path, sartranslate: Run) -> None:
    split = ("--stride", 20, "--block", 400, "--guard", 40, "--seed", 1, "--shares", 0.5, 0.25, 0.25)
    result = sartranslate("pairs", sar, optical, folder, "--tile", 16, *split, "--json")
    summary = json.loads(result.stdout)
    assert summary["tiles"] == {split: len(list(folder.glob(f"{split}/sar/*.tif"))) for split in SPLITS}
    assert all(summary["tiles"].values())
    assert summary["dropped"]["between splits"] > 0
    assert summary["dropped"] == {"between splits": 30 - sum(summary["tiles"].values())}
    assert (summary["unit"], summary["name"], summary["stretch"]) == ("power", "scene", None)
    line = sartranslate("pairs", sar, optical, folder, "--tile", 16, *split, "--overwrite").stdout
    assert f"{summary['tiles']['train']} train, {summary['tiles']['val']} val" in line
    assert f"dropped: {summary['dropped']['between splits']} between splits" in line


def test_haze_leaves_the_tiles_and_the_command_says_how_much(
    sar: Path, write_scene: WriteScene, folder: Path, sartranslate: Run
) -> None:
    haze, ground = np.array([20, 40, 60]), colours() // 2
    ground[:4] = 0
    hazy = write_scene("hazy.tif", (haze + ground).astype(np.uint8))
    done = sartranslate(
        "pairs", sar, hazy, folder, "--tile", 96, "--shares", 1, 0, 0, "--subtract-haze", "--stretch", 9, 200
    )
    assert "; optical values 20, 40, 60 to 200 became 0 to 255" in done.output
    (tile,) = folder.glob("train/optical/*.tif")
    with rasterio.open(tile) as dataset:
        found = np.moveaxis(dataset.read(), 0, -1)
    assert np.array_equal(found, np.rint(ground[:, :96] * 255.0 / (200 - haze)))


@pytest.mark.parametrize("name", ["my scene (1).tif", ".hidden.tif", "Zürich.tif"])
def test_names_of_scenes_make_tiles_that_are_found(
    write_scene: WriteScene, optical: Path, tmp_path: Path, name: str
) -> None:
    make_pairs(write_scene(name, speckle()), optical, tmp_path / "my pairs", options(tile=48))
    assert len(find_tiles(tmp_path / "my pairs").pairs) == 4


def angle(height: int = 96, width: int = 128) -> NDArray[np.float32]:
    return np.broadcast_to(np.linspace(30, 45, width, dtype=np.float32)[:, None], (height, width, 1))


@pytest.mark.parametrize("missing", [0, 20])
def test_tiles_hold_the_polarisations_scaled_as_a_model_of_one_or_both_of_them_sees_the_scene(
    write_scene: WriteScene, optical: Path, folder: Path, tmp_path: Path, missing: int
) -> None:
    """The angle of incidence is no backscatter, and a hole in VV is none in VH."""
    values = np.concatenate([speckle(bands=2), angle()], axis=-1)
    values[:missing, :, 0] = np.nan
    scene = write_scene("sar.tif", values, names=("VV", "VH", "angle"))
    assert make_pairs(scene, optical, folder, options()).unit == "power"
    (tile, *_) = sorted((folder / "train" / "sar").iterdir())
    with rasterio.open(tile) as dataset:
        assert dataset.descriptions == ("VV", "VH")
    for bands in ((("VV",),), (("VH",),), (("VV",), ("VH",))):
        model = Radiometry(bands=bands)
        expected = plan(scene, tmp_path / "out.tif", model).scaling
        pairs = open_pairs([folder], options=PairOptions(model)).pairs
        assert {pair.scaling for pair in pairs} == {expected}


def test_bands_of_different_units_are_refused(write_scene: WriteScene, optical: Path, folder: Path) -> None:
    power = speckle(bands=2)
    scene = write_scene("sar.tif", np.stack([power[..., 0], 10 * np.log10(power[..., 1])], axis=-1), names=("VV", "VH"))
    with pytest.raises(SceneError, match=r"sar\.tif: bands in power and db, expected one unit"):
        make_pairs(scene, optical, folder, options())
    assert not folder.exists()


def test_a_scene_can_be_split_anew_while_it_is_its_folder_s_only_one(sar: Path, optical: Path, folder: Path) -> None:
    make_pairs(sar, optical, folder, options(split=BLOCKS))
    other = replace(BLOCKS, seed=3)
    make_pairs(sar, optical, folder, replace(options(split=other), overwrite=True))
    assert {record.seed for record in records(folder)} == {3}
    make_pairs(sar, optical, folder, replace(options(split=other), name="second"))
    before = contents(folder)
    with pytest.raises(OptionError, match=r"split with seed 3, .* expected the same for further scenes"):
        make_pairs(sar, optical, folder, replace(options(split=BLOCKS), overwrite=True))
    assert contents(folder) == before


def test_a_run_that_ends_meanwhile_is_not_forgotten(
    sar: Path, optical: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = pairing.cut

    def slowly(*arguments: Any) -> Any:
        monkeypatch.setattr(pairing, "cut", cut)
        make_pairs(sar, optical, folder, replace(options(), name="other"))
        return cut(*arguments)

    monkeypatch.setattr(pairing, "cut", slowly)
    make_pairs(sar, optical, folder, replace(options(), name="one"))
    assert {record.scene for record in records(folder)} == {"one", "other"}
