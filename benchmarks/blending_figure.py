"""The figure of docs/blending.md, drawn with the weights that blend: tapers, weights of an axis, windows of a scene.

python benchmarks/blending_figure.py docs/images/blending.svg
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from script import begin

from sartranslate.streaming.blend import axis_weights, taper
from sartranslate.streaming.windows import WindowGrid, offsets

HEIGHT, WIDTH = 600, 1000  # pixels of the scene that is drawn
SIZE, OVERLAP = 256, 64  # of its windows
DONE = 8  # windows that are added so far
LEFT, TOP = 70, 42  # of the first plot, in units of the picture
PLOT = 110  # height of a plot
GAP = 74  # from a plot to the next
COLOURS = ("#4477aa", "#ee8866", "#228833", "#aa3377", "#998822")  # one for each window of the axis
INK, PALE = "#222222", "#999999"

Curve = NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figure", type=Path)
    figure = parser.parse_args().figure
    second = TOP + PLOT + GAP
    third = second + PLOT + GAP
    parts = [*_tapers(TOP), *_weights(second), *_scene(third)]
    size = LEFT + WIDTH + 20, third + HEIGHT + 44
    text = "\n".join([*_head(*size), *parts, "</svg>"])
    figure.write_text(text + "\n", encoding="utf-8")


def _head(width: int, height: int) -> Iterable[str]:
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">'
    yield f'<rect width="{width}" height="{height}" fill="white"/>'


def _text(x: float, y: float, text: str, anchor: str = "start", size: int = 18) -> str:
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{INK}" text-anchor="{anchor}">{text}</text>'


def _frame(top: int, title: str) -> Iterable[str]:
    """Title, base line, the line at one, and the two numbers of the axis."""
    yield _text(LEFT, top - 14, title)
    for value in (0, 1):
        y = top + PLOT * (1 - value)
        yield f'<path d="M{LEFT} {y}h{WIDTH}" stroke="{PALE}" fill="none"/>'
        yield _text(LEFT - 10, y + 6, str(value), "end", 16)


def _path(xs: Sequence[float], ys: Sequence[float], top: int) -> str:
    return "L".join(f"{LEFT + x:g} {top + PLOT * (1 - y):.1f}" for x, y in zip(xs, ys, strict=True))


def _tapers(top: int) -> Iterable[str]:
    """The taper of each window along the axis, where it lies."""
    yield from _frame(top, f"Tapers of the windows along {WIDTH} columns: size {SIZE}, overlap {OVERLAP}")
    for start, colour in zip(offsets(WIDTH, SIZE, OVERLAP), COLOURS, strict=True):
        yield _curve(start, taper(SIZE, OVERLAP), top, colour)


def _curve(start: int, values: Curve, top: int, colour: str) -> str:
    steps = [*range(0, len(values), 4), len(values) - 1]
    line = _path([start + step + 0.5 for step in steps], [float(values[step]) for step in steps], top)
    return f'<path d="M{line}" fill="none" stroke="{colour}" stroke-width="2.5"/>'


def _weights(top: int) -> Iterable[str]:
    """Weights of the windows along the axis, stacked: they fill the height up to one everywhere."""
    yield from _frame(top, "Each taper divided by the sum of all: weights, stacked, fill the height up to one")
    below = np.zeros(WIDTH)
    for start, values, colour in zip(
        offsets(WIDTH, SIZE, OVERLAP), axis_weights(WIDTH, SIZE, OVERLAP), COLOURS, strict=True
    ):
        above = below.copy()
        above[start : start + SIZE] += values
        yield _area(start, below[start : start + SIZE], above[start : start + SIZE], top, colour)
        below = above


def _area(start: int, below: NDArray[np.float64], above: NDArray[np.float64], top: int, colour: str) -> str:
    steps = [*range(0, SIZE, 4), SIZE - 1]
    xs = [start + step * SIZE / (SIZE - 1) for step in steps]
    upper, lower = _path(xs, [above[step] for step in steps], top), _path(xs, [below[step] for step in steps], top)
    back = "L".join(reversed(lower.split("L")))
    return f'<path d="M{upper}L{back}Z" fill="{colour}" fill-opacity="0.75"/>'


def _scene(top: int) -> Iterable[str]:
    """The windows that are added so far, and the rows that are final by that."""
    grid = WindowGrid(HEIGHT, WIDTH, SIZE, OVERLAP)
    windows = list(grid)[:DONE]
    final = windows[-1].row_off
    yield _text(LEFT, top - 14, f"{DONE} of {len(grid)} windows added: the rows above the latest one are final")
    yield _box(LEFT, top, WIDTH, HEIGHT, f'fill="#f4f4f4" stroke="{PALE}"')
    for window in windows:
        place = LEFT + window.col_off, top + window.row_off
        colour = COLOURS[grid.col_offs.index(window.col_off)]
        yield _box(*place, window.width, window.height, f'fill="{colour}" fill-opacity="0.4" stroke="{colour}"')
    yield _box(LEFT, top, WIDTH, final, f'fill="none" stroke="{INK}" stroke-width="3"')
    yield _text(LEFT + 10, top + 26, f"rows 0 to {final - 1}: handed on in strips, written, forgotten")
    held = f"rows {final} to {final + SIZE - 1}: held in memory, more is added"
    yield _text(LEFT + 10, top + final + SIZE - 12, held)
    yield _text(LEFT + 10, top + HEIGHT - 12, "not read yet")


def _box(x: int, y: int, width: int, height: int, style: str) -> str:
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" {style}/>'


if __name__ == "__main__":
    begin(main)
