"""Backscatter in an array translated to colours in an array: the pixels that a file with these values would get."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

import numpy as np
from affine import Affine
from numpy.typing import ArrayLike, NDArray
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.io import MemoryFile

from sartranslate.backscatter.polarisation import MOST_LISTED, POLARISATIONS, choose_bands
from sartranslate.backscatter.radiometry import Mask, to_rgb
from sartranslate.counts import counted
from sartranslate.errors import OptionError, SartranslateError, SceneError
from sartranslate.infer.inference import translated_strips, valid_in_area
from sartranslate.infer.planning import InferenceOptions, PixelPlan, plan_pixels
from sartranslate.networks import bundle
from sartranslate.rasters.process_wide import quiet
from sartranslate.rasters.raster import first_line, named_errors
from sartranslate.runtimes.runtime import AUTO
from sartranslate.runtimes.translator import Translator
from sartranslate.scenes.area_file import chosen_area
from sartranslate.scenes.reader import block_cache
from sartranslate.scenes.scene import open_scene
from sartranslate.scenes.source import SceneOptions, check_real
from sartranslate.streaming.windows import check_multiple
from sartranslate.translation import Box, PathLike, translator_for

NAME = "array"  # of the scene in errors
TYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64")
WIDENED = {"float16": np.dtype(np.float32)}


class Picture(NamedTuple):
    """Synthetic colours of a scene, and where they mean something."""

    rgb: NDArray[np.uint8]  # (height, width, 3), 0 where invalid
    mask: Mask  # (height, width), True = valid


def translate_array(
    values: ArrayLike,
    transform: Affine | Sequence[float] | None = None,
    crs: Any = None,
    nodata: float | None = None,
    *,
    model: PathLike | None = None,
    polarisations: Sequence[str] = (),
    bands: Sequence[int] = (),
    unit: str | None = None,
    aoi: PathLike | None = None,
    bbox: Box | None = None,
    aoi_crs: str | None = None,
    window: int = 256,
    overlap: int = 64,
    batch_size: int | None = None,
    runtime: str = AUTO,
    precision: str = AUTO,
) -> Picture:
    """RGB (H, W, 3), uint8, and mask (H, W), True = valid, of backscatter (H, W) or (H, W, bands); no file is written.

    Pixels are those that `translate` writes for a GeoTIFF with these values, bit for bit. The unit is guessed, or
    told as `unit`, and values are scaled by their own percentiles, so `values` should be a whole scene, not a tile.
    Invalid are `nodata`, NaN and infinity, what a masked array masks, and, where there is neither `nodata` nor a
    masked value and values are wider than a byte, blocks of zeros. `polarisations` names the bands, such as
    ("VV", "VH"); `bands` chooses by number, from 1. `transform` (a to f, from columns and rows to `crs`) and `crs`,
    anything that rasterio takes, are needed for `aoi` and `bbox` only, outside of which the mask is False.

    Raises errors of `sartranslate.errors`: `SceneError` for values that are no scene, `OptionError`, `AreaError`,
    `BundleError` and `BackendError` as `translate`.
    """
    model = bundle.located(model)
    wanted = bundle.describe(model)
    check_multiple(window, wanted.generator.size_multiple)
    area = chosen_area(aoi, bbox, aoi_crs)
    if area is not None and transform is None:
        raise OptionError("an area without a transform, expected that of the array, which places it")
    told = SceneOptions(bands=bands, bands_option="bands", nodata=nodata, allow_ungeoreferenced=True)
    options = InferenceOptions(window, overlap, batch_size, unit=unit, scene=told, area=area)
    layers = _layers(values)
    names = _names(polarisations, len(layers))
    with named_errors(NAME):
        used = choose_bands(names, wanted.radiometry.bands, told.bands, told.bands_option)
    masked = np.asarray(np.ma.getmaskarray(layers)[[band - 1 for band in used]].any(axis=0))
    with _in_memory(layers, names, masked, transform=_transform(transform), crs=_crs(crs)) as path:
        scene = open_scene(path, wanted.radiometry.bands, told)
        planned = plan_pixels(scene, wanted.radiometry, options)
        return picture(planned, translator_for(planned, model, runtime, precision))


def picture(planned: PixelPlan, translator: Translator) -> Picture:
    """The planned pixels of a scene as arrays of its size. Raises `SceneError` or `BackendError`."""
    scene, cols = planned.scene, planned.region.cols
    rgb = np.zeros((scene.height, scene.width, 3), np.uint8)
    mask = np.zeros((scene.height, scene.width), bool)
    strips = translated_strips(planned, translator)
    with block_cache(scene, planned.options.window), closing(strips):
        for strip in strips:
            rows = slice(strip.row_off, strip.row_off + len(strip.mask))
            valid = valid_in_area(planned, strip)
            mask[rows, cols] = valid
            rgb[rows, cols][valid] = to_rgb(strip.values[valid])
    return Picture(rgb, mask)


def _layers(values: ArrayLike) -> NDArray[Any]:
    """(bands, H, W) of a type that GeoTIFF has, masked where the values are."""
    try:
        array = np.asanyarray(values)
    except ValueError as error:
        raise SceneError(f"{NAME}: {first_line(error)}") from error
    if array.ndim not in (2, 3) or not array.size:
        raise SceneError(f"{NAME}: shape {array.shape}, expected (height, width) or (height, width, bands)")
    with named_errors(NAME):
        check_real(array.dtype.name)
    if array.dtype.name not in (*TYPES, *WIDENED):
        raise SceneError(f"{NAME}: values of {array.dtype}, expected one of {', '.join(TYPES)}")
    if array.ndim == 3 and len(array) <= MOST_LISTED < array.shape[-1]:
        raise SceneError(
            f"{NAME}: shape {array.shape}, expected (height, width, bands); "
            "np.moveaxis(values, 0, -1) where bands are first"
        )
    layers = array[None] if array.ndim == 2 else np.moveaxis(array, -1, 0)
    return np.asanyarray(layers, WIDENED.get(array.dtype.name))


def _transform(transform: Affine | Sequence[float] | None) -> Affine | None:
    if transform is None:
        return None
    try:
        numbers = tuple(map(float, transform))
        if len(numbers) in (6, 9):  # an affine.Affine has its last row too
            return Affine(*numbers[:6])
    except (TypeError, ValueError):
        pass
    raise OptionError(f"transform {transform!r}: expected six numbers, a to f")


def _crs(crs: Any) -> CRS | None:
    try:
        return None if crs is None else CRS.from_user_input(crs)
    except (CRSError, ValueError) as error:
        raise OptionError(f"CRS {crs!r}: {first_line(error)}") from error


@contextmanager
def _in_memory(layers: NDArray[Any], names: Sequence[str | None], masked: Mask, **place: Any) -> Iterator[str]:
    """The path of a raster of these bands that GDAL keeps in memory; errors inside call it by another name.

    None of the bands is an alpha band, as a fourth one of bytes would be by default.
    """
    count, height, width = layers.shape
    size = {"count": count, "height": height, "width": width, "dtype": layers.dtype}
    profile = {"driver": "GTiff", "photometric": "MINISBLACK", **size, **place}
    with MemoryFile(filename=f"{NAME}.tif") as memory:
        with quiet(), memory.open(**profile) as dataset:
            dataset.write(np.ma.getdata(layers))
            if masked.any():
                dataset.write_mask(~masked)
            for number, name in enumerate(names, 1):
                if name is not None:
                    dataset.set_band_description(number, name)
        try:
            yield memory.name
        except SartranslateError as error:
            raise type(error)(str(error).replace(memory.name, NAME)) from error


def _names(polarisations: Sequence[str], bands: int) -> Sequence[str | None]:
    """Of the bands, None where they are not told."""
    names = tuple(polarisations)
    if names and len(names) != bands:
        raise OptionError(f"polarisations {', '.join(names)} of {counted(bands, 'band')}, expected one for each")
    for name in names:
        if name not in POLARISATIONS:
            raise OptionError(f"polarisation {name!r}: expected one of {', '.join(POLARISATIONS)}")
    return names or (None,) * bands
