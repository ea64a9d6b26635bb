"""Which workers a Dask cluster has, asked again and again, and how long anything of it is waited for."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass

from distributed import Client
from distributed import TimeoutError as DaskTimeoutError

from sartranslate.counts import counted
from sartranslate.errors import ClusterError

TIMEOUTS = (TimeoutError, DaskTimeoutError)  # which are one from Python 3.11 on
UNANSWERED = (OSError, RuntimeError, *TIMEOUTS)  # as by a client that has lost its scheduler
ENDED = ("closing", "closed", "failed")  # of a client
INTERVAL = 1.0  # seconds
ASKED_WITHIN = 10.0  # seconds


@dataclass(frozen=True)
class Patience:
    """Seconds until something is taken for lost."""

    scheduler: float = 10.0  # that does not answer at first
    silence: float = 60.0  # of a scheduler that has answered before, and until a worker is there
    first: float = 300.0  # until a task is back when none was yet: the model is loaded first
    least: float = 30.0  # until one is late
    factor: float = 10.0  # times the usual


class Census:
    """A context manager: inside, `workers` is what the scheduler has told of late."""

    def __init__(self, client: Client, patience: Patience) -> None:
        self.patience = patience
        self.workers: frozenset[str] = frozenset()
        self.lost: set[str] = set()
        self._client, self._address = client, str(client.scheduler.address)
        self._answered = self._populated = time.monotonic()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="census")

    def __enter__(self) -> Census:
        self._ask()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    @property
    def scheduler(self) -> str:
        return self._address

    def check(self) -> None:
        """Raise `ClusterError` where the scheduler or all workers have been gone for too long."""
        now, patience = time.monotonic(), self.patience.silence
        if self._client.status in ENDED:
            raise self.disconnected()
        if now - self._answered > patience:
            raise ClusterError(f"scheduler {self.scheduler}: has not answered for {patience:.0f} s")
        if now - self._populated > patience:
            are = "is" if len(self.lost) == 1 else "are"
            lost = f"{counted(len(self.lost), 'worker')} {are} lost" if self.lost else "has no workers"
            raise ClusterError(f"scheduler {self.scheduler}: {lost}, and none has come within {patience:.0f} s")

    def disconnected(self) -> ClusterError:
        """What to raise where Dask has given up the scheduler."""
        return ClusterError(f"scheduler {self.scheduler}: the connection to it was lost")

    def pause(self) -> None:
        """Until it is asked again."""
        self._stopped.wait(INTERVAL)

    def holders(self, keys: Collection[str]) -> dict[str, frozenset[str]] | None:
        """Which of these tasks are with a worker, by its address; those with none still wait for their turn.

        None where the scheduler does not answer.
        """
        with suppress(*UNANSWERED):
            given = self._client.sync(self._client.scheduler.processing, workers=None, callback_timeout=ASKED_WITHIN)
            held = {worker: frozenset(keys).intersection(tasks) for worker, tasks in given.items()}
            return {worker: tasks for worker, tasks in held.items() if tasks}
        return None

    def _watch(self) -> None:
        while not self._stopped.wait(INTERVAL):
            self._ask()

    def _ask(self) -> None:
        with suppress(*UNANSWERED):
            workers = frozenset(
                self._client.sync(self._client.scheduler.ncores, workers=None, callback_timeout=ASKED_WITHIN)
            )
            self.lost |= self.workers - workers
            self.workers, self._answered = workers, time.monotonic()
            if workers:
                self._populated = self._answered
