"""Train the embedded default model: real pairs plus simulated ones, with the project's own `train`, in two stages.

    python benchmarks/train_default_model.py --data DATA --out RUNS

DATA is what `default_model_data` describes. The first stage has no discriminator: it learns what is where, at about
twice the speed. The second one goes on from there with the whole GAN, on the batch-norm statistics that the first has
left, so that what is trained is what is used. What is finished in RUNS is not repeated, and
what was interrupted goes on. The model is `RUNS/picture/model.safetensors`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from default_model_data import training_folders, validation_folders

from sartranslate import backend
from sartranslate.presets import preset

SEED = 1
SHARED: dict[str, Any] = {
    "generator.filters": 24,
    "generator.upsampling": "resize",
    "discriminator.filters": 24,
    "optimisation.batch_size": 4,
}
STAGES: dict[str, dict[str, Any]] = {
    "content": {
        "objective.gan_weight": 0.0,
        "optimisation.updates": 4000,
        "optimisation.learning_rate": 4e-4,
        "optimisation.decay_start": 0.6,
    },
    "picture": {
        "optimisation.updates": 6000,
        "optimisation.recalibrate": False,
        "optimisation.frozen_norm": True,
    },
}


def main() -> None:
    arguments = _parse()
    backend.select()
    folders = training_folders(arguments.data, arguments.out / "pairs")
    held_out = validation_folders(arguments.data, arguments.out / "pairs")
    start = None
    for stage in STAGES:
        start = _trained(arguments.out / stage, stage, folders, held_out, start)
    print(f"{start}: {start.stat().st_size / 1e6:.1f} MB" if start else "no stages")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


def _trained(run: Path, stage: str, folders: list[Path], held_out: list[Path], start: Path | None) -> Path:
    """The model of a stage, which is trained as far as it is not."""
    from sartranslate.session import Hooks
    from sartranslate.training import TrainingOptions, resume, train
    from sartranslate.training_data import DataOptions

    hooks = Hooks(watch=lambda progress: _tell(stage, progress))
    data = DataOptions(validation=tuple(held_out))
    if (run / "checkpoint.safetensors").exists():
        resume(run, folders, options=TrainingOptions(data=data), hooks=hooks)
    else:
        recipe = preset("sar").with_fields({**SHARED, **STAGES[stage]})
        train(folders, run, TrainingOptions(recipe, SEED, data=data, start=start), hooks)
    return run / "model.safetensors"


def _tell(stage: str, progress: Any) -> None:
    if progress.update % 100 == 0:
        losses = ", ".join(f"{name} {loss:.3f}" for name, loss in progress.losses.items())
        print(f"{stage}: update {progress.update} of {progress.updates}: {losses}", flush=True)


if __name__ == "__main__":
    main()
