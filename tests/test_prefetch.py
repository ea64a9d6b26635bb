"""Threads keep the order, stay within bounds, hand their errors on and leave nothing behind."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from sartranslate.streaming.prefetch import BackgroundWriter, in_threads, prefetch

PATIENCE = 5.0  # seconds that a busy machine may need for what is due at once


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def until(condition: Callable[[], bool]) -> bool:
    """True as soon as the condition holds, False if it does not in time."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.002)
    return True


def grows_to(values: list[Any], length: int) -> bool:
    """True if a list that a thread appends to becomes that long, and for a while no longer."""
    reached = until(lambda: len(values) >= length)
    time.sleep(0.1)
    return reached and len(values) == length


@pytest.mark.parametrize("depth", [0, 1, 2, 7, 1000])
def test_items_come_in_order_whatever_the_depth(depth: int) -> None:
    assert list(prefetch(range(50), depth)) == list(range(50))


def test_items_that_are_none_or_errors_are_items() -> None:
    error = ValueError("an item, not a failure")
    assert list(prefetch([None, error, None])) == [None, error, None]


def test_nothing_comes_of_nothing() -> None:
    assert list(prefetch([])) == []


def test_nothing_is_computed_before_the_first_item_is_asked_for() -> None:
    computed: list[int] = []
    with closing(prefetch((computed.append(i) or i for i in range(5)), 2)):  # type: ignore[func-returns-value]
        time.sleep(0.05)
    assert computed == []


@pytest.mark.parametrize("depth", [1, 3, 8])
def test_the_thread_runs_ahead_by_the_depth_and_no_further(depth: int) -> None:
    started: list[int] = []

    def items() -> Iterator[int]:
        for i in range(100):
            started.append(i)
            yield i

    with closing(prefetch(items(), depth)) as ahead:
        for consumed in range(1, 4):
            next(ahead)
            # One item waits to be put beyond those that are ready.
            assert grows_to(started, consumed + depth + 1)


def test_items_are_computed_in_another_thread_while_the_consumer_works() -> None:
    threads: set[int] = set()
    computed = threading.Event()

    def items() -> Iterator[int]:
        threads.add(threading.get_ident())
        yield 1
        computed.set()
        yield 2

    with closing(prefetch(items(), 2)) as ahead:
        next(ahead)
        assert computed.wait(PATIENCE)
    assert threads != {threading.get_ident()}


def test_an_error_comes_after_all_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield from range(3)
        raise OSError("the disk is gone")

    ahead = prefetch(items(), 8)
    assert [next(ahead), next(ahead), next(ahead)] == [0, 1, 2]
    with pytest.raises(OSError, match="the disk is gone"):
        next(ahead)


def test_an_error_names_the_line_in_the_thread_where_it_arose() -> None:
    def items() -> Iterator[int]:
        yield 1 // 0

    with pytest.raises(ZeroDivisionError) as caught:
        list(prefetch(items()))
    assert caught.traceback[-1].name == "items"


class Unopenable:
    """Fails before its first item: on `iter`."""

    def __iter__(self) -> Iterator[int]:
        raise OSError("can not be opened")


def test_an_iterable_that_fails_before_its_first_item_is_an_error_not_an_endless_wait() -> None:
    outcome: list[str] = []

    def consume() -> None:
        try:
            list(prefetch(Unopenable()))
        except OSError as error:
            outcome.append(str(error))

    consumer = threading.Thread(target=consume, daemon=True)
    consumer.start()
    consumer.join(PATIENCE)
    assert outcome == ["can not be opened"]


def test_a_consumer_that_stops_early_ends_the_thread_and_closes_the_items_in_it() -> None:
    closed_in: list[int] = []
    opened_in: list[int] = []

    def items() -> Iterator[int]:
        opened_in.append(threading.get_ident())
        try:
            yield from range(1000)
        finally:
            closed_in.append(threading.get_ident())

    with closing(prefetch(items(), 2)) as ahead:
        assert [next(ahead), next(ahead)] == [0, 1]
    assert closed_in == opened_in
    assert not [thread for thread in threading.enumerate() if thread.name == "prefetch"]


