"""Short fingerprints of training data, and in what two sets of them differ."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b, sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

DIGEST_BYTES = 8  # a million tiles share one by chance once in 37 million sets


def digest(*arrays: NDArray[Any], text: str = "") -> str:
    """16 hexadecimal digits that change with any value, shape or type of the arrays, and with the text.

    They are the same on any machine and for any memory layout.

    >>> digest(np.arange(3)) == digest(np.arange(3.0))
    False
    """
    state = blake2b(text.encode(), digest_size=DIGEST_BYTES)
    for array in arrays:
        plain = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        state.update(f"|{plain.dtype.str}{plain.shape}".encode())
        state.update(plain.data.cast("B") if plain.size else b"")
    return state.hexdigest()


def text_digest(value: object) -> str:
    """The same of what prints itself, as plain data classes and numbers do."""
    return digest(text=repr(value))


def checksum(tensors: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256 of arrays as they are stored, 64 hexadecimal digits that change with any name, type, shape or byte.

    >>> checksum({"a": np.zeros(2), "b": np.ones(2)}) == checksum({"b": np.ones(2), "a": np.zeros(2)})
    True
    """
    state = sha256()
    for name, array in sorted(tensors.items()):
        plain = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        state.update(f"|{name}|{plain.dtype.str}{plain.shape}".encode())
        state.update(plain.data.cast("B") if plain.size else b"")
    return state.hexdigest()


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """What has changed, is gone and is new, by name; empty where both are alike.

    >>> differences({"a.png": "1", "b.png": "2"}, {"b.png": "3", "c.png": "4"})
    ['a.png is gone', 'b.png changed', 'c.png is new']
    """
    lines = []
    for name in sorted(before.keys() | now.keys()):
        if name not in now:
            lines.append(f"{name} is gone")
        elif name not in before:
            lines.append(f"{name} is new")
        elif before[name] != now[name]:
            lines.append(f"{name} changed")
    return lines
