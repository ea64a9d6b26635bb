"""How much of their speckle neighbouring pixels of radar images share, the simulator's beside real ones.

    python benchmarks/speckle_correlation.py SCENE... [--unit db]

Correlations of what is left of the decibels after the mean of 9 x 9 pixels, over the calmest third of the pixels, so
that edges and houses do not count, at one and two pixels along rows and columns, and diagonally. The mean takes some of
the correlation away: of the simulator's own speckle the last line tells it without.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import rasterio
from scipy.ndimage import uniform_filter
from script import begin

from sartranslate.backscatter.radiometry import UNITS, Float, to_decibels
from sartranslate.rasters.process_wide import quiet
from sartranslate.simulate.speckle import RESPONSE, SPECKLES
from sartranslate.streaming.windows import Window

SIDE = 9  # pixels, of the mean
CALMEST = 1 / 3
STEPS = ((0, 1), (1, 0), (0, 2), (2, 0), (1, 1))  # rows and columns
SIMULATED = Window(0, 0, 1000, 1000)
LOOKS = 4.4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes", type=Path, nargs="+", help="rasters of one size, or of several")
    parser.add_argument("--unit", choices=list(UNITS), default="db")
    arguments = parser.parse_args()
    print("rows, columns: " + "  ".join(str(step) for step in STEPS))
    found = [correlations(_decibels(scene, arguments.unit)) for scene in arguments.scenes]
    _print(f"mean of {len(found)} bands", np.mean(found, axis=0))
    for name, draw in SPECKLES.items():
        _print(f"simulated, {name}", correlations(to_decibels(draw(1, SIMULATED, 0, LOOKS), "power")))
    along = np.correlate(RESPONSE, RESPONSE, "full")[len(RESPONSE) - 1 :] / np.square(RESPONSE).sum()
    _print("of its power, exactly", [(along[rows] * along[cols]) ** 2 for rows, cols in STEPS])


def correlations(decibels: Float) -> list[float]:
    """At each of `STEPS`, of an image (H, W)."""
    rest = decibels - uniform_filter(decibels, SIDE)
    power = uniform_filter(rest * rest, SIDE)
    inner = (slice(SIDE, -SIDE), slice(SIDE, -SIDE))
    calm = (power <= np.quantile(power, CALMEST))[inner]
    here = rest[inner][calm]
    moved = (np.roll(rest, (-rows, -cols), (0, 1))[inner][calm] for rows, cols in STEPS)
    return [float((here * there).mean() / (here * here).mean()) for there in moved]


def _decibels(scene: Path, unit: str) -> Float:
    """The first band; what is not valid is the median of the rest."""
    with quiet(), rasterio.open(scene) as dataset:
        values, mask = dataset.read(1), dataset.read_masks(1) > 0
    decibels = to_decibels(values, unit)
    valid = mask & np.isfinite(decibels)
    return np.where(valid, decibels, np.median(decibels[valid]))


def _print(name: str, found: np.typing.ArrayLike) -> None:
    print(f"{name}: " + "  ".join(f"{value:.2f}" for value in np.asarray(found)))


if __name__ == "__main__":
    begin(main)
