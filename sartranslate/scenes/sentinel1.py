"""The measurement rasters of a Sentinel-1 product, and what names in Sentinel-1's form tell.

A product is a SAFE folder, as it comes or in a zip: manifest.safe, and one GeoTIFF for each
polarisation in measurement/. Zips are listed, never extracted: GDAL reads within them (/vsizip/).
Names: Sentinel-1 Product Specification, S1-RS-MDA-52-7441, section on naming conventions; cloud
copies add _COG to the folder and -cog to the files, or call these iw-vv.tiff.
"""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sartranslate.backscatter.polarisation import POLARISATIONS, polarisation
from sartranslate.errors import SceneError

VSIZIP = "/vsizip/"
CODES = {
    "SV": ("VV",),
    "SH": ("HH",),
    "DV": ("VV", "VH"),
    "DH": ("HH", "HV"),
    **{name: (name,) for name in POLARISATIONS},
}
REFUSED = {
    "SLC": "a single-look complex product (SLC)",
    "OCN": "an ocean product (OCN)",
    "RAW": "a raw product (RAW)",
}
PRODUCT_NAME = re.compile(
    r"(?<![A-Z0-9])S1[A-D]_(?:IW|EW|WV|SM|S[1-6])_(GRD|SLC|OCN|RAW)[FHM_]_[012][SA]([SD][HV]|[HV]{2})(?![A-Z0-9])",
    re.IGNORECASE,
)
MEASUREMENT_NAME = re.compile(
    r"(?<![A-Z0-9])s1[a-d]-(?:iw[1-3]?|ew[1-5]?|wv[12]?|sm|s[1-6])-(grd|slc|ocn|raw)-(?:s-)?([hv]{2})(?![A-Z0-9])",
    re.IGNORECASE,
)


def is_product(path: str | os.PathLike[str]) -> bool:
    """Whether `path` looks like a Sentinel-1 product on this machine, of whatever type; nothing is raised.

    An unreadable zip is judged by its name, so that a broken download is told as such by `measurements`.
    """
    path = os.fspath(path)
    archive = _local_zip(path)
    if archive is None:
        return _safe_folder(path) is not None
    try:
        return bool(_roots(_members(archive), archive.inner))
    except SceneError:
        return bool(product_polarisations(archive.file))


def measurements(path: str | os.PathLike[str]) -> dict[str, str]:
    """GDAL paths of a product's rasters by polarisation, in the order VV, VH, HH, HV.

    `path` is a SAFE folder, its manifest.safe, a zip that holds one, or a place in a zip (/vsizip/...).
    Raises `SceneError` unless the product is a ground range detected one with one raster for each
    polarisation.
    """
    path = os.fspath(path)
    try:
        safe = _open_safe(path)
        _check_type(safe)
        return {name: f"{safe.folder}/measurement/{file}" for name, file in _by_polarisation(safe.files).items()}
    except SceneError as error:
        raise SceneError(f"{path}: {error}") from error


def product_polarisations(name: str) -> tuple[str, ...]:
    """The polarisations told by the name of a product, of a measurement or of what is derived from one.

    Empty where the name has neither form. They are those of the product, not the order of its bands.

    >>> product_polarisations("S1A_IW_GRDH_1SDV_20201107T052605_20201107T052630_035143_0419E4_3A2C.SAFE")
    ('VV', 'VH')
    """
    named = _naming(name)
    return CODES[named[1]] if named else ()


def file_polarisation(name: str) -> str | None:
    """The one polarisation that the name of a file with a single band tells, or None.

    A word VV, VH, HH or HV tells it, unless it contradicts the product's name that the file bears.

    >>> file_polarisation("S1A_IW_GRDH_1SDV_20201107T052605_Sigma0_VH.tif")
    'VH'
    """
    told = product_polarisations(name)
    word = polarisation(os.path.basename(name))
    if word is None:
        return told[0] if len(told) == 1 else None
    return word if not told or word in told else None


@dataclass(frozen=True)
class _Safe:
    """A SAFE folder on disk or in a zip."""

    name: str
    folder: str  # its GDAL path
    files: tuple[str, ...]  # names in measurement/, sorted


@dataclass(frozen=True)
class _Zip:
    """A zip on disk, and the place in it that is asked for."""

    file: str
    inner: str  # a folder or a file, without slashes at its ends; empty for the whole zip

    @property
    def gdal_path(self) -> str:
        # Without braces GDAL looks for .zip to find where the path of the archive ends.
        plain = self.file.lower().endswith(".zip") and not self.file.startswith("{")
        return VSIZIP + (self.file if plain else f"{{{self.file}}}")


def _open_safe(path: str) -> _Safe:
    archive = _local_zip(path)
    if archive is not None:
        return _safe_in_zip(archive)
    folder = _safe_folder(path)
    if folder is None:
        raise SceneError("is no Sentinel-1 product, expected a SAFE folder, its manifest.safe or a local zip of one")
    return _Safe(_last_name(folder), str(folder), tuple(sorted(_listed(folder / "measurement"))))


def _check_type(safe: _Safe) -> None:
    types = {named[0] for named in map(_naming, (safe.name, *safe.files)) if named}
    for name in sorted(types & REFUSED.keys()):
        raise SceneError(f"is {REFUSED[name]}, expected ground range detected (GRD)")


