"""How far an output has come, in a small file beside its strips, and of which job it is a part.

A job is all that decides its pixels: by name, each as a text that changes with it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sartranslate.storage.digest import differences

FORMAT_VERSION = 1
FILE_NAME = "journal.json"


@dataclass(frozen=True)
class Resumption:
    """Whether an output can be gone on with after an interruption."""

    job: Mapping[str, str] | None = None  # None: unknown, and no note is taken
    resume: bool = True  # go on with what an earlier run of the same job has left
    seconds: float = 2.0  # between two notes at least; what took less is done again
    tell: Callable[[str], None] = lambda line: None


class Journal:
    """Of the output in `folder`."""

    def __init__(self, folder: Path, resumption: Resumption) -> None:
        self._file = folder / FILE_NAME
        self._resumption = resumption
        self._begun = self._noted = time.monotonic()
        self.rows = 0  # finished, as noted

    def resumed(self) -> int:
        """How many rows of the same job an earlier run has noted; why not, is told."""
        job, rows = self._earlier()
        if not rows or not self._resumption.resume:
            return 0
        if changed := differences(job, self._resumption.job or {}):
            self._resumption.tell(f"Starting over, for the interrupted run was another one: {', '.join(changed)}")
            return 0
        return rows

    def due(self) -> bool:
        """Whether it is time for a note."""
        return self._resumption.job is not None and time.monotonic() - self._noted >= self._resumption.seconds

    @property
    def worthwhile(self) -> bool:
        """Whether what was done so far took long enough to be kept."""
        return self._resumption.job is not None and time.monotonic() - self._begun >= self._resumption.seconds

    def note(self, rows: int) -> None:
        """So many rows are finished and on the disk. The note before survives a failure."""
        content = {"format_version": FORMAT_VERSION, "job": self._resumption.job, "rows": rows}
        unfinished = self._file.with_suffix(".part")
        with unfinished.open("w", encoding="utf-8") as file:
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(self._file)
        self.rows, self._noted = rows, time.monotonic()

    def _earlier(self) -> tuple[dict[str, str], int]:
        """Job and rows of a note; none where there is none that can be read."""
        with suppress(OSError, ValueError, TypeError, KeyError):
            content = json.loads(self._file.read_text(encoding="utf-8"))
            if content["format_version"] == FORMAT_VERSION:
                return dict(content["job"]), int(content["rows"])
        return {}, 0
