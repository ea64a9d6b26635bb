"""How far the pictures that a generator could have drawn of the same SAR differ from each other.

Each sample is one pass of a network that drops values over the patch, mirrored and with a little more or less
contrast; its picture is mirrored back. Dropout at inference is the sampling of Gal and Ghahramani 2016, "Dropout as a
Bayesian Approximation", arXiv 1506.02142; what changes the input is the test-time augmentation of Wang et al. 2019,
arXiv 1807.07356. Contrast follows from the scaling, which hangs on calibration or on what else lies in a scene. The
spread says how much of a picture hangs on such accidents. It is no error: what all samples get wrong alike, it does
not show.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sartranslate.backscatter.radiometry import Float
from sartranslate.errors import OptionError

SPREAD_TAG = "SARTRANSLATE_SPREAD"  # of a raster of it, a text as `Spread.describe` makes it
SAMPLES = 8  # where nobody says
UPRIGHT = 8  # samples before the first transposed one: none, left-right, up-down and both mirrors, twice
CONTRAST = 0.2  # how much more or less of it a patch has at most
GOLDEN = (math.sqrt(5) - 1) / 2  # multiples of it, modulo 1, cover 0 to 1 evenly, however many there are
GREY_LEVELS = 127.5  # in a step of 1 of a generator's output

# (N, H, W, bands) and whole numbers (N,) that decide what is dropped -> (N, H, W, colours) in [-1, 1]
Sampler = Callable[[Float, NDArray[np.int32]], Float]


class Sample(NamedTuple):
    """One way to draw a picture: what is dropped, how the patch lies meanwhile, and its contrast."""

    seed: int
    up_down: bool
    left_right: bool
    transposed: bool
    contrast: float

    def seen(self, batch: Float) -> Float:
        """(N, H, W, C) in [-1, 1] as the network sees it: turned, the distance from 0 times the contrast, clipped."""
        batch = self._mirrored(batch)
        turned = batch.swapaxes(1, 2) if self.transposed else batch
        seen = np.multiply(turned, np.float32(self.contrast), order="C")
        return np.clip(seen, -1, 1, out=seen)

    def back(self, batch: Float) -> Float:
        """As it lay before `seen`, exactly."""
        return self._mirrored(batch.swapaxes(1, 2) if self.transposed else batch)

    def _mirrored(self, batch: Float) -> Float:
        return batch[:, :: -1 if self.up_down else 1, :: -1 if self.left_right else 1]


@dataclass(frozen=True)
class Spread:
    """Gives each pixel's spread over samples: (N, H, W, bands) -> (N, H, W, 1) in grey levels, float32.

    It is the root mean square over the colours of their standard deviations, estimated from `count` samples
    (divided by one less). That of a patch depends on that patch alone, and samples are the same for each: number
    n has seed n and mirror n modulo 4, from the ninth to the 16th transposed as well, and so on. Each has a contrast
    of its own. Raises `OptionError` for fewer than 2 samples.
    """

    sampler: Sampler
    count: int = SAMPLES
    dropout: float = 0.5  # the share of values that the sampler drops

    def __post_init__(self) -> None:
        if self.count < 2:
            raise OptionError(f"uncertainty samples {self.count}: expected at least 2")

    @property
    def samples(self) -> tuple[Sample, ...]:
        return tuple(
            Sample(
                number,
                up_down=bool(number & 2),
                left_right=bool(number & 1),
                transposed=bool(number & UPRIGHT),
                contrast=1 + CONTRAST * (2 * ((number + 0.5) * GOLDEN % 1) - 1),
            )
            for number in range(self.count)
        )

    def __call__(self, batch: Float) -> Float:
        return deviation(self._drawn(batch, sample) for sample in self.samples)

    def describe(self) -> str:
        """One line for people.

        >>> Spread(lambda batch, seeds: batch).describe()
        '8 samples of each window in 4 orientations, contrast 0.81 to 1.17, dropout 0.5'
        """
        orientations = len({sample[1:4] for sample in self.samples})
        contrasts = [sample.contrast for sample in self.samples]
        contrast = f"contrast {min(contrasts):.2f} to {max(contrasts):.2f}"
        dropped = f"dropout {self.dropout:g}" if self.dropout else "a model without dropout"
        return f"{self.count} samples of each window in {orientations} orientations, {contrast}, {dropped}"

    def _drawn(self, batch: Float, sample: Sample) -> Float:
        seeds = np.full(len(batch), sample.seed, np.int32)
        return sample.back(np.asarray(self.sampler(sample.seen(batch), seeds)))


def deviation(drawn: Iterable[Float]) -> Float:
    """(N, H, W, 1) standard deviations in grey levels over two or more (N, H, W, colours) in [-1, 1].

    Only the running mean and sum of squares are held (Welford 1962, Technometrics 4(3) 419-420), so equal pictures
    give exactly 0.
    """
    pictures = (picture.astype(np.float32) for picture in drawn)
    mean = next(pictures)
    squares = np.zeros_like(mean)
    for count, picture in enumerate(pictures, 2):
        difference = picture - mean
        mean += difference / np.float32(count)
        squares += difference * (picture - mean)
    variances = squares.mean(axis=-1, keepdims=True) / np.float32(count - 1)
    return np.asarray(GREY_LEVELS * np.sqrt(variances), np.float32)


def to_levels(spread: ArrayLike) -> NDArray[np.uint8]:
    """Grey levels -> uint8, rounded to the nearest, 255 for all that is more.

    >>> to_levels([0.4, 17.6, 300.0]).tolist()
    [0, 18, 255]
    """
    return np.asarray(np.clip(np.rint(spread), 0, 255), np.uint8)
