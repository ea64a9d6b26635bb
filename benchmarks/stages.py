"""Training in stages: each goes on from the model of the one before, for its share of the updates."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sartranslate.recipes.presets import preset
from sartranslate.recipes.recipe import Recipe, flattened

KEPT = "kept.safetensors"


class Stage(NamedTuple):
    """A recipe: what changes a preset, and for how many of the updates of all stages."""

    preset: str
    share: float
    changes: Mapping[str, Any]
    repeats: Mapping[str, int] = {}  # how many times over a folder of this name is taken, if not once
    kept_after: int = 0  # updates, at the end of an epoch that is looked at, whose model is kept as KEPT; 0: none is


def train_stages(
    stages: Sequence[Stage],
    folders: Sequence[Path],
    out: Path,
    *,
    seed: int,
    updates: int,
    changes: Mapping[str, Any],
    held_out: Sequence[Path] = (),
    start: Path | None = None,
) -> Path:
    """The model of the last stage, whose run is `out`; those before have their runs beside it.

    The first one begins with the model `start`, if any. `changes` are common to all stages. What is finished is not
    repeated, and what was interrupted goes on; runs of another recipe or seed raise `TrainingError`.
    """
    for number, stage in enumerate(stages, 1):
        run = out if number == len(stages) else out.with_name(f"{out.name}_stage_{number}")
        whole = {**changes, **stage.changes, "optimisation.updates": max(1, round(stage.share * updates))}
        taken = [folder for folder in folders for _ in range(stage.repeats.get(folder.name, 1))]
        _train(preset(stage.preset).with_fields(whole), seed, taken, run, start, held_out, stage.kept_after)
        start = run / "model.safetensors"
    return out / "model.safetensors"


def provenance(model: Path) -> list[Mapping[str, Any]]:
    """What each stage's bundle says of its training, the first stage first."""
    from sartranslate.networks import bundle

    training = bundle.describe(model).training
    start = training.get("start")
    return [*(provenance(Path(start)) if start else ()), training]


def _train(
    recipe: Recipe,
    seed: int,
    folders: Sequence[Path],
    run: Path,
    start: Path | None,
    held_out: Sequence[Path],
    kept_after: int,
) -> None:
    from sartranslate.train.session import Hooks
    from sartranslate.train.training import TrainingOptions, resume, train
    from sartranslate.train.training_data import DataOptions

    hooks = Hooks(watch=_watch(run, kept_after))
    data = DataOptions(validation=tuple(held_out))
    wanted = flattened({"recipe": recipe.as_dict(), "seed": seed})
    if (run / "checkpoint.safetensors").exists():
        resume(run, folders, wanted, TrainingOptions(data=data), hooks)
    else:
        train(folders, run, TrainingOptions(recipe, seed, data=data, start=start, overwrite=True), hooks)


def _watch(run: Path, kept_after: int) -> Callable[[Any], None]:
    def watch(progress: Any) -> None:
        if progress.update % 100 == 0:
            losses = ", ".join(f"{name} {loss:.3f}" for name, loss in progress.losses.items())
            print(f"{run.name}: update {progress.update} of {progress.updates}: {losses}", flush=True)
        if kept_after and progress.update == kept_after + 1:
            shutil.copy(run / "model.safetensors", run / KEPT)

    return watch
