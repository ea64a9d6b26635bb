"""A generator run by OpenVINO on the processor."""

from __future__ import annotations

from functools import cache
from typing import Any

import openvino

from sartranslate.backend import failure
from sartranslate.radiometry import Float
from sartranslate.sliding import Generator
from sartranslate.threads import limited

DEVICE = "CPU"
HINTS = {"float32": "f32", "bfloat16": "bf16"}


def precisions() -> tuple[str, ...]:
    """What it computes in here, the fastest first."""
    try:
        capabilities = openvino.Core().get_property(DEVICE, "OPTIMIZATION_CAPABILITIES")
    except RuntimeError as error:
        raise failure(error) from error
    return ("bfloat16", "float32", "int8") if "BF16" in capabilities else ("float32", "int8")


def generator(model: bytes, precision: str) -> Generator:
    """A serialised model as a call from (N, H, W, bands) to (N, H, W, colours), float32.

    The first call of each shape compiles the network for it. A call raises `BackendError` when the runtime fails.
    """
    core = openvino.Core()
    # What an int8 model leaves in floating point is computed in the fastest one.
    floating = precisions()[0] if precision == "int8" else precision
    settings = {"INFERENCE_PRECISION_HINT": HINTS[floating], "PERFORMANCE_HINT": "LATENCY"}
    if threads := limited():
        settings["INFERENCE_NUM_THREADS"] = str(threads)

    @cache
    def compiled(shape: tuple[int, ...]) -> Any:
        network = core.read_model(model)
        network.reshape(list(shape))
        return core.compile_model(network, DEVICE, settings)

    def generate(batch: Float) -> Any:
        try:
            return compiled(batch.shape)(batch)[0]
        except (RuntimeError, MemoryError) as error:
            raise failure(error) from error

    return generate
