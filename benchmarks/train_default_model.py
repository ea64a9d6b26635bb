"""Train the embedded default model: real pairs plus simulated ones, with the project's own `train`, in three stages.

    python benchmarks/train_default_model.py --data DATA --out RUNS

DATA is what `default_model_data` describes. The first stage has no discriminator: it learns what is where, and the
batch-norm statistics. The others go on from there with the whole GAN and leave those as they are, so that what is
trained is what is used; the last one varies the radar's values less. The weights of the last two are averaged
(Izmailov et al. 2018, arXiv 1803.05407): they have the same statistics, and a mean has fewer faults than either. What
is finished in RUNS is not repeated, and what was interrupted goes on. `RUNS/default.safetensors` is the model as it
is embedded.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from default_model_data import HELD_OUT_SCENE, REPEATS, TEST, VALIDATION, training_folders, validation_folders
from stages import Stage, provenance, train_stages

from sartranslate import backend

SEED = 1
FILTERS = 24
UPDATES = 13_000
LAST_SHARE = 0.25  # of the weights after the last stage in the mean
SHARED = {"generator.upsampling": "resize", "optimisation.batch_size": 4}
VARIED = {**SHARED, "augmentation.speckle": 0.3, "augmentation.gain": 1.0}
CONTENT = {
    **VARIED,
    "objective.gan_weight": 0.0,
    "optimisation.learning_rate": 4e-4,
    "optimisation.decay_start": 0.6,
}
STAGES = (
    Stage("sar", 4 / 13, CONTENT),
    Stage("sar-finetune", 5 / 13, VARIED),
    Stage("sar-finetune", 4 / 13, SHARED),
)


def main() -> None:
    arguments = _parse()
    backend.select()
    folders = training_folders(arguments.data, arguments.out / "pairs")
    held_out = validation_folders(arguments.data, arguments.out / "pairs")
    filters = {"generator.filters": FILTERS, "discriminator.filters": FILTERS}
    run = arguments.out / "default"
    model = train_stages(STAGES, folders, run, seed=SEED, updates=UPDATES, changes=filters, held_out=held_out)
    embedded = _embedded(model, arguments.out / "default.safetensors")
    print(f"{embedded}: {embedded.stat().st_size / 1e6:.1f} MB")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


def _embedded(model: Path, out: Path) -> Path:
    """A mean of the last two stages, named, with the provenance of all, in which no places of a machine are left."""
    from sartranslate import bundle

    stages = provenance(model)
    trained, earlier = bundle.load(model), bundle.load(Path(stages[-1]["start"]))
    for variable, other in zip(trained.model.variables, earlier.model.variables, strict=True):
        variable.assign(LAST_SHARE * variable + (1 - LAST_SHARE) * other)
    training = {
        "stages": [{"recipe": stage["recipe"], "updates": stage["updates"]} for stage in stages],
        "weights": f"those after the last stage, times {LAST_SHARE}, and after the one before, times {1 - LAST_SHARE}",
        "updates": sum(stage["updates"] for stage in stages),
        "seed": SEED,
        "scalings": [_without_place(line) for line in dict.fromkeys(stages[-1]["scalings"])],
        "repeats": REPEATS,
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
    main()
