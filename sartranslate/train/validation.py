"""A generator looked at between epochs: scores on fixed windows, and a sheet of examples."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from sartranslate.backscatter.radiometry import Float, Mask, to_rgb
from sartranslate.pages.sheet import Picture, sheet
from sartranslate.quality import metrics
from sartranslate.quality.wasserstein import sliced_wasserstein
from sartranslate.recipes.augmentation import Patches
from sartranslate.recipes.recipe import SCORES
from sartranslate.train.report import SCORE_PREFIX

BATCH = 8  # windows that are translated at a time
LEAST_VALID = 0.5  # share of a window's pixels; those with less say little

Generator = Callable[[Float], Float]  # (N, H, W, bands) to (N, H, W, 3), both in [-1, 1]


class Examination:
    """The same windows for every epoch: `scored` ones of validation pairs, and `shown` ones for the sheet."""

    def __init__(self, scored: Sequence[Patches], shown: Sequence[Patches], seed: int = 0) -> None:
        self._scored = [patches for patches in scored if _says_much(patches.mask)]
        self._shown = shown
        self._seed = seed

    @property
    def scores_anything(self) -> bool:
        return bool(self._scored)

    def scores(self, generator: Generator) -> dict[str, float]:
        """Means over the scored windows, named such as "val_ssim"; empty where there are none."""
        if not self._scored:
            return {}
        generated = [to_rgb(image) for image in translated(generator, self._scored)]
        truth = [to_rgb(patches.target) for patches in self._scored]
        scores = metrics.score_images(generated, truth, [patches.mask for patches in self._scored])
        # Patches and projections are drawn alike for every epoch, so that epochs differ by the generator alone.
        rng = np.random.default_rng(self._seed)
        distance = sliced_wasserstein(np.stack(self._where_valid(generated, truth)), np.stack(truth), rng).mean
        values = {**scores._asdict(), "sliced_wasserstein": distance}
        return {f"{SCORE_PREFIX}{name}": float(values[name]) for name in SCORES}

    def _where_valid(self, generated: list[Picture], truth: list[Picture]) -> list[Picture]:
        """The pictures, with the truth where nothing is known, so that it makes no difference."""
        triples = zip(generated, truth, self._scored, strict=True)
        return [np.where(patches.mask[..., None], fake, real) for fake, real, patches in triples]

    def sheet(self, generator: Generator) -> Picture:
        """SAR, prediction and truth of the shown windows."""
        sources, targets = zip(*((patches.source, patches.target) for patches in self._shown), strict=True)
        return sheet(list(sources), translated(generator, self._shown), list(targets))


def _says_much(mask: Mask) -> bool:
    """Whether enough of a window is valid, and some of it in one piece, as structural similarity needs."""
    return bool(mask.mean() >= LEAST_VALID and metrics.whole_windows(mask).any())


def translated(generator: Generator, windows: Sequence[Patches]) -> list[Float]:
    """(H, W, 3) of each window, in [-1, 1]."""
    images: list[Float] = []
    for first in range(0, len(windows), BATCH):
        images.extend(generator(np.stack([patches.source for patches in windows[first : first + BATCH]])))
    return images


def better(name: str, score: float, best: float | None) -> bool:
    """Whether a score of that name, one of `SCORES`, beats the best one so far."""
    return not math.isnan(score) and (best is None or SCORES[name] * score > SCORES[name] * best)
