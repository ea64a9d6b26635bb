"""Iterators run ahead of their consumer in bounded background threads, and their mirror: a consumer."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
_END = object()


class _Failure:
    def __init__(self, error: BaseException) -> None:
        self.error = error


def prefetch(items: Iterable[Item], depth: int = 2) -> Generator[Item, None, None]:
    """Yield `items` in order while a thread computes up to `depth` of them in advance.

    An error in the thread is raised here, after the items before it. When the consumer stops early
    (closes this generator, or fails) the thread ends too and `items` is closed in it.
    """
    ready: queue.Queue[object] = queue.Queue(maxsize=max(depth, 1))
    stopped = threading.Event()
    thread = threading.Thread(target=_produce, args=(items, ready, stopped), daemon=True, name="prefetch")
    thread.start()
    try:
        while (item := ready.get()) is not _END:
            if isinstance(item, _Failure):
                raise item.error
            yield item  # type: ignore[misc]
    finally:
        stopped.set()
        _drain(ready)
        thread.join()


def in_threads(work: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Generator[Result, None, None]:
    """What `work` makes of each item, in order; one more than there are threads are begun and not taken, at most.

    Items are taken in the thread of the consumer. An error in a thread is raised here, after the results before it.
    When the consumer stops early, what has not begun is dropped, and what has is waited for. With one thread that is
    the consumer's own, and nothing runs ahead.
    """
    if threads == 1:
        yield from map(work, items)
        return
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="call") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


class BackgroundWriter(Generic[Item]):
    """Calls `write` on items in order in a thread of its own, at most `depth` items behind the caller.

    A context manager: leaving it normally waits until all is written. An error in `write` is raised
    by the next `put` or on leaving; leaving by an exception drops what is not yet written.
    """

    def __init__(self, write: Callable[[Item], None], depth: int = 2) -> None:
        self._write = write
        self._pending: queue.Queue[object] = queue.Queue(maxsize=max(depth, 1))
        self._error: BaseException | None = None
        self._abandoned = threading.Event()
        self._thread = threading.Thread(target=self._consume, daemon=True, name="writer")

    def put(self, item: Item) -> None:
        """Queue one item; waits while `depth` items are pending."""
        self._raise_error()
        self._pending.put(item)

    def __enter__(self) -> BackgroundWriter[Item]:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._abandoned.set()
        self._pending.put(_END)
        self._thread.join()
        if error is None:
            self._raise_error()

    def _consume(self) -> None:
        # After a failure items are taken and dropped, so that a waiting `put` never blocks for good.
        while (item := self._pending.get()) is not _END:
            if self._error is None and not self._abandoned.is_set():
                try:
                    self._write(item)  # type: ignore[arg-type]
                except BaseException as error:
                    self._error = error

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error


def _produce(items: Iterable[object], ready: queue.Queue[object], stopped: threading.Event) -> None:
    try:
        with _closing_if_possible(iter(items)) as iterator:
            for item in iterator:
                if not _offer(ready, item, stopped):
                    return
        _offer(ready, _END, stopped)
    except BaseException as error:
        _offer(ready, _Failure(error), stopped)


@contextmanager
def _closing_if_possible(iterator: Iterator[object]) -> Iterator[Iterator[object]]:
    """Generators are closed where they ran; other iterators have nothing to close."""
    try:
        yield iterator
    finally:
        close = getattr(iterator, "close", None)
        if close is not None:
            close()


def _offer(ready: queue.Queue[object], item: object, stopped: threading.Event) -> bool:
    """Put unless the consumer has gone; False when it has."""
    while not stopped.is_set():
        try:
            ready.put(item, timeout=0.05)
        except queue.Full:
            continue
        return True
    return False


def _drain(ready: queue.Queue[object]) -> None:
    while True:
        try:
            ready.get_nowait()
        except queue.Empty:
            return
