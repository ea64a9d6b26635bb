"""Noise on an infinite plane: the value of a pixel depends on its place and a seed, never on the block around it.

Only operations that IEEE 754 rounds exactly touch whole arrays (no sin, exp or matrix product), so a block made alone
equals the same block cut from a larger one bit for bit.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sartranslate.streaming.windows import Window

Floats = NDArray[np.float32]
Keys = NDArray[np.uint32]

SPLINE_DEVIATION = 0.317  # of quadratic-spline noise whose nodes are uniform in [-1, 1)
LACUNARITY = 1.93  # not 2, so that the nodes of two octaves do not coincide
FAR = np.float32(1e12)


def subseed(seed: int, salt: int) -> int:
    """Make an independent 32-bit seed for one use of `seed`."""
    mixed = (seed * 0x9E3779B1 + salt * 0x85EBCA77 + 0x165667B1) & 0xFFFFFFFF
    return ((mixed ^ (mixed >> 15)) * 0x2C1B3C6D) & 0xFFFFFFFF


def hashed(seed: int, *keys: NDArray[np.integer]) -> Keys:
    """Hash integer arrays that broadcast together, negative values included, to uniform 32-bit keys."""
    state = np.atleast_1d(np.asarray(seed & 0xFFFFFFFF, dtype=np.uint32))
    for key in keys:
        state = (state ^ key.astype(np.uint32)) * np.uint32(0x9E3779B1)
        state ^= state >> np.uint32(15)
        state *= np.uint32(0x85EBCA77)
        state ^= state >> np.uint32(13)
    return state * np.uint32(0xC2B2AE3D) ^ (state >> np.uint32(16))


def unit(keys: Keys) -> Floats:
    """Map keys to float32 in [0, 1)."""
    return (keys >> np.uint32(8)).astype(np.float32) * np.float32(2**-24)


def axes(window: Window) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the plane's row (H, 1) and column (1, W) numbers of a window."""
    rows = np.arange(window.row_off, window.row_off + window.height, dtype=np.int64)
    cols = np.arange(window.col_off, window.col_off + window.width, dtype=np.int64)
    return rows[:, None], cols[None, :]


def white_noise(seed: int, window: Window) -> Floats:
    """Return uniform noise in [-1, 1) without correlation, (H, W)."""
    return unit(hashed(seed, *axes(window))) * np.float32(2) - np.float32(1)


class _Taps(NamedTuple):
    nodes: NDArray[np.int64]  # lattice nodes in reach of the axis
    first: NDArray[np.intp]  # per pixel, position in `nodes` of the first of its three
    weights: Floats  # (3, pixels)


def _taps(offset: int, size: int, period: float) -> _Taps:
    places = np.arange(offset, offset + size, dtype=np.float64) / period
    centre = np.floor(places + 0.5)
    part = places - centre
    weights = np.stack([(0.5 - part) ** 2 / 2, 0.75 - part**2, (0.5 + part) ** 2 / 2])
    start = int(centre[0]) - 1
    nodes = np.arange(start, int(centre[-1]) + 2, dtype=np.int64)
    return _Taps(nodes, (centre - 1 - start).astype(np.intp), weights.astype(np.float32))


def value_noise(seed: int, window: Window, period: float) -> Floats:
    """Return quadratic-spline noise over a hashed lattice of `period` pixels, (H, W), mean 0, within (-1, 1)."""
    shift = seed % 8191  # octaves must not share nodes
    down = _taps(window.row_off + shift, window.height, period)
    across = _taps(window.col_off - shift, window.width, period)
    nodes = unit(hashed(seed, down.nodes[:, None], across.nodes[None, :])) * np.float32(2) - np.float32(1)
    bands = sum_taps(nodes, across, axis=1)
    return sum_taps(bands, down, axis=0)


def sum_taps(values: Floats, taps: _Taps, axis: int) -> Floats:
    """Interpolate along one axis: three neighbours, each times its weight."""
    weights = taps.weights if axis else taps.weights[:, :, None]
    total: Floats = np.take(values, taps.first, axis=axis)
    total *= weights[0]
    for step in (1, 2):
        term = np.take(values, taps.first + step, axis=axis)
        term *= weights[step]
        total += term
    return total


