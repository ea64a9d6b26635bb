"""A raster and its overviews, written strip by strip into uncompressed files that GDAL then reads as one raster.

The files have strips as high as those that are written, so hardly any is touched twice, whatever else is cached.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring  # builds only, parses nothing

import numpy as np
import rasterio
from rasterio.windows import Window as RasterioWindow

from sartranslate.blend import STRIP_HEIGHT
from sartranslate.cog_profile import CogProfile
from sartranslate.overviews import Bytes, Halving, Rows, level_sizes
from sartranslate.radiometry import Mask
from sartranslate.raster import quiet_georeference
from sartranslate.vrt import add_text, transform_text

COLOURS = {1: ("Gray",), 3: ("Red", "Green", "Blue")}  # by number of bands, as GDAL calls them


class StripWriter:
    """Takes strips from the top to the bottom and writes them and their overviews into files in `folder`.

    Overviews end with the first one that has no side longer than `least_side`.
    """

    def __init__(self, folder: Path, profile: CogProfile, least_side: int) -> None:
        self._profile = profile
        sizes = [(profile.height, profile.width), *level_sizes(profile.height, profile.width, least_side)]
        self._halvings = [Halving(height, STRIP_HEIGHT) for height, _ in sizes[:-1]]
        self._files = [folder / f"{level}.tif" for level in range(len(sizes))]
        with ExitStack() as opened, quiet_georeference():
            self._datasets = [
                opened.enter_context(_created(file, size, profile.bands))
                for file, size in zip(self._files, sizes, strict=True)
            ]
            self._opened = opened.pop_all()

    def close(self) -> None:
        """Bring all that is written into the files."""
        self._opened.close()

    def raster(self) -> Path:
        """What the closed files are as one raster."""
        path = self._files[0].with_suffix(".vrt")
        path.write_bytes(_virtual(self._profile, self._files))
        return path

    def write(self, row_off: int, values: Bytes, mask: Mask) -> None:
        """Write (rows, width, bands) and their validity (rows, width); invalid pixels become 0."""
        self._write(0, Rows(row_off, values if mask.all() else np.where(mask[..., None], values, 0), mask))

    def _write(self, level: int, rows: Rows) -> None:
        dataset = self._datasets[level]
        count, width = rows.mask.shape
        window = RasterioWindow(0, rows.row_off, width, count)
        dataset.write(np.moveaxis(rows.values, -1, 0), window=window)
        # Set here and not around the dataset, because the setting belongs to the thread that writes.
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
            dataset.write_mask(rows.mask.astype(np.uint8) * 255, window=window)
        if level < len(self._halvings):
            for smaller in self._halvings[level].add(rows):
                self._write(level + 1, smaller)


def _created(path: Path, size: tuple[int, int], bands: int) -> Any:
    return rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=size[0],
        width=size[1],
        count=bands,
        dtype="uint8",
        interleave="pixel",
        blockysize=STRIP_HEIGHT,
        bigtiff="IF_SAFER",
    )


def _virtual(profile: CogProfile, files: Sequence[Path]) -> bytes:
    """A VRT of the first file, with the others as its overviews."""
    root = Element("VRTDataset", rasterXSize=str(profile.width), rasterYSize=str(profile.height))
    if profile.crs is not None:
        add_text(root, "SRS", profile.crs.to_wkt())
    add_text(root, "GeoTransform", transform_text(profile.transform))
    metadata = SubElement(root, "Metadata")
    for key, value in profile.tags.items():
        add_text(metadata, "MDI", value, key=key)
    for index, colour in enumerate(COLOURS[profile.bands], 1):
        band = SubElement(root, "VRTRasterBand", dataType="Byte", band=str(index))
        add_text(band, "ColorInterp", colour)
        _source(SubElement(band, "SimpleSource"), files[0], str(index))
        for file in files[1:]:
            _source(SubElement(band, "Overview"), file, str(index))
    mask = SubElement(SubElement(root, "MaskBand"), "VRTRasterBand", dataType="Byte")
    _source(SubElement(mask, "SimpleSource"), files[0], "mask,1")
    return bytes(tostring(root, encoding="utf-8"))


def _source(parent: Element, file: Path, band: str) -> None:
    add_text(parent, "SourceFilename", file.name, relativeToVRT="1")
    add_text(parent, "SourceBand", band)
