"""What the QGIS plugin Deepness wants of an ONNX model: one that it takes for super-resolution is image to image."""

from __future__ import annotations

import json

ENLARGED = 2  # times: it cuts tiles of half the size of the output
TILE = 256  # pixels
RANGE = (0.0, 1.0)  # it divides bytes by 255, and shows 0 to 1


def metadata(tile: int, resolution: float) -> dict[str, str]:
    """As it reads them, with `resolution` in centimetres for a pixel."""
    values = {
        "model_type": "Superresolution",
        "resolution": resolution,
        "tile_size": tile,
        "tiles_overlap": 0,
        "standardization_mean": [0.0],
        "standardization_std": [1.0],
    }
    return {name: json.dumps(value) for name, value in values.items()}
