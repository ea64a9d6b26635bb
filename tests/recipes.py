"""Recipes compared."""

from __future__ import annotations

from sartranslate.recipes.recipe import Recipe, contradictions, flattened


def differences(recipe: Recipe, other: Recipe) -> list[str]:
    """One line for each field in which `other` differs."""
    found, wanted = (flattened(each.as_dict()) for each in (other, recipe))
    return contradictions(found, wanted)
