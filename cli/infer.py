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


def _batch_size(ctx: click.Context, param: click.Parameter, value: str) -> int | None:
    if value == "auto":
        return None
    if not value.isdecimal() or int(value) < 1:
        raise click.BadParameter(f"{value!r}: expected auto or a whole number from 1")
    return int(value)


@click.command()
@click.argument("scene")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--model", type=options.FILE, help="A model from `sartranslate train`.  [default: the embedded one]")
@click.option("--window", default=256, show_default=True, help="Height and width of a window in pixels.")
@click.option("--overlap", default=64, show_default=True, help="Pixels shared and blended by neighbouring windows.")
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
@click.option("--bidx", "bands", type=int, multiple=True, help="Band of SCENE for the model's next channel, from 1.")
@click.option("--allow-ungeoreferenced", is_flag=True, help="Go ahead in pixel coordinates if SCENE has no CRS.")
@options.overwrite
@options.quiet
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")
def infer(
    scene: str,
    out: Path,
    model: Path | None,
    precision: str,
    backend: str | None,
    quiet: bool,
    as_json: bool,
    **settings: object,
) -> None:
    """Translate the SAR raster SCENE to the RGB GeoTIFF OUT on the same ground."""
    from sartranslate import backend as framework
    from sartranslate import bundle, inference

    model = model or bundle.DEFAULT_MODEL
    chosen = inference.InferenceOptions(keep=(model,), **settings)  # type: ignore[arg-type]
    wanted = bundle.describe(model)
    plan = inference.plan(scene, out, wanted.radiometry, chosen, size_multiple=wanted.generator.size_multiple)
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
    )
