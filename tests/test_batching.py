"""Batches that do not fit are halved, and that is said."""

from __future__ import annotations

import time
from threading import Lock
from typing import Any

import numpy as np
import pytest

from sartranslate.errors import BackendError, DeviceMemoryError
from sartranslate.networks.failures import failure
from sartranslate.runtimes.batching import within_memory
from sartranslate.streaming.prefetch import in_threads


class Device:
    """Computes batches of up to `room` samples."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.sizes: list[int] = []

    def __call__(self, batch: Any, seeds: Any) -> Any:
        self.sizes.append(len(batch))
        if len(batch) > self.room:
            raise DeviceMemoryError("the generator failed: out of memory")
        return batch + seeds[:, None]


@pytest.mark.parametrize(("room", "halvings"), [(8, 0), (5, 1), (3, 2), (1, 3)])
def test_what_fits_is_found_once_and_nothing_else_changes(room: int, halvings: int) -> None:
    batch, seeds = np.arange(24.0).reshape(8, 3), np.arange(8)
    told: list[str] = []
    device = Device(room)
    generator = within_memory(device, told.append)
    for _ in range(2):
        np.testing.assert_array_equal(generator(batch, seeds), batch + seeds[:, None])
    assert len(told) == halvings
    tried = [8] + [8 >> number for number in range(halvings)] if halvings else []  # the first one alone as well
    assert [size for size in device.sizes if size > room] == tried
    if halvings:
        assert told[0] == "Out of memory: a batch of 8 does not fit, going on with 4 at a time"


def test_an_odd_batch_is_cut_into_parts() -> None:
    device = Device(2)
    batch = np.arange(14.0).reshape(7, 2)
    np.testing.assert_array_equal(within_memory(device)(batch, np.zeros(7)), batch)
    assert device.sizes == [7, 7, 4, 2, 2, 2, 1]


def test_a_single_sample_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(DeviceMemoryError, match="out of memory"):
        within_memory(Device(0))(np.zeros((2, 2)), np.zeros(2))


def test_of_calls_at_once_that_take_memory_from_each_other_each_is_made_alone() -> None:
    room, lock = [2], Lock()

    def crowded(batch: Any) -> Any:
        with lock:
            room[0] -= len(batch)
            fits = room[0] >= 0
        time.sleep(0.01)
        with lock:
            room[0] += len(batch)
        if not fits:
            raise DeviceMemoryError("the generator failed: out of memory")
        return batch

    generator, batches = within_memory(crowded), [np.full((2, 3), float(number)) for number in range(8)]
    for made, batch in zip(in_threads(generator, batches, 3), batches, strict=True):
        np.testing.assert_array_equal(made, batch)


def test_other_failures_are_not_tried_again() -> None:
    calls = []

    def broken(batch: Any) -> Any:
        calls.append(len(batch))
        raise BackendError("the generator failed: no kernel")

    with pytest.raises(BackendError, match="no kernel"):
        within_memory(broken)(np.zeros((8, 2)))
    assert calls == [8]


@pytest.mark.parametrize(
    "text",
    [
        "OOM when allocating tensor with shape[32,256,256,64]\nmore",
        "CUDA out of memory. Tried to allocate 2.00 GiB",
        "[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried to allocate",
        "std::bad_alloc",
        "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Failed to allocate memory for requested buffer of size 9",
    ],
)
def test_the_texts_of_the_frameworks_are_known(text: str) -> None:
    error = failure(RuntimeError(text))
    assert isinstance(error, DeviceMemoryError)
    assert str(error) == f"the generator failed: {text.splitlines()[0]}"


def test_another_text_is_another_failure() -> None:
    assert not isinstance(failure(RuntimeError("shapes differ")), DeviceMemoryError)
    assert str(failure(RuntimeError())) == "the generator failed: RuntimeError"
