"""The best, the middling and the worst images of an evaluation, each as SAR, prediction and truth."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np

from sartranslate.backscatter.radiometry import Float, Mask, from_rgb
from sartranslate.pages.page import SheetFigure
from sartranslate.pages.sheet import encoded, sheet
from sartranslate.quality.scores import METRICS, RANKED_BY, ImageScores
from sartranslate.quality.scoring import Picture, Place, Sample, largest_set

ROWS = 4


class Images(Protocol):
    """Where images can be had again."""

    @property
    def places(self) -> Sequence[Place]: ...

    def translated(self, wanted: Collection[str] | None = None) -> Iterator[tuple[Sample, Picture]]: ...


def contact_sheets(images: Images, scores: Sequence[ImageScores]) -> list[SheetFigure]:
    """Up to four images a sheet by their mean absolute error, of the size that most have; invalid pixels are black.

    Of fewer than three images there is one sheet. Without SAR its column is empty.
    """
    sizes = {place.name: place.size for place in images.places}
    size, _ = largest_set([sizes[image.name] for image in scores])
    ranked = sorted((image for image in scores if sizes[image.name] == size), key=lambda image: image.scores[RANKED_BY])
    groups = _groups(ranked)
    wanted = {image.name for group in groups.values() for image in group}
    found = {sample.place.name: (sample, picture) for sample, picture in images.translated(wanted)}
    return [_figure(title, group, len(ranked), found) for title, group in groups.items()]


def _groups(ranked: Sequence[ImageScores]) -> Mapping[str, Sequence[ImageScores]]:
    """No image is in two of them."""
    count = min(ROWS, len(ranked) // 3)
    if not count:
        return {"All": ranked}
    middle = (len(ranked) - count) // 2
    return {"Best": ranked[:count], "Median": ranked[middle : middle + count], "Worst": ranked[: -count - 1 : -1]}


def _figure(
    title: str, group: Sequence[ImageScores], of: int, found: Mapping[str, tuple[Sample, Picture]]
) -> SheetFigure:
    metric = METRICS[RANKED_BY]
    named = "; ".join(f"{image.name}: {image.scores[RANKED_BY]:.1f}" for image in group)
    images = [found[image.name] for image in group]
    first = "no SAR given" if images[0][0].source is None else "SAR"
    caption = f"{title} of {of} by {metric.label} in {metric.unit}, from the top: {named}"
    return SheetFigure(caption, _drawn(images), (first, "prediction", "truth"))


def _drawn(images: Sequence[tuple[Sample, Picture]]) -> bytes:
    sources = [_source(sample) for sample, _ in images]
    predictions = [_shown(picture, sample.mask) for sample, picture in images]
    return encoded(sheet(sources, predictions, [_shown(sample.truth, sample.mask) for sample, _ in images]))


def _source(sample: Sample) -> Float:
    return np.zeros((*sample.mask.shape, 1), np.float32) if sample.source is None else sample.source


def _shown(picture: Picture, mask: Mask) -> Float:
    return np.where(mask[..., None], from_rgb(picture), np.float32(-1))
