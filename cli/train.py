"""`sartranslate train`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from . import options, path_types, recipe
from .interrupt import Interrupt
from .optical import rgb_of
from .progress import progress_bar

if TYPE_CHECKING:
    from sartranslate.backscatter.radiometry import Radiometry
    from sartranslate.train.session import Hooks, Progress, Rhythm, TrainingSummary


@click.command()
@click.option(
    "--pairs",
    "folders",
    type=path_types.FOLDER,
    multiple=True,
    help="Folder from `sartranslate pairs`, with sar/ and optical/ of the same file stems, or of side-by-side images; "
    "may be repeated.",
)
@click.option("--out", type=path_types.FOLDER, help="Folder of the run: models, checkpoints, history, summary.")
@click.option("--resume", type=path_types.FOLDER, metavar="RUN", help="Go on with a run where its checkpoint is.")
@recipe.recipe
@click.option(
    "--val", "validation", type=path_types.FOLDER, multiple=True, help="Validation pairs.  [default: DIR/val]"
)
@click.option(
    "--bands",
    help="Polarisations of the model's channels: comma between channels, | between alternatives.  "
    "[default: VH|VV, or colours where the source is a colour image]",
)
@click.option(
    "--bidx",
    type=int,
    multiple=True,
    help="Band of the SAR tiles to use, from 1; repeat in the order of the channels.  [default: by name]",
)
@rgb_of("the optical tiles")
@options.direction
@options.skip_bad
@click.option("--seed", type=int, help="Of weights, dropout, order and augmentation.  [default: 0]")
@click.option("--checkpoint-minutes", type=float, help="Minutes between checkpoints.  [default: 10, or as begun]")
@click.option(
    "--checkpoint-epochs",
    type=int,
    help="Epochs between checkpoints; 0: by --checkpoint-minutes.  [default: 0, or as begun]",
)
@click.option(
    "--wait",
    "patience",
    type=float,
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for other workers, where TF_CONFIG names several.",
)
@options.unit
@options.local_only
@options.precision("float32", "bfloat16")
@options.backend
@options.overwrite
@options.quiet
def train(
    folders: tuple[Path, ...],
    out: Path | None,
    resume: Path | None,
    backend: str | None,
    quiet: bool,
    show_recipe: bool,
    **settings: Any,
) -> None:
    """Fit the Pix2Pix GAN on folders of paired tiles.

    Tiles are scaled as the scene that they were cut out of, loose ones together with those of their folder, and all of
    a folder together where --unit is given. After every epoch, or every n-th by validation.every, RUN/model.safetensors
    is a model for `sartranslate infer --model`, and RUN/best.safetensors the best one by its score on the validation
    pairs.
    """
    if show_recipe and resume is not None:
        raise click.UsageError("--show-recipe is for a new run; the recipe of one is in its folder, as recipe.toml")
    if show_recipe:
        click.echo(recipe.as_toml(settings["name"], settings["changes"], settings["start"]), nl=False)
        return
    if (out is None) == (resume is None):
        raise click.UsageError("expected either --out RUN for a new run or --resume RUN")
    if resume is not None and settings["overwrite"]:
        raise click.UsageError("--overwrite is for a new run, not for --resume")
    if resume is not None and settings["start"] is not None:
        raise click.UsageError("--start-from is for a new run, not for --resume")
    if out is not None and not folders:
        raise click.UsageError("expected --pairs DIR")
    from sartranslate.networks import backend as framework

    framework.select(backend or (str(_begun(resume)["backend"]) if resume else None))
    with progress_bar("images", quiet=quiet) as bar, Interrupt() as interrupt:
        hooks = _hooks(bar, interrupt, quiet=quiet)
        summary = _begin(folders, out, hooks, settings) if out else _go_on(folders, cast(Path, resume), hooks, settings)
    _tell(summary, quiet=quiet)
    if not summary.finished:
        raise SystemExit(interrupt.exit_code or 1)  # another worker was told to


def _begin(folders: tuple[Path, ...], out: Path, hooks: Hooks, settings: dict[str, Any]) -> TrainingSummary:
    from sartranslate.train.training import TrainingOptions, train
    from sartranslate.train.training_data import DataOptions

    data = DataOptions(
        radiometry=_radiometry(settings["bands"], settings["start"]),
        bands=settings["bidx"],
        rgb=settings["rgb"],
        unit=settings["unit"],
        direction=settings["direction"] or "AtoB",
        validation=settings["validation"],
        skip_bad=settings["skip_bad"],
    )
    chosen = TrainingOptions(
        recipe=recipe.chosen(settings["name"], settings["changes"], settings["start"]),
        seed=settings["seed"] or 0,
        precision=settings["precision"],
        data=data,
        checkpoints=_rhythm(settings, {}),
        start=settings["start"],
        overwrite=settings["overwrite"],
        patience=settings["patience"],
    )
    return train(folders, out, chosen, hooks)


def _radiometry(bands: str | None, start: Path | None) -> Radiometry | None:
    """With these bands, and scaled as for the model to start from; None: as the pairs or that model have them."""
    if bands is None:
        return None
    from dataclasses import replace

    from sartranslate.backscatter.polarisation import parse_channels
    from sartranslate.backscatter.radiometry import Radiometry
    from sartranslate.networks import bundle

    return replace(bundle.describe(start).radiometry if start else Radiometry(), bands=parse_channels(bands))


def _rhythm(settings: dict[str, Any], begun: dict[str, Any]) -> Rhythm | None:
    """As told, and else as the run was begun; None where nothing is told."""
    from sartranslate.train.session import Rhythm

    given = {name: settings[f"checkpoint_{name}"] for name in ("minutes", "epochs")}
    told = {name: value for name, value in given.items() if value is not None}
    return Rhythm(**{**begun.get("checkpoints", {}), **told}) if told else None


def _begun(run: Path) -> dict[str, Any]:
    """The settings that the run was begun with."""
    from sartranslate.train.checkpoint import load_position
    from sartranslate.train.run_folder import RunFolder

    return dict(load_position(RunFolder(run).checkpoint)["settings"])


def _go_on(folders: tuple[Path, ...], run: Path, hooks: Hooks, settings: dict[str, Any]) -> TrainingSummary:
    from sartranslate.backscatter.polarisation import parse_channels
    from sartranslate.train.training import TrainingOptions, resume
    from sartranslate.train.training_data import DataOptions

    told = {name: settings[name] for name in ("seed", "unit", "direction") if settings[name] is not None}
    if settings["bands"] is not None:
        told["radiometry.bands"] = [list(names) for names in parse_channels(settings["bands"])]
    told |= {name: list(settings[name]) for name in ("bidx", "rgb") if settings[name]}
    if settings["skip_bad"]:
        told["skip_bad"] = True
    if settings["precision"] != "auto":
        told["precision"] = settings["precision"]
    begun = _begun(run)
    wanted = {**recipe.wanted(settings["name"], settings["changes"], begun), **told}
    rhythm = _rhythm(settings, begun)
    places = DataOptions(validation=settings["validation"])
    chosen = TrainingOptions(data=places, checkpoints=rhythm, patience=settings["patience"])
    return resume(run, folders, wanted, chosen, hooks)


def _hooks(bar: Any, interrupt: Interrupt, *, quiet: bool) -> Hooks:
    from sartranslate.train.session import Hooks

    def watch(progress: Progress) -> None:
        if not bar.n:
            bar.reset(progress.updates * progress.images)
            bar.initial = bar.n = (progress.update - 1) * progress.images
        bar.set_postfix({"epoch": f"{progress.epoch}/{progress.epochs}", **progress.losses}, refresh=False)
        bar.update(progress.images)

    def checked(done: int, planned: int) -> None:
        interrupt.check()  # nothing is worth keeping yet
        bar.set_description(f"checking pairs {done}/{planned}" if done < planned else "")

    def noted(lines: Sequence[str]) -> None:
        if not quiet:
            bar.clear()
            click.echo("\n".join(lines))

    def waiting() -> None:
        interrupt.check()
        bar.set_description("waiting for other workers")

    return Hooks(watch, checked, noted, waiting, interrupt.received)


def _tell(summary: TrainingSummary, *, quiet: bool) -> None:
    if not summary.finished:
        click.echo(
            f"{summary.run}: stopped after update {summary.updates}; go on with "
            f"sartranslate train --resume {shlex.quote(str(summary.run))}",
            err=True,
        )
    if quiet:
        return
    from sartranslate.counts import counted

    done = f"{counted(summary.pairs, 'pair')}, {counted(summary.updates, 'update')}"
    losses = "".join(f", {name} {loss:.3f}" for name, loss in summary.losses.items())
    best = f", best epoch {summary.best_epoch} ({summary.best_score:.4f})" if summary.best_epoch else ""
    click.echo(f"{summary.run}: {done}{losses}{best}")
