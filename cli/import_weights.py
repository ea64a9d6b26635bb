"""`sartranslate import-weights`."""

from __future__ import annotations

from pathlib import Path

import click

from . import options, path_types

RANGES = {"image": (0.0, 255.0), "scene": (1.0, 99.0), "fixed": (-25.0, 0.0)}


@click.command("import-weights")
@click.argument("weights", metavar="GENERATOR.pth", type=path_types.FILE)
@click.argument("out", metavar="MODEL", type=path_types.FILE)
@click.option(
    "--scaling",
    type=click.Choice(list(RANGES)),
    default="image",
    show_default=True,
    help="What the generator was fed with: bytes of an image, percentiles of the scene, or fixed decibels.",
)
@click.option(
    "--range",
    "limits",
    type=(float, float),
    metavar="LOW HIGH",
    help="Bytes, percentiles or decibels that were -1 and 1.  [default: 0 255, 1 99 or -25 0]",
)
@click.option("--bands", help="Polarisations of its channels: comma between channels, | between alternatives.")
@click.option(
    "--test-mode",
    type=click.Choice(["stored", "own"]),
    default="stored",
    show_default=True,
    help="Statistics of the training and no dropout; or those of each window, with dropout, as its authors test.",
)
@click.option("--no-dropout", is_flag=True, help="It was trained without dropout, which a U-Net's tensors do not tell.")
@options.overwrite
@options.quiet
def import_weights(
    weights: Path,
    out: Path,
    scaling: str,
    limits: tuple[float, float] | None,
    bands: str | None,
    test_mode: str,
    no_dropout: bool,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Make a model of a U-Net or ResNet generator of pytorch-CycleGAN-and-pix2pix.

    GENERATOR.pth is a state dict such as latest_net_G.pth, and MODEL the file for `sartranslate infer --model`.
    Architecture and channels are told by its tensors. Nothing in the file is executed. Needs PyTorch.
    """
    from sartranslate.backscatter.polarisation import parse_channels
    from sartranslate.exchange.weight_import import ImportOptions, import_weights

    low, high = limits or RANGES[scaling]
    channels = parse_channels(bands) if bands else None
    chosen = ImportOptions(scaling, low, high, channels, test_mode, not no_dropout, overwrite)
    made = import_weights(weights, out, chosen)
    if not quiet:
        generator = made.generator
        click.echo(
            f"{out}: {generator.architecture}, {generator.filters} filters, {generator.norm} norm,"
            f" {generator.source_bands} to {generator.target_bands} channels"
        )
