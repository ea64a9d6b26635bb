"""Runs that train an existing model on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from safetensors.numpy import load_file

from sartranslate.errors import BundleError, OptionError
from sartranslate.networks import backend, bundle
from sartranslate.recipes.presets import preset
from sartranslate.recipes.recipe import Recipe
from sartranslate.recipes.recipe_file import read_recipe
from sartranslate.simulate.simulation import SimulationOptions, simulate

backend.select("tensorflow")

from sartranslate.train.training import TrainingOptions, train  # noqa: E402

TINY = {
    "generator.filters": 2,
    "generator.architecture": "unet_128",
    "optimisation.crop": 128,
    "optimisation.updates": 1,
    "objective.gan_weight": 0.0,
    "validation.examples": 1,
}
RECIPE = preset("sar").with_fields(TINY)
STANDING_STILL = RECIPE.with_fields({"optimisation.learning_rate": 1e-12})
FIRST = TrainingOptions(RECIPE, precision="float32")
# Of the patches of training; stored statistics are measured again.
SEEN = ("kernel", "bias", "gamma", "beta")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    simulate(folder, SimulationOptions(pairs=1, tile_size=128))
    return folder


@pytest.fixture(scope="module")
def model(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train([pairs], tmp_path_factory.mktemp("runs") / "first", FIRST).run / "model.safetensors"


def weights(path: Path) -> dict[str, np.ndarray]:
    return {name: array for name, array in load_file(path).items() if name.endswith(SEEN)}


@pytest.mark.long
def test_a_run_begins_with_the_weights_of_the_model(model: Path, pairs: Path, tmp_path: Path) -> None:
    options = replace(FIRST, recipe=STANDING_STILL, seed=5, start=model)
    second = train([pairs], tmp_path / "second", options).run / "model.safetensors"
    begun, ended = weights(model), weights(second)
    assert begun.keys() == ended.keys()
    for name, values in begun.items():
        np.testing.assert_allclose(ended[name], values, rtol=0, atol=1e-6, err_msg=name)
    other = train([pairs], tmp_path / "other", replace(options, start=None)).run / "model.safetensors"
    assert any(np.abs(weights(other)[name] - begun[name]).max() > 1e-3 for name in begun)


@pytest.mark.long
def test_fine_tuning_changes_weights_and_keeps_statistics(model: Path, pairs: Path, tmp_path: Path) -> None:
    adversarial = {**TINY, "objective.gan_weight": 5.0, "discriminator.filters": 2}
    options = replace(FIRST, recipe=preset("sar-finetune").with_fields(adversarial), start=model)
    begun, ended = load_file(model), load_file(train([pairs], tmp_path / "run", options).run / "model.safetensors")
    kept = {name for name, values in begun.items() if np.array_equal(values, ended[name])}
    statistics = {name for name in begun if "moving" in name}
    assert statistics
    assert kept == statistics


def test_fine_tuning_random_weights_is_refused() -> None:
    with pytest.raises(OptionError, match=r"^recipe 'sar-finetune' keeps .*: expected a model to start from"):
        TrainingOptions(preset("sar-finetune"))


@pytest.mark.long
def test_the_model_is_named_in_what_it_becomes(model: Path, pairs: Path, tmp_path: Path) -> None:
    run = train([pairs], tmp_path / "run", replace(FIRST, start=model)).run
    assert bundle.describe(run / "model.safetensors").training["start"] == str(model)
    assert bundle.describe(model).training["start"] is None


@pytest.fixture
def changed(model: Path, tmp_path: Path) -> Path:
    """A model that wants another scaling than a new one would."""
    loaded = bundle.load(model)
    radiometry = replace(loaded.description.radiometry, low=5.0, high=95.0)
    path = tmp_path / "changed.safetensors"
    bundle.save(path, replace(loaded, description=replace(loaded.description, radiometry=radiometry)))
    return path


@pytest.mark.long
def test_bands_and_scaling_are_those_of_the_model(changed: Path, pairs: Path, tmp_path: Path) -> None:
    run = train([pairs], tmp_path / "run", replace(FIRST, start=changed)).run
    assert bundle.describe(run / "model.safetensors").radiometry == bundle.describe(changed).radiometry


@pytest.mark.long
def test_scaling_stays_that_of_the_model_where_bands_are_told(
    changed: Path, pairs: Path, tmp_path: Path, sartranslate: Callable[..., Result]
) -> None:
    done = sartranslate(
        "train", "--pairs", pairs, "--out", tmp_path / "run", "--start-from", changed, "--bands", "HV|VH",
        "--set", "optimisation.updates=1", "--crop", 128, "--set", "objective.gan_weight=0", "-q",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    wanted = replace(bundle.describe(changed).radiometry, bands=(("HV", "VH"),))
    assert bundle.describe(tmp_path / "run" / "model.safetensors").radiometry == wanted


def test_another_architecture_is_refused_and_leaves_nothing(model: Path, pairs: Path, tmp_path: Path) -> None:
    recipe = RECIPE.with_fields({"generator.filters": 3, "generator.upsampling": "resize"})
    with pytest.raises(OptionError, match="filters 3, not 2; upsampling 'resize', not 'transpose'"):
        train([pairs], tmp_path / "run", replace(FIRST, recipe=recipe, start=model))
    assert not (tmp_path / "run").exists()


@pytest.mark.long
def test_statistics_that_a_model_does_not_store_can_not_be_kept(model: Path, pairs: Path, tmp_path: Path) -> None:
    loaded = bundle.load(model)
    own = replace(loaded.description.generator, test_mode="own")
    path = tmp_path / "own.safetensors"
    bundle.save(path, replace(loaded, description=replace(loaded.description, generator=own)))
    recipe = RECIPE.with_fields({"optimisation.frozen_norm": True, "optimisation.recalibrate": False})
    with pytest.raises(OptionError, match=r"own\.safetensors: stores no batch-norm statistics"):
        train([pairs], tmp_path / "run", replace(FIRST, recipe=recipe, start=path))


def test_a_file_that_is_no_model_is_refused(pairs: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no such model file"):
        train([pairs], tmp_path / "run", replace(FIRST, start=tmp_path / "absent"))


def shown(sartranslate: Callable[..., Result], tmp_path: Path, start: object, *changes: str) -> Recipe:
    """The recipe that `--show-recipe` prints."""
    file = tmp_path / "shown.toml"
    file.write_text(sartranslate("train", "--show-recipe", "--start-from", start, *changes).stdout, encoding="utf-8")
    return read_recipe(file)


def test_the_recipe_takes_the_generator_of_the_model(
    model: Path, tmp_path: Path, sartranslate: Callable[..., Result]
) -> None:
    generator = shown(sartranslate, tmp_path, model, "--set", "generator.dropout=0.25").generator
    assert (generator.architecture, generator.filters, generator.dropout) == ("unet_128", 2, 0.25)


def test_the_embedded_model_is_called_default(tmp_path: Path, sartranslate: Callable[..., Result]) -> None:
    generator = shown(sartranslate, tmp_path, "default").generator
    assert generator.filters == bundle.describe(bundle.DEFAULT_MODEL).generator.filters


def test_a_resumed_run_does_not_start_from_a_model(tmp_path: Path, sartranslate: Callable[..., Result]) -> None:
    refused = sartranslate("train", "--resume", tmp_path, "--start-from", "default")
    assert refused.exit_code == 2
    assert "--start-from is for a new run" in refused.output
