"""The summary of a training run as one HTML page that needs nothing else: no network, no script, no other file."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from sartranslate.chart import Line, legend_key, line_chart
from sartranslate.history import Row, columns

EPOCHS_SHOWN = 20  # in the table, the last ones
SCORE_PREFIX = "val_"
NO_LOSSES = ("epoch", "updates", "seconds", "learning_rate")
ABBREVIATIONS = ("fid", "l1", "l2", "lpips", "mae", "psnr", "rmse", "ssim")
SYNTHETIC = (
    "Predictions are synthetic: they show what an optical image of such backscatter tends to look like, not what was "
    "there. Do not measure, count or decide on them without the SAR scene beside them."
)


@dataclass(frozen=True)
class SheetFigure:
    """A validation sheet: a PNG of three columns, which are SAR, prediction and truth."""

    caption: str
    png: bytes


@dataclass(frozen=True)
class RunFacts:
    """What is told of a run; texts are plain, nothing in them is taken as HTML."""

    title: str
    facts: Mapping[str, str] = field(default_factory=dict)  # what matters most, by name
    recipe: Mapping[str, str] = field(default_factory=dict)  # the options, by name
    history: Sequence[Row] = ()  # epoch by epoch, see `sartranslate.history`
    best_epoch: float | None = None  # marked in curves and table
    sheets: Sequence[SheetFigure] = ()
    warnings: Sequence[str] = ()


def report(run: RunFacts) -> str:
    """A valid HTML5 page that holds all of the run, pictures included, and opens anywhere.

    Columns of the history that begin with val_ are validation scores and have a chart each; the others are
    losses and share one. A section without content is left out.
    """
    title = escape(run.title)
    sections = [
        _warnings(run.warnings),
        _section("Key facts", _named_values(run.facts)),
        _section("Validation", _grid("sheets", [_figure(figure) for figure in run.sheets])),
        _section("Learning curves", _grid("charts", _charts(run))),
        _section("Epochs", _epochs(run)),
        _section("Recipe", _named_values(run.recipe)),
    ]
    page = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{STYLE}</style>
</head>
<body>
<header>
<h1>{title}</h1>
<p class="soft">{SYNTHETIC}</p>
</header>
<main>
{_lines(sections)}
</main>
</body>
</html>
"""
    # A file name may hold bytes that are no text, and those can not be written as UTF-8.
    return page.encode("utf-8", "replace").decode("utf-8")


def _lines(parts: Iterable[str]) -> str:
    return "\n".join(part for part in parts if part)


def _section(heading: str, content: str) -> str:
    return f"<section>\n<h2>{heading}</h2>\n{content}\n</section>" if content else ""


def _grid(kind: str, figures: Sequence[str]) -> str:
    return f'<div class="grid {kind}">\n{_lines(figures)}\n</div>' if any(figures) else ""


def _warnings(warnings: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(warning)}</li>" for warning in warnings)
    return f'<section class="warnings">\n<h2>Warnings</h2>\n<ul>{items}</ul>\n</section>' if items else ""


