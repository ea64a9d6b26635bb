"""Write GeoTIFF block by block: memory stays at one block, and a file appears whole or not at all."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile
from rasterio.windows import Window as RasterWindow

from sartranslate.backscatter.radiometry import Mask
from sartranslate.errors import OutputError
from sartranslate.rasters.process_wide import quiet
from sartranslate.rasters.raster import first_line
from sartranslate.storage.atomic import replaced_when_whole
from sartranslate.streaming.windows import Window

TILE = 256  # pixels, the side of the squares a file is stored in


@dataclass(frozen=True)
class RasterProfile:
    """What a raster is, apart from its pixels."""

    height: int
    width: int
    bands: int
    dtype: str
    crs: CRS | str
    transform: Affine
    nodata: float | None = None
    descriptions: tuple[str, ...] = ()  # one per band, or none
    tags: Mapping[str, str] = field(default_factory=dict)

    def creation(self) -> dict[str, Any]:
        """Return the options rasterio creates the file with."""
        floats = np.issubdtype(np.dtype(self.dtype), np.floating)
        options: dict[str, Any] = {"driver": "GTiff", "count": self.bands, "height": self.height, "width": self.width}
        options |= {"dtype": self.dtype, "crs": self.crs, "transform": self.transform, "nodata": self.nodata}
        options |= {"tiled": True, "blockxsize": _side(self.width), "blockysize": _side(self.height)}
        options |= {"bigtiff": "IF_SAFER"}
        options |= {"compress": "deflate", "zlevel": 9, "predictor": 3 if floats else 2}
        if self.bands == 3 and self.dtype == "uint8":
            options["photometric"] = "RGB"
        return options


def _side(length: int) -> int:
    """Of a block: TIFF wants multiples of 16 pixels."""
    return min(TILE, -(-length // 16) * 16)


def write_blocks(
    path: Path, profile: RasterProfile, blocks: Iterable[tuple[Window, NDArray[Any]]], mask: Mask | None = None
) -> None:
    """Write a tiled, losslessly compressed GeoTIFF from (window, (H, W, bands)) blocks, one in memory at a time.

    The windows are relative to the raster and should follow its grid of 256 pixels. The file has another
    name until it is complete, with `mask` (H, W) inside it if there is one; after any failure, `path` is
    what it was before. Raises `OutputError` if the file can not be written.
    """
    with write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with (
        replaced_when_whole(path, durable=False) as unfinished,
        write_errors(path),
        rasterio.open(unfinished, "w", **profile.creation()) as raster,
    ):
        raster.update_tags(**profile.tags)
        if profile.descriptions:
            raster.descriptions = profile.descriptions
        for window, patch in blocks:
            place = RasterWindow(window.col_off, window.row_off, window.width, window.height)
            raster.write(np.moveaxis(patch, -1, 0), window=place)
        if mask is not None:
            with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
                raster.write_mask(mask)


def check_place(out: Path, dataset: Any, crs: CRS | None, transform: Affine) -> None:
    """Raise `OutputError` where a GeoTIFF, open for reading without side files, has not kept its place."""
    if crs is not None and dataset.crs is None:
        raise OutputError(f"{out}: GeoTIFF can not hold the scene's CRS, {crs.to_string()}")
    if not dataset.transform.almost_equals(transform, precision=1e-9):
        raise OutputError(f"{out}: GeoTIFF can not hold the scene's transform, {tuple(transform)[:6]}")


def check_can_hold(out: Path, crs: CRS | None, transform: Affine) -> None:
    """The same of a GeoTIFF that is yet to be written, tried with a single pixel in memory."""
    profile = {"driver": "GTiff", "height": 1, "width": 1, "count": 1, "dtype": "uint8"}
    with quiet(), rasterio.Env(GDAL_PAM_ENABLED=False), MemoryFile(ext=".tif") as memory:
        with write_errors(out), memory.open(**profile, crs=crs, transform=transform):
            pass
        with memory.open() as dataset:
            check_place(out, dataset, crs, transform)


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Raise GDAL's and the system's errors inside as `OutputError`, naming `path`."""
    try:
        yield
    # A full disk comes as the exception of GDAL's that rasterio does not translate.
    except (RasterioError, CPLE_BaseError, OSError) as error:
        if isinstance(error, OutputError):
            raise
        told = error.__cause__ if isinstance(error, RasterioError) and error.__cause__ else error
        raise OutputError(f"{path}: can not be written: {first_line(told)}") from error
