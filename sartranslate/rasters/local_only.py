"""A process in which GDAL opens files of this machine only, whatever a file leads to.

Scenes and areas, and the sources of virtual rasters, are refused by name unless they are files here. For what lies
beside them and is not looked at, such as overviews elsewhere, GDAL is left without network: see `restrict`.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from xml.parsers.expat import ExpatError, ParserCreate

import rasterio

from sartranslate.errors import OptionError, SceneError

VARIABLE = "SARTRANSLATE_LOCAL_ONLY"
FORMATS = ("GTiff", "VRT", "PNG", "JPEG", "ENVI", "EHdr", "HFA")  # of scenes, as GDAL calls them
ARCHIVED = tuple(name for name in FORMATS if name != "VRT")  # sources of a virtual raster in an archive go unseen
MEMORY = "/vsimem/"  # where GDAL keeps files that are on no disk; of ours, GeoTIFFs alone
ARCHIVES = ("/vsizip/", "/vsitar/", "/vsigzip/")
NETWORK_DRIVERS = (
    *("ADBC", "AmigoCloud", "CSW", "Carto", "DAAS", "ECW", "EEDA", "EEDAI", "Elasticsearch", "GDALG", "GMLAS", "GTI"),
    *("GeoRaster", "HANA", "HTTP", "JPIPKAK", "MSSQLSpatial", "MongoDBv3", "MySQL", "NGW", "OAPIF", "OCI", "ODBC"),
    *("OGCAPI", "OGR_VRT", "PLMOSAIC", "PLSCENES", "PostGISRaster", "PostgreSQL", "RDA", "STACIT", "STACTA", "TileDB"),
    *("WCS", "WFS", "WMS", "WMTS", "Zarr", "netCDF"),
)  # that open connections themselves, or follow links of formats that are not looked at here
NO_FILE = "is no file of this machine; --local-only allows no other"
NOTHING = "nothing"  # the one file that GDAL may then find on a server
HEAD_BYTES = 2**16  # GDAL looks for the mark of a virtual raster in less
MARK = b"<VRTDataset"
REFERENCES = ("sourcefilename", "sourcedataset")  # GDAL compares names without case
PROCESSED = "vrtprocesseddataset"  # whose arguments name files, too


def restrict() -> None:
    """From now on, in this process and those it starts, only files of this machine are opened; there is no way back.

    To be called before the first raster or vector file is opened: drivers that GDAL has loaded stay.
    """
    skipped = filter(None, (os.environ.get("GDAL_SKIP"), *NETWORK_DRIVERS))
    os.environ.update(
        {
            VARIABLE: "1",
            "GDAL_SKIP": ",".join(skipped),
            "CPL_VSIL_CURL_ALLOWED_FILENAME": NOTHING,
            "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": NOTHING,
            "PROJ_NETWORK": "OFF",
        }
    )


def drivers_for(path: str | os.PathLike[str]) -> list[str] | None:
    """What GDAL may open a raster with; None for anything, where nobody has asked for local files only.

    Raises `SceneError` for a raster that is no file of this machine, or is virtual and leads to one that is none.
    """
    if not _restricted():
        return None
    if os.fspath(path).startswith(MEMORY):
        return ["GTiff"]
    _check(os.fspath(path), frozenset())
    return list(ARCHIVED if os.fspath(path).startswith(ARCHIVES) else FORMATS)


def check_file(path: str) -> None:
    """Raise `SceneError` where only local files are asked for and `path` is none, in an archive or by itself."""
    if _restricted() and not _is_local(path):
        raise SceneError(NO_FILE)


def restricted() -> bool:
    """Whether only files of this machine may be opened."""
    return os.environ.get(VARIABLE) == "1"


def _restricted() -> bool:
    if not restricted():
        return False
    _check_drivers()
    return True


@cache
def _check_drivers() -> None:
    with rasterio.Env() as env:
        loaded = set(env.drivers())
    if "pyogrio" in sys.modules:
        from pyogrio import list_drivers

        loaded |= set(list_drivers())
    if left := sorted(loaded.intersection(NETWORK_DRIVERS)):
        raise OptionError(f"only local files: GDAL has loaded {left[0]} already, expected to restrict it before")


def _check(path: str, above: frozenset[str]) -> None:
    """Follow virtual rasters, whose real paths `above` led here, down to files."""
    if _is_text(path):
        return _check_sources(path, ".", above)
    if not _is_local(path):
        raise SceneError(NO_FILE)
    real = os.path.realpath(path)
    if real in above:
        raise SceneError("is a virtual raster of itself")
    if Path(path).is_file() and _is_virtual(path):
        _check_sources(Path(path).read_bytes(), str(Path(path).parent), above | {real})
    return None


def _check_sources(virtual: str | bytes, folder: str, above: frozenset[str]) -> None:
    for name, relative in _sources(virtual):
        try:
            if name.startswith(ARCHIVES):
                raise SceneError("lies in an archive; --local-only allows no virtual raster of such")
            _check(os.path.join(folder, name) if relative else name, above)
        except SceneError as error:
            raise SceneError(f"leads to {name}, which {error}") from error


def _is_text(path: str) -> bool:
    """Whether it is that of a virtual raster in place of the path of one."""
    return path.lstrip().startswith("<") and MARK.decode() in path


def _is_local(path: str) -> bool:
    """Whether there is such a file or folder here, or a file in the local archive that the path names."""
    if not path.startswith(ARCHIVES):
        return os.path.exists(path)
    inside = path.split("/", 2)[2].removeprefix("{")
    ends = (found.start() for found in re.finditer("[/}]|$", inside))
    return any(Path(inside[:end]).is_file() for end in ends)


def _is_virtual(path: str) -> bool:
    with Path(path).open("rb") as file:
        return MARK in file.read(HEAD_BYTES)


def _sources(virtual: str | bytes) -> Iterator[tuple[str, bool]]:
    """What a virtual raster refers to, and whether that is relative to its folder."""
    found: list[tuple[list[str], bool]] = []
    inside: list[str] = []

    def begin(tag: str, attributes: dict[str, str]) -> None:
        inside.append(tag.lower())
        told = {name.lower(): value for name, value in attributes.items()}
        if told.get("subclass", "").lower() == PROCESSED:
            raise SceneError("is a virtual raster that processes others; --local-only allows none of such")
        if inside[-1] in REFERENCES:
            found.append(([], told.get("relativetovrt", "0") == "1"))

    def add(part: str) -> None:
        if inside[-1] in REFERENCES:
            found[-1][0].append(part)

    parser = ParserCreate()
    parser.StartElementHandler, parser.CharacterDataHandler = begin, add
    parser.EndElementHandler = lambda tag: inside.pop()
    try:
        parser.Parse(virtual, True)
    except ExpatError as error:
        raise SceneError(f"is a virtual raster in broken XML: {error}") from error
    return (("".join(parts), relative) for parts, relative in found)
