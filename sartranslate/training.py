"""Fit the Pix2Pix GAN on folders of pairs and keep the generator as a bundle."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from sartranslate import backend, bundle
from sartranslate.architecture import GeneratorConfig
from sartranslate.dataset import Crops, PairFolder, open_folder
from sartranslate.errors import OptionError, OutputError, TrainingError
from sartranslate.objective import Objective
from sartranslate.pix2pix import Pix2Pix, StepLosses
from sartranslate.prefetch import prefetch
from sartranslate.radiometry import Float, Radiometry

MODEL_NAME = "model.safetensors"
HISTORY_NAME = "history.csv"
BATCHES_AHEAD = 4  # read and scaled in advance
RECALIBRATION_BATCHES = 24
RECALIBRATION_BATCH = 16  # crops, at least


@dataclass(frozen=True)
class TrainingOptions:
    """Everything that decides the outcome of a training run, apart from the pairs."""

    epochs: int = 200
    batch_size: int = 1
    seed: int = 0
    precision: str = "auto"
    unit: str | None = None  # of the SAR tiles; None: decided folder by folder
    crop: int = 256  # pixels
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    radiometry: Radiometry = field(default_factory=Radiometry)
    objective: Objective = field(default_factory=Objective)
    overwrite: bool = False  # a model of an earlier run

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise OptionError(f"epochs {self.epochs}: expected at least 1")
        if not 0 <= self.seed < 2**32:
            raise OptionError(f"seed {self.seed}: expected 0 to {2**32 - 1}")
        if self.precision == "float16":
            raise OptionError("precision float16: its gradients vanish, expected auto, float32 or bfloat16")
        multiple = self.generator.size_multiple
        if self.crop < multiple or self.crop % multiple:
            raise OptionError(f"crop {self.crop}: the network needs a multiple of {multiple}")


@dataclass(frozen=True)
class Progress:
    """What a watcher of the training sees after each update."""

    epoch: int  # from 1
    update: int  # from 1, over all epochs
    updates: int  # planned
    losses: StepLosses


@dataclass(frozen=True)
class TrainingSummary:
    """A finished run."""

    model: Path
    pairs: int
    updates: int
    final_l1: float  # mean of the last epoch, in units of [-1, 1]
    scalings: tuple[str, ...]  # folder by folder, in words


def train(
    folders: list[Path],
    run: Path,
    options: TrainingOptions,
    watch: Callable[[Progress], None] = lambda progress: None,
) -> TrainingSummary:
    """Fit a generator on the pairs of all `folders`; after each epoch `run` holds it as a bundle.

    Raises `PairsError` for unusable pairs, `OptionError` for options that do not fit them and
    `OutputError` when `run` can not be written.
    """
    opened = [open_folder(folder, options.radiometry, options.unit) for folder in folders]
    crops = Crops(opened, options.crop, options.batch_size)
    _make_folder(run, overwrite=options.overwrite)
    backend.seed(options.seed)
    precision = backend.resolve_precision(options.precision, on_gpu="bfloat16")
    trainer = Pix2Pix(options.generator, options.objective, precision)
    history: list[StepLosses] = []
    for epoch in range(1, options.epochs + 1):
        history.append(_train_epoch(trainer, crops, options, epoch, watch))
        _write_history(run / HISTORY_NAME, history)
        trainer.recalibrate(_recalibration_sources(crops))
        description = _describe(options, opened, epoch, epoch * crops.batches_per_epoch)
        bundle.save(run / MODEL_NAME, bundle.Bundle(description, trainer.average))
    return TrainingSummary(
        model=run / MODEL_NAME,
        pairs=sum(len(folder.pairs) for folder in opened),
        updates=options.epochs * crops.batches_per_epoch,
        final_l1=history[-1].l1,
        scalings=tuple(line for folder in opened for line in folder.describe()),
    )


def decay(epoch: int, epochs: int) -> float:
    """Factor of the learning rate: one in the first half, then linear towards zero (junyanz's "linear").

    >>> [round(decay(epoch, 4), 2) for epoch in (1, 2, 3, 4)]
    [1.0, 1.0, 0.67, 0.33]
    """
    constant = epochs // 2
    return 1 - max(0, epoch - constant) / (epochs - constant + 1)


def _train_epoch(
    trainer: Pix2Pix, crops: Crops, options: TrainingOptions, epoch: int, watch: Callable[[Progress], None]
) -> StepLosses:
    """Pass over all crops once; returns the mean losses."""
    trainer.set_learning_rate(options.objective.learning_rate * decay(epoch, options.epochs))
    before, planned = (epoch - 1) * crops.batches_per_epoch, options.epochs * crops.batches_per_epoch
    losses: list[StepLosses] = []
    batches = crops.epoch(np.random.default_rng((options.seed, epoch)))
    with closing(prefetch(batches, BATCHES_AHEAD)) as ahead:
        for batch in ahead:
            losses.append(trainer.step(batch.source, batch.target))
            if not np.isfinite(losses[-1]).all():
                raise TrainingError(
                    f"update {before + len(losses)}: the losses are not finite, lower the learning rate"
                )
            watch(Progress(epoch, before + len(losses), planned, losses[-1]))
    return StepLosses(*np.mean(losses, axis=0).tolist())


def _recalibration_sources(crops: Crops) -> Iterator[Float]:
    """Source batches from at most one epoch, the same in the whole run, so that its epochs are comparable.

    They are larger than a training batch may be, because its statistics are then too noisy.
    """
    batches = crops.epoch(np.random.default_rng(0))
    per_source = -(-RECALIBRATION_BATCH // crops.batch_size)
    for _ in range(RECALIBRATION_BATCHES):
        sources = [batch.source for batch in islice(batches, per_source)]
        if not sources:
            return
        yield np.concatenate(sources)


def _describe(options: TrainingOptions, folders: list[PairFolder], epoch: int, updates: int) -> bundle.Description:
    training: dict[str, Any] = {
        "epochs": epoch,
        "updates": updates,
        "batch_size": options.batch_size,
        "seed": options.seed,
        "objective": asdict(options.objective),
        "folders": [
            {
                "name": folder.path.name,
                "pairs": len(folder.pairs),
                "scaling": "; ".join(sorted({scaling.describe() for scaling in folder.scalings})),
            }
            for folder in folders
        ],
    }
    return bundle.Description("pix2pix", options.generator, options.radiometry, training)


def _make_folder(run: Path, *, overwrite: bool) -> None:
    if (run / MODEL_NAME).exists() and not overwrite:
        raise OutputError(f"{run / MODEL_NAME}: exists already; --overwrite replaces it")
    try:
        run.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{run}: can not make the folder: {error}") from error


def _write_history(path: Path, history: list[StepLosses]) -> None:
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(("epoch", *StepLosses._fields))
            rows.writerows((epoch, *losses) for epoch, losses in enumerate(history, 1))
    except OSError as error:
        raise OutputError(f"{path}: can not be written: {error}") from error
