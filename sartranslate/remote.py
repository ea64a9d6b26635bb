"""How long GDAL tries to read over a network before it gives up."""

from __future__ import annotations

import os
from collections.abc import Mapping

PATIENCE: Mapping[str, str] = {
    "GDAL_HTTP_MAX_RETRY": "4",  # after "try again later", an error of the server or a broken connection
    "GDAL_HTTP_RETRY_DELAY": "1",  # seconds before the first of them, about twice as many before each further one
    "GDAL_HTTP_CONNECTTIMEOUT": "10",  # seconds
    "GDAL_HTTP_LOW_SPEED_TIME": "30",  # seconds of the speed below
    "GDAL_HTTP_LOW_SPEED_LIMIT": "100",  # bytes per second
}


def be_patient() -> None:
    """From now on GDAL tries again and gives up as above, in this process, unless the user has said otherwise.

    Variables of the environment come last where GDAL looks for a setting: its configuration file and
    `rasterio.Env` go before them.
    """
    for name, value in PATIENCE.items():
        os.environ.setdefault(name, value)
