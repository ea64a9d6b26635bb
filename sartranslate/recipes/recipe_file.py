"""Recipes as TOML: read from files and options, and printed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sartranslate.errors import OptionError
from sartranslate.recipes.presets import PRESETS, preset
from sartranslate.recipes.recipe import Recipe, from_dict

SUFFIX = ".toml"
DEFAULT = "sar"


def find_recipe(name: str) -> Recipe:
    """A preset, or a recipe in a TOML file, see `read_recipe`.

    Raises `OptionError` for neither, or a file that can not be read.
    """
    return read_recipe(Path(name)) if name.endswith(SUFFIX) else preset(name)


def read_recipe(path: Path) -> Recipe:
    """A recipe from TOML; fields left out are those of the preset that its `name` is, or of "sar".

    Raises `OptionError` for a file that is no recipe.
    """
    try:
        content = _parsed(path.read_text(encoding="utf-8-sig"))
        name = content.get("name", DEFAULT)
        if not isinstance(name, str):
            raise OptionError(f"name {name!r}: expected a text")
        return from_dict(content, preset(name if name in PRESETS else DEFAULT))
    except OSError as error:
        raise OptionError(f"{path}: can not be read: {error.strerror}") from error
    except (OptionError, ValueError) as error:
        raise OptionError(f"{path}: {error}") from error


def to_toml(recipe: Recipe) -> str:
    """A text that `read_recipe` takes back: every field with its value."""
    import tomlkit

    return tomlkit.dumps(recipe.as_dict())


def parse_changes(entries: Sequence[str]) -> dict[str, Any]:
    """Fields and values of texts such as "objective.l1=50"; a value that is no TOML is a text.

    >>> parse_changes(["objective.gan=lsgan", "generator.dropout_layers=[2, 4]"])
    {'objective.gan': 'lsgan', 'generator.dropout_layers': [2, 4]}
    """
    changes = {}
    for entry in entries:
        path, equals, text = entry.partition("=")
        if not equals or not path.strip() or not text.strip():
            raise OptionError(f"{entry!r}: expected PART.FIELD=VALUE, such as objective.l1=50")
        changes[path.strip()] = _value(text.strip())
    return changes


def _value(text: str) -> Any:
    try:
        return _parsed(f"value = {text}")["value"]
    except ValueError:
        return text


def _parsed(text: str) -> dict[str, Any]:
    """Plain Python values. Raises `ValueError` for a text that is no TOML."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        return dict(tomlkit.parse(text).unwrap())
    except TOMLKitError as error:  # not all of them are a ValueError
        raise ValueError(str(error)) from error
