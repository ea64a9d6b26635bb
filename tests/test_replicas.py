"""Shares of a batch on one device; `test_two_devices` and `test_two_machines` have two."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from sartranslate.errors import BackendError, OptionError
from sartranslate.networks import backend
from sartranslate.train import replicas as replicas_module

backend.select("tensorflow")

import tensorflow as tf  # noqa: E402

from sartranslate.train.replicas import Replicas, workers  # noqa: E402

CPUS = ("CPU:0", "CPU:1")


def test_one_device_shares_nothing() -> None:
    replicas = Replicas(("CPU:0",))
    batch: NDArray[np.float32] = np.arange(3, dtype=np.float32)
    step = replicas.compiled(lambda values: (tf.reduce_sum(values), tf.size(values)))
    assert replicas.count == 1
    replicas.check(3)
    assert [float(scalar) for scalar in step(tf.constant(batch))] == [3, 3]


def test_a_batch_that_can_not_be_shared_evenly_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replicas_module, "_mirrored", lambda devices: None)
    replicas = Replicas(CPUS)
    replicas.check(4)
    with pytest.raises(OptionError, match="batch size 3 on 2 devices: expected a multiple of 2"):
        replicas.check(3)


def test_torch_shares_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "active", lambda: "torch")
    assert Replicas().count == 1
    with pytest.raises(BackendError, match="2 devices on torch, expected one, or tensorflow"):
        Replicas(CPUS)


def test_torch_trains_on_no_other_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "active", lambda: "torch")
    cluster = '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 0}}'
    monkeypatch.setenv("TF_CONFIG", cluster)
    with pytest.raises(BackendError, match="TF_CONFIG names 2 workers: torch trains in one process, expected --back"):
        workers()


def test_a_process_by_itself_is_the_chief_and_reads_all_of_each_batch() -> None:
    replicas = Replicas(("CPU:0",))
    assert (replicas.chief, replicas.share, replicas.of_chief(0.5), replicas.any(True)) == (True, (0, 1), 0.5, True)
