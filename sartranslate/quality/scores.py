"""Scores of translations and of what they are compared with, as an evaluation tells them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from sartranslate.errors import OptionError


class Metric(NamedTuple):
    """What a score is called by people, in which unit it is, and which way it gets better."""

    label: str
    unit: str
    best: str  # one of BEST

    @property
    def heading(self) -> str:
        """The label as a line begins with it."""
        return f"{self.label[:1].upper()}{self.label[1:]}"


BEST = ("high", "low", "one")  # larger is better, smaller is, or nearer to 1
METRICS: Mapping[str, Metric] = {
    "psnr": Metric("PSNR", "dB", "high"),
    "ssim": Metric("SSIM", "", "high"),
    "mae": Metric("MAE", "grey levels", "low"),
    "spectral_angle": Metric("spectral angle", "radians", "low"),
    "sliced_wasserstein": Metric("sliced Wasserstein distance", "", "low"),
    "high_frequency_ratio": Metric("high-frequency ratio", "", "one"),
    "identity_collapse": Metric("identity-collapse ratio", "", "high"),
    "seam": Metric("seam score", "", "one"),
    "fid": Metric("FID", "", "low"),
    "lpips": Metric("LPIPS", "", "low"),
}
RANKED_BY = "mae"  # which no image lacks


class Score(NamedTuple):
    """A value and its 95 % interval, which is absent where there is a single tile."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class MethodScores:
    """Of a way to make pictures: a model, a given prediction, or a baseline. Raises `OptionError` for unknown names."""

    name: str
    scores: Mapping[str, Score]  # by names of METRICS; what was not measured is absent

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.scores) - set(METRICS)):
            raise OptionError(f"score {unknown[0]!r}: expected {', '.join(METRICS)}")


@dataclass(frozen=True)
class ImageScores:
    """Of one image, the unit that scores are averaged over."""

    name: str  # of its tile and, where that has several, the place in it
    scores: Mapping[str, float]


@dataclass(frozen=True)
class Evaluation:
    """All that was measured, fit for JSON."""

    subject: str  # the model, or the prediction
    facts: Mapping[str, str]  # what was evaluated and how, by name, for people
    methods: tuple[MethodScores, ...]  # the subject first, then the baselines
    images: tuple[ImageScores, ...]  # of the subject
    notes: tuple[str, ...] = ()  # what a reader must know, such as that there is no interval, or why a score is absent

    def as_dict(self) -> dict[str, Any]:
        """The same in plain types; JSON has no infinite number, which is the text "inf" instead."""
        return {
            "subject": self.subject,
            "facts": dict(self.facts),
            "methods": [
                {
                    "name": method.name,
                    "scores": {
                        name: {part: _plain(value) for part, value in score._asdict().items()}
                        for name, score in method.scores.items()
                    },
                }
                for method in self.methods
            ],
            "images": [
                {"name": image.name, "scores": {name: _plain(value) for name, value in image.scores.items()}}
                for image in self.images
            ],
            "notes": list(self.notes),
        }


def _plain(value: float | None) -> float | str | None:
    return value if value is None or math.isfinite(value) else str(value)
