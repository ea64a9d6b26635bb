"""Train the embedded default model: real pairs plus simulated ones, with the project's own `train`, in four stages.

    python benchmarks/train_default_model.py --data DATA --out RUNS [--backend torch] [--subtract-haze]
        [--speckle correlated]

DATA is what `default_model_data` describes; pairs are registered. The first stage has no discriminator: it learns what
is where, and the batch-norm statistics. The others go on from there with the whole GAN and leave those as they are, so
that what is trained is what is used; the third one sees more of rural places, and its discriminator judges detail
alone, so that L1 decides on colours at large. To its weights a ninth of what its first 3,668 updates have changed is
added, for fewer seams and more detail. The last one is the same on pairs whose haze has less colour, so that woods are
less blue, and less than half of what it changes is taken: more brings seams. What is finished in RUNS is not repeated,
and what was interrupted goes on. The embedded model has this recipe and neither of the options for data, but its first
two stages ran on a GPU with `--backend torch`, where the second one was ended by the time after 7,120 updates, the
others on a processor; and for its last one half of the simulated pairs had correlated speckle.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from default_model_data import (
    HELD_OUT_SCENE,
    NEUTRAL,
    REPEATS,
    SIMULATED_SEEDS,
    TEST,
    VALIDATION,
    Preparation,
    add_arguments,
    training_folders,
    validation_folders,
)
from script import begin, folder
from stages import KEPT, Stage, provenance, train_stages

from sartranslate.networks import backend

SEED = 1
FILTERS = 24
UPDATES = 19_000
KEPT_AFTER = 3668  # updates of the third stage, and
ADDED = 0.11  # of what the weights have changed by then is added to those at its end
COLOUR_UPDATES = 2620  # of the stage after that, and
TAKEN = 0.43  # of what they change
SHARED = {
    "generator.architecture": "unet_128",
    "generator.upsampling": "resize",
    "augmentation.speckle": 0.3,
    "augmentation.gain": 1.0,
    "validation.every": 20,
}
CONTENT = {
    **SHARED,
    "objective.gan_weight": 0.0,
    "objective.ssim": 20.0,
    "optimisation.batch_size": 16,
    "optimisation.learning_rate": 4e-4,
    "optimisation.decay_start": 0.4,
}
PICTURE = {**SHARED, "objective.gan_weight": 6.0, "objective.ssim": 5.0, "objective.feature_matching": 5.0}
DETAIL = {
    **PICTURE,
    "discriminator.detail": 12,
    "optimisation.batch_size": 4,
    "optimisation.decay_start": 0.4,
    "validation.every": 1,
}
RURAL = {**dict.fromkeys(REPEATS, 2), **{f"sim{seed}": 2 for seed in SIMULATED_SEEDS}}
STAGES = (
    Stage("sar", 4 / 19, CONTENT),
    Stage("sar-finetune", 9 / 19, {**PICTURE, "optimisation.batch_size": 16}),
    Stage("sar-finetune", 6 / 19, DETAIL, RURAL, KEPT_AFTER),
)
COLOURS = Stage("sar-finetune", 1.0, {**DETAIL, "optimisation.learning_rate": 1e-4}, RURAL)


def main() -> None:
    arguments = _parse()
    backend.select(arguments.backend)
    prepared = Preparation(True, arguments.subtract_haze, arguments.speckle)
    model = _trained(STAGES, arguments, prepared, "default", UPDATES)
    detailed = _with_detail(model, arguments.out / "detailed.safetensors", prepared)
    neutral = prepared._replace(neutral_haze=not arguments.subtract_haze)
    model = _trained((COLOURS,), arguments, neutral, "colours", COLOUR_UPDATES, detailed)
    embedded = _with_colours(detailed, model, arguments.out / "default.safetensors")
    print(f"{embedded}: {embedded.stat().st_size / 1e6:.1f} MB")


def _trained(
    stages: Sequence[Stage],
    arguments: argparse.Namespace,
    prepared: Preparation,
    run: str,
    updates: int,
    start: Path | None = None,
) -> Path:
    pairs = arguments.out / prepared.folder
    return train_stages(
        stages,
        training_folders(arguments.data, pairs, prepared),
        arguments.out / run,
        seed=SEED,
        updates=updates,
        changes={"generator.filters": FILTERS, "discriminator.filters": FILTERS},
        held_out=validation_folders(arguments.data, pairs, prepared),
        start=start,
    )


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=folder, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--backend", choices=backend.BACKENDS)
    add_arguments(parser)
    return parser.parse_args()


def _with_colours(detailed: Path, model: Path, out: Path) -> Path:
    """The model before the last stage and a share of what that has changed, with the provenance of both."""
    from sartranslate.networks import bundle

    before, after = bundle.load(detailed), bundle.load(model)
    for variable, later in zip(before.model.variables, after.model.variables, strict=True):
        variable.assign(variable + TAKEN * (later - variable))
    earlier, last = before.description.training, after.description.training
    stages = [*earlier["stages"], {"recipe": last["recipe"], "updates": last["updates"]}]
    weights = f"{earlier['weights']}; of what the last stage has changed then, {TAKEN}"
    updates = earlier["updates"] + last["updates"]
    neutral = {"neutral_haze_of_last_stage": NEUTRAL}
    training = {**earlier, **neutral, "stages": stages, "weights": weights, "updates": updates}
    bundle.save(out, replace(before, description=replace(before.description, training=training)))
    return out


def _with_detail(model: Path, out: Path, prepared: Preparation) -> Path:
    """The third stage and a share of its way, named, with the provenance of all, without places of a machine."""
    from sartranslate.networks import bundle

    stages = provenance(model)
    trained, kept, earlier = map(bundle.load, (model, model.with_name(KEPT), Path(stages[-1]["start"])))
    for variable, later, other in zip(*(each.model.variables for each in (trained, kept, earlier)), strict=True):
        variable.assign(variable + ADDED * (later - other))
    training = {
        "stages": [{"recipe": stage["recipe"], "updates": stage["updates"]} for stage in stages],
        "weights": f"those after the third stage, plus {ADDED} of what its first {KEPT_AFTER} updates have changed",
        "updates": sum(stage["updates"] for stage in stages),
        "seed": SEED,
        "scalings": [_without_place(line) for line in dict.fromkeys(stages[-1]["scalings"])],
        "pairs": prepared._asdict(),
        "repeats": REPEATS,
        "repeats_of_last_stage": RURAL,
        "held_out": [*sorted(VALIDATION), *sorted(TEST), HELD_OUT_SCENE],
        "attribution": "Contains modified Copernicus Sentinel data 2015-2023",
    }
    description = replace(trained.description, name="sartranslate default", training=training)
    bundle.save(out, replace(trained, description=description))
    return out


def _without_place(scaling: str) -> str:
    """A line about a folder, with the folder's name alone.

    >>> _without_place("/data/pairs/la: 38 pairs: decibels")
    'la: 38 pairs: decibels'
    """
    place, rest = scaling.split(":", 1)
    return f"{Path(place).name}:{rest}"


if __name__ == "__main__":
    begin(main)
