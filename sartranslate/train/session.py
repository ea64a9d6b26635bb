"""A training run in progress: epochs of updates, checkpoints between them, and an end that can come early."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sartranslate.counts import counted
from sartranslate.errors import OptionError, TrainingError
from sartranslate.networks import backend
from sartranslate.recipes.optimisation import learning_rate
from sartranslate.recipes.recipe import SCORES, from_dict
from sartranslate.streaming.prefetch import prefetch
from sartranslate.train.checkpoint import save_checkpoint
from sartranslate.train.course import Course
from sartranslate.train.pix2pix import Pix2Pix
from sartranslate.train.record import Bystander, Record
from sartranslate.train.report import SCORE_PREFIX
from sartranslate.train.training_data import TrainingData

BATCHES_AHEAD = 4  # read and augmented in advance
FIRST_CHECKPOINT = 1  # epoch after which there is one, however short it was


@dataclass(frozen=True)
class Rhythm:
    """When checkpoints are written, besides at the end; raises `OptionError` for a value out of range."""

    minutes: float = 10.0
    epochs: int = 0  # 0: by time alone

    def __post_init__(self) -> None:
        if not self.minutes > 0 or self.epochs < 0:
            raise OptionError(
                f"checkpoints every {self.minutes} minutes and {counted(self.epochs, 'epoch')}: "
                "expected more than 0 minutes, and 0 epochs or more"
            )


@dataclass(frozen=True)
class Progress:
    """What a watcher of the training sees after each update."""

    epoch: int  # from 1
    epochs: int  # planned
    update: int  # from 1, over all epochs
    updates: int  # planned
    images: int  # in each update
    losses: Mapping[str, float]


@dataclass(frozen=True)
class Hooks:
    """Whom a run tells how it goes, and whom it asks whether to stop."""

    watch: Callable[[Progress], None] = lambda progress: None
    checked: Callable[[int, int], None] = lambda done, planned: None  # pairs, before training
    noted: Callable[[Sequence[str]], None] = lambda lines: None  # what a user should know of the pairs, before training
    waiting: Callable[[], None] = lambda: None  # for other workers, before training; may raise to stop
    stop: Callable[[], bool] = lambda: False  # asked after each update


@dataclass(frozen=True)
class TrainingSummary:
    """A run that has ended, or was stopped."""

    run: Path
    finished: bool
    pairs: int
    updates: int
    losses: Mapping[str, float]  # means of the latest epoch
    best_epoch: int | None
    best_score: float | None
    notes: tuple[str, ...]  # scalings, folder by folder, and what was left out


class Session:
    """A trainer and its data, from one update to the next until the run ends or is stopped.

    Several workers go through it side by side: each with its share of the batches, all with the same answer to what
    decides how they go on, and the chief alone with something to write.
    """

    def __init__(
        self,
        record: Record | Bystander,
        trainer: Pix2Pix,
        data: TrainingData,
        settings: Mapping[str, Any],
        hooks: Hooks,
    ) -> None:
        self._record, self._trainer, self._data = record, trainer, data
        self._replicas = trainer.replicas
        self._settings, self._hooks = settings, hooks
        per_epoch = data.crops.batches_per_epoch
        recipe = from_dict(settings["recipe"])
        self._updates = recipe.optimisation.planned_updates(per_epoch)
        self._optimisation = replace(recipe.optimisation, epochs=math.ceil(self._updates / per_epoch))
        self._looks = recipe.validation.every
        self._sign = SCORES[recipe.validation.score]
        self._score = SCORE_PREFIX + recipe.validation.score
        self._saved: tuple[int, int] | None = None

    def run(self, course: Course, rhythm: Rhythm) -> TrainingSummary:
        """Train from where `course` is until the end, or until asked to stop; either way a checkpoint is left."""
        clock = _Clock(course.seconds, rhythm)
        self._saved = (course.epoch, course.batch) if course.updates else None  # where the latest checkpoint goes on
        with self._record.continued(course):
            while not self._is_finished(course) and self._train_epoch(course, clock):
                course.seconds = clock.seconds
                self._record.end_epoch(course, self._rate(course), looked=self._is_looked_at(course))
                if clock.due_after_epoch(course):
                    self._save(course, clock)
            if self._saved != (course.epoch, course.batch):
                self._save(course, clock)
            self._record.end(course, finished=self._is_finished(course))
        self._replicas.any(False)  # nobody leaves before the chief has written all
        return self._summary(course)

    def _train_epoch(self, course: Course, clock: _Clock) -> bool:
        """The rest of the present epoch; False when asked to stop within it."""
        self._trainer.set_learning_rate(self._rate(course))
        crops = self._data.crops.epoch(course.epoch, course.batch, self._replicas.share, backend.input_threads())
        with closing(crops), closing(prefetch((backend.placed(*batch) for batch in crops), BATCHES_AHEAD)) as ahead:
            for batch in ahead:
                losses = self._trainer.step(*batch)
                self._check_losses(course, losses)
                course.add(losses)
                self._hooks.watch(self._progress(course, losses))
                if course.updates == self._updates:
                    break
                if self._replicas.any(self._hooks.stop()):
                    return False
                if clock.due():
                    self._save(course, clock)
        return True

    def _is_looked_at(self, course: Course) -> bool:
        return course.epoch % self._looks == 0 or self._is_finished(course)

    def _is_finished(self, course: Course) -> bool:
        return course.updates >= self._updates

    def _rate(self, course: Course) -> float:
        scores = [self._sign * row[self._score] for row in course.history if self._score in row]
        return self._replicas.of_chief(learning_rate(self._optimisation, course.epoch, scores))

    def _save(self, course: Course, clock: _Clock) -> None:
        if self._replicas.chief:
            self._write(course, clock)
        clock.saved()
        self._saved = course.epoch, course.batch

    def _write(self, course: Course, clock: _Clock) -> None:
        state = self._trainer.state()
        if lost := [name for name, array in state.items() if not np.isfinite(array).all()]:
            raise TrainingError(f"update {course.updates}: {lost[0]} is not finite{self._kept()}")
        course.seconds = clock.seconds
        position = {"settings": self._settings, "course": course.as_dict()}
        save_checkpoint(self._record.folder.checkpoint, state, position)

    def _check_losses(self, course: Course, losses: Mapping[str, float]) -> None:
        lost = [name for name, loss in losses.items() if not math.isfinite(loss)]
        if lost:
            raise TrainingError(f"update {course.updates + 1}: the {lost[0]} loss is not finite{self._kept()}")

    def _kept(self) -> str:
        kept = self._record.folder.checkpoint
        last = f"; {kept} is the last good checkpoint" if kept.exists() else ""
        return f", try a lower learning rate{last}"

    def _progress(self, course: Course, losses: Mapping[str, float]) -> Progress:
        planned = self._optimisation.epochs, course.updates, self._updates
        return Progress(course.epoch, *planned, self._optimisation.batch_size, losses)

    def _summary(self, course: Course) -> TrainingSummary:
        return TrainingSummary(
            run=self._record.folder.path,
            finished=self._is_finished(course),
            pairs=len(self._data.pairs.pairs),
            updates=course.updates,
            losses=course.latest(self._trainer.loss_names),
            best_epoch=course.best_epoch,
            best_score=course.best_score,
            notes=tuple(self._data.notes()),
        )


class _Clock:
    """Seconds of the run, and those since the latest checkpoint."""

    def __init__(self, seconds: float, rhythm: Rhythm) -> None:
        self._begun, self._rhythm = time.monotonic() - seconds, rhythm
        self.saved()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._begun

    def saved(self) -> None:
        self._saved = time.monotonic()

    def due(self) -> bool:
        return time.monotonic() - self._saved >= self._rhythm.minutes * 60

    def due_after_epoch(self, course: Course) -> bool:
        done = course.epoch - 1
        regular = self._rhythm.epochs > 0 and done % self._rhythm.epochs == 0
        return regular or done == FIRST_CHECKPOINT or self.due()
