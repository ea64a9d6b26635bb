"""The default model on a real scene: distance to the truth on held-out ground, and bfloat16 against float32.

    python benchmarks/default_model_on_real_scene.py --data DATA

DATA holds `s1s2/la_block_sar.vrt` and `s1s2/la_block_optical.vrt`, whose upper left 2048 x 2048 px no
training step has seen.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from script import begin

from sartranslate.infer.inference import translate
from sartranslate.infer.planning import plan
from sartranslate.networks import backend, bundle
from sartranslate.runtimes.translator import load_translator

HELD_OUT = (slice(None), slice(0, 2048), slice(0, 2048))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    folder = parser.parse_args().data / "s1s2"
    backend.select()
    translated = {precision: _translate(folder, precision) for precision in ("float32", "bfloat16")}
    truth = _read(folder / "la_block_optical.vrt")[HELD_OUT]
    mean_colour = np.broadcast_to(truth.mean(axis=(1, 2), keepdims=True), truth.shape)
    print(f"PSNR on held-out ground: {_psnr(translated['float32'][HELD_OUT], truth):.1f} dB")
    print(f"PSNR of the truth's own mean colour: {_psnr(mean_colour, truth):.1f} dB")
    difference = np.abs(translated["float32"] - translated["bfloat16"])
    median, most, nearly_all = np.percentile(difference, [50, 99, 99.9])
    print(
        f"bfloat16 against float32, grey levels: median {median:.0f}, 99 % {most:.0f}, 99.9 % {nearly_all:.0f}, "
        f"largest {difference.max():.0f}"
    )


def _translate(folder: Path, precision: str) -> NDArray[np.float64]:
    radiometry = bundle.describe(bundle.DEFAULT_MODEL).radiometry
    with tempfile.TemporaryDirectory() as name:
        out = Path(name) / "out.tif"
        translate(plan(folder / "la_block_sar.vrt", out, radiometry), load_translator(bundle.DEFAULT_MODEL, precision))
        return _read(out)


def _read(path: Path) -> NDArray[np.float64]:
    with rasterio.open(path) as dataset:
        return np.asarray(dataset.read(), np.float64)


def _psnr(picture: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    return float(10 * np.log10(255**2 / np.mean((picture - truth) ** 2)))


if __name__ == "__main__":
    begin(main)
