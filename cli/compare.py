"""`sartranslate compare`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import options, path_types
from .optical import optical_in
from .progress import progress_bar

if TYPE_CHECKING:
    from sartranslate.compare.comparing import ComparisonSummary
    from sartranslate.scenes.source import SceneOptions


@click.command()
@options.paths("SCENE", "OUT", "PAGE")
@click.option("--truth", type=path_types.FILE, help="An optical image of the same ground.")
@click.option("--uncertainty", type=path_types.FILE, help="What `infer --uncertainty` wrote beside OUT.")
@click.option("--size", default=2000, show_default=True, help="Pixels that the longer side of a picture may have.")
@options.warp("OUT")
@optical_in("--truth")
@options.model
@options.unit
@options.scene
@options.overwrite
@options.quiet
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")
def compare(
    paths: tuple[str, ...],
    scene: SceneOptions,
    model: Path | None,
    overwrite: bool,
    quiet: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Put the scene SCENE and its translation OUT on one HTML page with a divider to move between them.

    PAGE needs no network and no other file. SCENE is opened as by `sartranslate infer`, with the same options, and left
    out where --band names its files. OUT may be a part of it.
    """
    from sartranslate.compare import comparing
    from sartranslate.compare.comparison import ComparisonOptions
    from sartranslate.networks import bundle
    from sartranslate.scenes.optical import OpticalOptions

    if settings["truth"] is None and (settings["warp"] or settings["optical"] != OpticalOptions()):
        raise click.UsageError(
            "--warp, --rgb, --stretch, --subtract-haze, --neutral-haze and --optical-nodata are for --truth"
        )
    source, out, page = options.split_paths(paths, bool(scene.files), "SCENE", "OUT", "PAGE")
    model = bundle.located(model)
    radiometry = bundle.describe(model).radiometry
    chosen = ComparisonOptions(scene=scene, keep=(model,), **settings)
    with progress_bar("strips", quiet=quiet) as bar:

        def watch(done: int, planned: int) -> None:
            bar.total = planned
            bar.update(done - bar.n)

        files = Path(str(out)), Path(str(page))
        summary = comparing.compare(source, *files, radiometry, chosen, watch, overwrite=overwrite)
    if as_json:
        click.echo(json.dumps(summary.as_dict()))
    elif not quiet:
        click.echo(_one_line(summary))


def _one_line(summary: ComparisonSummary) -> str:
    return (
        f"{summary.page}: {', '.join(summary.layers)}; {summary.width} x {summary.height} px of the scene,"
        f" 1 px of the page = {summary.step} of them, {summary.bytes / 1e6:.1f} MB"
    )
