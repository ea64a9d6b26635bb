"""GeoTIFFs in many layouts, and damage to them that knows where their header, tags and blocks are."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import rasterio
from affine import Affine
from mutations import REAL, WHOLE, damaged, one_of, some
from numpy.random import Generator
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS

from sartranslate.rasters.process_wide import quiet

HEIGHT, WIDTH = 40, 48
PLACE = {"crs": CRS.from_epsg(32632), "transform": Affine(10, 0, 500_000, 0, -10, 5_300_000)}
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
CODES = {3: "H", 4: "I", 8: "h", 9: "i", 11: "f", 12: "d", 16: "Q", 17: "q", 18: "Q"}
FLOATS, TEXTS = (11, 12), (1, 2, 6, 7)  # types
EXTENT = (256, 257, 278, 322, 323)  # tags: width, length, rows of a strip, width and length of a tile
STORAGE = (258, 259, 262, 277, 284, 317, 339)  # bits, compression, colours, samples, planes, predictor, format
BLOCKS = (273, 279, 324, 325)  # offsets and sizes of strips and tiles
GROUND = (33550, 33922, 34264, 34735, 34736, 34737)  # pixel scale, tie points, matrix, geographic keys
WIDE, HIGH = (256, 322), (257, 278, 323)  # tags that have to agree for blocks to be as large as the raster
HUGE = (4_096, 30_000, 10**6, 10**8, 2**31 - 1)  # pixels
GDAL = (42112, 42113)  # metadata, nodata
TARGETED = (EXTENT, STORAGE, BLOCKS, GROUND, GDAL)

LAYOUTS: Mapping[str, Mapping[str, Any]] = {
    "uint16 strips": {"dtype": "uint16", "blockysize": 8},
    "float32 strips": {"dtype": "float32", "blockysize": 16, "compress": "deflate", "predictor": 3},
    "uint16 tiles": {"dtype": "uint16", "tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "lzw"},
    "float32 tiles": {"dtype": "float32", "tiled": True, "blockxsize": 32, "blockysize": 16, "compress": "zstd"},
    "one deflated strip": {"dtype": "int16", "blockysize": HEIGHT, "compress": "deflate", "predictor": 2},
    "two bands": {"dtype": "uint16", "count": 2, "interleave": "pixel", "compress": "deflate"},
    "two planes": {"dtype": "float32", "count": 2, "interleave": "band"},
    "points": {"dtype": "uint16", "gcps": True},
    "mask": {"dtype": "uint16", "mask": True},
    "nodata": {"dtype": "float32", "nodata": -9999.0, "tiled": True, "blockxsize": 16, "blockysize": 16},
    "BigTIFF": {"dtype": "uint16", "bigtiff": "YES", "tiled": True, "blockxsize": 16, "blockysize": 16},
    "big endian": {"dtype": "uint16", "endianness": "BIG", "compress": "packbits"},
    "scaled bytes": {"dtype": "uint8", "scale": 0.5},
    "overviews": {"dtype": "uint16", "blockysize": 8, "overviews": True, "compress": "deflate"},
}


class Entry(NamedTuple):
    """A tag of an image file directory, and where its parts are in the file."""

    place: int
    tag: int
    kind: int  # TIFF's number of the type
    length: int  # how many values
    values: int  # place of the first one


class Form(NamedTuple):
    """How a TIFF's numbers are written."""

    order: str  # of `struct`
    big: bool

    @property
    def word(self) -> str:
        """Code of an offset."""
        return "Q" if self.big else "I"


def write_layout(path: Path, name: str, rng: Generator) -> Path:
    """A whole scene of speckle in one of `LAYOUTS`."""
    profile = {"count": 1, **LAYOUTS[name]}
    dtype, extras = profile["dtype"], {key: profile.pop(key, None) for key in ("gcps", "mask", "scale", "overviews")}
    scale = 20 if dtype == "uint8" else 100
    values = scale * np.sqrt(rng.gamma(4.4, 1 / 4.4, (profile["count"], HEIGHT, WIDTH))) + 1
    place: dict[str, Any] = PLACE if not extras["gcps"] else {"crs": CRS.from_epsg(4326), "gcps": _points()}
    size = {"driver": "GTiff", "height": HEIGHT, "width": WIDTH}
    inside = rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True)
    with quiet(), inside, rasterio.open(path, "w", **size, **place, **profile) as file:
        file.write(values.astype(dtype))
        _finish(file, extras)
    return path


def write_picture(path: Path, rng: Generator) -> Path:
    """An optical image of the same ground."""
    values = rng.integers(20, 200, (3, HEIGHT, WIDTH)).astype(np.uint8)
    size = {"driver": "GTiff", "height": HEIGHT, "width": WIDTH, "count": 3, "dtype": "uint8"}
    with rasterio.open(path, "w", **size, **PLACE, photometric="rgb", blockysize=8) as file:
        file.write(values)
    return path


def mutated_tiff(rng: Generator, content: bytes) -> bytes:
    """With up to three damages, most of them to header, tags and blocks."""
    for _ in some(rng, 3):
        damage = one_of(rng, DAMAGES)
        content = damage(rng, content)
    return content


def entries(content: bytes) -> Iterator[Entry]:
    """All tags of the file's directories, as far as they can be followed."""
    if (form := _form(content)) is None:
        return
    seen: set[int] = set()
    place = _number(content, 8 if form.big else 4, form.order + form.word)
    while place and place not in seen:
        seen.add(place)
        count = _number(content, place, form.order + ("Q" if form.big else "H"))
        first, step = (place + 8, 20) if form.big else (place + 2, 12)
        for start in range(first, min(first + count * step, len(content) - step), step):
            yield _entry(content, start, form)
        place = _number(content, first + count * step, form.order + form.word)


