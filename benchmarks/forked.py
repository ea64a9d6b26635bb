"""The command line in a child that is forked from this process, which has all but the runtimes loaded.

A child begins in milliseconds, has its own folder, and can not take more time and memory than it is told.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

POLL = 0.002  # seconds
CORES = 0  # bytes that a crash may write down
OUTPUT_LIMIT = 2**30  # bytes of any file


class Ended(NamedTuple):
    """How a child ended."""

    code: int  # exit status; below 0: minus the signal that killed it
    timed_out: bool
    seconds: float
    peak: int  # bytes resident at most, those it shares with its parent included
    out: str
    err: str


def run_forked(command: Any, arguments: Sequence[str], folder: Path, seconds: float, address_space: int) -> Ended:
    """Run a click command in `folder` as its own process would; raises `RuntimeError` beside other threads."""
    if len(list(Path("/proc/self/task").iterdir())) > 1:
        raise RuntimeError("more than one thread, expected one: a forked child would inherit their locks")
    out, err = folder.with_suffix(".out"), folder.with_suffix(".err")
    sys.stdout.flush()
    started = time.monotonic()
    if not (child := os.fork()):
        _become(command, arguments, folder, (out, err), address_space)
    status, usage, timed_out = _wait(child, started + seconds)
    texts = [file.read_text("utf-8", "backslashreplace") for file in (out, err)]
    code = os.waitstatus_to_exitcode(status)
    return Ended(code, timed_out, time.monotonic() - started, usage.ru_maxrss * 1024, *texts)


def _become(
    command: Any, arguments: Sequence[str], folder: Path, files: Sequence[Path], address_space: int
) -> NoReturn:
    """In the child: never returns, whatever is raised."""
    code = 70
    try:
        for number, file in enumerate(files, 1):
            os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
        os.chdir(folder)
        resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space))
        resource.setrlimit(resource.RLIMIT_CORE, (CORES, CORES))
        resource.setrlimit(resource.RLIMIT_FSIZE, (OUTPUT_LIMIT, OUTPUT_LIMIT))
        code = _called(command, arguments)
        _join_threads()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _called(command: Any, arguments: Sequence[str]) -> int:
    """The exit status, with a traceback on standard error as Python writes it."""
    try:
        command.main(list(arguments), prog_name="sartranslate")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def _join_threads() -> None:
    """Wait for what an ordinary process would wait for at its end."""
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and not thread.daemon:
            thread.join()


def _wait(child: int, deadline: float) -> tuple[int, Any, bool]:
    timed_out = False
    while True:
        ended, status, usage = os.wait4(child, os.WNOHANG)
        if ended:
            return status, usage, timed_out
        if not timed_out and time.monotonic() > deadline:
            timed_out = True
            os.kill(child, signal.SIGKILL)
        time.sleep(POLL)
