"""The data of the default model, split by place: folders of links for training, validation and test.

DATA holds `s1s2/` and `sen12/` with `sar/` and `optical/` each: Sentinel-1 and Sentinel-2 fragments of Los Angeles and
San Antonio (VH), and tiles of three SEN1-2 regions (VV). Each city and each region is one scene, so one folder. Held
out are contiguous fragments of each city, others for the test, and one region. Simulated pairs are for training only.
"""

from __future__ import annotations

from pathlib import Path

from sartranslate.simulation import SimulationOptions, simulate

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
REPEATS = {"summer_59": 5, "fall_11": 5}  # few tiles, other climates
SIMULATED_SEEDS = range(100, 112)  # sample_tiles/ has seed 1


def real_folders(data: Path, folder: Path) -> dict[str, Path]:
    """A folder for each scene, with train/, val/ and test/ as far as it has tiles of each; made if it is not there."""
    for scene, (collection, pattern) in SCENES.items():
        for side in ("sar", "optical"):
            for tile in sorted((data / collection / side).glob(pattern)):
                link = folder / scene / _split(scene, tile.stem) / side / tile.name
                link.parent.mkdir(parents=True, exist_ok=True)
                if not link.is_symlink():
                    link.symlink_to(tile.resolve())
    return {scene: folder / scene for scene in SCENES}


def training_folders(data: Path, folder: Path) -> list[Path]:
    """All that is trained on, folders of few tiles several times."""
    real = [path for name, path in real_folders(data, folder).items() if name != HELD_OUT_SCENE]
    repeated = [path for path in real for _ in range(REPEATS.get(path.name, 1))]
    return [*repeated, *_simulated(folder)]


def validation_folders(data: Path, folder: Path) -> list[Path]:
    folders = real_folders(data, folder)
    return [folders[scene] for scene in ("la", "sat", HELD_OUT_SCENE)]


def _split(scene: str, tile: str) -> str:
    if scene == HELD_OUT_SCENE or tile in VALIDATION:
        return "val"
    return "test" if tile in TEST else "train"


def _simulated(folder: Path) -> list[Path]:
    """One landscape for each seed, every third one in VV."""
    folders = [folder / f"sim{seed}" for seed in SIMULATED_SEEDS]
    for seed, place in zip(SIMULATED_SEEDS, folders, strict=True):
        if not place.exists():
            polarisation = "VV" if seed % 3 == 0 else "VH"
            simulate(place, SimulationOptions(pairs=6, tile_size=512, seed=seed, polarisations=(polarisation,)))
    return folders
