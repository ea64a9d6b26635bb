"""Train the embedded default model: real pairs plus simulated ones, with the project's own `train`, in three stages.

    python benchmarks/train_default_model.py --data DATA --out RUNS

DATA is what `default_model_data` describes. The first stage has no discriminator: it learns what is where, and the
batch-norm statistics. The others go on from there with the whole GAN and leave those as they are, so that what is
trained is what is used; the last one varies the radar's values less. What is finished in RUNS is not repeated, and
what was interrupted goes on. The model is `RUNS/default/model.safetensors`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from default_model_data import training_folders, validation_folders
from stages import Stage, train_stages

from sartranslate import backend

SEED = 1
FILTERS = 24
UPDATES = 13_000
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
    print(f"{model}: {model.stat().st_size / 1e6:.1f} MB")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
