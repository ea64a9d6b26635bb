"""The rasters that one pass over a scene gives: the picture and, beside it, what else is told of each pixel."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sartranslate.backscatter.radiometry import Float, Mask
from sartranslate.outputs.cog import CogWriter, cog_writer
from sartranslate.outputs.cog_profile import CogProfile
from sartranslate.storage.journal import Resumption


class Product(NamedTuple):
    """A raster, and how its values become bytes."""

    path: Path
    profile: CogProfile
    to_bytes: Callable[[Float], NDArray[np.uint8]]  # values of the blended channels, pixel by pixel


class ProductWriter:
    """Takes finished rows of all products, from `first_row` on."""

    def __init__(self, products: Sequence[Product], writer: CogWriter) -> None:
        self._products, self._writer = products, writer
        self._ends = np.cumsum([product.profile.bands for product in products])[:-1]
        self.first_row = writer.first_row

    def write(self, row_off: int, values: Float, mask: Mask) -> None:
        """Write values (rows, width, channels) of the products side by side, and the mask that they share."""
        parts = zip(self._products, np.split(values, self._ends, axis=-1), strict=True)
        self._writer.write(row_off, [product.to_bytes(part) for product, part in parts], mask)


@contextmanager
def product_writer(
    products: Sequence[Product], *, overwrite: bool = True, resumption: Resumption | None = None
) -> Iterator[ProductWriter]:
    """Open all products for rows; they appear together, whole, or not at all. Raises `OutputError`."""
    profiles = {product.path: product.profile for product in products}
    with cog_writer(profiles, overwrite=overwrite, resumption=resumption) as writer:
        yield ProductWriter(products, writer)