def fractal_noise(seed: int, window: Window, period: float, octaves: int, gain: float = 0.5) -> Floats:
    """Return a sum of ever finer and weaker value noise, (H, W), mean 0, standard deviation about 1."""
    deviation = SPLINE_DEVIATION * math.sqrt(sum(gain ** (2 * octave) for octave in range(octaves)))
    total = np.zeros((window.height, window.width), dtype=np.float32)
    for octave in range(octaves):
        layer = value_noise(subseed(seed, octave), window, period / LACUNARITY**octave)
        layer *= np.float32(gain**octave / deviation)
        total += layer
    return total


class Districts(NamedTuple):
    """The Voronoi cells of a jittered lattice; every array is (H, W)."""

    key: Keys  # the same all over a district, random between districts
    row: Floats  # pixels from the district's site
    col: Floats
    edge: Floats  # pixels to the nearest border


def cells(window: Window, size: int) -> Iterator[Window]:
    """Split a window along the plane's grid of `size` pixels, row by row."""
    bottom, right = window.row_off + window.height, window.col_off + window.width
    for row in range(window.row_off // size * size, bottom, size):
        for col in range(window.col_off // size * size, right, size):
            top, left = max(row, window.row_off), max(col, window.col_off)
            yield Window(top, left, min(row + size, bottom) - top, min(col + size, right) - left)


def districts(seed: int, window: Window, period: int) -> Districts:
    """Divide the plane into districts with bent borders, of about `period` pixels."""
    shape = (window.height, window.width)
    found = Districts(np.empty(shape, np.uint32), *(np.empty(shape, np.float32) for _ in range(3)))
    for cell in cells(window, period):
        row, col = cell.row_off - window.row_off, cell.col_off - window.col_off
        for whole, part in zip(found, _lattice_cell(seed, cell, period), strict=True):
            whole[row : row + cell.height, col : col + cell.width] = part
    return found


def _lattice_cell(seed: int, part: Window, period: int) -> Districts:
    """Find the nearest of nine sites, and the nearest bisector, for pixels within one lattice cell."""
    keys, sites = _sites(seed, part.row_off // period, part.col_off // period, period)
    rows, cols = axes(part)
    bend = [value_noise(subseed(seed, axis), part, period / 2) * np.float32(period / 9) for axis in (0, 1)]
    down = ((rows % period).astype(np.float32) + bend[0])[None] - sites[:, 0, None, None]
    right = ((cols % period).astype(np.float32) + bend[1])[None] - sites[:, 1, None, None]
    squares = down * down + right * right
    near = np.argmin(squares, axis=0)
    least = squares.min(axis=0)
    np.put_along_axis(squares, near[None], FAR, axis=0)
    gaps = sites[:, None] - sites[None]
    reach = np.sqrt((gaps * gaps).sum(axis=-1)) * np.float32(2) + np.eye(9, dtype=np.float32)
    edge = np.full(near.shape, FAR, dtype=np.float32)
    for site in range(9):
        np.minimum(edge, (squares[site] - least) / reach[site][near], out=edge)
    here = (rows - part.row_off, cols - part.col_off)
    return Districts(keys[near], down[near, here[0], here[1]], right[near, here[0], here[1]], edge)


def _sites(seed: int, row: int, col: int, period: int) -> tuple[Keys, Floats]:
    steps = np.arange(-1, 2, dtype=np.int64)
    rows, cols = (axis.ravel() for axis in np.meshgrid(steps, steps, indexing="ij"))
    keys = hashed(seed, rows + row, cols + col)
    # A jitter of at most 0.3 keeps every nearest site within the nine cells around a pixel.
    jitter = np.stack([unit(hashed(1, keys)), unit(hashed(2, keys))], axis=1) * np.float32(0.6)
    corners = np.stack([rows, cols], axis=1).astype(np.float32)
    return keys, (corners + np.float32(0.2) + jitter) * np.float32(period)
