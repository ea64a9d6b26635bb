"""A generator as the fewest and cheapest steps that compute it, as plain arrays that any framework can run.

* Batch norm in use is a factor and an offset for each channel: both go into the convolution before it.
* A picture enlarged by nearest neighbour and convolved by 3 x 3 is the same as one transposed convolution by 4 x 4 of
  stride 2, whose kernel has sums of the former's: 16 products in the place of 36.
* A transposed convolution of stride 2 is the same as a dense one by 2 x 2 with four times the filters, whose
  channels are then laid out as 2 x 2 pixels (Shi et al. 2016, arXiv 1609.07009). Windows of two pixels that begin one
  before the picture see all that an odd and the following even row need, so no product is by a zero.
* Activations move before what only moves values, next to the convolution, with which frameworks fuse them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import singledispatchmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sartranslate.backscatter.radiometry import Float
from sartranslate.errors import BundleError
from sartranslate.networks import topology
from sartranslate.networks.topology import SOURCE
from sartranslate.recipes.architecture import GeneratorConfig
from sartranslate.runtimes.steps import (
    Add,
    Convolve,
    Drop,
    Folded,
    Join,
    Mirror,
    Rectify,
    Shuffle,
    Standardise,
    Step,
    Tanh,
    inputs,
    renumbered,
)

NEAREST_TO_TRANSPOSED = np.array([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]], np.float32)

Tensors = Mapping[str, NDArray[Any]]


def fold(config: GeneratorConfig, tensors: Tensors, *, sampling: bool = False) -> Folded:
    """The generator with these weights in use; with `sampling`, it drops values, as it does in test mode "own".

    Raises `BundleError` where a tensor is absent, or the product of two is no number or beyond float32.
    """
    folding = _Folding(config, tensors, dropping=sampling or config.test_mode == "own")
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # shows in what comes of it
            for layer in topology.layers(config):
                folding.add(layer)
    except KeyError as error:
        raise BundleError(f"tensor {error} is missing") from error
    steps = folding.used()
    if not all(np.isfinite(part).all() for step in steps if isinstance(step, Convolve) for part in step[1:3]):
        raise BundleError("weights times the factors of batch norm are beyond float32, expected smaller ones")
    return Folded(steps, config.source_bands, config.target_bands, sampling)


def transposed_kernel(kernel: Float) -> Float:
    """(4, 4, in, out) of the transposed convolution that equals nearest neighbour and this (3, 3, in, out)."""
    rule = NEAREST_TO_TRANSPOSED
    return np.asarray(np.einsum("ai,bj,ijkl->abkl", rule, rule, kernel), np.float32)


def dense_kernel(kernel: Float) -> Float:
    """(2, 2, in, 4 out) of the dense convolution that equals a transposed one by (3 or 4, same, in, out), stride 2.

    Its windows reach from the pixel before to the pixel itself. Output channels are ordered by row and column of the
    2 x 2 pixels, then channel; those are one row and column further up and left.
    """
    size, _, inputs, outputs = kernel.shape
    whole = np.zeros((4, 4, inputs, outputs), np.float32)
    whole[:size, :size] = kernel
    taken = np.array([[2, 3], [0, 1]])  # by pixel of the window, then row of the output
    parts = whole[taken[:, None, :, None], taken[None, :, None, :]]  # (window 2 x 2, output 2 x 2, in, out)
    return np.ascontiguousarray(parts.transpose(0, 1, 4, 2, 3, 5).reshape(2, 2, inputs, 4 * outputs))


class _Folding:
    """Steps so far, and at which of them each layer's output is."""

    def __init__(self, config: GeneratorConfig, tensors: Tensors, *, dropping: bool) -> None:
        self._config, self._tensors, self._dropping = config, tensors, dropping
        self._steps: list[Step] = []
        self._places = {SOURCE: 0}
        self._leaky: dict[int, int] = {}  # where the same is with a slope for negative values

    def add(self, layer: topology.Layer) -> None:
        places = (self._places[name] for name in layer.inputs)
        self._places[layer.name] = self._fold(layer.operation, layer.name, *places)

    def used(self) -> tuple[Step, ...]:
        """The steps that the last one needs, renumbered."""
        needed = {len(self._steps)}
        for place in range(len(self._steps), 0, -1):
            if place in needed:
                needed |= set(inputs(self._steps[place - 1]))
        numbers = {place: number for number, place in enumerate(sorted(needed | {0}))}
        return tuple(renumbered(self._steps[place - 1], numbers) for place in sorted(needed - {0}))

    def _append(self, step: Step) -> int:
        self._steps.append(step)
        return len(self._steps)

    def _at(self, place: int) -> Step | None:
        return self._steps[place - 1] if place else None

    @singledispatchmethod
    def _fold(self, operation: topology.Operation, name: str, *inputs: int) -> int:
        raise NotImplementedError(operation)

    @_fold.register
    def _(self, operation: topology.Convolution, name: str, x: int) -> int:
        kernel = np.asarray(self._tensors[f"{name}/kernel"], np.float32)
        bias = np.zeros(operation.filters, np.float32)
        if operation.bias:
            bias = np.asarray(self._tensors[f"{name}/bias"], np.float32)
        if operation.upsampling == "transpose":
            return self._transposed(x, kernel.swapaxes(2, 3), bias)
        if operation.upsampling == "resize":
            return self._transposed(x, transposed_kernel(kernel), bias)
        excess = operation.size - operation.stride if operation.padded else 0
        padding = (excess - excess // 2, excess // 2)
        return self._append(Convolve(x, kernel, bias, operation.stride, padding))

    def _transposed(self, x: int, kernel: Float, bias: Float) -> int:
        dense = Convolve(x, dense_kernel(kernel), np.tile(bias, 4), padding=(1, 1))
        return self._append(Shuffle(self._append(dense), border=(1, 1)))

    @_fold.register
    def _(self, operation: topology.Normalise, name: str, x: int) -> int:
        ones, zeros = np.ones(operation.channels, np.float32), np.zeros(operation.channels, np.float32)
        if self._config.norm == "instance":
            return self._append(Standardise(x, self._config.norm_epsilon, ones, zeros))
        gamma, beta = (np.asarray(self._tensors[f"{name}/{part}"], np.float32) for part in ("gamma", "beta"))
        if self._config.test_mode == "own":
            return self._append(Standardise(x, self._config.norm_epsilon, gamma, beta))
        mean, variance = (self._tensors[f"{name}/moving_{part}"].astype(np.float64) for part in ("mean", "variance"))
        scale = gamma / np.sqrt(variance + self._config.norm_epsilon)
        return self._scaled(x, scale, beta - mean * scale)

    def _scaled(self, x: int, scale: NDArray[np.float64], offset: NDArray[np.float64]) -> int:
        """The convolution at `x`, whose channels are then multiplied and offset."""
        step = self._at(x)
        if isinstance(step, Shuffle):
            return self._append(step._replace(source=self._scaled(step.source, np.tile(scale, 4), np.tile(offset, 4))))
        if not isinstance(step, Convolve):
            raise TypeError(f"{type(step).__name__} before batch norm, expected a convolution")
        kernel, bias = (step.kernel * scale).astype(np.float32), (step.bias * scale + offset).astype(np.float32)
        return self._append(step._replace(kernel=kernel, bias=bias))

    @_fold.register
    def _(self, operation: topology.LeakyReLU, name: str, x: int) -> int:
        self._leaky[x] = self._rectified(x, operation.slope)
        return self._leaky[x]

    @_fold.register
    def _(self, operation: topology.ReLU, name: str, x: int) -> int:
        return self._rectified(x, 0.0)

    def _rectified(self, x: int, slope: float) -> int:
        """Slopes commute with what only moves values, so they can come right behind the convolution."""
        step = self._at(x)
        if slope == 0 and x in self._leaky:  # the convolution is not computed again
            return self._append(Rectify(self._leaky[x], slope))
        if isinstance(step, Convolve) and step.slope == 1:
            return self._append(step._replace(slope=slope))
        if isinstance(step, Shuffle | Drop):
            return self._append(step._replace(source=self._rectified(step.source, slope)))
        if isinstance(step, Join):
            first, second = self._rectified(step.first, slope), self._rectified(step.second, slope)
            return self._append(Join(first, second))
        return self._append(Rectify(x, slope))

    @_fold.register
    def _(self, operation: topology.Tanh, name: str, x: int) -> int:
        return self._append(Tanh(x))

    @_fold.register
    def _(self, operation: topology.Dropout, name: str, x: int) -> int:
        return self._append(Drop(x, operation.rate, name)) if self._dropping else x

    @_fold.register
    def _(self, operation: topology.Reflect, name: str, x: int) -> int:
        return self._append(Mirror(x, operation.pixels))

    @_fold.register
    def _(self, operation: topology.Join, name: str, first: int, second: int) -> int:
        return self._append(Join(first, second))

    @_fold.register
    def _(self, operation: topology.Add, name: str, first: int, second: int) -> int:
        return self._append(Add(first, second))
