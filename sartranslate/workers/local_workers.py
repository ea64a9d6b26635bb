"""Dask workers that are processes of this machine and end with the process that has started them.

They and their scheduler, which is a thread of this process, talk on the loopback interface, encrypted, and with keys
that no one else has: whoever could reach a scheduler could run programs as its user.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import dask
from distributed import Client, LocalCluster
from distributed.security import Security

from sartranslate.errors import ClusterError
from sartranslate.storage.atomic import tidied
from sartranslate.streaming import threads

STARTED_WITHIN = 120.0  # seconds
TICK = 0.1  # seconds
KEYS = ("ca-file", "cert", "key")  # files, and options of a worker
ANY_PORT = "127.0.0.1:0"
NO_ROUTES = "DASK_DISTRIBUTED__WORKER__HTTP__ROUTES"
# Modules in the current folder, which may be of strangers, are none of its own.
WORKER = "import sys; sys.path[:] = filter(None, sys.path); from distributed.cli.dask_worker import main; main()"
LOG_BYTES = 4096  # of the end of a log, which tells why a worker has ended


@contextmanager
def local_workers(count: int, idle: Callable[[], None]) -> Iterator[Client]:
    """A client of so many new workers, each with its share of the cores. `idle` may raise, to stop waiting for them.

    Raises `ClusterError` where one does not start. In the end all are killed.
    """
    security = Security.temporary()
    folder = Path(tempfile.mkdtemp(prefix="sartranslate-workers-"))
    with tidied(partial(shutil.rmtree, folder, ignore_errors=True)), _scheduler(security, folder) as cluster:
        command = _command(cluster.scheduler_address, security, folder)
        started: list[subprocess.Popen[bytes]] = []
        with tidied(lambda: _kill(started)):
            for number in range(count):
                started.append(_start(command, folder, number, threads.share(count)))
            with Client(cluster, direct_to_workers=True, set_as_default=False) as client:
                _await(client, started, folder, idle)
                for name in KEYS:  # which nobody needs any more, however this process ends
                    (folder / name).unlink()
                yield client


def _scheduler(security: Security, folder: Path) -> LocalCluster:
    """Without workers. Its HTTP server, which asks for no key, has nothing to tell and takes any port that is free."""
    with dask.config.set({"distributed.scheduler.http.routes": [], "temporary-directory": str(folder)}):
        return LocalCluster(
            n_workers=0,
            host="127.0.0.1",
            security=security,
            dashboard_address=ANY_PORT,
            scheduler_kwargs={"dashboard": False},
        )


def _command(address: str, security: Any, folder: Path) -> list[str]:
    """Of a worker; its keys are in files that only this user can read."""
    keys = security.tls_ca_file, security.tls_worker_cert, security.tls_worker_key
    options = []
    for name, text in zip(KEYS, keys, strict=True):
        (folder / name).write_text(text, encoding="ascii")
        options += [f"--tls-{name}", str(folder / name)]
    return [
        *(sys.executable, "-c", WORKER, address, *options),
        *("--nthreads", "1", "--no-nanny", "--memory-limit", "0", "--host", "127.0.0.1"),
        *("--no-dashboard", "--dashboard-address", ANY_PORT),  # of its HTTP server, which there is all the same
        *("--death-timeout", f"{STARTED_WITHIN:.0f}", "--local-directory", str(folder)),
    ]


def _start(command: Sequence[str], folder: Path, number: int, cores: int) -> subprocess.Popen[bytes]:
    """In a session of its own, so that Ctrl-C reaches this process alone."""
    with (folder / f"{number}.log").open("wb") as log:
        return subprocess.Popen(  # noqa: S603
            [*command, "--name", f"local-{number}"],
            env={**os.environ, **threads.environment(cores), "TMPDIR": str(folder), NO_ROUTES: "[]"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _await(client: Client, started: Sequence[subprocess.Popen[bytes]], folder: Path, idle: Callable[[], None]) -> None:
    until = time.monotonic() + STARTED_WITHIN
    while len(client.nthreads()) < len(started):
        idle()
        for number, process in enumerate(started):
            if process.poll() is not None:
                raise ClusterError(f"worker {number} has ended as it started: {_last_line(folder / f'{number}.log')}")
        if time.monotonic() > until:
            raise ClusterError(f"{len(started)} workers have not started within {STARTED_WITHIN:.0f} s")
        time.sleep(TICK)


def _kill(started: Sequence[subprocess.Popen[bytes]]) -> None:
    """Those that were stopped, too; there is nothing that they would have to end."""
    for process in started:
        process.kill()
    for process in started:
        process.wait()


def _last_line(log: Path) -> str:
    lines = log.read_bytes()[-LOG_BYTES:].decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it says nothing")
