"""A comparison as one HTML page: two of its pictures at a time, with a divider to move between them."""

from __future__ import annotations

import json
import math
from base64 import b64encode
from hashlib import sha256
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from sartranslate.compare.comparison import Comparison
from sartranslate.compare.comparison_facts import crs_name, facts, warnings
from sartranslate.compare.comparison_pictures import Layer, Pictures, as_webp
from sartranslate.errors import SceneError
from sartranslate.pages import page
from sartranslate.pages.colour_ramp import VIRIDIS
from sartranslate.scenes.geolocation import Geolocation, geolocate
from sartranslate.streaming.reduction import Reduction

ASSETS = Path(__file__).with_name("assets")
METRES_PER_DEGREE = 111_320.0  # of latitude, about
NODE_DIGITS = 10  # behind the point, of degrees: a hundredth of a millimetre
SYNTHETIC = "Translation"  # the layer that is marked so


def comparison_page(comparison: Comparison, pictures: Pictures) -> str:
    """A valid HTML5 page that needs nothing but itself: no network, no other file; its script is allowed by hash.

    It shows rows and columns of the translation, and coordinates of the middle of a pixel. Longitudes and latitudes are
    within a tenth of a pixel, or left out where that can not be had, as without a CRS.
    """
    names = [_name(layer) for layer in pictures.layers]
    place = _geolocation(comparison)
    style, script = _asset("compare.css"), _asset("compare.js")
    html = Template(_asset("compare.html")).substitute(
        policy=f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; script-src '{_digest(script)}'",
        title=escape(f"{comparison.sar.scene.title}, translated"),
        style=style,
        script=script,
        synthetic=page.SYNTHETIC,
        reduction=reduction_text(comparison.reduction),
        choices="".join(f'<option value="{number}">{name}</option>' for number, name in enumerate(names)),
        count=len(names),
        legend=_legend(pictures.ramp_top),
        images=page.lines(_image(number, layer) for number, layer in enumerate(pictures.layers)),
        sections=_sections(comparison, place),
        facts=_embedded({**_geometry(comparison, place), "layers": names, "ramp": VIRIDIS}),
    )
    # A file name may hold bytes that are no text, and those can not be written as UTF-8.
    return html.encode("utf-8", "replace").decode("utf-8")


def reduction_text(reduction: Reduction) -> str:
    """How large a pixel of the pictures is.

    >>> reduction_text(Reduction(25_000, 16_000, 13))
    '1 px here = 13 px of the scene: the mean of those that are valid in a block of 13 x 13.'
    """
    step = reduction.step
    if step == 1:
        return "1 px here = 1 px of the scene."
    return f"1 px here = {step} px of the scene: the mean of those that are valid in a block of {step} x {step}."


def _name(layer: Layer) -> str:
    return f"{layer.name} (synthetic)" if layer.name == SYNTHETIC else layer.name


def _geolocation(comparison: Comparison) -> Geolocation | None:
    """None where the grid has no place on the globe, which is no reason not to compare pictures."""
    scene = comparison.translation
    try:
        return geolocate(scene.crs, scene.transform, scene.height, scene.width)
    except SceneError:
        return None


def _geometry(comparison: Comparison, place: Geolocation | None) -> dict[str, Any]:
    """What the script has to know of the grid."""
    scene = comparison.translation
    transform = tuple(scene.transform)[:6]
    metres = place.ground_size[0] if place else None
    return {
        "height": scene.height,
        "width": scene.width,
        "step": comparison.reduction.step,
        "transform": transform,
        "crs": crs_name(scene.crs) if scene.crs else None,
        "mapDigits": _digits(math.hypot(transform[0], transform[3])),
        "degreeDigits": _digits(metres / METRES_PER_DEGREE) if metres else None,
        "metres": metres,
        "nodes": place.nodes.round(NODE_DIGITS).tolist() if place and place.nodes is not None else None,
    }


def _digits(pixel: float) -> int:
    """Behind the point, for a coordinate to a hundredth of a pixel.

    >>> _digits(10.0), _digits(0.0001), _digits(1000.0)
    (1, 6, 0)
    """
    return max(0, 2 - math.floor(math.log10(pixel)))


def _legend(top: float | None) -> str:
    if top is None:
        return ""
    return (
        '<div class="legend" id="legend" hidden>uncertainty in grey levels of 255<i></i>'
        f"<span><b>0</b><b>{top / 2:g}</b><b>≥ {top:g}</b></span></div>"
    )


def _image(number: int, layer: Layer) -> str:
    encoded = b64encode(as_webp(layer.picture)).decode("ascii")
    return f'<img id="layer-{number}" alt="{_name(layer)}" src="data:image/webp;base64,{encoded}">'


def _sections(comparison: Comparison, place: Geolocation | None) -> str:
    told = warnings(comparison, place)
    warned = f'<section class="warnings">\n<h2>Warnings</h2>\n{page.items(told)}\n</section>' if told else ""
    return page.lines([warned, page.section("What is shown", page.named_values(facts(comparison, place)))])


def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """As a content security policy names what may stand in a page (W3C CSP 3, 2.3.1).

    >>> _digest("")
    'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='
    """
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode('ascii')}"


def _embedded(values: dict[str, Any]) -> str:
    """JSON that can not end the element it stands in."""
    return json.dumps(values, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
