"""Translate a SAR scene to an RGB GeoTIFF on the same ground, in memory that does not grow with its height."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np

from sartranslate import __version__
from sartranslate.aoi import AreaOnGrid, area_on_grid
from sartranslate.area_file import Area
from sartranslate.blend import STRIP_HEIGHT, Strip
from sartranslate.cog_profile import CogProfile, lossless
from sartranslate.errors import OptionError, SceneError
from sartranslate.inference_summary import InferenceSummary
from sartranslate.output import check_distinct, check_output
from sartranslate.prefetch import BackgroundWriter, prefetch
from sartranslate.product import Product, product_writer
from sartranslate.radiometry import Float, Mask, Radiometry, to_rgb
from sartranslate.raster import moved, named_errors
from sartranslate.reader import block_cache, scene_reader
from sartranslate.sampling import sample_scene
from sartranslate.scaling import SceneScaling, resolve_scaling
from sartranslate.scene import Scene, open_scene
from sartranslate.seams import WINDOW_TAG, TranslatedRegion
from sartranslate.sliding import Patch, Tally, padded, side_by_side, slide
from sartranslate.source import SceneOptions
from sartranslate.translator import Translator
from sartranslate.uncertainty import to_levels
from sartranslate.windows import Window, WindowGrid, check_multiple

CALIBRATED_PIXELS = 16 * 256**2  # at most; what int8 measures on them is all held at once
SYNTHETIC = "Synthetic RGB generated from SAR backscatter; not an optical observation"
SPREAD = "Spread of samples of a synthetic RGB in grey levels, root mean square over its colours; not its error"


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
    prefetch: int = 16  # patches read ahead
    strip_height: int = STRIP_HEIGHT  # rows handed to the writer at once; more rows, more memory

    def __post_init__(self) -> None:
        if self.batch_size is not None and self.batch_size < 1:
            raise OptionError(f"batch size {self.batch_size}: expected at least 1")
        if self.prefetch < 1 or self.strip_height < 1:
            raise OptionError(f"prefetch {self.prefetch}, strip height {self.strip_height}: expected at least 1")
        WindowGrid(1, 1, self.window, self.overlap)


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
    _check_outputs(out, scene, options)
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

    So is the spread of the translator's samples, uint8 grey levels, where it is asked for; the translation is
    the same with and without it. `watch` is told windows done and in all after each batch. Raises `OptionError`
    for a translator that knows no spread, `SceneError`, `BackendError` or `OutputError`; outputs are then
    what they were before, and no thread is left.
    """
    started = time.monotonic()
    tally, products = Tally(), _products(plan, translator)
    with ExitStack() as stack:
        stack.enter_context(block_cache(plan.scene, plan.options.window))
        write = stack.enter_context(product_writer(products, overwrite=plan.options.overwrite))
        pending = stack.enter_context(
            BackgroundWriter[Strip](
                lambda strip: write(strip.row_off - plan.region.row_off, strip.values, _mask(plan, strip))
            )
        )
        patches = stack.enter_context(closing(prefetch(_patches(plan), plan.options.prefetch)))
        strips = slide(
            patches,
            side_by_side([(product.generator, product.profile.bands) for product in products]),
            plan.grid,
            batch_size=plan.options.batch_size or translator.batch_size,
            channels=sum(product.profile.bands for product in products),
            strip_height=plan.options.strip_height,
            tally=tally,
            region=plan.region,
            watch=lambda: watch(tally, len(plan.windows)),
        )
        for strip in stack.enter_context(closing(strips)):
            pending.put(strip)
    return _summary(plan, translator, tally, time.monotonic() - started)


