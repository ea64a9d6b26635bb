"""Pairs of tiles cut out of a SAR scene and an optical image on its pixels, where both show something."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_opening

from sartranslate.backscatter.distribution import SceneStatistics
from sartranslate.backscatter.radiometry import Mask, to_decibels
from sartranslate.datasets.coregistration import CLEAR, REACH, Shift, estimate_shift
from sartranslate.datasets.split import PlaceSplit
from sartranslate.datasets.tile_index import TileRecord
from sartranslate.errors import OptionError
from sartranslate.rasters.address import last_part
from sartranslate.rasters.geotiff import RasterProfile, write_blocks
from sartranslate.rasters.raster import moved
from sartranslate.scenes.footprint import footprint, outline
from sartranslate.scenes.optical import Optical, OpticalReader, optical_reader
from sartranslate.scenes.reader import SceneReader, block_cache, scene_reader
from sartranslate.scenes.scene import Scene
from sartranslate.scenes.source import STATISTICS_TAG
from sartranslate.streaming.windows import Window

LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)  # of red, green and blue, ITU-R BT.601
CLOUD_BLOCK = 11  # pixels, both sides of the smallest white block that counts as cloud
SMALLEST_MEASURED = REACH + 2  # pixels, both sides of a tile that can be moved as far as is looked
LEAST_CONTRAST = 1.0  # grey levels of standard deviation; an optical tile with less shows nothing


@dataclass(frozen=True)
class CuttingOptions:
    """What becomes a tile, and which split it belongs to."""

    tile: int = 256  # pixels, both sides
    stride: int | None = None  # pixels from tile to tile; None: side by side
    split: PlaceSplit = field(default_factory=PlaceSplit)
    max_nodata: float = 0.05  # share of pixels that are invalid on either side
    max_white: float = 0.1  # share of valid pixels as white as clouds, and in patches as large
    white: int = 220  # the least of red, green and blue that counts as white, of 255
    check_shift: bool = False  # estimate each tile's misregistration
    max_shift: float | None = None  # pixels; drops tiles with a clear shift beyond

    def __post_init__(self) -> None:
        if self.tile < 1 or (self.stride is not None and self.stride < 1):
            raise OptionError(f"tile {self.tile}, stride {self.stride}: expected at least 1 pixel")
        for name in ("max_nodata", "max_white"):
            if not 0 <= getattr(self, name) <= 1:
                raise OptionError(f"{name} {getattr(self, name)}: expected a share from 0 to 1")
        if not 0 <= self.white <= 255:
            raise OptionError(f"white {self.white}: expected 0 to 255")
        if self.max_shift is not None and not 0 < self.max_shift <= REACH:
            raise OptionError(f"max shift {self.max_shift}: expected above 0 to {REACH} pixels, as far as is looked")

        if self.measures_shift and self.tile < SMALLEST_MEASURED:
            raise OptionError(f"tile {self.tile}: expected at least {SMALLEST_MEASURED} pixels to measure a shift on")

    @property
    def measures_shift(self) -> bool:
        """Whether each tile's misregistration is estimated."""
        return self.check_shift or self.max_shift is not None


@dataclass(frozen=True)
class ScenePair:
    """A scene, an image of the same ground, and what all their tiles have in common."""

    scene: Scene
    image: Optical
    statistics: SceneStatistics
    name: str  # that tiles' names begin with


@dataclass(frozen=True)
class TilePair:
    """One window of both sides, and what was measured on it."""

    window: Window
    split: str
    sar: NDArray[Any]  # (H, W, bands)
    sar_mask: Mask
    rgb: NDArray[np.uint8]
    rgb_mask: Mask
    white_share: float
    shift: Shift | None

    @property
    def mask(self) -> Mask:
        """Valid on both sides."""
        return self.sar_mask & self.rgb_mask


class _Drop(Exception):  # noqa: N818
    """A tile is not used, for this reason."""


def cut(
    scenes: ScenePair, options: CuttingOptions, folder: Path, watch: Callable[[int, int], None]
) -> tuple[list[TileRecord], Counter[str]]:
    """Write the tiles that pass to `folder`/SPLIT/sar and /optical; returns their records and why others did not pass.

    `watch` is told tiles looked at and in all.
    """
    windows, records, dropped = list(_windows(scenes.scene, options)), [], Counter[str]()
    with ExitStack() as stack:
        stack.enter_context(block_cache(scenes.scene, options.tile))
        sar = stack.enter_context(scene_reader(scenes.scene))
        optical = stack.enter_context(optical_reader(scenes.image, scenes.scene))
        for done, window in enumerate(windows, 1):
            try:
                tile = _read(window, sar, optical, scenes, options)
            except _Drop as drop:
                dropped[str(drop)] += 1
            else:
                records.append(_record(tile, scenes, options.split))
                _write(tile, records[-1].name, scenes, folder / tile.split)
            watch(done, len(windows))
    return records, dropped


