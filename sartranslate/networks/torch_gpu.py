"""What keeps a GPU busy in PyTorch: steps that it repeats without Python, and arrays that are copied beside them.

Keras calls each layer from Python, and a GPU computes it in a fraction of the time that this takes. So a step is
recorded as the kernels that compute it, gradients and changes of variables included: what `tf.function` is to
TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as pytree

Step = Callable[..., Any]


class Recorded:
    """`step` of tensors, to a tensor, several or None, recorded at its first call for each shape of them.

    What it computes may depend on nothing else that changes but variables, which keep their place in memory.
    """

    def __init__(self, step: Step) -> None:
        self._step = step
        self._recordings: dict[tuple[Any, ...], Step] = {}

    def __call__(self, *inputs: Any) -> Any:
        kind = tuple((given.shape, given.dtype) for given in inputs)
        if kind in self._recordings:
            return self._recordings[kind](*inputs)
        results, graph = traced(self._step, inputs)
        self._recordings[kind] = Replayed(graph, inputs) if inputs[0].is_cuda else torch.no_grad()(graph)
        return results


class Replayed:
    """The kernels of a traced step as one CUDA graph, with memory of its own."""

    def __init__(self, graph: GraphModule, inputs: Sequence[Any]) -> None:
        self._graph = graph  # which holds the constants
        self._inputs = [given.clone() for given in inputs]
        self._recording = torch.cuda.CUDAGraph()
        # Nothing is computed here. Other threads may go on copying the next batches.
        with torch.no_grad(), torch.cuda.graph(self._recording, capture_error_mode="thread_local"):
            self._results = graph(*self._inputs)

    def __call__(self, *inputs: Any) -> Any:
        for kept, given in zip(self._inputs, inputs, strict=True):
            kept.copy_(given)
        self._recording.replay()
        return pytree.tree_map_only(torch.Tensor, torch.clone, self._results)


def traced(step: Step, inputs: Sequence[Any]) -> tuple[Any, GraphModule]:
    """What one call of the step results in, and a graph of its kernels, which changes the variables that it changed."""
    results: list[Any] = []

    def once(*given: Any) -> Any:
        results.append(step(*given))
        return results[-1]

    graph = make_fx(once)(*inputs)
    _place_constants(graph, inputs[0].device)
    # What could still be differentiated holds all that was computed.
    return pytree.tree_map_only(torch.Tensor, torch.Tensor.detach, results.pop()), graph


def _place_constants(graph: GraphModule, device: Any) -> None:
    """On the device, as a recording can not copy from the processor's memory."""
    for node in graph.graph.find_nodes(op="get_attr"):
        constant = getattr(graph, node.target)
        if constant.device != device:
            setattr(graph, node.target, constant.to(device))


def on_arrays(compute: Callable[..., Any]) -> Callable[..., NDArray[Any]]:
    """`compute` of tensors on the GPU as a function of arrays."""

    def call(*arrays: NDArray[Any]) -> NDArray[Any]:
        inputs = copied(*arrays)
        result = compute(*inputs).to("cpu", non_blocking=True)  # into memory that the GPU writes by itself
        torch.cuda.current_stream().synchronize()
        return np.asarray(result.numpy())

    return call


def copied(*arrays: NDArray[Any]) -> tuple[Any, ...]:
    """Arrays as tensors on the GPU, which computes meanwhile; whoever calls waits.

    They have to be kept until what is computed of them is known: their memory is not that of the computing queue.
    """
    stream = _copying()
    with torch.cuda.stream(stream):
        tensors = tuple(
            torch.from_numpy(np.ascontiguousarray(array)).pin_memory().cuda(non_blocking=True) for array in arrays
        )
    stream.synchronize()
    return tensors


@cache
def _copying() -> Any:
    """A queue of the GPU beside that of what it computes."""
    return torch.cuda.Stream()
