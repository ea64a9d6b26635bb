"""The data of the default model, split by place: folders for training, validation and test.

DATA holds `s1s2/` and `sen12/` with `sar/` and `optical/` each: Sentinel-1 and Sentinel-2 fragments of Los Angeles and
San Antonio (VH), and tiles of three SEN1-2 regions (VV). Each city and each region is one scene, so one folder. Held
out are contiguous fragments of each city, others for the test, and one region. Simulated pairs are for training only.

Fragments lie off each other by up to 6 px, each by its own shift. Those for training can be registered, so that the
network is not taught to blur; those for validation and test are always links to what they are.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray

from sartranslate.datasets.coregistration import CLEAR, REACH, estimate_shift
from sartranslate.rasters.raster import moved
from sartranslate.simulate.simulation import SimulationOptions, simulate
from sartranslate.streaming.windows import Window

VALIDATION = {"la_047", "la_048", "la_060", "la_061", "sat_258", "sat_259", "sat_260"}
TEST = {"la_127", "la_128", "sat_219", "sat_220"}
SCENES = {
    "la": ("s1s2", "la_*"),
    "sat": ("s1s2", "sat_*"),
    "summer_59": ("sen12", "ROIs1868_summer_59_*"),
    "fall_2": ("sen12", "ROIs1970_fall_2_*"),
    "fall_11": ("sen12", "ROIs1970_fall_11_*"),
}
HELD_OUT_SCENE = "fall_2"
MISREGISTERED = {"la", "sat"}
REPEATS = {"summer_59": 5, "fall_11": 5}  # few tiles, other climates
SIMULATED_SEEDS = range(100, 112)  # sample_tiles/ has seed 1

Sides = dict[str, Path]  # files of "sar" and "optical"


def real_folders(data: Path, folder: Path, *, registered: bool = False) -> dict[str, Path]:
    """A folder for each scene, with train/, val/ and test/ as far as it has tiles of each; made if it is not there."""
    for scene, (collection, pattern) in SCENES.items():
        for sar in sorted((data / collection / "sar").glob(pattern)):
            split = _split(scene, sar.stem)
            made = {side: folder / scene / split / side / sar.name for side in ("sar", "optical")}
            if not all(file.exists() for file in made.values()):
                given = {side: data / collection / side / sar.name for side in made}
                make = _register if registered and split == "train" and scene in MISREGISTERED else _link
                make(given, made)
    return {scene: folder / scene for scene in SCENES}


def training_folders(data: Path, folder: Path, *, registered: bool = False) -> list[Path]:
    """All that is trained on, folders of few tiles several times."""
    found = real_folders(data, folder, registered=registered)
    real = [path for name, path in found.items() if name != HELD_OUT_SCENE]
    repeated = [path for path in real for _ in range(REPEATS.get(path.name, 1))]
    return [*repeated, *_simulated(folder)]


def validation_folders(data: Path, folder: Path) -> list[Path]:
    folders = real_folders(data, folder)
    return [folders[scene] for scene in ("la", "sat", HELD_OUT_SCENE)]


def _split(scene: str, tile: str) -> str:
    if scene == HELD_OUT_SCENE or tile in VALIDATION:
        return "val"
    return "test" if tile in TEST else "train"


def _link(given: Sides, made: Sides) -> None:
    for side, link in made.items():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(given[side].resolve())


def _register(given: Sides, made: Sides) -> None:
    """Both sides without a rim, the optical one moved by whole pixels where its shift is clear."""
    values, profiles = {}, {}
    for side, file in given.items():
        with rasterio.open(file) as dataset:
            values[side], profiles[side] = dataset.read(), dataset.profile
    rows, cols = _whole_shift(values["sar"][0], values["optical"].mean(0))
    values["optical"] = np.roll(values["optical"], (rows, cols), (1, 2))
    for side, file in made.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        kept = values[side][:, REACH:-REACH, REACH:-REACH]
        placed = moved(profiles[side]["transform"], Window(REACH, REACH, *kept.shape[1:]))
        size = {"height": kept.shape[1], "width": kept.shape[2], "transform": placed, "compress": "zstd"}
        with rasterio.open(file, "w", **{**profiles[side], **size}) as dataset:
            dataset.write(kept)


def _whole_shift(sar: NDArray[np.uint8], luminance: NDArray[np.float64]) -> tuple[int, int]:
    """Rows and columns that the optical side has to be moved by; none where no shift is clear."""
    shift = estimate_shift(sar.astype(np.float32), luminance.astype(np.float32))
    return (round(shift.rows), round(shift.cols)) if shift.clarity >= CLEAR else (0, 0)


def _simulated(folder: Path) -> list[Path]:
    """One landscape for each seed, every third one in VV."""
    folders = [folder / f"sim{seed}" for seed in SIMULATED_SEEDS]
    for seed, place in zip(SIMULATED_SEEDS, folders, strict=True):
        if not place.exists():
            polarisation = "VV" if seed % 3 == 0 else "VH"
            simulate(place, SimulationOptions(pairs=6, tile_size=512, seed=seed, polarisations=(polarisation,)))
    return folders
