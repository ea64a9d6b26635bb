"""A Processing algorithm that is one command of sartranslate."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from processing.core.ProcessingConfig import ProcessingConfig
from qgis.core import (
    QgsProcessingAlgorithm,
    QgsProcessingException,
    QgsProcessingFeedback,
)
from qgis.PyQt.QtGui import QIcon

from .child import CancelledError, FailedError, Watch, run
from .program import SETTING, ProgramError, clean_environment, program

FOLDER = Path(__file__).parent
CANCELLED = "Cancelled; sartranslate has ended."


@contextmanager
def writing() -> Iterator[None]:
    """What can not be written is said in one line."""
    try:
        yield
    except OSError as error:
        raise QgsProcessingException(f"{error.filename}: {error.strerror}") from error


class CommandAlgorithm(QgsProcessingAlgorithm):
    """Calls a command; its help is a file that is named after the algorithm."""

    def createInstance(self) -> CommandAlgorithm:
        return type(self)()

    def icon(self) -> QIcon:
        return QIcon(str(FOLDER / "icon.svg"))

    def shortHelpString(self) -> str:
        return (FOLDER / "help" / f"{self.name()}.html").read_text(encoding="utf-8")

    def call(self, arguments: Sequence[str], feedback: QgsProcessingFeedback) -> str:
        """Standard output of `sartranslate` with these arguments; its other lines go to the log.

        Raises `QgsProcessingException` with its error line, or when it was cancelled.
        """
        watch = Watch(feedback.setProgress, feedback.pushInfo, feedback.isCanceled)
        try:
            command = [*program(ProcessingConfig.getSetting(SETTING), os.environ), *arguments]
            feedback.pushCommandInfo(shlex.join(command))
            return run(command, watch, clean_environment(os.environ))
        except CancelledError as error:
            raise QgsProcessingException(CANCELLED) from error
        except (FailedError, ProgramError) as error:
            raise QgsProcessingException(str(error)) from error
