"""What a training run is fed with: crops to train on, and windows to be examined with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np

from sartranslate.backscatter.radiometry import Float, Radiometry
from sartranslate.datasets.crops import CropOptions, Crops
from sartranslate.datasets.dataset import default_radiometry, open_pairs
from sartranslate.datasets.fixed_windows import examples, windows_to_score
from sartranslate.datasets.ground_check import check_apart
from sartranslate.datasets.pair_check import DIRECTIONS, PairOptions, default_memory
from sartranslate.datasets.pairs import PairFolder, PairSet
from sartranslate.datasets.split import SPLITS
from sartranslate.datasets.tiles import find_tiles
from sartranslate.errors import OptionError
from sartranslate.recipes.augmentation import Augmentation
from sartranslate.recipes.recipe import Recipe
from sartranslate.storage.digest import text_digest
from sartranslate.streaming.prefetch import prefetch
from sartranslate.train.validation import Examination

TRAINING, VALIDATION = SPLITS[:2]
RECALIBRATION_CROPS = 384  # that batch-norm statistics are taken of, at most
RECALIBRATION_SHARE = 4  # of an epoch is their number, so that short epochs are not spent on them
LEAST_RECALIBRATION = 32  # crops
RECALIBRATION_BATCH = 16  # crops; statistics of fewer are noisy
FIXED_EPOCH = 0  # whose crops no update sees


@dataclass(frozen=True)
class DataOptions:
    """How folders of pairs are read."""

    radiometry: Radiometry | None = None  # None: one SAR band, or colours where the source is a coloured image
    bands: tuple[int, ...] = ()  # of the SAR tiles, 1-based; empty: by name
    rgb: tuple[int, ...] = ()  # red, green and blue band of the optical tiles, 1-based; empty: by colour or name
    unit: str | None = None  # of the SAR tiles; None: decided folder by folder
    direction: str = "AtoB"  # of side-by-side images
    validation: tuple[Path, ...] = ()  # folders; empty: the validation split of the training folders
    skip_bad: bool = False
    memory: int = field(default_factory=default_memory)  # bytes of decoded tiles that are held


@dataclass(frozen=True)
class TrainingData:
    """Pairs that are checked and do not share ground, and what is drawn from them."""

    pairs: PairSet
    validation: PairSet
    radiometry: Radiometry
    crops: Crops
    examination: Examination
    crop_size: int
    batch_size: int

    @property
    def digests(self) -> dict[str, str]:
        """Fingerprints of all files by name."""
        checked = {f"validation {name}": text for name, text in self.validation.digests.items()}
        return {**self.pairs.digests, **checked}

    @property
    def arrangement(self) -> dict[str, str]:
        """Fingerprints of the order of the pairs, and of how those are scaled that scores are taken of."""
        scaled = [(pair.scaling.describe(), pair.stretch and pair.stretch.describe()) for pair in self.validation.pairs]
        return {"order of pairs": text_digest([*self.pairs.digests]), "scaling of validation": text_digest(scaled)}

    def called(self, names: Mapping[Path, str]) -> TrainingData:
        """The same, where folders at these places had such names before."""
        return replace(self, pairs=self.pairs.called(names), validation=self.validation.called(names))

    def recalibration(self) -> Iterator[Float]:
        """Source batches for batch-norm statistics, the same after each epoch, so that epochs are comparable."""
        crops = self.crops.batches_per_epoch * self.batch_size
        wanted = min(RECALIBRATION_CROPS, max(LEAST_RECALIBRATION, crops // RECALIBRATION_SHARE), crops)
        per_source = -(-RECALIBRATION_BATCH // self.batch_size)
        with closing(prefetch(self.crops.epoch(FIXED_EPOCH))) as batches:
            for _ in range(-(-wanted // (per_source * self.batch_size))):
                if sources := [batch.source for batch in islice(batches, per_source)]:
                    yield np.concatenate(sources)

    def notes(self) -> list[str]:
        """What a user should know of the pairs, line by line."""
        skipped = [f"left out: {line}" for line in (*self.pairs.skipped, *self.validation.skipped)]
        return [*self.pairs.describe(), *skipped, *self.warnings()]

    def warnings(self) -> list[str]:
        """What a run lacks."""
        if self.examination.scores_anything:
            return []
        if self.validation.pairs:
            return ["No validation pair has a window that is half valid: no epoch is told to be the best."]
        return ["No validation pairs: the sheet shows training pairs, and no epoch is told to be the best."]


def load_data(
    folders: Sequence[Path],
    recipe: Recipe,
    seed: int,
    options: DataOptions,
    watch: Callable[[int, int], None] = lambda done, planned: None,
) -> TrainingData:
    """Open all pairs; raises one `PairsError` that lists all that is wrong with them.

    Also refused are fewer crops than a batch, and validation pairs that share ground with training pairs.
    """
    size, batch_size = recipe.optimisation.crop, recipe.optimisation.batch_size
    radiometry = options.radiometry or _radiometry(folders, options)
    augmentation = _fitting(recipe.augmentation, radiometry)
    reading = PairOptions(
        radiometry=radiometry,
        unit=options.unit,
        direction=options.direction,
        skip_bad=options.skip_bad,
        least_side=augmentation.least_side(size),
        memory=options.memory,
        bands=options.bands,
        bands_option="--bidx or --bands",
        rgb=options.rgb,
    )
    pairs = open_pairs(folders, TRAINING, reading, watch=watch)
    reading = replace(reading, least_side=1)
    if options.validation:
        checked = _validation_pairs(options.validation, reading, pairs)
    else:
        checked = open_pairs(folders, VALIDATION, reading, like=pairs)
    check_apart(pairs, checked)
    scored = list(windows_to_score(checked, size, recipe.validation.windows))
    shown = examples(checked if checked.pairs else pairs, size, recipe.validation.examples)
    crops = Crops(pairs, CropOptions(size, batch_size, augmentation, seed))
    return TrainingData(pairs, checked, radiometry, crops, Examination(scored, shown), size, batch_size)


def _radiometry(folders: Sequence[Path], options: DataOptions) -> Radiometry:
    """As the pairs look; bands are told of SAR alone."""
    return Radiometry() if options.bands else default_radiometry(folders, options.direction)


def check_direction(folders: Sequence[Path], direction: str) -> None:
    """Raise `OptionError` for one that is not the usual one, where no images lie side by side."""
    if direction == DIRECTIONS[0]:
        return
    if not any(files.side_by_side for folder in folders for files in find_tiles(folder).pairs):
        raise OptionError(f"direction {direction}: of images side by side, and each pair is two files")


def _fitting(augmentation: Augmentation, radiometry: Radiometry) -> Augmentation:
    """Without speckle and gain where the source is no radar image."""
    return replace(augmentation, speckle=0.0, gain=0.0) if radiometry.scaling == "image" else augmentation


def _validation_pairs(folders: Sequence[Path], reading: PairOptions, pairs: PairSet) -> PairSet:
    """Of folders that the user names: their validation split, or all of a folder that has none."""
    opened: list[PairFolder] = []
    for folder in folders:
        split = VALIDATION if find_tiles(folder, VALIDATION).count else TRAINING
        opened += open_pairs([folder], split, reading, like=pairs).folders
    return PairSet(tuple(opened))
