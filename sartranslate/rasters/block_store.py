"""Blocks of remote rasters, read once and kept in a temporary file.

The statistics of a scene and then its windows ask for the same ones; caches of GDAL end with a dataset, or are too
small for a scene.
"""

from __future__ import annotations

import mmap
import tempfile
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from functools import partial
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import rasterio
from numpy.typing import NDArray

from sartranslate.errors import SceneError
from sartranslate.rasters.raster import read_bands
from sartranslate.rasters.remote import FORGETFUL, patiently

VALUES, MASKS = "values", "masks"
MOST_FETCHED = 64 * 2**20  # bytes of blocks that are asked for at once
LARGEST = 8  # bytes of a value

Key = tuple[str, str, int]  # dataset, values or masks, band


class _Block(NamedTuple):
    row: int  # in blocks
    col: int


class BlockStore:
    """A temporary file of decoded blocks, which goes with the last reference to it; a copy elsewhere begins empty."""

    def __init__(self, *, exact: bool = True) -> None:
        """`exact` where nobody else reads the same files, so that GDAL may be told to keep nothing of them."""
        self.exact = exact
        self._file: BinaryIO | None = None
        self._size = 0
        self._mapped: mmap.mmap | None = None
        self._places: dict[tuple[Key, _Block], int] = {}

    def __reduce__(self) -> tuple[Callable[[], BlockStore], tuple[()]]:
        return partial(BlockStore, exact=self.exact), ()

    def has(self, key: Key, block: _Block) -> bool:
        return (key, block) in self._places

    def put(self, key: Key, block: _Block, values: NDArray[Any]) -> None:
        """Keep (rows, columns). Raises `SceneError` where there is no room for it."""
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  # closed with this object
                weakref.finalize(self, self._file.close)
            rest, place = values.tobytes(), self._size
            while rest:
                written = self._file.write(rest)
                self._size, rest = self._size + written, rest[written:]
        except OSError as error:
            raise SceneError(f"no room for blocks in a temporary file: {error.strerror}; $TMPDIR says where") from error
        self._places[key, block] = place

    def get(self, key: Key, block: _Block, shape: tuple[int, int], dtype: np.dtype[Any]) -> NDArray[Any]:
        """What was put, to be read only."""
        place, count = self._places[key, block], shape[0] * shape[1]
        if self._mapped is None or place + count * dtype.itemsize > len(self._mapped):
            self._mapped = mmap.mmap(self._file.fileno(), self._size, access=mmap.ACCESS_READ)  # type: ignore[union-attr]
        return np.frombuffer(self._mapped, dtype, count, place).reshape(shape)