def calibration_patches(plan: Plan) -> Float:
    """(N, size, size, bands) patches as the generator will see them, from all over the plan, at most so many."""
    most = max(1, CALIBRATED_PIXELS // plan.grid.size**2)
    order = np.random.default_rng(0).permutation(len(plan.windows))
    shuffled = replace(plan, windows=tuple(plan.windows[number] for number in order))
    with block_cache(plan.scene, plan.options.window), closing(_patches(shuffled)) as patches:
        kept = list(islice((padded(patch, plan.grid.size) for patch in patches if patch.mask.any()), most))
    if not kept:
        raise SceneError(f"{plan.scene.path}: no valid pixel in the area, so nothing to measure int8 on")
    return np.stack(kept)


def _check_outputs(out: Path, scene: Scene, options: InferenceOptions) -> None:
    keep = (*options.keep, Path(options.area.source)) if options.area else options.keep
    for path in filter(None, (out, options.uncertainty)):
        check_output(path, scene, keep=keep, overwrite=options.overwrite)
    if options.uncertainty:
        check_distinct(out, options.uncertainty)


def _patches(plan: Plan) -> Generator[Patch, None, None]:
    """Read and scale the windows; runs in the reader thread, on datasets of its own."""
    with scene_reader(plan.scene) as reader:
        for window in plan.windows:
            values, mask = reader.read(window)
            yield Patch(window, plan.scaling.apply(values, mask), mask)


def _mask(plan: Plan, strip: Strip) -> Mask:
    """Where a strip is valid and within the area."""
    if plan.area is None:
        return strip.mask
    return strip.mask & plan.area.mask(Window(strip.row_off, plan.region.col_off, *strip.mask.shape))


def _products(plan: Plan, translator: Translator) -> list[Product]:
    """The picture and, where it is asked for, the spread."""
    compress, uncertainty, spread = plan.options.compress, plan.options.uncertainty, translator.spread
    tags = _tags(plan, translator, {"TIFFTAG_IMAGEDESCRIPTION": SYNTHETIC, "SYNTHETIC": "YES"})
    products = [Product(plan.out, _profile(plan, 3, compress, tags), translator.generator, to_rgb)]
    if uncertainty:
        if spread is None:
            raise OptionError(f"{uncertainty}: a translator without samples has no spread, expected one with samples")
        tags = _tags(plan, translator, {"TIFFTAG_IMAGEDESCRIPTION": SPREAD, "SARTRANSLATE_SPREAD": spread.describe()})
        products.append(Product(uncertainty, _profile(plan, 1, lossless(compress), tags), spread, to_levels))
    return products


def _tags(plan: Plan, translator: Translator, what: Mapping[str, str]) -> dict[str, str]:
    scene = plan.scene
    return {
        "TIFFTAG_SOFTWARE": f"sartranslate {__version__}",
        **what,
        "SARTRANSLATE_MODEL": translator.model,
        "SARTRANSLATE_COMPUTED": f"by {translator.runtime} on {translator.device} in {translator.precision}",
        "SARTRANSLATE_SOURCE": scene.title,
        "SARTRANSLATE_SCALING": plan.scaling.describe(),
        WINDOW_TAG: TranslatedRegion(plan.grid, plan.region).describe(),
    }


def _profile(plan: Plan, bands: int, compress: str, tags: Mapping[str, str]) -> CogProfile:
    transform = moved(plan.scene.transform, plan.region)
    return CogProfile(plan.region.height, plan.region.width, plan.scene.crs, transform, compress, tags, bands)


def _summary(plan: Plan, translator: Translator, tally: Tally, seconds: float) -> InferenceSummary:
    scene = plan.scene
    return InferenceSummary(
        scene=scene.path,
        out=os.fspath(plan.out),
        uncertainty=os.fspath(plan.options.uncertainty) if plan.options.uncertainty else None,
        spread=translator.spread.describe() if plan.options.uncertainty and translator.spread else None,
        height=plan.region.height,
        width=plan.region.width,
        windows=tally.windows,
        skipped_windows=tally.skipped,
        seconds=round(seconds, 3),
        megapixels_per_second=round(plan.region.height * plan.region.width / 1e6 / seconds, 3),
        runtime=translator.runtime,
        device=translator.device,
        precision=translator.precision,
        model=translator.model,
        placed=scene.grid.describe() if scene.grid else None,
        bands=tuple(f"{band.number} ({band.name})" if band.name else str(band.number) for band in scene.bands),
        scaling=asdict(plan.scaling),
        scaling_text=plan.scaling.describe(),
    )
