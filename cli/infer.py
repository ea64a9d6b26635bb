"""`sartranslate infer`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import options
from .progress import progress_bar

if TYPE_CHECKING:
    from sartranslate.inference import InferenceSummary
    from sartranslate.sliding import Tally
    from sartranslate.source import SceneOptions


def _batch_size(ctx: click.Context, param: click.Parameter, value: str) -> int | None:
    if value == "auto":
        return None
    if not value.isdecimal() or int(value) < 1:
        raise click.BadParameter(f"{value!r}: expected auto or a whole number from 1")
    return int(value)


@click.command()
@options.paths("SCENE", "OUT")
@options.model
@options.area
@options.window
@options.overlap
@click.option(
    "--batch-size",
    metavar="auto|N",
    default="auto",
    show_default=True,
    callback=_batch_size,
    help="Windows translated in one call.",
)
@options.precision("float32", "bfloat16", "float16")
@options.backend
@click.option(
    "--compress",
    type=click.Choice(["zstd", "deflate", "lzw", "webp", "jpeg", "none"]),
    default="zstd",
    show_default=True,
    help="Of the output; webp and jpeg (quality 90) lose detail.",
)
@options.unit
@options.scene
@options.overwrite
@options.quiet
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")
def infer(
    paths: tuple[str, ...],
    scene: SceneOptions,
    model: Path | None,
    precision: str,
    backend: str | None,
    quiet: bool,
    as_json: bool,
    **settings: object,
) -> None:
    """Translate the SAR scene SCENE to the RGB GeoTIFF OUT on the same ground.

    SCENE is any raster that GDAL reads, or a Sentinel-1 SAFE folder or zip. It is left out where --band
    names a file for each polarisation.
    """
    from sartranslate import backend as framework
    from sartranslate import bundle, inference
    from sartranslate.layout import slow_layout

    source, out = options.split_paths(paths, bool(scene.files), "SCENE", "OUT")
    model = model or bundle.DEFAULT_MODEL
    chosen = inference.InferenceOptions(scene=scene, keep=(model,), **settings)  # type: ignore[arg-type]
    wanted = bundle.describe(model)
    size_multiple = wanted.generator.size_multiple
    plan = inference.plan(source, Path(str(out)), wanted.radiometry, chosen, size_multiple=size_multiple)
    if not quiet and (warning := slow_layout(plan.scene)):
        click.echo(f"Warning: {plan.scene.path} is {warning}", err=True)
    framework.select(backend)
    translator = inference.load_translator(model, precision)
    with progress_bar("windows", quiet=quiet) as bar:

        def watch(tally: Tally, windows: int) -> None:
            bar.total = windows
            bar.update(tally.windows - bar.n)

        summary = inference.translate(plan, translator, watch)
    if as_json:
        click.echo(json.dumps(summary.as_dict()))
    elif not quiet:
        click.echo(_one_line(summary))


def _one_line(summary: InferenceSummary) -> str:
    return (
        f"{summary.out}: {summary.width} x {summary.height} px, {summary.windows} windows"
        f" ({summary.skipped_windows} empty) in {summary.seconds:.1f} s,"
        f" {summary.megapixels_per_second:.1f} Mpx/s on {summary.device} in {summary.precision};"
        f" band {', '.join(summary.bands)} read as {summary.scaling_text}"
        + (f"; placed by {summary.placed}" if summary.placed else "")
    )