def test_a_consumer_that_fails_ends_the_thread_and_closes_the_items() -> None:
    closed: list[bool] = []

    def items() -> Iterator[int]:
        try:
            yield from range(1000)
        finally:
            closed.append(True)

    def consume() -> None:
        with closing(prefetch(items(), 2)) as ahead:
            for item in ahead:
                if item == 3:
                    raise KeyError("consumer")

    with pytest.raises(KeyError, match="consumer"):
        consume()
    assert closed == [True]


def test_closing_waits_for_an_item_under_way_and_then_asks_for_no_other() -> None:
    started: list[int] = []
    release = threading.Event()

    def items() -> Iterator[int]:
        for i in range(10):
            started.append(i)
            if i == 1:
                release.wait(PATIENCE)
            yield i

    with closing(prefetch(items(), 4)) as ahead:
        next(ahead)
        assert until(lambda: started == [0, 1])
        threading.Timer(0.05, release.set).start()
    assert started == [0, 1]
    assert until(lambda: not any(isinstance(t, threading.Timer) for t in threading.enumerate()))


@pytest.mark.parametrize("depth", [0, 1, 2, 1000])
def test_a_writer_writes_everything_in_order_in_a_thread_of_its_own_before_it_is_left(depth: int) -> None:
    written: list[tuple[int, bool]] = []
    caller = threading.get_ident()
    with BackgroundWriter[int](lambda i: written.append((i, threading.get_ident() == caller)), depth) as writer:
        for i in range(50):
            writer.put(i)
    assert written == [(i, False) for i in range(50)]


def test_a_writer_lets_the_caller_run_ahead_by_the_depth_and_no_further() -> None:
    release = threading.Event()
    put: list[int] = []

    with BackgroundWriter[int](lambda i: release.wait(PATIENCE) and None, depth=3) as writer:

        def feed() -> None:
            for i in range(20):
                writer.put(i)
                put.append(i)

        feeder = threading.Thread(target=feed)
        feeder.start()
        assert grows_to(put, 3 + 1)  # pending, and the one being written
        release.set()
        feeder.join(PATIENCE)
    assert put == list(range(20))


def fail_on(number: int, written: list[int]) -> Callable[[int], None]:
    def write(item: int) -> None:
        if item == number:
            raise OSError(f"no space left for {item}")
        written.append(item)

    return write


def test_an_error_in_write_is_raised_by_a_later_put_and_nothing_after_it_is_written() -> None:
    written: list[int] = []
    put: list[int] = []

    def feed() -> None:
        with BackgroundWriter[int](fail_on(3, written), depth=1) as writer:
            for i in range(1000):
                writer.put(i)
                put.append(i)
                time.sleep(0.001)

    with pytest.raises(OSError, match="no space left for 3"):
        feed()
    assert len(put) < 1000
    assert written == [0, 1, 2]


def test_an_error_in_the_last_write_is_raised_on_leaving() -> None:
    written: list[int] = []

    def feed() -> None:
        with BackgroundWriter[int](fail_on(3, written), depth=8) as writer:
            for i in range(4):
                writer.put(i)

    with pytest.raises(OSError, match="no space left for 3"):
        feed()
    assert written == [0, 1, 2]


def test_what_waits_behind_a_failed_write_is_never_written() -> None:
    written: list[int] = []
    release = threading.Event()
    write = fail_on(0, written)

    def feed() -> None:
        with BackgroundWriter[int](lambda item: release.wait(PATIENCE) and write(item), depth=8) as writer:
            for i in range(5):
                writer.put(i)
            release.set()

    with pytest.raises(OSError, match="no space left for 0"):
        feed()
    assert written == []


