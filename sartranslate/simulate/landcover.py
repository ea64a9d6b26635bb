"""The land itself: what covers each pixel of an endless plane of fields, forests, towns and water, and its relief."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sartranslate.simulate.materials import (
    ASPHALT,
    BROADLEAF,
    CONIFER,
    CROP,
    CROPS,
    DEEP,
    LAWN,
    ROOF,
    SAND,
    SHALLOW,
    YARD,
)
from sartranslate.simulate.noise import (
    Districts,
    Floats,
    Keys,
    axes,
    districts,
    fractal_noise,
    hashed,
    subseed,
    unit,
    value_noise,
)
from sartranslate.streaming.windows import Window

METRES_PER_PIXEL = 10.0
RELIEF = 210.0  # metres, the standard deviation of the terrain; hilly, so that both sensors show it
DISTRICT = 118  # pixels
ANGLES = np.linspace(0, np.pi, 64, endpoint=False)
COSINES = np.cos(ANGLES).astype(np.float32)
SINES = np.sin(ANGLES).astype(np.float32)


class Layer(NamedTuple):
    """One surface laid over those below it; every array broadcasts to (H, W)."""

    material: NDArray[np.uint8]
    coverage: Floats  # 0..1, the part of the pixel it hides
    shade: Floats  # a factor on its colours
    echo: Floats  # a factor on its backscatter


class Survey(NamedTuple):
    """All there is to know about a window of the plane before a sensor looks at it."""

    layers: list[Layer]  # from the ground up
    slope_row: Floats  # (H, W), rise per unit length towards the next row
    slope_col: Floats


class _Parcels(NamedTuple):
    key: Keys
    edge: Floats  # pixels to the parcel's nearest side
    across: Floats  # pixels along the district's first axis
    street: Floats  # pixels to the nearest street of the district's grid


class _Water(NamedTuple):
    lake: Floats  # about pixels to the shore, negative in the water
    river: Floats
    shore: Floats  # the nearer of the two


def survey(seed: int, window: Window) -> Survey:
    """Lay out the window's land, layer on layer."""
    terrain = fractal_noise(subseed(seed, 1), window, 430, 7, 0.48)
    water = _water(seed, window, terrain)
    land = districts(subseed(seed, 2), window, DISTRICT)
    density = _density(seed, window, terrain, water)
    wood = _forest(seed, window, terrain, water, density)
    layers = [
        _fields(seed, window, land),
        wood,
        *_town_ground(seed, land, density),
        _layer(ASPHALT, _line(land.edge, 0.55) * (np.float32(1) - wood.coverage * np.float32(0.85))),
        *_shores(water),
        *_town(seed, land, density, water),
        _highway(seed, window, water),
    ]
    calm = np.clip(water.shore / np.float32(24), 0, 1)
    rise = calm * np.float32(RELIEF / METRES_PER_PIXEL)
    down, right = np.gradient(terrain)
    return Survey(layers, down * rise, right * rise)


def _layer(
    material: NDArray[np.uint8] | int, coverage: Floats, shade: Floats | float = 1.0, echo: Floats | float = 1.0
) -> Layer:
    return Layer(
        np.atleast_2d(np.asarray(material, np.uint8)),
        np.atleast_2d(coverage),
        np.atleast_2d(np.asarray(shade, np.float32)),
        np.atleast_2d(np.asarray(echo, np.float32)),
    )


def _soft(inside: Floats) -> Floats:
    """Turn pixels inside a border into the covered part of the pixel."""
    covered: Floats = np.clip(inside + np.float32(0.5), 0, 1)
    return covered


def _line(distance: Floats, half_width: float) -> Floats:
    return _soft(np.float32(half_width) - distance)


def _spread(keys: Keys, salt: int, amount: float) -> Floats:
    """Draw a factor within 1 +- amount for each key."""
    drawn = unit(hashed(salt, keys))
    return np.float32(1 - amount) + drawn * np.float32(2 * amount)


def _course(seed: int, window: Window, tilt: tuple[int, int], spacing: int, sway: float) -> Floats:
    """Return about the pixels to the nearest of many parallel lines that meander, so that none is a closed loop."""
    rows, cols = axes(window)
    pace = math.hypot(*tilt)
    line = ((rows * tilt[0] + cols * tilt[1]) % round(spacing * pace)).astype(np.float32) / np.float32(pace)
    bend = fractal_noise(seed, window, 330, 5, 0.42) * np.float32(sway)
    down, right = np.gradient(bend)
    steepness = np.sqrt((down + np.float32(tilt[0] / pace)) ** 2 + (right + np.float32(tilt[1] / pace)) ** 2)
    distance: Floats = _to_grid(line + bend, np.float32(spacing)) / np.maximum(steepness, np.float32(0.3))
    return distance


def _water(seed: int, window: Window, terrain: Floats) -> _Water:
    """Fill the hollows of the terrain, and let rivers meander through it."""
    breadth = value_noise(subseed(seed, 4), window, 400) * np.float32(2) + np.float32(2.6)
    river = _course(subseed(seed, 3), window, (5, 2), 1100, 70) - breadth
    lake = (terrain + np.float32(1.35)) * np.float32(60)
    return _Water(lake, river, np.minimum(river, lake))


def _shores(water: _Water) -> list[Layer]:
    beach = _soft(np.float32(1.2) - water.shore) * np.float32(0.7)
    return [
        _layer(SAND, beach),
        _layer(SHALLOW, _soft(-water.shore)),
        _layer(DEEP, np.clip(water.lake * np.float32(-0.06), 0, 1)),
    ]


