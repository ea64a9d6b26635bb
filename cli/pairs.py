"""`sartranslate pairs`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from . import options, path_types
from .optical import optical_in
from .progress import progress_bar

if TYPE_CHECKING:
    from sartranslate.datasets.pairing import PairingSummary
    from sartranslate.scenes.source import SceneOptions


@click.command()
@options.paths("SAR", "OPTICAL", "DIR")
@click.option("--tile", default=256, show_default=True, help="Height and width of a tile in pixels.")
@click.option("--stride", type=int, help="Pixels from tile to tile.  [default: side by side]")
@click.option(
    "--block", default=10_000.0, show_default=True, help="Side in metres of the blocks of ground of one split."
)
@click.option("--guard", default=500.0, show_default=True, help="Metres between tiles of different splits.")
@click.option(
    "--shares",
    type=(float, float, float),
    default=(0.7, 0.15, 0.15),
    show_default=True,
    metavar="TRAIN VAL TEST",
    help="Of the ground, in each split.",
)
@click.option("--seed", default=0, show_default=True, help="Another seed draws other blocks.")
@click.option("--max-nodata", default=0.05, show_default=True, help="Largest share of a tile's pixels without data.")
@click.option(
    "--max-white", default=0.1, show_default=True, help="Largest share of a tile's pixels as white as clouds."
)
@click.option("--white", default=220, show_default=True, help="Least red, green and blue, of 255, that count as white.")
@click.option("--check-shift", is_flag=True, help="Estimate how far each pair is misregistered, for the index.")
@click.option("--max-shift", type=float, metavar="PIXELS", help="Drop tiles that are clearly misregistered by more.")
@optical_in("OPTICAL")
@click.option("--name", help="What the tiles' names begin with.  [default: the name of SAR]")
@options.unit
@options.scene
@options.overwrite
@options.quiet
@options.progress
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")
def pairs(
    paths: tuple[str, ...],
    block: float,
    guard: float,
    shares: tuple[float, float, float],
    seed: int,
    scene: SceneOptions,
    quiet: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Cut the scene SAR and the image OPTICAL of the same ground into training pairs in DIR.

    The optical image is warped onto the pixels of the SAR scene. Tiles go to DIR/train, DIR/val and DIR/test by
    place, so that no tile lies beside one of another split; DIR/index.gpkg shows them in QGIS. Run it again with
    other scenes to add them to the same folder. `sartranslate train --pairs DIR` takes it as it is.
    """
    from dataclasses import fields

    from sartranslate.datasets import pairing
    from sartranslate.datasets.cutting import CuttingOptions
    from sartranslate.datasets.split import PlaceSplit

    sar, image, named = options.split_paths(paths, bool(scene.files), "SAR", "OPTICAL", "DIR")
    folder = path_types.PLACE.convert(named, None, None)
    split = PlaceSplit(seed, block, guard, shares)
    cutting = {field.name: settings.pop(field.name) for field in fields(CuttingOptions) if field.name in settings}
    chosen = pairing.PairingOptions(cutting=CuttingOptions(split=split, **cutting), scene=scene, **settings)
    with progress_bar("tiles", quiet=quiet) as bar:

        def watch(done: int, planned: int) -> None:
            bar.total = planned
            bar.update(done - bar.n)

        summary = pairing.make_pairs(sar, str(image), folder, chosen, watch)
    if as_json:
        click.echo(json.dumps(summary.as_dict()))
    elif not quiet:
        click.echo(_one_line(summary))


def _one_line(summary: PairingSummary) -> str:
    tiles = ", ".join(f"{count} {split}" for split, count in summary.tiles.items())
    dropped = ", ".join(f"{count} {reason}" for reason, count in summary.dropped.items()) or "none"
    stretch = f"; optical values {summary.stretch.describe()} became 0 to 255" if summary.stretch else ""
    if summary.optical_nodata is not None:
        stretch += f"; optical {summary.optical_nodata:g} taken for no data"
    return (
        f"{summary.folder}: {tiles} pairs of {summary.name}; dropped: {dropped};"
        f" SAR read as {summary.unit} ({summary.reason}){stretch}"
    )
