"""Line charts and histograms as inline SVG, coloured by the page around them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import NamedTuple

from sartranslate.pages.axis import LARGEST, SAME, Axis, labels_of, round_step, widened

WIDTH, HEIGHT = 420, 230  # units of the SVG, about pixels
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 16, 40  # margins around the plot
COLOURS = 6  # the page gives a stroke to each of the classes s0 to s5
MOST_X_TICKS, MOST_Y_TICKS = 7, 6
MOST_BINS = 24  # of a histogram
CHARACTER = 7.0  # width of one, about
GAP = 0.5  # between its bars, at either side of one
RATIO_OF_LOG = 20.0  # of values; from here on the smaller of two curves would be flat on a linear axis


@dataclass(frozen=True)
class Line:
    """A named curve through (x, y), x ascending; it has a gap where y is not a finite number."""

    name: str
    points: Sequence[tuple[float, float]]


class Bin(NamedTuple):
    """How many values lie from `low` on and below `high`; in the last bin of a row, up to it."""

    low: float
    high: float
    number: int


def line_chart(lines: Sequence[Line], summary: str, x_name: str, mark: float | None = None) -> str:
    """An SVG that is as wide as its place, with the curves in the order of `lines`, or "" where there is no point.

    The vertical axis of several curves is logarithmic where their values span more than a decade or so, all above
    zero. `summary` tells those who can not see it; a dashed line marks the x `mark` as the best.
    """
    points = [point for line in lines for point in line.points if _drawable(point[1])]
    if not points:
        return ""
    x_axis, y_axis = _x_axis([x for x, _ in points]), _y_axis([y for _, y in points], several=len(lines) > 1)
    parts = [
        *_grid(x_axis, y_axis, x_axis.ticks(MOST_X_TICKS, least_step=1), y_axis.ticks(MOST_Y_TICKS), x_name),
        *_mark(x_axis, mark, "best"),
        *(_curve(line, number, x_axis, y_axis) for number, line in enumerate(lines)),
    ]
    return _drawing(parts, summary)


def histogram(values: Sequence[float], summary: str, x_name: str, y_name: str, median: float | None = None) -> str:
    """An SVG that is as wide as its place, with a bar for each of the `bins`, or "" where there is none.

    `summary` tells those who can not see it; a dashed line marks the `median`.
    """
    counted = bins(values)
    if not counted:
        return ""
    x_axis, y_axis = Axis(counted[0].low, counted[-1].high), _y_axis([0, *(part.number for part in counted)])
    row = (TOP + HEIGHT - BOTTOM) / 2
    parts = [
        *_grid(x_axis, y_axis, x_axis.ticks(MOST_X_TICKS), y_axis.ticks(MOST_Y_TICKS, least_step=1), x_name),
        f'<text transform="rotate(-90 11 {row:g})" x="11" y="{row:g}" text-anchor="middle">{escape(y_name)}</text>',
        *(_bar(part, x_axis, y_axis) for part in counted if part.number),
        *_mark(x_axis, median, "median"),
    ]
    return _drawing(parts, summary)


def bins(values: Sequence[float]) -> list[Bin]:
    """Bins of one width beside each other, their ends round, that together hold each finite value once.

    >>> bins([0.0, 0.1, 0.1, 1.0])[:2]
    [Bin(low=0.0, high=0.05, number=1), Bin(low=0.05, high=0.1, number=0)]
    """
    known = [value for value in values if _drawable(value)]
    if not known:
        return []
    low, high = widened(min(known), max(known))
    step = round_step((high - low) / (MOST_BINS - 1))  # one less, since the ends move outwards
    # A little slack, since values that are multiples of the step may not divide without a rest.
    first = math.floor(low / step + SAME)
    counts = [0] * max(1, math.ceil(high / step - SAME) - first)
    for value in known:
        counts[min(math.floor(value / step + SAME) - first, len(counts) - 1)] += 1
    ends = [float(f"{number * step:.12g}") for number in range(first, first + len(counts) + 1)]
    return [Bin(*part) for part in zip(ends[:-1], ends[1:], counts, strict=True)]


def legend_key(number: int) -> str:
    """A short stroke in the colour and dashes of the curve with that number, from 0."""
    stroke = f'<path class="line s{number % COLOURS}" d="M1,5H27"/>'
    return f'<svg class="key" viewBox="0 0 28 10" aria-hidden="true">{stroke}</svg>'


def _drawable(value: float) -> bool:
    return math.isfinite(value) and abs(value) <= LARGEST


def _x_axis(values: Sequence[float]) -> Axis:
    return Axis(*widened(min(values), max(values)))


def _y_axis(values: Sequence[float], *, several: bool = False) -> Axis:
    low, high = min(values), max(values)
    if several and low > 1 / LARGEST and high / low >= RATIO_OF_LOG:
        return Axis(low / 1.1, high * 1.1, logarithmic=True)
    low, high = widened(low, high)
    step = round_step((high - low) / (MOST_Y_TICKS - 1))
    return Axis(math.floor(low / step) * step, math.ceil(high / step) * step)


def _column(axis: Axis, value: float) -> float:
    return LEFT + axis.fraction(value) * (WIDTH - LEFT - RIGHT)


def _row(axis: Axis, value: float) -> float:
    return TOP + (1 - axis.fraction(value)) * (HEIGHT - TOP - BOTTOM)


def _drawing(parts: Sequence[str], summary: str) -> str:
    head = f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(summary)}">'
    return "\n".join([head, *parts, "</svg>"])


def _grid(x_axis: Axis, y_axis: Axis, x_ticks: Sequence[float], y_ticks: Sequence[float], x_name: str) -> list[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    rows = [(_row(y_axis, tick), label) for tick, label in zip(y_ticks, labels_of(y_ticks), strict=True)]
    cols = _beside_each_other([_column(x_axis, tick) for tick in x_ticks], labels_of(x_ticks))
    return [
        *(f'<path class="rule" d="M{LEFT},{row:.1f}H{right}"/>' for row, _ in rows),
        *(f'<text x="{LEFT - 7}" y="{row + 4:.1f}" text-anchor="end">{label}</text>' for row, label in rows),
        f'<path class="axis" d="M{LEFT},{bottom}H{right}"/>',
        *(f'<path class="axis" d="M{_column(x_axis, tick):.1f},{bottom}v4"/>' for tick in x_ticks),
        *(f'<text x="{col:.1f}" y="{bottom + 18}" text-anchor="middle">{label}</text>' for col, label in cols),
        f'<text x="{(LEFT + right) / 2:.0f}" y="{HEIGHT - 5}" text-anchor="middle">{escape(x_name)}</text>',
        *([f'<text x="0" y="{HEIGHT - 5}">log scale</text>'] if y_axis.logarithmic else []),
    ]


def _mark(axis: Axis, value: float | None, name: str) -> list[str]:
    """A dashed line at a value on the axis, if it has one, and the name above, all of it in the picture."""
    if value is None or not axis.low <= value <= axis.high:
        return []
    column = _column(axis, value)
    return [
        f'<path class="mark" d="M{column:.1f},{TOP}V{HEIGHT - BOTTOM}"/>',
        f'<text x="{_within(column, name):.1f}" y="{TOP - 4}" text-anchor="middle">{escape(name)}</text>',
    ]


def _within(column: float, text: str) -> float:
    """The middle of a text that is to stand there, all of it in the picture."""
    return min(column, WIDTH - CHARACTER / 2 * len(text))


def _beside_each_other(columns: Sequence[float], labels: Sequence[str]) -> list[tuple[float, str]]:
    """All labels of a horizontal axis or, where they would run into each other, the first and the last one."""
    placed = [(_within(column, label), label) for column, label in zip(columns, labels, strict=True)]
    widest = CHARACTER * (max(map(len, labels), default=0) + 1)
    crowded = any(after - before < widest for before, after in pairwise(columns))
    return [placed[0], placed[-1]] if crowded else placed


def _bar(part: Bin, x_axis: Axis, y_axis: Axis) -> str:
    left, right = _column(x_axis, part.low) + GAP, _column(x_axis, part.high) - GAP
    height = HEIGHT - BOTTOM - _row(y_axis, part.number)
    place = f'x="{left:.1f}" y="{HEIGHT - BOTTOM - height:.1f}" width="{right - left:.1f}" height="{height:.1f}"'
    return f'<rect class="bar" {place}><title>{part.low:g} to {part.high:g}: {part.number}</title></rect>'


def _curve(line: Line, number: int, x_axis: Axis, y_axis: Axis) -> str:
    """A path for each stretch between gaps, and a dot at the last point."""
    strokes: list[list[str]] = [[]]
    last = ""
    for x, y in line.points:
        if not _drawable(y):
            strokes.append([])
            continue
        column, row = _column(x_axis, x), _row(y_axis, y)
        strokes[-1].append(f"{column:.1f},{row:.1f}")
        last = f'<circle class="dot s{number % COLOURS}" cx="{column:.1f}" cy="{row:.1f}" r="3.5"/>'
    # Round ends make a dot even of a stretch that is one point.
    path = "".join(f"M{'L'.join(stroke)}{'h0' if len(stroke) == 1 else ''}" for stroke in strokes if stroke)
    return f'<path class="line s{number % COLOURS}" d="{path}"/>{last}' if path else ""
