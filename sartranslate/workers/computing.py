"""Where the windows of scenes are generated: in this process, or by Dask workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sartranslate.errors import ClusterError, OptionError
from sartranslate.infer.generation import calibration_patches
from sartranslate.infer.inference import Watch, translate, written
from sartranslate.infer.inference_summary import InferenceSummary
from sartranslate.infer.planning import Plan
from sartranslate.networks import backend
from sartranslate.runtimes.runtime import INT8
from sartranslate.runtimes.translator import Choice, Translator, load_translator
from sartranslate.streaming.prefetch import prefetch
from sartranslate.streaming.sliding import AHEAD

if TYPE_CHECKING:
    from sartranslate.workers.pool import Pool

LANES = 3  # scenes at once: one is finished and one begun while one is computed

Tell = Callable[[str], None]


class Computing(Protocol):
    """What translates planned scenes, of which `lanes` may be handed to it at once, each in a thread of its own."""

    lanes: int

    def translate(self, plan: Plan, watch: Watch, tell: Tell, priority: int = 0) -> InferenceSummary:
        """As `inference.translate`; of scenes at once, those of higher priority are computed first."""


class Here:
    """In this process, which loads the model for its first scene."""

    lanes = 1

    def __init__(self, model: Path, choice: Choice) -> None:
        self._model, self._choice = model, choice
        self._translator: Translator | None = None

    def translate(self, plan: Plan, watch: Watch, tell: Tell, priority: int = 0) -> InferenceSummary:
        if self._translator is None or self._choice.precision == INT8:  # which is measured on each scene
            self._translator = self._loaded(plan, tell)
        return translate(plan, self._translator, watch, tell)

    def _loaded(self, plan: Plan, tell: Tell) -> Translator:
        choice, calibration = self._choice, partial(calibration_patches, plan)
        if choice.backend:
            backend.select(choice.backend)
        return load_translator(
            self._model, choice.precision, choice.samples, runtime=choice.runtime, tell=tell, calibration=calibration
        )


class There:
    """By Dask workers; blended and written is here."""

    lanes = LANES

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def translate(self, plan: Plan, watch: Watch, tell: Tell, priority: int = 0) -> InferenceSummary:
        pool = self._pool
        return written(plan, pool.identity, lambda rest: prefetch(pool.generate(rest, priority), AHEAD), watch, tell)


@contextmanager
def computing(
    model: Path,
    choice: Choice,
    workers: int | None = None,
    scheduler: str | None = None,
    tell: Tell = lambda line: None,
    idle: Callable[[], None] = lambda: None,
) -> Iterator[Computing]:
    """So many `workers` of this machine, those of the `scheduler` at an address, or this process.

    Raises `OptionError` for both at once, for no workers, and for int8 on workers; `ClusterError` as
    `cluster.worker_pool`, and where Dask is not installed.
    """
    if workers is None and scheduler is None:
        yield Here(model, choice)
        return
    if workers is not None and scheduler is not None:
        raise OptionError("workers and scheduler are both given, expected one of them")
    if workers is not None and workers < 1:
        raise OptionError(f"workers {workers}: expected at least 1")
    if choice.precision == INT8:
        raise OptionError(f"precision {INT8!r} with workers: it is measured on each scene, expected another precision")
    try:
        from sartranslate.workers.cluster import worker_pool
    except ImportError as error:
        raise ClusterError(f"workers need Dask: pip install 'sartranslate[dask]' ({error})") from error
    with worker_pool(model, choice, workers=workers, scheduler=scheduler, tell=tell, idle=idle) as pool:
        yield There(pool)
