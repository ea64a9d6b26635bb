"""Write an RGB raster strip by strip and end with a Cloud Optimized GeoTIFF under its final name.

The COG driver wants the whole image at once, so strips go to a tiled GeoTIFF in a hidden working
folder beside the output, which is then copied to a COG there and renamed over the output.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.windows import Window as RasterioWindow

from sartranslate.atomic import replaced_when_whole
from sartranslate.errors import OptionError, OutputError
from sartranslate.geotiff import write_errors
from sartranslate.radiometry import Mask
from sartranslate.raster import quiet_georeference

BLOCK_SIZE = 512
PIXEL_BYTES = 4  # RGB and mask
COPY_CACHE = 8 * 2**20  # bytes of GDAL's block cache beyond one row of blocks: the copy reads each block once
SIDE_FILES = (".aux.xml", ".ovr", ".msk")  # GDAL reads them with a raster, whoever wrote them
COMPRESSIONS: Mapping[str, Mapping[str, Any]] = {
    "zstd": {"compress": "ZSTD", "level": 9, "predictor": "YES"},
    "deflate": {"compress": "DEFLATE", "level": 6, "predictor": "YES"},
    "lzw": {"compress": "LZW", "predictor": "YES"},
    "webp": {"compress": "WEBP", "quality": 90},
    "jpeg": {"compress": "JPEG", "quality": 90},
    "none": {"compress": "NONE"},
}
# Strips are written once and read once: the fastest lossless setting.
STRIP_FILE = {"compress": "zstd", "zstd_level": 1, "predictor": 2}


@dataclass(frozen=True)
class RgbProfile:
    """Size, place and form of an RGB output."""

    height: int
    width: int
    crs: CRS | None
    transform: Affine
    compress: str = "zstd"
    tags: Mapping[str, str] = field(default_factory=dict)  # default domain: others do not survive the copy

    def __post_init__(self) -> None:
        if self.compress not in COMPRESSIONS:
            raise OptionError(f"compress {self.compress!r}: expected one of {', '.join(COMPRESSIONS)}")


class RgbWriter:
    """Takes finished strips from the top of the raster to its bottom."""

    def __init__(self, path: Path, dataset: Any) -> None:
        self._path = path
        self._dataset = dataset

    def write(self, row_off: int, rgb: NDArray[np.uint8], mask: Mask) -> None:
        """Write (rows, width, 3) uint8 and its validity (rows, width) at row `row_off`."""
        window = RasterioWindow(0, row_off, rgb.shape[1], rgb.shape[0])
        with write_errors(self._path):
            self._dataset.write(np.moveaxis(np.where(mask[..., None], rgb, 0), -1, 0), window=window)
            # Set here and not around the dataset, because the setting belongs to the thread that writes.
            with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
                self._dataset.write_mask(mask.astype(np.uint8) * 255, window=window)


@contextmanager
def rgb_writer(path: Path, profile: RgbProfile, *, overwrite: bool = True) -> Iterator[RgbWriter]:
    """Open `path` for strips; on normal exit it is a valid COG with overviews and an internal mask.

    On any failure, an exception in the body included, `path` is what it was before and nothing else
    is left. Side files of what was there before go with it. Raises `OutputError` when the file can not
    be written, or `path` has come into being meanwhile and `overwrite` is off.
    """
    with replaced_when_whole(path, overwrite=overwrite) as finished:
        strips = finished.with_name(f"{finished.name}.strips")
        with write_errors(path):
            dataset = _create(strips, profile)
        try:
            yield RgbWriter(path, dataset)
        finally:
            with write_errors(path):
                dataset.close()
        with write_errors(path):
            _copy_to_cog(strips, finished, profile)
            _check_place(path, finished, profile)
    for suffix in SIDE_FILES:
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _create(path: Path, profile: RgbProfile) -> Any:
    with quiet_georeference():
        dataset = rasterio.open(
            path,
            "w",
            driver="GTiff",
            height=profile.height,
            width=profile.width,
            count=3,
            dtype="uint8",
            crs=profile.crs,
            transform=profile.transform,
            photometric="RGB",
            tiled=True,
            blockxsize=BLOCK_SIZE,
            blockysize=BLOCK_SIZE,
            bigtiff="IF_SAFER",
            **STRIP_FILE,
        )
    dataset.update_tags(**profile.tags)
    return dataset


def _check_place(path: Path, finished: Path, profile: RgbProfile) -> None:
    """GeoTIFF has no way to write down some CRS; GDAL puts those into a side file, which is easily lost."""
    finished.with_name(f"{finished.name}.aux.xml").unlink(missing_ok=True)
    with quiet_georeference(), rasterio.open(finished) as dataset:
        if profile.crs is not None and dataset.crs is None:
            raise OutputError(f"{path}: GeoTIFF can not hold the scene's CRS, {profile.crs.to_string()}")
        if not dataset.transform.almost_equals(profile.transform, precision=1e-9):
            raise OutputError(f"{path}: GeoTIFF can not hold the scene's transform, {tuple(profile.transform)[:6]}")


def _copy_to_cog(source: Path, target: Path, profile: RgbProfile) -> None:
    row_of_blocks = BLOCK_SIZE * profile.width * PIXEL_BYTES
    with quiet_georeference(), rasterio.Env(GDAL_CACHEMAX=COPY_CACHE + row_of_blocks):
        rasterio.shutil.copy(
            source,
            target,
            driver="COG",
            blocksize=BLOCK_SIZE,
            overviews="IGNORE_EXISTING",
            overview_resampling="average",
            bigtiff="IF_SAFER",
            num_threads="ALL_CPUS",
            **COMPRESSIONS[profile.compress],
        )
