"""A crop of an enlarged tile, computed without the rest of the enlarged tile."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sartranslate.backscatter.radiometry import Float

Index = NDArray[np.intp]

RESAMPLINGS = ("bicubic", "bilinear", "nearest")
TAPS = 4  # pixels that a bicubic value is made of, along each axis


class Span(NamedTuple):
    """Pixels `offset` to `offset + out` of an axis that is enlarged from `length` to `size` pixels, at least as many.

    Both ends of the axis stay where they are: pixel i of the enlarged axis has its centre at
    (i + 1/2) * length / size - 1/2 in pixels of the axis itself. "bilinear" alone keeps in place the centres of the
    first and the last pixel, and others less than half a pixel away from that.
    """

    length: int
    size: int
    offset: int
    out: int

    @property
    def reach(self) -> slice:
        """The pixels of the axis that these are computed from; where nothing is enlarged, these themselves."""
        if self.size == self.length:
            return slice(self.offset, self.offset + self.out)
        before = self.places()[0]
        return slice(max(int(before[0]) - 1, 0), min(int(before[-1]) + TAPS - 1, self.length))

    def places(self) -> tuple[Index, NDArray[np.float64]]:
        """(out,) the pixels of the axis at or before each centre, -1 at the least, and how far beyond, in [0, 1)."""
        # In whole numbers, so that a pixel does not depend on the span that it is part of.
        halves = (2 * np.arange(self.offset, self.offset + self.out, dtype=np.intp) + 1) * self.length - self.size
        pixel, rest = np.divmod(halves, 2 * self.size)
        return pixel, rest / (2 * self.size)


def enlarged(patch: NDArray[Any], rows: Span, cols: Span, resampling: str) -> NDArray[Any]:
    """(rows.out, cols.out, ...), bit for bit what the same rows and columns of the whole enlarged tile would be.

    `patch` holds the pixels of the tile in `rows.reach` and `cols.reach`, (H, W) or (H, W, C), and is itself the
    result where nothing is enlarged. "nearest" keeps the dtype and copies the pixel that a centre lies in, as
    TensorFlow 2 does. The others make float32: "bilinear" as image.scale of Torch 7 does, "bicubic" as Pillow does,
    equation 15 of Keys 1981, Cubic convolution interpolation for digital image processing, IEEE Trans. ASSP 29(6), in
    which what would lie outside the tile has no weight. That overshoots: of a patch in [-1, 1] its values lie within
    25/16 of 0.

    >>> ramp = np.arange(4.0)[None, :]
    >>> enlarged(ramp, Span(1, 1, 0, 1), Span(4, 8, 3, 2), "bicubic").tolist()
    [[1.25, 1.75]]
    >>> enlarged(ramp, Span(1, 1, 0, 1), Span(4, 8, 3, 2), "nearest").tolist()
    [[1.0, 2.0]]
    >>> enlarged(ramp, Span(1, 1, 0, 1), Span(4, 7, 3, 2), "bilinear").tolist()
    [[1.5, 2.0]]
    """
    along = {"bicubic": _bicubic, "bilinear": _bilinear, "nearest": _nearest}[resampling]
    for axis, span in enumerate((rows, cols)):
        if span.size != span.length:
            patch = along(patch, span, axis)
    return patch


def _nearest(patch: NDArray[Any], span: Span, axis: int) -> NDArray[Any]:
    before, part = span.places()
    return np.asarray(np.take(patch, before + (part >= 0.5) - span.reach.start, axis))


def _bilinear(patch: NDArray[Any], span: Span, axis: int) -> Float:
    # In whole numbers too.
    steps = np.arange(span.offset, span.offset + span.out, dtype=np.intp) * (span.length - 1)
    before, rest = np.divmod(steps, span.size - 1)
    part = np.asarray(rest / (span.size - 1), np.float32).reshape(span.out, *(1,) * (patch.ndim - 1 - axis))
    after = np.minimum(before + 1, span.length - 1)
    near, far = (np.take(patch, pixel - span.reach.start, axis) for pixel in (before, after))
    return np.asarray((1 - part) * near + part * far, np.float32)


def _bicubic(patch: NDArray[Any], span: Span, axis: int) -> Float:
    pixels, weights = _taps(span)
    broad = (TAPS, span.out, *(1,) * (patch.ndim - 1 - axis))
    total: Float = np.zeros((), np.float32)
    for pixel, weight in zip(pixels - span.reach.start, weights.reshape(broad), strict=True):
        total = total + np.take(patch, pixel, axis) * weight
    return np.asarray(total, np.float32)


def _taps(span: Span) -> tuple[Index, Float]:
    """(TAPS, out) the pixels that each value is made of, and their weights, which add up to 1."""
    before, part = span.places()
    pixels = before + np.arange(-1, TAPS - 1)[:, None]
    weights = np.stack([_far(1 + part), _near(part), _near(1 - part), _far(2 - part)])
    weights[(pixels < 0) | (pixels >= span.length)] = 0
    return np.clip(pixels, 0, span.length - 1), np.asarray(weights / weights.sum(axis=0), np.float32)


def _near(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weight of pixels up to 1 away."""
    return (1.5 * distance - 2.5) * distance**2 + 1


def _far(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weight of pixels 1 to 2 away."""
    return ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
