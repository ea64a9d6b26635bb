"""Results of the steps that TensorFlow and PyTorch compute alike, through Keras."""

from __future__ import annotations

from typing import Any

from sartranslate.networks.blocks import reflected
from sartranslate.networks.dropout import dropped
from sartranslate.runtimes.steps import Drop, Mirror, Results


class FrameworkResults(Results):
    """Each is (N, H, W, C) of one dtype. `seeds` (N,) decide what is dropped; None is 0 for each sample."""

    def __init__(self, dtype: Any, seeds: Any) -> None:
        self._dtype, self._seeds = dtype, seeds

    def drop(self, step: Drop, x: Any) -> Any:
        return dropped(x, self._seeds, step.name, step.rate)

    def mirror(self, step: Mirror, x: Any) -> Any:
        return reflected(x, step.pixels)

    def add(self, first: Any, second: Any) -> Any:
        return first + second
