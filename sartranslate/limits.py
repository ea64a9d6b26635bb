"""Limits of the fields of configurations, checked alike."""

from __future__ import annotations

import operator
from collections.abc import Sequence

from sartranslate.errors import OptionError


def check_choices(config: object, **choices: Sequence[str]) -> None:
    """Raises `OptionError` for a field that is none of its choices."""
    for name, allowed in choices.items():
        value = getattr(config, name)
        if value not in allowed:
            raise OptionError(f"{name} {value!r}: expected one of {', '.join(allowed)}")


def check_whole(config: object, **ranges: tuple[int, int]) -> None:
    """Raises `OptionError` for a field that is no whole number in its range, both ends included."""
    for name, (least, most) in ranges.items():
        value = getattr(config, name)
        if type(value) is not int or not least <= value <= most:
            raise OptionError(f"{name} {value!r}: expected a whole number from {least} to {most}")


def whole(value: object, name: str) -> int:
    """An integer of any kind, NumPy's too, as Python's. Raises `OptionError` for anything else.

    >>> whole(64, "overlap")
    64
    """
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError as error:
        raise OptionError(f"{name} {value!r}: expected a whole number") from error


def check_numbers(config: object, **ranges: tuple[float, float]) -> None:
    """Raises `OptionError` for a field that is no finite number in its range, both ends included."""
    for name, (least, most) in ranges.items():
        value = getattr(config, name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
            raise OptionError(f"{name} {value!r}: expected a number from {least:g} to {most:g}")


def check_flags(config: object, *names: str) -> None:
    """Raises `OptionError` for a field that is neither true nor false."""
    for name in names:
        if not isinstance(value := getattr(config, name), bool):
            raise OptionError(f"{name} {value!r}: expected true or false")
