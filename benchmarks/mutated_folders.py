"""Folders of training tiles in each layout, and damage to their files, names, tags and index."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from affine import Affine
from mutated_tiffs import PLACE, mutated_tiff
from mutations import TEXTS, damaged, one_of, some, with_deep_text, with_odd_part
from numpy.random import Generator

from sartranslate.backscatter.distribution import PERCENTILES
from sartranslate.datasets.split import PlaceSplit
from sartranslate.datasets.tile_index import COLUMNS, TileRecord, write_index
from sartranslate.rasters.process_wide import quiet
from sartranslate.scenes.source import STATISTICS_TAG

SIDE = 32  # pixels of a tile
INDEX = "index.gpkg"
SHARES = PlaceSplit().shares_text  # as `pairs` has them where nobody says
KINDS = ("tif", "png", "halves", "splits")
STATISTICS = {
    "unit": "amplitude",
    "reason": "as told",
    "values": [[10.0 + 0.3 * percentile for percentile in PERCENTILES]],
    "percentiles": PERCENTILES,
}


def write_tiles(folder: Path, kind: str, rng: Generator) -> Path:
    """A whole folder in one of `KINDS`: GeoTIFFs, PNGs, images of two halves, or splits with an index."""
    splits = {"": 3} if kind in ("tif", "png") else {"train": 3, "val": 2}
    for split, count in splits.items():
        for number in range(count):
            column = SIDE * number + (0 if split != "val" else 1000)
            _write_tile(folder / split, f"t{number}", kind, column, rng)
    if kind == "splits":
        write_index(folder / INDEX, [_record(split, n) for split, count in splits.items() for n in range(count)])
    return folder


def mutate_folder(rng: Generator, folder: Path) -> None:
    """Up to two damages in place."""
    for _ in some(rng, 2):
        if files := sorted(file for file in folder.rglob("*") if file.is_file() and not file.is_symlink()):
            one_of(rng, DAMAGES)(rng, one_of(rng, files))


def mutate_index(rng: Generator, folder: Path) -> None:
    """Damage to the index alone, to its bytes or to a column."""
    if rng.random() < 0.5:
        _damage(rng, folder / INDEX)
    else:
        _edit(rng, folder / INDEX)


def _write_tile(root: Path, name: str, kind: str, column: int, rng: Generator) -> None:
    speckle = (100 * np.sqrt(rng.gamma(4.4, 1 / 4.4, (1, SIDE, SIDE))) + 1).astype(np.uint16)
    picture = rng.integers(20, 200, (3, SIDE, SIDE)).astype(np.uint8)
    if kind == "halves":
        grey = np.repeat((speckle // 3).clip(1, 255).astype(np.uint8), 3, axis=0)
        _write(root / f"{name}.png", np.concatenate([grey, picture], axis=2), 0)
        return
    suffix = "png" if kind == "png" else "tif"
    source = (speckle // 3).clip(1, 255).astype(np.uint8) if kind == "png" else speckle
    tags = {STATISTICS_TAG: json.dumps(STATISTICS)} if kind == "splits" else {}
    _write(root / "sar" / f"{name}.{suffix}", source, column, tags)
    _write(root / "optical" / f"{name}.{suffix}", picture, column)


def _write(path: Path, values: Any, column: int, tags: dict[str, str] | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # else GDAL would open what is damaged, to replace it
    png = path.suffix == ".png"
    place = {} if png else {**PLACE, "transform": PLACE["transform"] * Affine.translation(column, 0)}
    size = dict(zip(("count", "height", "width"), values.shape, strict=True), dtype=values.dtype)
    driver, alone = "PNG" if png else "GTiff", rasterio.Env(GDAL_PAM_ENABLED=False)
    with quiet(), alone, rasterio.open(path, "w", driver=driver, **size, **place) as file:
        file.write(values)
        file.update_tags(**(tags or {}))


def _record(split: str, number: int) -> TileRecord:
    west = 9 + (0.01 if split == "val" else 0) + 0.0005 * number
    place = (number * SIDE, 0, SIDE, SIDE, "EPSG:32632", 1.0, 0.0, None, None, None, 0, 10_000.0, 500.0)
    outline = shapely.box(west, 47.8, west + 0.0004, 47.8003)
    return TileRecord(f"{split}{number}", split, "other", "other.tif", *place, SHARES, "{}", outline)


def _damage(rng: Generator, file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(mutated_tiff(rng, content) if content[:2] == b"II" else damaged(rng, content))


def _edit(rng: Generator, index: Path) -> None:
    """Another value in a column of the first tile, or of all."""
    values = (None, "", "a\nb", "x" * 70_000, b"\xff\xfe", -1, 2**63 - 1, 1e300, float("inf"), b"GP\x00\x01")
    with closing(sqlite3.connect(index)) as database, database:
        for (trigger,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f'DROP TRIGGER "{trigger}"')  # it calls functions that only GDAL has
        which = one_of(rng, ("", " WHERE fid = 1"))
        database.execute(f"UPDATE tiles SET {one_of(rng, (*COLUMNS, 'geom'))} = ?{which}", (one_of(rng, values),))


def _lose(rng: Generator, file: Path) -> None:
    file.unlink()


def _empty(rng: Generator, file: Path) -> None:
    file.write_bytes(b"")


def _make_folder(rng: Generator, file: Path) -> None:
    file.unlink()
    file.mkdir()


def _rename(rng: Generator, file: Path) -> None:
    """To a name that is no UTF-8, or has signs that texts do not, or the suffix of another format."""
    names = (os.fsdecode(b"\xff\xfe") + file.suffix, f"a\nb{file.suffix}", "t0.jpg", "%s%n.tif", ".tif")
    file.rename(file.with_name(one_of(rng, names)))


def _link(rng: Generator, file: Path) -> None:
    """To itself, to its folder, to nothing, or to what never ends."""
    file.unlink()
    file.symlink_to(one_of(rng, (file.name, "..", "absent", "/dev/zero", "/dev/null")))


def _loop(rng: Generator, file: Path) -> None:
    """Its folder becomes a link to the folder above."""
    shutil.rmtree(file.parent)
    if file.parent.parent.exists():
        file.parent.symlink_to(file.parent.parent)


def _resize(rng: Generator, file: Path) -> None:
    side = int(one_of(rng, (1, 2, 15, 31, 33)))
    values = rng.integers(1, 255, (int(one_of(rng, (1, 2, 3, 4))), side, SIDE)).astype(np.uint8)
    if file.suffix in (".tif", ".png"):
        _write(file, values, 0)


def _swap(rng: Generator, file: Path) -> None:
    """The content of another file of the folder."""
    others = sorted(other for other in file.parents[1].rglob("*.*") if other.is_file())
    file.write_bytes(one_of(rng, others).read_bytes() if others else b"")


def _retag(rng: Generator, file: Path) -> None:
    """Statistics of a scene, as JSON that is nearly right."""
    text = json.dumps(with_odd_part(rng, STATISTICS))
    drawn = (text, with_deep_text(rng, text), one_of(rng, TEXTS), damaged(rng, text.encode()).decode("latin-1"))
    tag = one_of(rng, drawn).encode("utf-8", "replace").decode().replace("\x00", "0")
    if file.suffix == ".tif":
        values = (100 * np.sqrt(rng.gamma(4.4, 1 / 4.4, (1, SIDE, SIDE))) + 1).astype(np.uint16)
        _write(file, values, 0, {STATISTICS_TAG: tag})


DAMAGES: tuple[Callable[[Generator, Path], None], ...] = (
    *[_damage] * 5,
    *[_retag] * 3,
    _lose,
    _empty,
    _make_folder,
    _rename,
    _link,
    _loop,
    _resize,
    _swap,
)
