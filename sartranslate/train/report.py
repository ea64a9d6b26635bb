"""The summary of a training run as one HTML page that needs nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from sartranslate.pages import page
from sartranslate.pages.chart import Line, legend_key, line_chart
from sartranslate.pages.page import SheetFigure
from sartranslate.train.history import Row, columns

EPOCHS_SHOWN = 20  # in the table, the last ones
SCORE_PREFIX = "val_"
NO_LOSSES = ("epoch", "updates", "seconds", "learning_rate")
ABBREVIATIONS = ("fid", "l1", "l2", "lpips", "mae", "psnr", "rmse", "ssim")


@dataclass(frozen=True)
class RunFacts:
    """What is told of a run; texts are plain, nothing in them is taken as HTML."""

    title: str
    facts: Mapping[str, str] = field(default_factory=dict)  # what matters most, by name
    recipe: Mapping[str, str] = field(default_factory=dict)  # the options, by name
    history: Sequence[Row] = ()  # epoch by epoch, see `sartranslate.train.history`
    best_epoch: float | None = None  # marked in curves and table
    sheets: Sequence[SheetFigure] = ()
    warnings: Sequence[str] = ()


def report(run: RunFacts) -> str:
    """A valid HTML5 page that holds all of the run, pictures included, and opens anywhere.

    Columns of the history that begin with val_ are validation scores and have a chart each; the others are
    losses and share one. A section without content is left out.
    """
    sections = [
        _warnings(run.warnings),
        page.section("Key facts", page.named_values(run.facts)),
        page.section("Examples", page.grid("sheets", [page.sheet_figure(figure) for figure in run.sheets])),
        page.section("Learning curves", page.grid("charts", _charts(run))),
        page.section("Epochs", _epochs(run)),
        page.section("Recipe", page.named_values(run.recipe)),
    ]
    return page.html_page(run.title, sections)


def _warnings(warnings: Sequence[str]) -> str:
    return f'<section class="warnings">\n<h2>Warnings</h2>\n{page.items(warnings)}\n</section>' if warnings else ""


def _charts(run: RunFacts) -> list[str]:
    names = columns(run.history)
    scores = [name for name in names if name.startswith(SCORE_PREFIX)]
    losses = [name for name in names if name not in (*NO_LOSSES, *scores)]
    charts = [_chart("Losses", losses, run), *(_chart(_label(name), [name], run) for name in scores)]
    return [*charts, _chart("Learning rate", [name for name in names if name == "learning_rate"], run)]


def _chart(heading: str, names: Sequence[str], run: RunFacts) -> str:
    lines = [Line(name, _points(run.history, name)) for name in names]
    courses = [f"{_label(line.name)}: {_course(line)}" if len(lines) > 1 else _course(line) for line in lines]
    svg = line_chart(lines, f"{heading} by epoch: {'; '.join(courses)}", "epoch", run.best_epoch)
    legend = [f"{legend_key(number)}{escape(course)}" for number, course in enumerate(courses)]
    return page.chart_figure(heading, legend, svg)


def _points(history: Sequence[Row], name: str) -> list[tuple[float, float]]:
    """The value in all epochs that have one; epochs are counted where they are not told."""
    known = [(_epoch(row, number), row.get(name)) for number, row in enumerate(history, 1)]
    return [(epoch, value) for epoch, value in known if value is not None]


def _epoch(row: Row, number: int) -> float:
    epoch = row.get("epoch")
    return number if epoch is None or not math.isfinite(epoch) else epoch


def _course(line: Line) -> str:
    """The first and the last value of a curve."""
    values = [page.shown(value) for _, value in line.points]
    return " to ".join(values if len(values) < 2 else (values[0], values[-1])) or "none"


def _epochs(run: RunFacts) -> str:
    if not run.history:
        return '<p class="soft">None was finished.</p>'
    names = columns(run.history)
    numbered = list(enumerate(run.history, 1))[-EPOCHS_SHOWN:]
    heads = [escape(_label(name)) for name in names]
    rows = [_epoch_row(row, names, best=_epoch(row, number) == run.best_epoch) for number, row in numbered]
    return page.folded(f"The last {len(numbered)} of {len(run.history)}", page.table(heads, rows))


def _epoch_row(row: Row, names: Sequence[str], *, best: bool) -> str:
    cells = "".join(f"<td>{page.shown(row.get(name))}</td>" for name in names)
    return f'<tr class="best" title="best epoch">{cells}</tr>' if best else f"<tr>{cells}</tr>"


def _label(name: str) -> str:
    """A column's name in words.

    >>> _label("val_ssim"), _label("learning_rate")
    ('SSIM, validation', 'learning rate')
    """
    words = name.removeprefix(SCORE_PREFIX).split("_")
    label = " ".join(word.upper() if word in ABBREVIATIONS else word for word in words)
    return f"{label}, validation" if name.startswith(SCORE_PREFIX) else label
