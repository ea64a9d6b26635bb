"""A whole recipe of training: networks, losses, optimisation, augmentation and validation.

As text it is TOML, a table for each part; a text may hold any of the fields, the rest keeps its values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from sartranslate.errors import OptionError
from sartranslate.limits import check_choices, check_whole
from sartranslate.recipes.architecture import DiscriminatorConfig, GeneratorConfig
from sartranslate.recipes.augmentation import Augmentation
from sartranslate.recipes.initialisation import Initialisation
from sartranslate.recipes.objective import SHIFT_BLOCK, Objective
from sartranslate.recipes.optimisation import Optimisation

SCORES = {"ssim": 1, "psnr": 1, "mae": -1, "sliced_wasserstein": -1}  # 1: larger is better
EPOCHS, UPDATES = "optimisation.epochs", "optimisation.updates"  # of which updates, where there are any, decide
FROM_DATA = ("source_bands", "target_bands")  # of the generator, which the pairs decide


@dataclass(frozen=True)
class Validation:
    """What is looked at between epochs; raises `OptionError` for a value out of range."""

    score: str = "ssim"  # one of SCORES, by which the best generator is kept
    windows: int = 64  # of the validation pairs at most, evenly spread
    examples: int = 4  # rows of the validation sheet
    every: int = 1  # epochs from one look to the next; the last one is always looked at

    def __post_init__(self) -> None:
        check_choices(self, score=tuple(SCORES))
        check_whole(self, windows=(1, 10**6), examples=(1, 64), every=(1, 10**6))


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training run, but for its pairs and its seed.

    Raises `OptionError` for parts that do not go together.
    """

    name: str = "plain"
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    initialisation: Initialisation = field(default_factory=Initialisation)
    objective: Objective = field(default_factory=Objective)
    optimisation: Optimisation = field(default_factory=Optimisation)
    augmentation: Augmentation = field(default_factory=Augmentation)
    validation: Validation = field(default_factory=Validation)

    def __post_init__(self) -> None:
        crop, multiple = self.optimisation.crop, self.generator.size_multiple
        if crop % multiple:
            raise OptionError(f"crop {crop}: {self.generator.architecture} needs a multiple of {multiple}")
        if self.objective.gan_weight and crop < (least := self.discriminator.least_size):
            raise OptionError(f"crop {crop}: the discriminator needs at least {least}")
        if self.optimisation.frozen_norm and (self.generator.norm, self.generator.test_mode) != ("batch", "stored"):
            raise OptionError(
                "optimisation.frozen_norm: expected batch norm, and a generator that is used with stored statistics; "
                "false trains with those of each batch"
            )
        if self.objective.shift and crop < (least := SHIFT_BLOCK + 2 * self.objective.shift):
            raise OptionError(f"crop {crop}: a shift of {self.objective.shift} needs at least {least}")
        penalised = self.objective.gan == "wgan-gp" and self.objective.gan_weight > 0
        if penalised and self.discriminator.norm == "batch":
            raise OptionError("wgan-gp with discriminator.norm batch: its penalty is of single samples, use instance")

    def with_fields(self, changes: Mapping[str, Any]) -> Recipe:
        """The recipe with other values for some fields, named such as "objective.l1"; raises `OptionError`."""
        tables: dict[str, dict[str, Any]] = {}
        for path, value in completed(changes).items():
            part, _, name = path.partition(".")
            self._check_field(path, part, name)
            tables.setdefault(part, {})[name] = value
        return replace(self, **{part: self._part_with(part, values) for part, values in tables.items()})

    def as_dict(self) -> dict[str, Any]:
        """Of plain numbers, texts, lists and dictionaries."""
        parts = {part: flattened(asdict(getattr(self, part))) for part in PARTS}
        for name in FROM_DATA:
            del parts["generator"][name]
        return {"name": self.name, **parts}

    def _part_with(self, part: str, values: Mapping[str, Any]) -> Any:
        try:
            return replace(getattr(self, part), **values)
        except OptionError as error:
            raise OptionError(f"{part}: {error}") from error

    def _check_field(self, path: str, part: str, name: str) -> None:
        if part not in PARTS:
            raise OptionError(f"recipe field {path!r}: expected PART.FIELD with a part of {', '.join(PARTS)}")
        known = [f.name for f in fields(getattr(self, part)) if f.name not in FROM_DATA]
        if name not in known:
            raise OptionError(f"recipe field {path!r}: {part} has {', '.join(known)}")


PARTS = tuple(f.name for f in fields(Recipe) if f.name != "name")


def from_dict(content: Mapping[str, Any], base: Recipe | None = None) -> Recipe:
    """The inverse of `Recipe.as_dict`, over the fields of `base`; raises `OptionError`."""
    recipe = replace(base or Recipe(), name=str(content.get("name", (base or Recipe()).name)))
    for part, table in content.items():
        if part != "name" and (part not in PARTS or not isinstance(table, Mapping)):
            raise OptionError(f"recipe part {part!r}: expected tables named {', '.join(PARTS)}")
    return recipe.with_fields(flattened({part: table for part, table in content.items() if part != "name" and table}))


def completed(changes: Mapping[str, Any]) -> dict[str, Any]:
    """The changes of fields and what they imply: epochs take the place of updates, or else would mean nothing.

    >>> completed({"optimisation.epochs": 3})
    {'optimisation.updates': 0, 'optimisation.epochs': 3}
    """
    return {UPDATES: 0, **changes} if EPOCHS in changes else dict(changes)


def contradictions(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """One line for each wanted field that has another value in what was found, both as `flattened` leaves them.

    >>> contradictions({"seed": 0, "unit": "db"}, {"seed": 3})
    ['seed 0, not 3']
    """
    return [f"{name} {found.get(name)!r}, not {value!r}" for name, value in wanted.items() if found.get(name) != value]


def flattened(content: Mapping[str, Any]) -> dict[str, Any]:
    """Nested tables as one, keys joined by dots.

    >>> flattened({"a": {"b": 1}, "c": 2})
    {'a.b': 1, 'c': 2}
    """
    return dict(_flat(content, ""))


def _flat(content: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", list(value) if isinstance(value, tuple) else value
