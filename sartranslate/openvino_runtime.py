"""A folded generator run by OpenVINO on the processor."""

from __future__ import annotations

from functools import cache
from typing import Any

import openvino

from sartranslate.backend import failure
from sartranslate.onnx_graph import onnx_model
from sartranslate.radiometry import Float
from sartranslate.sliding import Generator
from sartranslate.steps import Folded

DEVICE = "CPU"
HINTS = {"float32": "f32", "bfloat16": "bf16"}


def precisions() -> tuple[str, ...]:
    """What it computes in here, the fastest first."""
    capabilities = openvino.Core().get_property(DEVICE, "OPTIMIZATION_CAPABILITIES")
    return ("bfloat16", "float32") if "BF16" in capabilities else ("float32",)


def generator(folded: Folded, precision: str) -> Generator:
    """A call from float32 (N, H, W, bands) to float32 (N, H, W, colours); it raises `BackendError` on failure.

    The first call of each shape compiles the network for it.
    """
    core, serialised = openvino.Core(), onnx_model(folded)
    settings = {"INFERENCE_PRECISION_HINT": HINTS[precision], "PERFORMANCE_HINT": "LATENCY"}

    @cache
    def compiled(shape: tuple[int, ...]) -> Any:
        model = core.read_model(serialised)
        model.reshape(list(shape))
        return core.compile_model(model, DEVICE, settings)

    def generate(batch: Float) -> Any:
        try:
            return compiled(batch.shape)(batch)[0]
        except RuntimeError as error:
            raise failure(error) from error

    return generate