def _named_values(values: Mapping[str, str]) -> str:
    rows = [f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>' for name, value in values.items()]
    return f'<div class="wide"><table class="named">\n{_lines(rows)}\n</table></div>' if rows else ""


def _figure(figure: SheetFigure) -> str:
    caption, encoded = escape(figure.caption), b64encode(figure.png).decode("ascii")
    return (
        '<figure class="sheet"><div class="columns" aria-hidden="true">'
        "<span>SAR</span><span>prediction</span><span>truth</span></div>"
        f'<img src="data:image/png;base64,{encoded}" alt="{caption}: examples row by row, each as SAR, prediction and '
        f'truth"><figcaption>{caption}</figcaption></figure>'
    )


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
    if not svg:
        return ""
    keys = "".join(f"<li>{legend_key(number)}{escape(course)}</li>" for number, course in enumerate(courses))
    return f'<figure><figcaption><b>{escape(heading)}</b><ul class="legend">{keys}</ul></figcaption>\n{svg}</figure>'


def _points(history: Sequence[Row], name: str) -> list[tuple[float, float]]:
    """The value in all epochs that have one; epochs are counted where they are not told."""
    known = [(_epoch(row, number), row.get(name)) for number, row in enumerate(history, 1)]
    return [(epoch, value) for epoch, value in known if value is not None]


def _epoch(row: Row, number: int) -> float:
    epoch = row.get("epoch")
    return number if epoch is None or not math.isfinite(epoch) else epoch


def _course(line: Line) -> str:
    """The first and the last value of a curve."""
    values = [_number(value) for _, value in line.points]
    return " to ".join(values if len(values) < 2 else (values[0], values[-1])) or "none"


def _epochs(run: RunFacts) -> str:
    if not run.history:
        return '<p class="soft">None was finished.</p>'
    names = columns(run.history)
    numbered = list(enumerate(run.history, 1))[-EPOCHS_SHOWN:]
    head = "".join(f'<th scope="col">{escape(_label(name))}</th>' for name in names)
    body = [_epoch_row(row, names, best=_epoch(row, number) == run.best_epoch) for number, row in numbered]
    return (
        f"<details>\n<summary>The last {len(numbered)} of {len(run.history)}</summary>\n"
        f'<div class="wide"><table class="epochs">\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{_lines(body)}\n</tbody>\n</table></div>\n</details>"
    )


def _epoch_row(row: Row, names: Sequence[str], *, best: bool) -> str:
    cells = "".join(f"<td>{_number(row.get(name))}</td>" for name in names)
    return f'<tr class="best" title="best epoch">{cells}</tr>' if best else f"<tr>{cells}</tr>"


def _label(name: str) -> str:
    """A column's name in words.

    >>> _label("val_ssim"), _label("learning_rate")
    ('SSIM, validation', 'learning rate')
    """
    words = name.removeprefix(SCORE_PREFIX).split("_")
    label = " ".join(word.upper() if word in ABBREVIATIONS else word for word in words)
    return f"{label}, validation" if name.startswith(SCORE_PREFIX) else label


def _number(value: float | None) -> str:
    """In at least four digits, whole numbers in all of theirs.

    >>> _number(240000.0), _number(12273.6), _number(0.123456), _number(float("nan")), _number(None)
    ('240000', '12274', '0.1235', 'nan', '–')
    """
    if value is None:
        return "–"
    legible = abs(value) < 1e15  # beyond, all digits are too many
    return f"{value:.0f}" if legible and (value == round(value) or abs(value) >= 1000) else f"{value:.4g}"


STYLE = """
:root { color-scheme: light dark; --ink: #1b2026; --soft: #57616c; --rule: #d9dee4; --paper: #fff; --panel: #f5f7f9;
  --warn: #fff4d6; --warn-rule: #d39e00; --s0: #1f66c1; --s1: #c2510a; --s2: #0a7a5c; --s3: #96389c; --s4: #7a6200;
  --s5: #b3264a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ec; --soft: #a1abb6; --rule: #3a424c; --paper: #14181d;
  --panel: #1c2229; --warn: #372c0c; --warn-rule: #d9a514; --s0: #6fa9ff; --s1: #ff9d57; --s2: #4bcfa6; --s3: #d88be2;
  --s4: #dcc04a; --s5: #ff8299; } }
* { box-sizing: border-box; }
body { max-width: 70rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; color: var(--ink); background: var(--paper);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.7rem; line-height: 1.25; overflow-wrap: anywhere; }
h2 { margin: 2rem 0 .6rem; font-size: 1.15rem; }
.soft { margin: .4rem 0 0; max-width: 46rem; color: var(--soft); }
.warnings { margin-top: 1.5rem; padding: .8rem 1rem; background: var(--warn); border-left: 4px solid var(--warn-rule); }
.warnings h2 { margin: 0; font-size: 1rem; }
.warnings ul { margin: .2rem 0 0; padding-left: 1.2rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--rule); text-align: left; vertical-align: top; }
.named th { font-weight: 400; color: var(--soft); white-space: nowrap; padding-right: 2rem; }
.named td { overflow-wrap: anywhere; }
.epochs { font-size: .875rem; }
.epochs th, .epochs td { text-align: right; padding: .25rem 0 .25rem 1.2rem; white-space: nowrap; }
.epochs th { vertical-align: bottom; white-space: normal; }
.best td { font-weight: 700; }
summary { cursor: pointer; margin-bottom: .5rem; }
.grid { display: grid; gap: 1rem; }
.charts { grid-template-columns: repeat(auto-fill, minmax(min(100%, 21rem), 1fr)); }
.sheets { grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); }
figure { margin: 0; padding: .8rem; background: var(--panel); border-radius: 6px; }
.sheet { max-width: 52rem; }
.sheet img { display: block; width: 100%; height: auto; }
.sheet figcaption { margin-top: .5rem; color: var(--soft); }
.columns { display: grid; grid-template-columns: repeat(3, 1fr); text-align: center; color: var(--soft); }
.legend { display: flex; flex-wrap: wrap; gap: 0 1rem; margin: .1rem 0 .3rem; padding: 0; list-style: none;
  font-size: .85rem; color: var(--soft); }
.key { width: 28px; height: 10px; margin-right: .35rem; }
.chart { display: block; width: 100%; height: auto; }
.chart text { font-size: 12px; fill: var(--soft); font-variant-numeric: tabular-nums; }
.chart path, .key path { fill: none; stroke: var(--soft); }
.chart .rule { stroke: var(--rule); }
.chart .mark { stroke: var(--soft); stroke-dasharray: 4 4; }
.line { stroke-width: 2; stroke-linecap: round; stroke-linejoin: round; }
.line.s0 { stroke: var(--s0); } .line.s1 { stroke: var(--s1); stroke-dasharray: 7 5; }
.line.s2 { stroke: var(--s2); stroke-dasharray: 1 5; } .line.s3 { stroke: var(--s3); stroke-dasharray: 9 4 1 4; }
.line.s4 { stroke: var(--s4); stroke-dasharray: 3 4; } .line.s5 { stroke: var(--s5); stroke-dasharray: 12 4; }
.dot.s0 { fill: var(--s0); } .dot.s1 { fill: var(--s1); } .dot.s2 { fill: var(--s2); }
.dot.s3 { fill: var(--s3); } .dot.s4 { fill: var(--s4); } .dot.s5 { fill: var(--s5); }
"""
