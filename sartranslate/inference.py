"""Translate a SAR scene to an RGB GeoTIFF on the same ground, in memory that does not grow with its height."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sartranslate import __version__
from sartranslate.aoi import AreaOnGrid, area_on_grid
from sartranslate.area_file import Area
from sartranslate.blend import STRIP_HEIGHT, Strip
from sartranslate.cog import RgbProfile, RgbWriter, rgb_writer
from sartranslate.errors import OptionError
from sartranslate.output import check_output
from sartranslate.prefetch import BackgroundWriter, prefetch
from sartranslate.radiometry import Radiometry, to_rgb
from sartranslate.raster import moved, named_errors
from sartranslate.reader import block_cache, scene_reader
from sartranslate.sampling import sample_scene
from sartranslate.scaling import SceneScaling, resolve_scaling
from sartranslate.scene import Scene, open_scene
from sartranslate.sliding import Generator, Patch, Tally, slide
from sartranslate.source import SceneOptions
from sartranslate.windows import Window, WindowGrid, check_multiple

SYNTHETIC = "Synthetic RGB generated from SAR backscatter; not an optical observation"


@dataclass(frozen=True)
class Translator:
    """A generator and what has to be known to apply it."""

    generator: Generator
    batch_size: int = 8  # patches in a call, where the options leave it open
    model: str = "callable"
    device: str = "CPU"
    precision: str = "float32"


@dataclass(frozen=True)
class InferenceOptions:
    """How a scene is cut, read and written. Batch size, prefetch depth and strip height change no pixel."""

    window: int = 256  # pixels, both sides
    overlap: int = 64  # pixels shared by neighbouring windows
    batch_size: int | None = None  # windows in a call of the generator; None: the translator's
    compress: str = "zstd"
    overwrite: bool = False
    keep: tuple[Path, ...] = ()  # files that must never be the output: the model
    unit: str | None = None  # of the scene's values; None: guessed
    scene: SceneOptions = field(default_factory=SceneOptions)
    area: Area | None = None  # the output's; None: the whole scene
    prefetch: int = 16  # patches read ahead
    strip_height: int = STRIP_HEIGHT  # rows handed to the writer at once; more rows, more memory

    def __post_init__(self) -> None:
        if self.batch_size is not None and self.batch_size < 1:
            raise OptionError(f"batch size {self.batch_size}: expected at least 1")
        if self.prefetch < 1 or self.strip_height < 1:
            raise OptionError(f"prefetch {self.prefetch}, strip height {self.strip_height}: expected at least 1")
        WindowGrid(1, 1, self.window, self.overlap)


@dataclass(frozen=True)
class InferenceSummary:
    """What was done, fit for JSON."""

    scene: str
    out: str
    height: int  # pixels
    width: int  # pixels
    windows: int
    skipped_windows: int  # without a valid pixel
    seconds: float  # from the first read to the finished file, without loading the model
    megapixels_per_second: float
    device: str
    precision: str
    model: str
    placed: str | None  # how ground control points put the scene on its grid; None: it had one
    bands: tuple[str, ...]  # of the scene, one for each channel of the model
    scaling: dict[str, Any]  # unit, reason and ranges assumed for the scene
    scaling_text: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Plan:
    """A checked translation: all that is decided before the network is needed."""

    scene: Scene
    scaling: SceneScaling
    grid: WindowGrid
    region: Window  # rows and columns of the output
    area: AreaOnGrid | None  # what is valid of them; None: all
    windows: tuple[Window, ...]  # of the grid, those that the output needs
    out: Path
    options: InferenceOptions


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
    keep = (*options.keep, Path(options.area.source)) if options.area else options.keep
    check_output(out, scene, keep=keep, overwrite=options.overwrite)
    grid = WindowGrid(scene.height, scene.width, options.window, options.overlap)
    region, area = Window(0, 0, scene.height, scene.width), None
    if options.area:
        with named_errors(scene.path):
            area = area_on_grid(options.area, scene.crs, scene.transform, scene.height, scene.width)
        region = area.window
    windows = tuple(w for w in grid if w.overlaps(region) and (area is None or area.touches(w)))
    with block_cache(scene, options.window):
        sample = sample_scene(scene)
    with named_errors(scene.path):
        scaling = resolve_scaling(radiometry, sample, options.unit)
    return Plan(scene, scaling, grid, region, area, windows, out, options)


def translate(
    plan: Plan, translator: Translator, watch: Callable[[Tally, int], None] = lambda tally, windows: None
) -> InferenceSummary:
    """Write the planned translation: uint8 RGB with a mask on the scene's pixels, as a COG.

    `watch` is told windows done and in all after each batch. Raises `SceneError`, `BackendError` or
    `OutputError`; the output is then what it was before, and no thread is left.
    """
    started = time.monotonic()
    tally = Tally()
    with ExitStack() as stack:
        stack.enter_context(block_cache(plan.scene, plan.options.window))
        writer = stack.enter_context(rgb_writer(plan.out, _profile(plan, translator), overwrite=plan.options.overwrite))
        pending = stack.enter_context(BackgroundWriter[Strip](lambda strip: _write(writer, strip, plan)))
        patches = stack.enter_context(closing(prefetch(_patches(plan), plan.options.prefetch)))
        for strip in slide(
            patches,
            translator.generator,
            plan.grid,
            batch_size=plan.options.batch_size or translator.batch_size,
            strip_height=plan.options.strip_height,
            tally=tally,
            region=plan.region,
            watch=lambda: watch(tally, len(plan.windows)),
        ):
            pending.put(strip)
    return _summary(plan, translator, tally, time.monotonic() - started)


def load_translator(path: Path, precision: str = "auto") -> Translator:
    """The generator of a bundle, compiled, on the fastest device present.

    Raises `BundleError` for an unusable file.
    """
    from sartranslate import backend, bundle

    precision = backend.resolve_precision(precision)
    loaded = bundle.load(path, precision)
    return Translator(
        generator=backend.predictor(loaded.model),
        batch_size=backend.default_batch_size(),
        model=f"{loaded.description.name} ({path.name})",
        device=backend.device(),
        precision=precision,
    )


def _patches(plan: Plan) -> Iterator[Patch]:
    """Read and scale the windows; runs in the reader thread, on datasets of its own."""
    with scene_reader(plan.scene) as reader:
        for window in plan.windows:
            values, mask = reader.read(window)
            yield Patch(window, plan.scaling.apply(values, mask), mask)


def _write(writer: RgbWriter, strip: Strip, plan: Plan) -> None:
    mask = strip.mask
    if plan.area:
        mask = mask & plan.area.mask(Window(strip.row_off, plan.region.col_off, *mask.shape))
    writer.write(strip.row_off - plan.region.row_off, to_rgb(strip.values), mask)


def _profile(plan: Plan, translator: Translator) -> RgbProfile:
    scene = plan.scene
    tags = {
        "TIFFTAG_SOFTWARE": f"sartranslate {__version__}",
        "TIFFTAG_IMAGEDESCRIPTION": SYNTHETIC,
        "SYNTHETIC": "YES",
        "SARTRANSLATE_MODEL": translator.model,
        "SARTRANSLATE_SOURCE": scene.title,
        "SARTRANSLATE_SCALING": plan.scaling.describe(),
        "SARTRANSLATE_WINDOW": f"{plan.grid.size}, overlap {plan.grid.overlap}",
    }
    transform = moved(scene.transform, plan.region)
    return RgbProfile(plan.region.height, plan.region.width, scene.crs, transform, plan.options.compress, tags)


def _summary(plan: Plan, translator: Translator, tally: Tally, seconds: float) -> InferenceSummary:
    scene = plan.scene
    return InferenceSummary(
        scene=scene.path,
        out=os.fspath(plan.out),
        height=plan.region.height,
        width=plan.region.width,
        windows=tally.windows,
        skipped_windows=tally.skipped,
        seconds=round(seconds, 3),
        megapixels_per_second=round(plan.region.height * plan.region.width / 1e6 / seconds, 3),
        device=translator.device,
        precision=translator.precision,
        model=translator.model,
        placed=scene.grid.describe() if scene.grid else None,
        bands=tuple(f"{band.number} ({band.name})" if band.name else str(band.number) for band in scene.bands),
        scaling=asdict(plan.scaling),
        scaling_text=plan.scaling.describe(),
    )
