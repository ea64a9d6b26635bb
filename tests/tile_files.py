"""Small folders of pairs that many tests start from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS

from sartranslate.rasters.process_wide import quiet

DRIVERS = {".png": "PNG", ".jpg": "JPEG"}
SAR = np.arange(12 * 10, dtype=np.uint16).reshape(1, 12, 10)
RGB = np.arange(3 * 12 * 10, dtype=np.uint16).astype(np.uint8).reshape(3, 12, 10)


def placed(columns: int = 0) -> dict[str, Any]:
    """CRS and transform of pixels of 10 m, the first of them so many to the east."""
    return {"crs": CRS.from_epsg(32632), "transform": Affine(10, 0, 500_000 + 10 * columns, 0, -10, 5_300_000)}


PLACE = placed()


def write(path: Path, values: NDArray[Any], **profile: Any) -> Path:
    """(bands, rows, columns) as a raster of the format that its name says; `colours` make a palette of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    driver = DRIVERS.get(path.suffix, "GTiff")
    size = {"count": values.shape[0], "height": values.shape[1], "width": values.shape[2]}
    colours = profile.pop("colours", None)
    with quiet(), rasterio.open(path, "w", driver=driver, dtype=values.dtype, **size, **profile) as file:
        file.write(values)
        if colours:
            file.write_colormap(1, colours)
    return path


def write_pair(
    folder: Path, name: str, sar: NDArray[Any] = SAR, rgb: NDArray[Any] = RGB, columns: int = 0, **profile: Any
) -> None:
    """A pair on known ground, so many columns to the east; keywords are for the SAR side."""
    write(folder / "sar" / name, sar, **{**placed(columns), **profile})
    write(folder / "optical" / name, rgb, **placed(columns))


def ramp_pair(folder: Path, name: str, size: int, start: int = 0) -> None:
    """A pair whose optical bands repeat the SAR values, which are decibels stretched to bytes."""
    ramp = (np.arange(size * size).reshape(1, size, size) * 7 + start) % 251
    write_pair(folder, name, ramp.astype(np.uint8), np.repeat(ramp, 3, axis=0).astype(np.uint8))


def noise(height: int, width: int, bands: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    """(height, width, bands) of bytes that have no pattern, so that files of them can not be compressed."""
    return np.random.default_rng(seed).integers(1, 255, (height, width, bands), dtype=np.uint8)


def save_image(path: Path, values: NDArray[np.uint8], **options: Any) -> Path:
    """(H, W) or (H, W, bands) bytes on no ground."""
    return write(path, values.reshape(*values.shape[:2], -1).transpose(2, 0, 1), **options)


def save_side_by_side(path: Path, left: NDArray[np.uint8], right: NDArray[np.uint8]) -> Path:
    return save_image(path, np.concatenate([left, right], axis=1))


def cut_off(path: Path, share: float) -> None:
    """The file as a copy that was interrupted leaves it."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
