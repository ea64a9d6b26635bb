"""A Processing algorithm that is one command of sartranslate."""

from __future__ import annotations

import os
import shlex
import subprocess
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

from .child import ON_WINDOWS, CancelledError, FailedError, NotStartedError, Watch, run
from .program import ADVICE, SETTING, ProgramError, clean_environment, program

FOLDER = Path(__file__).parent
NOT_INSTALLED = "No module named 'sartranslate'"  # says a Python
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
            feedback.pushCommandInfo(subprocess.list2cmdline(command) if ON_WINDOWS else shlex.join(command))
            return run(command, watch, clean_environment(os.environ))
        except CancelledError as error:
            raise QgsProcessingException(CANCELLED) from error
        except ProgramError as error:
            raise QgsProcessingException(str(error)) from error
        except FailedError as error:
            elsewhere = isinstance(error, NotStartedError) or NOT_INSTALLED in str(error)
            raise QgsProcessingException(f"{error}. {ADVICE}." if elsewhere else str(error)) from error
