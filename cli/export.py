"""`sartranslate export`."""

from __future__ import annotations

from pathlib import Path

import click

from . import options, path_types


@click.command("export")
@click.argument("model", metavar="MODEL", type=path_types.MODEL)
@click.argument("out", metavar="FILE", type=path_types.FILE_OR_FOLDER)
@click.option(
    "--format",
    "form",
    type=click.Choice(["onnx", "savedmodel", "tflite", "deepness"]),
    default="onnx",
    show_default=True,
    help="deepness is ONNX for the QGIS plugin of that name; savedmodel is a folder.",
)
@click.option(
    "--source-range",
    type=(float, float),
    metavar="LOW HIGH",
    help="Include the scaling: values, such as decibels, that become -1 and 1; others are clipped.  [default: -1 1, "
    "and nothing is clipped]",
)
@click.option(
    "--target-range",
    type=(float, float),
    metavar="LOW HIGH",
    help="Include the scaling of colours: what -1 and 1 become, such as 0 255.  [default: -1 1]",
)
@click.option(
    "--window",
    default=options.WINDOW,
    show_default=True,
    help="Of tflite and deepness, in pixels; the others take any, and are compared on this one.",
)
@click.option(
    "--resolution", type=float, help="Of the scenes that deepness cuts, in metres for a pixel.  [default: 10]"
)
@options.overwrite
@options.quiet
def export(
    model: Path,
    out: Path,
    form: str,
    source_range: tuple[float, float] | None,
    target_range: tuple[float, float] | None,
    window: int,
    resolution: float | None,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Write the generator of MODEL to FILE for another tool; `default` is the embedded model.

    It takes (N, H, W, bands) and gives (N, H, W, 3), for any N. What it computes is compared with Keras, and refused if
    it is more than 0.0001 off.
    """
    from sartranslate.exchange.export import ExportOptions, export
    from sartranslate.runtimes.value_ranges import UNIT, ValueRanges

    told = source_range or target_range
    ranges = ValueRanges(source_range or UNIT, target_range or UNIT) if told else None
    chosen = ExportOptions(form, ranges, window, resolution, overwrite)
    difference = export(model, out, chosen)
    if not quiet:
        click.echo(f"{out}: {form}, at most {difference:.1e} from Keras")
