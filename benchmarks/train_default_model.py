"""Train the embedded default model: real pairs plus simulated ones, with the project's own `train`.

    python benchmarks/train_default_model.py --data DATA --out RUN

DATA holds `s1s2/` and `sen12/` with `sar/` and `optical/` each: Sentinel-1 and Sentinel-2 fragments of
Los Angeles and San Antonio (VH), and tiles of three SEN1-2 regions (VV). Each city and each region is
one scene, so one folder. Held out for looking at results: seven contiguous fragments and one region.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from sartranslate import backend
from sartranslate.presets import preset
from sartranslate.simulation import SimulationOptions, simulate

HELD_OUT = {"la_047", "la_048", "la_060", "la_061", "sat_258", "sat_259", "sat_260"}
REAL_SCENES = {
    "la": ("s1s2", "la_*"),
    "sat": ("s1s2", "sat_*"),
    "summer_59": ("sen12", "ROIs1868_summer_59_*"),
    "fall_2": ("sen12", "ROIs1970_fall_2_*"),
}
REPEATS = {"summer_59": 3, "fall_2": 3}  # few tiles, other climates
SIMULATED_SEEDS = range(100, 124)  # sample_tiles/ has seed 1


def main() -> None:
    arguments = _parse()
    backend.select()
    from sartranslate.training import TrainingOptions, train

    changes = {
        "optimisation.epochs": arguments.epochs,
        "optimisation.batch_size": 2,
        "generator.filters": 32,
        "generator.upsampling": "resize",
        "discriminator.filters": 32,
    }
    options = TrainingOptions(preset("sar").with_fields(changes), seed=1)
    with tempfile.TemporaryDirectory() as folder:
        folders = [*_real(Path(arguments.data), Path(folder)), *_simulated(Path(folder))]
        summary = train(folders, Path(arguments.out), options)
    print(f"{summary.run}: {summary.pairs} pairs, {summary.updates} updates, L1 {summary.losses['l1']:.3f}")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--epochs", type=int, default=13)
    return parser.parse_args()


def _real(data: Path, folder: Path) -> list[Path]:
    """Folders of links to the training part, one for each scene."""
    folders = []
    for scene, (collection, pattern) in REAL_SCENES.items():
        for side in ("sar", "optical"):
            (folder / scene / side).mkdir(parents=True)
            for tile in sorted((data / collection / side).glob(pattern)):
                if tile.stem not in HELD_OUT:
                    (folder / scene / side / tile.name).symlink_to(tile.resolve())
        folders += [folder / scene] * REPEATS.get(scene, 1)
    return folders


def _simulated(folder: Path) -> list[Path]:
    """One landscape for each seed, every third one in VV."""
    for seed in SIMULATED_SEEDS:
        polarisation = "VV" if seed % 3 == 0 else "VH"
        options = SimulationOptions(pairs=6, tile_size=512, seed=seed, polarisations=(polarisation,))
        simulate(folder / f"sim{seed}", options)
    return [folder / f"sim{seed}" for seed in SIMULATED_SEEDS]


if __name__ == "__main__":
    main()
