"""Whether a path can become an output, such as the translation of a scene, without harm to anything."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from sartranslate.errors import OutputError
from sartranslate.scenes.scene import Scene
from sartranslate.storage.file_state import places

OTHER_KINDS = {
    *(".bmp", ".gif", ".jpg", ".jpeg", ".jp2", ".png", ".webp", ".pdf", ".kmz"),
    *(".ecw", ".gpkg", ".h5", ".hdf", ".img", ".nc", ".vrt", ".zarr"),
}


def check_is_tiff(out: Path) -> None:
    """Raise `OutputError` for a name that promises another kind of file."""
    if out.suffix.lower() in OTHER_KINDS:
        raise OutputError(f"{out}: a GeoTIFF is written, expected a name that ends in .tif")


def check_output(out: Path, scene: Scene, *, keep: Sequence[Path] = (), overwrite: bool = False) -> None:
    """Raise `OutputError` where `out` can not become a file, is part of the scene, or to be kept, or exists already."""
    if not _file_at(out):
        return
    if any(_same_file(out, place) for file in (scene.path, *scene.files) for place in places(file)):
        raise OutputError(f"{out}: is (part of) the scene itself, expected another file name")
    if any(_same_file(out, file) for file in keep):
        raise OutputError(f"{out}: is the model or the area of interest, expected another file name")
    _check_replaceable(out, overwrite)


def check_report(out: Path, inputs: Iterable[Path | str], done: str = "evaluated", *, overwrite: bool) -> None:
    """Raise `OutputError` where a report can not be written to `out`, is read from it, or one is there already.

    `done` tells what is done with the inputs.
    """
    if not _file_at(out):
        return
    for file in map(str, inputs):
        if any(_same_file(out, place) for place in places(file)) or _lies_in(out, file):
            raise OutputError(f"{out}: is what is {done}, expected another file name")
    _check_replaceable(out, overwrite)


def check_distinct(out: Path, other: Path) -> None:
    """Raise `OutputError` where both are, or would become, one file."""
    if os.path.realpath(out) == os.path.realpath(other) or (out.exists() and _same_file(out, other)):
        raise OutputError(f"{other}: is the output itself, expected another file name")


def _file_at(out: Path) -> bool:
    """Whether a file is there already; raises `OutputError` where none can be."""
    try:
        os.fspath(out).encode()
    except UnicodeEncodeError as error:  # names of files may be any bytes
        raise OutputError(f"{os.fspath(out)!a}: expected a name in UTF-8") from error
    try:
        exists, regular, placed = out.exists(), out.is_file(), out.parent.is_dir()
    except OSError as error:
        raise OutputError(f"{out}: {error.strerror}") from error
    if exists and not regular:
        raise OutputError(f"{out}: is a folder or a device, expected a file name")
    if not placed:
        raise OutputError(f"{out}: the folder {out.parent} does not exist")
    return exists


def _check_replaceable(out: Path, overwrite: bool) -> None:
    if not overwrite:
        raise OutputError(f"{out}: exists already; --overwrite replaces it")


def _lies_in(out: Path, folder: str) -> bool:
    return Path(folder).is_dir() and out.resolve().is_relative_to(os.path.realpath(folder))


def _same_file(out: Path, file: str | Path) -> bool:
    return os.path.exists(file) and os.path.samefile(out, file)
