"""Many scenes translated into one folder: what is finished is skipped, and a scene that fails stops no other one."""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from sartranslate.backscatter.radiometry import Radiometry
from sartranslate.errors import ClusterError, OutputError, SartranslateError, SceneError
from sartranslate.infer.inference_summary import InferenceSummary
from sartranslate.infer.job import check_finished
from sartranslate.infer.planning import InferenceOptions, Plan, plan
from sartranslate.outputs.stac import is_item_of, item_path
from sartranslate.rasters.remote import is_remote, mended
from sartranslate.scenes.layout import slow_warning
from sartranslate.scenes.scene_list import Entry
from sartranslate.streaming.sliding import Tally
from sartranslate.workers.computing import Computing, Tell

logger = logging.getLogger(__name__)
State = Literal["done", "skipped", "failed"]
SUFFIX = ".tif"

Progress = Callable[[int, int], None]  # windows done, and those of all scenes begun


@dataclass(frozen=True)
class Outcome:
    """What became of a scene."""

    scene: str
    out: str
    state: State
    reason: str | None = None  # of a failure
    summary: InferenceSummary | None = None  # of what was done

    @property
    def told(self) -> str:
        """In a few words."""
        if self.summary:
            return f"done in {self.summary.seconds:.1f} s"
        return "skipped, it is finished" if self.state == "skipped" else f"failed: {self.reason}"

    def as_dict(self) -> dict[str, Any]:
        told = {"state": self.state, "reason": self.reason}
        return {**self.summary.as_dict(), **told} if self.summary else {"scene": self.scene, "out": self.out, **told}


@dataclass(frozen=True)
class Collection:
    """Scenes with distinct names of outputs, and what is asked for of each."""

    entries: Sequence[Entry]
    folder: Path
    radiometry: Radiometry
    size_multiple: int  # of a window
    digest: str  # of the model, as `Translator` has it
    options: InferenceOptions  # whose uncertainty is a folder of those of all scenes
    samples: int | None = None  # that an uncertainty is told from

    def out(self, entry: Entry) -> Path:
        return self.folder / f"{entry.name}{SUFFIX}"

    def spread(self, entry: Entry) -> Path | None:
        """The file of its uncertainty, if one is asked for."""
        return self.options.uncertainty and self.options.uncertainty / f"{entry.name}{SUFFIX}"

    def products(self, entry: Entry) -> list[Path]:
        """All files that it becomes."""
        rasters = [path for path in (self.out(entry), self.spread(entry)) if path]
        return [*rasters, *([item_path(self.out(entry))] if self.options.stac else [])]

    def check_products(self, lists: Iterable[Path]) -> None:
        """Raise `OutputError` where one is what another scene, or one of the lists of scenes, is read from."""
        read = {os.path.realpath(file): each.name for each in self.entries for file in each.paths}
        read |= {os.path.realpath(file): "" for file in lists}
        for entry in self.entries:
            for out in self.products(entry):
                if read.get(os.path.realpath(out), entry.name) != entry.name:
                    raise OutputError(f"{out}: is read for another scene, or lists some; expected another folder")

    def make_folders(self) -> None:
        """Raise `OutputError` where one can not be made, in a folder that is there, or where both are the same."""
        _make_folder(self.folder)
        if self.options.uncertainty:
            _make_folder(self.options.uncertainty)
            if self.options.uncertainty.samefile(self.folder):
                raise OutputError(f"{self.folder}: expected another folder for the uncertainties than for the pictures")

    def planned(self, entry: Entry, *, overwrite: bool) -> Plan:
        """Raises as `planning.plan`, and `SceneError` for an entry without files."""
        if entry.problem:
            raise SceneError(entry.problem)
        scene = replace(self.options.scene, files=entry.files)
        options = replace(self.options, scene=scene, uncertainty=self.spread(entry), overwrite=overwrite)
        return plan(entry.source, self.out(entry), self.radiometry, options, size_multiple=self.size_multiple)


def finished(collection: Collection, check: Callable[[], None] = lambda: None) -> dict[str, Outcome]:
    """What needs no work, by name: scenes whose output is there as it was asked for, and those where it is not.

    `check` is called before each is looked at, which samples it, and may raise to stop.
    """
    if collection.options.overwrite:
        return {}
    outcomes = {}
    for entry in collection.entries:
        check()
        if found := _looked_at(collection, entry):
            outcomes[entry.name] = found
    return outcomes


