"""The rasters that one pass over a scene gives: the picture and, beside it, what else is told of each pixel."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sartranslate.cog import cog_writers
from sartranslate.cog_profile import CogProfile
from sartranslate.radiometry import Float, Mask
from sartranslate.sliding import Generator

Write = Callable[[int, Float, Mask], None]


class Product(NamedTuple):
    """A raster, and what its values are made by."""

    path: Path
    profile: CogProfile
    generator: Generator  # of as many channels as the raster has bands
    to_bytes: Callable[[Float], NDArray[np.uint8]]  # values of the blended channels, pixel by pixel


@contextmanager
def product_writer(products: Sequence[Product], *, overwrite: bool = True) -> Iterator[Write]:
    """Yield a function that writes finished rows of all products; they appear together, whole, or not at all.

    It takes the first row, values (rows, width, channels) of the products side by side, and the mask that they
    share. Raises `OutputError`.
    """
    ends = np.cumsum([product.profile.bands for product in products])[:-1]
    with cog_writers({product.path: product.profile for product in products}, overwrite=overwrite) as writers:

        def write(row_off: int, values: Float, mask: Mask) -> None:
            parts = np.split(values, ends, axis=-1)
            for product, writer, part in zip(products, writers, parts, strict=True):
                writer.write(row_off, product.to_bytes(part), mask)

        yield write
