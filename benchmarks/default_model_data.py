"""The data of the default model, split by place: folders for training, validation and test.

DATA holds `s1s2/` and `sen12/` with `sar/` and `optical/` each: Sentinel-1 and Sentinel-2 fragments of Los Angeles and
San Antonio (VH), and tiles of three SEN1-2 regions (VV). Each city and each region is one scene, so one folder. Held
out are contiguous fragments of each city, others for the test, and one region. Simulated pairs are for training only.

The optical images of both cities are Sentinel-2 L1C, not corrected for the atmosphere: nothing in them is darker than
dark blue. So the haze of each city, measured on its fragments for training, is subtracted from all of its fragments.
Their two sides lie off each other by up to 6 px, each by its own shift. Those for training can be registered, so that
the network is not taught to blur; those for validation and test stay where they are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray

from sartranslate.datasets.coregistration import CLEAR, REACH, estimate_shift
from sartranslate.rasters.raster import moved
from sartranslate.scenes.stretch import WHITE, Stretch, dark_object, to_bytes
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
CITIES = {"la", "sat"}  # hazy and misregistered
REPEATS = {"summer_59": 5, "fall_11": 5}  # few tiles, other climates
SIMULATED_SEEDS = range(100, 112)  # sample_tiles/ has seed 1

Sides = dict[str, Path]  # files of "sar" and "optical"


def real_folders(data: Path, folder: Path, *, registered: bool = False) -> dict[str, Path]:
    """A folder for each scene, with train/, val/ and test/ as far as it has tiles of each; made if it is not there."""
    for scene, (collection, pattern) in SCENES.items():
        tiles = {
            sar.stem: {side: data / collection / side / sar.name for side in ("sar", "optical")}
            for sar in sorted((data / collection / "sar").glob(pattern))
        }
        haze = _haze(scene, tiles) if scene in CITIES else None
        for name, given in tiles.items():
            split = _split(scene, name)
            made = {side: folder / scene / split / side / file.name for side, file in given.items()}
            if all(file.exists() for file in made.values()):
                continue
            if haze:
                _city(given, made, haze, registered=registered and split == "train")
            else:
                _link(given, made)
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


def _haze(scene: str, tiles: dict[str, Sides]) -> Stretch:
    """What becomes black and white of a scene's optical images, by its tiles for training."""
    files = [sides["optical"] for name, sides in tiles.items() if _split(scene, name) == "train"]
    return Stretch(dark_object(np.concatenate([_read(file)[0].reshape(3, -1) for file in files], axis=1)), WHITE)


def _link(given: Sides, made: Sides) -> None:
    for side, link in made.items():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(given[side].resolve())


def _city(given: Sides, made: Sides, haze: Stretch, *, registered: bool) -> None:
    """Both sides, the optical one without haze; registered ones without a rim, moved where their shift is clear."""
    (sar, sar_profile), (optical, optical_profile) = _read(given["sar"]), _read(given["optical"])
    height, width = sar.shape[1:]
    kept = Window(0, 0, height, width)
    if registered:
        rows, cols = _whole_shift(sar[0], optical.mean(0))
        optical = np.roll(optical, (rows, cols), (1, 2))
        kept = Window(REACH, REACH, height - 2 * REACH, width - 2 * REACH)
    clear = np.moveaxis(to_bytes(np.moveaxis(optical, 0, -1), haze), -1, 0)
    for side, values, profile in (("sar", sar, sar_profile), ("optical", clear, optical_profile)):
        placed = moved(profile["transform"], kept)
        size = {"height": kept.height, "width": kept.width, "transform": placed, "compress": "zstd"}
        made[side].parent.mkdir(parents=True, exist_ok=True)
        with rasterio.open(made[side], "w", **{**profile, **size}) as dataset:
            dataset.write(values[:, kept.rows, kept.cols])


def _read(file: Path) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    with rasterio.open(file) as dataset:
        return dataset.read(), dataset.profile


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
