"""The steps that compute a generator, on plain arrays of any framework: what `folding` leaves of its layers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

from sartranslate.backscatter.radiometry import Float


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

    @property
    def convolutions(self) -> tuple[Convolve, ...]:
        """In the order they are computed in."""
        return tuple(step for step in self.steps if isinstance(step, Convolve))


class Results(ABC):
    """What each step comes to in some arithmetic, from the results of those that it uses."""

    def of(self, step: Step, *inputs: Any) -> Any:
        match step:
            case Convolve():
                return self._rectified(self.convolve(step, *inputs), step.slope)
            case Rectify():
                return self._rectified(inputs[0], step.slope)
            case Shuffle():
                return self.shuffle(step, *inputs)
            case Standardise():
                return self.standardise(step, *inputs)
            case Drop():
                return self.drop(step, *inputs)
            case Mirror():
                return self.mirror(step, *inputs)
            case Join():
                return self.join(*inputs)
            case Add():
                return self.add(*inputs)
            case Tanh():
                return self.tanh(*inputs)

    def _rectified(self, x: Any, slope: float) -> Any:
        if slope == 1:
            return x
        return self.leaky_relu(x, slope) if slope else self.relu(x)

    @abstractmethod
    def convolve(self, step: Convolve, x: Any) -> Any:
        """Without the slope for negative values."""

    @abstractmethod
    def shuffle(self, step: Shuffle, x: Any) -> Any: ...

    @abstractmethod
    def standardise(self, step: Standardise, x: Any) -> Any: ...

    @abstractmethod
    def drop(self, step: Drop, x: Any) -> Any: ...

    @abstractmethod
    def mirror(self, step: Mirror, x: Any) -> Any: ...

    @abstractmethod
    def join(self, first: Any, second: Any) -> Any: ...

    @abstractmethod
    def add(self, first: Any, second: Any) -> Any: ...

    @abstractmethod
    def tanh(self, x: Any) -> Any: ...

    @abstractmethod
    def relu(self, x: Any) -> Any: ...

    @abstractmethod
    def leaky_relu(self, x: Any, slope: float) -> Any: ...


def evaluate(folded: Folded, source: Any, results: Results) -> Any:
    """The result of the last step; none before it is kept longer than needed."""
    uses = [inputs(step) for step in folded.steps]
    last = {place: number for number, places in enumerate(uses) for place in places}
    known = {0: source}
    for number, (step, places) in enumerate(zip(folded.steps, uses, strict=True)):
        known[number + 1] = results.of(step, *(known[place] for place in places))
        for place in {place for place in places if last[place] == number}:
            del known[place]
    return known[len(folded.steps)]


def inputs(step: Step) -> tuple[int, ...]:
    """Whose results a step uses."""
    return (step.first, step.second) if isinstance(step, Join | Add) else (step.source,)


def renumbered(step: Step, numbers: Mapping[int, int]) -> Step:
    """The same step with those that it uses under other numbers."""
    if isinstance(step, Join | Add):
        return step._replace(first=numbers[step.first], second=numbers[step.second])
    return step._replace(source=numbers[step.source])
