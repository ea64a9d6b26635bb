"""A translated scene beside an optical image of the same ground, as images to score, read window by window."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import NamedTuple

from sartranslate.backscatter.radiometry import Radiometry
from sartranslate.backscatter.scaling import SceneScaling
from sartranslate.counts import counted
from sartranslate.errors import PairsError
from sartranslate.quality.scoring import SIZE, Picture, Place, Sample
from sartranslate.quality.seams import WINDOW_TAG, SeamSums, TranslatedRegion
from sartranslate.rasters.raster import opened_raster
from sartranslate.scenes.optical import Optical, OpticalOptions, open_optical, optical_reader
from sartranslate.scenes.pixel_grid import PixelGrid, corner_within, other_grid
from sartranslate.scenes.reader import scene_reader
from sartranslate.scenes.sampling import scene_scaling
from sartranslate.scenes.scene import Scene, open_scene
from sartranslate.scenes.source import SceneOptions
from sartranslate.streaming.windows import Window, WindowGrid

RGB = ("uint8", "uint8", "uint8")


@dataclass(frozen=True)
class RasterOptions:
    """What a user says of the rasters that their files do not say."""

    warp: bool = False  # put the truth on the grid of the prediction
    optical: OpticalOptions = field(default_factory=OpticalOptions)  # of the truth
    unit: str | None = None  # of the SAR values; None: guessed
    windows: tuple[int, int] | None = None  # size and overlap of those from the corner on; None: as a tag says
    scene: SceneOptions = field(default_factory=SceneOptions)  # of the SAR scene, whose files may stand for its name


class Sar(NamedTuple):
    """The scene that was translated, of which the prediction may be a part."""

    scene: Scene
    scaling: SceneScaling  # of the whole scene, as the translation scaled it
    corner: tuple[int, int]  # row and column of the prediction's first pixel


@dataclass(frozen=True)
class RasterImages:
    """Windows of the prediction side by side, the last one of a row or column moved back to the edge; one tile."""

    prediction: Scene
    truth: Optical
    sar: Sar | None
    windows: TranslatedRegion | None  # that it was translated in; None: not known

    @property
    def files(self) -> list[str]:
        """Those that the rasters are made of, themselves included."""
        return [*self.prediction.files, *self.truth.files, *(self.sar.scene.files if self.sar else ())]

    @property
    def places(self) -> list[Place]:
        grid = WindowGrid(self.prediction.height, self.prediction.width, SIZE, 0)
        return [Place(f"row {window.row_off}, column {window.col_off}", 0, window) for window in grid]

    def samples(self) -> Iterator[Sample]:
        """All images."""
        return (sample for sample, _ in self.translated())

    def translated(self, wanted: Collection[str] | None = None) -> Iterator[tuple[Sample, Picture]]:
        """All images, or those of such names, with the predictions (H, W, 3)."""
        with ExitStack() as stack:
            prediction = stack.enter_context(scene_reader(self.prediction))
            truth = stack.enter_context(optical_reader(self.truth, self.prediction))
            sar = stack.enter_context(scene_reader(self.sar.scene)) if self.sar else None
            for place in self.places:
                if wanted is None or place.name in wanted:
                    (values, seen), (rgb, shown) = prediction.read_picture(place.window), truth.read(place.window)
                    source, mask = None, seen & shown
                    if self.sar and sar:
                        backscatter, valid = sar.read(place.window.relative(-self.sar.corner[0], -self.sar.corner[1]))
                        source, mask = self.sar.scaling.apply(backscatter, valid), mask & valid
                    yield Sample(place, rgb, mask, source), values

    def seams(self) -> Mapping[int, SeamSums]:
        """Of the whole prediction, where borders of the windows that it was translated in lie within."""
        scene = self.prediction
        if not self.windows or not self.windows.borders.any:
            return {}
        sums = SeamSums(self.windows.borders)
        with scene_reader(scene) as reader:
            for row_off in range(0, scene.height, SIZE):
                for col_off in range(0, scene.width, SIZE):
                    margin = min(row_off, 1), min(col_off, 1)
                    corner = row_off - margin[0], col_off - margin[1]
                    below, right = min(row_off + SIZE, scene.height), min(col_off + SIZE, scene.width)
                    part = reader.read_picture(Window(*corner, below - corner[0], right - corner[1]))
                    sums.add(*part, corner, margin)
        return {0: sums}


def open_raster_images(
    prediction: str | os.PathLike[str],
    truth: str | os.PathLike[str],
    sar: str | os.PathLike[str] | None,
    radiometry: Radiometry,
    options: RasterOptions | None = None,
) -> RasterImages:
    """Check that the rasters go together; `radiometry` is what the model wanted of the SAR scene.

    Raises `PairsError` for rasters on different grids, unless the truth is to be warped or the prediction is a part of
    the SAR scene, and for a prediction that is not red, green and blue or no part of the scene that its tag tells of;
    `OptionError` for windows that can not be; `SceneError` as `open_optical` and `open_scene`.
    """
    options = options or RasterOptions()
    scene = _prediction(prediction)
    optical = open_optical(truth, options.optical)
    if not options.warp:
        grid = PixelGrid.of(optical)
        if not grid.is_that_of(PixelGrid.of(scene)):
            raise other_grid(optical.path, grid, scene, "; --warp puts it there")
    windows = _windows(scene, options.windows)
    known = _sar(sar, scene, radiometry, options) if sar or options.scene.files else None
    return RasterImages(scene, optical, known, windows)


def _prediction(path: str | os.PathLike[str]) -> Scene:
    scene = open_scene(path, None, SceneOptions(allow_ungeoreferenced=True))
    if scene.grid or scene.crs is None or scene.transform.is_identity:
        raise PairsError(f"{scene.path}: no georeference, expected CRS and transform, as `infer` writes them")
    check_rgb(scene)
    return scene


def check_rgb(scene: Scene) -> None:
    """Raise `PairsError` for a raster that is not red, green and blue in bytes."""
    types = tuple(band.dtype for band in scene.bands)
    if types != RGB:
        count = f"{counted(len(types), 'band')} of {', '.join(dict.fromkeys(types))}"
        raise PairsError(
            f"{scene.path}: {count}, expected 3 bands of uint8: red, green and blue, as `infer` writes them"
        )


def _windows(prediction: Scene, told: tuple[int, int] | None) -> TranslatedRegion | None:
    height, width = prediction.height, prediction.width
    if told is not None:
        return TranslatedRegion.whole(WindowGrid(height, width, *told))
    with opened_raster(prediction.path) as dataset:
        text = dataset.tags().get(WINDOW_TAG)
    found = TranslatedRegion.tagged(text, height, width)
    if found and not found.lies_within:
        raise PairsError(
            f"{prediction.path}: {height} x {width} pixels, expected no more than {WINDOW_TAG} has room for, {text}; "
            "--window and --overlap tell otherwise"
        )
    return found


def _sar(path: str | os.PathLike[str] | None, prediction: Scene, radiometry: Radiometry, options: RasterOptions) -> Sar:
    scene = open_scene(path, radiometry.bands, options.scene)
    corner = corner_within(scene, prediction, "; of --sar a prediction may be a part")
    return Sar(scene, scene_scaling(scene, radiometry, options.unit), corner)
