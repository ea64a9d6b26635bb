"""A SAR scene on disk: open and check it, read patches through windows.

Here the (bands, rows, columns) of files become channels-last.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from sartranslate.errors import SceneError
from sartranslate.polarisation import choose_bands, polarisation
from sartranslate.radiometry import Mask, valid_mask
from sartranslate.windows import Window

UNSCALED = (1.0, 0.0)
SAMPLED_WINDOWS = 32  # per axis, evenly spread over the scene
SAMPLED_SIZE = 64  # pixels, both sides of a sampled window
CACHE_MARGIN = 16 * 2**20  # bytes of GDAL's block cache
CACHE_LIMIT = 1024 * 2**20  # bytes
OUTPUT_ROWS = 640  # a row of the output's blocks, and strips of the next
OUTPUT_PIXEL_BYTES = 4  # RGB and mask


@dataclass(frozen=True)
class Scene:
    """What there is to know of a scene without reading its pixels."""

    path: str
    height: int
    width: int
    crs: CRS | None
    transform: Affine
    bands: tuple[int, ...]  # 1-based, one for each channel of the model
    names: tuple[str | None, ...]  # polarisations of these bands, None where unknown
    nodata: tuple[float | None, ...]  # of these bands
    scales: tuple[tuple[float, float], ...]  # factor and offset from stored values to the unit, band by band
    has_mask: bool  # a mask band or a mask file
    alpha: tuple[int, ...]  # alpha bands, 1-based
    pixel_bytes: int  # of these bands together
    block_height: int  # rows that are stored, and so decoded, together
    files: tuple[str, ...]  # that the scene is made of


def open_scene(
    path: str | os.PathLike[str],
    wanted: Sequence[Sequence[str]],
    bands: Sequence[int] = (),
    *,
    allow_ungeoreferenced: bool = False,
) -> Scene:
    """Check that `path` is a real-valued raster on known ground with the bands a model wants.

    Raises `SceneError` otherwise, saying what was found and what was expected.
    """
    with opened_raster(path) as dataset:
        if not allow_ungeoreferenced:
            _check_georeference(dataset)
        data = [i for i, kind in enumerate(dataset.colorinterp, 1) if kind != ColorInterp.alpha]
        names = [polarisation(dataset.descriptions[i - 1]) for i in data]
        chosen = tuple(data[band - 1] for band in choose_bands(names, wanted, bands))
        for band in chosen:
            if "complex" in dataset.dtypes[band - 1]:
                raise SceneError(
                    f"complex values ({dataset.dtypes[band - 1]}), expected detected amplitude, power or dB"
                )
        return Scene(
            path=os.fspath(path),
            height=dataset.height,
            width=dataset.width,
            crs=dataset.crs,
            transform=dataset.transform,
            bands=chosen,
            names=tuple(polarisation(dataset.descriptions[band - 1]) for band in chosen),
            nodata=tuple(dataset.nodatavals[band - 1] for band in chosen),
            scales=tuple((dataset.scales[band - 1], dataset.offsets[band - 1]) for band in chosen),
            has_mask=any(_has_mask(dataset.mask_flag_enums[band - 1]) for band in chosen),
            alpha=tuple(band for band in range(1, dataset.count + 1) if band not in data),
            pixel_bytes=sum(np.dtype(dataset.dtypes[band - 1]).itemsize for band in chosen),
            block_height=max(dataset.block_shapes[band - 1][0] for band in chosen),
            files=tuple(_all_files(dataset)),
        )


class SceneReader:
    """Reads patches of a scene through a dataset of its own: one reader for each thread."""

    def __init__(self, scene: Scene, dataset: Any) -> None:
        self._scene = scene
        self._dataset = dataset

    def read(self, window: Window) -> tuple[NDArray[Any], Mask]:
        """Values (height, width, channels) in the scene's unit, and their validity (height, width).

        The dtype is that of the file, or float32 where the file stores a scale or an offset.
        """
        values = read_window(self._dataset, window, self._scene.bands)
        mask = valid_mask(values, self._scene.nodata)
        if self._scene.has_mask:
            masks = self._dataset.read_masks(list(self._scene.bands), window=_to_rasterio(window))
            mask &= (masks != 0).all(axis=0)
        if self._scene.alpha:
            mask &= (read_window(self._dataset, window, self._scene.alpha) != 0).all(axis=-1)
        if any(scale != UNSCALED for scale in self._scene.scales):
            factor, offset = np.asarray(self._scene.scales, np.float32).T
            values = values * factor + offset
        return values, mask


@contextmanager
def scene_reader(scene: Scene) -> Iterator[SceneReader]:
    """Open a reader; an error while reading is raised as `SceneError`."""
    with opened_raster(scene.path) as dataset:
        yield SceneReader(scene, dataset)


def sample_scene(scene: Scene) -> NDArray[Any]:
    """(N, channels) valid values in scan order from full-resolution windows spread evenly over the scene.

    Overviews are averaged and would hide speckle, so none is used. Raises `SceneError` if no pixel
    of the scene is valid.
    """
    with scene_reader(scene) as reader:
        values = _valid_values(reader, _spread_windows(scene))
        if not values.size or (values == values[0]).all():
            values = _valid_values(reader, _all_windows(scene))
        if not values.size:
            raise SceneError("no valid pixels")
    return values


@contextmanager
def block_cache(scene: Scene, window_size: int) -> Iterator[None]:
    """Inside, GDAL may keep the blocks of the scene and the output under one row of windows: each is coded once.

    Its default is a share of the machine's memory, whatever the scene needs.
    """
    source = (window_size + 2 * scene.block_height) * scene.width * scene.pixel_bytes
    needed = CACHE_MARGIN + source + OUTPUT_ROWS * scene.width * OUTPUT_PIXEL_BYTES
    with rasterio.Env(GDAL_CACHEMAX=min(needed, CACHE_LIMIT)):
        yield


def read_window(dataset: Any, window: Window, bands: Sequence[int] | None = None) -> NDArray[Any]:
    """(height, width, bands) of an open dataset, channels last."""
    indexes = None if bands is None else list(bands)
    return np.moveaxis(dataset.read(indexes, window=_to_rasterio(window)), 0, -1)


@contextmanager
def quiet_georeference() -> Iterator[None]:
    """Silence rasterio's warning about rasters without georeference, which is checked here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


