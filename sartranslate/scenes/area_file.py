"""Areas of interest as users give them: a file of polygons, a text of one, or the four sides of a box."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from pyproj import CRS
from pyproj.exceptions import CRSError
from shapely.errors import ShapelyError

from sartranslate.errors import AreaError, OptionError, SceneError
from sartranslate.printable import printable
from sartranslate.rasters.local_only import check_file
from sartranslate.rasters.process_wide import quiet
from sartranslate.rasters.remote import be_patient

LONGITUDE_LATITUDE = CRS.from_authority("OGC", "CRS84")
EXPECTED = "expected a file of polygons, or WKT"
WKT = re.compile(
    r"\s*(?:SRID=(?P<srid>\d+)\s*;)?\s*"
    r"(?P<text>(?:MULTI)?(?:POINT|LINESTRING|POLYGON|CURVE|SURFACE|GEOMETRYCOLLECTION)[\sZM]*(?:\(|EMPTY).*)",
    re.IGNORECASE | re.DOTALL,
)
SHOWN_WKT = 40  # characters of a text that name it
LONGEST_PATH = 400  # characters of a name that is no local file


@dataclass(frozen=True)
class Area:
    """A valid Polygon or MultiPolygon, its CRS with x before y, and a text that names where it came from."""

    geometry: Any
    crs: CRS
    source: str


def read_area(spec: str | os.PathLike[str], crs: str | None = None) -> Area:
    """All polygons of a vector file that OGR reads, united, or one as WKT or EWKT; heights are dropped.

    `crs` is what pyproj takes for a CRS and goes before that of the file. Raises `AreaError` if there is nothing but
    polygons to read, one of them is not valid, a file has several layers of polygons, or no CRS is known.
    """
    spec = os.fspath(spec)
    wkt = WKT.fullmatch(spec)
    if wkt and not os.path.exists(spec):
        source = printable(spec if len(spec) <= SHOWN_WKT else f"{spec[:SHOWN_WKT]}...")
        return _area([_from_wkt(wkt["text"], source)], wkt["srid"] and f"EPSG:{wkt['srid']}", crs, source)
    if not (os.path.exists(spec) or (spec.isprintable() and len(spec) <= LONGEST_PATH)):
        shown = spec if len(spec) <= LONGEST_PATH else f"{spec[:SHOWN_WKT]}..."
        raise AreaError(f"{printable(shown)}: {len(spec)} characters, {EXPECTED}")
    try:
        check_file(spec)
    except SceneError as error:
        raise AreaError(f"{spec}: {error}") from error
    layer = _polygon_layer(spec)
    geometries, found = _read_layer(spec, layer)
    return _area(geometries, found, crs, spec)


def bbox_area(west: float, south: float, east: float, north: float, crs: str | None = None) -> Area:
    """The box of these sides, in degrees of longitude and latitude unless `crs` tells another unit.

    Where west > east in longitudes, the box crosses the antimeridian and comes in two parts. Raises `AreaError` if
    a side is not finite, out of range or on the wrong side of its opposite.

    >>> bbox_area(170, -20, -170, -10).geometry.bounds
    (-180.0, -20.0, 180.0, -10.0)
    """
    source = f"bbox {west} {south} {east} {north}"
    if not np.isfinite([west, south, east, north]).all():
        raise AreaError(f"{source}: expected finite numbers")
    known = LONGITUDE_LATITUDE if crs is None else _parsed(crs, source)
    if south >= north:
        raise AreaError(f"{source}: south {south} is not below north {north}; expected west south east north")
    if west < east:
        return _area([shapely.box(west, south, east, north)], known, None, source)
    if not known.is_geographic or west == east or west > 180 or east < -180:
        raise AreaError(f"{source}: west {west} is not below east {east}; expected west south east north")
    spans = [span for span in ((west, 180.0), (-180.0, east)) if span[0] < span[1]]
    return _area([shapely.box(first, south, last, north) for first, last in spans], known, None, source)


def chosen_area(aoi: str | os.PathLike[str] | None, bbox: Sequence[float] | None, crs: str | None) -> Area | None:
    """The one of both that is given, as `read_area` and `bbox_area`, or None.

    Raises `OptionError` for both, or a CRS without either, and `AreaError` as they do.
    """
    if aoi is not None and bbox is not None:
        raise OptionError("aoi and bbox are both given, expected one of them")
    if aoi is not None:
        if not isinstance(aoi, (str, os.PathLike)):
            raise OptionError(f"aoi of type {type(aoi).__name__}, {EXPECTED}")
        return read_area(aoi, crs)
    if bbox is not None:
        return bbox_area(*_sides(bbox), crs=crs)
    if crs is not None:
        raise OptionError(f"CRS {crs!r} of an area without an area, expected aoi or bbox")
    return None


def _sides(bbox: Sequence[float]) -> tuple[float, float, float, float]:
    try:
        west, south, east, north = map(float, bbox)
    except (TypeError, ValueError) as error:
        raise OptionError(f"bbox {bbox!r}: expected four numbers, west south east north") from error
    return west, south, east, north


def _area(geometries: Sequence[Any], found: str | CRS | None, given: str | None, source: str) -> Area:
    known = _parsed(given, source) if given is not None else _known(found, source)
    if not len(geometries):
        raise AreaError(f"{source}: no features, {EXPECTED}")
    for number, geometry in enumerate(geometries, 1):
        _check_polygon(geometry, f"{source}: feature {number}" if len(geometries) > 1 else source)
    area = Area(shapely.union_all(geometries), known, source)
    if known.is_geographic:
        _check_degrees(area)
    return area


def _check_polygon(geometry: Any, where: str) -> None:
    if geometry is None or geometry.is_empty:
        raise AreaError(f"{where}: no geometry, expected Polygon or MultiPolygon")
    if geometry.geom_type not in ("Polygon", "MultiPolygon"):
        raise AreaError(f"{where}: {geometry.geom_type}, expected Polygon or MultiPolygon")
    if not np.isfinite(shapely.get_coordinates(geometry)).all():
        raise AreaError(f"{where}: a coordinate is not finite")
    if not geometry.is_valid:
        with np.errstate(all="ignore"):  # it computes with coordinates of any size
            reason = shapely.is_valid_reason(geometry)
        raise AreaError(f"{where}: {reason}, expected a valid polygon")


def _check_degrees(area: Area) -> None:
    west, south, east, north = area.geometry.bounds
    if west < -360 or east > 360 or east - west > 360 or south < -90 or north > 90:
        raise AreaError(
            f"{area.source}: x {west:g}..{east:g}, y {south:g}..{north:g} are no longitudes and latitudes"
            f" of {area.crs.name}; --aoi-crs tells another CRS"
        )


def _known(found: str | CRS | None, source: str) -> CRS:
    """The CRS that was found; those that a GeoPackage names undefined are none."""
    known = None if found is None else _parsed(found, source, check=False)
    if known is None or known.name.startswith("Undefined"):
        raise AreaError(f"{source}: polygon without CRS; --aoi-crs tells it")
    return _parsed(known, source)


def _parsed(crs: str | CRS, source: str, *, check: bool = True) -> CRS:
    try:
        parsed = CRS.from_user_input(crs)
        flat = parsed.to_2d()
    except CRSError as error:
        raise AreaError(f"{source}: unknown CRS {str(crs)!r}, expected one such as EPSG:4326") from error
    if check and not (flat.is_geographic or flat.is_projected):
        raise AreaError(f"{source}: {flat.type_name} {flat.name!r}, expected a geographic or projected CRS")
    return flat


def _from_wkt(text: str, source: str) -> Any:
    try:
        with np.errstate(invalid="ignore"):  # coordinates that are no numbers are refused later, by name
            return shapely.force_2d(shapely.from_wkt(text))
    except ShapelyError as error:
        raise _unreadable(source, error) from error


def _polygon_layer(path: str) -> str:
    """Name of the only layer with polygons; that of the only layer whatever it has."""
    layers = [(str(name), kind) for name, kind in _quietly("layers", path)]
    if not layers:
        raise AreaError(f"{path}: no layers, {EXPECTED}")
    if len(layers) == 1:
        return layers[0][0]
    fit = [name for name, kind in layers if _holds_polygons(path, name, kind)]
    if len(fit) != 1:
        raise AreaError(
            f"{path}: {len(fit)} layers of polygons, expected 1; layers: {', '.join(name for name, _ in layers)}"
        )
    return fit[0]


def _holds_polygons(path: str, layer: str, kind: str | None) -> bool:
    if kind == "Unknown":
        geometries, _ = _read_layer(path, layer)
        return any(geometry is not None and "Polygon" in geometry.geom_type for geometry in geometries)
    return kind is not None and ("Polygon" in kind or "Surface" in kind)


def _read_layer(path: str, layer: str) -> tuple[Sequence[Any], str | None]:
    meta, _, wkb, _ = _quietly("features", path, layer=layer, columns=[], force_2d=True)
    if wkb is None:
        raise AreaError(f"{path}: a table without geometry, {EXPECTED}")
    try:
        with np.errstate(invalid="ignore"):
            return list(shapely.from_wkb(wkb)), meta["crs"]
    except ShapelyError as error:
        raise _unreadable(path, error) from error


@contextmanager
def _no_schema_left(path: str) -> Iterator[None]:
    """Inside, GDAL may write down what it has learnt of a GML file, beside that."""
    learnt = f"{path.rpartition('.')[0]}.gfs"
    known = os.path.exists(learnt)
    try:
        yield
    finally:
        if not known and os.path.exists(learnt):
            Path(learnt).unlink(missing_ok=True)


def _quietly(what: str, path: str, **options: Any) -> Any:
    """The layers or the features of a file; what GDAL warns of shows in the geometries, which are checked."""
    # Loaded here, with a GDAL of its own, since few translations need it.
    from pyogrio import list_layers, raw
    from pyogrio.errors import DataLayerError, DataSourceError, FeatureError, GeometryError

    be_patient()
    read = {"layers": list_layers, "features": raw.read}[what]
    try:
        with quiet(), _no_schema_left(path):
            return read(path, **options)
    except (DataSourceError, DataLayerError, FeatureError, GeometryError, UnicodeError) as error:
        raise _unreadable(path, error) from error


def _unreadable(source: str, error: Exception) -> AreaError:
    # pyogrio appends advice for programmers after a semicolon.
    reason = printable(str(error).splitlines()[0].split(";")[0].removeprefix(f"{source}: "))
    return AreaError(f"{source}: can not be read: {reason}; {EXPECTED}")
