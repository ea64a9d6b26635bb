"""Fit the Pix2Pix GAN on folders of pairs, from the start or from a checkpoint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from sartranslate import __version__
from sartranslate.backscatter.radiometry import Radiometry
from sartranslate.errors import OptionError, TrainingError
from sartranslate.networks import backend, bundle
from sartranslate.recipes.presets import preset
from sartranslate.recipes.recipe import Recipe, contradictions, flattened, from_dict
from sartranslate.runtimes.runtime import versions
from sartranslate.storage.digest import checksum, text_digest
from sartranslate.train.checkpoint import load_checkpoint, load_position
from sartranslate.train.course import Course
from sartranslate.train.pix2pix import Pix2Pix
from sartranslate.train.record import Bystander, Record
from sartranslate.train.replicas import Replicas, devices_here, workers
from sartranslate.train.resumption import begun_with, check_pairs, check_recipe, check_settings, former_names
from sartranslate.train.roll_call import call_roll
from sartranslate.train.run_folder import RunFolder
from sartranslate.train.session import Hooks, Rhythm, Session, TrainingSummary
from sartranslate.train.tf_config import Cluster
from sartranslate.train.training_data import DataOptions, TrainingData, check_direction, load_data

PLACES = ("folders", "validation", "start")  # settings that may differ from worker to worker
FRAMEWORK = ("keras", "tensorflow")  # whose versions may not


@dataclass(frozen=True)
class TrainingOptions:
    """Everything that decides the outcome of a training run, apart from the pairs; raises `OptionError`."""

    recipe: Recipe = field(default_factory=lambda: preset("sar"))
    seed: int = 0
    precision: str = "auto"
    data: DataOptions = field(default_factory=DataOptions)
    devices: tuple[str, ...] = ()  # that share each batch; empty: all GPUs, or the processor
    checkpoints: Rhythm | None = None  # None: the usual one or, of a run that is gone on with, its own
    start: Path | None = None  # a model whose generator is trained on; None: from random weights
    overwrite: bool = False  # an earlier run in the same folder
    patience: float = 300.0  # seconds that other workers are waited for, where several train

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**32:
            raise OptionError(f"seed {self.seed}: expected 0 to {2**32 - 1}")
        if self.precision == "float16":
            raise OptionError("precision float16: its gradients vanish, expected auto, float32 or bfloat16")
        if self.recipe.optimisation.frozen_norm and self.start is None:
            name = self.recipe.name
            raise OptionError(
                f"recipe {name!r} keeps batch-norm statistics (optimisation.frozen_norm): "
                "expected a model to start from, random weights have none"
            )
        if not self.patience > 0:
            raise OptionError(f"other workers waited for {self.patience} seconds: expected more than 0")


def train(
    folders: Sequence[Path], run: Path, options: TrainingOptions | None = None, hooks: Hooks | None = None
) -> TrainingSummary:
    """Fit a generator on the pairs of all `folders`; after each look `run` holds it as a bundle.

    Raises `PairsError` for unusable pairs, `OptionError` for options that do not fit them, `TrainingError` when
    the losses leave the range of numbers and `OutputError` when `run` can not be written; the last checkpoint
    is kept then. A model to start from that can not be used raises `BundleError` or, of another architecture than the
    recipe's, `OptionError`. Where TF_CONFIG names several workers, each calls this with the same arguments: the first
    one alone writes to `run`, and `BackendError` is raised once one of them is gone.
    """
    options, hooks = options or TrainingOptions(), hooks or Hooks()
    folder, cluster = RunFolder(run), workers()
    if _writes(cluster):
        folder.check(overwrite=options.overwrite)
        folder.check_kept(options.start)
    check_direction(folders, options.data.direction)
    given = _given(options.start)
    data = load_data(folders, options.recipe, options.seed, _like_given(options.data, given), hooks.checked)
    if options.recipe.optimisation.schedule == "plateau" and not data.examination.scores_anything:
        raise OptionError("schedule 'plateau' without validation pairs to score, expected some or another schedule")
    settings = _settings(options, folders, data)
    begun = {"start": given.description.checksum if given else None}
    trainer = _trainer(settings, data, options, _met(cluster, settings, begun, options, hooks))
    if given:
        _start(trainer, given)
    with folder.begun(overwrite=options.overwrite) if _writes(cluster) else nullcontext():
        return _session(folder, trainer, data, settings, hooks).run(Course(), Rhythm(**settings["checkpoints"]))


def resume(
    run: Path,
    folders: Sequence[Path] = (),
    wanted: Mapping[str, Any] | None = None,
    options: TrainingOptions | None = None,
    hooks: Hooks | None = None,
) -> TrainingSummary:
    """Go on from the checkpoint in `run`, to the weights that a run without interruption would have had.

    `folders` are where the pairs lie if not where they lay, and `options.data.validation` those to validate with.
    `wanted` are settings that the run is expected to have, by names such as "recipe.objective.l1". Of `options` only
    what does not decide the outcome counts.
    Raises `TrainingError` for other settings or other pairs, naming the differences, and as `train` does.
    """
    options, hooks = options or TrainingOptions(), hooks or Hooks()
    folder, cluster = RunFolder(run), workers()
    arrays, position = load_checkpoint(folder.checkpoint)
    settings, course = begun_with(folder.checkpoint, position)
    settings = {"bidx": [], "rgb": [], **settings}  # older checkpoints do not tell
    check_settings(folder, settings, {**(wanted or {}), "backend": backend.active()})
    recipe, stored = from_dict(settings["recipe"]), _data_options(settings)
    check_recipe(folder, recipe)
    stored = replace(stored, validation=options.data.validation or stored.validation)
    places = list(folders) or [Path(place) for place in settings["folders"]]
    data = load_data(places, recipe, settings["seed"], stored, hooks.checked)
    now = _places(places, stored.validation)
    check_pairs(run, data.called(former_names(settings, now)), settings)
    rhythm = options.checkpoints or Rhythm(**settings.get("checkpoints", {}))  # older checkpoints do not tell
    settings |= {**now, **_facts(data), "checkpoints": asdict(rhythm)}
    begun = {"checkpoint": checksum(arrays), "position": text_digest(course)} if cluster else {}
    trainer = _trainer(settings, data, options, _met(cluster, settings, begun, options, hooks))
    trainer.load_state(arrays)
    with folder.held() if _writes(cluster) else nullcontext():
        if load_position(folder.checkpoint) != position:
            raise TrainingError(f"{folder.checkpoint}: another process has trained on meanwhile; try again")
        return _session(folder, trainer, data, settings, hooks).run(course, rhythm)


@dataclass(frozen=True)
class _Given:
    """The model that a run starts from."""

    path: Path
    description: bundle.Description


def _given(path: Path | None) -> _Given | None:
    return _Given(path, bundle.describe(path)) if path else None


def _like_given(options: DataOptions, given: _Given | None) -> DataOptions:
    """Bands and scaling of the model that a run starts from, unless others are told."""
    if given is None or options.radiometry is not None:
        return options
    return replace(options, radiometry=given.description.radiometry)


def _start(trainer: Pix2Pix, given: _Given) -> None:
    own, wanted = trainer.recipe.generator, given.description.generator
    if found := contradictions(own.deciding_variables, wanted.deciding_variables):
        raise OptionError(f"{given.path}: can not be started from, the recipe has {'; '.join(found)}")
    if trainer.recipe.optimisation.frozen_norm and wanted.test_mode != "stored":
        raise OptionError(f"{given.path}: stores no batch-norm statistics, which optimisation.frozen_norm keeps")
    trainer.start_from(bundle.load(given.path).model)


def _settings(options: TrainingOptions, folders: Sequence[Path], data: TrainingData) -> dict[str, Any]:
    """What a checkpoint keeps of how the run was begun, as JSON."""
    return {
        "recipe": options.recipe.as_dict(),
        "seed": options.seed,
        "backend": backend.active(),
        "precision": backend.resolve_precision(options.precision, on_gpu="bfloat16"),
        "bidx": list(options.data.bands),
        "rgb": list(options.data.rgb),
        "unit": options.data.unit,
        "direction": options.data.direction,
        "radiometry": data.radiometry.as_dict(),
        "skip_bad": options.data.skip_bad,
        **_places(folders, options.data.validation),
        "checkpoints": asdict(options.checkpoints or Rhythm()),
        **_facts(data),
        "start": str(options.start.resolve()) if options.start else None,
    }


def _facts(data: TrainingData) -> dict[str, Any]:
    return {"digests": data.digests, "arrangement": data.arrangement}


def _places(folders: Iterable[Path], validation: Iterable[Path]) -> dict[str, Any]:
    return {
        "folders": [str(folder.resolve()) for folder in folders],
        "validation": [str(folder.resolve()) for folder in validation],
    }


def _data_options(settings: Mapping[str, Any]) -> DataOptions:
    return DataOptions(
        radiometry=Radiometry.from_dict(settings["radiometry"]),
        bands=tuple(settings["bidx"]),
        rgb=tuple(settings["rgb"]),
        unit=settings["unit"],
        direction=settings["direction"],
        validation=tuple(Path(place) for place in settings["validation"]),
        skip_bad=settings["skip_bad"],
    )


def _writes(cluster: Cluster | None) -> bool:
    return cluster is None or cluster.chief


def _met(
    cluster: Cluster | None,
    settings: Mapping[str, Any],
    begun: Mapping[str, Any],
    options: TrainingOptions,
    hooks: Hooks,
) -> Cluster | None:
    """The same cluster, once all its workers are there with the same settings, data, versions and beginning."""
    if cluster:
        alike = {name: value for name, value in settings.items() if name not in PLACES}
        facts = {**flattened(alike), **begun, "devices": devices_here(), "sartranslate": __version__}
        used = {name: version for name, version in versions().items() if name in FRAMEWORK}
        call_roll(cluster, {**facts, **used}, options.patience, hooks.waiting)
    return cluster


def _trainer(
    settings: Mapping[str, Any], data: TrainingData, options: TrainingOptions, cluster: Cluster | None
) -> Pix2Pix:
    recipe = from_dict(settings["recipe"])
    bands = len(data.radiometry.bands)
    recipe = replace(recipe, generator=replace(recipe.generator, source_bands=bands))
    return Pix2Pix(recipe, settings["seed"], settings["precision"], Replicas(options.devices, cluster))


def _session(
    folder: RunFolder, trainer: Pix2Pix, data: TrainingData, settings: Mapping[str, Any], hooks: Hooks
) -> Session:
    hooks.noted(data.notes())
    record = Record(folder, trainer, data, settings) if trainer.replicas.chief else Bystander(folder)
    return Session(record, trainer, data, settings, hooks)
