"""What pays for the default model, in measured steps, and how far it is ahead of the plain recipe.

    python benchmarks/default_model_study.py --data DATA --out RUNS [--updates N] [--filters 24] [--seeds 1]
        [--variants NAME...] [--registered] [--subtract-haze] [--speckle correlated] [--start MODEL] [--backend torch]
        [--table]

DATA is what `default_model_data` describes; every variant is trained on its training part with the same filters and
makes the same number of updates of the generator in all, at the batch size of its recipe. Scores are those of
`sartranslate evaluate` on the validation part; "junyanz" is tested as its authors test it, with dropout and the
statistics of each window. What is finished in RUNS is not repeated; `--table` only prints what is there.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from default_model_data import Preparation, add_arguments, training_folders, validation_folders
from script import begin, folder, positive
from stages import Stage, provenance, train_stages
from train_default_model import FILTERS, STAGES, UPDATES
from variants import print_table, result

from sartranslate.networks import backend

COLUMNS = (
    "psnr",
    "ssim",
    "mae",
    "sliced_wasserstein",
    "high_frequency_ratio",
    "identity_collapse",
    "seam",
)
BATCH: dict[str, Any] = {"optimisation.batch_size": 4}
SHARED: dict[str, Any] = {**BATCH, "generator.upsampling": "resize"}
VARIED: dict[str, Any] = {**SHARED, "augmentation.speckle": 0.3, "augmentation.gain": 1.0}
ALONE: dict[str, Any] = {**SHARED, "objective.gan_weight": 0.0, "optimisation.learning_rate": 4e-4}
CONTENT: dict[str, Any] = {**ALONE, **VARIED, "optimisation.decay_start": 0.6}
LARGE: dict[str, Any] = {**VARIED, "optimisation.batch_size": 32}
LARGE_ALONE: dict[str, Any] = {
    **LARGE,
    "objective.gan_weight": 0.0,
    "optimisation.learning_rate": 6e-4,
    "optimisation.decay_start": 0.5,
}
GONE_ON = 4416  # updates of "content, then detail"
FROZEN: dict[str, Any] = {"optimisation.recalibrate": False, "optimisation.frozen_norm": True}


def _then(changes: dict[str, Any], content: dict[str, Any] | None = None) -> list[Stage]:
    """L1 alone, then a GAN with these changes."""
    return [Stage("sar", 4 / 9, {**ALONE, **(content or {})}), Stage("sar", 5 / 9, {**SHARED, **changes})]


def _in_large_batches(changes: dict[str, Any], content: dict[str, Any] | None = None) -> list[Stage]:
    """L1 alone, then `sar-finetune` at a rate that suits its batches, with these changes."""
    judged = {**LARGE, "optimisation.learning_rate": 3e-4, **changes}
    return [Stage("sar", 3 / 8, {**LARGE_ALONE, **(content or {})}), Stage("sar-finetune", 5 / 8, judged)]


def _sharpened(updates: int, batch: int, changes: dict[str, Any], *, likeness: float) -> Stage:
    """`sar-finetune` for so many of the updates of `GONE_ON`, with SSIM and feature matching of this weight."""
    terms = {"objective.ssim": likeness, "objective.feature_matching": likeness}
    return Stage("sar-finetune", updates / GONE_ON, {**VARIED, **terms, "optimisation.batch_size": batch, **changes})


VARIANTS: dict[str, Sequence[Stage]] = {
    "default model": STAGES,
    "U-Net 256, two stages": [Stage("sar", 4 / 9, CONTENT), Stage("sar-finetune", 5 / 9, VARIED)],
    "junyanz": [Stage("junyanz", 1.0, {})],
    "sar": [Stage("sar", 1.0, {})],
    "batch 4": [Stage("sar", 1.0, BATCH)],
    "batch 4, resize": [Stage("sar", 1.0, SHARED)],
    "L1 alone": [Stage("sar", 1.0, ALONE)],
    "L1 alone, speckle in every crop": [Stage("sar", 1.0, {**ALONE, "augmentation.speckle_share": 1.0})],
    "L1 alone, shift 4": [Stage("sar", 1.0, {**ALONE, "objective.shift": 4})],
    "L1, then GAN": _then({}),
    "L1, then GAN, frozen norm": _then(FROZEN),
    "L1, then GAN, frozen norm, instance norm": _then({**FROZEN, "discriminator.norm": "instance"}),
    "L1, then sar-finetune": [Stage("sar", 4 / 9, ALONE), Stage("sar-finetune", 5 / 9, SHARED)],
    "L1, then GAN, shift 4": _then({"objective.shift": 4}, content={"objective.shift": 4}),
    "L1, then lsgan": _then({"objective.gan": "lsgan"}),
    "L1, then GAN with feature matching": _then({"objective.feature_matching": 10.0}),
    "L1, then GAN of two scales": _then({"discriminator.scales": 2}),
    "batch 32": _in_large_batches({}),
    "batch 32, GAN weight 10": _in_large_batches({"objective.gan_weight": 10.0}),
    "batch 32, SSIM": _in_large_batches({"objective.ssim": 20.0}, content={"objective.ssim": 20.0}),
    "batch 32, feature matching": _in_large_batches({"objective.gan_weight": 8.0, "objective.feature_matching": 10.0}),
    "content, then detail": [
        Stage(
            "sar",
            600 / GONE_ON,
            {
                **LARGE_ALONE,
                "objective.ssim": 20.0,
                "optimisation.learning_rate": 4e-4,
                "optimisation.decay_start": 0.4,
            },
        ),
        _sharpened(716, 8, {"objective.gan_weight": 7.0, "optimisation.schedule": "constant"}, likeness=10.0),
        _sharpened(2400, 4, {"objective.gan_weight": 10.0, "optimisation.decay_start": 0.4}, likeness=5.0),
        _sharpened(
            700,
            4,
            {"objective.gan_weight": 11.0, "optimisation.learning_rate": 1.5e-4, "optimisation.decay_start": 0.4},
            likeness=5.0,
        ),
    ],
}


def main() -> None:
    arguments = _parse()
    if not arguments.table:
        backend.select(arguments.backend)
        prepared = Preparation(arguments.registered, arguments.subtract_haze, arguments.speckle)
        pairs = arguments.out / prepared.folder
        folders = training_folders(arguments.data, pairs, prepared)
        held_out = validation_folders(arguments.data, pairs, prepared)
        for seed in arguments.seeds:
            for name in arguments.variants:
                train = partial(_train, arguments, VARIANTS[name], seed, folders)
                result(arguments, name, seed, train, partial(scores, held_out))
    print_table(arguments.out, arguments.variants, COLUMNS)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=folder, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--updates", type=positive, default=UPDATES)
    parser.add_argument("--filters", type=positive, default=FILTERS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], metavar="SEED", help="one after the other")
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS), metavar="NAME")
    parser.add_argument("--registered", action="store_true", help="train on registered pairs")
    add_arguments(parser)
    parser.add_argument("--start", type=Path, help="model that the first stage goes on from")
    parser.add_argument("--backend", choices=backend.BACKENDS)
    parser.add_argument("--table", action="store_true", help="print what is there")
    return parser.parse_args()


def _train(arguments: argparse.Namespace, stages: Sequence[Stage], seed: int, folders: list[Path], place: Path) -> None:
    filters = {"generator.filters": arguments.filters, "discriminator.filters": arguments.filters}
    train_stages(stages, folders, place, seed=seed, updates=arguments.updates, changes=filters, start=arguments.start)


def scores(held_out: Sequence[Path], model: Path) -> dict[str, float]:
    """Of `sartranslate evaluate` on the validation part, with the updates of the generator in all stages."""
    from sartranslate.datasets.pair_check import PairOptions
    from sartranslate.evaluate.evaluation import evaluate_pairs
    from sartranslate.evaluate.tile_images import Translation, open_evaluated
    from sartranslate.networks import bundle
    from sartranslate.runtimes.translator import load_translator

    evaluated = open_evaluated(list(held_out), "val", PairOptions(bundle.describe(model).radiometry))
    translator = load_translator(model)
    translation = Translation(translator.generator, batch_size=translator.batch_size)
    evaluation, _ = evaluate_pairs(evaluated, translation, translator.model)
    found = {name: score.value for name, score in evaluation.methods[0].scores.items() if name in COLUMNS}
    return {**found, "updates": sum(stage["updates"] for stage in provenance(model))}


if __name__ == "__main__":
    begin(main)
