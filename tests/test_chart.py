"""Curves rise where their values do, break where there are none, bars hold each value once, axes are round."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sartranslate.pages.axis import Axis
from sartranslate.pages.chart import (
    BOTTOM,
    GAP,
    HEIGHT,
    LEFT,
    MOST_BINS,
    RIGHT,
    TOP,
    WIDTH,
    Line,
    bins,
    histogram,
    line_chart,
)

NAN = math.nan
ROUNDING = 0.05  # coordinates have one decimal

drawable = st.floats(-1e100, 1e100)
positive = st.floats(1e-6, 1e6)


def chart(*curves: Sequence[float], mark: float | None = None) -> str:
    lines = [Line(f"line {number}", list(enumerate(values, 1))) for number, values in enumerate(curves)]
    return line_chart(lines, "losses", "epoch", mark)


def strokes(svg: str, number: int = 0) -> list[list[tuple[float, float]]]:
    """Columns and rows of the stretches of a curve."""
    found = re.search(rf'<path class="line s{number}" d="([^"]*)"', svg)
    stretches = found[1].split("M")[1:] if found else []
    return [[point(pair) for pair in stretch.removesuffix("h0").split("L")] for stretch in stretches]


def point(pair: str) -> tuple[float, float]:
    column, row = pair.split(",")
    return float(column), float(row)


def labels(svg: str, anchor: str) -> list[str]:
    return re.findall(rf'text-anchor="{anchor}">([^<]*)<', svg)


def assert_rows_follow(values: Sequence[float], rows: Sequence[float]) -> None:
    """Rows count from the top, so a larger value has a smaller one, or the same where they are too near."""
    ordered = [row for _, row in sorted(zip(values, rows, strict=True), key=lambda pair: (pair[0], -pair[1]))]
    assert ordered == sorted(ordered, reverse=True)


@given(values=st.lists(drawable, min_size=1, max_size=20))
def test_a_curve_lies_in_the_plot_and_rises_where_its_values_do(values: list[float]) -> None:
    (stroke,) = strokes(chart(values))
    columns, rows = zip(*stroke, strict=True)
    assert list(columns) == sorted(columns)
    assert_rows_follow(values, rows)
    assert min(columns) >= LEFT - ROUNDING
    assert max(columns) <= WIDTH - RIGHT + ROUNDING
    assert min(rows) >= TOP - ROUNDING
    assert max(rows) <= HEIGHT - BOTTOM + ROUNDING


@given(one=st.lists(positive, min_size=1, max_size=9), other=st.lists(positive, min_size=1, max_size=9))
def test_curves_of_a_chart_share_its_axes(one: list[float], other: list[float]) -> None:
    svg = chart(one, other)
    rows = [row for number in (0, 1) for _, row in strokes(svg, number)[0]]
    assert_rows_follow([*one, *other], rows)


def test_labels_of_close_values_do_not_run_into_each_other() -> None:
    svg = histogram([12.345678, 12.345690], "", "x", "y")
    found = labels(svg, "middle")
    assert found[:2] == ["12.345678", "12.34569"]  # the first tick and the last one
    assert found[2:] == ["x", "y"]
    places = [float(x) for x in re.findall(r'<text x="([\d.]+)" y="\d+" text-anchor="middle">1', svg)]
    assert max(places) + 3.5 * len(found[1]) <= WIDTH


def test_points_are_where_the_axes_say() -> None:
    (stroke,) = strokes(chart([0.0, 1.0, 0.5]))
    middle = (LEFT + WIDTH - RIGHT) / 2
    assert stroke == [(LEFT, HEIGHT - BOTTOM), (middle, TOP), (WIDTH - RIGHT, (TOP + HEIGHT - BOTTOM) / 2)]


def test_equal_ratios_are_equal_heights_on_the_axis_of_curves_that_span_decades() -> None:
    svg = chart([100.0, 10.0, 1.0], [0.1, 0.1, 0.1])
    (first, second, third), (lowest, *_) = ([row for _, row in strokes(svg, number)[0]] for number in (0, 1))
    assert second - first == pytest.approx(third - second, abs=5 * ROUNDING)
    assert lowest - third == pytest.approx(third - second, abs=5 * ROUNDING)
    assert labels(svg, "end") == ["0.1", "1", "10", "100"]
    assert "log scale" in svg


@pytest.mark.parametrize("curves", [([1e-4, 1.0],), ([0.0, 1.0], [0.01, 1.0]), ([1.0, 2.0], [10.0, 15.0])])
def test_a_single_curve_a_zero_or_a_narrow_range_has_a_linear_axis(curves: tuple[list[float], ...]) -> None:
    svg = chart(*curves)
    assert "log scale" not in svg
    assert labels(svg, "end")[0] == "0"


@pytest.mark.parametrize("failed", [NAN, math.inf, -math.inf, 1e300])
def test_a_curve_breaks_where_a_value_is_no_number(failed: float) -> None:
    (before, after) = strokes(chart([1.0, 2.0, failed, 2.0]))
    assert (len(before), len(after)) == (2, 1)
    assert after[0][1] == before[1][1]


@pytest.mark.parametrize("values", [[], [NAN], [NAN, math.inf]])
def test_nothing_is_drawn_of_no_numbers(values: list[float]) -> None:
    assert chart(values) == ""


def test_a_curve_without_numbers_leaves_those_beside_it_their_colours() -> None:
    svg = chart([1.0, 2.0], [NAN, NAN], [2.0, 3.0])
    assert [len(strokes(svg, number)) for number in (0, 1, 2)] == [1, 0, 1]


@pytest.mark.parametrize("value", [0.0, 5.0, -1e-3, 1e-300, 1e99])
def test_a_curve_that_never_changes_lies_inside(value: float) -> None:
    (stroke,) = strokes(chart([value] * 3))
    (row,) = {row for _, row in stroke}
    assert TOP < row < HEIGHT - BOTTOM


def test_the_last_point_has_a_dot() -> None:
    svg = chart([1.0, 2.0, NAN])
    column, row = strokes(svg)[0][-1]
    assert f'cx="{column}" cy="{row}"' in svg


@pytest.mark.parametrize(("epochs", "expected"), [(1, ["1"]), (3, ["1", "2", "3"]), (200, ["50", "100", "150", "200"])])
def test_epochs_are_counted_in_whole_numbers(epochs: int, expected: list[str]) -> None:
    *ticks, name = labels(chart([0.5] * epochs), "middle")
    assert (ticks, name) == (expected, "epoch")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 2e-4], ["0", "5e-5", "1e-4", "1.5e-4", "2e-4"]),
        ([0.0, 1e-2], ["0", "0.002", "0.004", "0.006", "0.008", "0.01"]),
        ([0.0, 4e5], ["0", "1e5", "2e5", "3e5", "4e5"]),
        ([-3.0, 3.0], ["-4", "-2", "0", "2", "4"]),
    ],
)
def test_values_of_an_axis_are_short_and_round(values: list[float], expected: list[str]) -> None:
    assert labels(chart(values), "end") == expected


@given(low=positive, ratio=st.floats(1.01, 1e9), most=st.integers(3, 9), logarithmic=st.booleans())
def test_ticks_ascend_within_the_axis_and_are_few(low: float, ratio: float, most: int, logarithmic: bool) -> None:
    axis = Axis(low, low * ratio, logarithmic)
    ticks = axis.ticks(most)
    assert len(ticks) <= most
    assert ticks == sorted(set(ticks))
    assert all(-1e-6 <= axis.fraction(tick) <= 1 + 1e-6 for tick in ticks)


@pytest.mark.parametrize(("mark", "shown"), [(None, 0), (2, 1), (3, 1), (7, 0), (0, 0)])
def test_the_best_epoch_is_marked_where_it_is_among_the_points(mark: float | None, shown: int) -> None:
    svg = chart([3.0, 1.0, 2.0], mark=mark)
    columns = [float(column) for column in re.findall(r'class="mark" d="M([\d.]+),', svg)]
    assert len(columns) == labels(svg, "middle").count("best") == shown
    assert columns == [column for column, _ in strokes(svg)[0][int(mark or 0) - 1 :][:shown]]


def test_what_a_chart_says_is_escaped() -> None:
    svg = line_chart([Line("l1", [(1, 1)])], '"><script>', "<b>")
    assert 'aria-label="&quot;&gt;&lt;script&gt;"' in svg
    assert labels(svg, "middle")[-1] == "&lt;b&gt;"


def bars(svg: str) -> list[list[float]]:
    """Column, row, width and height of each bar."""
    found = re.findall(r'<rect class="bar" x="([^"]*)" y="([^"]*)" width="([^"]*)" height="([^"]*)"', svg)
    return [[float(text) for text in bar] for bar in found]


@given(values=st.lists(drawable, min_size=1, max_size=30))
def test_bins_lie_beside_each_other_and_hold_every_value_once(values: list[float]) -> None:
    parts = bins(values)
    assert len(parts) <= MOST_BINS
    assert sum(part.number for part in parts) == len(values)
    assert all(part.low < part.high for part in parts)
    assert [part.high for part in parts[:-1]] == [part.low for part in parts[1:]]
    slack = 1e-6 * (parts[-1].high - parts[0].low)
    assert parts[0].low - slack <= min(values)
    assert max(values) <= parts[-1].high + slack


def test_a_value_between_two_bins_counts_for_the_upper_one_and_the_largest_for_the_last() -> None:
    parts = bins([number / 10 for number in range(11) for _ in range(number + 1)])
    assert [(part.low, part.number) for part in parts if part.number] == [
        *((number / 10, number + 1) for number in range(10)),
        (0.95, 11),
    ]


@pytest.mark.parametrize("failed", [NAN, math.inf, -math.inf, 1e300])
def test_what_is_no_number_is_in_no_bin(failed: float) -> None:
    assert bins([failed]) == []
    assert histogram([failed], "spread", "dB", "images", failed) == ""
    assert sum(part.number for part in bins([1.0, failed, 2.0])) == 2


@pytest.mark.parametrize("value", [0.0, 5.0, -1e-3, 1e-300, 1e99])
def test_values_that_are_all_equal_make_one_bar_inside(value: float) -> None:
    ((column, row, width, height),) = bars(histogram([value] * 3, "spread", "dB", "images"))
    assert LEFT < column < column + width < WIDTH - RIGHT
    assert (row, height) == (TOP, HEIGHT - BOTTOM - TOP)


def test_bars_are_as_high_as_the_axis_says_and_as_wide_as_their_bins() -> None:
    svg = histogram([0.0] * 4 + [9.0] * 2 + [10.0] * 2 + [23.0], "spread", "dB", "images")
    full = HEIGHT - BOTTOM - TOP
    assert [height for *_, height in bars(svg)] == pytest.approx([full, full / 2, full / 2, full / 4], abs=ROUNDING)
    assert {row + height for _, row, _, height in bars(svg)} == {HEIGHT - BOTTOM}
    step = (WIDTH - LEFT - RIGHT) / 23
    assert [column for column, *_ in bars(svg)] == pytest.approx(
        [LEFT + GAP + step * left for left in (0, 9, 10, 22)], abs=ROUNDING
    )
    assert [width for _, _, width, _ in bars(svg)] == pytest.approx([step - 2 * GAP] * 4, abs=ROUNDING)


def test_a_histogram_names_its_axes_and_counts_in_whole_numbers() -> None:
    svg = histogram([16.0, 17.0], "PSNR of 2 images", "PSNR, dB", "images")
    assert 'aria-label="PSNR of 2 images"' in svg
    assert labels(svg, "end") == ["0", "1"]
    assert labels(svg, "middle")[-2:] == ["PSNR, dB", "images"]
    assert "<title>16 to 16.05: 1</title>" in svg


@pytest.mark.parametrize(("median", "shown"), [(None, 0), (1.5, 1), (math.inf, 0), (NAN, 0), (2.0, 1)])
def test_the_median_is_marked_where_it_lies_on_the_axis(median: float | None, shown: int) -> None:
    svg = histogram([1.0, 2.0], "spread", "dB", "images", median)
    columns = [float(column) for column in re.findall(r'class="mark" d="M([\d.]+),', svg)]
    assert len(columns) == labels(svg, "middle").count("median") == shown
    assert columns == [pytest.approx(LEFT + ((median or 0) - 1) * (WIDTH - LEFT - RIGHT), abs=ROUNDING)] * shown


def test_the_name_of_a_mark_is_within_the_picture() -> None:
    svg = histogram([1.0, 2.0, 2.0], "spread", "dB", "images", 2.0)
    (column,) = re.findall(r'<text x="([\d.]+)" y="[\d.]+" text-anchor="middle">median', svg)
    assert float(column) <= WIDTH - 20