def _by_polarisation(files: Iterable[str]) -> dict[str, str]:
    # Names with a leading dot are the side files that macOS leaves on foreign disks and in zips.
    tiffs = [file for file in files if file.lower().endswith((".tif", ".tiff")) and not file.startswith(".")]
    named = {name: [file for file in tiffs if file_polarisation(file) == name] for name in POLARISATIONS}
    for name, alike in named.items():
        if len(alike) > 1:
            raise SceneError(f"{len(alike)} measurements of {name} ({', '.join(alike)}), expected one")
    if not any(named.values()):
        found = f"no polarisation in the names {', '.join(tiffs)}" if tiffs else "no measurement/*.tiff"
        raise SceneError(f"{found}, expected rasters such as measurement/s1a-iw-grd-vv-*.tiff")
    return {name: alike[0] for name, alike in named.items() if alike}


def _safe_folder(path: str) -> Path | None:
    """The SAFE folder on disk that `path` names by itself or by its manifest."""
    if not os.path.exists(path):
        return None
    folder = Path(path).parent if Path(path).name == "manifest.safe" else Path(path)
    marked = any(os.path.exists(folder / mark) for mark in ("manifest.safe", "measurement"))
    return folder if folder.is_dir() and (marked or _last_name(folder).upper().endswith(".SAFE")) else None


def _listed(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in folder.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise SceneError(f"{folder.name}/ can not be read: {error.strerror}") from error


def _local_zip(path: str) -> _Zip | None:
    """The zip on disk that `path` names or lies in."""
    if not path.startswith(VSIZIP):
        return _Zip(path, "") if _is_file(path) and _is_zip(path) else None
    inside = path.removeprefix(VSIZIP)
    end = "}" if inside.startswith("{") else "/"
    text = inside.removeprefix("{") if end == "}" else inside
    fronts = (text[: found.start()] for found in re.finditer(f"{end}|$", text))
    file = next((front for front in fronts if _is_file(front)), None)
    return None if file is None else _Zip(file, text[len(file) + 1 :].strip("/"))


def _members(archive: _Zip) -> list[str]:
    """Names as GDAL gives them; those that point out of the zip or would garble a message are left out."""
    try:
        with zipfile.ZipFile(archive.file) as opened:
            names = {name.replace("\\", "/").removeprefix("./") for name in opened.namelist() if name.isprintable()}
    except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError) as error:
        raise SceneError(f"can not be read as a zip ({error}), expected a whole one") from error
    return sorted(name for name in names if ".." not in name.split("/") and not name.startswith(("/", "__MACOSX/")))


def _safe_in_zip(archive: _Zip) -> _Safe:
    members = _members(archive)
    roots = _roots(members, archive.inner)
    if not roots:
        raise SceneError("no SAFE folder in the zip, expected one")
    if len(roots) > 1:
        raise SceneError(f"{len(roots)} products ({', '.join(roots)}), expected one: {archive.gdal_path}/{roots[0]}")
    measurement = f"{roots[0]}/measurement/".lstrip("/")
    files = {name.removeprefix(measurement) for name in members if name.startswith(measurement)}
    return _Safe(
        name=_last_name(roots[0] or archive.file),
        folder=f"{archive.gdal_path}/{roots[0]}".rstrip("/"),
        files=tuple(sorted(file for file in files if file and "/" not in file)),
    )


def _roots(members: Iterable[str], inner: str) -> list[str]:
    """The SAFE folders among the members of a zip, at or below `inner`; empty is the zip's own top."""
    folder = inner.removesuffix("manifest.safe").rstrip("/")
    found = {root for member in members for root in _root(member)}
    return sorted(root for root in found if f"{root}/".startswith(f"{folder}/") or not folder)


def _root(member: str) -> Iterator[str]:
    """The SAFE folder that a member of a zip lies in, if it does."""
    *folders, name = member.split("/")
    ends = [end for end, folder in enumerate(folders, 1) if folder.upper().endswith(".SAFE")]
    ends += [len(folders)] if name == "manifest.safe" else []
    ends += [folders.index("measurement")] if "measurement" in folders else []
    if ends:
        yield "/".join(folders[: ends[0]])


def _naming(name: str) -> tuple[str, str] | None:
    """Product type and code of the polarisations, both in capitals."""
    last = os.path.basename(name)
    found = MEASUREMENT_NAME.search(last) or PRODUCT_NAME.search(last)
    return (found[1].upper(), found[2].upper()) if found else None


def _is_file(path: str) -> bool:
    # Path alone raises where the text is too long for a name, as that of a virtual raster.
    return os.path.exists(path) and Path(path).is_file()


def _is_zip(path: str) -> bool:
    # The first bytes and not zipfile.is_zipfile, which takes other files with these bytes near their end for zips.
    try:
        with Path(path).open("rb") as file:
            return path.lower().endswith(".zip") or file.read(4) == b"PK\x03\x04"
    except OSError:
        return path.lower().endswith(".zip")


def _last_name(path: str | Path) -> str:
    return Path(path).absolute().name
