"""A raster with ground control points as a virtual raster on a map grid, warped lazily, window by window."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring  # builds only, parses nothing

import numpy as np
from numpy.typing import NDArray

from sartranslate.rasters.groundcontrol import MapGrid
from sartranslate.rasters.polynomial import ORDER
from sartranslate.rasters.raster import read_window
from sartranslate.rasters.remote import gdal_path
from sartranslate.rasters.vrt import add_text, number_text, transform_text
from sartranslate.streaming.windows import Window

BLOCK = (512, 128)  # pixels across and down
TYPES: Mapping[str, str] = {
    "uint8": "Byte",
    "int8": "Int8",
    "uint16": "UInt16",
    "int16": "Int16",
    "uint32": "UInt32",
    "int32": "Int32",
    "float32": "Float32",
    "float64": "Float64",
}
TOLERANCE = 0.01  # source pixels; an exact thin-plate spline takes 10 microseconds a pixel, twenty times as long


def warped_vrt(
    path: str | os.PathLike[str],
    grid: MapGrid,
    bands: Sequence[int],
    dtypes: Sequence[str],
    fills: Sequence[float],
) -> str:
    """The text of a virtual raster of these bands on the grid; GDAL opens the text like a path.

    Bilinear, or the mean where the grid is coarser, with a fixed kernel. Pixels of the source with a
    fill value take no part, and those of the grid without a source get it. Read it with `read_blocks`.
    """
    root = Element("VRTDataset", rasterXSize=str(grid.width), rasterYSize=str(grid.height))
    root.set("subClass", "VRTWarpedDataset")
    add_text(root, "SRS", grid.points.crs.to_wkt(), dataAxisToSRSAxisMapping="1,2")
    add_text(root, "GeoTransform", transform_text(grid.transform))
    for index, (dtype, fill) in enumerate(zip(dtypes, fills, strict=True), 1):
        band = SubElement(root, "VRTRasterBand", dataType=TYPES[dtype], band=str(index))
        band.set("subClass", "VRTWarpedRasterBand")
        add_text(band, "NoDataValue", number_text(fill))
    add_text(root, "BlockXSize", str(BLOCK[0]))
    add_text(root, "BlockYSize", str(BLOCK[1]))
    options = SubElement(root, "GDALWarpOptions")
    add_text(options, "ResampleAlg", "Average" if grid.averaged else "Bilinear")
    add_text(options, "WorkingDataType", TYPES[np.result_type(*dtypes).name])
    for name, value in {"UNIFIED_SRC_NODATA": "NO", "XSCALE": "1", "YSCALE": "1", "INIT_DEST": "NO_DATA"}.items():
        add_text(options, "Option", value, name=name)
    add_text(options, "SourceDataset", gdal_path(path), relativeToVRT="0")
    approximation = SubElement(SubElement(options, "Transformer"), "ApproxTransformer")
    add_text(approximation, "MaxError", number_text(TOLERANCE))
    _add_transformer(SubElement(approximation, "BaseTransformer"), grid)
    mapping = SubElement(options, "BandList")
    for index, (source, fill) in enumerate(zip(bands, fills, strict=True), 1):
        _add_band(SubElement(mapping, "BandMapping", src=str(source), dst=str(index)), fill)
    return tostring(root, encoding="unicode")


def read_blocks(dataset: Any, window: Window, bands: Sequence[int]) -> NDArray[Any]:
    """(height, width, bands) of a warped raster, equal for every way to cut it into windows.

    GDAL approximates the transformation along the rows of whatever is asked for, so that a window
    differs from the same part of a full read (GDAL #13717). Whole blocks never do, and are cached.
    """
    values = np.empty((window.height, window.width, len(bands)), np.result_type(*dataset.dtypes))
    for block in _blocks(window, dataset.height, dataset.width):
        rows = slice(max(block.row_off, window.row_off), min(block.rows.stop, window.rows.stop))
        cols = slice(max(block.col_off, window.col_off), min(block.cols.stop, window.cols.stop))
        whole = read_window(dataset, block, bands)
        values[_from(rows, window.row_off), _from(cols, window.col_off)] = whole[
            _from(rows, block.row_off), _from(cols, block.col_off)
        ]
    return values


def _blocks(window: Window, height: int, width: int) -> Iterator[Window]:
    """The blocks of a raster that a window touches."""
    across, down = BLOCK
    for row_off in range(window.row_off // down * down, window.rows.stop, down):
        for col_off in range(window.col_off // across * across, window.cols.stop, across):
            yield Window(row_off, col_off, min(down, height - row_off), min(across, width - col_off))


def _from(span: slice, first: int) -> slice:
    return slice(span.start - first, span.stop - first)


def _add_transformer(parent: Element, grid: MapGrid) -> None:
    transformer = SubElement(parent, "GenImgProjTransformer")
    if grid.method == "polynomial":
        points = SubElement(SubElement(transformer, "SrcGCPTransformer"), "GCPTransformer")
        add_text(points, "Order", str(ORDER))
    else:
        points = SubElement(SubElement(transformer, "SrcTPSTransformer"), "TPSTransformer")
    add_text(points, "Reversed", "0")
    _add_points(SubElement(points, "GCPList"), grid)
    add_text(transformer, "DstGeoTransform", transform_text(grid.transform))
    add_text(transformer, "DstInvGeoTransform", transform_text(~grid.transform))


def _add_points(parent: Element, grid: MapGrid) -> None:
    for number, (pixel, place) in enumerate(zip(grid.points.pixels, grid.points.ground, strict=True), 1):
        names = ("Pixel", "Line", "X", "Y")
        values = {name: number_text(value) for name, value in zip(names, (*pixel, *place), strict=True)}
        SubElement(parent, "GCP", {"Id": str(number), **values})


def _add_band(mapping: Element, fill: float) -> None:
    for side in ("Src", "Dst"):
        add_text(mapping, f"{side}NoDataReal", number_text(fill))
        add_text(mapping, f"{side}NoDataImag", "0")
