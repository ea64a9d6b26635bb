"""The picture of the README: the sample scene as SAR, its translation by the embedded model, and the truth.

python benchmarks/readme_picture.py docs/images/sample.jpg
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from script import begin

from sartranslate.backscatter.radiometry import to_rgb
from sartranslate.infer.inference import translate
from sartranslate.infer.planning import plan
from sartranslate.networks import backend
from sartranslate.networks.bundle import DEFAULT_MODEL, describe
from sartranslate.rasters.process_wide import quiet
from sartranslate.runtimes.translator import load_translator
from sartranslate.simulate.simulation import SimulationOptions, simulate

HEIGHT, WIDTH = 900, 1200  # of sample_tiles/scene.tif, and the seed of that folder
SEED = 1
REDUCTION = 2
GAP = 6  # white pixels between the panels

Picture = NDArray[np.uint8]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    picture = parser.parse_args().picture
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        simulate(folder, SimulationOptions(pairs=0, scene=(HEIGHT, WIDTH), seed=SEED, truth=True))
        backend.select()
        planned = plan(folder / "scene.tif", folder / "out.tif", describe(DEFAULT_MODEL).radiometry)
        translate(planned, load_translator(DEFAULT_MODEL))
        values = np.moveaxis(_read(folder / "scene.tif"), 0, -1)
        sar = to_rgb(planned.scaling.apply(values, np.ones(values.shape[:2], bool)))
        panels = [np.repeat(sar, 3, axis=-1)]
        panels += [np.moveaxis(_read(folder / file), 0, -1) for file in ("out.tif", "scene_optical.tif")]
    _write(picture, _side_by_side([_reduced(panel) for panel in panels]))


def _read(path: Path) -> NDArray[np.uint8]:
    with rasterio.open(path) as dataset:
        return np.asarray(dataset.read())


def _reduced(panel: Picture) -> Picture:
    blocks = panel.reshape(HEIGHT // REDUCTION, REDUCTION, WIDTH // REDUCTION, REDUCTION, 3)
    return np.asarray(np.rint(blocks.mean(axis=(1, 3))), np.uint8)


def _side_by_side(panels: list[Picture]) -> Picture:
    gap = np.full((panels[0].shape[0], GAP, 3), 255, np.uint8)
    return np.concatenate([panels[0], gap, panels[1], gap, panels[2]], axis=1)


def _write(path: Path, picture: Picture) -> None:
    height, width, bands = picture.shape
    size = {"height": height, "width": width, "count": bands, "dtype": "uint8"}
    with quiet(), rasterio.open(path, "w", driver="JPEG", quality=88, **size) as dataset:
        dataset.write(np.moveaxis(picture, -1, 0))


if __name__ == "__main__":
    begin(main)