def _parcels(seed: int, land: Districts, width: Floats, length: Floats, block: float) -> _Parcels:
    """Cut every district into staggered rectangles along its own axes."""
    turn = (hashed(seed, land.key) >> np.uint32(26)).astype(np.intp)
    cosine, sine = COSINES[turn], SINES[turn]
    across = land.row * cosine + land.col * sine
    along = land.col * cosine - land.row * sine
    column = np.floor(across / width)
    column_key = hashed(seed, land.key, column.astype(np.int32))
    shifted = along + unit(column_key) * length
    place = np.floor(shifted / length)
    key = hashed(seed, column_key, place.astype(np.int32))
    u, v = across - column * width, shifted - place * length
    edge = np.minimum(np.minimum(u, width - u), np.minimum(v, length - v))
    street = np.minimum(_to_grid(across, width * np.float32(2)), _to_grid(along, np.float32(block)))
    return _Parcels(key, edge, across, street)


def _to_grid(place: Floats, spacing: Floats | np.float32) -> Floats:
    """Return the distance to the nearest multiple of the spacing."""
    distance: Floats = np.abs(place - np.rint(place / spacing) * spacing)
    return distance


def _fields(seed: int, window: Window, land: Districts) -> Layer:
    width = np.float32(9) + unit(hashed(11, land.key)) * np.float32(13)
    length = np.float32(18) + unit(hashed(12, land.key)) * np.float32(24)
    parcels = _parcels(subseed(seed, 5), land, width, length, DISTRICT)
    common = unit(hashed(22, parcels.key)) < 0.4
    crop = (CROP + np.where(common, land.key, parcels.key) % np.uint32(CROPS)).astype(np.uint8)
    drills = _to_grid(parcels.across, _spread(parcels.key, 13, 0.2) * np.float32(4.5)) - np.float32(1.1)
    moisture = fractal_noise(subseed(seed, 6), window, 46, 2)
    hedge = np.float32(1) - np.float32(0.16) * _line(parcels.edge, 0.2)
    shade = (_spread(parcels.key, 14, 0.12) - moisture * np.float32(0.025) + drills * np.float32(0.02)) * hedge
    echo = _spread(parcels.key, 15, 0.28) + moisture * np.float32(0.08) + drills * np.float32(0.08)
    return _layer(crop, np.ones((1, 1), np.float32), shade, echo)


def _forest(seed: int, window: Window, terrain: Floats, water: _Water, density: Floats) -> Layer:
    """Grow ragged woods: more on the hills and along the rivers, none in the towns."""
    growth = fractal_noise(subseed(seed, 7), window, 170, 6, 0.5) + terrain * np.float32(0.45)
    growth += np.clip(np.float32(1.5) - water.river * np.float32(0.09), 0, 1)
    growth -= np.clip(density + np.float32(0.5), 0, 2)
    kind = fractal_noise(subseed(seed, 8), window, 90, 3)
    material = np.where(kind > 0, CONIFER, BROADLEAF).astype(np.uint8)
    tone = np.float32(1) + kind * np.float32(0.05)
    return _layer(material, _soft((growth - np.float32(0.5)) * np.float32(12)), tone, tone)


def _density(seed: int, window: Window, terrain: Floats, water: _Water) -> Floats:
    """Return how built-up a place is: above 0 in a town, about 1 in its centre."""
    density = fractal_noise(subseed(seed, 9), window, 200, 5, 0.5) * np.float32(0.8) - np.float32(0.62)
    density -= np.abs(terrain + np.float32(0.3)) * np.float32(0.25)
    density -= _line(water.shore, 2) * np.float32(4)
    return density


def _town_ground(seed: int, land: Districts, density: Floats) -> list[Layer]:
    lawn = unit(hashed(subseed(seed, 10), land.key)) > 0.35
    material = np.where(lawn & (density < 0.55), LAWN, YARD).astype(np.uint8)
    return [_layer(material, _soft(density * np.float32(14)))]


def _town(seed: int, land: Districts, density: Floats, water: _Water) -> list[Layer]:
    """Set streets and buildings on the parcels of a town's districts."""
    works = unit(hashed(subseed(seed, 11), land.key)) > 0.8
    size = np.where(works, np.float32(8), np.float32(3.4)) * _spread(land.key, 16, 0.25)
    lots = _parcels(subseed(seed, 12), land, size, size * np.float32(1.3), 17.0)
    inside = _soft(density * np.float32(14)) * _soft(water.shore)
    built = unit(hashed(17, lots.key)) < np.clip(density * np.float32(1.4) + np.float32(0.35), 0, 0.85)
    margin = unit(hashed(18, lots.key)) * np.float32(0.2) + np.float32(0.12)
    walls = _soft(lots.edge - margin * size) * built * inside
    walls *= np.float32(1) - _line(np.minimum(lots.street, land.edge), 0.8)
    pick = hashed(19, lots.key) % np.uint32(3) + np.where(works, np.uint32(2), np.uint32(0))
    roofs = (ROOF + pick).astype(np.uint8)
    return [
        _layer(ASPHALT, _line(lots.street, 0.35) * inside),
        _layer(roofs, walls, _spread(lots.key, 20, 0.14), _spread(lots.key, 21, 0.6)),
    ]


def _highway(seed: int, window: Window, water: _Water) -> Layer:
    """Cross the country, and bridge rivers but not lakes."""
    course = _course(subseed(seed, 13), window, (2, -5), 900, 35)
    return _layer(ASPHALT, _line(course, 0.9) * _soft(water.lake))
