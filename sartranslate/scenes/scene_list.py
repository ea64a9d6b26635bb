"""Scenes to be translated by one command: paths, a list of paths in a text file, or the items of a STAC collection."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from sartranslate.backscatter.polarisation import POLARISATIONS
from sartranslate.errors import OptionError

COMMENT = "#"
COLLECTIONS = ("FeatureCollection", "ItemCollection")
PART = re.compile(r'[A-Za-z]\w+:["/]|GTIFF_DIR:')  # such as NETCDF:"x.nc":VV; a single letter is a drive
PART_OF_FILE = re.compile(r"[A-Z][A-Z0-9_]+:((?!//).+)")  # with what names it after GDAL's driver
MANIFEST = "manifest.safe"  # of a product, which has the name
DATA = "data"  # the role of an asset that is no preview and no metadata


@dataclass(frozen=True)
class Entry:
    """A scene of many: one path, or a file for each polarisation."""

    title: str  # as tables call it
    name: str  # of its output, without an ending
    source: str | None = None
    files: Mapping[str, str] | None = None
    problem: str | None = None  # why it can not be told which files it has

    @property
    def paths(self) -> list[str]:
        return [*([self.source] if self.source else []), *(self.files or {}).values()]

    def absolute(self) -> Entry:
        """The same for a process in another folder."""
        files = self.files and {name: _absolute(file) for name, file in self.files.items()}
        return replace(self, source=self.source and _absolute(self.source), files=files)


def entry(source: str) -> Entry:
    """Of a path, or an address, whose output is named after its last part.

    >>> entry("scenes/S1A_IW_GRDH.SAFE/").name, entry("https://example.com/a/b.tif?key=1").name
    ('S1A_IW_GRDH', 'b')
    >>> entry("NETCDF:scenes/multi.nc:Band1").name
    'multi_Band1'
    """
    if (part := PART_OF_FILE.fullmatch(source)) and not os.path.exists(source):
        return Entry(source, _part_name(part[1]), source)
    path = PurePosixPath(urlsplit(source).path if _is_address(source) else Path(source).as_posix())
    if path.name.lower() == MANIFEST:
        path = path.parent
    if path.name in ("", ".."):  # the folder one is in, or one that it lies in
        path = PurePosixPath(Path(path).resolve().as_posix())
    return Entry(source, path.stem, source)


def _part_name(rest: str) -> str:
    """Of a part of a file: that of the file, and what else tells it, of letters, digits, dashes and dots alone."""
    quoted = re.search('"([^"]+)"', rest)
    words = re.split(":(?!//)", rest.replace(quoted[0], "") if quoted else rest)
    file = quoted[1] if quoted else max(words, key=lambda word: ("/" in word, "." in word))
    others = [re.sub(r"[^\w.-]+", "_", word).strip("_") for word in words if word != file]
    return "_".join(filter(None, [entry(file).name, *others]))


def listed(file: Path) -> list[Entry]:
    """The scenes of a text file, one a line, relative to its folder; empty lines and those with a # are left out.

    Raises `OptionError` for a file that is no such text.
    """
    lines = [line.strip() for line in _text(file).splitlines()]
    return [entry(_beside(file, line)) for line in lines if line and not line.startswith(COMMENT)]


def collected(file: Path) -> list[Entry]:
    """The items of a STAC ItemCollection, a GeoJSON FeatureCollection, each by its assets with the role "data".

    One such asset is the scene. Several are its polarisations, by the one in `sar:polarizations`, or by name. Outputs
    are named after the items. Raises `OptionError` for a file that is no collection.
    """
    text = _text(file)
    try:
        content = json.loads(text)
        features = content["features"] if content["type"] in COLLECTIONS else None
    except (ValueError, TypeError, KeyError) as error:
        raise OptionError(f"{file}: expected a STAC ItemCollection, a GeoJSON FeatureCollection of items") from error
    if not isinstance(features, list) or not all(isinstance(item, dict) for item in features):
        raise OptionError(f"{file}: expected a STAC ItemCollection, a GeoJSON FeatureCollection of items")
    return [_item(file, number, item) for number, item in enumerate(features, 1)]


def check_names(entries: Sequence[Entry]) -> None:
    """Raise `OptionError` where there is no scene, or two outputs would have one name but for its case."""
    if not entries:
        raise OptionError("no scenes, expected at least one")
    first: dict[str, Entry] = {}
    for each in entries:
        other = first.setdefault(each.name.casefold(), each)
        if other is not each:
            raise OptionError(f"{other.title} and {each.title}: both would become {each.name}.tif")


def _item(file: Path, number: int, item: Mapping[str, Any]) -> Entry:
    title = str(item.get("id") or f"item {number}")
    name = re.sub(r"[^\w.-]+", "_", title)
    assets = item.get("assets")
    found = _data_assets(assets) if isinstance(assets, dict) else {}
    paths = {key: _decoded(_beside(file, str(asset["href"]))) for key, asset in found.items()}
    if not paths:
        return Entry(title, name, problem=f"{title}: no asset with the role {DATA!r} and an address")
    if not all(map(_can_be_opened, paths.values())):
        return Entry(title, name, problem=f"{title}: an address that no file can have")
    if len(paths) == 1:
        return Entry(title, name, source=next(iter(paths.values())))
    told = {key: _polarisation(key, asset) for key, asset in found.items()}
    if None in told.values() or len(set(told.values())) < len(told):
        return Entry(title, name, problem=f"{title}: {len(paths)} data assets, expected one for each polarisation")
    return Entry(title, name, files={str(told[key]): path for key, path in paths.items()})


def _can_be_opened(path: str) -> bool:
    try:
        return b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        return False


def _data_assets(assets: Mapping[str, Any]) -> dict[str, Any]:
    """Those with the role, or, as some catalogues give none, those that are named after a polarisation."""
    addressed = {key: asset for key, asset in assets.items() if isinstance(asset, dict) and asset.get("href")}
    chosen = {key: asset for key, asset in addressed.items() if DATA in (asset.get("roles") or ())}
    return chosen or {key: asset for key, asset in addressed.items() if key.upper() in POLARISATIONS}


def _polarisation(key: str, asset: Mapping[str, Any]) -> str | None:
    told: Iterable[Any] = asset.get("sar:polarizations") or [key]
    names = [str(name).upper() for name in told]
    return names[0] if len(names) == 1 and names[0] in POLARISATIONS else None


def _text(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise OptionError(f"{file}: can not be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise OptionError(f"{file}: is no text in UTF-8") from error
    if "\0" in text:  # as in UTF-16
        raise OptionError(f"{file}: is no text in UTF-8")
    return text


def _beside(file: Path, path: str) -> str:
    """A path that is relative to the folder of a file, from here."""
    beside = os.fspath(file.parent / path)  # as it is: a link may lead elsewhere than back
    return path if _is_no_path(path, beside) or Path(path).is_absolute() else beside


def _decoded(path: str) -> str:
    """What a reference with escapes such as %20 stands for, unless it is a file as it is."""
    plain = unquote(path)
    return plain if not _is_address(path) and not os.path.exists(path) and os.path.exists(plain) else path


def _absolute(path: str) -> str:
    return path if _is_no_path(path, path) else os.path.abspath(path)


def _is_no_path(path: str, file: str) -> bool:
    """Whether it is an address, or a part of a file as a driver of GDAL calls it."""
    return _is_address(path) or (PART.match(path) is not None and not os.path.exists(file))


def _is_address(path: str) -> bool:
    return "://" in path
