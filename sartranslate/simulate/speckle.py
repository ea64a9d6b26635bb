"""Multi-look speckle on an infinite plane, drawn cell by cell: independent in all pixels, or shared by neighbours."""

import math
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

import numpy as np

from sartranslate.errors import OptionError
from sartranslate.simulate.noise import Floats, cells
from sartranslate.streaming.windows import Window

Speckle = Literal["white", "correlated"]

CELL = 256  # pixels, the side of the squares that each own a random stream
# What a point leaves on the pixels around it, along each axis, half of its power 1.2 pixels away: neighbours then share
# about as much speckle as in the deserts of docs/measurements.md.
RESPONSE = (0.35, 0.8, 1.0, 0.8, 0.35)
LEAST = np.float32(1e-30)  # of speckle, where few looks draw 0, which would be no data in decibels
MOST_LOOKS = 100  # of correlated speckle, which draws each


def white(seed: int, window: Window, stream: int, looks: float) -> Floats:
    """Return speckle (H, W) above 0 with mean 1 and variance 1 / looks, gamma distributed."""
    image = np.empty((window.height, window.width), dtype=np.float32)
    for part in _parts(window):
        rng = np.random.default_rng((seed, stream, *part.cell))
        image[part.place] = rng.standard_gamma(looks, (CELL, CELL), dtype=np.float32)[part.cut]
    return np.asarray(np.maximum(image / np.float32(looks), LEAST))


def correlated(seed: int, window: Window, stream: int, looks: float) -> Floats:
    """Return the same, blurred by the radar's response before detection, so that pixels up to four apart share some.

    Of looks that are no whole number it is nearly gamma distributed.
    """
    row, col, height, width = window
    wider = Window(row, col, height + len(RESPONSE) - 1, width + len(RESPONSE) - 1)
    image = np.zeros((height, width), dtype=np.float32)
    for look, weight in enumerate(look_weights(looks)):
        received = _blurred(_blurred(_echoes(seed, wider, stream, look), 1), 2)
        received *= received
        image += np.float32(weight / 2) * (received[0] + received[1])
    return np.asarray(np.maximum(image, LEAST))


SPECKLES: dict[Speckle, Callable[[int, Window, int, float], Floats]] = {"white": white, "correlated": correlated}


def check_speckle(speckle: str, looks: float) -> None:
    """Raise `OptionError` for speckle of an unknown kind, or looks that it can not have."""
    if speckle not in SPECKLES:
        raise OptionError(f"speckle {speckle!r}: expected one of {', '.join(SPECKLES)}")
    if not 0 < looks < math.inf:
        raise OptionError(f"looks {looks}: expected a number above 0")
    if speckle == "correlated" and not 1 <= looks <= MOST_LOOKS:
        raise OptionError(f"looks {looks} of correlated speckle: expected a number from 1 to {MOST_LOOKS}")


def look_weights(looks: float) -> list[float]:
    """Shares of single looks in a mean of theirs that has so many equivalent ones; all but the last one are alike.

    >>> look_weights(2)
    [0.5, 0.5]
    >>> shares = look_weights(4.4)
    >>> len(shares), round(sum(shares), 9), round(1 / sum(share**2 for share in shares), 9)
    (5, 1.0, 4.4)
    """
    others = math.ceil(looks) - 1
    if not others:
        return [1.0]
    root = math.sqrt(others**2 - (looks - 1) * others * (looks - others))
    weights = [1.0] * others + [(others - root) / (looks - 1)]
    return [weight / sum(weights) for weight in weights]


def _echoes(seed: int, window: Window, stream: int, look: int) -> Floats:
    """Return what a look receives from each pixel alone, real and imaginary part (2, H, W), variance 1."""
    echoes = np.empty((2, window.height, window.width), dtype=np.float32)
    for part in _parts(window):
        rng = np.random.default_rng((seed, stream, look, *part.cell))
        drawn = rng.standard_normal((2, CELL, CELL), dtype=np.float32)
        echoes[(..., *part.place)] = drawn[(..., *part.cut)]
    return echoes


def _blurred(echoes: Floats, axis: int) -> Floats:
    """Return what the radar's response makes of them along an axis, which loses its reach; variance stays 1."""
    lines = np.moveaxis(echoes, axis, -1)
    size = lines.shape[-1] - len(RESPONSE) + 1
    total = np.zeros((*lines.shape[:-1], size), dtype=np.float32)
    for first, tap in enumerate(RESPONSE):
        total += lines[..., first : first + size] * np.float32(tap / math.hypot(*RESPONSE))
    return np.moveaxis(total, -1, axis)


class _Part(NamedTuple):
    """What a window has of a cell."""

    cell: tuple[int, int]  # which one, as random streams take it
    cut: tuple[slice, slice]  # of the cell
    place: tuple[slice, slice]  # in the window


def _parts(window: Window) -> Iterator[_Part]:
    for part in cells(window, CELL):
        cell = part.row_off // CELL & 0xFFFFFFFF, part.col_off // CELL & 0xFFFFFFFF
        cut = part.relative(part.row_off // CELL * CELL, part.col_off // CELL * CELL)
        place = part.relative(window.row_off, window.col_off)
        yield _Part(cell, (cut.rows, cut.cols), (place.rows, place.cols))
