"""`sartranslate infer`."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import options, path_types, scenes
from .interrupt import Interrupt
from .progress import progress_bar, tell
from .scenes import Many

if TYPE_CHECKING:
    from sartranslate.infer.inference_summary import InferenceSummary
    from sartranslate.infer.planning import Plan
    from sartranslate.scenes.source import SceneOptions
    from sartranslate.streaming.sliding import Tally
    from sartranslate.workers.computing import Computing


def _batch_size(ctx: click.Context, param: click.Parameter, value: str) -> int | None:
    if value == "auto":
        return None
    if not value.isdecimal() or int(value) < 1:
        raise click.BadParameter(f"{value!r}: expected auto or a whole number from 1")
    return int(value)


def _samples(samples: int | None, uncertainty: Path | None) -> int | None:
    """How many the uncertainty is told from; None where it is not asked for."""
    if uncertainty is None and samples is not None:
        raise click.UsageError("--uncertainty-samples without --uncertainty")
    if uncertainty is None:
        return None
    from sartranslate.quality.uncertainty import SAMPLES

    return samples or SAMPLES


def _runtime(runtime: str, backend: str | None, samples: int | None) -> str:
    """A backend is one of keras, and samples need it: what the environment says yields to such options."""
    source = click.get_current_context().get_parameter_source("runtime")
    if (backend or samples) and source != click.core.ParameterSource.COMMANDLINE:
        return "keras"
    if backend and runtime not in ("auto", "keras"):
        raise click.UsageError(f"--backend {backend} with --runtime {runtime}, expected keras or auto")
    return "keras" if backend else runtime


@click.command()
@options.paths("SCENE", "OUT", otherwise=" | SCENE... --out-dir DIR")
@scenes.many
@scenes.cluster
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
@options.precision("float32", "bfloat16", "float16", "int8")
@click.option(
    "--runtime",
    type=click.Choice(["auto", "keras", "onnxruntime", "openvino"]),
    default="auto",
    envvar="SARTRANSLATE_RUNTIME",
    show_default=True,
    show_envvar=True,
    help="What computes the generator; auto takes the fastest that is installed, measured once.",
)
@options.backend
@click.option(
    "--compress",
    type=click.Choice(["zstd", "deflate", "lzw", "webp", "jpeg", "none"]),
    default="zstd",
    show_default=True,
    help="Of the output; webp and jpeg (quality 90) lose detail.",
)
@click.option(
    "--uncertainty",
    type=path_types.FILE_OR_FOLDER,
    metavar="FILE|DIR",
    help="Also write how far samples of the picture lie apart, in grey levels, to this GeoTIFF, without loss; with"
    " --out-dir the folder of those of all scenes.",
)
@click.option(
    "--uncertainty-samples",
    "samples",
    type=click.IntRange(2),
    metavar="N",
    help="Samples for it; each takes as long as the picture.  [default: 8]",
)
@click.option("--stac", is_flag=True, help="Also write a STAC item, of the same name in .json, for catalogues.")
@click.option(
    "--resume/--no-resume",
    default=True,
    show_default=True,
    help="Go on with what an interrupted run of the same command has left.",
)
@options.unit
@options.scene
@options.overwrite
@options.quiet
@options.progress
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")
def infer(
    paths: tuple[str, ...],
    many: Many,
    cluster: scenes.Cluster,
    scene: SceneOptions,
    model: Path | None,
    uncertainty: Path | None,
    samples: int | None,
    precision: str,
    runtime: str,
    backend: str | None,
    quiet: bool,
    as_json: bool,
    **settings: object,
) -> None:
    """Translate the SAR scene SCENE to the RGB GeoTIFF OUT on the same ground.

    SCENE is any raster that GDAL reads, or a Sentinel-1 SAFE folder or zip. It is left out where --band
    names a file for each polarisation. Either may be an object such as s3://bucket/name.tif.

    With --out-dir there may be any number of scenes, and no OUT: each becomes a GeoTIFF of its name there. What is
    finished is skipped, a scene that fails stops no other one, and a table tells what became of each.
    """
    from sartranslate.infer import planning
    from sartranslate.networks import bundle
    from sartranslate.outputs.delivery import check_beside, delivered
    from sartranslate.runtimes.translator import Choice
    from sartranslate.scenes.layout import slow_warning
    from sartranslate.scenes.scene_list import Entry

    model = bundle.located(model)
    samples = _samples(samples, uncertainty)
    choice = Choice(_runtime(runtime, backend, samples), precision, backend, samples)
    chosen = planning.InferenceOptions(scene=scene, keep=(model,), uncertainty=uncertainty, **settings)  # type: ignore[arg-type]
    if many.out_dir is not None:
        scenes.translate(paths, many, cluster, model, choice, chosen, quiet=quiet, as_json=as_json)
        return
    many.check_alone()
    source, out = options.split_paths(paths, bool(scene.files), "SCENE", "OUT")
    check_beside(str(out), uncertainty, stac=bool(settings["stac"]))
    seen = cluster.seen(Entry("", "", source, scene.files))
    chosen = replace(chosen, scene=replace(scene, files=seen.files))
    with Interrupt() as interrupt, delivered(str(out), overwrite=bool(settings["overwrite"])) as delivery:
        wanted = bundle.describe(model)
        size_multiple = wanted.generator.size_multiple
        plan = planning.plan(seen.source, delivery.place, wanted.radiometry, chosen, size_multiple=size_multiple)
        interrupt.check()
        say = partial(tell, quiet)
        if warning := slow_warning(plan.scene):
            say(f"Warning: {warning}")
        computing = cluster.computing(model, choice, say, interrupt.check)
        summary = replace(_translated(plan, computing, interrupt, say, quiet=quiet), out=delivery.name)
    if as_json:
        click.echo(json.dumps(summary.as_dict()))
    elif not quiet:
        click.echo(_one_line(summary))


def _translated(
    plan: Plan,
    computing: AbstractContextManager[Computing],
    interrupt: Interrupt,
    say: Callable[[str], None],
    *,
    quiet: bool,
) -> InferenceSummary:
    with computing as computer, progress_bar("windows", quiet=quiet) as bar:

        def watch(tally: Tally, windows: int) -> None:
            interrupt.check()
            bar.total = windows
            bar.update(tally.windows - bar.n)

        return computer.translate(plan, watch, say)


def _one_line(summary: InferenceSummary) -> str:
    return (
        f"{summary.out}: {summary.width} x {summary.height} px, {summary.windows} windows"
        f" ({summary.skipped_windows} empty) in {summary.seconds:.1f} s,"
        f" {summary.megapixels_per_second:.1f} Mpx/s by {summary.runtime} on {summary.device} in {summary.precision};"
        f" band {', '.join(summary.bands)} read as {summary.scaling_text}"
        + (f"; the first {summary.resumed_rows} rows by an earlier run" if summary.resumed_rows else "")
        + (f"; placed by {summary.placed}" if summary.placed else "")
        + (f"; uncertainty in {summary.uncertainty}: {summary.spread}" if summary.uncertainty else "")
        + (f"; STAC item in {summary.stac}" if summary.stac else "")
    )
