"""Addresses of rasters on servers, without what is secret in them or lasts for an hour."""

from __future__ import annotations

import os
import re
from urllib.parse import parse_qsl

from sartranslate.rasters.remote import is_remote, mended

SYSTEMS = {
    "/vsicurl/": "",
    "/vsicurl_streaming/": "",
    "/vsis3/": "s3://",
    "/vsigs/": "gs://",
}  # what GDAL's names of them begin with, and theirs
WITH_OPTIONS = "/vsicurl?"  # GDAL's name of an address that is one of several options
NESTED_OPTIONS = re.compile(r"(/vsicurl\?)[^}]*")  # the same within a name of an archive
ADDRESS = re.compile(r'(\b(?:https?|ftp)://)(?:[^/?#"]*@)?([^?#"]*)(?:[?#][^"]*)?', re.IGNORECASE)
# Of signed addresses: those of S3, of Google, of CloudFront, and tokens.
SIGNING = re.compile(
    r"(x-(amz|goog|oss)-[\w-]*|awsaccesskeyid|googleaccessid|ossaccesskeyid|signature|expires|policy|key-pair-id"
    r"|(access_?)?token|sig)=.*",
    re.IGNORECASE | re.DOTALL,
)
# Beside "sig", of Azure (https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas).
BESIDE = re.compile(
    r"(sv|ss|srt|sp|st|se|sr|si|sip|spr|sdd|ses|skoid|sktid|skt|ske|sks|skv|saoid|suoid|scid)=.*",
    re.IGNORECASE | re.DOTALL,
)


def public(path: str) -> str:
    """An address as others than GDAL write it, without user, password and query, which can be keys; a path as it is.

    An address within a name of GDAL's stays there, without them.

    >>> public("/vsicurl/https://me:secret@example.com/scene.tif?key=1"), public("a folder/why?.tif")
    ('https://example.com/scene.tif', 'a folder/why?.tif')
    >>> public('NETCDF:"/vsicurl/https://example.com/a.nc?key=1":VV')
    'NETCDF:"/vsicurl/https://example.com/a.nc":VV'
    """
    path = mended(path)
    if path.startswith(WITH_OPTIONS):
        url = _url(path)
        return public(url) if url else WITH_OPTIONS.rstrip("?")
    for prefix, address in SYSTEMS.items():
        if path.startswith(prefix):
            path = address + path.removeprefix(prefix)
    return ADDRESS.sub(r"\1\2", NESTED_OPTIONS.sub(r"\1", path))


def last_part(path: str) -> str:
    """The last part of a path or an address.

    >>> last_part("https://example.com/a/b.tif?sig=secret"), last_part("scenes/S1A_IW_GRDH.SAFE/")
    ('b.tif', 'S1A_IW_GRDH.SAFE')
    """
    return os.path.basename(public(path).rstrip("/"))


def unsigned(path: str) -> str:
    """The same for an address whenever and for whomever it is signed; a path as it is.

    >>> unsigned("https://example.com/get?id=7&sv=2024&sig=secret"), unsigned("why?sig=1.tif")
    ('https://example.com/get?id=7', 'why?sig=1.tif')
    >>> unsigned("/vsicurl?use_head=no&url=https%3A%2F%2Fexample.com%2Fa.tif%3Fsig%3Dsecret")
    '/vsicurl/https://example.com/a.tif'
    """
    if path.startswith(WITH_OPTIONS):
        url = _url(path)
        return f"/vsicurl/{unsigned(url)}" if url else path
    address, mark, query = path.partition("?")
    if not (mark and is_remote(address)):
        return path
    kept = [part for part in query.split("&") if not SIGNING.fullmatch(part)]
    if "sig" in [part.partition("=")[0].lower() for part in query.split("&")]:
        kept = [part for part in kept if not BESIDE.fullmatch(part)]
    return "?".join([address, *(["&".join(kept)] if kept else [])])


def _url(path: str) -> str:
    """The address among the options of one; empty where there is none."""
    options = {name.lower(): value for name, value in parse_qsl(path.removeprefix(WITH_OPTIONS))}
    return options.get("url", "")
