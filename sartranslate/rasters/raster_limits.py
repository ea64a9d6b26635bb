"""What a raster may claim to be: sizes that its files make plausible, and a place that can be computed with.

A header of a few bytes can claim any size, and reading that would take memory and hours before anything is found amiss.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine

from sartranslate.counts import counted
from sartranslate.errors import SceneError

MOST_BANDS = 1000
ALWAYS = 2**24  # values that any raster may have, whatever is stored: 4096 x 4096 of one band
VALUES_PER_BYTE = 1000  # that is stored; compressed speckle has less than 10, and the rest of a mosaic may be empty
SHOWN_PARTS = 4
LARGEST_BLOCK = 2 * 2**30  # bytes, decoded, of all bands that are stored together
FARTHEST = 1e12  # units of a CRS: corners and pixels beyond lie on no map


def check_limits(dataset: Any) -> None:
    """Raise `SceneError` for an open dataset with more bands, larger blocks or more pixels than can be meant.

    Pixels are compared with the bytes of its files where all are on this machine, the blocks with a fixed size too;
    and its transform has to place pixels of some area within `FARTHEST`.
    """
    if not dataset.count:
        parts = dataset.subdatasets
        shown = [*parts[:SHOWN_PARTS], *(["..."] if len(parts) > SHOWN_PARTS else [])]
        raise SceneError(f"no bands{', expected one of its parts: ' if parts else ''}{', '.join(shown)}")
    if dataset.count > MOST_BANDS:
        raise SceneError(f"{dataset.count} bands, expected at most {MOST_BANDS}")
    rows, cols = np.max(dataset.block_shapes, axis=0).tolist()
    together = dataset.count if dataset.interleaving is not None and dataset.interleaving.value == "PIXEL" else 1
    size = rows * cols * together * max(map(_bytes, dataset.dtypes))
    if size > LARGEST_BLOCK:
        raise SceneError(
            f"blocks of {cols} x {rows} pixels, {size / 2**30:.1f} GiB each, which have to be held as a whole; "
            f"expected at most {LARGEST_BLOCK // 2**30} GiB, gdal_translate -co TILED=YES makes small ones"
        )
    _check_size(dataset, max(dataset.height * dataset.width, rows * cols) * dataset.count)
    check_transform(dataset.transform)


def check_transform(transform: Affine) -> None:
    """Raise `SceneError` for a transform that is not finite, reaches too far or gives pixels no area."""
    numbers = np.array(transform[:6])
    if not (np.isfinite(numbers).all() and np.abs(numbers).max() <= FARTHEST):
        raise SceneError(f"transform {tuple(transform[:6])}, expected numbers of at most {FARTHEST:g}")
    if abs(transform.determinant) < 1 / FARTHEST**2:
        raise SceneError(f"transform {tuple(transform[:6])}, expected pixels with an area")


def _check_size(dataset: Any, values: int) -> None:
    if values <= ALWAYS or (stored := _stored_bytes(dataset)) is None or values <= VALUES_PER_BYTE * stored:
        return
    raise SceneError(
        f"{dataset.height} x {dataset.width} pixels of {counted(dataset.count, 'band')} in files of {stored} bytes, "
        f"expected at most {VALUES_PER_BYTE} pixels to a byte"
    )


def _bytes(dtype: str) -> int:
    """Of a value; some complex types are none of NumPy's."""
    return 16 if "complex" in dtype else np.dtype(dtype).itemsize


def _stored_bytes(dataset: Any) -> int | None:
    """Of all files; None where some are not on this machine, or there are none."""
    files = [Path(file) for file in dataset.files]
    if not files or not all(file.is_file() for file in files):
        return None
    return sum(file.stat().st_size for file in files)
