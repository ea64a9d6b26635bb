"""A folded generator as an ONNX model: float32, channels last at both ends, any batch and any window that it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from sartranslate import __version__
from sartranslate.errors import BackendError
from sartranslate.runtimes import deepness, steps
from sartranslate.runtimes.steps import Folded
from sartranslate.runtimes.value_ranges import UNIT, Line, ValueRanges

SOURCE, TARGET = "source", "target"
OPSET, IR_VERSION = 17, 9  # what runtimes of 2023 read, too
TO_CHANNELS_FIRST, TO_CHANNELS_LAST = (0, 3, 1, 2), (0, 2, 3, 1)


def onnx_model(folded: Folded, ranges: ValueRanges | None = None) -> bytes:
    """A serialised model from `source` (N, H, W, bands) to `target` (N, H, W, colours).

    Raises `BackendError` for a generator that drops values: ONNX has no dropout that can be drawn again.
    """
    nodes = _Nodes()
    first = nodes.node("Transpose", SOURCE, perm=TO_CHANNELS_FIRST)
    last = nodes.generate(folded, first, ranges or ValueRanges())
    nodes.node("Transpose", last, output=TARGET, perm=TO_CHANNELS_LAST)
    batch = ("count", "height", "width")
    return _serialised(nodes, (*batch, folded.source_bands), (*batch, folded.target_bands))


def deepness_model(folded: Folded, tile: int, resolution: float) -> bytes:
    """The same for the QGIS plugin Deepness: channels first, one tile of so many pixels a side, bytes in [0, 1].

    `resolution` is that of the scenes, in centimetres for a pixel.
    """
    nodes = _Nodes()
    picture = nodes.generate(folded, SOURCE, ValueRanges(deepness.RANGE, deepness.RANGE))
    nodes.enlarge(picture, deepness.ENLARGED, TARGET)
    source, target = [1, folded.source_bands, tile, tile], [1, folded.target_bands, *[deepness.ENLARGED * tile] * 2]
    return _serialised(nodes, source, target, deepness.metadata(tile, resolution))


def _serialised(
    nodes: _Nodes, source: Sequence[int | str], target: Sequence[int | str], metadata: Mapping[str, str] | None = None
) -> bytes:
    """A checked model of nodes from `SOURCE` to `TARGET` in these shapes."""
    shapes = ((SOURCE, source), (TARGET, target))
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes]
    graph = helper.make_graph(nodes.nodes, "generator", ends[:1], ends[1:], nodes.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    model.producer_name, model.producer_version = "sartranslate", __version__
    helper.set_model_props(model, dict(metadata or {}))
    try:
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString())
    except (onnx.checker.ValidationError, ValueError) as error:  # of protobuf beyond 2 GB
        raise BackendError(f"the generator is no ONNX model: {str(error).splitlines()[0]}") from error


class _Nodes(steps.Results):
    """Each method appends nodes of (N, C, H, W) and returns the name of the last one's output."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def generate(self, folded: Folded, x: str, ranges: ValueRanges) -> str:
        """Source to target, with what comes before and behind the steps of a generator."""
        if ranges.source != UNIT:
            low, high = (self._constant(np.array(limit, np.float32)) for limit in UNIT)
            x = self.node("Clip", self._along(ranges.into, x), low, high)
        x = steps.evaluate(folded, x, self)
        return x if ranges.target == UNIT else self._along(ranges.out, x)

    def enlarge(self, x: str, times: int, output: str) -> None:
        """Each pixel becomes so many both ways."""
        scales = self._constant(np.array([1, 1, times, times], np.float32))
        how = {"coordinate_transformation_mode": "asymmetric", "mode": "nearest", "nearest_mode": "floor"}
        self.node("Resize", x, "", scales, output=output, **how)

    def _along(self, line: Line, x: str) -> str:
        factor, offset = (self._constant(np.array(number, np.float32)) for number in line)
        return self.node("Add", self.node("Mul", x, factor), offset)

    def node(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        output = output or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], output, **attributes))
        return output

    def convolve(self, step: steps.Convolve, x: str) -> str:
        before, behind = step.padding
        kernel, bias = self._constant(step.kernel.transpose(3, 2, 0, 1)), self._constant(step.bias)
        pads = (before, before, behind, behind)
        return self.node("Conv", x, kernel, bias, strides=(step.stride, step.stride), pads=pads)

    def shuffle(self, step: steps.Shuffle, x: str) -> str:
        before, behind = step.border
        x = self.node("DepthToSpace", x, blocksize=2, mode="DCR")
        if not behind:
            return x
        ends = (np.array(values, np.int64) for values in ([before, before], [-behind, -behind], [2, 3]))
        return self.node("Slice", x, *(self._constant(values) for values in ends))

    def standardise(self, step: steps.Standardise, x: str) -> str:
        scale, offset = self._constant(step.scale), self._constant(step.offset)
        return self.node("InstanceNormalization", x, scale, offset, epsilon=step.epsilon)

    def drop(self, step: steps.Drop, x: str) -> str:
        raise BackendError(
            "ONNX can not hold a generator that drops values, expected one without dropout in use; a SavedModel can"
        )

    def mirror(self, step: steps.Mirror, x: str) -> str:
        pads = np.array([0, 0, step.pixels, step.pixels] * 2, np.int64)
        return self.node("Pad", x, self._constant(pads), mode="reflect")

    def join(self, first: str, second: str) -> str:
        return self.node("Concat", first, second, axis=1)

    def add(self, first: str, second: str) -> str:
        return self.node("Add", first, second)

    def tanh(self, x: str) -> str:
        return self.node("Tanh", x)

    def relu(self, x: str) -> str:
        return self.node("Relu", x)

    def leaky_relu(self, x: str, slope: float) -> str:
        return self.node("LeakyRelu", x, alpha=slope)

    def _constant(self, values: NDArray[Any]) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name
