"""Options that several commands share, and checks that need no library."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)


def precision(*choices: str) -> Decorator:
    """`--precision`, with what the command can compute in."""
    return click.option(
        "--precision",
        type=click.Choice(["auto", *choices]),
        default="auto",
        show_default=True,
        help="Arithmetic of the networks; auto takes what the device is fast at.",
    )


backend: Decorator = click.option(
    "--backend",
    type=click.Choice(["tensorflow", "torch"]),
    help="Deep-learning framework.  [default: $KERAS_BACKEND, or tensorflow if installed]",
)
unit: Decorator = click.option(
    "--unit",
    type=click.Choice(["db", "power", "amplitude", "byte"]),
    help="What the SAR values are.  [default: decided by type and distribution, and said]",
)
quiet: Decorator = click.option("-q", "--quiet", is_flag=True, help="No progress bar and no summary line.")
overwrite: Decorator = click.option("--overwrite", is_flag=True, help="Replace what exists.")
