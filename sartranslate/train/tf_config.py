"""The machines that share each batch of a training run, as TensorFlow's variable TF_CONFIG names them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sartranslate.errors import OptionError

VARIABLE = "TF_CONFIG"
JOBS = ("chief", "worker")  # in the order in which workers are counted
EXPECTED = 'JSON such as {"cluster": {"worker": ["a:2222", "b:2222"]}, "task": {"type": "worker", "index": 0}}'


@dataclass(frozen=True)
class Cluster:
    """Two workers or more, and which of them this process is; the first one is the chief, who writes."""

    addresses: tuple[str, ...]  # host:port of each
    index: int  # of this process, from 0

    @property
    def count(self) -> int:
        return len(self.addresses)

    @property
    def chief(self) -> bool:
        return self.index == 0

    def name(self, index: int) -> str:
        """What a worker is called in messages."""
        return f"worker {index} ({self.addresses[index]})"


def cluster_of(environment: Mapping[str, str] = os.environ) -> Cluster | None:
    """What TF_CONFIG says; None where it is absent, or names this process alone. Raises `OptionError`.

    >>> cluster_of({"TF_CONFIG": '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}'})
    Cluster(addresses=('a:1', 'b:1'), index=1)
    """
    text = environment.get(VARIABLE, "").strip()
    content = _parsed(text) if text else {}
    if not content:
        return None
    jobs, kind, index = _parts(content)
    if odd := sorted(jobs.keys() - set(JOBS)):
        raise _error(f"tasks {odd[0]!r}", f"none but {' and '.join(JOBS)}")
    addresses = [address for job in JOBS for address in jobs.get(job, ())]
    for address in addresses:
        _check_address(address, addresses)
    if kind not in jobs or not 0 <= index < len(jobs[kind]):
        raise _error(f"task {kind} {index}", "one of its cluster")
    before = len(jobs.get("chief", ())) if kind == "worker" else 0
    return Cluster(tuple(addresses), before + index) if len(addresses) > 1 else None


def _parsed(text: str) -> dict[str, Any]:
    try:
        return dict(json.loads(text))
    except (TypeError, ValueError, RecursionError) as error:
        raise _error(repr(text[:80]), EXPECTED) from error


def _parts(content: Mapping[str, Any]) -> tuple[dict[str, list[Any]], str, int]:
    """Addresses by job, and the job and index of this process."""
    try:
        jobs = {str(job): list(addresses) for job, addresses in dict(content["cluster"]).items()}
        return jobs, str(content["task"]["type"]), int(content["task"]["index"])
    except (KeyError, TypeError, ValueError) as error:
        raise _error(repr(json.dumps(content)[:80]), EXPECTED) from error


def _check_address(address: object, addresses: list[Any]) -> None:
    host, _, port = str(address).rpartition(":")
    if not (isinstance(address, str) and host and port.isdecimal() and 0 < int(port) < 2**16):
        raise _error(f"address {address!r}", "host:port")
    if addresses.count(address) > 1:
        raise _error(f"address {address!r} twice", "one for each worker")


def _error(found: str, expected: str) -> OptionError:
    return OptionError(f"{VARIABLE}: {found}, expected {expected}")
