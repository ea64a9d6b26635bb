"""A translation beside its SAR scene, a true image and its own uncertainty, opened and checked to share pixels."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from sartranslate.backscatter.radiometry import Radiometry
from sartranslate.backscatter.scaling import SceneScaling
from sartranslate.counts import counted
from sartranslate.errors import OptionError, PairsError
from sartranslate.evaluate.raster_images import check_rgb
from sartranslate.rasters.raster import stored_tags
from sartranslate.scenes.optical import Optical, OpticalOptions, open_optical
from sartranslate.scenes.pixel_grid import PixelGrid, corner_within, other_grid
from sartranslate.scenes.reader import block_cache
from sartranslate.scenes.sampling import scene_scaling
from sartranslate.scenes.scene import Scene, open_scene
from sartranslate.scenes.source import SceneOptions
from sartranslate.streaming.reduction import STRIP_ROWS, Reduction

SIZES = range(64, 8193)  # pixels; browsers draw no larger picture everywhere
ANY = SceneOptions(allow_ungeoreferenced=True)


@dataclass(frozen=True)
class ComparisonOptions:
    """What is shown beside SAR and translation, and how."""

    truth: Path | None = None  # optical image of the same ground
    uncertainty: Path | None = None  # raster of `infer --uncertainty`
    size: int = 2000  # pixels that the longer side of a picture may have
    warp: bool = False  # put the truth on the grid of the translation
    optical: OpticalOptions = field(default_factory=OpticalOptions)  # of the truth
    unit: str | None = None  # of the SAR values; None: guessed
    keep: tuple[Path, ...] = ()  # files that the page must never replace: the model
    scene: SceneOptions = field(default_factory=SceneOptions)

    def __post_init__(self) -> None:
        if self.size not in SIZES:
            raise OptionError(f"size {self.size}: expected {SIZES[0]} to {SIZES[-1]} pixels")


class Part(NamedTuple):
    """A scene, and the row and column of it at which the translation begins."""

    scene: Scene
    corner: tuple[int, int]


@dataclass(frozen=True)
class Comparison:
    """Rasters that have the pixels of the translation, or have them as a part."""

    sar: Part
    scaling: SceneScaling  # of the whole scene, as a translation scales it
    translation: Scene
    tags: Mapping[str, str]  # of the translation
    truth: Optical | None
    uncertainty: Part | None
    spread_tags: Mapping[str, str]  # of the uncertainty
    reduction: Reduction

    @property
    def files(self) -> list[str]:
        """Those that the rasters beside the SAR scene are made of, themselves included."""
        others = (self.truth, self.uncertainty.scene if self.uncertainty else None)
        return [*self.translation.files, *(file for other in others if other for file in other.files)]


def open_comparison(
    scene: str | os.PathLike[str] | None,
    translation: str | os.PathLike[str],
    radiometry: Radiometry,
    options: ComparisonOptions | None = None,
) -> Comparison:
    """Check that the rasters go together; `radiometry` is what the model wants of the scene.

    Raises `PairsError` for a raster that does not have the translation's pixels, even as a part, unless it is the truth
    and to be warped, and for a translation that is not red, green and blue in bytes; `SceneError` and `OptionError` as
    `open_scene`, `open_optical` and `resolve_scaling`.
    """
    options = options or ComparisonOptions()
    source = open_scene(scene, radiometry.bands, options.scene)
    translated = open_scene(translation, None, ANY)
    check_rgb(translated)
    sar = _part(source, translated, "; a translation may be a part of its scene")
    truth = _truth(translated, options) if options.truth else None
    uncertainty = _uncertainty(options.uncertainty, translated) if options.uncertainty else None
    return Comparison(
        sar,
        _scaling(source, radiometry, options.unit),
        translated,
        stored_tags(translated.path),
        truth,
        uncertainty,
        stored_tags(uncertainty.scene.path) if uncertainty else {},
        Reduction.to_size(translated.height, translated.width, options.size),
    )


def _part(whole: Scene, translation: Scene, advice: str) -> Part:
    return Part(whole, corner_within(whole, translation, advice))


def _truth(translation: Scene, options: ComparisonOptions) -> Optical:
    optical = open_optical(str(options.truth), options.optical)
    if translation.crs is None:
        raise PairsError(f"{translation.path}: no georeference, expected one to put {optical.path} on")
    grid = PixelGrid.of(optical)
    if not options.warp and grid.corner_of(PixelGrid.of(translation)) is None:
        raise other_grid(optical.path, grid, translation, "; --warp puts it there")
    return optical


def _uncertainty(path: Path, translation: Scene) -> Part:
    scene = open_scene(path, None, ANY)
    if len(scene.bands) != 1:
        raise PairsError(
            f"{scene.path}: {counted(len(scene.bands), 'band')}, expected one of grey levels, as "
            "`infer --uncertainty` writes it"
        )
    return _part(scene, translation, "; `infer --uncertainty` writes it beside a translation")


def _scaling(scene: Scene, radiometry: Radiometry, unit: str | None) -> SceneScaling:
    with block_cache(scene, STRIP_ROWS):
        return scene_scaling(scene, radiometry, unit)