def _windows(scene: Scene, options: CuttingOptions) -> Iterator[Window]:
    size, stride = options.tile, options.stride or options.tile
    for row_off in range(0, scene.height - size + 1, stride):
        for col_off in range(0, scene.width - size + 1, stride):
            yield Window(row_off, col_off, size, size)


def _read(
    window: Window, sar_reader: SceneReader, rgb_reader: OpticalReader, scenes: ScenePair, options: CuttingOptions
) -> TilePair:
    """A tile that is worth it; raises `_Drop` for others, as early as it shows."""
    split = options.split.of(outline(scenes.scene.crs, scenes.scene.transform, window))
    if split is None:
        raise _Drop("between splits")
    sar, sar_mask = sar_reader.read(window)
    _drop_if("nodata", 1 - sar_mask.mean() > options.max_nodata)
    rgb, rgb_mask = rgb_reader.read(window)
    mask = sar_mask & rgb_mask
    _drop_if("nodata", not mask.any() or 1 - mask.mean() > options.max_nodata)
    white = _white_share(rgb, mask, options.white)
    _drop_if("white", white > options.max_white)
    _drop_if("empty", np.ptp(sar[mask], axis=0).min() == 0 or (rgb[mask] @ LUMINANCE).std() < LEAST_CONTRAST)
    shift = _shift(sar, rgb, mask, scenes.statistics.unit) if options.measures_shift else None
    _drop_if("shifted", shift is not None and _too_far(shift, options.max_shift))
    return TilePair(window, split, sar, sar_mask, rgb, rgb_mask, white, shift)


def _white_share(rgb: NDArray[np.uint8], mask: Mask, white: int) -> float:
    """Of valid pixels in white blocks as large as a small cloud; roofs and runways are white too."""
    blocks = binary_opening(rgb.min(axis=-1) >= white, np.ones((CLOUD_BLOCK, CLOUD_BLOCK), bool))
    return float(blocks[mask].mean())


def _drop_if(reason: str, condition: bool | np.bool_) -> None:
    if condition:
        raise _Drop(reason)


def _shift(sar: NDArray[Any], rgb: NDArray[np.uint8], mask: Mask, unit: str) -> Shift:
    decibels = to_decibels(np.where(mask, sar[..., 0], 1), unit)
    return estimate_shift(decibels, np.asarray(rgb @ LUMINANCE, np.float32), mask)


def _too_far(shift: Shift, most: float | None) -> bool:
    """Whether a shift is beyond what is wanted; one without a clear peak is not known, and passes."""
    return most is not None and shift.clarity >= CLEAR and float(np.hypot(shift.rows, shift.cols)) > most


def _record(tile: TilePair, scenes: ScenePair, split: PlaceSplit) -> TileRecord:
    scene, window, shift = scenes.scene, tile.window, tile.shift
    return TileRecord(
        name=f"{scenes.name}_{window.row_off:05d}_{window.col_off:05d}",
        split=tile.split,
        scene=scenes.name,
        optical=last_part(scenes.image.path),
        **window._asdict(),
        crs=scene.crs.to_string() if scene.crs else "",
        valid_share=float(tile.mask.mean()),
        white_share=tile.white_share,
        shift_rows=shift.rows if shift else None,
        shift_cols=shift.cols if shift else None,
        shift_clarity=shift.clarity if shift else None,
        seed=split.seed,
        block=split.block,
        guard=split.guard,
        shares=split.shares_text,
        scaling=scenes.statistics.to_json(),
        outline=footprint(scene.crs, scene.transform, window),
    )


def _write(tile: TilePair, name: str, scenes: ScenePair, folder: Path) -> None:
    """With masks even where all is valid, so that no reader takes zeros for fill."""
    names = tuple(name or f"band {band}" for band, name in enumerate(scenes.scene.names, 1))
    sar = _profile(tile.sar, tile.window, scenes.scene, names, {STATISTICS_TAG: scenes.statistics.to_json()})
    rgb = _profile(tile.rgb, tile.window, scenes.scene, (), {})
    whole = Window(0, 0, tile.window.height, tile.window.width)
    sar_values, rgb_values = (
        np.where(mask[..., None], values, 0) for values, mask in ((tile.sar, tile.sar_mask), (tile.rgb, tile.rgb_mask))
    )
    write_blocks(folder / "sar" / f"{name}.tif", sar, [(whole, sar_values)], tile.sar_mask)
    write_blocks(folder / "optical" / f"{name}.tif", rgb, [(whole, rgb_values)], tile.rgb_mask)


def _profile(
    values: NDArray[Any], window: Window, scene: Scene, names: tuple[str, ...], tags: dict[str, str]
) -> RasterProfile:
    return RasterProfile(
        height=window.height,
        width=window.width,
        bands=values.shape[-1],
        dtype=values.dtype.name,
        crs=scene.crs,
        transform=moved(scene.transform, window),
        descriptions=names,
        tags=tags,
    )
