"""The rasters of a comparison as pictures of one size, reduced strip by strip."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sartranslate.backscatter.radiometry import Float, Mask, to_rgb
from sartranslate.compare.comparison import Comparison, Part
from sartranslate.errors import PairsError
from sartranslate.pages.colour_ramp import coloured
from sartranslate.pages.sheet import Picture, encoded, visible
from sartranslate.scenes.optical import Optical, optical_reader
from sartranslate.scenes.reader import block_cache, scene_reader
from sartranslate.streaming.reduction import STRIP_ROWS, Read
from sartranslate.streaming.windows import Window

QUALITY = 85  # of WebP: 2000 x 2000 px take 0.5 MB in the colours of a translation and 1.7 MB as speckle
COVERED = 99.0  # percentile of the uncertainty that the ramp of colours reaches at least
RAMP_STEP = 5.0  # grey levels that its end is a multiple of


Watch = Callable[[int, int], None]


class Layer(NamedTuple):
    """A picture under its name."""

    name: str
    picture: Picture  # (H, W, 4) red, green, blue and alpha: 0 where no pixel of the block is valid, else 255


@dataclass(frozen=True)
class Pictures:
    """Layers of one size and, where the uncertainty is among them, the grey levels at the end of its ramp."""

    layers: tuple[Layer, ...]
    ramp_top: float | None = None


def draw(comparison: Comparison, watch: Watch = lambda done, planned: None) -> Pictures:
    """All layers of a comparison, SAR first, then the translation.

    The mean of a block is taken of what is shown: of scaled SAR values, of colours, of the uncertainty's grey levels.
    `watch` is told strips done and in all; it may raise to stop. Raises `PairsError` where no block is valid in all
    layers, `SceneError` for what can not be read.
    """
    drawing = _Drawing(comparison, watch)
    layers, top = [Layer("SAR", drawing.sar()), Layer("Translation", drawing.translation())], None
    if comparison.truth:
        layers.append(Layer("Truth", drawing.truth(comparison.truth)))
    if comparison.uncertainty:
        picture, top = drawing.uncertainty(comparison.uncertainty)
        layers.append(Layer("Uncertainty", picture))
    if not np.logical_and.reduce([layer.picture[..., 3] > 0 for layer in layers]).any():
        names = ", ".join(layer.name for layer in layers)
        raise PairsError(f"{comparison.translation.path}: no pixel that is valid in all of {names}, expected some")
    return Pictures(tuple(layers), top)


def ramp_top(levels: NDArray[Any]) -> float:
    """A round number of grey levels that hardly any exceeds, at least one step.

    >>> ramp_top(np.array([3.0, 11.0, 12.0])), ramp_top(np.array([]))
    (15.0, 5.0)
    """
    high = float(np.percentile(levels, COVERED)) if levels.size else 0.0
    return RAMP_STEP * max(1, int(np.ceil(high / RAMP_STEP)))


def as_webp(picture: Picture) -> bytes:
    """A picture (H, W, 4) as the bytes of a WebP file: colours with loss, transparency without."""
    return encoded(picture, "WEBP", QUALITY=QUALITY)


class _Drawing:
    """Draws layer by layer, and tells how far it is."""

    def __init__(self, comparison: Comparison, watch: Watch) -> None:
        self._comparison = comparison
        self._watch = watch
        layers = 2 + bool(comparison.truth) + bool(comparison.uncertainty)
        self._planned = layers * len(list(comparison.reduction.strips()))
        self._done = 0

    def sar(self) -> Picture:
        scaling = self._comparison.scaling
        with _part_reader(self._comparison.sar) as read:

            def scaled(window: Window) -> tuple[Float, Mask]:
                values, mask = read(window)
                return scaling.scaled(values, mask), mask

            return self._picture(scaled, lambda means: to_rgb(visible(means)))

    def translation(self) -> Picture:
        scene = self._comparison.translation
        with block_cache(scene, STRIP_ROWS), scene_reader(scene) as reader:
            return self._picture(reader.read_picture, _to_bytes)

    def truth(self, truth: Optical) -> Picture:
        scene = self._comparison.translation
        with block_cache(scene, STRIP_ROWS), optical_reader(truth, scene) as reader:
            return self._picture(reader.read, _to_bytes)

    def uncertainty(self, part: Part) -> tuple[Picture, float]:
        """The picture and the end of its ramp, which is known once all of it is reduced."""
        with _part_reader(part) as read:
            levels, valid = (np.concatenate(strips) for strips in zip(*self._means(read), strict=True))
        top = ramp_top(levels[valid])
        return _with_alpha(coloured(levels[..., 0], top), valid), top

    def _picture(self, read: Read, colour: Callable[[Float], Picture]) -> Picture:
        return np.concatenate([_with_alpha(colour(means), valid) for means, valid in self._means(read)])

    def _means(self, read: Read) -> Iterator[tuple[Float, Mask]]:
        for strip in self._comparison.reduction.means(read):
            yield strip
            self._done += 1
            self._watch(self._done, self._planned)


@contextmanager
def _part_reader(part: Part) -> Iterator[Read]:
    """Reads windows of the translation from a scene that it is a part of."""
    row_off, col_off = part.corner
    with block_cache(part.scene, STRIP_ROWS), scene_reader(part.scene) as reader:
        yield lambda window: reader.read(window.relative(-row_off, -col_off))


def _to_bytes(means: Float) -> Picture:
    return np.asarray(np.rint(means), np.uint8)


def _with_alpha(colours: Picture, valid: Mask) -> Picture:
    return np.concatenate([colours, np.where(valid, 255, 0).astype(np.uint8)[..., None]], axis=-1)
