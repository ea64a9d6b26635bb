"""The order of Isola et al. 2017 (tables 1, 2 and 3) on real SAR and optical data, as this trainer finds it.

    python benchmarks/ablation.py --data DATA --out RUNS [--updates 3000] [--seeds 0 1 2] [--filters 16]

DATA holds `s1s2/sar` and `s1s2/optical`: Sentinel-1 VH and Sentinel-2 fragments of Los Angeles, the held-out ones
contiguous. Every variant makes the same number of updates on the same crops. What is finished in RUNS already is not
repeated, so the script can be interrupted; `--table` only prints what is there.

Scores of the held-out fragments: PSNR and SSIM; the sliced Wasserstein distance of local patches and the energy of the
finest detail against the truth's, for realism; and the correlation of colours with the truth's over blocks of 16 px,
in place of the paper's FCN score: whether the picture is one of this ground, whatever its texture is like.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from script import begin, folder, positive
from variants import print_table, result

from sartranslate.backscatter.radiometry import to_rgb
from sartranslate.networks import backend
from sartranslate.quality import metrics
from sartranslate.quality.pyramid import high_frequency_ratio
from sartranslate.quality.wasserstein import sliced_wasserstein
from sartranslate.recipes.presets import preset
from sartranslate.recipes.recipe import Recipe
from sartranslate.train.validation import translated

HELD_OUT = ("la_047", "la_048", "la_060", "la_061")
VARIANTS: dict[str, dict[str, Any]] = {
    "L1": {"objective.gan_weight": 0.0},
    "L1 + cGAN": {},
    "cGAN": {"objective.l1": 0.0},
    "L1, encoder-decoder": {"objective.gan_weight": 0.0, "generator.architecture": "encoder_decoder"},
    "L1 + cGAN, encoder-decoder": {"generator.architecture": "encoder_decoder"},
    "L1 + cGAN, 1 x 1": {"discriminator.layers": 0},
    "L1 + cGAN, 16 x 16": {"discriminator.layers": 1},
}
CHOSEN = ("L1", "L1 + cGAN", "L1, encoder-decoder", "L1 + cGAN, encoder-decoder", "L1 + cGAN, 1 x 1")
COLUMNS = ("psnr", "ssim", "sliced_wasserstein", "high_frequency_ratio", "block_correlation")
SCORED_WINDOWS = 64
BLOCK = 16  # pixels; several times the misregistration of the pairs


def main() -> None:
    arguments = _parse()
    out = Path(arguments.out)
    if not arguments.table:
        backend.select()
        for seed in arguments.seeds:
            for name in arguments.variants:
                _result(arguments, out, name, seed)
    print_table(out, arguments.variants, COLUMNS)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=folder, required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--updates", type=positive, default=3000)
    parser.add_argument("--batch-size", type=positive, default=2)
    parser.add_argument("--filters", type=positive, default=16)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="SEED")
    parser.add_argument("--variants", nargs="+", default=list(CHOSEN), choices=list(VARIANTS))
    parser.add_argument("--table", action="store_true", help="print what is there")
    return parser.parse_args()


def _result(arguments: argparse.Namespace, out: Path, name: str, seed: int) -> None:
    from sartranslate.networks import bundle
    from sartranslate.train.training import TrainingOptions, train
    from sartranslate.train.training_data import DataOptions

    pairs, held_out = _folders(Path(arguments.data), out)
    data = DataOptions(validation=(held_out,))

    def trained(place: Path) -> None:
        train([pairs], place, TrainingOptions(_recipe(arguments, name), seed, data=data, overwrite=True))

    def scored(model: Path) -> dict[str, float]:
        loaded = bundle.load(model)
        updates = loaded.description.training["updates"]
        return {**_scores(held_out, backend.predictor(loaded.model)), "updates": updates}

    result(arguments, name, seed, trained, scored)


def _recipe(arguments: argparse.Namespace, name: str) -> Recipe:
    shared = {
        "optimisation.updates": arguments.updates,
        "optimisation.batch_size": arguments.batch_size,
        "generator.filters": arguments.filters,
        "discriminator.filters": arguments.filters,
    }
    return preset("sar").with_fields({**shared, **VARIANTS[name]})


def _folders(data: Path, out: Path) -> tuple[Path, Path]:
    """Folders of links: the fragments to train on, and those held out."""
    for side in ("sar", "optical"):
        for tile in sorted((data / "s1s2" / side).glob("la_*.tif")):
            part = "held_out" if tile.stem in HELD_OUT else "pairs"
            link = out / part / side / tile.name
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.exists():
                link.symlink_to(tile.resolve())
    return out / "pairs", out / "held_out"


def _scores(held_out: Path, generator: Any) -> dict[str, float]:
    from sartranslate.datasets.dataset import open_pairs
    from sartranslate.datasets.fixed_windows import windows_to_score

    windows = list(windows_to_score(open_pairs([held_out]), 256, SCORED_WINDOWS))
    generated = np.stack([to_rgb(image) for image in translated(generator, windows)])
    truth = np.stack([to_rgb(patches.target) for patches in windows])
    distance = sliced_wasserstein(generated, truth, np.random.default_rng(0))
    return {
        "psnr": metrics.psnr(generated, truth),
        "ssim": metrics.ssim(generated, truth),
        "sliced_wasserstein": distance.mean,
        "high_frequency_ratio": high_frequency_ratio(generated, truth),
        "block_correlation": _block_correlation(generated, truth),
    }


def _block_correlation(generated: NDArray[np.uint8], truth: NDArray[np.uint8]) -> float:
    """Pearson's, of the mean colours of blocks over all windows, averaged over the three bands."""
    count, height, width, bands = truth.shape
    blocks = (count, height // BLOCK, BLOCK, width // BLOCK, BLOCK, bands)
    fake, real = (images.reshape(blocks).mean(axis=(2, 4)).reshape(-1, bands) for images in (generated, truth))
    return float(np.mean([np.corrcoef(fake[:, band], real[:, band])[0, 1] for band in range(bands)]))


if __name__ == "__main__":
    begin(main)
