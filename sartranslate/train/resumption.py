"""What a run that is gone on with has to have in common with how it was begun."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sartranslate.errors import TrainingError
from sartranslate.recipes.recipe import Recipe, contradictions, flattened
from sartranslate.recipes.recipe_file import read_recipe
from sartranslate.storage.digest import differences
from sartranslate.train.course import Course
from sartranslate.train.run_folder import RunFolder
from sartranslate.train.training_data import TrainingData

MOST_NAMED = 20  # differences in one line


def begun_with(path: Path, position: Mapping[str, Any]) -> tuple[dict[str, Any], Course]:
    """The settings of a run, and how far it has come, of its checkpoint. Raises `TrainingError` for a broken one."""
    try:
        return dict(position["settings"]), Course.from_dict(position["course"])
    except TrainingError as error:
        raise TrainingError(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise TrainingError(f"{path}: broken checkpoint: {error!r}") from error


def check_settings(folder: RunFolder, settings: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raise `TrainingError` where the run was begun with other settings than are wanted."""
    anew = f"; another run can go on from its model, --start-from {folder.model}"
    _refuse(folder.path, "this run has", contradictions(flattened(settings), wanted), anew)


def former_names(settings: Mapping[str, Any], now: Mapping[str, Sequence[str]]) -> dict[Path, str]:
    """What renamed folders of pairs were called when the run was begun, by where they are now, one by one."""
    names: dict[Path, str] = {}
    for kind, places in now.items():
        before = [Path(place).name for place in settings[kind]]
        if sorted(before) != sorted(Path(place).name for place in places):  # else they may be in another order
            names |= dict(zip(map(Path, places), before, strict=False))
    return names


def check_pairs(run: Path, data: TrainingData, settings: Mapping[str, Any]) -> None:
    """Raise `TrainingError` where the pairs are not those that the run was begun with."""
    _refuse(run, "other pairs", differences(settings["digests"], data.digests))
    if "arrangement" in settings:  # older checkpoints do not tell
        _refuse(run, "the same pairs, but", differences(settings["arrangement"], data.arrangement))


def check_recipe(folder: RunFolder, recipe: Recipe) -> None:
    """Raise `TrainingError` where the file of the recipe, if it is there, was edited, which would change nothing."""
    if not folder.recipe.exists():
        return
    own, found = (flattened(each.as_dict()) for each in (recipe, read_recipe(folder.recipe)))
    found["name"] = own["name"]  # that of a file may not be one's own
    _refuse(folder.path, f"{folder.recipe.name} was edited: this run has", contradictions(own, found))


def _refuse(run: Path, found: str, differences: Sequence[str], advice: str = "") -> None:
    if differences:
        more = f"; and {len(differences) - MOST_NAMED} more" if len(differences) > MOST_NAMED else ""
        named = "; ".join(differences[:MOST_NAMED])
        raise TrainingError(f"{run}: can not be resumed, {found} {named}{more}{advice}")
