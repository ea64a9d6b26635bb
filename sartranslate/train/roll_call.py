"""Before a run on several machines all of its workers are met, and have to agree on what they are about to do.

TensorFlow would wait for an absent worker for an hour, and compute nonsense with one that has other data.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from sartranslate.errors import TrainingError
from sartranslate.train.tf_config import Cluster

SIGN = "sartranslate roll call 1"
PAUSE = 0.2  # seconds between tries to reach the chief
ANSWER = 10.0  # seconds that a connected worker, or the chief once time is over, is given to speak
MOST_BYTES = 2**26  # of what a worker says
MOST_NAMED = 5  # differences in one line

Facts = Mapping[str, object]  # JSON of each, by name


def call_roll(cluster: Cluster, facts: Facts, seconds: float, watch: Callable[[], None] = lambda: None) -> None:
    """Return once all workers have come with equal facts; all return, or all raise `TrainingError`.

    The chief listens at its address in TF_CONFIG until then, the others connect to it; `watch` is called about five
    times a second, and may raise.
    """
    deadline = time.monotonic() + seconds
    own = {name: json.dumps(fact) for name, fact in {"cluster": cluster.addresses, **facts}.items()}
    if cluster.chief:
        _hear_all(cluster, own, deadline, watch)
    else:
        _report(cluster, own, deadline, watch)


def _hear_all(cluster: Cluster, own: Mapping[str, str], deadline: float, watch: Callable[[], None]) -> None:
    with ExitStack() as opened:
        listening = opened.enter_context(_listening(cluster))
        heard: dict[int, socket.socket] = {}
        verdict = ""
        while len(heard) + 1 < cluster.count and not verdict:
            watch()
            if time.monotonic() > deadline:
                missing = [cluster.name(n) for n in range(1, cluster.count) if n not in heard]
                verdict = f"{missing[0]} has not come in time; {len(heard) + 1} of {cluster.count} workers are there"
                break
            with suppress(TimeoutError):
                connection = opened.enter_context(listening.accept()[0])
                if (message := _received(connection)) and message["index"] in range(1, cluster.count):
                    heard[message["index"]] = connection
                    verdict = _difference(cluster, message["index"], own, message["facts"])
        for connection in heard.values():
            _send(connection, {"sign": SIGN, "verdict": verdict})
    if verdict:
        raise TrainingError(verdict)


@contextmanager
def _listening(cluster: Cluster) -> Iterator[socket.socket]:
    port, both = int(cluster.addresses[0].rpartition(":")[2]), socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    try:
        server = socket.create_server(("", port), family=family, backlog=cluster.count, dualstack_ipv6=both)
    except OSError as error:
        raise TrainingError(f"{cluster.name(0)}: can not listen there: {os.strerror(error.errno or 0)}") from error
    with server:
        server.settimeout(PAUSE)
        yield server


def _report(cluster: Cluster, own: Mapping[str, str], deadline: float, watch: Callable[[], None]) -> None:
    host, _, port = cluster.addresses[0].rpartition(":")
    while True:
        watch()
        with suppress(OSError), socket.create_connection((host.strip("[]"), int(port)), timeout=PAUSE * 5) as chief:
            _send(chief, {"sign": SIGN, "index": cluster.index, "facts": own})
            if answer := _awaited(chief, deadline, watch):
                break
        if time.monotonic() > deadline:
            raise TrainingError(f"{cluster.name(0)} has not come in time, or can not be reached")
        time.sleep(PAUSE)
    if answer["verdict"]:
        raise TrainingError(answer["verdict"])


def _awaited(chief: socket.socket, deadline: float, watch: Callable[[], None]) -> dict[str, Any] | None:
    """What the chief says once all have come; None where it has gone."""
    chief.settimeout(PAUSE)
    while time.monotonic() < deadline + ANSWER:
        watch()
        with suppress(TimeoutError):
            chief.recv(1, socket.MSG_PEEK)
            return _received(chief)
    return None


def _received(connection: socket.socket) -> dict[str, Any] | None:
    """A line of JSON from another worker; None of whoever else comes."""
    connection.settimeout(ANSWER)
    with suppress(OSError, ValueError, TypeError, AttributeError), connection.makefile("rb") as stream:
        message = json.loads(stream.readline(MOST_BYTES))
        if message.get("sign") == SIGN:
            return dict(message)
    return None


def _send(connection: socket.socket, message: Mapping[str, Any]) -> None:
    connection.settimeout(ANSWER)
    with suppress(OSError):  # whoever has gone is missed later
        connection.sendall(json.dumps(message).encode() + b"\n")


def _difference(cluster: Cluster, index: int, own: Mapping[str, str], other: Mapping[str, str]) -> str:
    """In what a worker differs from the chief, in one line; empty where it does not."""
    names = [name for name in sorted(own.keys() | other.keys()) if own.get(name) != other.get(name)]
    if not names:
        return ""
    found = [f"{name} {other.get(name, 'absent')}, not {own.get(name, 'absent')}" for name in names[:MOST_NAMED]]
    more = f"; and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"{cluster.name(index)} is about to do something else than worker 0: {'; '.join(found)}{more}"
