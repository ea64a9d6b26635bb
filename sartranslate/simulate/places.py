"""Places on the simulated plane where something is to be seen, for tiles and for a scene."""

import numpy as np
from numpy.typing import NDArray

from sartranslate.errors import OptionError
from sartranslate.rasters.geotiff import TILE
from sartranslate.simulate.materials import Cover
from sartranslate.simulate.simulator import Landscape
from sartranslate.streaming.windows import Window

REACH = 12_000  # pixels around (0, 0) in which places are drawn; keeps them within the UTM zone
TRIALS = 60
FREE_TRIALS = 1000
VIEW = (900, 1200)  # pixels, height and width of the part of a scene in which all kinds of land should show
MIXED_TILE = 3  # classes that each fill a part of a tile worth seeing
WORTH_SEEING = 0.03
WANTED = {Cover.WATER: 0.08, Cover.FIELD: 0.35, Cover.FOREST: 0.15, Cover.BUILDING: 0.03}


def find_tile(plane: Landscape, rng: np.random.Generator, size: int, taken: list[Window]) -> Window:
    """Draw places until one holds a mix of land covers; the last one drawn has to do for tiny tiles."""
    for _ in range(TRIALS):
        place = _draw_free(rng, size, taken)
        shares = np.bincount(plane.cover(place).ravel(), minlength=len(Cover)) / size**2
        if np.count_nonzero(shares >= WORTH_SEEING) >= MIXED_TILE:
            break
    return place


def find_scene(plane: Landscape, rng: np.random.Generator, height: int, width: int) -> Window:
    """Draw places and keep the one whose scarcest wanted class comes closest to what is wanted."""
    best, place = -1.0, _draw(rng, height, width)
    for _ in range(TRIALS):
        candidate = _draw(rng, height, width)
        shares = _sampled_shares(plane, candidate)
        score = min(min(shares[cover] / share, 1.0) for cover, share in WANTED.items())
        if score > best:
            best, place = score, candidate
        if best >= 1:
            break
    return place


def _draw(rng: np.random.Generator, height: int, width: int) -> Window:
    row, col = (int(value) for value in rng.integers(-REACH, REACH, size=2))
    return Window(row, col, height, width)


def _draw_free(rng: np.random.Generator, size: int, taken: list[Window]) -> Window:
    for _ in range(FREE_TRIALS):
        place = _draw(rng, size, size)
        if not any(_overlap(place, other) for other in taken):
            return place
    raise OptionError(f"tile size {size}: no place found beside the scene and {len(taken)} tiles; make them smaller")


def _overlap(one: Window, two: Window) -> bool:
    rows = one.row_off < two.row_off + two.height and two.row_off < one.row_off + one.height
    return rows and one.col_off < two.col_off + two.width and two.col_off < one.col_off + one.width


def _sampled_shares(plane: Landscape, scene: Window) -> NDArray[np.float64]:
    """Count classes in nine small samples of the view, since a whole view takes too long for dozens of trials."""
    height, width = min(scene.height, VIEW[0]), min(scene.width, VIEW[1])
    if max(height, width) <= TILE:
        cover = plane.cover(scene).ravel()
    else:
        side = min(80, height, width)
        rows = [scene.row_off + step * (height - side) // 2 for step in range(3)]
        cols = [scene.col_off + step * (width - side) // 2 for step in range(3)]
        cover = np.concatenate([plane.cover(Window(row, col, side, side)).ravel() for row in rows for col in cols])
    return np.bincount(cover, minlength=len(Cover)) / cover.size
