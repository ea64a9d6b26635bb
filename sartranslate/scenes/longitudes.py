"""Outlines on the globe in degrees, which may cross the antimeridian or run around a pole."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Degrees = NDArray[np.float64]  # (..., 2): longitude and latitude

NEAR_POLE = 90  # degrees of longitude between neighbours on an outline: it passes a pole closer than they are apart


def closed_longitudes(outline: Degrees) -> NDArray[np.float64]:
    """(N + 1,) longitudes along an outline (N, 2) and back to its start, without the jump at the antimeridian.

    They may leave -180..180, and end 360 from where they began where the outline runs around a pole.
    """
    return np.unwrap(np.append(outline[:, 0], outline[0, 0]), period=360)
