"""The weights that training starts from, drawn by numpy: the same for every backend."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from sartranslate.limits import check_choices, check_numbers

KINDS = ("normal", "xavier", "kaiming", "orthogonal")

Float = NDArray[np.float32]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Initialisation:
    """How kernels and the scales of batch norm are drawn; raises `OptionError` for a value out of range.

    "xavier" is Glorot & Bengio 2010, equation 16, as a normal distribution; "kaiming" is He et al. 2015,
    equation 10, which leaves no room for a gain; "orthogonal" is Saxe et al. 2014.
    """

    kind: str = "normal"  # one of KINDS
    gain: float = 0.02  # standard deviation of "normal"; factor of "xavier" and "orthogonal"
    scale_deviation: float = 0.02  # of the scales of batch norm, about 1

    def __post_init__(self) -> None:
        check_choices(self, kind=KINDS)
        check_numbers(self, gain=(1e-6, 100.0), scale_deviation=(0.0, 1.0))


def initial_value(initialisation: Initialisation, path: str, shape: Shape, seed: int) -> Float:
    """What the variable at `path` starts from: a function of these arguments, whatever else is drawn.

    `path` is that of Keras, such as "down0/kernel", and its last part says what is drawn: kernels as
    `initialisation` says, scales ("gamma") about 1, a unit vector for spectral normalisation ("u"). All
    others start from 0, or 1 for a stored variance. `seed` is not negative.
    """
    rng = np.random.default_rng((seed, zlib.crc32(path.encode())))
    name = path.rsplit("/", 1)[-1]
    if name == "kernel":
        return _KERNELS[initialisation.kind](rng, shape, initialisation.gain)
    if name == "gamma":
        return 1 + _normal(rng, shape, initialisation.scale_deviation)
    if name == "u":
        vector = _normal(rng, shape, 1.0)
        return vector / np.linalg.norm(vector)
    return np.full(shape, float(name == "moving_variance"), np.float32)


def _normal(rng: Generator, shape: Shape, deviation: float) -> Float:
    return rng.standard_normal(shape, np.float32) * np.float32(deviation)


def _xavier(rng: Generator, shape: Shape, gain: float) -> Float:
    return _normal(rng, shape, gain * math.sqrt(2 / (_fan_in(shape) + _fan_out(shape))))


def _kaiming(rng: Generator, shape: Shape, gain: float) -> Float:
    return _normal(rng, shape, math.sqrt(2 / _fan_in(shape)))


def _orthogonal(rng: Generator, shape: Shape, gain: float) -> Float:
    """The kernel as a matrix with a row for each entry of the last axis: its shorter side's vectors are orthogonal."""
    size, rows = math.prod(shape[:-1]), shape[-1]
    columns, triangle = np.linalg.qr(rng.standard_normal((max(size, rows), min(size, rows))))
    columns *= np.where(np.diag(triangle) < 0, -1, 1)  # all rotations become equally likely
    matrix = columns if size >= rows else columns.T
    return (gain * matrix).reshape(shape).astype(np.float32)


# The last two axes are (in, out) of a convolution and (out, in) of a transposed one. The seeds' fans (PyTorch's,
# and Keras' own) follow the axes, not the meaning: "in" of a transposed convolution counts its output channels.


def _fan_in(shape: Shape) -> int:
    return math.prod(shape[:-1])


def _fan_out(shape: Shape) -> int:
    return math.prod(shape[:-2]) * shape[-1]


_KERNELS: dict[str, Callable[[Generator, Shape, float], Float]] = {
    "normal": _normal,
    "xavier": _xavier,
    "kaiming": _kaiming,
    "orthogonal": _orthogonal,
}
