"""A translation as a STAC item, for catalogues: where it lies, of when, from what and how, and that it is synthetic.

STAC 1.1.0, https://github.com/radiantearth/stac-spec, with the extensions projection 2.0.0 and processing 1.1.0.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np
import shapely
from affine import Affine
from rasterio.crs import CRS
from shapely import MultiPolygon, Polygon

from sartranslate import __version__
from sartranslate.errors import OptionError
from sartranslate.outputs.cog_profile import CogProfile
from sartranslate.outputs.product import Product
from sartranslate.rasters.address import public
from sartranslate.rasters.raster import applied, named_errors, stored_tags
from sartranslate.scenes.acquisition import acquisition
from sartranslate.scenes.footprint import bounding_box, footprint, scene_footprint
from sartranslate.scenes.scene import Scene
from sartranslate.scenes.scene_list import PART
from sartranslate.streaming.windows import Window

EXTENSIONS = (
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/processing/v1.1.0/schema.json",
)
COG = "image/tiff; application=geotiff; profile=cloud-optimized"
LEVEL = "L4"  # what a model makes of measurements
TAG = "SARTRANSLATE_"
ASSETS = (
    ("visual", ["data", "visual"], ["red", "green", "blue"]),
    ("uncertainty", ["data", "uncertainty"], ["uncertainty"]),
)


def item_path(out: Path) -> Path:
    """Where the item of an output lies: beside it."""
    return out.with_suffix(".json")


def check_placed(scene: Scene) -> None:
    """Raise `OptionError` for a scene without a georeference, and `SceneError` for one off the globe."""
    if scene.crs is None or scene.transform.is_identity:
        raise OptionError(f"{scene.path}: no georeference, which a STAC item needs")
    with named_errors(scene.path):
        scene_footprint(scene)


def stac_item(
    scene: Scene, region: Window, products: Sequence[Product], sources: Sequence[str], now: datetime
) -> dict[str, Any]:
    """The item of a region of a scene translated `now`, UTC, to a picture and what else there is, from `sources`.

    Geometry and bounding box are longitude and latitude (RFC 7946), cut at the antimeridian. The time is that of the
    acquisition, or of the translation where nothing tells it; `sartranslate:datetime` says which. Raises `SceneError`
    as `acquisition` and `footprint` do.
    """
    picture = products[0]
    folder = picture.path.parent
    shape = _ground(scene, region)
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": list(EXTENSIONS),
        "id": picture.path.stem,
        "geometry": shapely.geometry.mapping(shape),
        "bbox": bounding_box(shape),
        "properties": {
            **_times(scene, now),
            **_projection(picture.profile),
            **_processing(picture.profile.tags),
        },
        "links": [{"rel": "derived_from", "href": reference(source, folder)} for source in sources],
        "assets": {
            name: _asset(product, roles, bands, folder)
            for product, (name, roles, bands) in zip(products, ASSETS, strict=False)
        },
    }


def is_item_of(item: Path, picture: Path) -> bool:
    """Whether the file is the item of a picture, and of the job that this tells of."""
    try:
        told = json.loads(item.read_text(encoding="utf-8"))["properties"]["sartranslate:job"]
    except (OSError, ValueError, TypeError, KeyError):
        return False
    return bool(told == stored_tags(picture).get(f"{TAG}JOB"))


def reference(source: str, folder: Path) -> str:
    """A scene as it was given, but addresses as others may see them, and relative paths from `folder` on.

    >>> reference("/vsicurl/https://me:secret@example.com/scene.tif?key=1", Path())
    'https://example.com/scene.tif'
    """
    source = public(source)
    if urlsplit(source).netloc or source.startswith("/vsi") or PART.match(source):
        return source
    return _escaped(source) if Path(source).is_absolute() else _relative(source, folder)


def _relative(path: str | os.PathLike[str], folder: Path) -> str:
    relative = Path(os.path.relpath(path, folder)).as_posix()
    return _escaped(relative if relative.startswith("../") else f"./{relative}")


def _escaped(path: str) -> str:
    """A path as a reference."""
    return quote(path, safe="/:")


def _ground(scene: Scene, region: Window) -> Polygon | MultiPolygon:
    with named_errors(scene.path):
        if region == Window(0, 0, scene.height, scene.width):
            return scene_footprint(scene)
        return footprint(scene.crs, scene.transform, region)


def _times(scene: Scene, now: datetime) -> dict[str, str]:
    created = {"created": _text(now)}
    known = acquisition(scene)
    if known is None:
        unknown = "time of the translation, for nothing tells when the scene was acquired"
        return {"datetime": _text(now), "sartranslate:datetime": unknown, **created}
    span = {"start_datetime": _text(known.start), "end_datetime": _text(known.end)} if known.start < known.end else {}
    middle = known.start + (known.end - known.start) / 2
    return {"datetime": _text(middle), **span, "sartranslate:datetime": f"told by {known.told_by}", **created}


def _text(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def _projection(profile: CogProfile) -> dict[str, Any]:
    corners = np.array([(0, 0), (profile.width, 0), (0, profile.height), (profile.width, profile.height)], np.float64)
    places = applied(profile.transform, corners)
    return {
        **_system(profile.crs),
        "proj:shape": [profile.height, profile.width],
        "proj:transform": _numbers(profile.transform),
        "proj:bbox": [*places.min(axis=0).tolist(), *places.max(axis=0).tolist()],
    }


def _system(crs: CRS) -> dict[str, Any]:
    """By its code, or by its text where it has none."""
    if authority := crs.to_authority():
        return {"proj:code": ":".join(authority)}
    return {"proj:code": None, "proj:wkt2": crs.to_wkt(version="WKT2_2019")}


def _numbers(transform: Affine) -> list[float]:
    return [float(number) for number in transform[:6]]


def _processing(tags: Mapping[str, str]) -> dict[str, Any]:
    """What the tags of the picture tell, of which the note that it is synthetic comes first."""
    told = {name.removeprefix(TAG).lower(): text for name, text in tags.items() if name.startswith(TAG)}
    return {
        "description": tags["TIFFTAG_IMAGEDESCRIPTION"],
        "sartranslate:synthetic": True,
        "processing:level": LEVEL,
        "processing:lineage": f"RGB made from SAR backscatter ({told['source']}, {told['scaling']}) by the model "
        f"{told['model']}, computed {told['computed']}",
        "processing:software": {"sartranslate": __version__},
        **{f"sartranslate:{name}": text for name, text in told.items()},
    }


def _asset(product: Product, roles: list[str], bands: list[str], folder: Path) -> dict[str, Any]:
    return {
        "href": _relative(product.path, folder),
        "type": COG,
        "title": product.profile.tags["TIFFTAG_IMAGEDESCRIPTION"],
        "roles": roles,
        "data_type": "uint8",
        "bands": [{"name": band} for band in bands],
    }
