"""Patches of a scene through windows, with what is valid in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sartranslate.backscatter.radiometry import Mask, valid_mask
from sartranslate.errors import SceneError
from sartranslate.rasters.block_store import StoredDataset
from sartranslate.rasters.process_wide import cached
from sartranslate.rasters.raster import opened_raster, read_masks, read_window
from sartranslate.rasters.warped import read_blocks
from sartranslate.scenes.scene import Scene
from sartranslate.scenes.source import Band
from sartranslate.streaming.windows import Window

UNSCALED = (1.0, 0.0)
FILL_BLOCK = 5  # pixels, both sides of the smallest block of zeros that is fill; single zeros are measured
FILL_MARGIN = FILL_BLOCK - 1  # pixels around a window that decide which of its zeros are fill
CACHE_MARGIN = 16 * 2**20  # bytes of GDAL's block cache
CACHE_LIMIT = 1024 * 2**20  # bytes
OUTPUT_ROWS = 64  # strips of the output and its overviews that may wait to be written
OUTPUT_PIXEL_BYTES = 4  # RGB and mask


class _ReadError(SceneError):
    """Of one of the files of a scene, which it names."""


class SceneReader:
    """Reads patches of a scene through datasets of its own: one reader for each thread."""

    def __init__(self, scene: Scene, datasets: dict[str, Any]) -> None:
        self._scene = scene
        self._datasets = datasets

    def read(self, window: Window) -> tuple[NDArray[Any], Mask]:
        """Values (height, width, channels) in the scene's unit, and their validity (height, width).

        The dtype is that of the file, or float32 where the file stores a scale or an offset. A pixel
        of any window is the same as in a read of the whole scene.
        """
        values, masks = self.read_bands(window)
        return values, np.logical_and.reduce(masks)

    def read_picture(self, window: Window) -> tuple[NDArray[Any], Mask]:
        """The same of a picture, whose colours may be nodata one by one: valid where any is valid."""
        values, masks = self.read_bands(window)
        return values, np.logical_or.reduce(masks)

    def read_bands(self, window: Window) -> tuple[NDArray[Any], list[Mask]]:
        """The same values, and the validity (height, width) of each band by itself."""
        parts = {name: self._read_named(name, window) for name in self._scene.datasets}
        bands = [parts[band.dataset][band.index] for band in self._scene.bands]
        return np.stack([values for values, _ in bands], axis=-1), [mask for _, mask in bands]

    def _read_named(self, name: str, window: Window) -> dict[int, tuple[NDArray[Any], Mask]]:
        try:
            return self._read_part(name, window)
        except SceneError as error:
            called = self._scene.path if self._scene.grid else name
            raise _ReadError(f"{called}: {error}") from error

    def _read_part(self, name: str, window: Window) -> dict[int, tuple[NDArray[Any], Mask]]:
        """The bands of one dataset by index, each with its validity."""
        dataset, bands = self._datasets[name], self._scene.of(name)
        indexes = [band.index for band in bands]
        read = read_blocks if self._scene.grid else read_window
        values = read(dataset, window, indexes)
        masks = {
            band.index: valid_mask(values[..., channel : channel + 1], [band.nodata])
            for channel, band in enumerate(bands)
        }
        if any(band.has_mask for band in bands):
            _restrict(masks, indexes, read_masks(dataset, window, indexes) != 0)
        if bands[0].alpha:
            shown = (read_window(dataset, window, bands[0].alpha) != 0).all(axis=-1)
            for mask in masks.values():
                mask &= shown
        if (padded := [band.index for band in bands if band.zero_fill]) and (values == 0).any():
            _restrict(masks, padded, ~_zero_blocks(dataset, window, padded))
        return {
            band.index: (_in_unit(values[..., channel], band), masks[band.index]) for channel, band in enumerate(bands)
        }


@contextmanager
def scene_reader(scene: Scene) -> Iterator[SceneReader]:
    """Open a reader; an error while reading is raised as `SceneError`, and names the file of those of the scene."""
    failure: _ReadError | None = None
    with ExitStack() as stack:
        names = {name: scene.path if scene.grid else name for name in scene.datasets}
        store = scene.blocks
        exact = store is not None and store.exact
        openers = {name: partial(opened_raster, name, names[name], blocks=exact) for name in names}
        datasets = {name: stack.enter_context(opener()) for name, opener in openers.items()}
        if store is not None:
            datasets = {name: StoredDataset(datasets[name], name, store, openers[name]) for name in names}
        try:
            yield SceneReader(scene, datasets)
        except _ReadError as error:  # goes past the others, which would give it their names as well
            failure = error
    if failure:
        raise SceneError(str(failure)) from failure


@contextmanager
def block_cache(scene: Scene, window_size: int) -> Iterator[None]:
    """Inside, GDAL may keep the blocks of the scene and the output under one row of windows: each is coded once.

    Its default is a share of the machine's memory, whatever the scene needs.
    """
    with cached(cache_bytes(scene, window_size)):
        yield


def cache_bytes(scene: Scene, window_size: int) -> int:
    """What `block_cache` allows: no more than a limit, unless a single row of blocks is larger."""
    needed = OUTPUT_ROWS * scene.width * OUTPUT_PIXEL_BYTES + row_bytes(scene, window_size)
    return CACHE_MARGIN + min(needed, max(CACHE_LIMIT, row_bytes(scene, 1)))


def row_bytes(scene: Scene, window_size: int) -> int:
    """Bytes of all blocks under one row of windows, in the files and on the grid they are warped to."""
    rows = window_size + 2 * max(band.block[0] for band in scene.bands)
    pixel_bytes = sum(np.dtype(band.dtype).itemsize for band in scene.bands)
    if scene.grid and scene.unwarped:
        source_rows = min(window_size + scene.grid.slant, scene.unwarped.height)
        return rows * scene.width * pixel_bytes + row_bytes(scene.unwarped, source_rows)
    return min(rows, scene.height) * scene.width * pixel_bytes


def _restrict(masks: dict[int, Mask], indexes: Sequence[int], valid: Mask) -> None:
    """Leave out of the masks of these bands what is not valid (height, width, bands)."""
    for index, band in zip(indexes, np.moveaxis(valid, -1, 0), strict=True):
        masks[index] &= band


def _zero_blocks(dataset: Any, window: Window, indexes: Sequence[int]) -> Mask:
    """(height, width, bands) True in blocks of zeros, those cut by the raster's edge included."""
    from scipy.ndimage import binary_opening  # takes a quarter of a second to load, and few scenes need it

    inner = window.grown(FILL_MARGIN, dataset.height, dataset.width)
    zeros = read_window(dataset, inner, indexes) == 0
    above, left = window.row_off - inner.row_off, window.col_off - inner.col_off
    below, right = inner.height - window.height - above, inner.width - window.width - left
    missing = [(FILL_MARGIN - above, FILL_MARGIN - below), (FILL_MARGIN - left, FILL_MARGIN - right), (0, 0)]
    padded = np.pad(zeros, missing, constant_values=True)
    blocks = binary_opening(padded, np.ones((FILL_BLOCK, FILL_BLOCK, 1), bool))
    return np.asarray(blocks[FILL_MARGIN:-FILL_MARGIN, FILL_MARGIN:-FILL_MARGIN])


def _in_unit(values: NDArray[Any], band: Band) -> NDArray[Any]:
    if band.scale == UNSCALED:
        return values
    factor, offset = (np.float32(number) for number in band.scale)
    with np.errstate(over="ignore", invalid="ignore"):  # of what is no data
        return (values * factor + offset).astype(np.float32)
