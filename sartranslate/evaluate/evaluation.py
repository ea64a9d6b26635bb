"""Score a model on folders of pairs, or a translated scene against an optical image, under one protocol."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sartranslate import __version__
from sartranslate.errors import PairsError
from sartranslate.evaluate.perceptual import Perceptual
from sartranslate.evaluate.raster_images import RasterImages
from sartranslate.evaluate.tile_images import EvaluatedPairs, TileImages, Translation
from sartranslate.quality.baselines import BaselineFit, Baselines
from sartranslate.quality.bootstrap import Resamples
from sartranslate.quality.metrics import WINDOW
from sartranslate.quality.scores import METRICS, Evaluation, MethodScores, Score
from sartranslate.quality.scoring import Picture, Place, Sample, Scoring
from sartranslate.quality.seams import SeamSums
from sartranslate.rasters.address import last_part, public

SEED = 0  # of all that is drawn: patches, directions and resamples
SEEN = "Some of these pairs may be those that the model was trained on; scores on such pairs flatter it."
NO_BORDERS = "Seam score: no {subject} is larger than the windows that it is translated in."
NO_WINDOWS = "Seam score: the prediction does not tell which windows it was translated in; --window and --overlap do."

Watch = Callable[[int, int], None]


class Imagery(Protocol):
    """Images to score, which can be gone through several times."""

    @property
    def places(self) -> Sequence[Place]: ...

    def samples(self) -> Iterator[Sample]: ...

    def translated(self, wanted: Collection[str] | None = None) -> Iterator[tuple[Sample, Picture]]: ...

    def seams(self) -> Mapping[int, SeamSums]: ...


@dataclass(frozen=True)
class Subject:
    """What is evaluated, in words."""

    name: str  # of the model or the prediction
    where: str  # as the user calls the files
    facts: Mapping[str, str]  # by name
    notes: Sequence[str]


def evaluate_pairs(
    evaluated: EvaluatedPairs, translation: Translation, subject: str, watch: Watch = lambda done, planned: None
) -> tuple[Evaluation, TileImages]:
    """Scores of a generator, called `subject`, and the images that they are of, to be looked at.

    Raises `PairsError` where nothing is valid. `watch` is told images done and in all.
    """
    images = TileImages(evaluated.pairs, translation)
    pairs = evaluated.pairs
    facts = {
        "Pairs": ", ".join(
            _part(folder.path, name) for folder, name in zip(pairs.folders, evaluated.splits, strict=True)
        ),
        "Tiles": str(len(pairs.pairs)),
        "Windows": f"{translation.window}, overlap {translation.overlap}",
        "Scaling": "; ".join(line for folder in pairs.folders for line in folder.describe()),
    }
    notes = [SEEN] if evaluated.seen_in_training else []
    notes += [f"Left out: {line}" for line in pairs.skipped]
    if not any(translation.window < side for pair in pairs.pairs for side in (pair.height, pair.width)):
        notes.append(NO_BORDERS.format(subject="tile"))
    where = ", ".join(str(folder.path) for folder in pairs.folders)
    return evaluate(images, Subject(subject, where, facts, notes), watch), images


def evaluate_rasters(images: RasterImages, watch: Watch = lambda done, planned: None) -> Evaluation:
    """Scores of a translated scene. Raises `PairsError` where nothing is valid."""
    facts = {"Prediction": public(images.prediction.path), "Truth": public(images.truth.path)}
    if images.truth.stretch:
        facts["Stretch"] = f"optical values {images.truth.stretch.describe()} become 0 and 255"
    if images.truth.nodata is not None:
        facts["Truth without data"] = f"where all bands are {images.truth.nodata:g}"
    if images.sar:
        facts |= {"SAR": public(images.sar.scene.path), "Scaling": images.sar.scaling.describe()}
    notes = []
    if images.windows:
        facts["Windows"] = images.windows.describe()
        if not images.windows.borders.any:
            notes.append(NO_BORDERS.format(subject="raster"))
    else:
        notes.append(NO_WINDOWS)
    if not images.sar:
        notes.append("The SAR scene was not given: baselines and scores that need it are absent.")
    where = f"{public(images.prediction.path)} and {public(images.truth.path)}"
    return evaluate(images, Subject(last_part(images.prediction.path), where, facts, notes), watch)


def evaluate(images: Imagery, subject: Subject, watch: Watch) -> Evaluation:
    """Scores of the pictures of any images, and of baselines fitted on these.

    Raises `PairsError` where nothing is valid, or too little in one piece.
    """
    places = images.places
    baselines = _fitted(images, subject.where)
    scoring = Scoring(places, SEED)
    with tempfile.TemporaryDirectory(prefix="sartranslate.") as folder:
        least_side = min(min(place.size) for place in places)
        perceptual = Perceptual(Path(folder), scoring.set_size, least_side)
        names: list[str] = []
        for number, (sample, prediction) in enumerate(images.translated(), 1):
            if sample.says_something:
                pictures = {subject.name: prediction, **baselines.pictures(sample.place.size, sample.grey)}
                names = list(pictures)
                perceptual.add(names, scoring.add(sample, pictures))
            watch(number, len(places))
        looks = perceptual.scores(names, scoring.resamples())
    scores = {name: {**scoring.scores(name), **looks[name]} for name in names}
    scores[subject.name] |= _seam(images.seams())
    return Evaluation(
        subject=subject.name,
        facts={**subject.facts, "Images": scoring.describe(), "Software": f"sartranslate {__version__}"},
        methods=tuple(MethodScores(name, _ordered(scores[name])) for name in names),
        images=scoring.images(subject.name),
        notes=(*scoring.notes(len(places)), *_alone(scores[subject.name]), *subject.notes, *perceptual.notes),
    )


def _fitted(images: Imagery, where: str) -> Baselines:
    fit, valid, useful = BaselineFit(), False, False
    for sample in images.samples():
        valid = valid or bool(sample.mask.any())
        if sample.says_something:
            useful = True
            fit.add(sample.truth, sample.mask, sample.grey)
    if not valid:
        raise PairsError(f"{where}: no pixel is valid on both sides, expected some")
    if not useful:
        raise PairsError(
            f"{where}: no image has {WINDOW} x {WINDOW} valid pixels in one piece, expected some that have"
        )
    return fit.fitted()


def _seam(seams: Mapping[int, SeamSums]) -> dict[str, Score]:
    """Of all tiles that have borders of windows within; empty where none has."""
    found = {tile: sums for tile, sums in seams.items() if sums.score is not None}
    if not found:
        return {}
    resamples = Resamples(list(found), SEED)
    return {"seam": resamples.ratio(*zip(*((sums.found, sums.expected) for sums in found.values()), strict=True))}


def _alone(scores: Mapping[str, Score]) -> Iterator[str]:
    """Which scores have no interval where others have; FID never has."""
    if any(score.low is not None for score in scores.values()):
        for name, score in _ordered(scores).items():
            if score.low is None and name != "fid":
                yield f"{METRICS[name].heading}: all that it is measured on lies in a single tile: no interval."


def _ordered(scores: Mapping[str, Score]) -> dict[str, Score]:
    return {name: scores[name] for name in METRICS if name in scores}


def _part(folder: Path, split: str) -> str:
    return f"{folder}, {split} part" if split else f"{folder}, all of it"
