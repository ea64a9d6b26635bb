"""Batches no larger than the memory of the device allows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sartranslate.backscatter.radiometry import Float
from sartranslate.errors import DeviceMemoryError


def within_memory(
    generator: Callable[..., Float], tell: Callable[[str], None] = lambda line: None
) -> Callable[..., Float]:
    """The same generator, which computes half a batch at a time from the first one on that does not fit.

    It takes arrays whose first axis is that of the batch, and goes on halving down to single samples; `tell` is
    told each time. Raises `DeviceMemoryError` where even one does not fit.
    """
    most: int | None = None

    def generate(*batch: Any) -> Float:
        nonlocal most
        while True:
            size = min(most or len(batch[0]), len(batch[0]))
            try:
                parts = [generator(*part) for part in _cut(batch, size)]
            except DeviceMemoryError:
                if size == 1:
                    raise
                most = -(-size // 2)
                tell(f"Out of memory: a batch of {size} does not fit, going on with {most} at a time")
                continue
            return parts[0] if len(parts) == 1 else np.concatenate(parts)

    return generate


def _cut(arrays: tuple[Any, ...], size: int) -> list[list[Any]]:
    """The same part of all arrays at a time."""
    return [[array[first : first + size] for array in arrays] for first in range(0, len(arrays[0]), size)]
