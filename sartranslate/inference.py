"""Translate a SAR scene to an RGB GeoTIFF on the same ground, in memory that does not grow with its height."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from datetime import datetime, timezone
from itertools import islice

import numpy as np

from sartranslate import __version__
from sartranslate.atomic import write_text
from sartranslate.blend import Strip
from sartranslate.cog_profile import CogProfile, lossless
from sartranslate.errors import OptionError, OutputError, SceneError
from sartranslate.file_state import check_unchanged
from sartranslate.inference_summary import InferenceSummary
from sartranslate.job import job
from sartranslate.journal import Resumption
from sartranslate.planning import PixelPlan, Plan
from sartranslate.prefetch import BackgroundWriter, prefetch
from sartranslate.product import Product, product_writer
from sartranslate.radiometry import Float, Mask, to_rgb
from sartranslate.raster import moved
from sartranslate.reader import block_cache, scene_reader
from sartranslate.seams import WINDOW_TAG, TranslatedRegion
from sartranslate.sliding import Patch, Tally, padded, side_by_side, slide
from sartranslate.stac import stac_item
from sartranslate.translator import Translator
from sartranslate.uncertainty import to_levels
from sartranslate.windows import Window

CALIBRATED_PIXELS = 16 * 256**2  # at most; what int8 measures on them is all held at once
SYNTHETIC = "Synthetic RGB generated from SAR backscatter; not an optical observation"
SPREAD = "Spread of samples of a synthetic RGB in grey levels, root mean square over its colours; not its error"


def translate(
    plan: Plan,
    translator: Translator,
    watch: Callable[[Tally, int], None] = lambda tally, windows: None,
    tell: Callable[[str], None] = lambda line: None,
) -> InferenceSummary:
    """Write the planned translation: uint8 RGB with a mask on the scene's pixels, as a COG.

    So is the spread of the translator's samples, uint8 grey levels, where it is asked for; the translation is
    the same with and without it. `watch` is told windows done and in all after each batch; it may raise to stop.
    Raises `OptionError` for a translator that knows no spread, `SceneError`, `BackendError` or `OutputError`; outputs
    are then what they were before, and no thread is left. What was finished by then is kept beside them if it has
    taken long, for the next run to go on with; `tell` is told so.
    """
    started = time.monotonic()
    products, options = _products(plan, translator), plan.options
    item = _item(plan, products)
    resumption = Resumption(job(plan, translator), options.resume, options.note_seconds, tell)
    with (
        block_cache(plan.scene, options.window),
        product_writer(products, overwrite=options.overwrite, resumption=resumption) as writer,
    ):
        rest = plan.below(writer.first_row)
        tally = Tally(windows=len(plan.windows) - len(rest.windows))
        generators = [(product.generator, product.profile.bands) for product in products]
        strips = translated_strips(rest, translator, generators, tally, lambda: watch(tally, len(plan.windows)))
        with (
            BackgroundWriter[Strip](
                lambda strip: writer.write(
                    strip.row_off - plan.region.row_off, strip.values, valid_in_area(plan, strip)
                )
            ) as pending,
            closing(strips),
        ):
            for strip in strips:
                pending.put(strip)
        check_unchanged(plan.scene.path, plan.files)
    _write_item(plan, item)
    return _summary(plan, rest, translator, tally, time.monotonic() - started)


def translated_strips(
    plan: PixelPlan,
    translator: Translator,
    generators: Sequence[tuple[Callable[[Float], Float], int]],
    tally: Tally | None = None,
    watch: Callable[[], None] = lambda: None,
) -> Generator[Strip, None, None]:
    """Blended strips of the plan's region, with the channels of all generators, each so many, side by side."""
    with closing(prefetch(_patches(plan), plan.options.prefetch)) as patches:
        yield from slide(
            patches,
            side_by_side(generators),
            plan.grid,
            batch_size=plan.options.batch_size or translator.batch_size,
            channels=sum(channels for _, channels in generators),
            strip_height=plan.options.strip_height,
            tally=tally,
            region=plan.region,
            watch=watch,
        )


def calibration_patches(plan: PixelPlan) -> Float:
    """(N, size, size, bands) patches as the generator will see them, from all over the plan, at most so many."""
    most = max(1, CALIBRATED_PIXELS // plan.grid.size**2)
    order = np.random.default_rng(0).permutation(len(plan.windows))
    shuffled = replace(plan, windows=tuple(plan.windows[number] for number in order))
    with block_cache(plan.scene, plan.options.window), closing(_patches(shuffled)) as patches:
        kept = list(islice((padded(patch, plan.grid.size) for patch in patches if patch.mask.any()), most))
    if not kept:
        raise SceneError(f"{plan.scene.path}: no valid pixel in the area, so nothing to measure int8 on")
    return np.stack(kept)


def _patches(plan: PixelPlan) -> Generator[Patch, None, None]:
    """Read and scale the windows; runs in the reader thread, on datasets of its own."""
    with scene_reader(plan.scene) as reader:
        for window in plan.windows:
            values, mask = reader.read(window)
            yield Patch(window, plan.scaling.apply(values, mask), mask)


def valid_in_area(plan: PixelPlan, strip: Strip) -> Mask:
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


def _item(plan: Plan, products: Sequence[Product]) -> str:
    """The STAC item as a text, told before the work, when the scene is there for sure."""
    if not plan.options.stac:
        return ""
    files = plan.options.scene.files
    sources = list(files.values()) if files else [plan.scene.path]
    item = stac_item(plan.scene, plan.region, products, sources, datetime.now(timezone.utc))
    return json.dumps(item, indent=2, allow_nan=False) + "\n"


def _write_item(plan: Plan, text: str) -> None:
    if plan.item is None:
        return
    try:
        write_text(plan.item, text, overwrite=plan.options.overwrite)
    except OutputError as error:
        raise OutputError(f"{error}; {plan.out} is whole, and only its STAC item is missing") from error


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


def _summary(plan: Plan, rest: Plan, translator: Translator, tally: Tally, seconds: float) -> InferenceSummary:
    scene = plan.scene
    return InferenceSummary(
        scene=scene.path,
        out=os.fspath(plan.out),
        uncertainty=os.fspath(plan.options.uncertainty) if plan.options.uncertainty else None,
        stac=os.fspath(plan.item) if plan.item else None,
        spread=translator.spread.describe() if plan.options.uncertainty and translator.spread else None,
        height=plan.region.height,
        width=plan.region.width,
        windows=tally.windows,
        skipped_windows=tally.skipped,
        seconds=round(seconds, 3),
        megapixels_per_second=round(rest.region.height * rest.region.width / 1e6 / seconds, 3),
        resumed_rows=plan.region.height - rest.region.height,
        runtime=translator.runtime,
        device=translator.device,
        precision=translator.precision,
        model=translator.model,
        placed=scene.grid.describe() if scene.grid else None,
        bands=tuple(map(str, scene.bands)),
        scaling=asdict(plan.scaling),
        scaling_text=plan.scaling.describe(),
    )
