"""Options of `sartranslate train` that name a recipe, change it and show it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import path_types

if TYPE_CHECKING:
    from sartranslate.recipes.architecture import GeneratorConfig
    from sartranslate.recipes.recipe import Recipe

DEFAULT = "sar"
# Options for the fields that are changed most often, and what they are called in a recipe.
FIELDS = {
    "epochs": "optimisation.epochs",
    "batch_size": "optimisation.batch_size",
    "crop": "optimisation.crop",
    "learning_rate": "optimisation.learning_rate",
    "l1_weight": "objective.l1",
    "gan": "objective.gan",
    "architecture": "generator.architecture",
    "filters": "generator.filters",
    "upsampling": "generator.upsampling",
    "discriminator_filters": "discriminator.filters",
}
_OPTIONS = [
    click.option(
        "--recipe",
        "name",
        type=path_types.ANY,
        metavar="NAME|FILE",
        help="sar, sar-finetune, paper, junyanz, tf-tutorial, mlm, or a TOML file.  [default: sar]",
    ),
    click.option(
        "--set", "entries", metavar="PART.FIELD=VALUE", multiple=True, help="Any field of the recipe; may be repeated."
    ),
    click.option(
        "--start-from",
        "start",
        type=path_types.MODEL,
        metavar="default|FILE",
        help="Train the generator of this model on: the embedded one, or one from an earlier run.  [default: random "
        "weights]",
    ),
    click.option("--show-recipe", is_flag=True, help="Print the recipe as TOML, with all that changes it, and end."),
    click.option("--epochs", type=int, help="Passes over all pairs."),
    click.option("--batch-size", type=int, help="Crops in an update."),
    click.option("--crop", type=int, help="Height and width of a crop in pixels."),
    click.option("--learning-rate", type=float, help="Of both networks, before the schedule."),
    click.option("--l1-weight", type=float, help="Weight of the L1 loss."),
    click.option("--gan", type=click.Choice(["vanilla", "lsgan", "hinge", "wgan-gp"]), help="Adversarial loss."),
    click.option(
        "--architecture",
        type=click.Choice(["unet_256", "unet_128", "encoder_decoder", "resnet_6blocks", "resnet_9blocks"]),
        help="Of the generator.",
    ),
    click.option("--filters", type=int, help="Filters of the generator's first layer."),
    click.option("--discriminator-filters", type=int, help="Filters of the discriminator's first layer."),
    click.option(
        "--upsampling",
        type=click.Choice(["transpose", "resize"]),
        help="Transposed convolution as in the paper, or resize + convolution without checkerboards.",
    ),
]


def recipe(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a recipe, gathered into `name` and `changes`, which hold only what the user has given."""

    @wraps(command)
    def gathered(entries: tuple[str, ...], start: Path | None, **settings: Any) -> Any:
        short = {field: settings.pop(option) for option, field in FIELDS.items()}
        changes = {field: value for field, value in short.items() if value is not None}
        if entries:
            from sartranslate.recipes.recipe_file import parse_changes

            told = parse_changes(entries)
            for option, field in FIELDS.items():
                if field in changes and field in told:
                    raise click.UsageError(f"--{option.replace('_', '-')} and --set {field} are both given")
            changes |= told
        return command(changes=changes, start=start, **settings)

    for option in reversed(_OPTIONS):
        gathered = option(gathered)
    return gathered


def chosen(name: str | None, changes: Mapping[str, Any], start: Path | None = None) -> Recipe:
    """The recipe that the options ask for, with the generator of the model to start from."""
    generator = None
    if start:
        from sartranslate.networks import bundle

        generator = bundle.describe(start).generator
    return _changed(DEFAULT if name is None else name, generator, changes)


def _changed(name: str, generator: GeneratorConfig | None, changes: Mapping[str, Any]) -> Recipe:
    """The recipe of that name with another generator, if any, and changed fields."""
    from sartranslate.recipes.recipe_file import find_recipe

    recipe = find_recipe(name)
    return (replace(recipe, generator=generator) if generator else recipe).with_fields(changes)


def as_toml(name: str | None, changes: Mapping[str, Any], start: Path | None) -> str:
    from sartranslate.recipes.recipe_file import to_toml

    return to_toml(chosen(name, changes, start))


def wanted(name: str | None, changes: Mapping[str, Any], begun: Mapping[str, Any]) -> dict[str, Any]:
    """What the options say of a run that was begun with such settings, in their names.

    Of one that began with a model's weights, the generator is that model's and not the recipe's.
    """
    from sartranslate.recipes.recipe import completed, flattened, from_dict

    if name is not None:
        generator = from_dict(begun["recipe"]).generator if begun.get("start") else None
        return flattened({"recipe": _changed(name, generator, changes).as_dict()})
    return {f"recipe.{field}": value for field, value in completed(changes).items()}
