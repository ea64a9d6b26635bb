"""The steps that compute a generator, on plain arrays of any framework: what `folding` leaves of its layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sartranslate.radiometry import Float


class Convolve(NamedTuple):
    """A convolution, and what comes of its values."""

    source: int
    kernel: Float  # (height, width, channels in, channels out)
    bias: Float  # (channels out,)
    stride: int = 1
    padding: tuple[int, int] = (0, 0)  # zeros before and behind, both axes alike
    slope: float = 1.0  # of negative values; 1: as they are, 0: ReLU


class Shuffle(NamedTuple):
    """(N, H, W, 4 C) -> (N, 2 H - b, 2 W - b, C): channels as 2 x 2 pixels, of which a border is cut off."""

    source: int
    border: tuple[int, int]  # pixels before and behind, both axes alike


class Rectify(NamedTuple):
    """A slope for negative values."""

    source: int
    slope: float


class Standardise(NamedTuple):
    """Each channel of each sample to mean 0 and variance 1, then times a scale, plus an offset; in float32."""

    source: int
    epsilon: float
    scale: Float  # (channels,)
    offset: Float


class Drop(NamedTuple):
    """Values that dropout of this name takes, for the seed of each sample."""

    source: int
    rate: float
    name: str


class Mirror(NamedTuple):
    """So many pixels mirrored outwards."""

    source: int
    pixels: int


class Join(NamedTuple):
    """Channels behind each other."""

    first: int
    second: int


class Add(NamedTuple):
    """A sum."""

    first: int
    second: int


class Tanh(NamedTuple):
    """In float32."""

    source: int


Step = Convolve | Shuffle | Rectify | Standardise | Drop | Mirror | Join | Add | Tanh


class Folded(NamedTuple):
    """Steps that use the results of earlier ones: 0 is the source, n the result of the n-th, the last is the target."""

    steps: tuple[Step, ...]
    source_bands: int
    target_bands: int
    seeded: bool = False  # takes seeds (N,), which decide what is dropped; else each sample has seed 0

    @property
    def dropout(self) -> float:
        """The share of values that it drops in use."""
        return max((step.rate for step in self.steps if isinstance(step, Drop)), default=0.0)


def evaluate(folded: Folded, source: Any, compute: Callable[..., Any]) -> Any:
    """The last result, where `compute` has that of a step from those that it uses; none is kept longer than needed."""
    uses = [inputs(step) for step in folded.steps]
    last = {place: number for number, places in enumerate(uses) for place in places}
    results = {0: source}
    for number, (step, places) in enumerate(zip(folded.steps, uses, strict=True)):
        results[number + 1] = compute(step, *(results[place] for place in places))
        for place in {place for place in places if last[place] == number}:
            del results[place]
    return results[len(folded.steps)]


def inputs(step: Step) -> tuple[int, ...]:
    """Whose results a step uses."""
    return (step.first, step.second) if isinstance(step, Join | Add) else (step.source,)


def renumbered(step: Step, numbers: Mapping[int, int]) -> Step:
    """The same step with those that it uses under other numbers."""
    if isinstance(step, Join | Add):
        return step._replace(first=numbers[step.first], second=numbers[step.second])
    return step._replace(source=numbers[step.source])
