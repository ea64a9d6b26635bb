"""A pool of Dask workers, of this machine or of a running cluster, with the model of one run."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from distributed import Client
from distributed.comm import get_address_host_port
from distributed.core import rpc
from distributed.security import Security
from distributed.versions import VersionMismatchWarning

from sartranslate import __version__
from sartranslate.counts import counted
from sartranslate.errors import ClusterError, SartranslateError
from sartranslate.rasters.raster import first_line
from sartranslate.runtimes.translator import Choice
from sartranslate.workers.census import TIMEOUTS, Census, Patience
from sartranslate.workers.local_workers import local_workers
from sartranslate.workers.pool import CANCELLED, TICK, Pool
from sartranslate.workers.worker import ModelPlugin, Refusal, decide

REACHED_WITHIN = 2.0  # seconds; a worker that is not, hands its results out through the scheduler
CLOSED_WITHIN = 5.0  # seconds
# Loggers that tell at length what a line tells here; some have levels of their own.
CHATTER = ("distributed", "distributed.client", "distributed.gc", "tornado", "asyncio")

Answer = TypeVar("Answer")


@contextmanager
def worker_pool(
    model: Path,
    choice: Choice,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    patience: Patience | None = None,
    idle: Callable[[], None] = lambda: None,
    tell: Callable[[str], None] = lambda line: None,
) -> Iterator[Pool]:
    """So many new `workers` of this machine, or those of the `scheduler` at an address, ready to generate by `model`.

    What is left to "auto" in `choice` is decided by the first worker that answers, and told. `idle` is called while
    something is waited for, and may raise to stop. Raises `ClusterError` where the scheduler can not be reached, has no
    workers, or they do not fit. In the end local workers are killed, and others forget the model.
    """
    patience = patience or Patience()
    with _quiet(), _client(workers, scheduler, patience, idle) as client, Census(client, patience) as census:
        _await_workers(census, idle)
        plugin = ModelPlugin(model)
        _within(patience.first, lambda: _check_installed(client), idle, "tell their versions")
        _within(patience.first, lambda: client.register_plugin(plugin), idle, "take the model")
        try:
            pool = _decided(client, plugin.name, choice, census, idle)
            tell(f"{counted(len(census.workers), 'worker')} at {census.scheduler}: {pool.identity.computed}")
            try:
                yield pool
            finally:
                pool.close()
                _tell_losses(census, pool, tell)
        finally:
            with suppress(Exception):  # workers may have failed with it
                _within(CLOSED_WITHIN, lambda: client.unregister_worker_plugin(plugin.name))


def _tell_losses(census: Census, pool: Pool, tell: Callable[[str], None]) -> None:
    if census.lost or pool.repeated:
        lost, repeated = counted(len(census.lost), "worker"), counted(pool.repeated, "window")
        tell(f"{lost} lost; {repeated} given to another one, too")


@contextmanager
def _client(
    workers: int | None, scheduler: str | None, patience: Patience, idle: Callable[[], None]
) -> Iterator[Client]:
    if scheduler is None:
        with local_workers(workers or 1, idle) as client:
            yield client
        return
    client = _connected(scheduler, patience)
    try:
        yield client
    finally:
        client.close(CLOSED_WITHIN)


def _connected(scheduler: str, patience: Patience) -> Client:
    """Once the scheduler has answered: a client that does not find one is hard to get rid of."""
    expected = "expected a running Dask scheduler, such as tcp://host:8786"
    try:
        found = _within(patience.scheduler + 1, lambda: asyncio.run(_kind(scheduler, patience.scheduler)))
    except (OSError, *TIMEOUTS) as error:
        raise ClusterError(f"scheduler {scheduler}: no answer within {patience.scheduler:.0f} s, {expected}") from error
    except Exception as error:  # of any kind, for anything may answer
        raise ClusterError(f"scheduler {scheduler}: {first_line(error)}; {expected}") from error
    if found != "Scheduler":
        raise ClusterError(f"scheduler {scheduler}: is a {found.lower()}, {expected}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VersionMismatchWarning)  # what matters is checked on the workers
        client = Client(scheduler, timeout=patience.scheduler, set_as_default=False)
    client.direct_to_workers = _reachable(next(iter(client.nthreads()), ""))
    return client


async def _kind(address: str, seconds: float) -> str:
    """What answers at an address, in Dask's words."""
    security = Security().get_connection_args("client")
    async with rpc(address, connection_args=security, timeout=seconds) as asked:
        return str((await asyncio.wait_for(asked.identity(), seconds))["type"])


def _reachable(worker: str) -> bool:
    """Whether this process can fetch results from a worker itself."""
    with suppress(OSError, ValueError):
        socket.create_connection(get_address_host_port(worker), REACHED_WITHIN).close()
        return True
    return False


def _await_workers(census: Census, idle: Callable[[], None]) -> None:
    while not census.workers:
        idle()
        census.check()
        census.pause()


def _check_installed(client: Client) -> None:
    """Raise `ClusterError` for a worker without this version of sartranslate, before it is sent anything else."""

    def installed() -> str:  # sent as it is, for a worker that has no such module
        from sartranslate import __version__

        return __version__

    for worker, found in sorted(client.run(installed, on_error="return").items()):
        if isinstance(found, ImportError):
            raise ClusterError(f"worker {worker}: sartranslate is not installed there, expected {__version__}")
        if found != __version__:
            raise ClusterError(f"worker {worker}: sartranslate {found}, expected {__version__} as in this process")


def _decided(client: Client, name: str, choice: Choice, census: Census, idle: Callable[[], None]) -> Pool:
    def wait() -> None:
        idle()
        census.check()

    future = client.submit(decide, name, choice, pure=False)
    try:
        outcome = _within(census.patience.first, future.result, wait, "load the model")
    except SartranslateError:
        raise
    except CANCELLED as error:
        raise census.disconnected() from error
    except Exception as error:  # of any kind, for Dask raises what a worker has raised
        raise ClusterError(f"no worker can load the model: {type(error).__name__}: {first_line(error)}") from error
    if isinstance(outcome, Refusal):
        raise ClusterError(outcome.text)
    return Pool(client, name, outcome[0], outcome[1], census)


def _within(
    seconds: float, ask: Callable[[], Answer], idle: Callable[[], None] = lambda: None, what: str = "answer"
) -> Answer:
    """What is asked of the cluster, in a thread that is left to itself after so long."""
    answer: Future[Answer] = Future()

    def asked() -> None:
        try:
            answer.set_result(ask())
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=asked, daemon=True, name="ask").start()
    for _ in range(int(seconds / TICK)):
        if wait_for([answer], TICK).done:
            return answer.result()
        idle()
    raise ClusterError(f"the workers do not {what} within {seconds:.0f} s")


@contextmanager
def _quiet() -> Iterator[None]:
    """Inside, Dask logs nothing."""
    loggers = [logging.getLogger(name) for name in CHATTER]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
