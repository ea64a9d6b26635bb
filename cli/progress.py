"""Progress of a command: a bar on a terminal, or lines that another program reads."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

LINES = "sartranslate.progress_lines"  # in the meta of a command's context: whether `--progress` was given


class ProgressLines:
    """Stands in for a tqdm bar: `progress DONE/TOTAL` on standard error whenever more is done."""

    def __init__(self) -> None:
        self.n, self.total = 0, 0

    def clear(self) -> None:
        """Make room for other lines, which lines need not."""

    def update(self, more: int) -> None:
        if more:
            self.n += more
            click.echo(f"progress {self.n}/{self.total}", err=True)


def tell(quiet: bool, line: str) -> None:
    """A line on standard error, unless `quiet`."""
    if not quiet:
        click.echo(line, err=True)


@contextmanager
def progress_bar(unit: str, *, quiet: bool) -> Iterator[Any]:
    """Lines if the command was called with `--progress`, else a tqdm bar; silent in a pipe or when `quiet`."""
    context = click.get_current_context(silent=True)
    if context and context.meta.get(LINES):
        yield ProgressLines()
        return
    from tqdm import tqdm

    silent = quiet or sys.stderr is None or not sys.stderr.isatty()  # None: it was closed before the command began
    with tqdm(unit=f" {unit}", disable=silent, dynamic_ncols=True, smoothing=0.1, leave=False) as bar:
        yield bar
