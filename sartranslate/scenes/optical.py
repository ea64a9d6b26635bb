"""An optical image on the pixels of a SAR scene, as RGB bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio import warp
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.vrt import WarpedVRT

from sartranslate.backscatter.radiometry import Mask
from sartranslate.errors import OptionError, SceneError
from sartranslate.rasters.raster import all_files, applied, named_errors, opened_raster, read_window, to_rasterio
from sartranslate.scenes.sampling import spread_windows
from sartranslate.scenes.scene import Scene
from sartranslate.scenes.source import check_can_hold
from sartranslate.scenes.stretch import WHITE, Stretch, percentile_stretch, to_bytes, with_neutral_haze, without_haze
from sartranslate.streaming.windows import Window

COLOURS = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
NAMES = (("RED", "B4", "B04"), ("GREEN", "B3", "B03"), ("BLUE", "B2", "B02"))  # with Sentinel-2's
BLACK = 0.0  # fill, where nothing is declared and there is nothing else in any band of more than
BLACK_SHARE = 0.02  # of the sampled windows, or of
BLACK_BORDER = 0.1  # of their sides along the border of the image: frames and wedges are narrow
RIM = 5  # pixels, the depth of such a side; and
DARK = 0.5  # of the windows within, or less, are black: at night all is
TOLERANCE = 0.01  # optical pixels; rasterio fails at 0 with a grid told
FINER = 1.5  # optical pixels this much smaller than the grid's, along each axis, are averaged


@dataclass(frozen=True)
class OpticalOptions:
    """What a user says of an optical image that its file does not say."""

    rgb: tuple[int, ...] = ()  # its red, green and blue band, 1-based; empty: by colour or name
    stretch: tuple[float, float] | None = None  # values that become 0 and 255; None: bytes as they are, or percentiles
    subtract_haze: bool = False  # 0 is the dark object of each colour, whatever the stretch begins at
    neutral_haze: float = 0.0  # share of its colour that is taken out of the haze, from 0 to 1
    optical_nodata: float | None = None  # in all bands; None: as declared, or black where parts are; NaN: nothing


@dataclass(frozen=True)
class Optical:
    """An RGB image that lies somewhere on the ground, and how its values become bytes."""

    path: str
    crs: CRS
    transform: Affine
    height: int
    width: int
    bands: tuple[int, ...]  # red, green and blue, 1-based
    stretch: Stretch | None  # None: bytes already
    nodata: float | None = None  # in place of what the file declares
    files: tuple[str, ...] = ()  # those that it is made of, itself included


def open_optical(path: str | os.PathLike[str], options: OpticalOptions | None = None) -> Optical:
    """Check that `path` is an optical image on known ground, and find its red, green and blue bands.

    They are known by colour or name; three bands, or three and alpha, are taken in their order. Values other than
    bytes are stretched between percentiles of the whole image. Raises `SceneError` otherwise, and `OptionError` for a
    stretch without a range.
    """
    options = options or OpticalOptions()
    with opened_raster(path) as dataset:
        if dataset.crs is None or dataset.transform.is_identity:
            raise SceneError("no georeference, expected an optical image with CRS and transform")
        if ColorInterp.palette in dataset.colorinterp:
            raise SceneError("a palette image, expected its colours: gdal_translate -expand rgb")
        check_told(dataset, options.rgb)
        bands = options.rgb or _colours(dataset)
        shape = dataset.height, dataset.width
        nodata = _nodata(dataset, bands, options.optical_nodata)
        stretch = _stretch(dataset, bands, options, nodata)
        place = dataset.crs, dataset.transform
        return Optical(os.fspath(path), *place, *shape, bands, stretch, nodata, tuple(all_files(dataset)))


class OpticalReader:
    """Reads an optical image through windows of a SAR scene."""

    def __init__(self, optical: Optical, warped: Any) -> None:
        self._optical = optical
        self._warped = warped
        self._bands = (*optical.bands, warped.colorinterp.index(ColorInterp.alpha) + 1)

    def read(self, window: Window) -> tuple[NDArray[np.uint8], Mask]:
        """RGB (height, width, 3) and validity (height, width) of a window of the scene."""
        values = read_window(self._warped, window, self._bands)
        valid = np.isfinite(values).all(axis=-1) & (values[..., 3] > 0)
        return to_bytes(values[..., :3], self._optical.stretch), valid


@contextmanager
def optical_reader(optical: Optical, scene: Scene) -> Iterator[OpticalReader]:
    """Open a reader that warps the image onto the scene's grid: cubic, or the mean where the image is finer."""
    resampling = Resampling.average if _finer(optical, scene) else Resampling.cubic
    grid = {"crs": scene.crs, "transform": scene.transform, "height": scene.height, "width": scene.width}
    with opened_raster(optical.path) as dataset:
        alpha = {"add_alpha": ColorInterp.alpha not in dataset.colorinterp}
        fill = {} if optical.nodata is None else {"src_nodata": optical.nodata}
        with WarpedVRT(dataset, resampling=resampling, tolerance=TOLERANCE, **grid, **alpha, **fill) as warped:
            yield OpticalReader(optical, warped)


def known_colours(dataset: Any) -> tuple[int, ...] | None:
    """The bands, 1-based, that an open dataset calls red, green and blue by their colour or name; None without."""
    if all(colour in dataset.colorinterp for colour in COLOURS):
        return tuple(dataset.colorinterp.index(colour) + 1 for colour in COLOURS)
    descriptions = [(text or "").upper() for text in dataset.descriptions]
    named = [next((descriptions.index(name) + 1 for name in names if name in descriptions), 0) for names in NAMES]
    return tuple(named) if all(named) else None


