"""A raster and its overviews, written strip by strip into plain files that GDAL then reads as one raster.

Each band and the mask are a file of their own, which GDAL reads by whole rows. They hold bytes in scan order and no
header, so that those of a run that was killed are whole up to their ends.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from xml.etree.ElementTree import Element, SubElement, tostring  # builds only, parses nothing

import numpy as np

from sartranslate.backscatter.radiometry import Mask
from sartranslate.outputs.cog_profile import CogProfile
from sartranslate.rasters.vrt import add_text, transform_text
from sartranslate.storage.atomic import sync
from sartranslate.streaming.blend import STRIP_HEIGHT
from sartranslate.streaming.overviews import Bytes, Halving, Rows, level_sizes

COLOURS = {1: ("Gray",), 3: ("Red", "Green", "Blue")}  # by number of bands, as GDAL calls them
VALID = np.uint8(255)  # in a mask
READ_AGAIN = 16 * STRIP_HEIGHT  # rows at once, to make overviews of those of an earlier run


class StripWriter:
    """Takes strips from the top to the bottom and writes them and their overviews into files in `folder`.

    Overviews end with the first one that has no side longer than `least_side`. Of the rows that are there already, up
    to `rows` are kept.
    """

    def __init__(self, folder: Path, profile: CogProfile, least_side: int, rows: int = 0) -> None:
        levels = _levels(folder, profile, least_side)
        self._halvings = [Halving(level.height, STRIP_HEIGHT) for level in levels[:-1]]
        with ExitStack() as opened:
            self._files = [
                tuple(opened.enter_context(file) for file in level.opened(rows if level.number == 0 else 0))
                for level in levels
            ]
            self._opened = opened.pop_all()
        for strip in levels[0].read(rows):
            self._write_overview(0, strip)

    def close(self) -> None:
        """Bring all that is written into the files."""
        self._opened.close()

    def sync(self) -> None:
        """Bring all rows that are written onto the disk; overviews can be made again."""
        for file in self._files[0]:
            sync(file)

    def write(self, row_off: int, values: Bytes, mask: Mask) -> None:
        """Write (rows, width, bands) and their validity (rows, width); invalid pixels become 0."""
        self._write(0, Rows(row_off, values if mask.all() else np.where(mask[..., None], values, 0), mask))

    def _write(self, level: int, rows: Rows) -> None:
        for file, band in zip(self._files[level], (*np.moveaxis(rows.values, -1, 0), rows.mask * VALID), strict=True):
            file.write(np.ascontiguousarray(band).data)
        self._write_overview(level, rows)

    def _write_overview(self, level: int, rows: Rows) -> None:
        if level < len(self._halvings):
            for smaller in self._halvings[level].add(rows):
                self._write(level + 1, smaller)


def rows_in(folder: Path, profile: CogProfile) -> int:
    """How many rows of the raster are there from the top on without a gap."""
    return _Level(folder, 0, profile.height, profile.width, profile.bands).rows


def described(folder: Path, profile: CogProfile, least_side: int) -> Path:
    """What a closed writer has left in its folder, as one raster."""
    first, *overviews = _levels(folder, profile, least_side)
    for overview in overviews:
        overview.virtual.write_bytes(_as_vrt(Element("VRTDataset"), overview, []))
    first.virtual.write_bytes(_as_vrt(_placed(profile), first, overviews))
    return first.virtual


@dataclass(frozen=True)
class _Level:
    """The raster, number 0, or an overview, as a file for each band and one for the mask."""

    folder: Path
    number: int
    height: int
    width: int
    bands: int

    @property
    def virtual(self) -> Path:
        return self.folder / f"{self.number}.vrt"

    @property
    def files(self) -> tuple[Path, ...]:
        """Those of the bands and, last, of the mask."""
        bands = (f"band{number}" for number in range(1, self.bands + 1))
        return tuple(self.folder / f"{self.number}.{kind}" for kind in (*bands, "mask"))

    @property
    def rows(self) -> int:
        """Those that all files hold whole."""
        return min(path.stat().st_size // self.width if path.exists() else 0 for path in self.files)

    def opened(self, rows: int) -> Iterator[BinaryIO]:
        """The files, to be written from this row on: those before it are there."""
        for path in self.files:
            if path.exists():  # a new file that is truncated is brought onto the disk by ext4 when it is closed
                os.truncate(path, rows * self.width)
            yield path.open("ab")

    def read(self, rows: int) -> Iterator[Rows]:
        """The rows before this one."""
        parts = [np.memmap(path, np.uint8, "r").reshape(-1, self.width) for path in self.files if rows]
        for first in range(0, rows, READ_AGAIN):
            *bands, mask = (part[first : min(first + READ_AGAIN, rows)] for part in parts)
            yield Rows(first, np.stack(bands, axis=-1), mask > 0)


def _levels(folder: Path, profile: CogProfile, least_side: int) -> list[_Level]:
    sizes = [(profile.height, profile.width), *level_sizes(profile.height, profile.width, least_side)]
    return [_Level(folder, number, *size, profile.bands) for number, size in enumerate(sizes)]


def _placed(profile: CogProfile) -> Element:
    """The place and the tags of a raster."""
    root = Element("VRTDataset")
    if profile.crs is not None:
        add_text(root, "SRS", profile.crs.to_wkt())
    add_text(root, "GeoTransform", transform_text(profile.transform))
    metadata = SubElement(root, "Metadata")
    for key, value in profile.tags.items():
        add_text(metadata, "MDI", value, key=key)
    return root


def _as_vrt(root: Element, level: _Level, overviews: Sequence[_Level]) -> bytes:
    """As a VRT of its plain files."""
    root.attrib.update(rasterXSize=str(level.width), rasterYSize=str(level.height))
    *bands, mask = level.files
    for index, (file, colour) in enumerate(zip(bands, COLOURS[level.bands], strict=True), 1):
        band = _plain_band(root, file, level.width)
        band.set("band", str(index))
        add_text(band, "ColorInterp", colour)
        for overview in overviews:
            source = SubElement(band, "Overview")
            add_text(source, "SourceFilename", overview.virtual.name, relativeToVRT="1")
            add_text(source, "SourceBand", str(index))
    _plain_band(SubElement(root, "MaskBand"), mask, level.width)
    return bytes(tostring(root, encoding="utf-8"))


def _plain_band(parent: Element, file: Path, width: int) -> Element:
    """The bytes of a file."""
    band = SubElement(parent, "VRTRasterBand", dataType="Byte", subClass="VRTRawRasterBand")
    add_text(band, "SourceFilename", file.name, relativeToVRT="1")
    for name, count in (("ImageOffset", 0), ("PixelOffset", 1), ("LineOffset", width)):
        add_text(band, name, str(count))
    return band
