"""The UTM zone of a place."""

from __future__ import annotations

from rasterio.crs import CRS

UTM_LATITUDES = (-80.0, 84.0)  # degrees where UTM ends


def utm(longitude: float, latitude: float) -> CRS:
    """The UTM zone (WGS 84) of a place in degrees, with Norway's and Svalbard's; polar stereographic beyond UTM.

    Limits and exceptions: NGA.STND.0037, Universal Grids and Grid Reference Systems, 2014.

    >>> utm(-118.2, 34.0).to_epsg()
    32611
    """
    south, north = UTM_LATITUDES
    if not south <= latitude < north:
        return CRS.from_epsg(5041 if latitude > 0 else 5042)
    return CRS.from_epsg((32600 if latitude >= 0 else 32700) + _utm_zone((longitude + 180) % 360 - 180, latitude))


def _utm_zone(longitude: float, latitude: float) -> int:
    if 56 <= latitude < 64 and 3 <= longitude < 12:
        return 32
    if latitude >= 72 and 0 <= longitude < 42:
        return 31 + 2 * int((longitude + 3) // 12)
    return int((longitude + 180) // 6) + 1
