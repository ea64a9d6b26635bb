"""Write rasters of bytes strip by strip and end with Cloud Optimized GeoTIFFs under their final names.

The COG driver wants the whole image at once, so strips and their overviews go to files in a hidden working
folder beside the output, which are then copied to a COG there and renamed over the output. Rasters that
belong together appear together: none is renamed before all are whole.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import NDArray

from sartranslate.atomic import replaced_when_whole
from sartranslate.cog_profile import COMPRESSIONS, CogProfile
from sartranslate.errors import OutputError
from sartranslate.geotiff import write_errors
from sartranslate.radiometry import Mask
from sartranslate.raster import quiet_georeference
from sartranslate.strips import StripWriter

BLOCK_SIZE = 512
COPY_CACHE = 8 * 2**20  # bytes of GDAL's block cache beyond one row of blocks: the copy reads each block once
SIDE_FILES = (".aux.xml", ".ovr", ".msk")  # GDAL reads them with a raster, whoever wrote them


class CogWriter:
    """Takes finished strips from the top of the raster to its bottom."""

    def __init__(self, path: Path, strips: StripWriter) -> None:
        self._path = path
        self._strips = strips

    def write(self, row_off: int, values: NDArray[np.uint8], mask: Mask) -> None:
        """Write (rows, width, bands) uint8 and its validity (rows, width) at row `row_off`."""
        with write_errors(self._path):
            self._strips.write(row_off, values, mask)


@contextmanager
def cog_writers(profiles: Mapping[Path, CogProfile], *, overwrite: bool = True) -> Iterator[list[CogWriter]]:
    """Open all paths for strips; on normal exit each is a valid COG with overviews and an internal mask.

    On any failure, an exception in the body included, all paths are what they were before and nothing else
    is left. Side files of what was there before go with it. Raises `OutputError` when a file can not
    be written, or one has come into being meanwhile and `overwrite` is off.
    """
    with ExitStack() as places:
        finished = {path: places.enter_context(replaced_when_whole(path, overwrite=overwrite)) for path in profiles}
        with ExitStack() as files:
            yield [files.enter_context(_writer(path, finished[path], profile)) for path, profile in profiles.items()]
        _check_places_are_free(profiles, overwrite)
    for path in profiles:
        for suffix in SIDE_FILES:
            path.with_name(path.name + suffix).unlink(missing_ok=True)


@contextmanager
def _writer(path: Path, finished: Path, profile: CogProfile) -> Iterator[CogWriter]:
    """Open files beside `finished` for the strips of `path`; on normal exit they are in `finished` as a COG."""
    folder = finished.with_name(f"{finished.name}.strips")
    with write_errors(path):
        folder.mkdir()
        strips = StripWriter(folder, profile, BLOCK_SIZE)
    try:
        yield CogWriter(path, strips)
    finally:
        with write_errors(path):
            strips.close()
    with write_errors(path):
        _copy_to_cog(strips.raster(), finished, profile)
        shutil.rmtree(folder)
        _check_place(path, finished, profile)


def _check_places_are_free(paths: Iterable[Path], overwrite: bool) -> None:
    """What keeps one of several files from taking its place must show before another one has."""
    for path in paths:
        if path.exists() and not (overwrite and path.is_file()):
            raise OutputError(f"{path}: was made by someone else meanwhile; --overwrite replaces a file")


def _check_place(path: Path, finished: Path, profile: CogProfile) -> None:
    """GeoTIFF has no way to write down some CRS; GDAL puts those into a side file, which is easily lost."""
    finished.with_name(f"{finished.name}.aux.xml").unlink(missing_ok=True)
    with quiet_georeference(), rasterio.open(finished) as dataset:
        if profile.crs is not None and dataset.crs is None:
            raise OutputError(f"{path}: GeoTIFF can not hold the scene's CRS, {profile.crs.to_string()}")
        if not dataset.transform.almost_equals(profile.transform, precision=1e-9):
            raise OutputError(f"{path}: GeoTIFF can not hold the scene's transform, {tuple(profile.transform)[:6]}")


def _copy_to_cog(source: Path, target: Path, profile: CogProfile) -> None:
    row_of_blocks = BLOCK_SIZE * profile.width * (profile.bands + 1)  # bytes, the mask's too
    with quiet_georeference(), rasterio.Env(GDAL_CACHEMAX=COPY_CACHE + row_of_blocks):
        rasterio.shutil.copy(
            source,
            target,
            driver="COG",
            blocksize=BLOCK_SIZE,
            overviews="FORCE_USE_EXISTING",
            bigtiff="IF_SAFER",
            num_threads="ALL_CPUS",
            **COMPRESSIONS[profile.compress],
        )
