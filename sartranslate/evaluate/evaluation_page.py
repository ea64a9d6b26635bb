"""The scores of an evaluation as one HTML page: beside those of baselines, with their intervals, and image by image."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from statistics import median

from sartranslate.counts import counted
from sartranslate.pages import page
from sartranslate.pages.chart import histogram
from sartranslate.pages.page import SheetFigure
from sartranslate.quality.scores import METRICS, RANKED_BY, Evaluation, ImageScores, MethodScores, Metric, Score

WITH_HISTOGRAM = ("psnr", "ssim", "mae", "spectral_angle")
RANKED = 20  # images among the best and among the worst
WAYS = {"high": "higher is better", "low": "lower is better", "one": "best at 1"}


def evaluation_page(evaluation: Evaluation, sheets: Sequence[SheetFigure]) -> str:
    """A valid HTML5 page that opens anywhere and holds the whole evaluation but for the scores of middling images.

    The best value of each score is marked where several methods have one. What is missing or not a number is shown
    as a dash. A section without content is left out.
    """
    images = evaluation.images
    sections = [
        page.section("Key facts", page.named_values(evaluation.facts)),
        page.section("Scores", _methods(evaluation.methods)),
        page.section("Notes", page.items(evaluation.notes)),
        page.section("Examples", page.grid("sheets", [page.sheet_figure(sheet) for sheet in sheets])),
        page.section(
            "Spread over the images", page.grid("spreads", [_spread(name, images) for name in WITH_HISTOGRAM])
        ),
        page.section("Best and worst images", _ranking(images)),
    ]
    return page.html_page(f"Evaluation of {evaluation.subject}", sections)


def _methods(methods: Sequence[MethodScores]) -> str:
    """A row a method, the first one the subject, a column a score."""
    names = _measured(methods)
    if not names:
        return ""
    columns = [_column(name, [method.scores.get(name) for method in methods]) for name in names]
    kinds = [' class="subject"', *[""] * (len(methods) - 1)]
    rows = [
        f'<tr{kind}><th scope="row">{escape(method.name)}</th>{"".join(cells)}</tr>'
        for kind, method, cells in zip(kinds, methods, zip(*columns, strict=True), strict=True)
    ]
    return page.lines([page.table(_heads("method", names), rows, "scores"), _legend(methods)])


def _legend(methods: Sequence[MethodScores]) -> str:
    intervals = any(_has_interval(score) for method in methods for score in method.scores.values())
    told = [
        *(["The best value of a score is bold."] if len(methods) > 1 else []),
        *(["Below a value is its 95 % interval."] if intervals else []),
    ]
    return f'<p class="soft">{" ".join(told)}</p>' if told else ""


def _column(name: str, scores: Sequence[Score | None]) -> list[str]:
    """The cells of a score, the best of several marked; of those that are equally good, each."""
    merits = [-math.inf if score is None else _merit(METRICS[name], score.value) for score in scores]
    known = [merit for merit in merits if merit > -math.inf]  # no NaN either
    most = max(known) if len(known) > 1 else math.nan
    return [_cell(score, best=merit == most) for score, merit in zip(scores, merits, strict=True)]


def _merit(metric: Metric, value: float) -> float:
    """Larger for a better value of the score.

    >>> _merit(METRICS["mae"], 12.0), _merit(METRICS["seam"], 1.25), _merit(METRICS["seam"], 0.75)
    (-12.0, -0.25, -0.25)
    """
    return {"high": value, "low": -value, "one": -abs(value - 1)}[metric.best]


def _cell(score: Score | None, *, best: bool) -> str:
    if score is None:
        return "<td>–</td>"
    interval = f"<small>{_shown(score.low)} to {_shown(score.high)}</small>" if _has_interval(score) else ""
    mark = ' class="best" title="best"' if best else ""
    return f"<td{mark}>{_shown(score.value)}{interval}</td>"


def _has_interval(score: Score) -> bool:
    return score.low is not None and score.high is not None


def _measured(scored: Iterable[MethodScores | ImageScores]) -> list[str]:
    """The scores that any of them has, in the order of METRICS."""
    found = {name for one in scored for name in one.scores}
    return [name for name in METRICS if name in found]


def _heads(first: str, names: Sequence[str]) -> list[str]:
    """Heads of columns: what the rows are, then the scores, each with its unit and which way it gets better."""
    return [first, *(_head(METRICS[name]) for name in names)]


def _head(metric: Metric) -> str:
    told = ", ".join(filter(None, [metric.unit, WAYS[metric.best]]))
    return f"{escape(metric.label)}<small>{escape(told)}</small>"


def _spread(name: str, images: Sequence[ImageScores]) -> str:
    """A histogram of one score of all images, and in words what it shows and what it can not."""
    metric, values = METRICS[name], [image.scores.get(name, math.nan) for image in images]
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return ""
    infinite = sum(map(math.isinf, known))
    told = [
        f"{counted(len(known), 'image')} from {_shown(min(known))} to {_shown(max(known))}",
        f"median {_shown(median(known))}",
        *([f"{infinite} infinite, not drawn"] if infinite else []),
        *([f"{len(values) - len(known)} without a value"] if len(known) < len(values) else []),
    ]
    axis = f"{metric.label}, {metric.unit}" if metric.unit else metric.label
    svg = histogram(known, f"{metric.heading}: {'; '.join(told)}", axis, "images", median(known))
    return page.chart_figure(metric.heading, [escape(text) for text in told], svg)


def _ranking(images: Sequence[ImageScores]) -> str:
    """The best images and the worst, none in both, as tables folded away."""
    names = _measured(images)
    known = [image for image in images if not math.isnan(image.scores.get(RANKED_BY, math.nan))]
    ranked = sorted(known, key=lambda image: -_merit(METRICS[RANKED_BY], image.scores[RANKED_BY]))
    best, worst = ranked[:RANKED], ranked[RANKED:][: -RANKED - 1 : -1]
    unranked = len(images) - len(known)
    said = f"By {METRICS[RANKED_BY].label}" + (f", which {counted(unranked, 'image')} lack" if unranked else "")
    first = (
        f"The {len(best)} best of {counted(len(ranked), 'image')}"
        if worst
        else f"{counted(len(best), 'image')}, best first"
    )
    tables = [_images(first, best, names), _images(f"The {len(worst)} worst, worst first", worst, names)]
    return page.lines([f'<p class="soft">{said}.</p>', *tables]) if ranked else ""


def _images(summary: str, images: Sequence[ImageScores], names: Sequence[str]) -> str:
    rows = []
    for image in images:
        cells = "".join(f"<td>{_shown(image.scores.get(name))}</td>" for name in names)
        rows.append(f'<tr><th scope="row">{escape(image.name)}</th>{cells}</tr>')
    return page.folded(summary, page.table(_heads("image", names), rows, "scores")) if rows else ""


def _shown(value: float | None) -> str:
    """In four digits, zeros among them, so that the values of a column are as long; below 0.1 in four decimals.

    >>> _shown(0.25), _shown(0.0125), _shown(12.0), _shown(1234.5), _shown(float("inf")), _shown(float("nan"))
    ('0.2500', '0.0125', '12.00', '1234', '∞', '–')
    """
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if 1e-3 <= abs(value) < 1:
        return f"{value:.4f}"
    return f"{value:#.4g}".rstrip(".") if 1 <= abs(value) < 1000 else page.shown(value)
