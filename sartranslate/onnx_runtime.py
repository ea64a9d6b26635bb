"""A folded generator run by ONNX Runtime on the processor."""

from __future__ import annotations

from typing import Any

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as state

from sartranslate.backend import failure
from sartranslate.onnx_graph import SOURCE, TARGET, onnx_model
from sartranslate.radiometry import Float
from sartranslate.sliding import Generator
from sartranslate.steps import Folded

FAILURES = (state.EPFail, state.Fail, state.InvalidArgument, state.RuntimeException)
FATAL = 4  # of its log levels: errors are raised as well


def precisions() -> tuple[str, ...]:
    """What it computes in here, the fastest first."""
    return ("float32",)


def generator(folded: Folded, precision: str) -> Generator:
    """A call from float32 (N, H, W, bands) to float32 (N, H, W, colours); it raises `BackendError` on failure."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = FATAL
    session = onnxruntime.InferenceSession(onnx_model(folded), options, providers=["CPUExecutionProvider"])

    def generate(batch: Float) -> Any:
        try:
            return session.run([TARGET], {SOURCE: batch})[0]
        except FAILURES as error:
            raise failure(error) from error

    return generate
