"""A generator run by OpenVINO on the processor."""

from __future__ import annotations

from queue import SimpleQueue
from threading import Lock
from typing import Any

import openvino

from sartranslate.backscatter.radiometry import Float
from sartranslate.networks.failures import failure
from sartranslate.streaming import threads
from sartranslate.streaming.sliding import Generator

DEVICE = "CPU"
MOST_STREAMS = 2  # calls at once, which share the threads, so that none waits for both
ALONE = Lock()  # for first calls: of those at once in a process, OpenVINO 2026.4 waits for ever
HINTS = {"float32": "f32", "bfloat16": "bf16"}


def precisions() -> tuple[str, ...]:
    """What it computes in here, the default first.

    In bfloat16 it has no convolutions that stay exact, and so is off by more than two grey levels now and then.
    """
    try:
        capabilities = openvino.Core().get_property(DEVICE, "OPTIMIZATION_CAPABILITIES")
    except RuntimeError as error:
        raise failure(error) from error
    return ("float32", "bfloat16", "int8") if "BF16" in capabilities else ("float32", "int8")


def concurrency() -> int:
    """Calls that are worth making at once: one more than are computed, so that its batch is ready when one ends."""
    return min(threads.concurrency(), MOST_STREAMS + 1)


def generator(model: bytes, precision: str) -> Generator:
    """A serialised model as a call from (N, H, W, bands) to (N, H, W, colours), float32.

    The first call of each shape compiles the network for it. A few calls are computed at once, others wait. A call
    raises `BackendError` when the runtime fails.
    """
    network = _Network(model, precision)

    def generate(batch: Float) -> Any:
        try:
            return network.infer(batch)
        except (RuntimeError, MemoryError) as error:
            raise failure(error) from error

    return generate


class _Network:
    """A serialised model and what it is compiled to, shape by shape."""

    def __init__(self, model: bytes, precision: str) -> None:
        self._core, self._model = openvino.Core(), model
        # What an int8 model leaves in floating point is computed in the fastest one.
        fastest = "bfloat16" if "bfloat16" in precisions() else "float32"
        floating = fastest if precision == "int8" else precision
        self._streams = min(MOST_STREAMS, threads.available())
        self._settings = {"INFERENCE_PRECISION_HINT": HINTS[floating], "NUM_STREAMS": str(self._streams)}
        if limit := threads.limited():
            self._settings["INFERENCE_NUM_THREADS"] = str(limit)
        self._free: dict[tuple[int, ...], SimpleQueue[Any]] = {}  # requests, each for one call at a time

    def infer(self, batch: Float) -> Any:
        with ALONE:
            if batch.shape not in self._free:
                self._free[batch.shape] = self._requests(batch.shape)
                return self._inferred(batch)
        return self._inferred(batch)

    def _inferred(self, batch: Float) -> Any:
        free = self._free[batch.shape]
        request = free.get()
        try:
            return request.infer([batch], share_inputs=True)[0]
        finally:
            free.put(request)

    def _requests(self, shape: tuple[int, ...]) -> SimpleQueue[Any]:
        network = self._core.read_model(self._model)
        network.reshape(list(shape))
        compiled = self._core.compile_model(network, DEVICE, self._settings)
        requests = SimpleQueue[Any]()
        for _ in range(self._streams):
            requests.put(compiled.create_infer_request())
        return requests
