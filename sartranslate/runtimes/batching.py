"""Batches no larger than the memory of the device allows."""

from __future__ import annotations

from collections.abc import Callable
from threading import Condition, Lock
from typing import Any

import numpy as np

from sartranslate.backscatter.radiometry import Float
from sartranslate.errors import DeviceMemoryError


def within_memory(
    generator: Callable[..., Float], tell: Callable[[str], None] = lambda line: None
) -> Callable[..., Float]:
    """The same generator, which computes half a batch at a time from the first one on that does not fit.

    It takes arrays whose first axis is that of the batch, and goes on halving down to single samples; `tell` is
    told each time. Calls at once are made one after the other from then on. Raises `DeviceMemoryError` where even a
    single sample does not fit alone.
    """
    return _WithinMemory(generator, tell)


class _WithinMemory:
    def __init__(self, generator: Callable[..., Float], tell: Callable[[str], None]) -> None:
        self._generator, self._tell = generator, tell
        self._alone, self._landing = Lock(), Condition()
        self._flying = 0  # calls that are made at once
        self._short = False  # of memory: calls at once would take it from each other
        self._most: int | None = None  # samples that fit

    def __call__(self, *batch: Any) -> Float:
        if self._may_begin():
            try:
                return self._generator(*batch)
            except DeviceMemoryError:
                self._short = True
            finally:
                self._has_ended()
        with self._alone:
            with self._landing:
                self._landing.wait_for(lambda: not self._flying)
            return self._in_parts(batch)

    def _may_begin(self) -> bool:
        """Whether a call may be made while others are, as one that has begun."""
        with self._landing:
            self._flying += not self._short
            return not self._short

    def _has_ended(self) -> None:
        with self._landing:
            self._flying -= 1
            self._landing.notify_all()

    def _in_parts(self, batch: tuple[Any, ...]) -> Float:
        while True:
            size = min(self._most or len(batch[0]), len(batch[0]))
            try:
                parts = [self._generator(*part) for part in _cut(batch, size)]
            except DeviceMemoryError:
                if size == 1:
                    raise
                self._most = -(-size // 2)
                self._tell(f"Out of memory: a batch of {size} does not fit, going on with {self._most} at a time")
                continue
            return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _cut(arrays: tuple[Any, ...], size: int) -> list[list[Any]]:
    """The same part of all arrays at a time."""
    return [[array[first : first + size] for array in arrays] for first in range(0, len(arrays[0]), size)]
