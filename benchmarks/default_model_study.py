"""What pays for the default model, in measured steps, and how far it is ahead of the plain recipe.

    python benchmarks/default_model_study.py --data DATA --out RUNS [--updates 2000] [--filters 16] [--seeds 1]
        [--variants NAME...] [--table]

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

from default_model_data import training_folders, validation_folders
from variants import print_table, result

from sartranslate import backend
from sartranslate.presets import preset

COLUMNS = (
    "psnr",
    "ssim",
    "mae",
    "sliced_wasserstein",
    "high_frequency_ratio",
    "identity_collapse",
    "seam",
)
Stage = tuple[str, float, dict[str, Any]]  # a preset, its share of the updates, and what changes it
ALONE: dict[str, Any] = {"objective.gan_weight": 0.0, "optimisation.learning_rate": 4e-4}
BATCH: dict[str, Any] = {"optimisation.batch_size": 4}
RESIZED: dict[str, Any] = {**BATCH, "generator.upsampling": "resize"}
FROZEN: dict[str, Any] = {**RESIZED, "optimisation.recalibrate": False, "optimisation.frozen_norm": True}
SMALL_PATCHES: dict[str, Any] = {
    **FROZEN,
    "discriminator.layers": 2,
    "discriminator.norm": "instance",
    "discriminator.spectral_norm": True,
    "objective.gan_weight": 0.5,
}
VARIANTS: dict[str, Sequence[Stage]] = {
    "junyanz": [("junyanz", 1.0, {})],
    "sar": [("sar", 1.0, {})],
    "batch 4": [("sar", 1.0, BATCH)],
    "batch 4, resize": [("sar", 1.0, RESIZED)],
    "L1 alone": [("sar", 1.0, {**RESIZED, **ALONE})],
    "L1 alone, shift 4": [("sar", 1.0, {**RESIZED, **ALONE, "objective.shift": 4})],
    "L1, then GAN": [("sar", 0.4, {**RESIZED, **ALONE}), ("sar", 0.6, RESIZED)],
    "L1, then GAN, frozen norm": [("sar", 0.4, {**RESIZED, **ALONE}), ("sar", 0.6, FROZEN)],
    "L1, then GAN of 34 px, half weight": [("sar", 0.7, {**RESIZED, **ALONE}), ("sar", 0.3, SMALL_PATCHES)],
    "L1, then GAN, shift 4": [
        ("sar", 0.4, {**RESIZED, **ALONE, "objective.shift": 4}),
        ("sar", 0.6, {**RESIZED, "objective.shift": 4}),
    ],
    "L1, then lsgan": [("sar", 0.4, {**RESIZED, **ALONE}), ("sar", 0.6, {**RESIZED, "objective.gan": "lsgan"})],
    "L1, then GAN with feature matching": [
        ("sar", 0.4, {**RESIZED, **ALONE}),
        ("sar", 0.6, {**RESIZED, "objective.feature_matching": 10.0}),
    ],
    "L1, then GAN of two scales": [
        ("sar", 0.4, {**RESIZED, **ALONE}),
        ("sar", 0.6, {**RESIZED, "discriminator.scales": 2}),
    ],
}


def main() -> None:
    arguments = _parse()
    if not arguments.table:
        backend.select()
        folders = training_folders(arguments.data, arguments.out / "pairs")
        held_out = validation_folders(arguments.data, arguments.out / "pairs")
        for seed in range(1, arguments.seeds + 1):
            for name in arguments.variants:
                train = partial(_train, arguments, VARIANTS[name], seed, folders)
                result(arguments.out, name, seed, train, partial(scores, held_out))
    print_table(arguments.out, arguments.variants, COLUMNS)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--updates", type=int, default=2000)
    parser.add_argument("--filters", type=int, default=16)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--table", action="store_true", help="print what is there")
    return parser.parse_args()


def _train(arguments: argparse.Namespace, stages: Sequence[Stage], seed: int, folders: list[Path], place: Path) -> None:
    from sartranslate.training import TrainingOptions, train

    filters = {"generator.filters": arguments.filters, "discriminator.filters": arguments.filters}
    start = None
    for number, (name, share, changes) in enumerate(stages, 1):
        last = number == len(stages)
        updates = round(share * arguments.updates)
        recipe = preset(name).with_fields({**filters, **changes, "optimisation.updates": updates})
        run = place if last else place.with_name(f"{place.name}_stage_{number}")
        train(folders, run, TrainingOptions(recipe, seed, start=start, overwrite=True))
        start = run / "model.safetensors"


def scores(held_out: Sequence[Path], model: Path) -> dict[str, float]:
    """Of `sartranslate evaluate` on the validation part, with the updates of the generator in all stages."""
    from sartranslate import bundle
    from sartranslate.evaluation import evaluate_pairs
    from sartranslate.inference import load_translator
    from sartranslate.pair_check import PairOptions
    from sartranslate.tile_images import Translation, open_evaluated

    evaluated = open_evaluated(list(held_out), "val", PairOptions(bundle.describe(model).radiometry))
    translator = load_translator(model)
    translation = Translation(translator.generator, batch_size=translator.batch_size)
    evaluation, _ = evaluate_pairs(evaluated, translation, translator.model)
    found = {name: score.value for name, score in evaluation.methods[0].scores.items() if name in COLUMNS}
    return {**found, "updates": _updates(model)}


def _updates(model: Path) -> int:
    from sartranslate import bundle

    training = bundle.describe(model).training
    earlier = training.get("start")
    return int(training["updates"]) + (_updates(Path(earlier)) if earlier else 0)


if __name__ == "__main__":
    main()
