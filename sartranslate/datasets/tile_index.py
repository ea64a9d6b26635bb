"""The index of a folder of training tiles: a GeoPackage."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio.errors
import pyogrio.raw
import shapely
import shapely.errors
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon

from sartranslate.datasets.split import SPLITS
from sartranslate.errors import OutputError, PairsError
from sartranslate.printable import printable
from sartranslate.storage.atomic import replaced_when_whole

LAYER = "tiles"
LONGEST = 200  # characters of a name
CRS = "EPSG:4326"
DATE = "2000-01-01T00:00:00.000Z"  # written into every index, so that the same tiles make the same bytes
DTYPES = {"str": np.dtype(object), "int": np.dtype(np.int64), "float": np.dtype(float), "float | None": np.dtype(float)}
STEM = re.compile(r"[\w-][\w.-]*")  # of a file that is not hidden and lies in no other folder
OGR_ERRORS = (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, RuntimeWarning, OSError)


@dataclass(frozen=True)
class TileRecord:
    """A pair of tiles: its split, where it was cut, what was measured on it, and the ground it shows."""

    name: str  # file stem, unique in the folder
    split: str  # one of SPLITS
    scene: str  # SAR
    optical: str
    row_off: int  # pixels of the SAR grid, as the next three
    col_off: int
    height: int
    width: int
    crs: str
    valid_share: float  # 0..1
    white_share: float  # 0..1
    shift_rows: float | None  # pixels, None where not measured, as the next two
    shift_cols: float | None
    shift_clarity: float | None
    seed: int  # of the split, as the next three
    block: float  # metres
    guard: float  # metres
    shares: str  # of train, val and test
    scaling: str  # JSON
    outline: Polygon | MultiPolygon  # degrees of longitude and latitude, WGS 84


COLUMNS = {field.name: str(field.type) for field in fields(TileRecord) if field.name != "outline"}


def write_index(path: str | os.PathLike[str], records: Sequence[TileRecord]) -> None:
    """The same records in any order make the same bytes: a GeoPackage with a layer `tiles`, whole or not at all.

    Raises `PairsError` for a name that comes twice and `OutputError` where the file can not be written.
    """
    ordered = sorted(records, key=lambda record: record.name)
    for one, other in pairwise(ordered):
        if one.name == other.name:
            raise PairsError(f"{path}: two tiles are named {one.name}, from {one.scene} and {other.scene}")
    values = [np.array([getattr(record, name) for record in ordered], DTYPES[kind]) for name, kind in COLUMNS.items()]
    with replaced_when_whole(Path(path)) as unfinished, _write_errors(path), _fixed_date():
        pyogrio.raw.write(
            unfinished,
            shapely.to_wkb(outlines(ordered)),
            values,
            list(COLUMNS),
            layer=LAYER,
            driver="GPKG",
            geometry_type="MultiPolygon",
            promote_to_multi=True,
            crs=CRS,
        )


def read_index(path: str | os.PathLike[str]) -> list[TileRecord]:
    """The records of an index, by name. Raises `PairsError` for a file that is none, or is broken."""
    try:
        # Not raised where they come up, which may be in a callback that can not hand an error on.
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", RuntimeWarning)
            meta, _, shapes, values = pyogrio.raw.read(os.fspath(path), layer=LAYER)
        if said:
            raise RuntimeWarning(said[0].message)
        outlines = shapely.from_wkb(shapes)
    except (*OGR_ERRORS, UnicodeError, shapely.errors.ShapelyError) as error:
        reason = str(error).partition("\n")[0].removeprefix(f"{path}: ")
        raise PairsError(f"{path}: can not be read as an index of tiles: {reason}") from error
    if meta["crs"] != CRS:
        raise PairsError(f"{path}: outlines in {meta['crs']}, expected {CRS}")
    columns = {name: _column(path, name, dict(zip(meta["fields"], values, strict=True))) for name in COLUMNS}
    rows = zip(*columns.values(), outlines, strict=True)
    return sorted((_record(path, row) for row in rows), key=lambda record: record.name)


def outlines(records: Sequence[TileRecord]) -> NDArray[Any]:
    """(N,) polygons."""
    return np.array([record.outline for record in records], object)


def _column(path: str | os.PathLike[str], name: str, values: dict[str, NDArray[Any]]) -> list[Any]:
    """Values of a column as its field wants them, None where it may be."""
    kind = COLUMNS[name]
    if name not in values or values[name].dtype.kind != DTYPES[kind].kind:
        found = f"of type {values[name].dtype}" if name in values else "missing"
        raise PairsError(f"{path}: column {name} is {found}, expected {kind}")
    known: list[Any] = [None if value is None or value != value else value for value in values[name].tolist()]
    if kind != "float | None" and None in known:
        raise PairsError(f"{path}: column {name} lacks a value in row {known.index(None) + 1}, expected {kind}")
    return known


def _record(path: str | os.PathLike[str], row: tuple[Any, ...]) -> TileRecord:
    *values, shape = row
    told = dict(zip(COLUMNS, values, strict=True))
    _check_texts(path, told["name"], told["scene"], told["shares"])
    parts = shapely.get_parts(shape)
    if shape is None or shape.is_empty or {part.geom_type for part in parts} != {"Polygon"}:
        raise PairsError(f"{path}: tile {values[0]} has no outline, expected a polygon")
    record = TileRecord(*[*values, parts[0] if len(parts) == 1 else shape])
    if record.split not in SPLITS:
        found = printable(record.split[:LONGEST])
        raise PairsError(f"{path}: tile {record.name} is of split {found}, expected one of {', '.join(SPLITS)}")
    return record


def _check_texts(path: str | os.PathLike[str], name: str, scene: str, shares: str) -> None:
    """What errors repeat, and what becomes the name of a file in the folder and must not lead out of it."""
    if not STEM.fullmatch(name) or len(name) > LONGEST:
        found = printable(name[:LONGEST])
        raise PairsError(f"{path}: tile {found!r}: expected a name of letters, digits, _, - and dots")
    for text in (scene, shares):
        if not (text.isprintable() and len(text) <= LONGEST) or (text != shares and re.search(r"[/\\]", text)):
            raise PairsError(f"{path}: {printable(text[:LONGEST])!r} names no scene and no shares")


@contextmanager
def _fixed_date() -> Iterator[None]:
    before = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": DATE})
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": before})


@contextmanager
def _write_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    try:
        yield
    except OGR_ERRORS as error:
        raise OutputError(f"{path}: can not be written: {error}") from error
