"""TF_CONFIG is understood as TensorFlow does, or refused in one line that says what is expected."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from sartranslate.errors import OptionError
from sartranslate.train.tf_config import Cluster, cluster_of

TWO = ["a:1", "b:2"]


def told(cluster: Any, kind: Any = "worker", index: Any = 0) -> Cluster | None:
    return cluster_of({"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})})


@pytest.mark.parametrize(
    "text", [None, "", " ", "{}", '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}']
)
def test_a_process_alone_is_no_cluster(text: str | None) -> None:
    assert cluster_of({} if text is None else {"TF_CONFIG": text}) is None


def test_a_chief_counts_before_the_workers() -> None:
    jobs = {"worker": TWO, "chief": ["c:3"]}
    assert told(jobs, "chief") == Cluster(("c:3", "a:1", "b:2"), 0)
    assert told(jobs, "worker", 1) == Cluster(("c:3", "a:1", "b:2"), 2)
    assert told({"worker": TWO}, index="1") == Cluster(("a:1", "b:2"), 1)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("worker0", "TF_CONFIG: 'worker0', expected JSON such as"),
        ("[1, 2]", "expected JSON such as"),
        ("[" * 100_000, "expected JSON such as"),
        ('{"cluster": {}}', "expected JSON such as"),
        ('{"cluster": {"worker": 3}, "task": {"type": "worker", "index": 0}}', "expected JSON such as"),
        ('{"cluster": {"worker": ["a:1", "b:1"]}, "task": 1}', "expected JSON such as"),
    ],
)
def test_what_is_no_cluster_is_refused(text: str, line: str) -> None:
    with pytest.raises(OptionError, match=re.escape(line)) as raised:
        cluster_of({"TF_CONFIG": text})
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize(
    ("cluster", "task", "line"),
    [
        ({"worker": TWO, "ps": ["c:1"]}, ("worker", 0), "tasks 'ps', expected none but chief and worker"),
        ({"worker": TWO}, ("worker", 2), "task worker 2, expected one of its cluster"),
        ({"worker": TWO}, ("worker", -1), "task worker -1, expected one of its cluster"),
        ({"worker": TWO}, ("chief", 0), "task chief 0, expected one of its cluster"),
        ({"worker": ["a:1", "a:1"]}, ("worker", 0), "address 'a:1' twice, expected one for each worker"),
        ({"worker": ["a", "b:1"]}, ("worker", 0), "address 'a', expected host:port"),
        ({"worker": ["a:70000", "b:1"]}, ("worker", 0), "address 'a:70000', expected host:port"),
        ({"worker": [7, "b:1"]}, ("worker", 0), "address 7, expected host:port"),
    ],
)
def test_tasks_and_addresses_that_can_not_be_are_named(cluster: Any, task: tuple[str, int], line: str) -> None:
    with pytest.raises(OptionError, match=re.escape(f"TF_CONFIG: {line}")):
        told(cluster, *task)
