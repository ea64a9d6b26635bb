"""A program that runs beside QGIS: its lines as they come, its progress, and its end. Needs no QGIS."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from typing import IO, Any

PROGRESS = re.compile(r"progress (\d+)/(\d+)")
ERROR = "Error: "
POLL = 0.1  # seconds between two looks at whether it is to end
PATIENCE = 60.0  # seconds that it may take to end by itself
ON_WINDOWS = os.name == "nt"
NO_CONSOLE = getattr(subprocess, "CREATE_NO_WINDOW", 0)


class FailedError(Exception):
    """It could not be started or ended with an error; the text is what it said."""


class NotStartedError(FailedError):
    """There is no such program, or it is none."""


class CancelledError(Exception):
    """It was told to end, and has."""


@dataclass(frozen=True)
class Watch:
    """Who looks on."""

    progress: Callable[[float], None]  # 0 to 100
    line: Callable[[str], None]  # anything else that it says on standard error
    cancelled: Callable[[], bool]  # whether it is to end


def run(command: Sequence[str], watch: Watch, environment: Mapping[str, str], patience: float = PATIENCE) -> str:
    """Standard output of the program; the process has ended when this returns or raises.

    Once `watch` wants it to end it is interrupted, and killed if it is still there `patience` seconds later. Raises
    `CancelledError` then, unless it had done its work and said so, and `FailedError` for any other end but a good one.
    """
    with tempfile.TemporaryFile() as output:
        with _started(command, output, environment) as child:
            ending = _Ending(child, watch, patience)
            error, last = _followed(child, watch, ending)
        output.seek(0)
        said = output.read().decode("utf-8", "replace")
    if child.returncode and ending.asked and not said:
        raise CancelledError
    if child.returncode and not ending.asked:
        raise FailedError(error or f"{_end(child.returncode)}: {last or 'it said nothing'}")
    return said


@contextmanager
def _started(
    command: Sequence[str], output: IO[bytes], environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[str]]:
    """The process; it has ended on exit, by force after an exception."""
    form: dict[str, Any] = {"encoding": "utf-8", "errors": "replace", "creationflags": NO_CONSOLE}
    streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": subprocess.PIPE}
    try:
        # In a session of its own, so that a script that only starts the program is not all that is interrupted.
        child = subprocess.Popen(  # noqa: S603
            command, env=dict(environment), start_new_session=not ON_WINDOWS, **form, **streams
        )
    except OSError as error:
        raise NotStartedError(f"{command[0]}: can not be started: {error.strerror}") from error
    with child:
        try:
            yield child
        except BaseException:
            _kill(child)
            raise


class _Ending:
    """Asks the process to end once that is wanted, and makes it end if it does not."""

    def __init__(self, child: subprocess.Popen[str], watch: Watch, patience: float) -> None:
        self._child, self._watch, self._patience = child, watch, patience
        self._deadline = float("inf")
        self.asked = False

    def look(self) -> None:
        if not self.asked and self._watch.cancelled():
            self.asked, self._deadline = True, time.monotonic() + self._patience
            _interrupt(self._child)
        if time.monotonic() > self._deadline:
            self._deadline = float("inf")
            self._watch.line(f"It had not ended after {self._patience:g} s and was killed.")
            _kill(self._child)


def _followed(child: subprocess.Popen[str], watch: Watch, ending: _Ending) -> tuple[str, str]:
    """The error line and the last line of all."""
    # Not bounded: the lines are few, and a reader that waits for someone would make the program wait, too.
    lines: SimpleQueue[str | None] = SimpleQueue()
    Thread(target=_read, args=(child.stderr, lines), daemon=True).start()
    error = last = ""
    while (line := _next(lines)) is not None:
        ending.look()
        if line.startswith(ERROR):
            error = line[len(ERROR) :]
        elif done := PROGRESS.fullmatch(line):
            watch.progress(100 * int(done[1]) / max(1, int(done[2])))
        elif line:
            watch.line(line)
        last = line or last
    return error, last


def _read(stream: IO[str], lines: SimpleQueue[str | None]) -> None:
    try:
        for line in stream:
            lines.put(line.rstrip())
    finally:
        lines.put(None)


def _next(lines: SimpleQueue[str | None]) -> str | None:
    """None after the last line, an empty one where none has come for a while."""
    try:
        return lines.get(timeout=POLL)
    except Empty:
        return ""


def _interrupt(child: subprocess.Popen[str]) -> None:
    if ON_WINDOWS:
        child.terminate()
        return
    ignored = signal.getsignal(signal.SIGINT) == signal.SIG_IGN  # and so in the child, as in the background of a shell
    _send(child, signal.SIGTERM if ignored else signal.SIGINT)


def _kill(child: subprocess.Popen[str]) -> None:
    if ON_WINDOWS:
        child.kill()
    else:
        _send(child, signal.SIGKILL)


def _send(child: subprocess.Popen[str], number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.pid, number)


def _end(code: int) -> str:
    return f"ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
