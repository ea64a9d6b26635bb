"""Translate a SAR scene to an RGB GeoTIFF on the same ground, in memory that does not grow with its height."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import datetime, timezone
from functools import partial

from sartranslate import __version__
from sartranslate.backscatter.radiometry import Mask, to_rgb
from sartranslate.errors import OptionError, OutputError
from sartranslate.infer.generation import COLOURS, channels, generated
from sartranslate.infer.inference_summary import InferenceSummary
from sartranslate.infer.job import JOB_TAG, job, job_text
from sartranslate.infer.planning import PixelPlan, Plan
from sartranslate.outputs.cog_profile import CogProfile, lossless
from sartranslate.outputs.product import Product, product_writer
from sartranslate.outputs.stac import stac_item
from sartranslate.quality.seams import WINDOW_TAG, TranslatedRegion
from sartranslate.quality.uncertainty import SPREAD_TAG, to_levels
from sartranslate.rasters.raster import moved
from sartranslate.runtimes.translator import Identity, Translator
from sartranslate.scenes.reader import block_cache
from sartranslate.storage.atomic import write_text
from sartranslate.storage.file_state import check_unchanged
from sartranslate.storage.journal import Resumption
from sartranslate.streaming.blend import Strip
from sartranslate.streaming.prefetch import BackgroundWriter, prefetch
from sartranslate.streaming.sliding import AHEAD, Batch, Tally, blended
from sartranslate.streaming.windows import Window

Watch = Callable[[Tally, int], None]
Generate = Callable[[PixelPlan], Generator[Batch, None, None]]

SYNTHETIC = "Synthetic RGB generated from SAR backscatter; not an optical observation"
SPREAD = "Spread of samples of a synthetic RGB in grey levels, root mean square over its colours; not its error"


def translate(
    plan: Plan,
    translator: Translator,
    watch: Watch = lambda tally, windows: None,
    tell: Callable[[str], None] = lambda line: None,
) -> InferenceSummary:
    """Write the planned translation: uint8 RGB with a mask on the scene's pixels, as a COG.

    So is the spread of the translator's samples, uint8 grey levels, where it is asked for; the translation is
    the same with and without it. `watch` is told windows done and in all after each batch; it may raise to stop.
    Raises `OptionError` for a translator that knows no spread, `SceneError`, `BackendError` or `OutputError`; outputs
    are then what they were before, and no thread is left. What was finished by then is kept beside them if it has
    taken long, for the next run to go on with; `tell` is told so.
    """
    return written(plan, translator.identity, partial(_generated_here, translator), watch, tell)


def written(
    plan: Plan, identity: Identity, generate: Generate, watch: Watch, tell: Callable[[str], None]
) -> InferenceSummary:
    """The same of batches that `generate` makes of a plan's windows, in their order, wherever it does so."""
    started = time.monotonic()
    products, options = _products(plan, identity), plan.options
    item = _item(plan, products)
    resumption = Resumption(job(plan, identity), options.resume, options.note_seconds, tell)
    with (
        block_cache(plan.scene, options.window),
        product_writer(products, overwrite=options.overwrite, resumption=resumption) as writer,
    ):
        rest = plan.below(writer.first_row)
        tally = Tally(windows=len(plan.windows) - len(rest.windows))
        with (
            BackgroundWriter[Strip](
                lambda strip: writer.write(
                    strip.row_off - plan.region.row_off, strip.values, valid_in_area(plan, strip)
                )
            ) as pending,
            closing(blended_strips(rest, generate(rest), tally, lambda: watch(tally, len(plan.windows)))) as strips,
        ):
            for strip in strips:
                pending.put(strip)
        check_unchanged(plan.scene.path, plan.files)
    _write_item(plan, item)
    return _summary(plan, rest, identity, tally, time.monotonic() - started)


def translated_strips(plan: PixelPlan, translator: Translator) -> Generator[Strip, None, None]:
    """Blended strips of the plan's region, with all channels that are asked for side by side."""
    return blended_strips(plan, _generated_here(translator, plan))


