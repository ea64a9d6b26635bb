"""How a scene is stored, and where that makes it slow or large to read."""

from __future__ import annotations

import numpy as np

from sartranslate.scenes.scene import Scene
from sartranslate.scenes.source import Band

LARGE_BLOCK = 64 * 2**20  # bytes, decoded


def block_text(band: Band) -> str:
    """Columns and rows stored together, in words."""
    return f"{band.block[1]} x {band.block[0]} px"


def slow_layout(scene: Scene) -> str | None:
    """What to do about blocks so large that any window needs much of the scene decoded; None where all is well."""
    bands = (scene.unwarped or scene).bands
    size, band = max(((_block_bytes(band), band) for band in bands), key=lambda pair: pair[0])
    if size < LARGE_BLOCK:
        return None
    return (
        f"stored in blocks of {block_text(band)}, {size / 2**20:.0f} MB each, which have to be decoded and held as a "
        "whole; gdal_translate -co TILED=YES makes a file that reads fast in little memory"
    )


def slow_warning(scene: Scene) -> str | None:
    """The same as a line that names the scene."""
    layout = slow_layout(scene)
    return layout and f"{scene.path} is {layout}"


def _block_bytes(band: Band) -> int:
    return band.block[0] * band.block[1] * np.dtype(band.dtype).itemsize
