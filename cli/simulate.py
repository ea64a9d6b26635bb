"""`sartranslate simulate`: made-up pairs and scenes to try everything with."""

from pathlib import Path
from typing import Any

import click

from . import path_types


@click.command("simulate")
@click.argument("folder", metavar="DIR", type=path_types.FOLDER)
@click.option("--pairs", default=12, show_default=True, help="Number of SAR and optical tile pairs.")
@click.option("--tile-size", default=256, show_default=True, help="Side of a tile in pixels.")
@click.option("--scene", type=(int, int), metavar="WIDTH HEIGHT", help="Also write a SAR scene of this size.")
@click.option("--truth", is_flag=True, help="Also write what the scene looks like.")
@click.option("--seed", default=0, show_default=True, help="Another seed is another landscape.")
@click.option(
    "--polarisation",
    "polarisations",
    multiple=True,
    default=("VH",),
    show_default=True,
    help="VV or VH; repeat it, or write VV,VH, for two bands.",
)
@click.option("--unit", type=click.Choice(["amplitude", "power", "db"]), default="amplitude", show_default=True)
@click.option("--looks", default=4.4, show_default=True, help="Number of looks: fewer make more speckle.")
@click.option(
    "--speckle",
    type=click.Choice(["white", "correlated"]),
    default="white",
    show_default=True,
    help="Of each pixel alone, or shared by neighbours as in Sentinel-1.",
)
@click.option("--nodata-rim", default=0, show_default=True, help="Pixels without data along the scene's border.")
@click.option("--overwrite", is_flag=True, help="Replace the results of an earlier run.")
def simulate(folder: Path, scene: tuple[int, int] | None, polarisations: tuple[str, ...], **rest: Any) -> None:
    """Make up a landscape and write it to DIR as paired SAR and optical tiles."""
    if scene is None and (rest["truth"] or rest["nodata_rim"]):
        raise click.UsageError("--truth and --nodata-rim are for --scene")
    from sartranslate.simulate import simulation

    bands = tuple(name.strip().upper() for entry in polarisations for name in entry.split(","))
    size = (scene[1], scene[0]) if scene else None
    chosen = simulation.SimulationOptions(scene=size, polarisations=bands, **rest)
    report = simulation.simulate(folder, chosen)
    click.echo(f"{folder}: {report.pairs} pairs" + (f" and {report.scene.name}" if report.scene else ""))
