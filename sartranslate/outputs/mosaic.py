"""Translations that share a coordinate system and a resolution, joined in a virtual raster that GDAL and QGIS open."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, tostring  # builds only, parses nothing

import numpy as np
from affine import Affine
from rasterio.crs import CRS

from sartranslate.errors import OutputError, SceneError
from sartranslate.rasters.raster import opened_raster
from sartranslate.rasters.vrt import add_text, number_text, transform_text
from sartranslate.storage.atomic import write_whole

COLOURS = ("Red", "Green", "Blue")
MASK = "mask,1"  # of a source: the mask of its first band
MARKS = (b"<VRTDataset", b"<ColorInterp>Red</ColorInterp>", b"<UseMaskBand>true</UseMaskBand>")  # of a mosaic
HEAD = 2**16  # bytes, in which there is more than one source
SAME = 1e-6  # share of a pixel by which sizes of pixels may differ


@dataclass(frozen=True)
class Part:
    """A translation, and where it lies."""

    path: Path
    height: int
    width: int
    crs: CRS | None
    transform: Affine
    blocks: tuple[int, int]  # rows and columns stored together

    @property
    def pixel(self) -> tuple[float, float]:
        return self.transform.a, self.transform.e


def check_mosaic(out: Path, sources: Sequence[Path], keep: Sequence[str | Path] = ()) -> None:
    """Raise `OutputError` where `out` would replace a source, a file to be kept, or what is no mosaic."""
    if not out.parent.is_dir():
        raise OutputError(f"{out}: the folder {out.parent} does not exist")
    if any(os.path.realpath(out) == os.path.realpath(source) for source in sources):
        raise OutputError(f"{out}: is an output itself, expected another file name")
    if any(os.path.realpath(out) == os.path.realpath(file) for file in keep):
        raise OutputError(f"{out}: is a scene itself, expected another file name")
    if out.exists() and not _is_mosaic(out):
        raise OutputError(f"{out}: exists already and is no mosaic, expected another file name")


def write_mosaic(out: Path, sources: Sequence[Path]) -> None:
    """Write a VRT of RGB rasters with masks, later ones above earlier ones, whole or not at all.

    It names its sources relative to its folder, and a pixel is valid where any source is. Sources that do not
    lie on one grid of pixels are moved by less than half a pixel. Raises `OutputError` where two of them do not share a
    coordinate system and a resolution, or a source is turned.
    """
    parts = [_part(source) for source in sources]
    for part in parts:
        _check_joins(out, parts[0], part)
    write_whole(out, _as_vrt(out.parent, parts))


def _is_mosaic(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(HEAD)
    return head.startswith(MARKS[0]) and all(mark in head for mark in MARKS)


def _part(source: Path) -> Part:
    try:
        with opened_raster(source) as dataset:
            return Part(source, dataset.height, dataset.width, dataset.crs, dataset.transform, dataset.block_shapes[0])
    except SceneError as error:
        raise OutputError(f"{error}, so it can not become a part of the mosaic") from error


def _check_joins(out: Path, first: Part, part: Part) -> None:
    if part.crs is None or part.transform.is_identity or (part.transform.b, part.transform.d) != (0, 0):
        raise OutputError(f"{out}: not written, for {part.path} does not lie straight on a map")
    if part.crs != first.crs:
        raise OutputError(
            f"{out}: not written, for {first.path} is in {_name(first.crs)}, {part.path} in {_name(part.crs)}"
        )
    if not np.allclose(part.pixel, first.pixel, rtol=SAME, atol=0):
        sizes = " and ".join(
            f"{each.path} has pixels of {each.pixel[0]:g} x {each.pixel[1]:g}" for each in (first, part)
        )
        raise OutputError(f"{out}: not written, for {sizes}")


def _name(crs: CRS | None) -> str:
    authority = crs and crs.to_authority()
    return ":".join(authority) if authority else "a system without a code"


def _as_vrt(folder: Path, parts: Sequence[Part]) -> bytes:
    across, down = parts[0].pixel
    left = min((part.transform.c for part in parts), key=lambda x: x / across)
    top = min((part.transform.f for part in parts), key=lambda y: y / down)  # the south, where rows go north
    places = [((part.transform.c - left) / across, (part.transform.f - top) / down) for part in parts]
    width = max(round(x) + part.width for (x, _), part in zip(places, parts, strict=True))
    height = max(round(y) + part.height for (_, y), part in zip(places, parts, strict=True))
    root = Element("VRTDataset", rasterXSize=str(width), rasterYSize=str(height))
    add_text(root, "SRS", parts[0].crs.to_wkt())  # type: ignore[union-attr]
    add_text(root, "GeoTransform", transform_text(Affine(across, 0, left, 0, down, top)))
    for number, colour in enumerate(COLOURS, 1):
        band = SubElement(root, "VRTRasterBand", dataType="Byte", band=str(number))
        add_text(band, "ColorInterp", colour)
        for place, part in zip(places, parts, strict=True):
            add_text(_source(band, folder, part, str(number), place), "UseMaskBand", "true")
    mask = SubElement(SubElement(root, "MaskBand"), "VRTRasterBand", dataType="Byte")
    for place, part in zip(places, parts, strict=True):
        add_text(_source(mask, folder, part, MASK, place), "UseMaskBand", "true")
    return bytes(tostring(root, encoding="utf-8"))


def _source(band: Element, folder: Path, part: Part, number: str, place: tuple[float, float]) -> Element:
    """All of a part, at a place in pixels of the mosaic."""
    source = SubElement(band, "ComplexSource")
    add_text(source, "SourceFilename", Path(os.path.relpath(part.path, folder)).as_posix(), relativeToVRT="1")
    add_text(source, "SourceBand", number)
    rows, cols = part.blocks
    size = {"RasterXSize": str(part.width), "RasterYSize": str(part.height)}
    SubElement(source, "SourceProperties", size, DataType="Byte", BlockXSize=str(cols), BlockYSize=str(rows))
    extent = {"xSize": number_text(part.width), "ySize": number_text(part.height)}
    SubElement(source, "SrcRect", {"xOff": "0", "yOff": "0", **extent})
    SubElement(source, "DstRect", {"xOff": str(round(place[0])), "yOff": str(round(place[1])), **extent})
    return source
