"""How far off points land that took no part in placing a scene, and how long warping takes.

python benchmarks/ground_control_points.py SCENE
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from numpy.typing import NDArray
from script import begin

from sartranslate.rasters.groundcontrol import METHODS, ControlPoints
from sartranslate.rasters.polynomial import Points
from sartranslate.scenes.reader import block_cache, scene_reader
from sartranslate.scenes.scene import open_scene
from sartranslate.scenes.source import SceneOptions
from sartranslate.streaming.windows import WindowGrid

FOLDS = 5
WINDOW = 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scene", help="a raster with ground control points only")
    scene = parser.parse_args().scene
    grid = open_scene(scene, None).grid
    if grid is None:
        raise SystemExit(f"{scene}: has a grid of its own")
    print(f"{len(grid.points.pixels)} points, pixels of {grid.transform.a:g} {grid.points.crs.units_factor[0]}")
    for method in ("affine", *METHODS):
        misses = held_out(grid.points, method)
        largest = misses.max()
        print(
            f"{method}, every {FOLDS}th point held out in turn: RMS {rms(misses):.1f} m,"
            f" median {np.median(misses):.1f} m, largest {largest:.1f} m = {largest / grid.transform.a:.2f} px"
        )
    for method in METHODS:
        print(f"{method}: {seconds_per_megapixel(scene, method):.2f} s for a megapixel of the grid, read in windows")


def held_out(points: ControlPoints, method: str) -> NDArray[np.float64]:
    """Distances on the ground between points and where the others put them."""
    fold = np.arange(len(points.pixels)) % FOLDS
    misses = []
    for out in range(FOLDS):
        known = ControlPoints(points.pixels[fold != out], points.ground[fold != out], points.crs)
        placed = place(known, points.pixels[fold == out], method)
        misses.append(np.hypot(*(placed - points.ground[fold == out]).T))
    return np.concatenate(misses)


def place(known: ControlPoints, pixels: Points, method: str) -> Points:
    if method != "affine":
        return known.to_ground(pixels, method)
    terms = np.column_stack([known.pixels, np.ones(len(known.pixels))])
    coefficients = np.linalg.lstsq(terms, known.ground, rcond=None)[0]
    return np.asarray(np.column_stack([pixels, np.ones(len(pixels))]) @ coefficients)


def seconds_per_megapixel(path: str, method: str) -> float:
    scene = open_scene(path, None, SceneOptions(gcps=method))
    windows = WindowGrid(scene.height, scene.width, WINDOW, 64)
    with block_cache(scene, WINDOW), scene_reader(scene) as reader:
        started = time.perf_counter()
        for window in windows:
            reader.read(window)
        return (time.perf_counter() - started) / (scene.height * scene.width / 1e6)


def rms(values: NDArray[np.float64]) -> float:
    return float(np.sqrt((values**2).mean()))


if __name__ == "__main__":
    begin(main)
