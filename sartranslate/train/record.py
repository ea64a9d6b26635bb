"""What a training run leaves for people to look at and use: models, history, sheets, TensorBoard, a summary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from sartranslate.counts import counted
from sartranslate.errors import BundleError
from sartranslate.networks import backend, bundle
from sartranslate.pages.page import SheetFigure
from sartranslate.pages.sheet import encoded, write_png
from sartranslate.recipes.recipe import flattened
from sartranslate.recipes.recipe_file import to_toml
from sartranslate.storage.atomic import write_text, write_whole
from sartranslate.train.board import Board
from sartranslate.train.course import Course
from sartranslate.train.history import write_history
from sartranslate.train.pix2pix import Pix2Pix
from sartranslate.train.report import SCORE_PREFIX, RunFacts, report
from sartranslate.train.run_folder import RunFolder
from sartranslate.train.training_data import TrainingData
from sartranslate.train.validation import better


class Bystander:
    """A record that writes nothing, for workers besides the one that writes."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder

    @contextmanager
    def continued(self, course: Course) -> Iterator[None]:
        yield

    def end_epoch(self, course: Course, rate: float, *, looked: bool) -> None:
        """Count on to the next epoch; scores are the chief's to know."""
        course.end_epoch(course.means())

    def end(self, course: Course, *, finished: bool) -> None:
        """Nothing is left to do."""


class Record:
    """Writes into the folder of a run after each epoch, more where it is looked at, and once more at its end."""

    def __init__(self, folder: RunFolder, trainer: Pix2Pix, data: TrainingData, settings: Mapping[str, Any]) -> None:
        self.folder = folder
        self._trainer, self._data, self._settings = trainer, data, settings
        self._recipe = trainer.recipe
        self._score = SCORE_PREFIX + self._recipe.validation.score
        self._predict = backend.predictor(trainer.tested)
        self._board: Board

    @contextmanager
    def continued(self, course: Course) -> Iterator[None]:
        """Inside, epochs from the present one on are added to those that are there."""
        self.folder.make_sheets()
        self._keep_best(course)
        write_text(self.folder.recipe, to_toml(self._recipe))
        with Board(self.folder.board, course.epoch) as self._board:
            yield

    def _keep_best(self, course: Course) -> None:
        """What a killed process has found to be the best since its checkpoint stays so until another one is better."""
        with suppress(BundleError, KeyError, TypeError):
            kept = bundle.describe(self.folder.best).training
            if kept["epochs"] >= course.epoch:
                course.best_epoch, course.best_score = kept["epochs"], kept["scores"][self._score]

    def end_epoch(self, course: Course, rate: float, *, looked: bool) -> None:
        """Keep what the present epoch has brought, and count on to the next one.

        Models, scores and sheets are of epochs that are looked at, losses of all.
        """
        values = {"learning_rate": rate, **course.means()}
        if looked:
            values |= self._look(course)
        self._board.scalars(course.epoch, values)
        row = {"epoch": course.epoch, "updates": course.updates, "seconds": round(course.seconds, 3)}
        course.end_epoch({**row, **values})
        write_history(self.folder.history, course.history)

    def end(self, course: Course, *, finished: bool) -> None:
        """The summary of all epochs so far."""
        facts = {
            "State": "finished" if finished else f"stopped in epoch {course.epoch}",
            "Updates": f"{course.updates}, of {counted(self._recipe.optimisation.batch_size, 'crop')}",
            "Pairs": str(len(self._data.pairs.pairs)),
            "Scaling": "; ".join(self._data.pairs.describe()),
            "Seed": str(self._settings["seed"]),
            "Time": f"{course.seconds / 60:.1f} minutes",
            "Computed by": f"{self._settings['backend']} on {backend.device()} in {self._settings['precision']}",
        }
        if course.best_epoch:
            facts["Best epoch"] = f"{course.best_epoch}, {self._recipe.validation.score} {course.best_score:.4f}"
        page = RunFacts(
            title=f"Training run {self.folder.path.resolve().name}",
            facts=facts,
            recipe={name: str(value) for name, value in flattened(self._recipe.as_dict()).items()},
            history=course.history,
            best_epoch=course.best_epoch,
            sheets=self._figures(course),
            warnings=self._data.warnings(),
        )
        write_text(self.folder.summary, report(page))

    def _look(self, course: Course) -> dict[str, float]:
        """Scores of the generator as it is, which is kept, and is the best one where no other was better."""
        self._trainer.settle(self._data.recalibration())
        scores = self._data.examination.scores(self._predict)
        self._show(course.epoch)
        bundle.save(self.folder.model, bundle.Bundle(self._describe(course, scores), self._trainer.tested))
        score = scores.get(self._score)
        if score is not None and better(self._recipe.validation.score, score, course.best_score):
            write_whole(self.folder.best, self.folder.model.read_bytes())
            course.best_epoch, course.best_score = course.epoch, score
        return scores

    def _show(self, epoch: int) -> None:
        picture = self._data.examination.sheet(self._predict)
        write_png(self.folder.sheet(epoch), picture)
        self._board.image(epoch, "validation", encoded(picture, "JPEG"), *picture.shape[:2])

    def _figures(self, course: Course) -> list[SheetFigure]:
        looked = [epoch for epoch in range(1, course.epoch) if self.folder.sheet(epoch).exists()]
        wanted = dict.fromkeys(looked[-1:], "latest")
        if course.best_epoch in looked:
            wanted[course.best_epoch] = "best"
        return [
            SheetFigure(f"Epoch {epoch}, the {kind}", self.folder.sheet(epoch).read_bytes())
            for epoch, kind in wanted.items()
        ]

    def _describe(self, course: Course, scores: Mapping[str, float]) -> bundle.Description:
        training = {
            "epochs": course.epoch,
            "updates": course.updates,
            "seed": self._settings["seed"],
            "backend": self._settings["backend"],
            "precision": self._settings["precision"],
            "recipe": self._recipe.as_dict(),
            "start": self._settings.get("start"),  # checkpoints know of it since it can be told
            "pairs": len(self._data.pairs.pairs),
            "scalings": self._data.pairs.describe(),
            "scores": dict(scores),
        }
        return bundle.Description("pix2pix", self._recipe.generator, self._data.radiometry, training)
