"""A validation sheet: examples one below the other, each as SAR, prediction and truth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from rasterio.io import MemoryFile

from sartranslate.backscatter.radiometry import Float, to_rgb
from sartranslate.errors import OptionError
from sartranslate.rasters.process_wide import quiet
from sartranslate.storage.atomic import write_whole

GAP = 6  # pixels between pictures
LIGHT = 235  # of the gaps

Picture = NDArray[np.uint8]
Images: TypeAlias = Sequence[Float] | Float


def sheet(source: Images, prediction: Images, truth: Images) -> Picture:
    """One row an example, three pictures a row, thin light gaps between: uint8 (rows, columns, 3).

    `source` is (N, H, W, C), see `visible`; `prediction` and `truth` are (N, H, W, 3), all in [-1, 1].
    Raises `OptionError` where there is no example, or they differ in number or size.
    """
    columns = [np.asarray(images) for images in (source, prediction, truth)]
    if len({images.shape[:3] for images in columns}) > 1 or not len(columns[0]):
        found = ", ".join(" x ".join(map(str, images.shape[:3])) for images in columns)
        raise OptionError(f"examples of {found}: expected at least one, of the same height and width in all columns")
    columns[0] = visible(columns[0])
    rows = [_joined([to_rgb(images[example]) for images in columns], axis=1) for example in range(len(columns[0]))]
    return _joined(rows, axis=0)


def visible(source: Float) -> Float:
    """(..., C) SAR channels as (..., 3) colours, both in [-1, 1].

    One channel is grey. Of two the first is red, the second green and their mean blue: grey where they agree.
    Of more, the first three are red, green and blue.
    """
    if source.shape[-1] == 1:
        return np.repeat(source, 3, axis=-1)
    if source.shape[-1] == 2:
        return np.concatenate([source, source.mean(axis=-1, keepdims=True)], axis=-1)
    return source[..., :3]


def encoded(image: Picture, driver: str = "PNG", **options: Any) -> bytes:
    """An RGB image (H, W, 3) as the bytes of a PNG file, without loss, or of a JPEG; with alpha (H, W, 4) of a WebP.

    `options` are those of GDAL's driver.
    """
    height, width, bands = image.shape
    size: dict[str, Any] = {"height": height, "width": width, "count": bands, "dtype": "uint8"}
    with MemoryFile() as file:
        with quiet(), file.open(driver=driver, **size, **options) as dataset:
            dataset.write(np.moveaxis(image, -1, 0))
        return bytes(file.read())


def write_png(path: Path, image: Picture) -> None:
    """Write an RGB image (H, W, 3) as PNG, whole or not at all. Raises `OutputError` when that is not possible."""
    write_whole(path, encoded(image))


def _joined(pictures: list[Picture], axis: int) -> Picture:
    gap_shape = list(pictures[0].shape)
    gap_shape[axis] = GAP
    gap = np.full(gap_shape, LIGHT, np.uint8)
    pieces = [piece for picture in pictures for piece in (gap, picture)]
    return np.concatenate(pieces[1:], axis=axis)