def test_an_error_that_a_put_raised_and_the_body_swallowed_is_raised_again_on_leaving() -> None:
    failed = threading.Event()

    def write(item: int) -> None:
        failed.set()
        raise OSError("no space left")

    def feed() -> None:
        with BackgroundWriter[int](write) as writer:
            writer.put(1)
            failed.wait(PATIENCE)
            try:
                while True:
                    writer.put(2)
            except OSError:
                pass

    with pytest.raises(OSError, match="no space left"):
        feed()


def test_an_exception_in_the_body_drops_what_is_not_yet_written_and_is_the_one_raised() -> None:
    written: list[int] = []
    busy, release = threading.Event(), threading.Event()

    def write(item: int) -> None:
        busy.set()
        release.wait(PATIENCE)
        written.append(item)

    def feed() -> None:
        with BackgroundWriter[int](write, depth=8) as writer:
            for i in range(5):
                writer.put(i)
            busy.wait(PATIENCE)
            threading.Timer(0.05, release.set).start()
            raise KeyError("generator")

    with pytest.raises(KeyError, match="generator"):
        feed()
    assert written == [0]
    assert until(lambda: not any(isinstance(t, threading.Timer) for t in threading.enumerate()))


def test_a_put_that_waits_wakes_up_when_the_write_before_it_fails() -> None:
    release = threading.Event()
    put: list[int] = []

    def write(item: int) -> None:
        release.wait(PATIENCE)
        raise OSError("no space left")

    def feed() -> None:
        with BackgroundWriter[int](write, depth=1) as writer:
            for i in range(3):
                writer.put(i)
                put.append(i)

    failures: list[str] = []

    def consume() -> None:
        try:
            feed()
        except OSError as error:
            failures.append(str(error))

    caller = threading.Thread(target=consume, daemon=True)
    caller.start()
    assert grows_to(put, 2)  # one being written, one pending, the third waits
    release.set()
    caller.join(PATIENCE)
    assert not caller.is_alive()
    assert failures == ["no space left"]


def test_a_writer_may_be_left_without_an_item() -> None:
    written: list[int] = []
    with BackgroundWriter[int](written.append):
        pass
    assert written == []


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_order_whichever_is_ready_first(threads: int) -> None:
    def later_the_sooner_asked(number: int) -> int:
        time.sleep(0.002 * (number % 3 == 0))
        return number**2

    assert list(in_threads(later_the_sooner_asked, range(40), threads)) == [number**2 for number in range(40)]


def test_as_many_calls_run_at_once_as_there_are_threads_and_no_more() -> None:
    meeting = threading.Barrier(3, timeout=PATIENCE)
    free = threading.BoundedSemaphore(3)

    def together(number: int) -> int:
        assert free.acquire(blocking=False)
        meeting.wait()
        free.release()
        meeting.wait()
        return number

    assert list(in_threads(together, range(12), 3)) == list(range(12))


def test_calls_run_ahead_of_the_consumer_and_no_farther_than_their_bound() -> None:
    called: list[int] = []
    with closing(in_threads(called.append, range(100), 3)) as results:
        next(results)
        assert grows_to(called, 3 + 1)


def test_one_thread_is_that_of_the_consumer_and_runs_nothing_ahead() -> None:
    called: list[int] = []

    def here(number: int) -> int:
        called.append(number)
        return threading.get_ident()

    results = in_threads(here, range(3), 1)
    assert next(results) == threading.get_ident()
    assert called == [0]
    assert set(results) == {threading.get_ident()}


def test_an_error_in_a_call_comes_after_the_results_before_it() -> None:
    def fails_on_five(number: int) -> int:
        if number == 5:
            raise OSError("five")
        return number

    results, found = in_threads(fails_on_five, range(100), 3), []
    with pytest.raises(OSError, match="five"):
        found.extend(results)
    assert found == list(range(5))


def test_whoever_stops_early_waits_for_calls_that_run_and_no_others() -> None:
    begun, ended = [], []

    def slow(number: int) -> int:
        begun.append(number)
        time.sleep(0.05)
        ended.append(number)
        return number

    with closing(in_threads(slow, range(100), 2)) as results:
        next(results)
    assert len(begun) == len(ended) < 10
