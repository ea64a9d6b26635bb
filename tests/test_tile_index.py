"""The index of tiles comes back as it was written, and the audit sees splits that come too near."""

from __future__ import annotations

import dataclasses
import json
import re
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.crs import CRS
from shapely import Polygon

from sartranslate.datasets.split import PlaceSplit
from sartranslate.datasets.tile_index import TileRecord, read_index, write_index
from sartranslate.datasets.tile_spacing import audit
from sartranslate.errors import OutputError, PairsError
from sartranslate.scenes.footprint import footprint, outline
from sartranslate.streaming.windows import Window

METRE = 1 / 111_319.49079327358  # degrees of the equator

PLAIN = TileRecord(
    name="a_0_0",
    split="train",
    scene="S1.tif",
    optical="S2 Zürich 'true'.tif",
    row_off=0,
    col_off=256,
    height=256,
    width=250,
    crs="EPSG:32632",
    valid_share=1.0,
    white_share=0.125,
    shift_rows=-0.5,
    shift_cols=0.1,
    shift_clarity=7.0,
    seed=2**63 - 1,
    block=10_000.0,
    guard=500.0,
    shares="0.7 0.15 0.15",
    scaling=json.dumps({"unit": "dB", "ranges": [[-20.5, 0.1]]}),
    outline=shapely.box(9, 47, 9.1, 47.1),
)


def record(name: str, **changes: Any) -> TileRecord:
    return dataclasses.replace(PLAIN, name=name, **changes)


def tile(name: str, split: str, east: float, north: float, guard: float = 500, size: float = 2560) -> TileRecord:
    """A square of this size in metres, its south-west corner so far from the null island."""
    x, y, side = east * METRE, north * METRE, size * METRE
    return record(name, split=split, guard=guard, outline=shapely.box(x, y, x + side, y + side))


def cut(split: PlaceSplit, code: int, corner: tuple[float, float], count: int, stride: int = 128) -> list[TileRecord]:
    """Overlapping tiles of 256 pixels of 10 m over a square scene, split by place."""
    crs, transform = CRS.from_epsg(code), Affine(10, 0, corner[0], 0, -10, corner[1])
    tiles = []
    for row, col in np.ndindex(count, count):
        window = Window(row * stride, col * stride, 256, 256)
        drawn = split.of(outline(crs, transform, window))
        if drawn is not None:
            shape = footprint(crs, transform, window)
            tiles.append(record(f"{code}_{row}_{col}", split=drawn, guard=split.guard, outline=shape))
    return tiles


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tiles.gpkg"


def test_records_come_back_as_they_were_written(path: Path) -> None:
    across = shapely.MultiPolygon([shapely.box(179, 0, 180, 1), shapely.box(-180, 0, -179, 1)])
    unmeasured = record("b", shift_rows=None, shift_cols=None, shift_clarity=None, split="val", scaling="")
    records = [PLAIN, unmeasured, record("c", outline=across, split="test")]
    write_index(path, records)
    assert read_index(path) == records


def test_an_index_without_tiles_comes_back_empty(path: Path) -> None:
    write_index(path, [])
    assert read_index(path) == []


def test_the_same_records_in_any_order_make_the_same_bytes(path: Path, tmp_path: Path) -> None:
    records = [record(f"t{i:03d}", outline=shapely.box(i, 0, i + 1, 1)) for i in range(100)]
    write_index(path, records)
    (tmp_path / "later").mkdir()
    write_index(tmp_path / "later" / "other.gpkg", records[::-1])
    assert path.read_bytes() == (tmp_path / "later" / "other.gpkg").read_bytes()


def test_nothing_is_left_beside_the_index_and_no_option_behind(path: Path, tmp_path: Path) -> None:
    write_index(path, [PLAIN])
    read_index(path)
    assert list(tmp_path.iterdir()) == [path]
    assert pyogrio.get_gdal_config_option("OGR_CURRENT_DATE") is None


def test_the_index_is_one_layer_of_multipolygons_in_degrees(path: Path) -> None:
    write_index(path, [PLAIN])
    assert pyogrio.list_layers(path).tolist() == [["tiles", "MultiPolygon"]]
    info = pyogrio.read_info(path, layer="tiles")
    assert info["crs"] == "EPSG:4326"
    assert info["total_bounds"] == (9, 47, 9.1, 47.1)
    assert list(info["fields"]) == [field.name for field in dataclasses.fields(TileRecord)][:-1]