def translate_all(
    collection: Collection,
    computing: Callable[[], AbstractContextManager[Computing]],
    progress: Progress = lambda done, windows: None,
    tell: Tell = lambda line: None,
    check: Callable[[], None] = lambda: None,
) -> list[Outcome]:
    """Translate what is not finished, and tell what became of each scene, in their order.

    `computing` is entered where there is work, once. `progress` is called after each batch, `check` before each look at
    what is there; both may raise to stop all. `ClusterError` stops all as well. Outputs appear whole or not at all, as
    of `inference.translate`.
    """
    outcomes = finished(collection, check)
    left = [entry for entry in collection.entries if entry.name not in outcomes]
    if left:
        with computing() as computer:
            outcomes |= dict(_translated(collection, left, computer, _Sum(progress), tell))
    return [outcomes[entry.name] for entry in collection.entries]


def counts(outcomes: Sequence[Outcome]) -> str:
    """How many are in which state.

    >>> counts([Outcome("a.tif", "out/a.tif", "skipped"), Outcome("b.tif", "out/b.tif", "failed", "no such file")])
    '0 done, 1 skipped, 1 failed'
    """
    number = Counter(outcome.state for outcome in outcomes)
    return ", ".join(f"{number[state]} {state}" for state in ("done", "skipped", "failed"))


class _Sum:
    """Progress of scenes that are translated at once."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._counts: dict[str, tuple[int, int]] = {}
        self._lock = threading.Lock()
        self.stopped: BaseException | None = None  # by what `progress` has raised

    def of(self, entry: Entry) -> Callable[[Tally, int], None]:
        def watch(tally: Tally, windows: int) -> None:
            with self._lock:
                self._counts[entry.name] = tally.windows, windows
                done, in_all = (sum(column) for column in zip(*self._counts.values(), strict=True))
                try:
                    self._progress(done, in_all)
                except BaseException as error:
                    self.stopped = error
                    raise

        return watch


def _make_folder(folder: Path) -> None:
    if is_remote(mended(folder)):
        raise OutputError(f"{mended(folder)}: expected a folder of this machine")
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: can not be made: {error.strerror}") from error


def _looked_at(collection: Collection, entry: Entry) -> Outcome | None:
    """What it is that is there; None: nothing is."""
    scene, out = entry.title, collection.out(entry)
    try:
        if not out.exists():
            return None
        planned = collection.planned(entry, overwrite=True)
        check_finished(planned, collection.digest, collection.samples)
        if planned.item and not is_item_of(planned.item, out):
            raise OutputError(f"{out}: exists already, without its STAC item; --overwrite replaces it")
    except (SartranslateError, OSError) as error:
        return Outcome(scene, str(out), "failed", str(error))
    except Exception as error:
        return _unforeseen(scene, str(out), error)
    return Outcome(scene, str(out), "skipped")


def _translated(
    collection: Collection, entries: Sequence[Entry], computer: Computing, progress: _Sum, tell: Tell
) -> Iterator[tuple[str, Outcome]]:
    """So many at once as the computer has lanes, earlier ones first."""

    def one(number: int, entry: Entry) -> Outcome:
        return _outcome(collection, entry, computer, progress, tell, -number)

    if computer.lanes == 1:
        for number, entry in enumerate(entries):
            yield entry.name, one(number, entry)
        return
    with ThreadPoolExecutor(computer.lanes, thread_name_prefix="scene") as lanes:
        begun: dict[Future[Outcome], str] = {
            lanes.submit(one, number, entry): entry.name for number, entry in enumerate(entries)
        }
        try:
            for future in as_completed(begun):
                yield begun[future], future.result()
        finally:
            lanes.shutdown(wait=False, cancel_futures=True)


def _outcome(
    collection: Collection, entry: Entry, computer: Computing, progress: _Sum, tell: Tell, priority: int
) -> Outcome:
    scene, out = entry.title, str(collection.out(entry))
    try:
        planned = collection.planned(entry, overwrite=collection.options.overwrite)
        if warning := slow_warning(planned.scene):
            tell(f"Warning: {warning}")
        summary = computer.translate(planned, progress.of(entry), tell, priority)
    except ClusterError:
        raise
    except (SartranslateError, OSError, MemoryError) as error:
        return Outcome(scene, out, "failed", str(error) or "out of memory")
    except Exception as error:
        if error is progress.stopped:
            raise
        return _unforeseen(scene, out, error)
    return Outcome(scene, out, "done", summary=summary)


def _unforeseen(scene: str, out: str, error: Exception) -> Outcome:
    """An error of any kind: one scene must not take the others with it."""
    logger.error(scene, exc_info=error)
    return Outcome(scene, out, "failed", f"{type(error).__name__}: {error}")
