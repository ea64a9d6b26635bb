"""Rasters on servers: how they are called, how long GDAL tries to read them, and what it does not ask for."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError

Result = TypeVar("Result")

PATIENCE: Mapping[str, str] = {
    "GDAL_HTTP_MAX_RETRY": "4",  # after "try again later", an error of the server or a broken connection
    "GDAL_HTTP_RETRY_DELAY": "1",  # seconds before the first of them, about twice as many before each further one
    "GDAL_HTTP_CONNECTTIMEOUT": "10",  # seconds
    "GDAL_HTTP_LOW_SPEED_TIME": "30",  # seconds of the speed below
    "GDAL_HTTP_LOW_SPEED_LIMIT": "100",  # bytes per second
}
CACHE: Mapping[str, str] = {
    "CPL_VSIL_CURL_CACHE_SIZE": str(64 * 2**20),  # bytes of what was read that GDAL keeps, for what it reads itself
}
SPARING: Mapping[str, str] = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # no look for files beside a raster: each is a request or several
}
EXACT: Mapping[str, str] = {"GTIFF_DIRECT_IO": "YES"}  # nothing ahead, of what is not compressed; a request a row
FORGETFUL: Mapping[str, str] = {"CPL_VSIL_CURL_NON_CACHED": "/vsi"}  # once a file is closed, nothing of it is known
TRIES = 3  # of what GDAL reads in one go, since it tries some kinds of reading, and of failures, but once
SYSTEMS: Mapping[str, str] = {  # GDAL's file systems, by how addresses begin
    "http://": "/vsicurl/http://",
    "https://": "/vsicurl/https://",
    "s3://": "/vsis3/",
    "gs://": "/vsigs/",
    "az://": "/vsiaz/",
    "oss://": "/vsioss/",
}
NETWORK = re.compile(r"^/vsi(curl|s3|gs|az|adls|oss|swift|webhdfs|hdfs)(_streaming)?[/?]")
MANGLED = re.compile(r"^(https?|s3|gs|az|oss):/(?!/)|^(/vsicurl(?:_streaming)?/(?:https?)):/(?!/)")


def be_patient() -> None:
    """From now on GDAL tries again, gives up and keeps as above, in this process, unless the user has said otherwise.

    Variables of the environment come last where GDAL looks for a setting: its configuration file and
    `rasterio.Env` go before them.
    """
    for name, value in {**PATIENCE, **CACHE}.items():
        os.environ.setdefault(name, value)


def patiently(read: Callable[[], Result], between: Callable[[], None]) -> Result:
    """What `read` returns at last, after another call of `between`; its errors are GDAL's, of the latest try."""
    pause = float(os.environ["GDAL_HTTP_RETRY_DELAY"])
    for _ in range(TRIES - 1):
        try:
            return read()
        except (RasterioError, CPLE_BaseError):
            time.sleep(pause)
            pause *= 2
            between()
    return read()


def gdal_path(path: str | os.PathLike[str]) -> str:
    """A path or an address as GDAL calls it; what a `Path` has made of an address is mended.

    >>> gdal_path("s3://bucket/scene.tif")
    '/vsis3/bucket/scene.tif'
    >>> gdal_path("https:/host/scene.tif")
    '/vsicurl/https://host/scene.tif'
    """
    text = mended(path)
    for beginning, system in SYSTEMS.items():
        if text.lower().startswith(beginning):
            return system + text[len(beginning) :]
    return text


def mended(path: str | os.PathLike[str]) -> str:
    """A path as it was given: `Path` makes one slash of two, which addresses need.

    >>> mended("s3:/bucket/scene.tif"), mended("folder/scene.tif")
    ('s3://bucket/scene.tif', 'folder/scene.tif')
    """
    return MANGLED.sub(lambda found: f"{found[1] or found[2]}://", os.fspath(path))


def is_remote(path: str | os.PathLike[str]) -> bool:
    """Whether GDAL would read it over a network.

    >>> is_remote("/vsicurl/https://host/scene.tif"), is_remote("scene.tif")
    (True, False)
    """
    return NETWORK.match(gdal_path(path)) is not None


def opening(path: str | os.PathLike[str], *, blocks: bool = False) -> dict[str, str]:
    """GDAL's settings for opening a path: those above for remote ones, unless the user has others.

    `blocks` says that windows are whole blocks, or in strips whole rows.
    """
    wanted = {**SPARING, **(EXACT if blocks else {})} if is_remote(path) else {}
    return {name: value for name, value in wanted.items() if name not in os.environ}