def test_a_new_index_takes_the_place_of_the_old_one_whole_or_not_at_all(path: Path) -> None:
    write_index(path, [PLAIN])
    with pytest.raises(PairsError, match=r"two tiles are named b, from S1.tif and S9.tif"):
        write_index(path, [record("b"), record("c"), record("b", scene="S9.tif")])
    assert read_index(path) == [PLAIN]
    write_index(path, [record("b")])
    assert read_index(path) == [record("b")]


def test_an_index_can_not_be_written_into_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="does not exist"):
        write_index(tmp_path / "none" / "tiles.gpkg", [PLAIN])


@pytest.mark.parametrize("share", [0, 0.001, 0.3, 0.99])
def test_a_broken_index_is_refused_by_name(path: Path, share: float) -> None:
    write_index(path, [record(f"t{i}") for i in range(50)])
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(PairsError, match=rf"^{re.escape(str(path))}: can not be read as an index of tiles: .*"):
        read_index(path)


def test_a_missing_index_is_refused_by_name(path: Path) -> None:
    with pytest.raises(PairsError, match=rf"^{re.escape(str(path))}: can not be read .*: No such file or directory$"):
        read_index(path)


def test_a_geopackage_of_something_else_is_refused(path: Path) -> None:
    shapes = shapely.to_wkb(np.array([shapely.Point(1, 2)], object))
    kind = {"driver": "GPKG", "geometry_type": "Point", "crs": "EPSG:4326"}
    pyogrio.raw.write(path, shapes, [np.array([1])], ["speed"], layer="roads", **kind)
    with pytest.raises(PairsError, match="Layer 'tiles' could not be opened"):
        read_index(path)
    pyogrio.raw.write(path, shapes, [np.array([1])], ["speed"], layer="tiles", **kind)
    with pytest.raises(PairsError, match="column name is missing, expected str"):
        read_index(path)


def test_what_gdal_warns_of_is_an_error(path: Path) -> None:
    write_index(path, [PLAIN])
    whole = path.read_bytes()
    assert b'"height" INTEGER' in whole
    path.write_bytes(whole.replace(b'"height" INTEGER', b'"height" INTEGE$'))
    with pytest.raises(PairsError, match=r"Field format '.*' not supported"):
        read_index(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("split = 'holdout'", "tile a_0_0 is of split holdout, expected one of train, val, test"),
        ("split = 'hold' || char(10) || 'out'", r"of split hold\\nout, expected one of"),
        ("name = '../../elsewhere'", "tile '../../elsewhere': expected a name"),
        ("name = replace(hex(zeroblob(500)), '0', 'x')", "tile 'x{200}': expected a name"),
        ("scene = CAST(x'ffff' AS TEXT)", "can not be read as an index of tiles: 'utf-8' codec can't decode"),
        ("scene = NULL", "column scene lacks a value in row 1, expected str"),
        ("block = NULL", "column block lacks a value in row 1, expected float"),
        ("height = NULL", "column height is of type float64, expected int"),
        ("geom = NULL", "tile a_0_0 has no outline, expected a polygon"),
    ],
)
def test_an_index_that_was_edited_wrongly_is_refused_with_what_is_wrong(path: Path, change: str, message: str) -> None:
    write_index(path, [PLAIN])
    connection = sqlite3.connect(path)
    # The triggers of the spatial index call functions that only GDAL knows.
    for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f'DROP TRIGGER "{trigger}"')
    connection.execute(f"UPDATE tiles SET {change}")
    connection.commit()
    connection.close()
    with pytest.raises(PairsError, match=message):
        read_index(path)


def test_the_audit_sees_an_overlap_and_names_its_tiles() -> None:
    tiles = [
        tile("a", "train", 0, 0),
        tile("b", "test", 2550, 0),
        tile("c", "train", 5000, 0),
        tile("d", "val", 1e6, 0),
    ]
    message = (
        r"tiles a \(train\) and b \(test\) overlap, expected at least 500 m between different splits; "
        r"pairs like that in all: 2"
    )
    with pytest.raises(PairsError, match=message):
        audit(tiles)


@pytest.mark.parametrize(("east", "north"), [(2560 + 480, 0), (0, -2560 - 480), (2560 + 340, 2560 + 340)])
def test_the_audit_sees_tiles_nearer_than_the_guard(east: float, north: float) -> None:
    with pytest.raises(
        PairsError, match=r"tiles a \(train\) and b \(val\) are 4[78]. m apart, expected at least 500 m"
    ):
        audit([tile("a", "train", 0, 0), tile("b", "val", east, north)])


