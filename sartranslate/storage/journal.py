"""How far outputs have come that grow together, in a small file beside the strips of each, and of which job they are.

A job is all that decides its pixels: by name, each as a text that changes with it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sartranslate.storage.atomic import onto_disk
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
    """Of the outputs in `folders`: the same note in each, since any of them may have been begun by another job."""

    def __init__(self, folders: Sequence[Path], resumption: Resumption) -> None:
        self._files = [folder / FILE_NAME for folder in folders]
        self._resumption = resumption
        self._begun = self._noted = time.monotonic()
        self.rows = 0  # finished, as noted

    def resumed(self) -> int:
        """How many rows of the same job an earlier run has noted for all outputs; why not, is told."""
        if not self._resumption.resume:
            return 0
        notes = [_noted(file) for file in self._files]
        for job in (job for job, rows in notes if rows):
            if changed := differences(job, self._resumption.job or {}):
                self._resumption.tell(f"Starting over, for the interrupted run was another one: {', '.join(changed)}")
                return 0
        rows = [rows for _, rows in notes]
        if any(rows) and not all(rows):
            self._resumption.tell("Starting over, for the interrupted run has left no note of each of its outputs")
        return min(rows)

    def forget(self) -> None:
        """What was noted holds no more; to be called before anything of it is written over."""
        for file in self._files:
            file.unlink(missing_ok=True)

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
        for file in self._files:
            unfinished = file.with_suffix(".part")
            unfinished.write_text(json.dumps(content), encoding="utf-8")
            onto_disk(unfinished)
            unfinished.replace(file)
        self.rows, self._noted = rows, time.monotonic()


def _noted(file: Path) -> tuple[dict[str, str], int]:
    """Job and rows of a note; none where there is none that can be read."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["format_version"] == FORMAT_VERSION:
            return dict(content["job"]), max(0, int(content["rows"]))
    return {}, 0
