"""Training and inference of the command line on the GPU beside the same on the processor, with `--backend torch`.

    python benchmarks/gpu_agreement.py [--updates 1 5 20]

Each side is a process of its own, the processor's without a visible GPU. Both train the recipe "sar" on
`sample_tiles/` in float32, from the same seed, and translate `sample_tiles/scene.tif` by the default model; TF32,
which multiplies with ten bits of a fraction, is off for what is compared in float32 and on where it is named. Losses of
a GAN leave each other with time, so those of the first updates count.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from script import begin, positive

from sartranslate.networks import backend

TILES = Path(__file__).parents[1] / "sample_tiles"
COMMAND = (sys.executable, "-c", "from sartranslate.cli import main; main()")
CPU = {"CUDA_VISIBLE_DEVICES": ""}
GPU = {"NVIDIA_TF32_OVERRIDE": "0"}
RECIPE = ("--filters", "16", "--discriminator-filters", "16", "--batch-size", "4", "--seed", "1")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--updates", type=positive, nargs="+", default=[1, 5, 20])
    arguments = parser.parse_args()
    backend.select("torch")
    if backend.device() == "CPU":
        raise SystemExit("no GPU, so nothing to compare the processor with")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for updates in arguments.updates:
            _compare_training(folder, updates)
        _compare_inference(folder)


def _compare_training(folder: Path, updates: int) -> None:
    """Means of the losses of so many updates."""
    cpu = _trained(folder / f"cpu_{updates}", updates, CPU)
    for name, environment in {"GPU": GPU, "GPU with TF32": {}}.items():
        gpu = _trained(folder / f"{name}_{updates}", updates, environment)
        apart = ", ".join(f"{loss} {cpu[loss]:.5f} and {gpu[loss]:.5f}" for loss in cpu)
        worst = max(abs(gpu[loss] / cpu[loss] - 1) for loss in cpu)
        print(f"train, {updates} updates, CPU and {name}: {apart}; apart {worst:.1e}", flush=True)


def _trained(run: Path, updates: int, environment: Mapping[str, str]) -> dict[str, float]:
    wanted = ("--set", f"optimisation.updates={updates}", "--precision", "float32", "--overwrite", "--quiet")
    _call(("train", "--pairs", TILES, "--out", run, *RECIPE, *wanted), environment)
    with (run / "history.csv").open(encoding="utf-8") as file:
        epochs = list(csv.DictReader(file))  # with means of their updates
    lengths = np.diff([int(epoch["updates"]) for epoch in epochs], prepend=0)
    losses = ("generator", "discriminator", "l1")
    return {loss: float(np.average([float(epoch[loss]) for epoch in epochs], weights=lengths)) for loss in losses}


def _compare_inference(folder: Path) -> None:
    expected = _translated(folder / "cpu.tif", "float32", CPU)
    for precision, environment in (("float32", GPU), ("float32", {}), ("float16", {}), ("bfloat16", {})):
        apart = np.abs(_translated(folder / "gpu.tif", precision, environment) - expected)
        name = f"{precision} with TF32" if precision == "float32" and not environment else precision
        levels = ", ".join(f"{share:.1%} {np.quantile(apart, share):.0f}" for share in (0.5, 0.999))
        print(f"infer, CPU in float32 and GPU in {name}: grey levels apart {levels}, at most {apart.max()}", flush=True)


def _translated(out: Path, precision: str, environment: Mapping[str, str]) -> NDArray[np.int16]:
    _call(("infer", TILES / "scene.tif", out, "--precision", precision, "--overwrite", "--quiet"), environment)
    with rasterio.open(out) as dataset:
        return np.asarray(dataset.read(), np.int16)


def _call(arguments: tuple[object, ...], environment: Mapping[str, str]) -> None:
    command = [*COMMAND, *map(str, arguments), "--backend", "torch"]
    subprocess.run(command, env={**os.environ, **environment}, check=True)


if __name__ == "__main__":
    begin(main)
