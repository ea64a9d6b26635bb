"""Rims along holes: how far invalid pixels change what the default model makes of the valid ones around them.

Translates windows of a scene as they are and with a hole that each fill rule fills, and prints by distance to the
hole, in grey levels (0 to 255): the bias over all windows, the mean size of a window's own bias (the rim that a
person sees), and the mean absolute difference of pixels. No rule can know what lay under a hole, so none is at 0.

    python benchmarks/hole_rims.py [--scene FILE] [--windows 24] [--picture FILE]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter
from script import begin, positive

from sartranslate.backscatter.fill import fill_mirrored
from sartranslate.backscatter.radiometry import Float, Mask, to_rgb
from sartranslate.backscatter.scaling import SceneScaling
from sartranslate.infer.planning import plan
from sartranslate.networks import backend, bundle
from sartranslate.rasters.process_wide import quiet
from sartranslate.runtimes.translator import load_translator
from sartranslate.scenes.reader import scene_reader
from sartranslate.scenes.scene import Scene
from sartranslate.simulate.simulation import SimulationOptions, simulate
from sartranslate.streaming.sliding import Generator
from sartranslate.streaming.windows import Window

SIZE = 256  # pixels, both sides of a window
TRIALS = 2000  # windows looked at in search of those without holes of their own
DISTANCES = ((1.0, 8.0), (8.0, 32.0))  # pixels from the hole, the upper end left out
GREY_LEVELS = 127.5  # in a step of 1 of the generator's output
BATCH = 8
GAP = 6  # white pixels between the panels of the picture

Picture = NDArray[np.uint8]
Shape = Callable[[np.random.Generator], Mask]
ROWS, COLS = np.mgrid[:SIZE, :SIZE]


def disc(rng: np.random.Generator) -> Mask:
    """A hole of radius 20 anywhere inside."""
    row, col = rng.uniform(60, SIZE - 60, 2)
    return np.asarray(np.hypot(ROWS - row, COLS - col) > 20)


def lake(rng: np.random.Generator) -> Mask:
    """Blobs with crooked shores, an eighth of the window."""
    relief = gaussian_filter(rng.normal(size=(SIZE, SIZE)), 14) + gaussian_filter(rng.normal(size=(SIZE, SIZE)), 5) / 8
    return np.asarray(relief < np.quantile(relief, 7 / 8))


def border(rng: np.random.Generator) -> Mask:
    """The slanted border of a scene, a fifth to two thirds of the window."""
    angle = rng.integers(4) * np.pi / 2 + rng.uniform(0.1, 0.4)
    across = ROWS * np.sin(angle) + COLS * np.cos(angle)
    return np.asarray(across > np.quantile(across, rng.uniform(0.2, 0.67)))


def lines(rng: np.random.Generator) -> Mask:
    """Three straight lines, two pixels wide."""
    mask = np.ones((SIZE, SIZE), bool)
    for angle, offset in zip(rng.uniform(0, np.pi, 3), rng.uniform(-80, 80, 3), strict=True):
        mask &= np.abs((ROWS - SIZE / 2) * np.sin(angle) + (COLS - SIZE / 2) * np.cos(angle) - offset) > 1
    return mask


def pixels(rng: np.random.Generator) -> Mask:
    """One pixel in a hundred."""
    return np.asarray(rng.random((SIZE, SIZE)) > 0.01)


def fill_mean(values: Float, mask: Mask) -> Float:
    return np.where(mask[..., None], values, values[mask].mean(axis=0, dtype=np.float32))


def fill_nearest(values: Float, mask: Mask) -> Float:
    rows, cols = distance_transform_edt(~mask, return_distances=False, return_indices=True)
    return np.asarray(values[rows, cols])


SHAPES: dict[str, Shape] = {"disc": disc, "lake": lake, "border": border, "lines": lines, "pixels": pixels}
RULES = {"mean": fill_mean, "nearest": fill_nearest, "mirrored": fill_mirrored}


@dataclass(frozen=True)
class Rim:
    """Grey levels by which a hole changes valid pixels of one distance class."""

    bias: float  # mean over all windows
    rim: float  # mean size of a window's mean
    absolute: float  # mean size of a pixel's difference

    @classmethod
    def of(cls, differences: Float, rings: Mask) -> Rim | None:
        """From (N, H, W, 3) differences within (N, H, W) rings; None where no window has enough of a ring."""
        windows = [changed[ring] for changed, ring in zip(differences, rings, strict=True) if ring.sum() >= SIZE]
        if not windows:
            return None
        means = np.stack([changed.mean(axis=0) for changed in windows])
        absolute = np.mean([np.abs(changed).mean() for changed in windows])
        return cls(float(means.mean()), float(np.abs(means).mean()), float(absolute))

    def __str__(self) -> str:
        return f"{self.bias:+8.2f}{self.rim:8.2f}{self.absolute:8.2f}"


def main() -> None:
    arguments = _parse()
    backend.select()
    generator = load_translator(bundle.DEFAULT_MODEL, "float32").generator
    rng = np.random.default_rng(arguments.seed)
    with tempfile.TemporaryDirectory() as name:
        values = _windows(arguments.scene or _simulated(Path(name)), arguments.windows, rng)
    whole = _translated(generator, values)
    _print_heading()
    panels = []
    for shape, draw in SHAPES.items():
        masks = np.stack([draw(rng) for _ in values])
        distances = np.stack([distance_transform_edt(mask) for mask in masks])
        panels.append([to_rgb(whole[0])])
        for rule, fill in RULES.items():
            filled = np.stack([fill(patch, mask) for patch, mask in zip(values, masks, strict=True)])
            out = _translated(generator, filled)
            _print_row(shape, rule, (out - whole) * GREY_LEVELS, distances)
            panels[-1] += [np.repeat(to_rgb(filled[0, ..., :1]), 3, axis=-1), _with_hole(out[0], masks[0])]
    if arguments.picture:
        _write(arguments.picture, np.concatenate([_side_by_side(row) for row in panels]))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scene", type=Path, help="any SAR scene with a VH or VV band; simulated if left out")
    parser.add_argument("--windows", type=positive, default=24)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--picture", type=Path, help="JPEG or PNG of one window: whole, then each rule's fill and output"
    )
    return parser.parse_args()


def _simulated(folder: Path) -> Path:
    simulate(folder, SimulationOptions(pairs=0, scene=(1024, 1024), seed=1))
    return folder / "scene.tif"


def _windows(path: Path, count: int, rng: np.random.Generator) -> Float:
    """(count, SIZE, SIZE, C) scaled windows without invalid pixels, at random places."""
    radiometry = bundle.describe(bundle.DEFAULT_MODEL).radiometry
    with tempfile.TemporaryDirectory() as name:
        planned = plan(path, Path(name) / "unused.tif", radiometry)
    found = [
        window for _, window in zip(range(count), _whole_windows(planned.scene, planned.scaling, rng), strict=False)
    ]
    if len(found) < count:
        raise SystemExit(f"{path}: {len(found)} windows without holes, expected {count}")
    return np.stack(found)


def _whole_windows(scene: Scene, scaling: SceneScaling, rng: np.random.Generator) -> Iterator[Float]:
    with scene_reader(scene) as reader:
        for _ in range(TRIALS):
            row_off, col_off = rng.integers((scene.height - SIZE + 1, scene.width - SIZE + 1))
            values, mask = reader.read(Window(int(row_off), int(col_off), SIZE, SIZE))
            if mask.all():
                yield scaling.apply(values, mask)


def _translated(generator: Generator, values: Float) -> Float:
    batches = [values[start : start + BATCH] for start in range(0, len(values), BATCH)]
    return np.concatenate([np.asarray(generator(batch)) for batch in batches])


def _print_heading() -> None:
    classes = "".join(f"{f'{low:.0f} to {high:.0f} px':>24}" for low, high in DISTANCES)
    columns = f"{'bias':>8}{'rim':>8}{'abs.':>8}" * len(DISTANCES)
    print(f"{'':18}{classes}\n{'hole':8}{'fill':10}{columns}")


def _print_row(shape: str, rule: str, differences: Float, distances: NDArray[np.float64]) -> None:
    rims = [Rim.of(differences, (distances >= low) & (distances < high)) for low, high in DISTANCES]
    print(f"{shape:8}{rule:10}" + "".join(f"{'-':>24}" if rim is None else str(rim) for rim in rims))


def _with_hole(generated: Float, mask: Mask) -> Picture:
    return np.where(mask[..., None], to_rgb(generated), np.uint8(0))


def _side_by_side(panels: list[Picture]) -> Picture:
    gap = np.full((panels[0].shape[0], GAP, 3), 255, np.uint8)
    return np.concatenate([part for panel in panels for part in (panel, gap)][:-1], axis=1)


def _write(path: Path, picture: Picture) -> None:
    height, width, bands = picture.shape
    driver = "PNG" if path.suffix.lower() == ".png" else "JPEG"
    size = {"height": height, "width": width, "count": bands, "dtype": "uint8"}
    with quiet(), rasterio.open(path, "w", driver=driver, **size) as dataset:
        dataset.write(np.moveaxis(picture, -1, 0))


if __name__ == "__main__":
    begin(main)
