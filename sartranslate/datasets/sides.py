"""One side of a pair, the radar's or an image: opened without reading pixels, then read through windows.

A side is a file of its own or, side by side with the other one, the left or the right half of a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.enums import ColorInterp

from sartranslate.backscatter.radiometry import Mask
from sartranslate.errors import PairsError, SceneError
from sartranslate.rasters.png import check_png
from sartranslate.rasters.raster import opened_raster, read_window, to_rasterio
from sartranslate.scenes.optical import check_told, declares_validity, known_colours
from sartranslate.scenes.reader import scene_reader
from sartranslate.scenes.scene import Scene, open_scene
from sartranslate.scenes.source import SceneOptions
from sartranslate.streaming.windows import Window

LEFT, RIGHT = 0, 1
SEEN_ABOVE_ZERO = ("uint16", "uint32", "int16", "int32")  # of which 0 in all colours is fill; bytes may be black
GREY = 8  # levels that red, green and blue of a grey pixel may be apart
COLOURED = 0.05  # share of pixels; where two halves meet, a JPEG bleeds colours into a block of 16 pixels


@dataclass(frozen=True)
class Image:
    """A picture of red, green and blue; grey is repeated, and palettes are expanded."""

    path: Path
    height: int
    width: int
    col_off: int  # of this half in the file, pixels
    bands: tuple[int, ...]  # red, green and blue, 1-based
    dtype: str  # of what is read
    crs: CRS | None
    transform: Affine
    palette: bool
    zero_fill: bool  # 0 in all colours is no data

    statistics = None  # a picture is no cut of a scene

    def read(self, window: Window) -> tuple[NDArray[Any], Mask]:
        """Values (height, width, 3) as they are stored, and their validity (height, width)."""
        place = to_rasterio(window._replace(col_off=self.col_off + window.col_off))
        with opened_raster(self.path) as dataset:
            valid = dataset.dataset_mask(window=place) > 0
            if self.palette:
                colours = _palette(dataset)[dataset.read(1, window=place)]
                return colours[..., :3], valid & (colours[..., 3] > 0)
            values = np.moveaxis(dataset.read(list(self.bands), window=place), 0, -1)
            if self.zero_fill:
                valid &= values.any(axis=-1)
            return values, valid & np.isfinite(values).all(axis=-1)

    def read_whole(self) -> tuple[NDArray[Any], Mask]:
        """All of it, decoded to the last byte; raises `SceneError` for a file that is cut off or damaged."""
        _check_whole(self.path)
        return self.read(Window(0, 0, self.height, self.width))


@dataclass(frozen=True)
class Radar:
    """The bands of a SAR tile that feed a model."""

    path: Path
    scene: Scene
    width: int
    col_off: int  # of this half in the file, pixels
    repeated: bool  # one band, stored three times as red, green and blue

    @property
    def height(self) -> int:
        return self.scene.height

    @property
    def crs(self) -> CRS | None:
        return self.scene.crs

    @property
    def transform(self) -> Affine:
        return self.scene.transform

    @property
    def statistics(self) -> str | None:
        """Of the scene that it was cut out of, as text."""
        return self.scene.statistics

    def read(self, window: Window) -> tuple[NDArray[Any], Mask]:
        """Values (height, width, channels) in their own unit, and their validity (height, width)."""
        with scene_reader(self.scene) as reader:
            return reader.read(window._replace(col_off=self.col_off + window.col_off))

    def read_whole(self) -> tuple[NDArray[Any], Mask]:
        """As `Image.read_whole`; raises `SceneError` for colours too, where a single band is expected."""
        _check_whole(self.path)
        whole = Window(0, 0, self.height, self.width)
        if self.repeated:
            with opened_raster(self.path) as dataset:
                image = read_window(dataset, whole._replace(col_off=self.col_off), _data_bands(dataset))
            if is_coloured(image):
                raise SceneError("3 bands (a coloured image), the model expects 1; three equal ones count as one")
        return self.read(whole)


Side: TypeAlias = Radar | Image


def open_radar(
    path: Path,
    wanted: Sequence[Sequence[str]],
    half: int | None = None,
    bands: tuple[int, ...] = (),
    option: str = "--bidx",
) -> Radar:
    """A SAR tile with the polarisations that a model wants, or these bands, 1-based.

    Raises `SceneError`, which advises `option` where bands do not fit, or `PairsError`.
    """
    with opened_raster(path) as dataset:
        repeated = len(wanted) == 1 and not bands and _is_picture(dataset)
    told = SceneOptions(allow_ungeoreferenced=True, bands=(1,) if repeated else bands, bands_option=option)
    scene = open_scene(path, wanted, told)
    col_off, width = _columns(scene.width, half)
    return Radar(path, scene, width, col_off, repeated)


def open_image(path: Path, half: int | None = None, rgb: tuple[int, ...] = ()) -> Image:
    """An image with any number of bands of real numbers. Raises `SceneError` or `PairsError`.

    Its red, green and blue band, 1-based, are `rgb` or, where that is empty, those called so; of an image that calls
    none so all count, which must be one or three.
    """
    with opened_raster(path) as dataset:
        col_off, width = _columns(dataset.width, half)
        palette = ColorInterp.palette in dataset.colorinterp
        check_told(dataset, rgb)
        bands = rgb or ((1,) if palette else known_colours(dataset) or _data_bands(dataset))
        types = ["uint8"] if palette else [dataset.dtypes[band - 1] for band in bands]
        if len(bands) not in (1, 3) or any("complex" in dtype for dtype in types):
            found = f"{dataset.count} bands of {dataset.dtypes[0]}"
            raise SceneError(f"{found}, expected grey, or red, green and blue; choose with --rgb")
        colours = bands if len(bands) == 3 else bands * 3
        dtype = np.result_type(*types).name
        zero_fill = len(bands) == 3 and dtype in SEEN_ABOVE_ZERO and not declares_validity(dataset, bands)
        shape = dataset.height, width, col_off
        return Image(path, *shape, colours, dtype, dataset.crs, dataset.transform, palette, zero_fill)


def is_coloured(image: NDArray[Any]) -> bool:
    """Whether (H, W, 3) bytes show colours: red, green and blue differ in more than a border of pixels."""
    spread = image.max(axis=-1).astype(np.float64) - image.min(axis=-1)
    return bool((spread > GREY).mean() > COLOURED)


def _columns(width: int, half: int | None) -> tuple[int, int]:
    """The first column and the width of a half, or of the whole."""
    if half is None:
        return 0, width
    if width % 2:
        raise PairsError(f"{width} columns, expected an even number for two images side by side")
    return half * (width // 2), width // 2


def _is_picture(dataset: Any) -> bool:
    """Whether there are three bands of bytes, none of which has a name."""
    bands = _data_bands(dataset)
    plain = not any(dataset.descriptions[band - 1] for band in bands)
    return len(bands) == 3 and plain and all(dataset.dtypes[band - 1] == "uint8" for band in bands)


def _data_bands(dataset: Any) -> tuple[int, ...]:
    return tuple(band for band, kind in enumerate(dataset.colorinterp, 1) if kind != ColorInterp.alpha)


def _palette(dataset: Any) -> NDArray[np.uint8]:
    """(levels, 4) red, green, blue and alpha of each index."""
    colours = np.zeros((np.iinfo(dataset.dtypes[0]).max + 1, 4), np.uint8)
    for index, colour in dataset.colormap(1).items():
        colours[index] = colour
    return colours


def _check_whole(path: Path) -> None:
    with opened_raster(path) as dataset:
        driver = dataset.driver
        if driver == "PNG":
            check_png(path)
