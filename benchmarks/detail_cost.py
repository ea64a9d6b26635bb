"""What detail costs in scores: the blurred pictures of one model with the finest levels of another one's detail.

    python benchmarks/detail_cost.py --content MODEL --pairs DIR... [--picture MODEL] [--split val]

`--content` is a model trained without a discriminator, such as the first stage of `train_default_model`; `--picture` is
one with it, by default the embedded one. From each level of the Laplacian pyramid of both pictures the coarser ones are
taken of the first and the finer ones of the second. Beside that pictures are shares of both, pixel by pixel. These
would be the best possible if the first had the least squared error, and the second the least of all that are
distributed as the truth (Freirich et al. 2021, NeurIPS, for the Wasserstein-2 distance). Scores are those of
`sartranslate evaluate`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from script import begin

from sartranslate.backscatter.radiometry import Float
from sartranslate.datasets.pair_check import PairOptions
from sartranslate.evaluate.tile_images import EvaluatedPairs, TileImages, Translation, open_evaluated
from sartranslate.networks import backend, bundle
from sartranslate.quality.pyramid import doubled, pyramid
from sartranslate.quality.scores import METRICS
from sartranslate.quality.scoring import Picture, Sample, Scoring
from sartranslate.runtimes.translator import load_translator

LEVELS = 4  # that are taken of the second model at most
SHARES = (0.25, 0.5, 0.75)  # of the second one
SCORES = ("psnr", "ssim", "mae", "sliced_wasserstein", "high_frequency_ratio")


def main() -> None:
    arguments = _parse()
    backend.select()
    reading = PairOptions(bundle.describe(arguments.content).radiometry)
    evaluated = open_evaluated(arguments.pairs, arguments.split, reading)
    images = [_images(evaluated, model) for model in (arguments.content, arguments.picture)]
    scoring = Scoring(images[0].places)
    for sample, pictures in _mixed(*images):
        scoring.add(sample, pictures)
    print(scoring.describe())
    for name in pictures:
        scores = scoring.scores(name)
        print(f"{name:24s}" + "  ".join(f"{METRICS[score].label} {scores[score].value:.4g}" for score in SCORES))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--content", type=Path, required=True)
    parser.add_argument("--picture", type=Path, default=bundle.DEFAULT_MODEL)
    parser.add_argument("--pairs", type=Path, nargs="+", required=True)
    parser.add_argument("--split", default="val")
    return parser.parse_args()


def _images(evaluated: EvaluatedPairs, model: Path) -> TileImages:
    translator = load_translator(model)
    return TileImages(evaluated.pairs, Translation(translator.generator, batch_size=translator.batch_size))


def _mixed(content: TileImages, picture: TileImages) -> Iterator[tuple[Sample, dict[str, Picture]]]:
    for (sample, blurred), (_, sharp) in zip(content.translated(), picture.translated(), strict=True):
        coarse, fine = (list(pyramid(image.astype(np.float32))) for image in (blurred, sharp))
        pictures = {"content": blurred}
        for levels in range(1, LEVELS + 1):
            pictures[f"finest {levels} of the other"] = _joined([*fine[:levels], *coarse[levels:]])
        way = sharp.astype(np.float32) - blurred
        for share in SHARES:
            pictures[f"{share} of the other"] = _bytes(blurred + np.float32(share) * way)
        yield sample, {**pictures, "picture": sharp}


def _joined(levels: list[Float]) -> NDArray[np.uint8]:
    image = levels[-1]
    for detail in levels[-2::-1]:
        image = detail + doubled(image, detail.shape[:2])
    return _bytes(image)


def _bytes(image: Float) -> NDArray[np.uint8]:
    return np.rint(np.clip(image, 0, 255)).astype(np.uint8)


if __name__ == "__main__":
    begin(main)
