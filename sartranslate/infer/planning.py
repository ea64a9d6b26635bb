"""A translation before it begins: scene, windows, scaling and outputs, checked against each other."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from sartranslate.backscatter.radiometry import Radiometry
from sartranslate.backscatter.scaling import SceneScaling
from sartranslate.errors import OptionError
from sartranslate.limits import whole
from sartranslate.outputs.cog import side_files
from sartranslate.outputs.output import check_distinct, check_is_tiff, check_output
from sartranslate.outputs.stac import check_placed, item_path
from sartranslate.rasters.geotiff import check_can_hold
from sartranslate.rasters.raster import named_errors
from sartranslate.scenes.aoi import AreaOnGrid, area_on_grid
from sartranslate.scenes.area_file import Area
from sartranslate.scenes.reader import block_cache
from sartranslate.scenes.sampling import scene_scaling
from sartranslate.scenes.scene import Scene, open_scene
from sartranslate.scenes.source import SceneOptions
from sartranslate.storage.file_state import comes_of_looking, file_states
from sartranslate.storage.working_folder import check_free
from sartranslate.streaming.blend import STRIP_HEIGHT
from sartranslate.streaming.windows import Window, WindowGrid, check_multiple

MOST_WINDOWS = 2**16  # in a batch, far beyond what any device holds


@dataclass(frozen=True)
class InferenceOptions:
    """How a scene is cut, read and written. Batch size, prefetch depth and strip height change no pixel."""

    window: int = 256  # pixels, both sides
    overlap: int = 64  # pixels shared by neighbouring windows
    batch_size: int | None = None  # windows in a call of the generator; None: the translator's
    compress: str = "zstd"
    overwrite: bool = False
    uncertainty: Path | None = None  # raster of the translator's spread, always lossless; None: there is none
    keep: tuple[Path, ...] = ()  # files that must never be an output: the model
    unit: str | None = None  # of the scene's values; None: guessed
    scene: SceneOptions = field(default_factory=SceneOptions)
    area: Area | None = None  # the output's; None: the whole scene
    prefetch: int = 16  # patches read ahead, and never fewer than two batches
    strip_height: int = STRIP_HEIGHT  # rows handed to the writer at once; more rows, more memory
    stac: bool = False  # a STAC item beside the output
    resume: bool = True  # go on with what an interrupted run of the same job has left
    note_seconds: float = 2.0  # between two notes of what is finished, at least; work of less is done again

    def __post_init__(self) -> None:
        if self.batch_size is not None and not 1 <= whole(self.batch_size, "batch_size") <= MOST_WINDOWS:
            raise OptionError(f"batch size {self.batch_size}: expected 1 to {MOST_WINDOWS}")
        if self.prefetch < 1 or self.strip_height < 1:
            raise OptionError(f"prefetch {self.prefetch}, strip height {self.strip_height}: expected at least 1")
        WindowGrid(1, 1, self.window, self.overlap)


@dataclass(frozen=True)
class PixelPlan:
    """Checked pixels to translate, wherever they go to: all that is decided before the network is needed."""

    scene: Scene
    scaling: SceneScaling
    grid: WindowGrid
    region: Window  # rows and columns of the output
    area: AreaOnGrid | None  # what is valid of them; None: all
    windows: tuple[Window, ...]  # of the grid, those that the output needs
    options: InferenceOptions
    files: Mapping[str, str]  # of the scene, each with its state before anything was read

    def below(self: AnyPlan, row: int) -> AnyPlan:
        """The same for the rows of the region from this one on."""
        region = self.region.below(row)
        return replace(self, region=region, windows=tuple(w for w in self.windows if w.rows.stop > region.row_off))


@dataclass(frozen=True)
class Plan(PixelPlan):
    """A checked translation to a file."""

    out: Path

    @property
    def item(self) -> Path | None:
        """The STAC item, where one is asked for."""
        return item_path(self.out) if self.options.stac else None


AnyPlan = TypeVar("AnyPlan", bound=PixelPlan)


def plan(
    scene_path: str | os.PathLike[str] | None,
    out: Path,
    radiometry: Radiometry,
    options: InferenceOptions | None = None,
    *,
    size_multiple: int = 1,
) -> Plan:
    """Check scene, output and options against each other and what a model wants, and resolve the scaling.

    Windows must be a multiple of `size_multiple` pixels. Raises `SceneError`, `OptionError` or
    `OutputError`; nothing is written.
    """
    options = options or InferenceOptions()
    check_multiple(options.window, size_multiple)
    scene = open_scene(scene_path, radiometry.bands, options.scene)
    _check_outputs(out, scene, options)
    if options.stac:
        check_placed(scene)
    return Plan(**vars(plan_pixels(scene, radiometry, options)), out=out)


def plan_pixels(scene: Scene, radiometry: Radiometry, options: InferenceOptions) -> PixelPlan:
    """The same of an opened scene without an output. Raises `SceneError`, `AreaError` or `OptionError`."""
    files = file_states(scene.files)
    grid = WindowGrid(scene.height, scene.width, options.window, options.overlap)
    region, area = Window(0, 0, scene.height, scene.width), None
    if options.area:
        with named_errors(scene.path):
            area = area_on_grid(options.area, scene.crs, scene.transform, scene.height, scene.width)
        region = area.window
    windows = tuple(w for w in grid if w.overlaps(region) and (area is None or area.touches(w)))
    with block_cache(scene, options.window):
        scaling = scene_scaling(scene, radiometry, options.unit)
    return PixelPlan(scene, scaling, grid, region, area, windows, options, files)


def _check_outputs(out: Path, scene: Scene, options: InferenceOptions) -> None:
    keep = (*options.keep, Path(options.area.source)) if options.area else options.keep
    outputs = [path for path in (out, options.uncertainty) if path]
    for path in outputs:
        check_is_tiff(path)
        check_free(path)
        check_output(path, scene, keep=keep, overwrite=options.overwrite)
        for file in side_files(path):  # which go as the output comes
            check_output(file, scene, keep=keep, overwrite=options.overwrite or comes_of_looking(file.name))
            for other in outputs:
                check_distinct(other, file)
    if options.uncertainty:
        check_distinct(out, options.uncertainty)
    check_can_hold(out, scene.crs, scene.transform)
    if options.stac:
        item = item_path(out)
        for path in outputs:
            check_distinct(path, item)
        check_output(item, scene, keep=keep, overwrite=options.overwrite)
