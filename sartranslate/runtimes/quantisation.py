"""An ONNX model in eight bits: weights and activations as whole numbers, with ranges measured on patches of a scene.

The arithmetic that processors with VNNI or AMX do fastest (Jacob et al. 2018, arXiv 1712.05877). The outermost
convolutions stay in floating point: what they round is seen in the picture at once.
"""

from __future__ import annotations

import logging
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    calibrate,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from sartranslate.backscatter.radiometry import Float, to_rgb
from sartranslate.errors import OptionError
from sartranslate.runtimes.onnx_graph import SOURCE

MOST_APART = 3  # grey levels, for 99 of 100 values
SHARE = 0.99
KEPT = (3, 3)  # convolutions, first and last ones
HELD_OUT = 4  # every so manieth patch is not measured, but compared


def quantised(model: bytes, patches: Float) -> bytes:
    """The serialised model in eight bits, calibrated on (N, H, W, bands) patches but for those that are held out."""
    with tempfile.TemporaryDirectory(prefix="sartranslate.") as name, _without_advice():
        folder = Path(name)
        exact, prepared, result = (folder / f"{stage}.onnx" for stage in ("exact", "prepared", "quantised"))
        exact.write_bytes(model)
        quant_pre_process(exact, prepared, skip_symbolic_shape=True)
        convolutions = [node.name for node in onnx.load(prepared).graph.node if node.op_type == "Conv"]
        quantize_static(
            prepared,
            result,
            _Patches(patches[np.arange(len(patches)) % HELD_OUT != 0] if len(patches) >= HELD_OUT else patches),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=["Conv"],
            nodes_to_exclude=convolutions[: KEPT[0]] + convolutions[-KEPT[1] :],
            calibrate_method=CalibrationMethod.Percentile,
        )
        return result.read_bytes()


def check_quantised(exact: Callable[[Float], Float], rounded: Callable[[Float], Float], patches: Float) -> None:
    """Raises `OptionError` where 1 of 100 values of held-out patches is off by more than `MOST_APART` levels."""
    apart = []
    for patch in patches[::HELD_OUT]:
        pictures = (to_rgb(generator(patch[None])).astype(np.int16) for generator in (exact, rounded))
        apart.append(np.abs(np.subtract(*pictures)))
    found = float(np.quantile(apart, SHARE))
    if found > MOST_APART:
        raise OptionError(
            f"precision 'int8': {found:.0f} grey levels from float32 on this scene for 1 of 100 values, "
            f"expected at most {MOST_APART}"
        )


class _Patches(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, patches: Float) -> None:
        self._left = iter(patches)

    def get_next(self) -> dict[str, Any] | None:
        patch = next(self._left, None)
        return None if patch is None else {SOURCE: patch[None]}


def _no_progress(*told: object, **options: object) -> None:
    """In place of `print` in ONNX Runtime's calibration, from now on: standard output is of all threads, not of one."""


calibrate.print = _no_progress


@contextmanager
def _without_advice() -> Iterator[None]:
    """What the quantisation logs as root is left out below errors; what other threads log there is not."""
    here = threading.get_ident()

    def kept(record: logging.LogRecord) -> bool:
        return record.thread != here or record.levelno >= logging.ERROR

    logging.root.addFilter(kept)
    try:
        yield
    finally:
        logging.root.removeFilter(kept)
