"""A Dask scheduler and workers as processes of their own, which a test may stop and kill."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.conftest import user_environment

ROOT = Path(__file__).parents[1]
STARTED_WITHIN = 60  # seconds
# Of a worker: every window that it computes is a line of its log, and takes a while.
COUNTED = """
import os, pickle, time
from sartranslate.workers.worker import ModelPlugin
def batches(self, packed, original=ModelPlugin.batches):
    windows = pickle.loads(packed).plan.windows
    with open(os.environ["WINDOWS_LOG"], "a") as log:
        log.writelines(f"{window.row_off} {window.col_off}\\n" for window in windows)
    time.sleep(float(os.environ["TASK_SECONDS"]))
    return original(self, packed)
if ModelPlugin.batches.__defaults__ is None:  # Dask may load this twice
    ModelPlugin.batches = batches
"""


class Cluster(NamedTuple):
    """Address and processes."""

    address: str
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]]
    folder: Path

    def computed(self) -> list[str]:
        """Windows that workers have begun, once for each time."""
        logs = [log.read_text().splitlines() for log in sorted(self.folder.glob("windows-*.log"))]
        return [line for lines in logs for line in lines]


@contextmanager
def cluster(
    folder: Path,
    workers: int,
    seconds: float = 0.0,
    environment: Mapping[str, str] | None = None,
    *,
    preloaded: bool = True,
) -> Iterator[Cluster]:
    """So many workers of one thread, whose tasks take so many seconds more; all processes are killed in the end."""
    preload = folder / "counted.py"
    preload.write_text(COUNTED)
    with ExitStack() as started:
        log = folder / "scheduler.log"
        command = ["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
        scheduler = started.enter_context(_process(command, {}, log))
        address = _said(log, r"Scheduler at:\s+(\S+)")
        options = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--memory-limit", "0"]
        options += ["--local-directory", str(folder), *(["--preload", str(preload)] if preloaded else [])]
        processes = []
        for number in range(workers):
            told = {"WINDOWS_LOG": str(folder / f"windows-{number}.log"), "TASK_SECONDS": str(seconds)}
            log = folder / f"worker-{number}.log"
            arguments = ["worker", address, *options]
            processes.append(started.enter_context(_process(arguments, {**told, **(environment or {})}, log)))
        for number in range(workers):
            _said(folder / f"worker-{number}.log", r"Registered to:\s+(\S+)")
        yield Cluster(address, scheduler, processes, folder)


@contextmanager
def _process(arguments: list[str], environment: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    kind, *rest = arguments
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.dask_{kind}", *rest],
            env={**user_environment(), "PYTHONPATH": str(ROOT), **environment},
            cwd=log.parent,
            stdout=said,
            stderr=said,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _said(log: Path, pattern: str) -> str:
    """The first group of a pattern in a log, once it is there."""
    until = time.monotonic() + STARTED_WITHIN
    while time.monotonic() < until:
        if found := re.search(pattern, log.read_text()):
            return found[1]
        time.sleep(0.05)
    raise AssertionError(f"{pattern} is not in {log.read_text()}")


def stop(process: subprocess.Popen[bytes]) -> None:
    os.kill(process.pid, signal.SIGSTOP)
