"""Crops of an enlarged tile: as Pillow, Torch and TensorFlow would cut them, bit for bit those of the whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sartranslate.recipes.resample import RESAMPLINGS, Span, enlarged

LIGHT = settings(max_examples=100, deadline=None)


@st.composite
def spans(draw: Any, longest: int = 12) -> Span:
    length = draw(st.integers(1, longest))
    size = draw(st.integers(length, 3 * length))
    out = draw(st.integers(1, size))
    return Span(length, size, draw(st.integers(0, size - out)), out)


def whole(span: Span) -> Span:
    return span._replace(offset=0, out=span.size)


def noise(rows: Span, cols: Span, channels: int = 2) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (rows.length, cols.length, channels)).astype(np.float32)


def read(tile: np.ndarray, rows: Span, cols: Span) -> np.ndarray:
    return tile[rows.reach, cols.reach]


def row_of(values: list[float], size: int, resampling: str) -> list[float]:
    one, span = Span(1, 1, 0, 1), Span(len(values), size, 0, size)
    return list(enlarged(np.array([values], np.float32), one, span, resampling)[0])


def keys(distance: float) -> float:
    """The cubic kernel for any a (Keys 1981, equation 4 with its conditions), at a = -1/2."""
    a, x = -0.5, abs(distance)
    if x < 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0


def slow_bicubic(tile: np.ndarray, rows: Span, cols: Span) -> np.ndarray:
    """Every pixel of the tile weighted by its distance from every pixel of the crop."""
    crop = np.empty((rows.out, cols.out, *tile.shape[2:]))
    for i in range(rows.out):
        for j in range(cols.out):
            centre_row = (rows.offset + i + 0.5) * rows.length / rows.size
            centre_col = (cols.offset + j + 0.5) * cols.length / cols.size
            down = np.array([keys(row + 0.5 - centre_row) for row in range(rows.length)])
            across = np.array([keys(col + 0.5 - centre_col) for col in range(cols.length)])
            crop[i, j] = np.einsum("r,c,rcb->b", down / down.sum(), across / across.sum(), tile)
    return crop


@LIGHT
@given(spans(8), spans(8))
def test_bicubic_weights_pixels_by_their_distance_and_none_beyond_the_edge(rows: Span, cols: Span) -> None:
    tile = noise(rows, cols)
    found = enlarged(read(tile, rows, cols), rows, cols, "bicubic")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, slow_bicubic(tile, rows, cols), atol=1e-6)


def test_bicubic_is_what_pillow_computes() -> None:
    """Values of PIL.Image.resize with BICUBIC, images of mode F, Pillow 13."""
    pillow = [-0.081395, 0.310345, 0.965894, 0.63786, 0.0, -0.397805, 0.388813, 3.62069, 5.406976]
    np.testing.assert_allclose(row_of([0, 1, 0, 0, 5], 9, "bicubic"), pillow, atol=2e-6)
    found = enlarged(np.float32([[0, 1, 0], [3, 0, -2]]), Span(2, 3, 0, 3), Span(3, 5, 0, 5), "bicubic")
    pillow_2d = [
        [-0.292701, 0.28751, 1.06579, 0.515809, 0.061072],
        [1.575472, 1.216418, 0.5, -0.518657, -1.113208],
        [3.443644, 2.145326, -0.065789, -1.553122, -2.287488],
    ]
    np.testing.assert_allclose(found, pillow_2d, atol=2e-6)


def drawn_out(tile: np.ndarray, span: Span, axis: int) -> np.ndarray:
    """Straight lines between the centres of pixels, the first and the last of which stay where they are."""
    places = np.linspace(0, span.length - 1, span.size)
    along = np.apply_along_axis(lambda line: np.interp(places, np.arange(span.length), line), axis, tile)
    return np.take(along, range(span.offset, span.offset + span.out), axis)


@LIGHT
@given(spans(), spans())
def test_bilinear_draws_straight_lines_from_the_first_pixel_to_the_last(rows: Span, cols: Span) -> None:
    tile = noise(rows, cols)
    found = enlarged(read(tile, rows, cols), rows, cols, "bilinear")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, drawn_out(drawn_out(tile, rows, 0), cols, 1), atol=1e-6)


def test_bilinear_is_what_torch_computes() -> None:
    """Its scaleLinear_rowcol, image of Torch 7, worked out by hand: a step is (5 - 1) / (9 - 1) of a pixel."""
    assert row_of([0, 1, 0, 0, 5], 9, "bilinear") == [0, 0.5, 1, 0.5, 0, 0, 0, 2.5, 5]
    assert row_of([3], 4, "bilinear") == [3, 3, 3, 3]


def test_bilinear_stays_near_the_ground_that_the_other_resamplings_show() -> None:
    """Within less than half a pixel, for 256 pixels that become 286 within a sixteenth."""
    ramp = list(range(256))
    bilinear, middle = (np.array(row_of(ramp, 286, name)) for name in ("bilinear", "bicubic"))
    assert np.abs(bilinear - middle)[2:-2].max() < 1 / 16


@LIGHT
@given(spans(40))
def test_nearest_copies_the_pixel_in_which_a_centre_lies(span: Span) -> None:
    one = Span(1, 1, 0, 1)
    tile = np.arange(span.length)[None]
    # Pixel p reaches from p to p + 1, and a centre on the border belongs to the pixel after it.
    expected = [(2 * (span.offset + i) + 1) * span.length // (2 * span.size) for i in range(span.out)]
    assert enlarged(read(tile, one, span), one, span, "nearest").tolist() == [expected]


@pytest.mark.parametrize(
    ("length", "tensorflow"),
    [(5, [0, 0, 0, 1, 1, 2, 2, 2, 3, 3, 4, 4, 4]), (6, [0, 0, 1, 2, 2, 3, 3, 4, 5, 5])],
    ids=["5 to 13", "6 to 10, with centres on borders"],
)
def test_nearest_is_what_tensorflow_computes(length: int, tensorflow: list[int]) -> None:
    """Values of tf.image.resize with NEAREST_NEIGHBOR, TensorFlow 2.21."""
    assert row_of(list(range(length)), len(tensorflow), "nearest") == tensorflow


@pytest.mark.parametrize("resampling", RESAMPLINGS)
@LIGHT
@given(rows=spans(), cols=spans())
def test_a_crop_is_bit_for_bit_that_of_the_whole_enlarged_tile(resampling: str, rows: Span, cols: Span) -> None:
    tile = noise(rows, cols)
    complete = enlarged(tile, whole(rows), whole(cols), resampling)
    assert complete.shape == (rows.size, cols.size, 2)
    expected = complete[rows.offset : rows.offset + rows.out, cols.offset : cols.offset + cols.out]
    np.testing.assert_array_equal(enlarged(read(tile, rows, cols), rows, cols, resampling), expected)


@LIGHT
@given(spans(1000))
def test_a_crop_reaches_no_farther_than_two_pixels_from_its_first_and_last_centre(span: Span) -> None:
    reach = span.reach
    assert 0 <= reach.start < reach.stop <= span.length
    first, last = ((span.offset + i + 0.5) * span.length / span.size for i in (0, span.out - 1))
    assert reach.start + 0.5 > first - 2
    assert reach.stop - 0.5 <= last + 2


def test_where_nothing_is_enlarged_a_crop_reaches_its_own_pixels_and_is_these() -> None:
    rows, cols = Span(9, 9, 3, 4), Span(7, 7, 0, 5)
    patch = noise(Span(9, 9, 0, 9), Span(7, 7, 0, 7))[rows.reach, cols.reach]
    assert (rows.reach, cols.reach) == (slice(3, 7), slice(0, 5))
    assert all(enlarged(patch, rows, cols, resampling) is patch for resampling in RESAMPLINGS)


@pytest.mark.parametrize("resampling", RESAMPLINGS)
@LIGHT
@given(rows=spans(), cols=spans(), value=st.floats(-1, 1, width=32))
def test_a_constant_stays_constant(resampling: str, rows: Span, cols: Span, value: float) -> None:
    tile = np.full((rows.length, cols.length), value, np.float32)
    crop = enlarged(read(tile, rows, cols), rows, cols, resampling)
    np.testing.assert_allclose(crop, np.full((rows.out, cols.out), value), atol=1e-6)


def test_a_ramp_stays_a_ramp_where_four_pixels_are_at_hand() -> None:
    rows, cols = Span(20, 33, 0, 33), Span(16, 17, 0, 17)
    tile = np.add.outer(np.arange(20), -2 * np.arange(16)).astype(np.float32)
    row, col = ((np.arange(span.size) + 0.5) * span.length / span.size - 0.5 for span in (rows, cols))
    inside = np.ix_((row >= 1) & (row < 18), (col >= 1) & (col < 14))
    assert enlarged(tile, rows, cols, "bicubic")[inside].shape == (29, 13)
    np.testing.assert_allclose(
        enlarged(tile, rows, cols, "bicubic")[inside], np.add.outer(row, -2 * col)[inside], atol=1e-5
    )


@LIGHT
@given(spans(), spans(), st.data())
def test_bicubic_overshoots_within_25_sixteenths_only(rows: Span, cols: Span, data: st.DataObject) -> None:
    tile = data.draw(arrays(np.float32, (rows.length, cols.length), elements=st.sampled_from([-1, 1])))
    crop = enlarged(read(tile, rows, cols), rows, cols, "bicubic")
    assert np.abs(crop).max() <= 25 / 16 + 1e-6


def test_bicubic_overshoots_to_25_sixteenths_amid_four_bright_pixels() -> None:
    bright = np.array([-1, 1, 1, -1], np.float32)
    middle = Span(4, 5, 2, 1)
    assert enlarged(np.outer(bright, bright), middle, middle, "bicubic").tolist() == [[25 / 16]]


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.float32])
def test_nearest_keeps_the_dtype_and_values(dtype: Any) -> None:
    tile = np.array([[0, 1], [1, 0]], dtype)
    span = Span(2, 4, 0, 4)
    crop = enlarged(tile, span, span, "nearest")
    assert crop.dtype == dtype
    np.testing.assert_array_equal(crop, np.kron(tile, np.ones((2, 2), dtype)))


@pytest.mark.parametrize("resampling", RESAMPLINGS)
def test_channels_do_not_mix_and_memory_order_does_not_matter(resampling: str) -> None:
    rows, cols = Span(9, 14, 2, 7), Span(8, 9, 0, 9)
    tile = noise(rows, cols, 3)
    planes = np.moveaxis(np.ascontiguousarray(np.moveaxis(tile, -1, 0)), 0, -1)
    found = enlarged(read(planes, rows, cols), rows, cols, resampling)
    apart = [enlarged(read(tile[..., band], rows, cols), rows, cols, resampling) for band in range(3)]
    np.testing.assert_array_equal(found, np.stack(apart, axis=-1))