@contextmanager
def opened_raster(path: str | os.PathLike[str]) -> Iterator[Any]:
    """Open a raster for reading; errors of reading it inside are raised as `SceneError`, naming `path`."""
    try:
        with quiet_georeference():
            dataset = rasterio.open(path)
        with dataset:
            yield dataset
    except (RasterioError, UnicodeError) as error:
        # rasterio's own text often only points to GDAL's, which is its cause.
        reason = _first_line(error.__cause__ or error).removeprefix(f"{os.fspath(path)}: ")
        raise SceneError(f"{os.fspath(path)}: can not be read: {reason}") from error
    except SceneError as error:
        raise SceneError(f"{os.fspath(path)}: {error}") from error


def _check_georeference(dataset: Any) -> None:
    if dataset.crs is not None and not dataset.transform.is_identity:
        return
    points = len(dataset.gcps[0])
    found = f"only {points} ground control points" if points else "no georeference"
    raise SceneError(f"{found}, expected CRS and transform; --allow-ungeoreferenced goes ahead in pixel coordinates")


def _has_mask(flags: Sequence[MaskFlags]) -> bool:
    """Whether a band has a mask that neither its nodata value nor an alpha band gives; one of its own has no flag."""
    return not flags or (MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags)


def _all_files(dataset: Any) -> Iterator[str]:
    """The files of a dataset, those of virtual rasters within it included."""
    for file in dataset.files:
        yield file
        if file.lower().endswith(".vrt") and file != dataset.name:
            with quiet_georeference(), rasterio.open(file) as nested:
                yield from _all_files(nested)


def _spread_windows(scene: Scene) -> Iterator[Window]:
    height, width = min(SAMPLED_SIZE, scene.height), min(SAMPLED_SIZE, scene.width)
    for row_off in _spread(scene.height, height):
        for col_off in _spread(scene.width, width):
            yield Window(row_off, col_off, height, width)


def _spread(length: int, size: int) -> list[int]:
    count = min(SAMPLED_WINDOWS, -(-length // size))
    return sorted({round(offset) for offset in np.linspace(0, length - size, count)})


def _all_windows(scene: Scene) -> Iterator[Window]:
    size = SAMPLED_SIZE * 16
    for row_off in range(0, scene.height, size):
        for col_off in range(0, scene.width, size):
            yield Window(row_off, col_off, min(size, scene.height - row_off), min(size, scene.width - col_off))


def _valid_values(reader: SceneReader, windows: Iterator[Window]) -> NDArray[Any]:
    patches = (reader.read(window) for window in windows)
    return np.concatenate([values[mask] for values, mask in patches])


def _to_rasterio(window: Window) -> rasterio.windows.Window:
    return rasterio.windows.Window(window.col_off, window.row_off, window.width, window.height)


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
