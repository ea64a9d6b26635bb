"""A folded generator as an ONNX model: float32, channels last at both ends, any batch and any window that it takes."""

from __future__ import annotations

from functools import singledispatchmethod
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from sartranslate import __version__, steps
from sartranslate.errors import BackendError
from sartranslate.steps import Folded

SOURCE, TARGET = "source", "target"
OPSET, IR_VERSION = 17, 9  # what runtimes of 2023 read, too
TO_CHANNELS_FIRST, TO_CHANNELS_LAST = (0, 3, 1, 2), (0, 2, 3, 1)


def onnx_model(folded: Folded) -> bytes:
    """A serialised model from `source` (N, H, W, bands) to `target` (N, H, W, colours).

    Raises `BackendError` for a generator that drops values: ONNX has no dropout that can be drawn again.
    """
    nodes = _Nodes()
    first = nodes.add("Transpose", SOURCE, perm=TO_CHANNELS_FIRST)
    last = steps.evaluate(folded, first, nodes.of)
    nodes.add("Transpose", last, output=TARGET, perm=TO_CHANNELS_LAST)
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["count", "height", "width", bands])
        for name, bands in ((SOURCE, folded.source_bands), (TARGET, folded.target_bands))
    ]
    graph = helper.make_graph(nodes.nodes, "generator", ends[:1], ends[1:], nodes.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    model.producer_name, model.producer_version = "sartranslate", __version__
    try:
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString())
    except (onnx.checker.ValidationError, ValueError) as error:  # of protobuf beyond 2 GB
        raise BackendError(f"the generator is no ONNX model: {str(error).splitlines()[0]}") from error


class _Nodes:
    """Each method appends nodes of (N, C, H, W) and returns the name of the last one's output."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        output = output or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], output, **attributes))
        return output

    @singledispatchmethod
    def of(self, step: steps.Step, *inputs: str) -> str:
        raise NotImplementedError(step)

    @of.register
    def _(self, step: steps.Convolve, x: str) -> str:
        before, behind = step.padding
        kernel, bias = self._constant(step.kernel.transpose(3, 2, 0, 1)), self._constant(step.bias)
        pads = (before, before, behind, behind)
        return self._rectified(
            self.add("Conv", x, kernel, bias, strides=(step.stride, step.stride), pads=pads), step.slope
        )

    @of.register
    def _(self, step: steps.Shuffle, x: str) -> str:
        before, behind = step.border
        x = self.add("DepthToSpace", x, blocksize=2, mode="DCR")
        if not behind:
            return x
        ends = (np.array(values, np.int64) for values in ([before, before], [-behind, -behind], [2, 3]))
        return self.add("Slice", x, *(self._constant(values) for values in ends))

    @of.register
    def _(self, step: steps.Rectify, x: str) -> str:
        return self._rectified(x, step.slope)

    @of.register
    def _(self, step: steps.Standardise, x: str) -> str:
        scale, offset = self._constant(step.scale), self._constant(step.offset)
        return self.add("InstanceNormalization", x, scale, offset, epsilon=step.epsilon)

    @of.register
    def _(self, step: steps.Drop, x: str) -> str:
        raise BackendError("ONNX can not hold a generator that drops values, expected one without dropout in use")

    @of.register
    def _(self, step: steps.Mirror, x: str) -> str:
        pads = np.array([0, 0, step.pixels, step.pixels] * 2, np.int64)
        return self.add("Pad", x, self._constant(pads), mode="reflect")

    @of.register
    def _(self, step: steps.Join, first: str, second: str) -> str:
        return self.add("Concat", first, second, axis=1)

    @of.register
    def _(self, step: steps.Add, first: str, second: str) -> str:
        return self.add("Add", first, second)

    @of.register
    def _(self, step: steps.Tanh, x: str) -> str:
        return self.add("Tanh", x)

    def _rectified(self, x: str, slope: float) -> str:
        if slope == 1:
            return x
        return self.add("LeakyRelu", x, alpha=slope) if slope else self.add("Relu", x)

    def _constant(self, values: NDArray[Any]) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name
