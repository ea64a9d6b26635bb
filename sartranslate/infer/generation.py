"""What a translator makes of the windows of a plan, batch by batch."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from itertools import islice

import numpy as np

from sartranslate.backscatter.radiometry import Float
from sartranslate.errors import OptionError, SceneError
from sartranslate.infer.planning import PixelPlan
from sartranslate.networks.backend import CPU_BATCH
from sartranslate.runtimes.translator import Translator
from sartranslate.scenes.reader import block_cache, scene_reader
from sartranslate.streaming.prefetch import prefetch
from sartranslate.streaming.sliding import Batch, Patch, batches, padded, side_by_side

CALIBRATED_PIXELS = 16 * 256**2  # at most; what int8 measures on them is all held at once
COLOURS = 3
BATCHES_AHEAD = 2  # read at least: the next one, and one more, since several may be begun at once


def channels(plan: PixelPlan) -> int:
    """Of what is generated: colours and, where it is asked for, their spread."""
    return COLOURS + bool(plan.options.uncertainty)


def generated(plan: PixelPlan, translator: Translator) -> Generator[Batch, None, None]:
    """Batches of the plan's windows, in their order, with the channels of all that is asked for side by side.

    Windows are read in a thread of their own, ahead of the generator. Raises `OptionError` for a translator without the
    spread that is asked for, `SceneError` or `BackendError`.
    """
    generators = [(translator.generator, COLOURS)]
    if plan.options.uncertainty:
        if translator.spread is None:
            raise OptionError("a translator without samples has no spread, expected one with samples")
        generators.append((translator.spread, 1))
    batch_size = plan.options.batch_size or translator.batch_size
    batch_size = min(batch_size, max(len(plan.windows), CPU_BATCH))  # since batches are filled up
    ahead = max(plan.options.prefetch, BATCHES_AHEAD * batch_size)
    with closing(prefetch(_patches(plan), ahead)) as patches:
        generator, concurrency = side_by_side(generators), translator.concurrency
        yield from batches(patches, generator, plan.grid.size, batch_size, channels(plan), concurrency)


def calibration_patches(plan: PixelPlan) -> Float:
    """(N, size, size, bands) patches as the generator will see them, from all over the plan, at most so many."""
    most = max(1, CALIBRATED_PIXELS // plan.grid.size**2)
    order = np.random.default_rng(0).permutation(len(plan.windows))
    shuffled = replace(plan, windows=tuple(plan.windows[number] for number in order))
    with block_cache(plan.scene, plan.options.window), closing(_patches(shuffled)) as patches:
        kept = list(islice((padded(patch, plan.grid.size) for patch in patches if patch.mask.any()), most))
    if not kept:
        raise SceneError(f"{plan.scene.path}: no valid pixel in the area, so nothing to measure int8 on")
    return np.stack(kept)


def _patches(plan: PixelPlan) -> Generator[Patch, None, None]:
    """Read and scale the windows; runs in the reader thread, on datasets of its own."""
    with scene_reader(plan.scene) as reader:
        for window in plan.windows:
            values, mask = reader.read(window)
            yield Patch(window, plan.scaling.apply(values, mask), mask)
