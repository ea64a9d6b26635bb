"""What is told of a comparison: where its pictures come from, and what is to be minded of them."""

from __future__ import annotations

from rasterio.crs import CRS

from sartranslate.compare.comparison import Comparison
from sartranslate.quality.uncertainty import SPREAD_TAG
from sartranslate.rasters.address import last_part
from sartranslate.scenes.geolocation import Geolocation
from sartranslate.scenes.pixel_grid import PixelGrid

MODEL_TAG, SCALING_TAG, SOURCE_TAG = "SARTRANSLATE_MODEL", "SARTRANSLATE_SCALING", "SARTRANSLATE_SOURCE"
COMPUTED_TAG = "SARTRANSLATE_COMPUTED"
COUNTED = "row and column of the translation, counted from 0"


def facts(comparison: Comparison, place: Geolocation | None) -> dict[str, str]:
    """Plain texts by name; what is not known is left out."""
    translation, tags = comparison.translation, comparison.tags
    made = [translation.title, tags.get(MODEL_TAG), f"computed {tags[COMPUTED_TAG]}" if COMPUTED_TAG in tags else None]
    told = {
        "Scene": _scene(comparison),
        "Ground": str(PixelGrid.of(translation)),
        "SAR": _sar(comparison),
        "Translation": ", ".join(filter(None, made)),
        "Truth": last_part(comparison.truth.path) if comparison.truth else "",
        "Uncertainty": comparison.spread_tags.get(SPREAD_TAG, ""),
        "Means": "of scaled SAR values, of colours, of grey levels" if comparison.reduction.step > 1 else "",
        "Coordinates": "; ".join(filter(None, [COUNTED, _coordinates(comparison, place)])),
    }
    return {name: text for name, text in told.items() if text}


def warnings(comparison: Comparison, place: Geolocation | None) -> list[str]:
    """What does not fit, or is not known, in plain texts."""
    told, tags, scene = [], comparison.tags, comparison.sar.scene
    name, shown = comparison.translation.title, comparison.scaling.describe()
    if MODEL_TAG not in tags:
        told.append(f"{name} has no tags of sartranslate: nothing says how it was made.")
    if tags.get(SOURCE_TAG, scene.title) != scene.title:
        told.append(f"{name} was made of {tags[SOURCE_TAG]}, and SAR is {scene.title} here.")
    if tags.get(SCALING_TAG, shown) != shown:
        told.append(f"{name} was made of SAR read as {tags[SCALING_TAG]}; here it is {shown}.")
    told += _spread_warnings(comparison)
    if place is None and scene.crs:
        told.append("The grid has no longitudes and latitudes.")
    elif place and place.nodes is None:
        told.append("Longitudes and latitudes can not be interpolated on this grid and are left out.")
    return told


def crs_name(crs: CRS) -> str:
    """As short as it can be said: a code, or the name."""
    code = crs.to_epsg()
    return f"EPSG:{code}" if code else str(crs.to_wkt().split('"')[1])


def _spread_warnings(comparison: Comparison) -> list[str]:
    """What does not fit of the uncertainty."""
    if comparison.uncertainty is None:
        return []
    name, tags = comparison.uncertainty.scene.title, comparison.spread_tags
    if SPREAD_TAG not in tags:
        return [f"{name} has no tags of an uncertainty of sartranslate: nothing says what its values are."]
    both = ((tags.get(tag), comparison.tags.get(tag)) for tag in (SOURCE_TAG, MODEL_TAG, SCALING_TAG))
    return [
        f"{name} is of {own}, and {comparison.translation.title} of {other}."
        for own, other in both
        if own and other and own != other
    ]


def _coordinates(comparison: Comparison, place: Geolocation | None) -> str:
    """What the page can tell of a place beside its row and column."""
    named = ["x, y"] if comparison.translation.crs else []
    named += ["latitude and longitude (WGS 84)"] if place and place.nodes is not None else []
    return f"{', '.join(named)} of the middle of that pixel" if named else ""


def _scene(comparison: Comparison) -> str:
    scene, (row, col) = comparison.sar
    part = comparison.translation
    if (part.height, part.width) == (scene.height, scene.width):
        return scene.title
    return (
        f"{scene.title}, of its {scene.height} x {scene.width} pixels (rows x columns) those from row {row}, "
        f"column {col} on"
    )


def _sar(comparison: Comparison) -> str:
    """Bands and scaling, as `infer` tells them."""
    scene = comparison.sar.scene
    placed = f"; placed by {scene.grid.describe()}" if scene.grid else ""
    return (
        f"band {', '.join(map(str, scene.bands))} read as {comparison.scaling.describe()}, from dark to bright{placed}"
    )
