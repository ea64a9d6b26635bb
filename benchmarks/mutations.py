"""Seeded damage to bytes and to JSON, whatever they mean: what all corpora of `fuzz.py` are made with.

Every function draws from the generator that it is given, so that a case is the same wherever it is made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.random import Generator

Item = TypeVar("Item")

WHOLE = (0, 1, 2, 3, 7, 255, 256, 32767, 65535, 65536, 10**6, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)
REAL = (0.0, -0.0, 1.0, -1.0, 1e-300, 5e-324, 1e-9, 1e9, 1e38, 1e300, -1e300, np.nan, np.inf, -np.inf)
TEXTS = ("", " ", "nan", "\x00", "a\nb", "\ud800", "\u202e\u0416", "../../x", "%s%n", "<a>&amp;</b>", "x" * 70_000)
DEPTHS = (3, 100, 5_000, 200_000)
LONGEST_RUN = 64  # bytes that one damage overwrites


def one_of(rng: Generator, items: Sequence[Item]) -> Item:
    return items[int(rng.integers(len(items)))]


def some(rng: Generator, most: int) -> range:
    """So many times, one at least."""
    return range(int(rng.integers(1, most + 1)))


def damaged(rng: Generator, content: bytes) -> bytes:
    """The bytes with one damage that knows nothing of their format."""
    return one_of(rng, DAMAGES)(rng, content)


def truncated(rng: Generator, content: bytes) -> bytes:
    return content[: int(rng.integers(len(content) + 1))]


def flipped(rng: Generator, content: bytes) -> bytes:
    """A few bits are others."""
    changed = bytearray(content)
    for place in rng.integers(0, max(len(changed), 1), len(some(rng, 8))) if changed else ():
        changed[place] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def overwritten(rng: Generator, content: bytes) -> bytes:
    """A run of bytes is drawn anew, or all zeros, or all ones."""
    start, length = int(rng.integers(len(content) + 1)), len(some(rng, LONGEST_RUN))
    run = one_of(rng, (rng.bytes(length), bytes(length), b"\xff" * length))
    return content[:start] + run + content[start + length :]


def spliced(rng: Generator, content: bytes) -> bytes:
    """A part is left out, or comes twice, so that all behind it has another place."""
    first, last = sorted(int(place) for place in rng.integers(0, len(content) + 1, 2))
    return content[:first] + content[last:] if rng.random() < 0.5 else content[:last] + content[first:]


def appended(rng: Generator, content: bytes) -> bytes:
    return content + rng.bytes(len(some(rng, 1000)))


DAMAGES: tuple[Callable[[Generator, bytes], bytes], ...] = (truncated, flipped, overwritten, spliced, appended)


def odd_number(rng: Generator) -> int | float:
    number: int | float = one_of(rng, REAL) if rng.random() < 0.4 else one_of(rng, WHOLE)
    return -number if rng.random() < 0.2 else number


def odd_value(rng: Generator) -> Any:
    """Anything that JSON can hold where something else is expected."""
    deep = nested(one_of(rng, DEPTHS[:2]))
    plain: tuple[Any, ...] = (None, True, False, [], {}, [[]], {"": None}, 10**400, [0] * 5000, deep)
    kind = rng.random()
    if kind < 0.4:
        return odd_number(rng)
    return one_of(rng, TEXTS) if kind < 0.65 else one_of(rng, plain)


def nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


def with_odd_part(rng: Generator, content: Any) -> Any:
    """The JSON value with one part, drawn at any depth, replaced, renamed, left out or put in twice."""
    if not isinstance(content, dict | list) or not content or rng.random() < 0.05:
        return odd_value(rng)
    keys = list(content) if isinstance(content, dict) else list(range(len(content)))
    key = one_of(rng, keys)
    copy: Any = content.copy()
    if rng.random() < 0.6:
        copy[key] = with_odd_part(rng, content[key])
    elif rng.random() < 0.4:
        del copy[key]
    elif isinstance(copy, dict):
        copy[one_of(rng, TEXTS) if rng.random() < 0.5 else f"{key}_"] = copy[key]
    else:
        copy.insert(int(key), copy[key])
    return copy


def with_deep_text(rng: Generator, text: str) -> str:
    """JSON with brackets nested deeper than parsers like, at a place where a value begins."""
    places = [place + 1 for place, sign in enumerate(text) if sign in ":[,"] or [0]
    place, depth = one_of(rng, places), one_of(rng, DEPTHS)
    opened, closed = one_of(rng, (("[", "]"), ('{"a":', "}")))
    return f"{text[:place]}{opened * depth}1{closed * depth},{text[place:]}"


def case_generator(seed: int, corpus: str, number: int) -> Generator:
    """The random numbers of one case, whichever others are made."""
    return np.random.default_rng([seed, *corpus.encode(), number])
