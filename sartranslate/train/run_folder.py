"""The folder of a training run: what lies where, and how it comes into being."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sartranslate.errors import OutputError
from sartranslate.storage.atomic import remove_unfinished, tidied
from sartranslate.storage.lock import locked
from sartranslate.train.board import PREFIX


@dataclass(frozen=True)
class RunFolder:
    """Names of the files of a run."""

    path: Path

    @property
    def model(self) -> Path:
        """The generator at the latest look, as a bundle."""
        return self.path / "model.safetensors"

    @property
    def best(self) -> Path:
        """The generator after the epoch with the best validation score, as a bundle."""
        return self.path / "best.safetensors"

    @property
    def checkpoint(self) -> Path:
        """All that it takes to go on."""
        return self.path / "checkpoint.safetensors"

    @property
    def lock(self) -> Path:
        return self.path / ".lock"

    @property
    def recipe(self) -> Path:
        return self.path / "recipe.toml"

    @property
    def history(self) -> Path:
        return self.path / "history.csv"

    @property
    def summary(self) -> Path:
        return self.path / "summary.html"

    @property
    def board(self) -> Path:
        """Of TensorBoard's event files."""
        return self.path / "tensorboard"

    @property
    def sheets(self) -> Path:
        return self.path / "sheets"

    def sheet(self, epoch: int) -> Path:
        return self.sheets / f"epoch_{epoch:04d}.png"

    def check(self, *, overwrite: bool) -> None:
        """Raises `OutputError` where the folder holds files of a run and `overwrite` is off."""
        if not overwrite and (taken := self._files()):
            resumed = ", --resume goes on with it" if self.checkpoint.exists() else ""
            raise OutputError(f"{taken[0]}: exists already; --overwrite replaces it{resumed}")

    def check_kept(self, start: Path | None) -> None:
        """Raises `OutputError` where the model to start from is a file of the run that is replaced."""
        if start and any(file.samefile(start) for file in self._files() if start.exists()):
            raise OutputError(f"{start}: would be replaced by the run that starts from it; expected another folder")

    def make_sheets(self) -> None:
        """Make the folder for sheets where there is none. Raises `OutputError`."""
        try:
            self.sheets.mkdir(exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self.sheets}: can not make the folder: {error.strerror}") from error

    @contextmanager
    def begun(self, *, overwrite: bool) -> Iterator[None]:
        """The folder exists inside, without what an earlier run left; what leaves no checkpoint goes again.

        Raises `OutputError` where the folder can not be made, is in use, or has been used since `check`.
        """
        with self._errors():
            self.path.mkdir(parents=True, exist_ok=True)
        with self.held():
            self.check(overwrite=overwrite)
            with tidied(self._tidy):
                with self._errors():
                    for file in self._files():
                        file.unlink()
                yield

    @contextmanager
    def held(self) -> Iterator[None]:
        """No other process trains in the folder inside, and what a killed one was writing is gone.

        Raises `OutputError` where one does.
        """
        with ExitStack() as entered:
            with self._errors():
                entered.enter_context(locked(self.lock, self.path))
            for file in self._single:
                remove_unfinished(file)
            yield

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OutputError:
            raise
        except OSError as error:
            raise OutputError(f"{self.path}: can not make the folder: {error.strerror}") from error

    def _tidy(self) -> None:
        self.lock.unlink(missing_ok=True)
        if not self.checkpoint.exists():
            for file in self._files():
                file.unlink()
        for folder in (self.sheets, self.board, self.path):
            with suppress(OSError):
                folder.rmdir()

    @property
    def _single(self) -> tuple[Path, ...]:
        return self.model, self.best, self.checkpoint, self.recipe, self.history, self.summary

    def _files(self) -> list[Path]:
        """What runs leave, as far as it is there; nothing else in the folder is theirs."""
        pictures, events = self.sheets.glob("epoch_*.png"), self.board.glob(f"{PREFIX}*")
        return [*(file for file in self._single if file.exists()), *sorted(pictures), *sorted(events)]
