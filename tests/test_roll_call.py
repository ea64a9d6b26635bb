"""Workers that are all there and alike go on together; else all of them end with one line."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Mapping, Sequence

import pytest

from sartranslate.errors import TrainingError
from sartranslate.train.roll_call import call_roll
from sartranslate.train.tf_config import Cluster

SOON, LONG = 0.3, 30.0  # seconds


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def cluster(count: int, chief: str = "127.0.0.1") -> list[Cluster]:
    addresses = (f"{chief}:{free_port()}", *(f"host{number}:{1000 + number}" for number in range(1, count)))
    return [Cluster(addresses, index) for index in range(count)]


def called(workers: Sequence[Cluster], facts: Sequence[Mapping[str, object]], seconds: float = LONG) -> list[str]:
    """What each worker is told; nothing where it may go on."""
    said = [""] * len(workers)

    def call(number: int) -> None:
        try:
            call_roll(workers[number], facts[number], seconds)
        except TrainingError as error:
            said[number] = str(error)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(len(workers))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return said


def test_workers_with_the_same_facts_go_on() -> None:
    assert called(cluster(3), [{"seed": 1, "recipe.gan": "lsgan"}] * 3) == ["", "", ""]


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_an_address_may_be_of_the_sixth_version() -> None:
    assert called(cluster(2, "[::1]"), [{"seed": 1}] * 2) == ["", ""]


def test_all_are_told_in_what_one_differs() -> None:
    said = called(cluster(2), [{"seed": 1, "digests.a.tif": "x"}, {"seed": 2}])
    line = (
        r'worker 1 \(host1:1001\) is about to do something else than worker 0: digests\.a\.tif absent, not "x"; '
        "seed 2, not 1"
    )
    assert re.fullmatch(line, said[0])
    assert said[0] == said[1]


def test_another_cluster_is_a_difference() -> None:
    first, second = cluster(2)
    said = called([first, Cluster((first.addresses[0], "other:1"), second.index)], [{}, {}])
    assert "cluster" in said[0]
    assert "other:1" in said[0]


def test_a_worker_that_does_not_come_is_named() -> None:
    workers = cluster(3)
    said = called(workers[:2], [{}, {}], SOON)
    line = "worker 2 (host2:1002) has not come in time; 2 of 3 workers are there"
    assert said == [line, line]


def test_a_chief_that_does_not_come_is_named() -> None:
    workers = cluster(2)
    (said,) = called(workers[1:], [{}], SOON)
    assert said == f"worker 0 ({workers[0].addresses[0]}) has not come in time, or can not be reached"


def test_a_taken_port_is_said() -> None:
    workers = cluster(2)
    with socket.create_server(("", int(workers[0].addresses[0].rpartition(":")[2]))):
        (said,) = called(workers[:1], [{}], SOON)
    assert re.match(r"worker 0 \(127\.0\.0\.1:\d+\): can not listen there: Address already in use", said)


def test_strangers_are_not_counted() -> None:
    workers = cluster(2)
    address = ("127.0.0.1", int(workers[0].addresses[0].rpartition(":")[2]))
    come = threading.Event()

    def knock() -> None:
        while not come.is_set():
            try:
                with socket.create_connection(address) as stranger:
                    stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
                    come.set()
            except OSError:
                continue

    thread = threading.Thread(target=knock)
    thread.start()
    (said,) = called(workers[:1], [{}], 2 * SOON)
    come.set()
    thread.join()
    assert said.startswith("worker 1 (host1:1001) has not come in time; 1 of 2 workers")


def test_whoever_watches_may_end_the_waiting() -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    for worker in cluster(2):
        with pytest.raises(KeyboardInterrupt):
            call_roll(worker, {}, LONG, stop)
