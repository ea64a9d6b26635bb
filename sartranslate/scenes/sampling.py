"""Values of a whole scene without reading all of it, for statistics."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sartranslate.backscatter.distribution import resolve_scaling
from sartranslate.backscatter.radiometry import Mask, Radiometry
from sartranslate.backscatter.scaling import SceneScaling
from sartranslate.backscatter.units import NEIGHBOURS
from sartranslate.errors import EmptySceneError
from sartranslate.rasters.raster import named_errors
from sartranslate.scenes.reader import row_bytes, scene_reader
from sartranslate.scenes.scene import Scene
from sartranslate.storage.file_state import VIRTUAL
from sartranslate.streaming import threads
from sartranslate.streaming.prefetch import prefetch
from sartranslate.streaming.windows import Window

AHEAD = 16  # windows read while earlier ones are looked at
SAMPLED_WINDOWS = 32  # per axis, evenly spread over the scene
MOST_VALUES = 2**23  # of each band, which bounds the memory
FEWEST_VALUES = 4096  # of each band, that statistics are taken of without a look at the whole scene
SAMPLED_SIZE = 64  # pixels, both sides of a sampled window
LEAST_ROWS = 4  # of blocks, for each thread that reads a sample
HELD_BYTES = 256 * 2**20  # of blocks, by all such threads

Patches = Generator[tuple[NDArray[Any], list[Mask]], None, None]
Survey = tuple[NDArray[Any], float]  # (N, channels) valid values, and the share of the pixels looked at that are valid


def sample_scene(scene: Scene) -> NDArray[Any]:
    """(N, channels) valid values in scan order from full-resolution windows spread evenly over the scene.

    Overviews are averaged and would hide speckle, so none is used; a warped scene is sampled before
    it is warped. Raises `EmptySceneError` if no pixel of the scene is valid.
    """
    return survey(scene)[0]


def sample_bands(scene: Scene) -> list[NDArray[Any]]:
    """The same (N,) of each band by itself, whatever the others have there, as a model sees it that takes it alone."""
    return [values[:, 0] for values, _ in _surveys(scene, apart=True)]


def scene_scaling(scene: Scene, radiometry: Radiometry, unit: str | None = None) -> SceneScaling:
    """A scene's scaling by its own values. Raises `SceneError` and `OptionError` as `resolve_scaling`."""
    samples = sample_bands(scene)
    with named_errors(scene.path):
        return resolve_scaling(radiometry, samples, unit, scene.stored)


def survey(scene: Scene) -> Survey:
    """The values of `sample_scene`, and the share of the pixels looked at that are valid."""
    (found,) = _surveys(scene, apart=False)
    return found


def _surveys(scene: Scene, *, apart: bool) -> list[Survey]:
    """Of all bands together, or of each one by itself, in one go through the scene."""
    scene = scene.unwarped or scene
    found = _valid_values(_sampled(scene), apart=apart)
    if any(len(values) < FEWEST_VALUES or (values == values[0]).all() for values, _ in found):
        found = _valid_values(prefetch(_patches(scene, _all_windows(scene)), AHEAD), apart=apart)
    if not all(values.size for values, _ in found):
        raise EmptySceneError(f"{scene.path}: no valid pixels")
    return found


def spread_windows(height: int, width: int) -> Iterator[Window]:
    """Windows spread evenly over a raster of this size, row by row; all of it where that is not large."""
    rows, columns = min(SAMPLED_SIZE, height), min(SAMPLED_SIZE, width)
    for row_off in _spread(height, rows):
        for col_off in _spread(width, columns):
            yield Window(row_off, col_off, rows, columns)


def _spread(length: int, size: int) -> list[int]:
    count = min(SAMPLED_WINDOWS, -(-length // size))
    return sorted({round(offset) for offset in np.linspace(0, length - size, count)})


def _all_windows(scene: Scene) -> Iterator[Window]:
    size = SAMPLED_SIZE * 16
    for row_off in range(0, scene.height, size):
        for col_off in range(0, scene.width, size):
            yield Window(row_off, col_off, min(size, scene.height - row_off), min(size, scene.width - col_off))


def _sampled(scene: Scene) -> Patches:
    """Patches of the spread windows, in their order, read by as many threads as are worth it."""
    windows, readers = list(spread_windows(scene.height, scene.width)), _readers(scene)
    return _read_at_once(scene, windows, readers) if readers > 1 else prefetch(_patches(scene, windows), AHEAD)


def _readers(scene: Scene) -> int:
    """Each holds blocks of its own, and decodes those again that lie at the edge of its part."""
    if scene.blocks is not None or any(map(VIRTUAL.match, scene.datasets)):
        return 1  # a block store is for one thread at a time, and each reader unpacks an archive from its start
    rows_of_blocks = scene.height // max(band.block[0] for band in scene.bands)
    held = HELD_BYTES // row_bytes(scene, SAMPLED_SIZE)
    return max(1, min(threads.for_input(), rows_of_blocks // LEAST_ROWS, held))


def _read_at_once(scene: Scene, windows: Sequence[Window], readers: int) -> Patches:
    """Patches in the order of the windows, each reader's from a part of the scene of its own; all may be held."""
    size = -(-len(windows) // readers)
    parts = [windows[first : first + size] for first in range(0, len(windows), size)]
    with ExitStack() as stack:
        found = [stack.enter_context(closing(prefetch(_patches(scene, part), len(part)))) for part in parts]
        firsts = [next(patches) for patches in found]  # so that all begin
        for first, rest in zip(firsts, found, strict=True):
            yield first
            yield from rest


def _patches(scene: Scene, windows: Iterable[Window]) -> Patches:
    with scene_reader(scene) as reader:
        for window in windows:
            yield reader.read_bands(window)


def _valid_values(patches: Patches, *, apart: bool) -> list[Survey]:
    """Of all bands together, where all are valid, or of each one where it is."""
    gathered: list[_Gathered] = []
    with closing(patches):
        for values, masks in patches:
            if apart:
                parts = [(values[..., [channel]], mask) for channel, mask in enumerate(masks)]
            else:
                parts = [(values, np.logical_and.reduce(masks))]
            gathered = gathered or [_Gathered() for _ in parts]
            for each, part in zip(gathered, parts, strict=True):
                each.add(*part)
    return [each.survey() for each in gathered]


class _Gathered:
    """Valid values, thinned evenly where they are too many."""

    def __init__(self) -> None:
        self._kept: list[NDArray[Any]] = []
        self._pixels = self._valid = self._held = self._halvings = 0

    def add(self, values: NDArray[Any], mask: Mask) -> None:
        """(H, W, channels), and where they are valid (H, W)."""
        found = values.reshape(mask.size, -1) if mask.all() else values[mask]
        self._pixels, self._valid = self._pixels + mask.size, self._valid + len(found)
        self._kept.append(_thinned(found, self._halvings))
        self._held += len(self._kept[-1])
        if self._held > MOST_VALUES:
            self._kept, self._halvings = [_thinned(np.concatenate(self._kept), 1)], self._halvings + 1
            self._held = len(self._kept[0])

    def survey(self) -> Survey:
        return np.concatenate(self._kept), self._valid / self._pixels


def _thinned(values: NDArray[Any], halvings: int) -> NDArray[Any]:
    """Every so manieth run of values, since values beside each other tell of speckle."""
    if not halvings:
        return values
    runs = np.arange(len(values)) // NEIGHBOURS
    return np.asarray(values[runs % 2**halvings == 0])
