"""Whether files are still what they were."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from sartranslate.errors import SceneError
from sartranslate.storage.digest import differences

LOOKED_AT = ".aux.xml"
VIRTUAL = re.compile(r"^(/vsi\w+/)+")  # how GDAL's names of what lies in archives and elsewhere begin
SUBFILE = "/vsisubfile/"
WITHIN = re.compile(r"^\d+(_\d+)?,")  # after it, where a part begins and how long it is


def file_states(files: Iterable[str]) -> dict[str, str]:
    """Size and time of the latest change of each; of a member of an archive, those of the archive.

    They are empty for what is not on this machine. What others write as they merely look at a raster is left out.
    """
    return {file: _state(file) for file in files if not comes_of_looking(file)}


def comes_of_looking(file: str) -> bool:
    """Whether it is what GDAL writes beside a raster, such as its statistics once QGIS has shown it."""
    return file.endswith(LOOKED_AT)


def check_unchanged(name: str, before: Mapping[str, str]) -> None:
    """Raise `SceneError` where a file has another state than before."""
    if changed := differences(before, file_states(before)):
        raise SceneError(f"{name}: has changed while it was read ({', '.join(changed)}), so nothing of it can be used")


def changed_after(out: Path, files: Iterable[str]) -> str | None:
    """The first of the files of this machine that has changed since `out` was written; None: none has."""
    written = out.stat().st_mtime_ns
    for file in files:
        if any(place.is_file() and place.stat().st_mtime_ns > written for place in places(file)):
            return file
    return None


def _state(file: str) -> str:
    for path in places(file):
        with suppress(OSError):
            if path.is_file():
                found = path.stat()
                return f"{found.st_size} bytes, {found.st_mtime_ns} ns"
    return ""


def places(file: str) -> list[Path]:
    """The file, and the folders it is in: of /vsizip//data/a.zip/b.tif or /vsizip/{a.zip}/b.tif one is the archive."""
    bare = VIRTUAL.sub("", file)
    if bare != file:
        bare = re.sub("[{}]", "", WITHIN.sub("", bare) if SUBFILE in file else bare)
    path = Path(bare)
    return [path, *path.parents]
