"""Results of the steps that TensorFlow and PyTorch compute alike, through Keras."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sartranslate.networks.blocks import reflected
from sartranslate.networks.dropout import dropped
from sartranslate.runtimes.steps import Convolve, Drop, Folded, Mirror, Results

EXACT = 2  # convolutions, the first ones


def exact_convolutions(folded: Folded, precision: str) -> tuple[Convolve, ...]:
    """Those to be computed in float32.

    In bfloat16, which has eight bits of a fraction, all later ones together add less to the error than the first two.
    """
    return folded.convolutions[:EXACT] if precision == "bfloat16" else ()


class FrameworkResults(Results):
    """Each is (N, H, W, C) of a dtype, or of float32 where it comes of a convolution that is to be exact.

    `seeds` (N,) decide what is dropped; None is 0 for each sample.
    """

    float32: Any  # the framework's

    def __init__(self, dtype: Any, exact: Sequence[Convolve], seeds: Any = None) -> None:
        self._dtype, self._exact, self._seeds = dtype, exact, seeds

    def drop(self, step: Drop, x: Any) -> Any:
        return dropped(x, self._seeds, step.name, step.rate)

    def mirror(self, step: Mirror, x: Any) -> Any:
        return reflected(x, step.pixels)

    def add(self, first: Any, second: Any) -> Any:
        return first + second

    def _dtype_of(self, step: Convolve) -> Any:
        return self.float32 if any(step is exact for exact in self._exact) else self._dtype
