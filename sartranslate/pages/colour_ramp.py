"""Colours for numbers, alike in lightness steps: viridis, by van der Walt and Smith 2015, released as CC0."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

# At equal distances from the lowest value to the highest; between them colours are linear.
VIRIDIS = (
    "#440154",
    "#482576",
    "#414487",
    "#35608d",
    "#2a788e",
    "#21908c",
    "#22a884",
    "#43bf71",
    "#7ad151",
    "#bbdf27",
    "#fde725",
)
_ANCHORS = np.array([tuple(bytes.fromhex(colour[1:])) for colour in VIRIDIS])


def coloured(values: ArrayLike, top: float) -> NDArray[np.uint8]:
    """(...) numbers as (..., 3) colours: 0 and less the first one, `top` and more the last.

    >>> coloured([0.0, 20.0, 90.0], 40.0).tolist()
    [[68, 1, 84], [33, 144, 140], [253, 231, 37]]
    """
    places = np.clip(np.asarray(values, np.float64) / top, 0, 1) * (len(VIRIDIS) - 1)
    channels = [np.interp(places, range(len(VIRIDIS)), anchors) for anchors in _ANCHORS.T]
    return np.asarray(np.rint(np.stack(channels, axis=-1)), np.uint8)
