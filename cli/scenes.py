"""Many scenes, and many processes, of `sartranslate infer`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import options, path_types
from .interrupt import Interrupt
from .progress import progress_bar, tell

if TYPE_CHECKING:
    from sartranslate.collection import Collection, Outcome
    from sartranslate.infer.planning import InferenceOptions
    from sartranslate.runtimes.translator import Choice
    from sartranslate.scenes.scene_list import Entry
    from sartranslate.workers.computing import Computing

Tell = Callable[[str], None]
HEADINGS = ("scene", "output", "state")


@dataclass(frozen=True)
class Many:
    """Scenes beside those that are named one by one, and where all outputs go."""

    out_dir: Path | None
    lists: tuple[Path, ...]
    items: tuple[Path, ...]
    mosaic: Path | None

    def check_alone(self) -> None:
        """Raise `UsageError` for what is of no use without a folder."""
        for name, given in (("--list", self.lists), ("--items", self.items), ("--mosaic", self.mosaic)):
            if given:
                raise click.UsageError(f"{name} without --out-dir")


@dataclass(frozen=True)
class Cluster:
    """The processes that compute, where it is not this one."""

    workers: int | None
    scheduler: str | None

    def computing(
        self, model: Path, choice: Choice, tell: Tell, idle: Callable[[], None]
    ) -> AbstractContextManager[Computing]:
        from sartranslate.workers.computing import computing

        return computing(model, choice, self.workers, self.scheduler, tell, idle)

    def seen(self, entry: Entry) -> Entry:
        """A scene as those processes can find it: they may be in another folder."""
        return entry.absolute() if self.scheduler else entry


def many(command: options.Command) -> options.Command:
    """Options of many scenes, gathered into one argument `many`."""

    @wraps(command)
    def gathered(
        out_dir: Path | None, lists: tuple[Path, ...], items: tuple[Path, ...], mosaic: Path | None, **settings: Any
    ) -> Any:
        return command(many=Many(out_dir, lists, items, mosaic), **settings)

    return options.with_options(
        gathered,
        [
            click.option("--out-dir", type=path_types.FOLDER, help="Folder of the outputs of any number of scenes."),
            click.option(
                "--list",
                "lists",
                type=path_types.FILE,
                multiple=True,
                help="Text file of more scenes for --out-dir, one a line, relative to its folder; a line that begins "
                "with # is left out.",
            ),
            click.option(
                "--items",
                type=path_types.FILE,
                multiple=True,
                help="STAC ItemCollection of more scenes for --out-dir, by their assets with the role data.",
            ),
            click.option("--mosaic", type=path_types.FILE, help="Also join the outputs in --out-dir in this GDAL VRT."),
        ],
    )


def cluster(command: options.Command) -> options.Command:
    """Options of processes, gathered into one argument `cluster`."""

    @wraps(command)
    def gathered(workers: int | None, scheduler: str | None, **settings: Any) -> Any:
        if workers is not None and scheduler is not None:
            raise click.UsageError("--workers and --scheduler are both given, expected one of them")
        if scheduler is not None:
            _check_unrestricted()
        return command(cluster=Cluster(workers, scheduler), **settings)

    return options.with_options(
        gathered,
        [
            click.option(
                "--workers",
                type=click.IntRange(1),
                metavar="N",
                help="Compute in N processes of this machine that share its cores; needs Dask.",
            ),
            click.option(
                "--scheduler",
                metavar="ADDRESS",
                help="Compute on the workers of a running Dask cluster, such as tcp://host:8786.",
            ),
        ],
    )


def translate(
    paths: Sequence[str],
    many: Many,
    cluster: Cluster,
    model: Path,
    choice: Choice,
    chosen: InferenceOptions,
    *,
    quiet: bool,
    as_json: bool,
) -> None:
    """All of them; exits with 1 where one has failed."""
    from sartranslate import collection

    entries = [cluster.seen(entry) for entry in _entries(paths, many, chosen)]
    with Interrupt() as interrupt:
        scenes = _collection(entries, many, model, chosen, choice.samples)
        say = partial(tell, quiet)
        with progress_bar("windows", quiet=quiet) as bar:

            def progress(done: int, windows: int) -> None:
                interrupt.check()
                bar.total = windows
                bar.update(done - bar.n)

            computing = partial(cluster.computing, model, choice, say, interrupt.check)
            outcomes = collection.translate_all(scenes, computing, progress, say, interrupt.check)
        failed = [outcome for outcome in outcomes if outcome.state == "failed"]
        mosaic = _mosaic(many.mosaic, outcomes, failed)
    _report(outcomes, mosaic, quiet=quiet, as_json=as_json)
    if failed or (many.mosaic and mosaic.path is None):
        raise SystemExit(1)


@dataclass(frozen=True)
class _Mosaic:
    path: Path | None
    reason: str | None = None  # why there is none, where one is asked for


def _entries(paths: Sequence[str], many: Many, chosen: InferenceOptions) -> list[Entry]:
    from sartranslate.scenes.scene_list import check_names, collected, entry, listed

    if chosen.scene.files:
        raise click.UsageError("--band names the files of one scene, expected SCENE... with --out-dir, or --items")
    entries = [
        *map(entry, paths),
        *(each for file in many.lists for each in listed(file)),
        *(each for file in many.items for each in collected(file)),
    ]
    check_names(entries)
    return entries


def _collection(
    entries: Sequence[Entry], many: Many, model: Path, chosen: InferenceOptions, samples: int | None
) -> Collection:
    from sartranslate.collection import Collection
    from sartranslate.networks.bundle import describe
    from sartranslate.outputs.mosaic import check_mosaic
    from sartranslate.runtimes.translator import model_digest
    from sartranslate.streaming.windows import check_multiple

    folder = many.out_dir or Path()
    wanted = describe(model)
    size_multiple = wanted.generator.size_multiple
    check_multiple(chosen.window, size_multiple)
    scenes = Collection(entries, folder, wanted.radiometry, size_multiple, model_digest(model), chosen, samples)
    scenes.make_folders()
    scenes.check_products([*many.lists, *many.items])
    if many.mosaic:
        products = [file for entry in entries for file in scenes.products(entry)]
        check_mosaic(many.mosaic, products, [file for entry in entries for file in entry.paths])
    return scenes


def _mosaic(out: Path | None, outcomes: Sequence[Outcome], failed: Sequence[Outcome]) -> _Mosaic:
    from sartranslate.errors import OutputError
    from sartranslate.outputs.mosaic import write_mosaic

    if out is None:
        return _Mosaic(None)
    if failed:
        return _Mosaic(None, f"{out}: not written, for {len(failed)} of {len(outcomes)} scenes failed")
    try:
        write_mosaic(out, [Path(outcome.out) for outcome in outcomes])
    except OutputError as error:
        return _Mosaic(None, str(error))
    return _Mosaic(out)


def _report(outcomes: Sequence[Outcome], mosaic: _Mosaic, *, quiet: bool, as_json: bool) -> None:
    from sartranslate.collection import counts

    if as_json:
        told = {"path": mosaic.path and str(mosaic.path), "reason": mosaic.reason}
        click.echo(json.dumps({"scenes": [outcome.as_dict() for outcome in outcomes], "mosaic": told}))
    elif quiet:
        for outcome in outcomes:
            if outcome.state == "failed":
                click.echo(f"Error: {outcome.reason}", err=True)
    else:
        _table([HEADINGS, *((outcome.scene, outcome.out, outcome.told) for outcome in outcomes)])
        click.echo(f"{counts(outcomes)}{f'; mosaic in {mosaic.path}' if mosaic.path else ''}")
    if mosaic.reason and not as_json:
        click.echo(f"Error: {mosaic.reason}", err=True)


def _table(rows: Sequence[tuple[str, ...]]) -> None:
    first, second = (max(len(row[column]) for row in rows) for column in (0, 1))
    for scene, out, state in rows:
        click.echo(f"{scene:<{first}}  {out:<{second}}  {state}")


def _check_unrestricted() -> None:
    from sartranslate.rasters.local_only import VARIABLE, restricted

    if restricted():
        raise click.UsageError(f"--local-only holds for this machine alone; set {VARIABLE}=1 where workers start")