def check_told(dataset: Any, rgb: tuple[int, ...]) -> None:
    """Raise `SceneError` where bands are told, 1-based, that are not three of an open dataset's."""
    if rgb and (len(rgb) != 3 or not all(1 <= band <= dataset.count for band in rgb)):
        raise SceneError(f"bands {', '.join(map(str, rgb))} of {dataset.count} told, expected three for RGB")


def declares_validity(dataset: Any, bands: Sequence[int]) -> bool:
    """Whether the file of an open dataset tells of any of these bands, 1-based, which pixels are valid."""
    return any(MaskFlags.all_valid not in dataset.mask_flag_enums[band - 1] for band in bands)


def _colours(dataset: Any) -> tuple[int, ...]:
    if known := known_colours(dataset):
        return known
    data = [index for index, kind in enumerate(dataset.colorinterp, 1) if kind != ColorInterp.alpha]
    if len(data) != 3:
        count = "1 band" if len(data) == 1 else f"{len(data)} bands"
        raise SceneError(f"{count}, expected red, green and blue; choose with --rgb")
    return tuple(data)


def _stretch(dataset: Any, bands: tuple[int, ...], options: OpticalOptions, nodata: float | None) -> Stretch | None:
    """As told, or as measured where the values are no bytes."""
    if options.stretch and not -np.inf < options.stretch[0] < options.stretch[1] < np.inf:
        raise OptionError(f"stretch {options.stretch[0]} to {options.stretch[1]}: expected low < high, both finite")
    told = Stretch(*options.stretch) if options.stretch else None
    are_bytes = all(dataset.dtypes[band - 1] == "uint8" for band in bands)
    if not 0 <= options.neutral_haze <= 1 or (options.subtract_haze and options.neutral_haze):
        raise OptionError(f"neutral haze {options.neutral_haze:g}: expected 0 to 1, and no haze subtracted")
    if not (options.subtract_haze or options.neutral_haze) and (told or are_bytes):
        return told
    sample = _sample(dataset, bands, nodata)
    stretch = told or (Stretch(0, WHITE) if are_bytes else percentile_stretch(sample, "valid pixels"))
    if options.neutral_haze:
        return with_neutral_haze(stretch, sample, options.neutral_haze)
    return without_haze(stretch, sample) if options.subtract_haze else stretch


def _nodata(dataset: Any, bands: tuple[int, ...], told: float | None) -> float | None:
    """The value that means no data in all bands, where it is told, or the file declares nothing and parts are black."""
    declared = declares_validity(dataset, bands)
    if told is not None and not np.isnan(told):
        if declared:
            raise SceneError(f"nodata {told:g} told, and the file tells by itself which pixels are valid")
        for dtype in (dataset.dtypes[band - 1] for band in bands):
            check_can_hold(dtype, told)
        return told
    return BLACK if told is None and not declared and _has_black_parts(dataset, bands) else None


def _has_black_parts(dataset: Any, bands: tuple[int, ...]) -> bool:
    windows = list(spread_windows(dataset.height, dataset.width))
    black = [_black(dataset, window, bands) for window in windows]
    if np.mean([part.all() for part in black]) > BLACK_SHARE:
        return True
    rims = [list(_rims(dataset, window, part)) for window, part in zip(windows, black, strict=True)]
    inside = [part.mean() for part, own in zip(black, rims, strict=True) if not own]
    if not inside or np.mean(inside) > DARK:
        return False
    return bool(np.mean([rim.all() for own in rims for rim in own]) > BLACK_BORDER)


def _black(dataset: Any, window: Window, bands: tuple[int, ...]) -> Mask:
    """Where neither colours nor any other bands have a value."""
    black = ~read_window(dataset, window, bands).any(axis=-1)
    if black.any() and dataset.count > len(bands):
        black &= ~read_window(dataset, window).any(axis=-1)
    return np.asarray(black)


def _rims(dataset: Any, window: Window, part: Mask) -> Iterator[Mask]:
    """The sides of a window that lie along the border of the image."""
    if window.row_off == 0:
        yield part[:RIM]
    if window.row_off + window.height == dataset.height:
        yield part[-RIM:]
    if window.col_off == 0:
        yield part[:, :RIM]
    if window.col_off + window.width == dataset.width:
        yield part[:, -RIM:]


def _sample(dataset: Any, bands: tuple[int, ...], nodata: float | None) -> NDArray[Any]:
    """(3, N) valid values of full-resolution windows from all over the image.

    Overviews may be of an earlier state of it, or of a part.
    """
    parts = []
    black_fill = all(dataset.nodatavals[band - 1] == BLACK for band in bands)  # 0 in one colour alone is a dark pixel
    for window in spread_windows(dataset.height, dataset.width):
        values = dataset.read(list(bands), window=to_rasterio(window), masked=True)
        lost = np.ma.getmaskarray(values)
        valid = np.isfinite(values.data).all(axis=0) & ~(lost.all(axis=0) if black_fill else lost.any(axis=0))
        if nodata is not None:
            valid &= (values.data != nodata).any(axis=0)
        parts.append(values.data[:, valid])
    sample = np.concatenate(parts, axis=1)
    if not sample.size:
        raise SceneError("no valid pixels")
    return sample


def _finer(optical: Optical, scene: Scene) -> bool:
    """Whether a pixel in the middle of the scene covers several of the image's."""
    column, row = scene.width / 2, scene.height / 2
    corners = np.array([(column, row), (column + 1, row), (column, row + 1)])
    places = applied(scene.transform, corners)
    with named_errors(optical.path):
        projected = np.stack(warp.transform(scene.crs, optical.crs, *places.T), axis=-1)
    right, down = np.diff(applied(~optical.transform, projected)[[1, 0, 2]], axis=0) * [[-1], [1]]
    return bool(abs(right[0] * down[1] - right[1] * down[0]) > FINER**2)