def _finish(file: Any, extras: Mapping[str, Any]) -> None:
    for band in range(1, file.count + 1):
        file.set_band_description(band, ("VV", "VH")[band - 1])
    if extras["scale"]:
        file.scales, file.offsets = (extras["scale"],), (1.0,)
    if extras["mask"]:
        file.write_mask(np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) % WIDTH > 8)
    if extras["overviews"]:
        file.build_overviews([2, 4])


def _points() -> list[GroundControlPoint]:
    rows, cols = np.linspace(0, HEIGHT, 5), np.linspace(0, WIDTH, 5)
    return [GroundControlPoint(r, c, 11 + c * 1.4e-4, 48 - r * 9e-5 + c * 1e-5) for r in rows for c in cols]


def _form(content: bytes) -> Form | None:
    order = {b"II": "<", b"MM": ">"}.get(content[:2])
    if order is None or len(content) < 16:
        return None
    return Form(order, _number(content, 2, f"{order}H") == 43)


def _number(content: bytes, place: int, code: str) -> int:
    """0 where the file ends before."""
    if place + struct.calcsize(code) > len(content):
        return 0
    return int(struct.unpack_from(code, content, place)[0])


def _entry(content: bytes, place: int, form: Form) -> Entry:
    tag, kind = (_number(content, place + part, f"{form.order}H") for part in (0, 2))
    count = _number(content, place + 4, form.order + form.word)
    values = place + (12 if form.big else 8)
    if SIZES.get(kind, 1) * count > (8 if form.big else 4):
        values = _number(content, values, form.order + form.word)
    return Entry(place, tag, kind, count, values)


def _drawn_entry(rng: Generator, content: bytes) -> Entry | None:
    """One that matters, mostly."""
    found = list(entries(content))
    wanted = one_of(rng, TARGETED)
    chosen = [entry for entry in found if entry.tag in wanted] if rng.random() < 0.85 else found
    return one_of(rng, chosen or found) if found else None


def _with_odd_tag(rng: Generator, content: bytes) -> bytes:
    """Another tag, type, count or place of values."""
    form, entry = _form(content), _drawn_entry(rng, content)
    if form is None or entry is None:
        return damaged(rng, content)
    words: tuple[tuple[int, str, Callable[[], int]], ...] = (
        (0, "H", lambda: one_of(rng, [tag for tags in TARGETED for tag in tags])),
        (2, "H", lambda: int(rng.integers(0, 20))),
        (4, form.word, lambda: one_of(rng, (*WHOLE, entry.length + 1, max(entry.length - 1, 0)))),
        (12 if form.big else 8, form.word, lambda: one_of(rng, (*WHOLE, int(rng.integers(len(content)))))),
    )
    part, code, drawn = words[int(rng.choice(4, p=(0.1, 0.2, 0.3, 0.4)))]
    return _put(content, entry.place + part, form.order + code, drawn())


def _with_odd_values(rng: Generator, content: bytes) -> bytes:
    """Other values behind a tag of the type that it has."""
    form, entry = _form(content), _drawn_entry(rng, content)
    if form is None or entry is None or not entry.length:
        return damaged(rng, content)
    for _ in some(rng, 3):
        place = entry.values + SIZES.get(entry.kind, 1) * int(rng.integers(min(entry.length, 1000)))
        if entry.kind in TEXTS:
            content = _put(content, place, "B", int(rng.integers(256)))
        elif entry.kind in FLOATS:
            content = _put(content, place, form.order + CODES[entry.kind], one_of(rng, REAL))
        else:
            near = _number(content, place, form.order + CODES.get(entry.kind, "I")) + int(rng.integers(-2, 3))
            content = _put(content, place, form.order + CODES.get(entry.kind, "I"), one_of(rng, (near, *WHOLE)))
    return content


def _with_odd_header(rng: Generator, content: bytes) -> bytes:
    code, place = one_of(rng, (("<H", 0), ("<H", 2), ("<I", 4), ("<Q", 8), ("<H", 4)))
    return _put(content, place, code, one_of(rng, WHOLE))


def _with_absurd_size(rng: Generator, content: bytes) -> bytes:
    """Sides of the raster, and maybe of its blocks, that the file has no room for."""
    wide, high = int(one_of(rng, HUGE)), int(one_of(rng, HUGE))
    sides = {256: wide, 257: high}
    if rng.random() < 0.5:
        sides |= {278: high, 322: min(wide, 65_520), 323: min(high, 65_520)}
    kept = one_of(rng, (WIDE, HIGH, ()))
    for entry in list(entries(content)):
        if entry.tag in sides and entry.tag not in kept and (form := _form(content)):
            content = _put(content, entry.place + 2, f"{form.order}H", 4)
            content = _put(content, entry.values, f"{form.order}I", sides[entry.tag])
    return content


def _put(content: bytes, place: int, code: str, value: float) -> bytes:
    """The value at a place, as far as it fits its type; unchanged where the file ends before."""
    size = struct.calcsize(code)
    if place < 0 or place + size > len(content):
        return content
    if code[-1] in "fd":
        packed = struct.pack(code[:-1] + "d", value) if code[-1] == "d" else np.float32(value).tobytes()
    else:
        whole = (int(value) % 2 ** (8 * size)).to_bytes(size, "big" if code[0] == ">" else "little")
        packed = whole
    return content[:place] + packed + content[place + size :]


DAMAGES: tuple[Callable[[Generator, bytes], bytes], ...] = (
    *[_with_odd_tag] * 6,
    *[_with_odd_values] * 6,
    _with_absurd_size,
    _with_odd_header,
    damaged,
    damaged,
)
