"""Training pairs varied at random: place, size and orientation of both sides alike, speckle and gain of the radar's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from sartranslate.backscatter.radiometry import Float, Mask
from sartranslate.errors import OptionError
from sartranslate.limits import check_choices, check_flags, check_numbers, check_whole
from sartranslate.recipes.resample import RESAMPLINGS, Span, enlarged
from sartranslate.streaming.windows import Window

LEAST_SPECKLE = 0.01  # ten thousand looks; weaker noise can not be seen
MOST_ENLARGED = 8192  # pixels
MOST_GAIN = 10.0  # decibels


class Patches(NamedTuple):
    """A pair and its mask on the same ground: float32 in [-1, 1], and True = valid on both sides."""

    source: Float  # (H, W, bands)
    target: Float  # (H, W, 3)
    mask: Mask  # (H, W)


@dataclass(frozen=True)
class Draw:
    """The geometry of one crop, which is the same for both sides and the mask: one of these serves all."""

    rows: Span  # of the enlarged tile; its offset is the crop's
    cols: Span
    turns: int = 0  # quarter turns, counterclockwise
    mirror: bool = False  # left to right, after the turns

    @property
    def window(self) -> Window:
        """The pixels of the tile that the crop is computed from, whatever the resampling."""
        rows, cols = self.rows.reach, self.cols.reach
        return Window(rows.start, cols.start, rows.stop - rows.start, cols.stop - cols.start)

    def placed(self, patch: NDArray[Any], resampling: str) -> NDArray[Any]:
        """The square crop (size, size, ...), enlarged and turned, of what was read through `window`."""
        crop = np.rot90(enlarged(patch, self.rows, self.cols, resampling), self.turns)
        return crop[:, ::-1] if self.mirror else crop


@dataclass(frozen=True)
class Augmentation:
    """What a crop may differ in from the tile that it is taken out of. Raises `OptionError` for a value out of range.

    Jitter is that of Isola et al. 2017, section 6.2: a patch is enlarged and a crop of its former size taken out.
    Speckle multiplies power by gamma noise of mean 1, as averaging over 1 / speckle^2 looks leaves it (Oliver & Quegan
    2004, Understanding Synthetic Aperture Radar Images, ch. 4). A generator that has never seen a crop without it is
    lost on scenes, which come without it.
    """

    enlarge: int = 0  # pixels that a patch of the crop's size grows by before the crop is taken; 30 makes 256 into 286
    resampling: str = "bicubic"  # one of RESAMPLINGS; the mask is always "nearest"
    mirror: bool = True
    turns: bool = True  # by any number of right angles
    speckle: float = 0.0  # standard deviation of the factor on SAR power; 1 is a single look
    speckle_share: float = 0.5  # of the crops that get it
    gain: float = 0.0  # decibels, standard deviation of what is added to each SAR channel of a crop

    def __post_init__(self) -> None:
        check_choices(self, resampling=RESAMPLINGS)
        check_whole(self, enlarge=(0, MOST_ENLARGED))
        check_flags(self, "mirror", "turns")
        check_numbers(self, speckle=(0.0, 1.0), speckle_share=(0.0, 1.0), gain=(0.0, MOST_GAIN))
        if 0 < self.speckle < LEAST_SPECKLE:
            raise OptionError(f"speckle {self.speckle}: expected 0, or {LEAST_SPECKLE} to 1 (a single look)")

    @property
    def needs_decibels(self) -> bool:
        """Whether SAR values are changed by decibels, which those without a physical scale can not be."""
        return self.speckle > 0 or self.gain > 0

    def least_side(self, size: int) -> int:
        """Pixels that both sides of a tile need for crops of `size`: fewer than `size` where tiles are enlarged."""
        return -(-(size**2) // (size + self.enlarge))

    def draw(self, rng: Generator, height: int, width: int, size: int) -> Draw:
        """A crop of `size` pixels, equally likely at all places of the enlarged tile and in all orientations.

        Mirror or turns being off leaves the rest of what is drawn as it was. Raises `OptionError` for a tile smaller
        than `least_side`.
        """
        least = self.least_side(size)
        if min(height, width) < least:
            raise OptionError(f"a tile of {height} x {width} pixels: expected at least {least} x {least}")
        rows, cols = (self._span(rng, length, size) for length in (height, width))
        turns, mirror = int(rng.integers(4)), bool(rng.integers(2))
        return Draw(rows, cols, turns if self.turns else 0, mirror and self.mirror)

    def _span(self, rng: Generator, length: int, size: int) -> Span:
        whole = round(length * (size + self.enlarge) / size)
        return Span(length, whole, int(rng.integers(whole - size + 1)), size)

    def apply(self, patches: Patches, draw: Draw, rng: Generator, decibels: tuple[float, ...] | None = None) -> Patches:
        """The crop of `draw`, out of what was read through `draw.window`, in [-1, 1]; what exceeds that is clipped.

        `decibels` says channel by channel how many [-1, 1] stands for in the source; None, of values without a
        physical scale, leaves speckle and gain out. Raises `OptionError` where patches or decibels do not fit.
        """
        _check(patches, draw, decibels)
        source, target = (draw.placed(side, self.resampling) for side in (patches.source, patches.target))
        if decibels is not None and self.needs_decibels:
            source = source + self._noise(rng, source.shape, decibels)
        return Patches(np.clip(source, -1, 1), np.clip(target, -1, 1), draw.placed(patches.mask, "nearest"))

    def _noise(self, rng: Generator, shape: tuple[int, ...], decibels: tuple[float, ...]) -> Float:
        """Speckle and gain in units of the scaled source."""
        noise = rng.normal(0, self.gain, len(decibels)).astype(np.float32)
        if self.speckle > 0 and rng.random() < self.speckle_share:
            noise = noise + _speckle(rng, shape, self.speckle)
        return np.asarray(noise * 2 / np.asarray(decibels, np.float32), np.float32)


def _speckle(rng: Generator, shape: tuple[int, ...], deviation: float) -> Float:
    """Gamma noise of mean 1 and this standard deviation, in decibels."""
    looks = deviation**-2
    factor = rng.standard_gamma(looks, shape, np.float32) / np.float32(looks)
    # A single look draws a 0 now and then.
    return np.asarray(10 * np.log10(np.maximum(factor, np.finfo(np.float32).tiny)), np.float32)


def _check(patches: Patches, draw: Draw, decibels: tuple[float, ...] | None) -> None:
    expected = draw.window[2:]
    for name, patch in patches._asdict().items():
        if patch.shape[:2] != expected:
            found = " x ".join(str(side) for side in patch.shape[:2])
            raise OptionError(f"{name} of {found} pixels: expected {expected[0]} x {expected[1]}, the draw's window")
    channels = patches.source.shape[-1]
    if decibels is not None and len(decibels) != channels:
        raise OptionError(f"{len(decibels)} decibel widths: expected {channels}, one for each channel of the source")