@pytest.mark.parametrize(("east", "north"), [(2560 + 510, 0), (0, -2560 - 510), (2560 + 360, 2560 + 360)])
def test_the_audit_passes_tiles_as_far_apart_as_the_guard(east: float, north: float) -> None:
    tiles = [tile("a", "train", 0, 0), tile("b", "val", east, north), tile("c", "train", -100, 0)]
    audit(tiles)
    with pytest.raises(PairsError, match=r"expected at least 600 m between different splits; .* in all: [12]$"):
        audit(tiles, guard=600)


def test_without_a_guard_tiles_may_touch_but_not_overlap() -> None:
    audit([tile("a", "train", 0, 0, guard=0), tile("b", "val", 2560, 0, guard=0)])
    with pytest.raises(PairsError, match="overlap, expected at least 0 m"):
        audit([tile("a", "train", 0, 0, guard=0), tile("b", "val", 2550, 0, guard=0)])


def test_the_guard_of_two_tiles_is_the_greater_of_theirs() -> None:
    for guards in ((100, 900), (900, 100)):
        with pytest.raises(PairsError, match=r"are 49. m apart, expected at least 900 m"):
            audit([tile("a", "train", 0, 0, guards[0]), tile("b", "val", 2560 + 498, 0, guards[1])])


def test_tiles_of_one_split_may_overlap_and_none_at_all_pass() -> None:
    audit([tile("a", "train", 0, 0), tile("b", "train", 100, 0)])
    audit([])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (shapely.box(179.98, 10, 179.999, 10.01), shapely.box(-179.999, 10, -179.98, 10.01)),
        (shapely.box(-180, 10, -179.98, 10.01), shapely.box(179.97, 10, 179.999, 10.01)),
        (shapely.box(-180, -90, 180, -89.999), shapely.box(20, -89.997, 30, -89.99)),
        (shapely.box(0, 89.998, 10, 89.999), shapely.box(-180, 89.998, -170, 89.999)),
    ],
    ids=["antimeridian", "touching the antimeridian", "around the pole", "across the pole"],
)
def test_the_audit_sees_neighbours_that_are_far_apart_in_degrees(one: Polygon, other: Polygon) -> None:
    with pytest.raises(PairsError, match=r"are \d+ m apart, expected at least 500 m"):
        audit([record("a", split="train", outline=one), record("b", split="test", outline=other)])


@pytest.mark.parametrize(
    ("scenes", "seed"),
    [
        ([(32632, (640_000, 5_300_000)), (32633, (192_000, 5_295_000))], 3),
        ([(32660, (815_000, 100_000)), (32601, (155_000, 110_000))], 4),
        ([(3031, (-14_000, 12_000))], 9),
        ([(3413, (5_000, 20_000)), (5041, (2_005_000, 1_980_000))], 7),
    ],
    ids=["two zones", "antimeridian", "south pole", "two maps near the north pole"],
)
def test_scenes_split_by_place_pass_the_audit_and_a_second_seed_among_them_does_not(
    scenes: list[tuple[int, tuple[float, float]]], seed: int
) -> None:
    split = PlaceSplit(seed, block=4000, guard=300, shares=(0.4, 0.3, 0.3))
    tiles = [tile for code, corner in scenes for tile in cut(split, code, corner, 18)]
    assert len({tile.split for tile in tiles}) > 1
    audit(tiles)
    foreign = dataclasses.replace(split, seed=seed + 1)
    with pytest.raises(PairsError, match="between different splits"):
        audit([*tiles, *cut(foreign, *scenes[0], 18)])


@settings(max_examples=60, deadline=None)
@given(st.floats(-180, 180), st.floats(-89, 89), st.floats(0, 360), st.floats(300, 700))
def test_the_audit_measures_ground_wherever_it_is(x: float, y: float, azimuth: float, apart: float) -> None:
    """Two slim tiles whose ends face each other along a geodesic."""
    local = CRS.from_proj4(f"+proj=aeqd +lat_0={y} +lon_0={x} +datum=WGS84")
    a, b = np.cos(np.radians(azimuth)), np.sin(np.radians(azimuth))
    one = footprint(local, Affine(10 * a, -10 * b, 0, 10 * b, 10 * a, 0), Window(-5, -50, 10, 50))
    other = footprint(local, Affine(10 * a, -10 * b, apart * a, 10 * b, 10 * a, apart * b), Window(-5, 0, 10, 50))
    tiles = [record("a", split="train", outline=one), record("b", split="val", outline=other)]
    audit([record("a", split="train", outline=one, guard=apart), record("b", split="val", outline=other, guard=0)])
    with pytest.raises(PairsError, match=f"are {apart:.0f} m apart|are {apart - 1:.0f} m apart"):
        audit(tiles, guard=apart * 1.01 + 500)
