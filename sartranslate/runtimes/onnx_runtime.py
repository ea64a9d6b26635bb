"""A generator run by ONNX Runtime on the processor."""

from __future__ import annotations

from typing import Any

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as state

from sartranslate.backscatter.radiometry import Float
from sartranslate.networks.failures import failure
from sartranslate.runtimes.onnx_graph import SOURCE, TARGET
from sartranslate.streaming.sliding import Generator
from sartranslate.streaming.threads import limited

FAILURES = (
    state.EPFail,
    state.Fail,
    state.InvalidArgument,
    state.InvalidGraph,
    state.NotImplemented,
    state.RuntimeException,
    MemoryError,
)
FATAL = 4  # of its log levels: errors are raised as well


def precisions() -> tuple[str, ...]:
    """What it computes in here, the fastest first."""
    return ("float32", "int8")


def concurrency() -> int:
    """Calls that are worth making at once: its threads spin while they wait, which takes the cores from others."""
    return 1


def generator(model: bytes, precision: str) -> Generator:
    """A serialised model as a call from (N, H, W, bands) to (N, H, W, colours), float32.

    The call raises `BackendError` when the runtime fails.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = FATAL
    options.intra_op_num_threads = limited() or 0  # 0: one for each core
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except FAILURES as error:
        raise failure(error) from error

    def generate(batch: Float) -> Any:
        try:
            return session.run([TARGET], {SOURCE: batch})[0]
        except FAILURES as error:
            raise failure(error) from error

    return generate
