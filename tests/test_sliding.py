"""A generator slid over a scene changes nothing but what it changes: tried with callables, without a network."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sartranslate.errors import BackendError
from sartranslate.streaming.prefetch import prefetch
from sartranslate.streaming.sliding import AHEAD, Generator, Patch, Tally, side_by_side, slide
from sartranslate.streaming.windows import WindowGrid

LIGHT = settings(max_examples=40, deadline=None)
SIZE = 32
SHAPES = [
    pytest.param(shape, id="x".join(map(str, shape)))
    for shape in [(1, 1), (7, 90), (90, 7), (31, 31), (32, 32), (33, 33), (32, 33), (101, 67)]
]


def noise_scene(height: int, width: int, channels: int = 3) -> Any:
    return np.random.default_rng(1).uniform(-1, 1, (height, width, channels)).astype(np.float32)


def coordinates(height: int, width: int) -> Any:
    """Row and column of each pixel, divided by 512 so that they are exact and within [-1, 1]."""
    return (np.stack(np.mgrid[:height, :width], axis=-1) / 512).astype(np.float32)


def cut(scene: Any, grid: WindowGrid, valid: Any = None) -> Iterator[Patch]:
    """The patches of a scene held as an array; without a valid pixel their values are empty."""
    valid = np.ones(scene.shape[:2], bool) if valid is None else valid
    for window in grid:
        mask = valid[window.rows, window.cols]
        values = scene[window.rows, window.cols] if mask.any() else np.zeros((0, 0, scene.shape[2]), np.float32)
        yield Patch(window, values, mask)


def run(scene: Any, generator: Generator, size: int = SIZE, overlap: int = 8, valid: Any = None, **options: Any) -> Any:
    """Values and mask of a whole scene."""
    grid = WindowGrid(*scene.shape[:2], size, overlap)
    depth = options.pop("depth", None)
    options.setdefault("channels", scene.shape[2])
    patches = cut(scene, grid, valid)
    with closing(patches if depth is None else prefetch(patches, depth)) as feed:  # type: ignore[type-var]
        strips = list(slide(feed, generator, grid, **options))
    return np.concatenate([s.values for s in strips]), np.concatenate([s.mask for s in strips])


def identity(batch: Any) -> Any:
    return batch


def constant(batch: Any) -> Any:
    return np.broadcast_to(np.float32([-1, 0.3, 1]), (*batch.shape[:3], 3))


def per_patch(batch: Any) -> Any:
    """Different in every window: each patch is mixed with its own mean, minimum and place in the window."""
    rows = np.linspace(-1, 1, batch.shape[1], dtype=np.float32)[:, None, None]
    return np.stack([np.tanh(patch - patch.mean() + patch.min() * rows) for patch in batch])


def means(batch: Any) -> Any:
    return np.stack([np.full_like(patch, patch.mean()) for patch in batch])


@pytest.mark.parametrize("overlap", [0, 1, 8, 16, 25])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_constant_generator_gives_that_constant_up_to_the_corners(shape: tuple[int, int], overlap: int) -> None:
    values, mask = run(noise_scene(*shape), constant, overlap=overlap, batch_size=64)
    np.testing.assert_allclose(values, np.broadcast_to(np.float32([-1, 0.3, 1]), (*shape, 3)), rtol=0, atol=1e-6)
    assert mask.shape == shape
    assert mask.all()


@pytest.mark.parametrize("overlap", [0, 1, 8, 16, 25])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_identity_returns_the_scene(shape: tuple[int, int], overlap: int) -> None:
    scene = noise_scene(*shape)
    np.testing.assert_allclose(run(scene, identity, overlap=overlap)[0], scene, rtol=0, atol=1e-6)


@pytest.mark.parametrize("overlap", [0, 64, 200])
@pytest.mark.parametrize("shape", [(509, 263), (256, 256), (257, 257), (100, 300), (300, 100), (90, 80)])
def test_the_identity_returns_the_scene_at_the_windows_of_real_use(shape: tuple[int, int], overlap: int) -> None:
    scene = noise_scene(*shape)
    np.testing.assert_allclose(run(scene, identity, 256, overlap)[0], scene, rtol=0, atol=1e-6)


@LIGHT
@given(st.integers(1, 80), st.integers(1, 80), st.integers(1, 24), st.data())
def test_the_identity_returns_scenes_of_any_shape_through_any_windows(h: int, w: int, size: int, data: Any) -> None:
    overlap = data.draw(st.integers(0, size - 1))
    scene = noise_scene(h, w, 1)
    # At a stride of one pixel hundreds of float32 shares add up at each pixel.
    np.testing.assert_allclose(run(scene, identity, size, overlap)[0], scene, rtol=0, atol=5e-6)


@pytest.mark.parametrize("overlap", [0, 8, 25])
@pytest.mark.parametrize("shape", [(101, 67), (67, 101), (20, 90), (90, 20)])
def test_every_pixel_of_a_coordinate_raster_lands_where_it_came_from(shape: tuple[int, int], overlap: int) -> None:
    values, _ = run(coordinates(*shape), identity, overlap=overlap)
    np.testing.assert_array_equal(np.rint(values * 512), np.stack(np.mgrid[: shape[0], : shape[1]], axis=-1))


@pytest.mark.parametrize("batch_size", [1, 3, 8, 1000])
def test_every_batch_size_gives_the_same_bits(batch_size: int) -> None:
    scene = noise_scene(101, 67)
    expected = run(scene, per_patch, batch_size=2)[0]
    np.testing.assert_array_equal(run(scene, per_patch, batch_size=batch_size)[0], expected)


@pytest.mark.parametrize("depth", [1, 2, 5, 1000])
def test_every_prefetch_depth_gives_the_same_bits_as_none(depth: int) -> None:
    scene = noise_scene(101, 67)
    np.testing.assert_array_equal(run(scene, per_patch, depth=depth)[0], run(scene, per_patch)[0])


@pytest.mark.parametrize("strip_height", [1, 7, 32, 50, 1000])
def test_every_strip_height_gives_the_same_bits(strip_height: int) -> None:
    scene = noise_scene(101, 67)
    np.testing.assert_array_equal(run(scene, per_patch, strip_height=strip_height)[0], run(scene, per_patch)[0])


@LIGHT
@given(st.integers(1, 40), st.integers(1, 8), st.integers(1, 70), st.integers(0, 2**32 - 1))
def test_batch_prefetch_and_strip_together_change_no_bit_where_windows_are_skipped(
    batch_size: int, depth: int, strip_height: int, seed: int
) -> None:
    scene = noise_scene(47, 31)
    valid = np.repeat(np.repeat(np.random.default_rng(seed).random((6, 4)) < 0.3, 8, axis=0), 8, axis=1)[:47, :31]
    expected = run(scene, per_patch, 12, 4, valid)
    options = {"batch_size": batch_size, "depth": depth, "strip_height": strip_height}
    found = run(scene, per_patch, 12, 4, valid, **options)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize(("row", "col"), [(0, 0), (50, 33), (100, 66), (31, 8), (24, 24)])
def test_a_changed_pixel_changes_only_the_windows_that_contain_it(row: int, col: int) -> None:
    scene = noise_scene(101, 67)
    changed = scene.copy()
    changed[row, col] += 0.5
    reach = np.zeros((101, 67), bool)
    for window in WindowGrid(101, 67, SIZE, 8):
        if 0 <= row - window.row_off < SIZE and 0 <= col - window.col_off < SIZE:
            reach[window.rows, window.cols] = True
    before, after = run(scene, means, batch_size=4)[0], run(changed, means, batch_size=4)[0]
    np.testing.assert_array_equal((before != after).any(axis=-1), reach)


def test_a_generator_sees_full_batches_only_across_row_borders() -> None:
    sizes: list[int] = []

    def counting(batch: Any) -> Any:
        sizes.append(len(batch))
        return batch

    run(noise_scene(101, 67), counting, batch_size=5)  # 4 x 3 windows
    assert sizes == [5, 5, 5]


def test_a_generator_gets_whole_windows_where_the_scene_is_smaller_mirrored_at_the_edge() -> None:
    seen: list[Any] = []

    def keeping(batch: Any) -> Any:
        seen.append(batch)
        return batch

    scene = coordinates(3, 40)
    run(scene, keeping, overlap=0)
    (batch,) = seen
    assert batch.shape[1:] == (SIZE, SIZE, 2)
    np.testing.assert_array_equal(batch[0, :8, 5, 0] * 512, [0, 1, 2, 2, 1, 0, 0, 1])
    np.testing.assert_array_equal(batch[1, 0, :, 1] * 512, np.arange(8, 40))


def test_the_scenes_bands_and_the_images_channels_may_differ_in_number() -> None:
    values, _ = run(noise_scene(40, 50, 1), lambda batch: np.repeat(batch, 3, axis=-1), channels=3)
    np.testing.assert_allclose(values, np.repeat(noise_scene(40, 50, 1), 3, axis=-1), rtol=0, atol=1e-6)


def test_windows_without_a_valid_pixel_never_reach_the_generator_and_are_counted() -> None:
    valid = np.zeros((101, 67), bool)
    valid[60, 40] = True
    grid = WindowGrid(101, 67, SIZE, 8)
    holding = sum(valid[w.rows, w.cols].any() for w in grid)
    fed: set[bytes] = set()

    def counting(batch: Any) -> Any:
        fed.update(patch.tobytes() for patch in batch)
        return batch

    tally = Tally()
    run(noise_scene(101, 67), counting, valid=valid, tally=tally)
    assert len(fed) == holding
    assert tally == Tally(windows=len(grid), skipped=len(grid) - holding)


def test_a_scene_without_a_valid_pixel_is_masked_out_in_full_without_a_call_of_the_generator() -> None:
    def never(batch: Any) -> Any:
        raise AssertionError("called")

    tally = Tally()
    values, mask = run(noise_scene(101, 67), never, valid=np.zeros((101, 67), bool), tally=tally)
    assert (values.shape, values.any(), mask.any()) == ((101, 67, 3), False, False)
    assert tally == Tally(windows=12, skipped=12)


@LIGHT
@given(st.integers(0, 2**32 - 1), st.integers(0, 11))
def test_skipping_windows_changes_no_valid_pixel(seed: int, overlap: int) -> None:
    scene = noise_scene(47, 31)
    valid = np.repeat(np.repeat(np.random.default_rng(seed).random((4, 3)) < 0.3, 12, axis=0), 12, axis=1)[:47, :31]
    fed_all, _ = run(scene, per_patch, 12, overlap)
    values, mask = run(scene, per_patch, 12, overlap, valid)
    np.testing.assert_array_equal(values[valid], fed_all[valid])
    np.testing.assert_array_equal(mask, valid)


def test_the_tally_counts_no_window_before_its_batch_is_done() -> None:
    grid, tally = WindowGrid(101, 67, SIZE, 8), Tally()
    generated: list[int] = []
    seen: list[tuple[int, bool]] = []

    def counting(batch: Any) -> Any:
        generated.append(len(batch))
        return batch

    def watch() -> None:
        seen.append((tally.windows, tally.windows <= sum(generated)))

    list(slide(cut(noise_scene(101, 67), grid), counting, grid, batch_size=5, tally=tally, watch=watch))
    assert seen == [(5, True), (10, True), (12, True)]


def test_long_stretches_without_values_are_reported_as_they_go_by() -> None:
    grid, tally, seen = WindowGrid(501, 32, SIZE, 8), Tally(), []
    patches = [patch._replace(mask=np.zeros_like(patch.mask)) for patch in cut(noise_scene(501, 32), grid)]
    list(slide(patches, identity, grid, batch_size=4, tally=tally, watch=lambda: seen.append(tally.windows)))
    assert seen == [4, 8, 12, 16, 20, 21]
    assert tally.skipped == 21


def test_the_generator_is_a_batch_or_two_ahead_of_blending() -> None:
    grid, generated = WindowGrid(501, 67, SIZE, 8), []

    def counting(batch: Any) -> Any:
        generated.append(len(batch))
        return batch

    strips = slide(cut(noise_scene(501, 67), grid), counting, grid, batch_size=1)
    next(strips)
    time.sleep(0.2)
    blended = 4  # three windows of the first row, and the one that ends it
    assert blended <= len(generated) <= blended + 2 + AHEAD
    strips.close()
    assert "prefetch" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda batch: batch[..., :1], id="one channel"),
        pytest.param(lambda batch: batch[:-1], id="a patch too few"),
        pytest.param(lambda batch: batch[:, ::2, ::2], id="half the size"),
        pytest.param(lambda batch: np.moveaxis(batch, -1, 1), id="channels first"),
        pytest.param(lambda batch: batch[0], id="no batch axis"),
    ],
)
def test_a_generator_that_returns_a_wrong_shape_is_named_with_the_shape_expected(wrong: Generator) -> None:
    with pytest.raises(BackendError, match=r"returned an array of \(.*\), expected \(8, 32, 32, 3\)"):
        run(noise_scene(101, 67), wrong)


def test_generators_side_by_side_give_what_each_gives_alone() -> None:
    scene = noise_scene(101, 67)
    values, mask = run(scene, side_by_side([(per_patch, 3), (means, 3)]), channels=6)
    np.testing.assert_array_equal(values[..., :3], run(scene, per_patch)[0])
    np.testing.assert_array_equal(values[..., 3:], run(scene, means)[0])
    assert mask.all()


def test_of_generators_side_by_side_the_one_that_returns_a_wrong_shape_is_told() -> None:
    together = side_by_side([(identity, 3), (lambda batch: batch[:, ::2, ::2, :1], 1)])
    with pytest.raises(BackendError, match=r"returned an array of \(8, 16, 16, 1\), expected \(8, 32, 32, 1\)"):
        run(noise_scene(101, 67), together, channels=4)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_single_value_that_is_not_finite_stops_the_run(bad: float) -> None:
    def broken(batch: Any) -> Any:
        output = batch.copy()
        output[-1, 3, 4, 1] = bad
        return output

    with pytest.raises(BackendError, match="not finite"):
        run(noise_scene(101, 67), broken)


def test_a_generator_that_fails_on_the_second_batch_ends_the_run_with_its_own_error_and_leaves_no_thread() -> None:
    before, calls = set(threading.enumerate()), []

    def failing(batch: Any) -> Any:
        calls.append(len(batch))
        if len(calls) == 2:
            raise MemoryError("no room for 8 patches")
        return batch

    with pytest.raises(MemoryError, match="no room for 8 patches"):
        run(noise_scene(101, 167), failing, depth=2)
    assert calls == [8, 8]
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("concurrency", [2, 3, 7])
def test_batches_computed_at_once_give_the_same_strips(concurrency: int) -> None:
    """Of a generator whose calls end in another order than they began."""
    delays = np.random.default_rng(concurrency).uniform(0, 0.01, 100).tolist()

    def unsteady(batch: Any) -> Any:
        time.sleep(delays.pop())
        return batch**3

    scene = noise_scene(301, 167)
    valid = np.ones(scene.shape[:2], bool)
    valid[:, 60:110] = False
    expected = run(scene, lambda batch: batch**3, valid=valid)
    for found, wanted in zip(run(scene, unsteady, valid=valid, concurrency=concurrency), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("concurrency", [1, 3])
def test_an_error_while_reading_surfaces_and_leaves_no_thread(concurrency: int) -> None:
    before = set(threading.enumerate())
    scene, grid = noise_scene(101, 67), WindowGrid(101, 67, SIZE, 8)

    def unreadable() -> Iterator[Patch]:
        for count, patch in enumerate(cut(scene, grid)):
            if count == 5:
                raise OSError("block 5 is broken")
            yield patch

    with pytest.raises(OSError, match="block 5 is broken"), closing(prefetch(unreadable(), 3)) as feed:
        list(slide(feed, identity, grid, batch_size=2, concurrency=concurrency))
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("concurrency", [1, 3])
def test_a_consumer_that_stops_early_leaves_no_thread(concurrency: int) -> None:
    before = set(threading.enumerate())
    grid = WindowGrid(501, 67, SIZE, 8)
    with closing(prefetch(cut(noise_scene(501, 67), grid), 3)) as feed:
        first = next(slide(feed, identity, grid, batch_size=2, concurrency=concurrency))
    assert first.row_off == 0
    assert set(threading.enumerate()) <= before


def test_strips_are_ready_before_the_last_patch_is_read() -> None:
    grid = WindowGrid(501, 67, SIZE, 8)
    read: list[int] = []

    def watched() -> Iterator[Patch]:
        for patch in cut(noise_scene(501, 67), grid):
            read.append(patch.window.row_off)
            yield patch

    next(slide(watched(), identity, grid, batch_size=2))
    assert max(read) <= 3 * (SIZE - 8)
