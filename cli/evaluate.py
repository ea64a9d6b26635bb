"""`sartranslate evaluate`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from . import options, path_types
from .optical import optical_in
from .progress import progress_bar

if TYPE_CHECKING:
    from sartranslate.evaluate.contact_sheets import Images
    from sartranslate.quality.scores import Evaluation, MethodScores, Metric
    from sartranslate.scenes.source import SceneOptions

STANDARD_OUTPUT = Path("-")
WIDTH = 13  # characters of a column
SCENE = ("band", "bidx", "nodata", "crs", "resolution", "gcps", "allow_ungeoreferenced")  # options of one


@click.command()
@click.option("--pairs", "folders", type=path_types.FOLDER, multiple=True, help="Folder of pairs; may be repeated.")
@click.option("--prediction", type=path_types.FILE, help="A translated scene, in place of --pairs.")
@click.option("--truth", type=path_types.FILE, help="An optical image of the same ground, for --prediction.")
@click.option("--sar", type=path_types.FILE_OR_FOLDER, help="The scene that was translated, for baselines made of it.")
@click.option(
    "--split",
    type=click.Choice(["train", "val", "test"]),
    help="Part of the pairs.  [default: test, else val, else all of them]",
)
@options.model
@click.option("--window", type=int, help="Of the translation.  [default: 256, or as --prediction tells]")
@click.option("--overlap", type=int, help="Of its windows.  [default: 64, or as --prediction tells]")
@options.warp("--prediction")
@optical_in("--truth", "--truth, or of optical tiles")
@options.direction
@options.skip_bad
@options.unit
@options.scene_in("--sar")
@options.precision("float32", "bfloat16", "float16")
@options.backend
@click.option(
    "--json",
    "json_file",
    type=path_types.FILE_OR_STREAM,
    metavar="FILE",
    help="Write all scores as JSON; - prints them.",
)
@click.option("--report", type=path_types.FILE, metavar="FILE", help="Write an HTML page with examples, in one file.")
@options.overwrite
@options.quiet
def evaluate(
    folders: tuple[Path, ...],
    prediction: Path | None,
    truth: Path | None,
    json_file: Path | None,
    report: Path | None,
    overwrite: bool,
    quiet: bool,
    **settings: Any,
) -> None:
    """Score a model on pairs that it has not seen, or one translated scene against an optical image.

    Scores are taken image by image in windows of 256 pixels and averaged, with 95 % intervals from resampled tiles,
    beside baselines on the same images: the mean colour, the SAR as grey, and a mean colour for each SAR level.
    """
    _check_usage(folders, prediction, truth, settings)
    if quiet and not (json_file or report):
        raise click.UsageError("--quiet without --json and --report would show nothing")
    parts = map(Path, settings["scene"].files.values())
    rasters = [prediction, truth, settings["sar"], settings["model"], *parts]
    reports = Reports(None if json_file == STANDARD_OUTPUT else json_file, report, overwrite)
    reports.check(filter(None, rasters), folders)
    with progress_bar("images", quiet=quiet) as bar:

        def watch(done: int, planned: int) -> None:
            bar.total = planned
            bar.update(done - bar.n)

        if prediction and truth:
            evaluation, images = _rasters(prediction, truth, settings, reports, watch)
        else:
            evaluation, images = _pairs(folders, settings, watch)
    reports.write(evaluation, images)
    if json_file == STANDARD_OUTPUT:
        click.echo(_json(evaluation))
    elif not quiet:
        for line in _table(evaluation):
            click.echo(line)


def _check_usage(
    folders: Sequence[Path], prediction: Path | None, truth: Path | None, settings: dict[str, Any]
) -> None:
    if bool(folders) == bool(prediction) or bool(prediction) != bool(truth):
        raise click.UsageError("expected either --pairs DIR, or --prediction FILE and --truth FILE")
    if (settings["window"] is None) != (settings["overlap"] is None) and prediction:
        raise click.UsageError("--window and --overlap go together with --prediction")
    if prediction:
        _refuse(("split", "direction", "skip_bad", "backend"), "--pairs", settings)
    else:
        _refuse(("sar", "warp"), "--prediction", settings)
        optical = dict(vars(settings["optical"]), rgb=())  # which is of tiles, too
        told = {**optical, "optical_nodata": optical["optical_nodata"] is not None}
        _refuse(list(told), "--prediction", told)
        _refuse([name for name in SCENE if name != "bidx"], "--prediction", _told(settings["scene"]))
    if prediction and settings["precision"] != "auto":
        raise click.UsageError("--precision is for --pairs")
    scene = settings["scene"]
    if settings["sar"] and scene.files:
        raise click.UsageError("--sar and --band are both given, expected one of them")
    if prediction and not (settings["sar"] or scene.files):
        _refuse(SCENE, "--sar", _told(scene))
        _refuse(("model", "unit"), "--pairs, or --sar", settings)


def _told(scene: SceneOptions) -> dict[str, Any]:
    """By the options' names."""
    return {**vars(scene), "band": scene.files, "bidx": scene.bands, "nodata": scene.nodata is not None}


