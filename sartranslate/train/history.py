"""The history of a training run: one row of named numbers an epoch, kept as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from sartranslate.errors import OutputError
from sartranslate.storage.atomic import write_text

Row: TypeAlias = Mapping[str, float | None]  # a name that is missing or None: not measured in that epoch


def columns(rows: Sequence[Row]) -> list[str]:
    """Every name that occurs in any row, in order of first appearance.

    >>> columns([{"epoch": 1, "l1": 0.5}, {"epoch": 2, "val_ssim": 0.3}])
    ['epoch', 'l1', 'val_ssim']
    """
    return list(dict.fromkeys(name for row in rows for name in row))


def write_history(path: Path, rows: Sequence[Row]) -> None:
    """Write one line a row and one column a name, whole or not at all; what was not measured stays blank.

    Numbers are written with all digits. Raises `OutputError` when the file can not be written.
    """
    names = columns(rows)
    content = io.StringIO(newline="")
    lines = csv.writer(content)
    lines.writerow(names)
    lines.writerows([_text(row.get(name)) for name in names] for row in rows)
    write_text(path, content.getvalue())


def read_history(path: Path) -> list[dict[str, float]]:
    """The rows that `write_history` wrote, bit for bit; a row holds what was measured in its epoch.

    Raises `OutputError` for a file that is absent or no history.
    """
    try:
        content = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise OutputError(f"{path}: can not be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise OutputError(f"{path}: is no history of a training run: {error}") from error
    lines = csv.reader(io.StringIO(content, newline=""), strict=True)
    try:
        names = next(lines, [])
        return [_row(f"{path}: line {lines.line_num}", names, line) for line in lines]
    except csv.Error as error:
        raise OutputError(f"{path}: is no history of a training run: {error}") from error


def _text(value: float | None) -> str:
    if value is None:
        return ""
    # Other floats than Python's own, as those of numpy, are shown with fewer or more characters than they need.
    return str(value) if isinstance(value, int) else repr(float(value))


def _row(place: str, names: list[str], line: list[str]) -> dict[str, float]:
    if len(line) != len(names):
        raise OutputError(f"{place}: {len(line)} values, expected {len(names)}")
    try:
        return {name: float(text) for name, text in zip(names, line, strict=True) if text}
    except ValueError as error:
        raise OutputError(f"{place}: {error}, expected numbers") from error
