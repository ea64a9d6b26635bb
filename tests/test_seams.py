"""The seam score is 1 where borders of windows can not be seen, and larger the better they can."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from sartranslate.quality.seams import Borders, SeamSums, TranslatedRegion
from sartranslate.streaming.windows import Window, WindowGrid

HEIGHT, WIDTH = 300, 420
GRID = WindowGrid(HEIGHT, WIDTH, 128, 32)
BORDERS = TranslatedRegion.whole(GRID).borders
VALID = np.ones((HEIGHT, WIDTH), bool)

Values = NDArray[np.float64]


def smooth(seed: int = 0) -> Values:
    values = np.random.default_rng(seed).normal(size=(HEIGHT, WIDTH, 3))
    return gaussian_filter(values, (3, 3, 0)) * 500 + 120


def steps(height: float) -> Values:
    """A step up behind each border."""
    rows, cols = np.arange(HEIGHT)[:, None], np.arange(WIDTH)
    count = sum((rows >= row).astype(float) for row in BORDERS.rows) + sum((cols >= col) for col in BORDERS.cols)
    return np.repeat(height * np.asarray(count)[..., None], 3, axis=-1)


def score(image: Values, mask: NDArray[np.bool_] = VALID, borders: Borders = BORDERS) -> float | None:
    sums = SeamSums(borders)
    sums.add(image, mask)
    return sums.score


@given(st.integers(1, 700), st.integers(1, 300), st.integers(0, 299))
def test_borders_are_where_windows_begin_and_end_within_the_scene(length: int, size: int, overlap: int) -> None:
    grid = WindowGrid(length, 1, size, overlap % size)
    wanted = {edge for window in grid for edge in (window.rows.start, window.rows.stop)} - {0, length}
    assert list(TranslatedRegion.whole(grid).borders.rows) == sorted(wanted)


@given(st.integers(0, HEIGHT - 1), st.integers(0, WIDTH - 1), st.data())
def test_borders_of_a_part_are_those_of_the_whole_scene_that_lie_within_it(row: int, col: int, data: Any) -> None:
    height, width = data.draw(st.integers(1, HEIGHT - row)), data.draw(st.integers(1, WIDTH - col))
    found = TranslatedRegion(GRID, Window(row, col, height, width)).borders
    assert list(found.rows) == [place - row for place in BORDERS.rows if row < place < row + height]
    assert list(found.cols) == [place - col for place in BORDERS.cols if col < place < col + width]


def test_a_part_of_a_scene_shows_its_seams_where_the_scene_has_them() -> None:
    part = Window(37, 101, 200, 250)
    image, mask = (smooth() + steps(20))[part.rows, part.cols], VALID[part.rows, part.cols]
    found = score(image, mask, TranslatedRegion(GRID, part).borders)
    elsewhere = score(image, mask, TranslatedRegion.whole(WindowGrid(200, 250, 128, 32)).borders)
    assert found is not None
    assert elsewhere is not None
    assert found > 2 > 1.2 > elsewhere


def test_a_scene_of_one_window_has_no_borders_and_no_score() -> None:
    borders = TranslatedRegion.whole(WindowGrid(HEIGHT, WIDTH, 512, 64)).borders
    assert not borders.any
    assert score(smooth(), borders=borders) is None


def test_a_smooth_picture_without_seams_scores_about_one() -> None:
    for seed in range(3):
        assert score(smooth(seed)) == pytest.approx(1, abs=0.06)


def test_constant_blocks_are_all_seam() -> None:
    assert score(steps(20)) == math.inf


def test_the_score_grows_with_the_steps_at_the_borders() -> None:
    found = [score(smooth() + steps(height)) for height in (0, 5, 10, 20, 40)]
    assert (np.diff(np.array(found, float)) > 0).all()
    assert found[-1] is not None
    assert found[-1] > 3


def test_a_flat_picture_has_no_seams() -> None:
    assert score(np.full((HEIGHT, WIDTH, 3), 9.0)) == 1


def test_the_score_is_the_mean_gradient_on_borders_against_that_elsewhere() -> None:
    image = np.array([[0, 1, 5, 6, 8]], float)[..., None]  # gradients 1, 4, 1, 2
    assert score(image, np.ones((1, 5), bool), Borders([], [2])) == pytest.approx(4 / ((1 + 1 + 2) / 3))


def test_stripes_along_one_direction_are_not_taken_for_seams() -> None:
    """All gradients lie between columns, of which a scene one window high has more among those on borders."""
    stripes = np.tile((np.arange(WIDTH) % 2 * 50.0)[:, None], (HEIGHT, 1, 3)).reshape(HEIGHT, WIDTH, 3)
    assert score(stripes, borders=Borders([], BORDERS.cols)) == pytest.approx(1)
    assert score(stripes, borders=Borders([100], BORDERS.cols)) == pytest.approx(1)


def test_only_pairs_of_valid_pixels_count() -> None:
    image, mask = smooth(), VALID.copy()
    mask[:, BORDERS.cols[1]] = False  # type: ignore[index]
    image[~mask] = np.nan
    found = score(image, mask)
    assert found is not None
    assert found == pytest.approx(1, abs=0.06)


@pytest.mark.parametrize("side", [40, 128, 256])
def test_a_scene_read_part_by_part_scores_as_the_whole(side: int) -> None:
    image, mask = smooth() + steps(10), np.random.default_rng(2).random((HEIGHT, WIDTH)) < 0.9
    sums = SeamSums(BORDERS)
    for row in range(0, HEIGHT, side):
        for col in range(0, WIDTH, side):
            top, left = max(row - 1, 0), max(col - 1, 0)
            part = slice(top, row + side), slice(left, col + side)
            sums.add(image[part], mask[part], (top, left), (row - top, col - left))
    assert sums.score == pytest.approx(score(image, mask), rel=1e-9)


def test_the_tag_of_a_translation_is_understood_and_no_other_text() -> None:
    assert TranslatedRegion.tagged("512, overlap 0", 3, 4) == TranslatedRegion.whole(WindowGrid(3, 4, 512, 0))
    for text in (None, "", "256", "256, overlap x", "256, overlap 64, from row 1, column 2"):
        assert TranslatedRegion.tagged(text, 3, 4) is None


@pytest.mark.parametrize("region", [Window(0, 0, HEIGHT, WIDTH), Window(0, 0, 9, WIDTH), Window(128, 64, 30, 40)])
def test_a_tag_tells_what_it_was_made_of(region: Window) -> None:
    translated = TranslatedRegion(GRID, region)
    assert TranslatedRegion.tagged(translated.describe(), region.height, region.width) == translated
