"""A generator slid over a scene: patches in, blended strips out, batch by batch.

The generator is any callable `(N, H, W, bands) -> (N, H, W, channels)` that returns a new array at each call, and
whose output for one patch depends on that patch alone; nothing here depends on the batch size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Generator as Iterates
from contextlib import closing
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sartranslate.backscatter.radiometry import Float, Mask
from sartranslate.errors import BackendError
from sartranslate.streaming.blend import STRIP_HEIGHT, OverlapAdd, Strip
from sartranslate.streaming.prefetch import in_threads, prefetch
from sartranslate.streaming.windows import Window, WindowGrid

AHEAD = 1  # batches generated before those before them are blended

Generator = Callable[[Float], Float]


class Patch(NamedTuple):
    """Scaled values read through a window."""

    window: Window
    values: Float  # (height, width, bands); not looked at where no pixel is valid
    mask: Mask  # (height, width), True = valid


@dataclass
class Tally:
    """Windows seen so far."""

    windows: int = 0
    skipped: int = 0  # without a valid pixel


class Batch(NamedTuple):
    """Windows with a valid pixel and what the generator made of them, and how many without were met on the way."""

    windows: list[Window]
    masks: list[Mask]  # (height, width), True = valid
    outputs: Float  # (windows, size, size, channels)
    skipped: int


def slide(
    patches: Iterable[Patch],
    generator: Generator,
    grid: WindowGrid,
    *,
    batch_size: int = 8,
    concurrency: int = 1,
    channels: int = 3,
    strip_height: int = STRIP_HEIGHT,
    tally: Tally | None = None,
    region: Window | None = None,
    watch: Callable[[], None] = lambda: None,
) -> Iterates[Strip, None, None]:
    """Translate the patches of the windows of `grid`, in its order, and yield blended strips of `region`.

    A window is skipped only if none of its pixels is valid, so a valid pixel never loses a
    contribution. `tally` is kept up to date, and `watch` called after each batch. `patches` and the generator run in
    threads of their own, `concurrency` batches at once, ahead of blending.
    """
    generated = batches(patches, generator, grid.size, batch_size, channels, concurrency)
    with closing(prefetch(generated, AHEAD)) as ahead:
        yield from blended(ahead, grid, channels, strip_height=strip_height, tally=tally, region=region, watch=watch)


def blended(
    generated: Iterable[Batch],
    grid: WindowGrid,
    channels: int = 3,
    *,
    strip_height: int = STRIP_HEIGHT,
    tally: Tally | None = None,
    region: Window | None = None,
    watch: Callable[[], None] = lambda: None,
) -> Iterates[Strip, None, None]:
    """Strips of `region` from batches of the windows of `grid`, in its order, wherever they were generated."""
    tally = tally or Tally()
    blend = OverlapAdd(grid, channels, strip_height, region)
    for batch in generated:
        tally.windows += len(batch.windows) + batch.skipped
        tally.skipped += batch.skipped
        for window, mask, output in zip(batch.windows, batch.masks, batch.outputs, strict=True):
            height, width = mask.shape
            yield from blend.add(window, output[:height, :width], mask)
        watch()
    yield from blend.finish()


def side_by_side(generators: Sequence[tuple[Generator, int]]) -> Generator:
    """One generator of the channels of all, each given with how many it has; a batch is handed to them in turn.

    Raises `BackendError` for one that returns another shape, or values that are not finite.
    """
    if len(generators) == 1:
        return generators[0][0]  # `batches` looks at its values

    def together(batch: Float) -> Float:
        return np.concatenate([_generate(generator, batch, channels) for generator, channels in generators], axis=-1)

    return together


def batches(
    patches: Iterable[Patch], generator: Generator, size: int, batch_size: int, channels: int, concurrency: int = 1
) -> Iterates[Batch, None, None]:
    """What the generator makes of the patches, in batches across row borders, `concurrency` of them computed at once.

    Patches smaller than a window (a small scene) are mirrored up to its size. Batches are filled up for the generator,
    for a framework may compute a smaller one in other steps, with other rounding. Raises `BackendError` for outputs
    of another shape, or values that are not finite.
    """

    def computed(found: tuple[list[Patch], int]) -> Batch:
        batch, skipped = found
        inputs = [padded(patch, size) for patch in batch]
        inputs += inputs[-1:] * (batch_size - len(batch))
        outputs = np.empty((0, size, size, channels), np.float32)
        if batch:
            outputs = _generate(generator, np.stack(inputs), channels)[: len(batch)]
        return Batch([patch.window for patch in batch], [patch.mask for patch in batch], outputs, skipped)

    found = _batches(patches, batch_size)
    yield computed(next(found))  # a first call compiles, which several at once would each do
    yield from in_threads(computed, found, concurrency)


def _batches(patches: Iterable[Patch], batch_size: int) -> Iterator[tuple[list[Patch], int]]:
    """Lists of up to `batch_size` patches that have values, and how many without any were met on the way.

    A list is empty where only such were met for long.
    """
    batch: list[Patch] = []
    skipped = 0
    for patch in patches:
        if patch.mask.any():
            batch.append(patch)
        else:
            skipped += 1
        if len(batch) == batch_size:
            yield batch, skipped
            batch, skipped = [], 0
        elif skipped == batch_size:  # so that whoever waits can see that it goes on, or stop it
            yield [], skipped
            skipped = 0
    yield batch, skipped


def _generate(generator: Generator, batch: Float, channels: int) -> Float:
    outputs = np.asarray(generator(batch))
    expected = (*batch.shape[:3], channels)
    if outputs.shape != expected:
        raise BackendError(f"the generator returned an array of {outputs.shape}, expected {expected}")
    if not np.isfinite(outputs).all():
        raise BackendError("the generator returned values that are not finite")
    return outputs


def padded(patch: Patch, size: int) -> Float:
    """Its values, mirrored up to the size of a window where the scene is smaller."""
    height, width = patch.mask.shape
    if (height, width) == (size, size):
        return patch.values
    return np.pad(patch.values, ((0, size - height), (0, size - width), (0, 0)), mode="symmetric")
