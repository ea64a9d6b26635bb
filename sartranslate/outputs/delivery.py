"""Outputs that are to lie in an object store: made whole on this machine, then sent as a whole."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import rasterio
import rasterio.shutil
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError

from sartranslate.errors import OutputError, SceneError
from sartranslate.rasters.local_only import check_file
from sartranslate.rasters.raster import first_line, opened_raster
from sartranslate.rasters.remote import FORGETFUL, gdal_path, is_remote, mended
from sartranslate.storage.cache_folder import cache_folder
from sartranslate.storage.digest import digest
from sartranslate.storage.lock import locked

OBJECT = re.compile(r"/vsis3/[^/]+/.*[^/]")
ABSENT = (  # as GDAL says it of an object, not of a bucket; the last one when it is asked again
    "does not exist in the file system",
    "The specified key does not exist",
    "HTTP response code: 404",
)
FOREIGN = "not recognized as being in a supported file format"  # of an object that is no raster


class Delivery(NamedTuple):
    """Where an output comes into being, and what it is called."""

    place: Path  # on this machine
    name: str  # as the user gave it


@contextmanager
def delivered(out: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[Delivery]:
    """Write a GeoTIFF to `place` inside: on normal exit it is where `out` says, a file or `s3://bucket/name`.

    In a store it appears whole or not at all. Before anything is written, raises `OutputError` for a store that does
    not answer or is of another kind, and for an object that is there while `overwrite` is off; later, where it can
    not be sent: the file is kept then, and the error says where.
    """
    name = mended(out)
    if not is_remote(name):
        if os.fspath(out).endswith("/"):
            raise OutputError(f"{name}: is a folder, expected a file name")
        yield Delivery(Path(out), os.fspath(Path(out)))
        return
    if not OBJECT.fullmatch(gdal_path(name)):
        raise OutputError(f"{name}: expected a file of this machine, or s3://bucket/name")
    _check_free(name, overwrite)
    with _place(name) as place:
        yield Delivery(place, name)
        _check_free(name, overwrite, kept=place)
        _send(place, name)
        place.unlink()


def check_beside(out: str | os.PathLike[str], uncertainty: str | os.PathLike[str] | None, *, stac: bool) -> None:
    """Raise `OutputError` for what only a file of this machine can have beside it, or be."""
    if uncertainty is not None and is_remote(mended(uncertainty)):
        raise OutputError(f"{mended(uncertainty)}: an uncertainty is written to files of this machine alone")
    if uncertainty is not None and is_remote(mended(out)):
        raise OutputError(f"{mended(out)}: an uncertainty is written beside files of this machine alone")
    if is_remote(mended(out)) and stac:
        raise OutputError(f"{mended(out)}: STAC items are written beside files of this machine alone")


def _check_free(name: str, overwrite: bool, kept: Path | None = None) -> None:
    where = f"; it is kept as {kept} until the next try" if kept else ""
    try:
        check_file(name)
        with rasterio.Env(**FORGETFUL), opened_raster(name):
            pass
    except SceneError as error:
        reason = str(error).removeprefix(f"{name}: ").removeprefix("can not be read: ")
        if any(text in reason for text in ABSENT):
            return
        if FOREIGN not in reason:
            raise OutputError(f"{name}: can not be written: {reason}{where}") from error
    if not overwrite:
        raise OutputError(f"{name}: exists already; --overwrite replaces it{where}")


@contextmanager
def _place(name: str) -> Iterator[Path]:
    """The same for the same name, so that an interrupted run is gone on with, and used by one process at a time."""
    folder = cache_folder() / "outputs" / digest(text=name)
    place = folder / os.path.basename(name)
    with ExitStack() as entered:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            entered.enter_context(locked(folder.with_suffix(".lock"), name))
            folder.mkdir(exist_ok=True)
            place.unlink(missing_ok=True)
        except OutputError:
            raise
        except OSError as error:
            raise OutputError(f"{name}: can not be prepared in {folder}: {error.strerror}") from error
        try:
            yield place
        finally:
            with suppress(OSError):  # something is kept there
                folder.rmdir()


def _send(place: Path, name: str) -> None:
    try:
        rasterio.shutil.copyfiles(os.fspath(place), gdal_path(name))
        with rasterio.Env(**FORGETFUL), opened_raster(place) as here, opened_raster(name) as there:
            whole = _facts(here) == _facts(there)
    except (SceneError, RasterioError, CPLE_BaseError) as error:
        raise OutputError(
            f"{name}: can not be written: {first_line(error)}; it is kept as {place} until the next try"
        ) from error
    if not whole:
        raise OutputError(f"{name}: is not what was sent; that is kept as {place} until the next try")


def _facts(dataset: Any) -> object:
    return dataset.shape, dataset.transform, dataset.tags()