def blended_strips(
    plan: PixelPlan,
    batches: Generator[Batch, None, None],
    tally: Tally | None = None,
    watch: Callable[[], None] = lambda: None,
) -> Generator[Strip, None, None]:
    """The same of batches, which are closed at the end."""
    with closing(batches):
        yield from blended(
            batches,
            plan.grid,
            channels(plan),
            strip_height=plan.options.strip_height,
            tally=tally,
            region=plan.region,
            watch=watch,
        )


def _generated_here(translator: Translator, plan: PixelPlan) -> Generator[Batch, None, None]:
    """In a thread of its own, a batch ahead of blending."""
    return prefetch(generated(plan, translator), AHEAD)


def valid_in_area(plan: PixelPlan, strip: Strip) -> Mask:
    """Where a strip is valid and within the area."""
    if plan.area is None:
        return strip.mask
    return strip.mask & plan.area.mask(Window(strip.row_off, plan.region.col_off, *strip.mask.shape))


def _products(plan: Plan, identity: Identity) -> list[Product]:
    """The picture and, where it is asked for, the spread."""
    compress, uncertainty = plan.options.compress, plan.options.uncertainty
    tags = _tags(plan, identity, {"TIFFTAG_IMAGEDESCRIPTION": SYNTHETIC, "SYNTHETIC": "YES"})
    products = [Product(plan.out, _profile(plan, COLOURS, compress, tags), to_rgb)]
    if uncertainty:
        if identity.sampled is None:
            raise OptionError(f"{uncertainty}: a translator without samples has no spread, expected one with samples")
        tags = _tags(plan, identity, {"TIFFTAG_IMAGEDESCRIPTION": SPREAD, SPREAD_TAG: identity.sampled})
        products.append(Product(uncertainty, _profile(plan, 1, lossless(compress), tags), to_levels))
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


def _tags(plan: Plan, identity: Identity, what: Mapping[str, str]) -> dict[str, str]:
    scene, asked = plan.scene, job_text(plan, identity)
    return {
        "TIFFTAG_SOFTWARE": f"sartranslate {__version__}",
        **what,
        "SARTRANSLATE_MODEL": identity.model,
        "SARTRANSLATE_COMPUTED": f"by {identity.computed}",
        "SARTRANSLATE_SOURCE": scene.title,
        "SARTRANSLATE_SCALING": plan.scaling.describe(),
        WINDOW_TAG: TranslatedRegion(plan.grid, plan.region).describe(),
        **({JOB_TAG: asked} if asked else {}),
    }


def _profile(plan: Plan, bands: int, compress: str, tags: Mapping[str, str]) -> CogProfile:
    transform = moved(plan.scene.transform, plan.region)
    return CogProfile(plan.region.height, plan.region.width, plan.scene.crs, transform, compress, tags, bands)


def _summary(plan: Plan, rest: Plan, identity: Identity, tally: Tally, seconds: float) -> InferenceSummary:
    scene = plan.scene
    return InferenceSummary(
        scene=scene.path,
        out=os.fspath(plan.out),
        uncertainty=os.fspath(plan.options.uncertainty) if plan.options.uncertainty else None,
        stac=os.fspath(plan.item) if plan.item else None,
        spread=identity.sampled if plan.options.uncertainty else None,
        height=plan.region.height,
        width=plan.region.width,
        windows=tally.windows,
        skipped_windows=tally.skipped,
        seconds=round(seconds, 3),
        megapixels_per_second=round(rest.region.height * rest.region.width / 1e6 / seconds, 3),
        resumed_rows=plan.region.height - rest.region.height,
        runtime=identity.runtime,
        device=identity.device,
        precision=identity.precision,
        model=identity.model,
        placed=scene.grid.describe() if scene.grid else None,
        bands=tuple(map(str, scene.bands)),
        scaling=asdict(plan.scaling),
        scaling_text=plan.scaling.describe(),
    )
