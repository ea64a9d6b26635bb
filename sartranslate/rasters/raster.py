"""Any raster that GDAL reads: opened with clear errors, read through windows.

Here the (bands, rows, columns) of files become channels-last.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError  # of GDAL, which rasterio does not always make one of its own
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader

from sartranslate.errors import AreaError, SceneError
from sartranslate.rasters.local_only import drivers_for
from sartranslate.rasters.process_wide import quiet
from sartranslate.rasters.raster_limits import check_limits
from sartranslate.rasters.remote import be_patient, gdal_path, mended, opening
from sartranslate.streaming.windows import Window


@contextmanager
def opened_raster(
    path: str | os.PathLike[str], name: str | os.PathLike[str] | None = None, *, blocks: bool = False
) -> Iterator[Any]:
    """Open a raster for reading; errors of reading it inside are raised as `SceneError`, naming it.

    So are sizes that can not be meant, see `raster_limits`.

    `name` is what the user calls it, where `path` is the text of a virtual raster made of it. `blocks` promises
    that nothing but whole blocks is read.
    """
    called = mended(name or path)
    be_patient()
    with named_errors(called):
        drivers = drivers_for(mended(path)) if name is None or called == mended(path) else None
        try:
            with quiet(), rasterio.Env(**opening(called, blocks=blocks)):
                dataset = _opened(gdal_path(path), drivers)
            with dataset:
                if name is None:
                    check_limits(dataset)
                yield dataset
        except (RasterioError, CPLE_BaseError, UnicodeError) as error:
            if Path(called).is_dir():
                raise SceneError("is a folder, expected a raster or a Sentinel-1 SAFE folder") from error
            formats = f"; --local-only opens {', '.join(drivers)}" if drivers else ""
            raise SceneError(f"can not be read: {_reason(error).removeprefix(f'{called}: ')}{formats}") from error


def _opened(path: str, drivers: list[str] | None) -> Any:
    if drivers is None:
        return rasterio.open(path)
    with rasterio.Env():  # which rasterio.open enters itself, but it takes one driver only
        return DatasetReader(path, driver=drivers)


@contextmanager
def named_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """A `SceneError` or `AreaError` raised inside begins with the path."""
    try:
        yield
    except (SceneError, AreaError) as error:
        raise type(error)(f"{os.fspath(path)}: {error}") from error


def read_window(dataset: Any, window: Window, bands: Sequence[int] | None = None) -> NDArray[Any]:
    """(height, width, bands) of an open dataset, channels last. Raises `SceneError`, naming the rows."""
    with _named_rows(window):
        return np.moveaxis(read_bands(dataset, bands or dataset.indexes, to_rasterio(window)), 0, -1)


def read_bands(dataset: Any, bands: Sequence[int], window: rasterio.windows.Window) -> NDArray[Any]:
    """(bands, height, width) of an open dataset; of bands of different types, in one that holds them all."""
    if len({dataset.dtypes[band - 1] for band in bands}) == 1:
        return np.asarray(dataset.read(list(bands), window=window))
    return np.stack([dataset.read(band, window=window) for band in bands])


def read_masks(dataset: Any, window: Window, bands: Sequence[int]) -> NDArray[np.uint8]:
    """(height, width, bands) of the masks of bands, 0 where invalid. Raises `SceneError`, naming the rows."""
    with _named_rows(window):
        return np.moveaxis(dataset.read_masks(list(bands), window=to_rasterio(window)), 0, -1)


@contextmanager
def _named_rows(window: Window) -> Iterator[None]:
    try:
        yield
    except (RasterioError, CPLE_BaseError) as error:
        rows = f"rows {window.row_off} to {window.rows.stop - 1}"
        raise SceneError(f"can not be read in {rows}: {_reason(error)}") from error


def to_rasterio(window: Window) -> rasterio.windows.Window:
    """The same rectangle in rasterio's terms."""
    return rasterio.windows.Window(window.col_off, window.row_off, window.width, window.height)


def applied(transform: Affine, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 2) x and y of (N, 2) columns and rows; affine 3 deprecates multiplying for that."""
    x, y = points.T
    projected = transform.a * x + transform.b * y + transform.c, transform.d * x + transform.e * y + transform.f
    return np.column_stack(projected)


def moved(transform: Affine, window: Window) -> Affine:
    """The transform of a window's pixels."""
    a, b, c, d, e, f = transform[:6]
    left, top = window.col_off, window.row_off
    return Affine(a, b, c + a * left + b * top, d, e, f + d * left + e * top)


def stored_tags(path: str | os.PathLike[str]) -> dict[str, str]:
    """The metadata of a raster as a whole. Raises `SceneError`."""
    with opened_raster(path) as dataset:
        return dict(dataset.tags())


def stored_compression(path: str | os.PathLike[str]) -> str:
    """GDAL's word for it, such as "ZSTD", or "NONE". Raises `SceneError`."""
    with opened_raster(path) as dataset:
        return str(dataset.tags(ns="IMAGE_STRUCTURE").get("COMPRESSION", "NONE"))


def all_files(dataset: Any) -> list[str]:
    """The files of a dataset, those of virtual rasters within it included, each once."""
    found: dict[str, None] = {}
    _gather(dataset, found)
    return [*found]


def _gather(dataset: Any, found: dict[str, None]) -> None:
    """Virtual rasters may lead to each other."""
    for file in dataset.files:
        known = file in found
        found[file] = None
        if file.lower().endswith(".vrt") and file != dataset.name and not known:
            with quiet(), rasterio.open(file) as nested:
                _gather(nested, found)


def _reason(error: BaseException) -> str:
    """What GDAL says: the text of rasterio often only points to it, its cause."""
    return first_line(error.__cause__ or error)


def first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