class Reports(NamedTuple):
    """Files for the scores and for a page."""

    json_file: Path | None
    page: Path | None
    overwrite: bool

    def check(self, rasters: Iterable[Path | str], folders: Sequence[Path] = ()) -> None:
        """Raise `OutputError` where one can not be written, or is one of the rasters, or of the folders' tiles."""
        from sartranslate.datasets.tiles import files_of
        from sartranslate.networks.bundle import DEFAULT_MODEL
        from sartranslate.outputs.output import check_distinct, check_report

        named = [*rasters, DEFAULT_MODEL]
        for out in filter(None, (self.json_file, self.page)):
            check_report(out, chain(named, *map(files_of, folders)), overwrite=self.overwrite)
        if self.json_file and self.page:
            check_distinct(self.json_file, self.page)

    def write(self, evaluation: Evaluation, images: Images) -> None:
        """Each whole or not at all; raises `OutputError`."""
        from sartranslate.storage.atomic import write_text

        if self.json_file:
            write_text(self.json_file, f"{_json(evaluation)}\n", overwrite=self.overwrite)
        if self.page:
            from sartranslate.evaluate.contact_sheets import contact_sheets
            from sartranslate.evaluate.evaluation_page import evaluation_page

            page = evaluation_page(evaluation, contact_sheets(images, evaluation.images))
            write_text(self.page, page, overwrite=self.overwrite)


def _json(evaluation: Evaluation) -> str:
    return json.dumps(evaluation.as_dict(), indent=2, allow_nan=False)


def _refuse(names: Sequence[str], wanted: str, settings: Mapping[str, Any]) -> None:
    for name in names:
        if settings[name]:
            raise click.UsageError(f"--{name.replace('_', '-')} is for {wanted}")


def _pairs(folders: Sequence[Path], settings: dict[str, Any], watch: Any) -> tuple[Evaluation, Images]:
    from sartranslate.datasets.pair_check import PairOptions
    from sartranslate.evaluate.evaluation import evaluate_pairs
    from sartranslate.evaluate.tile_images import Translation, open_evaluated
    from sartranslate.networks import backend, bundle
    from sartranslate.runtimes.translator import load_translator
    from sartranslate.streaming.windows import WindowGrid, check_multiple

    model = bundle.located(settings["model"])
    wanted = bundle.describe(model)
    window = options.WINDOW if settings["window"] is None else settings["window"]
    overlap = options.OVERLAP if settings["overlap"] is None else settings["overlap"]
    check_multiple(window, wanted.generator.size_multiple)
    WindowGrid(1, 1, window, overlap)  # refuses what can not be, before anything is read
    reading = PairOptions(
        wanted.radiometry,
        settings["unit"],
        settings["direction"] or "AtoB",
        skip_bad=settings["skip_bad"],
        bands=tuple(settings["scene"].bands),
        rgb=settings["optical"].rgb,
    )
    evaluated = open_evaluated(folders, settings["split"], reading)
    backend.select(settings["backend"])
    translator = load_translator(model, settings["precision"])
    translation = Translation(translator.generator, window, overlap, translator.batch_size, translator.concurrency)
    return evaluate_pairs(evaluated, translation, translator.model, watch)


def _rasters(
    prediction: Path, truth: Path, settings: dict[str, Any], reports: Reports, watch: Any
) -> tuple[Evaluation, Images]:
    from sartranslate.evaluate.evaluation import evaluate_rasters
    from sartranslate.evaluate.raster_images import RasterOptions, open_raster_images
    from sartranslate.networks import bundle

    told = settings["window"], settings["overlap"]
    windows = None if told[0] is None else told
    chosen = RasterOptions(settings["warp"], settings["optical"], settings["unit"], windows, settings["scene"])
    radiometry = bundle.describe(bundle.located(settings["model"])).radiometry
    images = open_raster_images(prediction, truth, settings["sar"], radiometry, chosen)
    reports.check(images.files)  # what a virtual raster is made of, too
    return evaluate_rasters(images, watch), images


def _table(evaluation: Evaluation) -> Iterator[str]:
    """Rows of methods, the interval of the first one, if it has any, below it, and notes."""
    from sartranslate.quality.scores import METRICS

    names = [name for name in METRICS if any(name in method.scores for method in evaluation.methods)]
    subject, *others = evaluation.methods
    rows = [_row(subject.name, subject, names, "value")]
    if any(score.low is not None for score in subject.scores.values()):
        rows += [_row("  95 % interval from", subject, names, "low"), _row("  to", subject, names, "high")]
    rows += [_row(method.name, method, names, "value") for method in others]
    heads = [_head(METRICS[name]) for name in names]
    height, first = max(map(len, heads)), max(len(row[0]) for row in rows)
    lines = zip(*([""] * (height - len(head)) + head for head in heads), strict=True)
    yield f"{evaluation.subject}: {evaluation.facts['Images']}"
    for title, *cells in [*(["", *line] for line in lines), *rows]:
        yield "  ".join([title.ljust(first), *(cell.rjust(WIDTH) for cell in cells)]).rstrip()
    yield from evaluation.notes


def _head(metric: Metric) -> list[str]:
    """The name of a column, line by line."""
    return [*metric.label.replace("-", "- ").split(), *([f"[{metric.unit}]"] if metric.unit else [])]


def _row(title: str, method: MethodScores, names: Sequence[str], part: str) -> list[str]:
    """One part, the value or an end of the interval, of each score."""
    values = [getattr(method.scores.get(name), part, None) for name in names]
    return [title, *("-" if value is None else f"{value:#.4g}".rstrip(".") for value in values)]
