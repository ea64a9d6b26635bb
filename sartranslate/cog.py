"""Write rasters of bytes strip by strip and end with Cloud Optimized GeoTIFFs under their final names.

The COG driver wants the whole image at once, so strips and their overviews go to files in a hidden working
folder beside the output, which are then copied to a COG there and renamed over the output. Rasters that
belong together appear together: none is renamed before all are whole. What an interrupted run has left in these
folders is gone on with.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import rasterio
import rasterio.shutil

from sartranslate.cog_profile import COMPRESSIONS, CogProfile
from sartranslate.errors import OutputError
from sartranslate.geotiff import write_errors
from sartranslate.journal import Journal, Resumption
from sartranslate.overviews import Bytes
from sartranslate.radiometry import Mask
from sartranslate.raster import quiet_georeference
from sartranslate.strips import StripWriter, rows_in
from sartranslate.working_folder import WorkingFolder, working_folder

BLOCK_SIZE = 512
COPY_CACHE = 8 * 2**20  # bytes of GDAL's block cache beyond one row of blocks: the copy reads each block once
SIDE_FILES = (".aux.xml", ".ovr", ".msk")  # GDAL reads them with a raster, whoever wrote them


class CogWriter:
    """Takes finished strips of rasters of one size, from `first_row` on to their last one."""

    def __init__(self, rasters: Mapping[Path, StripWriter], folders: Sequence[WorkingFolder], journal: Journal) -> None:
        self._rasters, self._folders, self._journal = rasters, folders, journal
        self.first_row = journal.rows

    def write(self, row_off: int, values: Sequence[Bytes], mask: Mask) -> None:
        """Write (rows, width, bands) uint8 of each raster and their validity (rows, width) at row `row_off`."""
        for (path, strips), part in zip(self._rasters.items(), values, strict=True):
            with write_errors(path):
                strips.write(row_off, part, mask)
        if self._journal.due():
            self._note(row_off + len(mask))

    def _note(self, rows: int) -> None:
        for path, strips in self._rasters.items():
            with write_errors(path):
                strips.sync()
        with write_errors(next(iter(self._rasters))):
            self._journal.note(rows)
        for folder in self._folders:
            folder.kept = True


@contextmanager
def cog_writer(
    profiles: Mapping[Path, CogProfile], *, overwrite: bool = True, resumption: Resumption | None = None
) -> Iterator[CogWriter]:
    """Open all paths for strips; on normal exit each is a valid COG with overviews and an internal mask.

    All have the same size. On any failure, an exception in the body included, all paths are what they were before, and
    nothing else is left but what can be gone on with. Side files of what was there before go with it. Raises
    `OutputError` when a file can not be written or is being written by another process, or one has come into being
    meanwhile and `overwrite` is off.
    """
    resumption = resumption or Resumption()
    with ExitStack() as opened:
        folders = {path: opened.enter_context(working_folder(path)) for path in profiles}
        journal = Journal(next(iter(folders.values())).path, resumption)
        try:
            _begin(journal, folders, profiles)
            with ExitStack() as files:
                strips = {path: _strips(path, folders[path], profiles[path], journal.rows, files) for path in profiles}
                yield CogWriter(strips, list(folders.values()), journal)
            for path, folder in folders.items():
                _finish(path, folder, profiles[path], strips[path])
            _check_places_are_free(profiles, overwrite)
        except BaseException:
            if journal.rows:
                resumption.tell(f"Kept what is finished, {journal.rows} rows: the same command goes on with them")
            raise
        for folder in folders.values():
            folder.publish()
    for path in profiles:
        for suffix in SIDE_FILES:
            path.with_name(path.name + suffix).unlink(missing_ok=True)


def _begin(journal: Journal, folders: Mapping[Path, WorkingFolder], profiles: Mapping[Path, CogProfile]) -> None:
    """The folders hold the rows to go on with, and room for more."""
    there = [rows_in(folder.strips, profiles[path]) for path, folder in folders.items()]
    journal.rows = min(journal.resumed(), *there)
    for path, folder in folders.items():
        with write_errors(path):
            if journal.rows:
                folder.kept = True
            else:
                folder.clear()
            folder.strips.mkdir(exist_ok=True)


def _strips(path: Path, folder: WorkingFolder, profile: CogProfile, rows: int, files: ExitStack) -> StripWriter:
    """Closed with `files`."""
    with write_errors(path):
        strips = StripWriter(folder.strips, profile, BLOCK_SIZE, rows)
    files.callback(_close, path, strips)
    return strips


def _close(path: Path, strips: StripWriter) -> None:
    with write_errors(path):
        strips.close()


def _finish(path: Path, folder: WorkingFolder, profile: CogProfile, strips: StripWriter) -> None:
    with write_errors(path):
        _copy_to_cog(strips.raster(), folder.finished, profile)
        _check_place(path, folder.finished, profile)


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
