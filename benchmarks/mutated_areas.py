"""Areas of interest as files and texts, and damage to their structure, their coordinates and their bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyogrio.raw
import shapely
from mutations import damaged, nested, odd_number, odd_value, one_of, some, with_deep_text, with_odd_part
from numpy.random import Generator
from pyproj import Transformer

BOX = (500_100.0, 5_299_700.0, 500_400.0, 5_299_950.0)  # in the scenes of `mutated_tiffs`, UTM zone 32
MOST_CORNERS = 100_000
DRIVERS = {".gpkg": "GPKG", ".shp": "ESRI Shapefile", ".kml": "KML", ".gml": "GML", ".fgb": "FlatGeobuf"}
SYSTEMS = ("EPSG:4326", "EPSG:3857", "EPSG:5041", "EPSG:4978", "EPSG:999999", "OGC:CRS84", "", "PROJCS[", "+proj")


def draw_area(rng: Generator, folder: Path) -> list[str]:
    """Options that name a damaged area, whose files are written into the folder."""
    form = one_of(rng, (".json", ".json", *DRIVERS, "text", "box"))
    if form == "text":
        return ["--aoi", _text(rng)]
    if form == "box":
        return ["--bbox", *(str(odd_number(rng) if rng.random() < 0.4 else side) for side in _degrees(_box()).bounds)]
    path = folder / f"area{form}"
    if form == ".json":
        path.write_bytes(_geojson(rng))
    else:
        _write_vectors(path, DRIVERS[form], rng)
    told = rng.random() < 0.15
    return ["--aoi", str(path), *(["--aoi-crs", one_of(rng, SYSTEMS)] if told else [])]


def _box() -> Any:
    return shapely.segmentize(shapely.box(*BOX), 100)


def _degrees(shape: Any) -> Any:
    to_degrees = Transformer.from_crs("EPSG:32632", "EPSG:4326", always_xy=True)
    return shapely.transform(shape, to_degrees.transform, interleaved=False)


def _geojson(rng: Generator) -> bytes:
    feature = {"type": "Feature", "properties": {"name": "a"}, "geometry": shapely.geometry.mapping(_degrees(_box()))}
    content = json.loads(json.dumps({"type": "FeatureCollection", "features": [feature, feature][: len(some(rng, 2))]}))
    for _ in some(rng, 2):
        content = one_of(rng, STRUCTURES)(rng, content)
    text = json.dumps(content)
    if rng.random() < 0.15:
        text = with_deep_text(rng, text)
    encoded = text.encode("utf-8", "surrogatepass")
    return damaged(rng, encoded) if rng.random() < 0.3 else encoded


def _odd_corner(rng: Generator, content: Any) -> Any:
    """A few corners lie elsewhere, so that borders cross, or leave all maps."""
    ring = _first_ring(content)
    for _ in some(rng, 3) if ring else ():
        ring[int(rng.integers(len(ring)))] = one_of(
            rng, ([odd_number(rng), odd_number(rng)], [9.0, 47.85], one_of(rng, ring), [9.0], [], odd_value(rng))
        )
    return content


def _odd_ring(rng: Generator, content: Any) -> Any:
    ring = _first_ring(content)
    if ring:
        many = ring * (MOST_CORNERS // len(ring))
        ring[:] = one_of(rng, (ring[:2], ring[:-1], ring[::-1] + ring, [ring[0]] * 5, many))
    return content


def _odd_geometry(rng: Generator, content: Any) -> Any:
    kinds = ("Point", "LineString", "MultiPolygon", "GeometryCollection", "Polygon", "Solid", "")
    geometry = _first_geometry(content)
    if geometry:
        geometry.update(one_of(rng, ({"type": one_of(rng, kinds)}, {"coordinates": one_of(rng, ([], nested(50)))})))
    return content


def _odd_system(rng: Generator, content: Any) -> Any:
    name = one_of(rng, SYSTEMS)
    if not isinstance(content, dict):
        return content
    return {**content, "crs": one_of(rng, ({"type": "name", "properties": {"name": name}}, name, None))}


STRUCTURES: tuple[Callable[[Generator, Any], Any], ...] = (
    with_odd_part,
    _odd_corner,
    _odd_corner,
    _odd_ring,
    _odd_geometry,
    _odd_system,
)


def _first_geometry(content: Any) -> dict[str, Any] | None:
    try:
        geometry = content["features"][0]["geometry"]
    except (KeyError, IndexError, TypeError):
        return None
    return geometry if isinstance(geometry, dict) else None


def _first_ring(content: Any) -> list[Any]:
    try:
        ring = (_first_geometry(content) or {})["coordinates"][0]
    except (KeyError, IndexError, TypeError):
        return []
    return ring if isinstance(ring, list) else []


def _write_vectors(path: Path, driver: str, rng: Generator) -> None:
    """A whole file, of which one part, of a shapefile any of its files, is then damaged."""
    shape = _degrees(_box())
    options = {"layer": "area"} if driver == "GPKG" else {}
    kind = {"geometry_type": "Polygon", "crs": "EPSG:4326"}
    pyogrio.raw.write(path, shapely.to_wkb([shape]), [], [], driver=driver, **kind, **options)
    parts = sorted(path.parent.glob(f"{path.stem}.*"))
    for _ in some(rng, 2):
        part = one_of(rng, parts)
        part.write_bytes(damaged(rng, part.read_bytes()))


def _text(rng: Generator) -> str:
    """WKT or EWKT, nearly."""
    text = "SRID=4326;" + shapely.to_wkt(_degrees(_box()))
    wanted = one_of(rng, (("POLYGON", "MULTIPOLYGON"), ("4326", str(odd_number(rng))), (", ", " "), ("((", "(" * 9000)))
    changed = text.replace(*wanted) if rng.random() < 0.6 else text
    return damaged(rng, changed.encode()).decode("latin-1").replace("\x00", "0")
