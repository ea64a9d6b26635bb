"""Whether the spread of samples shows where a translation is wrong, on pairs that no training step has seen.

Windows of the validation split of each folder (all of a folder without splits) are translated and sampled as
`infer --uncertainty` does it, without the blend of neighbours. Spread and absolute error, the mean over the colours in
grey levels, are averaged over the valid pixels of squares of 8 x 8, and their rank correlation (Spearman) is
printed for each folder and for all together. Squares without a valid pixel do not count.

    python benchmarks/uncertainty.py --pairs DIR... [--model FILE] [--samples 8] [--windows 150]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr
from script import begin, positive

from sartranslate.backscatter.radiometry import Mask
from sartranslate.datasets.dataset import open_pairs
from sartranslate.datasets.fixed_windows import windows_to_score
from sartranslate.datasets.pair_check import PairOptions
from sartranslate.datasets.split import SPLITS
from sartranslate.datasets.tiles import find_tiles
from sartranslate.networks import backend, bundle
from sartranslate.quality.uncertainty import GREY_LEVELS
from sartranslate.recipes.augmentation import Patches
from sartranslate.runtimes.translator import Translator, load_translator

SIZE = 256  # pixels, both sides of a window
SQUARE = 8  # pixels
BATCH = 8  # windows

Values = NDArray[np.float64]


class Squares(NamedTuple):
    """Means over squares with valid pixels, in grey levels, and how many windows they come from."""

    spread: Values  # (N,)
    error: Values  # (N,)
    windows: int

    def __str__(self) -> str:
        rank = spearmanr(self.spread, self.error).statistic
        means = f"mean spread {self.spread.mean():.1f}, mean error {self.error.mean():.1f} grey levels"
        return f"{self.windows} windows, {len(self.error)} squares, rank correlation {rank:.3f}, {means}"


def main() -> None:
    arguments = _parse()
    backend.select()
    translator = load_translator(arguments.model, "float32", arguments.samples)
    assert translator.spread is not None
    print(f"{translator.model}: {translator.spread.describe()}", flush=True)
    reading = PairOptions(radiometry=bundle.describe(arguments.model).radiometry)
    found = []
    for folder in arguments.pairs:
        split = SPLITS[1] if find_tiles(folder, SPLITS[1]).count else SPLITS[0]
        if split == SPLITS[0] and (folder / split).is_dir():
            raise SystemExit(f"{folder}: has no {SPLITS[1]}/, and a model may be trained on {split}/")
        windows = list(windows_to_score(open_pairs([folder], split, reading), SIZE, arguments.windows))
        found.append(_squares(windows, translator))
        print(f"{folder} ({split}): {found[-1]}", flush=True)
    print(f"all: {_together(found)}")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path, nargs="+", required=True)
    parser.add_argument("--model", type=Path, default=bundle.DEFAULT_MODEL)
    parser.add_argument("--samples", type=positive, default=8)
    parser.add_argument("--windows", type=positive, default=150, help="of each folder at most, evenly spread")
    return parser.parse_args()


def _squares(windows: list[Patches], translator: Translator) -> Squares:
    parts = [part for first in range(0, len(windows), BATCH) for part in _measured(windows[first:][:BATCH], translator)]
    spread, error = np.concatenate(parts, axis=1)
    return Squares(spread, error, len(windows))


def _measured(windows: list[Patches], translator: Translator) -> Iterator[Values]:
    """(2, N) spreads and errors of the squares of each window of a batch."""
    assert translator.spread is not None
    source = np.stack([patches.source for patches in windows])
    generated, spreads = translator.generator(source), translator.spread(source)
    for patches, picture, spread in zip(windows, generated, spreads, strict=True):
        error = GREY_LEVELS * np.abs(picture - patches.target).mean(axis=-1)
        yield np.stack([_pooled(values, patches.mask) for values in (spread[..., 0], error)])


def _pooled(values: NDArray[np.float32], mask: Mask) -> Values:
    """Means over the valid pixels of each square that has some."""
    sums, counts = (_summed(part) for part in (np.where(mask, values, 0), mask))
    return np.asarray(sums[counts > 0] / counts[counts > 0])


def _summed(values: NDArray[np.float32] | Mask) -> Values:
    """(H, W) to the sums of its squares, (N,)."""
    rows, cols = (side // SQUARE for side in values.shape)
    return np.asarray(values.reshape(rows, SQUARE, cols, SQUARE).sum(axis=(1, 3), dtype=np.float64).ravel())


def _together(found: list[Squares]) -> Squares:
    spread, error = (np.concatenate([squares[side] for squares in found]) for side in (0, 1))
    return Squares(spread, error, sum(squares.windows for squares in found))


if __name__ == "__main__":
    begin(main)
