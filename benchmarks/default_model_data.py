"""The data of the default model, split by place: folders for training, validation and test.

DATA holds `s1s2/` and `sen12/` with `sar/` and `optical/` each: Sentinel-1 and Sentinel-2 fragments of Los Angeles and
San Antonio (VH), and tiles of three SEN1-2 regions (VV). Each city and each region is one scene, so one folder. Held
out are contiguous fragments of each city, others for the test, and one region. Simulated pairs are for training only.

Fragments of the cities lie off each other by up to 6 px, each by its own shift. Those for training can be registered,
so that the network is not taught to blur; those for validation and test stay where they are. Their optical images are
Sentinel-2 L1C, not corrected for the atmosphere: nothing in them is darker than dark blue. The haze of each city,
measured on its fragments for training, can be subtracted from all of them, or made grey in those for training.
"""

from __future__ import annotations

import argparse
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
import rasterio
from numpy.typing import NDArray

from sartranslate.datasets.coregistration import CLEAR, REACH, estimate_shift
from sartranslate.rasters.raster import moved
from sartranslate.scenes.stretch import WHITE, Stretch, to_bytes, with_neutral_haze, without_haze
from sartranslate.simulate.simulation import SimulationOptions, simulate
from sartranslate.simulate.speckle import Speckle
from sartranslate.storage.atomic import replaced_when_whole
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
CITIES = {"la", "sat"}  # misregistered and hazy
# Share of its colour that is taken out of their haze; San Antonio's woods are dark blue.
NEUTRAL = {"la": 0.5, "sat": 1.0}
BYTES = Stretch(0, WHITE)
REPEATS = {"summer_59": 5, "fall_11": 5}  # few tiles, other climates
SIMULATED_SEEDS = range(100, 112)  # sample_tiles/ has seed 1

Sides = dict[str, Path]  # files of "sar" and "optical"


class Preparation(NamedTuple):
    """What is done to pairs beforehand."""

    registered: bool = False  # those of the cities for training
    subtract_haze: bool = False  # of the cities
    speckle: Speckle = "white"  # of simulated pairs
    neutral_haze: bool = False  # of the cities, for training, as far as `NEUTRAL` says

    @property
    def folder(self) -> str:
        """A name for a folder of such pairs, such as "pairs_registered_white"."""
        done = [name for name in ("registered", "subtract_haze", "neutral_haze") if getattr(self, name)]
        return "_".join(["pairs", *done, self.speckle])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of a `Preparation`, but for registration."""
    parser.add_argument("--subtract-haze", action="store_true", help="from the cities, for training and for scores")
    parser.add_argument("--speckle", choices=get_args(Speckle), default="white", help="of simulated pairs")


def real_folders(data: Path, folder: Path, prepared: Preparation) -> dict[str, Path]:
    """A folder for each scene, with train/, val/ and test/ as far as it has tiles of each; made if it is not there."""
    for scene, (collection, pattern) in SCENES.items():
        for sar in sorted((data / collection / "sar").glob(pattern)):
            split = _split(scene, sar.stem)
            made = {side: folder / scene / split / side / sar.name for side in ("sar", "optical")}
            if all(file.exists() for file in made.values()):
                continue
            given = {side: data / collection / side / sar.name for side in made}
            haze = _haze(data, scene, prepared, split) if scene in CITIES else None
            registered = scene in CITIES and prepared.registered and split == "train"
            if haze or registered:
                _prepare(given, made, haze, registered=registered)
            else:
                _link(given, made)
    return {scene: folder / scene for scene in SCENES}


def training_folders(data: Path, folder: Path, prepared: Preparation) -> list[Path]:
    """All that is trained on, folders of few tiles several times."""
    found = real_folders(data, folder, prepared)
    real = [path for name, path in found.items() if name != HELD_OUT_SCENE]
    repeated = [path for path in real for _ in range(REPEATS.get(path.name, 1))]
    return [*repeated, *_simulated(folder, prepared.speckle)]


def validation_folders(data: Path, folder: Path, prepared: Preparation) -> list[Path]:
    folders = real_folders(data, folder, prepared)
    return [folders[scene] for scene in ("la", "sat", HELD_OUT_SCENE)]


def _split(scene: str, tile: str) -> str:
    if scene == HELD_OUT_SCENE or tile in VALIDATION:
        return "val"
    return "test" if tile in TEST else "train"


def _haze(data: Path, scene: str, prepared: Preparation, split: str) -> Stretch | None:
    """What becomes black and white of a scene's optical images; None: they stay as they are."""
    if prepared.subtract_haze:
        return without_haze(BYTES, _colours(data, scene))
    if prepared.neutral_haze and split == "train":
        return with_neutral_haze(BYTES, _colours(data, scene), NEUTRAL[scene])
    return None


@cache
def _colours(data: Path, scene: str) -> NDArray[np.uint8]:
    """(3, N) of all its tiles for training."""
    collection, pattern = SCENES[scene]
    files = [file for file in (data / collection / "optical").glob(pattern) if _split(scene, file.stem) == "train"]
    return np.concatenate([_read(file)[0].reshape(3, -1) for file in files], axis=1)


def _link(given: Sides, made: Sides) -> None:
    for side, link in made.items():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(given[side].resolve())


def _prepare(given: Sides, made: Sides, haze: Stretch | None, *, registered: bool) -> None:
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
        with (
            replaced_when_whole(made[side]) as unfinished,
            rasterio.open(unfinished, "w", **{**profile, **size}) as dataset,
        ):
            dataset.write(values[:, kept.rows, kept.cols])


def _read(file: Path) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    with rasterio.open(file) as dataset:
        return dataset.read(), dataset.profile


def _whole_shift(sar: NDArray[np.uint8], luminance: NDArray[np.float64]) -> tuple[int, int]:
    """Rows and columns that the optical side has to be moved by; none where no shift is clear."""
    shift = estimate_shift(sar.astype(np.float32), luminance.astype(np.float32))
    return (round(shift.rows), round(shift.cols)) if shift.clarity >= CLEAR else (0, 0)


def _simulated(folder: Path, speckle: Speckle) -> list[Path]:
    """One landscape for each seed, every third one in VV."""
    folders = [folder / f"sim{seed}" for seed in SIMULATED_SEEDS]
    for seed, place in zip(SIMULATED_SEEDS, folders, strict=True):
        if not place.exists():
            polarisations = ("VV",) if seed % 3 == 0 else ("VH",)
            simulate(place, SimulationOptions(6, 512, seed=seed, polarisations=polarisations, speckle=speckle))
    return folders