class StoredDataset:
    """An open dataset whose values and masks are read through windows block by block, each block once.

    Blocks of a warped one have to be asked for one by one, as `read_blocks` does.
    """

    def __init__(
        self, dataset: Any, name: str, store: BlockStore, opened: Callable[[], AbstractContextManager[Any]]
    ) -> None:
        """`opened` opens the same dataset once more."""
        self._dataset, self._name, self._store, self._opened = dataset, name, store, opened
        self.height, self.width, self.dtypes = dataset.height, dataset.width, dataset.dtypes
        self._block = tuple(dataset.block_shapes[0])

    def _forget(self) -> None:
        """Have GDAL forget what it keeps of the file: of an answer that was cut short, that would be taken for all."""
        with suppress(SceneError), rasterio.Env(**FORGETFUL), self._opened():
            pass

    def read(self, indexes: Sequence[int] | None, window: Any) -> NDArray[Any]:
        """(bands, rows, columns), as rasterio has it; errors are its own, or those of `BlockStore.put`."""
        return self._read(VALUES, list(indexes or self._dataset.indexes), window)

    def read_masks(self, indexes: Sequence[int], window: Any) -> NDArray[Any]:
        """The same of masks, 0 where invalid."""
        return self._read(MASKS, list(indexes), window)

    def _read(self, kind: str, indexes: list[int], window: Any) -> NDArray[Any]:
        blocks = self._touched(window)
        self._fetch(kind, indexes, blocks)
        dtypes = [np.dtype(np.uint8 if kind == MASKS else self.dtypes[index - 1]) for index in indexes]
        read = np.empty((len(indexes), window.height, window.width), np.result_type(*dtypes))
        for block in blocks:
            place = self._place([block])
            there, here = _common(place.row_off, place.height, window.row_off, window.height)
            across, along = _common(place.col_off, place.width, window.col_off, window.width)
            for number, (index, dtype) in enumerate(zip(indexes, dtypes, strict=True)):
                values = self._store.get(self._key(kind, index), block, (place.height, place.width), dtype)
                read[number, here, along] = values[there, across]
        return read

    def _key(self, kind: str, index: int) -> Key:
        return self._name, kind, index

    def _touched(self, window: Any) -> list[_Block]:
        """In the order in which files hold them."""
        rows, cols = self._block
        down = range(window.row_off // rows, -(-(window.row_off + window.height) // rows))
        across = range(window.col_off // cols, -(-(window.col_off + window.width) // cols))
        return [_Block(row, col) for row in down for col in across]

    def _place(self, blocks: Sequence[_Block]) -> rasterio.windows.Window:
        """The pixels of blocks that form a rectangle, from the first to the last."""
        rows, cols = self._block
        first, last = blocks[0], blocks[-1]
        bottom, right = min((last.row + 1) * rows, self.height), min((last.col + 1) * cols, self.width)
        top, left = first.row * rows, first.col * cols
        return rasterio.windows.Window(left, top, right - left, bottom - top)

    def _fetch(self, kind: str, indexes: list[int], blocks: Sequence[_Block]) -> None:
        """Read and keep those that are not kept yet."""
        missing = [b for b in blocks if not all(self._store.has(self._key(kind, index), b) for index in indexes)]
        for together in self._rectangles(missing, len(indexes)):
            place = self._place(together)
            found = patiently(partial(self._fetched, kind, indexes, place), self._forget)
            for block in together:
                self._keep(kind, indexes, block, found[(slice(None), *self._within(block, place))])

    def _within(self, block: _Block, place: rasterio.windows.Window) -> tuple[slice, slice]:
        """Rows and columns of a block in a rectangle of them."""
        own = self._place([block])
        top, left = own.row_off - place.row_off, own.col_off - place.col_off
        return slice(top, top + own.height), slice(left, left + own.width)

    def _keep(self, kind: str, indexes: list[int], block: _Block, values: NDArray[Any]) -> None:
        for number, index in enumerate(indexes):
            dtype = values.dtype if kind == MASKS else self.dtypes[index - 1]
            self._store.put(self._key(kind, index), block, values[number].astype(dtype, copy=False))

    def _fetched(self, kind: str, indexes: list[int], place: Any) -> NDArray[Any]:
        if kind == MASKS:
            return np.asarray(self._dataset.read_masks(indexes, window=place))
        return read_bands(self._dataset, indexes, place)

    def _rectangles(self, blocks: Sequence[_Block], bands: int) -> Iterator[list[_Block]]:
        """Blocks in as few rectangles as follow from their order: runs along a row, and equal runs below each other."""
        runs: list[list[_Block]] = []
        for block in blocks:
            if runs and runs[-1][-1] == (block.row, block.col - 1):
                runs[-1].append(block)
            else:
                runs.append([block])
        height, (rows, cols) = 0, self._block
        together: list[_Block] = []
        for run in runs:
            full = len(run) * (height + 1) * rows * cols * bands * LARGEST > MOST_FETCHED
            above = [(block.row + 1, block.col) for block in together[-len(run) :]]
            if together and (full or above != run or len(together) != height * len(run)):
                yield together
                together, height = [], 0
            together, height = [*together, *run], height + 1
        if together:
            yield together


def _common(first: int, length: int, other: int, other_length: int) -> tuple[slice, slice]:
    """What two spans share, counted from the start of either."""
    begin, end = max(first, other), min(first + length, other + other_length)
    return slice(begin - first, end - first), slice(begin - other, end - other)
