"""Write rasters of bytes strip by strip and end with Cloud Optimized GeoTIFFs under their final names.

The COG driver wants the whole image at once, so strips and their overviews go to files in a hidden working
folder beside the output, which are then copied to a COG there and renamed over the output. Rasters that
belong together appear together: none is renamed before all are whole. What an interrupted run has left in these
folders is gone on with.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import rasterio
import rasterio.shutil

from sartranslate.backscatter.radiometry import Mask
from sartranslate.errors import OutputError
from sartranslate.outputs.cog_profile import COMPRESSIONS, CogProfile
from sartranslate.outputs.strips import StripWriter, described, rows_in
from sartranslate.rasters.geotiff import check_place, write_errors
from sartranslate.rasters.process_wide import cached, quiet
from sartranslate.storage.file_state import comes_of_looking
from sartranslate.storage.journal import Journal, Resumption
from sartranslate.storage.working_folder import WorkingFolder, working_folder
from sartranslate.streaming.overviews import Bytes

BLOCK_SIZE = 512
COPY_CACHE = 8 * 2**20  # bytes of GDAL's block cache beyond one row of blocks: the copy reads each block once
SIDE_FILES = (".aux.xml", ".ovr", ".msk")  # GDAL reads them with a raster, whoever wrote them


class CogWriter:
    """Takes finished strips of rasters of one size, from `first_row` on to their last one."""

    def __init__(self, rasters: Mapping[Path, StripWriter], folders: Sequence[WorkingFolder], journal: Journal) -> None:
        self._rasters, self._folders, self._journal = rasters, folders, journal
        self.first_row = self._rows = journal.rows

    def write(self, row_off: int, values: Sequence[Bytes], mask: Mask) -> None:
        """Write (rows, width, bands) uint8 of each raster and their validity (rows, width) at row `row_off`."""
        for (path, strips), part in zip(self._rasters.items(), values, strict=True):
            with write_errors(path):
                strips.write(row_off, part, mask)
        self._rows = row_off + len(mask)
        if self._journal.due():
            self._note()

    def keep(self) -> None:
        """Note all that is written, as far as the disk allows, if that has taken long enough."""
        if self._journal.worthwhile and self._rows > self._journal.rows:
            with suppress(OutputError):
                self._note()

    def _note(self) -> None:
        for path, strips in self._rasters.items():
            with write_errors(path):
                strips.sync()
        with write_errors(next(iter(self._rasters))):
            self._journal.note(self._rows)
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
        journal = Journal([folder.path for folder in folders.values()], resumption)
        with _told(journal, resumption):
            with _strips(profiles, folders, journal) as strips:
                yield strips
            for path, folder in folders.items():
                _finish(path, folder, profiles[path])
            _check_places_are_free(profiles, overwrite)
        for folder in folders.values():
            folder.settle()
        for folder in folders.values():
            folder.publish()
    for path in profiles:
        for file in side_files(path):
            file.unlink(missing_ok=True)


def side_files(path: Path) -> list[Path]:
    """What GDAL would read with a raster, from beside it."""
    return [path.with_name(path.name + suffix) for suffix in SIDE_FILES]


@contextmanager
def _told(journal: Journal, resumption: Resumption) -> Iterator[None]:
    """After a failure, what of it is left."""
    try:
        yield
    except BaseException:
        if journal.rows:
            resumption.tell(f"Kept what is finished, {journal.rows} rows: the same command goes on with them")
        raise


@contextmanager
def _strips(
    profiles: Mapping[Path, CogProfile], folders: Mapping[Path, WorkingFolder], journal: Journal
) -> Iterator[CogWriter]:
    """Strips in the folders, open inside; however that ends, what is written is kept if that has taken long."""
    _begin(journal, folders, profiles)
    with ExitStack() as opened:
        rasters = {}
        for path, folder in folders.items():
            with write_errors(path):
                rasters[path] = StripWriter(folder.strips, profiles[path], BLOCK_SIZE, journal.rows)
            opened.callback(_close, path, rasters[path])
        writer = CogWriter(rasters, list(folders.values()), journal)
        try:
            yield writer
        finally:
            writer.keep()


def _begin(journal: Journal, folders: Mapping[Path, WorkingFolder], profiles: Mapping[Path, CogProfile]) -> None:
    """The folders hold the rows to go on with, and room for more."""
    there = [rows_in(folder.strips, profiles[path]) for path, folder in folders.items()]
    journal.rows = min(journal.resumed(), *there)
    if not journal.rows:
        with write_errors(next(iter(folders))):
            journal.forget()
    for path, folder in folders.items():
        with write_errors(path):
            if journal.rows:
                folder.kept = True
            else:
                folder.clear()
            folder.strips.mkdir(exist_ok=True)


def _close(path: Path, strips: StripWriter) -> None:
    with write_errors(path):
        strips.close()


def _finish(path: Path, folder: WorkingFolder, profile: CogProfile) -> None:
    with write_errors(path):
        _copy_to_cog(described(folder.strips, profile, BLOCK_SIZE), folder.finished, profile)
        _check_place(path, folder.finished, profile)


def _check_places_are_free(paths: Iterable[Path], overwrite: bool) -> None:
    """What keeps one of several files from taking its place must show before another one has."""
    for path in paths:
        for file in (path, *side_files(path)):
            replaced = overwrite or comes_of_looking(file.name)
            if file.exists() and not (replaced and file.is_file()):
                raise OutputError(f"{file}: was made by someone else meanwhile; --overwrite replaces a file")


def _check_place(path: Path, finished: Path, profile: CogProfile) -> None:
    """GeoTIFF has no way to write down some CRS; GDAL puts those into a side file, which is easily lost."""
    finished.with_name(f"{finished.name}.aux.xml").unlink(missing_ok=True)
    with quiet(), rasterio.open(finished) as dataset:
        check_place(path, dataset, profile.crs, profile.transform)


def _copy_to_cog(source: Path, target: Path, profile: CogProfile) -> None:
    row_of_blocks = BLOCK_SIZE * profile.width * (profile.bands + 1)  # bytes, the mask's too
    with quiet(), cached(COPY_CACHE + row_of_blocks):
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
