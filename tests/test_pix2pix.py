"""The GAN in training: what updates change, what the tested generator is, and that a state is all there is."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sartranslate.errors import TrainingError
from sartranslate.networks import backend
from sartranslate.recipes.presets import preset
from sartranslate.recipes.recipe import Recipe
from sartranslate.recipes.recipe_file import to_toml
from tests.conftest import user_environment

backend.select("tensorflow")

import keras  # noqa: E402

from sartranslate.train.pix2pix import Pix2Pix  # noqa: E402

TINY: dict[str, Any] = {
    "generator.architecture": "unet_128",
    "generator.filters": 2,
    "discriminator.filters": 2,
    "discriminator.layers": 2,
    "optimisation.crop": 128,
    "optimisation.batch_size": 2,
    "optimisation.average_every": 1,
}
SPECTRAL = {"discriminator.spectral_norm": True, "discriminator.scales": 2}
ALONE = {"objective.gan_weight": 0.0}  # for what an opponent has no part in


def recipe(name: str = "sar", **changes: Any) -> Recipe:
    return preset(name).with_fields({**TINY, **changes})


def batch(seed: int = 0, size: int = 2) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.int32]]:
    rng = np.random.default_rng(seed)
    source = rng.uniform(-1, 1, (size, 128, 128, 1)).astype(np.float32)
    target = np.concatenate([source, -source, source**2], axis=-1)
    return source, target, rng.integers(-(2**31), 2**31, size).astype(np.int32)


def trained(gan: Pix2Pix, updates: int) -> list[dict[str, float]]:
    return [gan.step(*batch(number)) for number in range(updates)]


def assert_same(one: dict[str, NDArray[Any]], other: dict[str, NDArray[Any]]) -> None:
    """Bit for bit."""
    assert one.keys() == other.keys()
    assert [name for name in one if one[name].tobytes() != other[name].tobytes()] == []


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few steps are sooner done one by one than compiled."""
    monkeypatch.setattr(backend, "compiled", lambda function: function)


@pytest.mark.long
def test_updates_bring_the_output_nearer_to_the_target() -> None:
    gan = Pix2Pix(recipe(), seed=0)
    gan.set_learning_rate(5e-3)
    source, target, seeds = batch()
    first, *_, last = [gan.step(source, target, seeds)["l1"] for _ in range(40)]
    assert last < 0.8 * first
    gan.settle([source])
    error = np.abs(gan.tested(source, training=False) - target).mean()
    assert error < 0.9 * first


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("name", ["sar", pytest.param("tf-tutorial", marks=pytest.mark.long)])
def test_the_same_seed_gives_the_same_losses_and_another_one_others(name: str) -> None:
    losses = [trained(Pix2Pix(recipe(name), seed), updates) for seed, updates in ((3, 2), (3, 2), (4, 1))]
    assert losses[0] == losses[1]
    assert losses[0][0] != losses[2][0]


@pytest.mark.usefixtures("eager")
def test_the_seeds_of_the_samples_decide_what_is_dropped() -> None:
    source, target, seeds = batch()
    losses = [Pix2Pix(recipe(**ALONE), 0).step(source, target, drawn)["l1"] for drawn in (seeds, seeds + 1)]
    assert losses[0] != losses[1]


def adversarial_losses(frozen: str, updates: int = 40) -> list[dict[str, float]]:
    """Updates without L1 in which one network stands still."""
    gan = Pix2Pix(recipe(**{"objective.l1": 0.0, "initialisation.gain": 0.1}), seed=0)
    gan.set_learning_rate(1e-3)
    gan._optimizers[frozen].learning_rate = 0.0
    source, target, seeds = batch()
    return [gan.step(source, target, seeds) for _ in range(updates)]


@pytest.mark.long
def test_the_generator_learns_to_fool_a_discriminator_that_stands_still() -> None:
    first, *_, last = adversarial_losses(frozen="discriminator")
    assert last["generator"] < 0.9 * first["generator"]


@pytest.mark.long
def test_the_discriminator_learns_to_tell_a_generator_that_stands_still() -> None:
    first, *_, last = adversarial_losses(frozen="generator")
    assert last["discriminator"] < 0.9 * first["discriminator"]


@pytest.mark.long
@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize(("every", "moves"), [(1, 3), (3, 2)])
def test_the_average_follows_the_weights_with_a_memory_that_grows(every: int, moves: int) -> None:
    gan = Pix2Pix(recipe(**ALONE, **{"optimisation.average": 0.3, "optimisation.average_every": every}), seed=0)
    gan.set_learning_rate(1e-2)
    expected = None
    for earlier in range(moves):
        for number in range(every):
            gan.step(*batch(number))
        current = gan.generator.trainable_variables[0].numpy()
        decay = min(0.3**every, earlier / (earlier + 9))
        expected = current if expected is None else decay * expected + (1 - decay) * current
        np.testing.assert_allclose(gan.tested.trainable_variables[0].numpy(), expected, rtol=1e-5, atol=1e-8)
    gan.settle([batch()[0]])
    np.testing.assert_allclose(gan.tested.trainable_variables[0].numpy(), expected, rtol=1e-5, atol=1e-8)


@pytest.mark.long
@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("average", [{"average": 0.0}, {"average": 0.9, "average_every": 5}])
def test_without_an_average_so_far_the_tested_weights_are_the_latest(average: dict[str, Any]) -> None:
    gan = Pix2Pix(recipe(**ALONE, **{f"optimisation.{name}": value for name, value in average.items()}), seed=0)
    gan.set_learning_rate(1e-2)
    for number in range(2):
        gan.step(*batch(number))
        gan.settle([batch()[0]])
        pairs = list(zip(gan.tested.trainable_variables, gan.generator.trainable_variables, strict=True))
        assert all(np.array_equal(tested.numpy(), variable.numpy()) for tested, variable in pairs)


@pytest.mark.usefixtures("eager")
def test_recalibration_stores_the_mean_statistics_of_its_batches_by_their_crops() -> None:
    gan = Pix2Pix(recipe(**ALONE), seed=0)
    trained(gan, 1)
    sources = [batch(5)[0], batch(6, size=3)[0] + 5]
    gan.settle(sources)
    probe = keras.Model(gan.tested.input, gan.tested.get_layer("down1").output)
    features = [np.asarray(probe(source)) for source in sources]
    norm = gan.tested.get_layer("down1_norm")
    for stored, of_batch in ((norm.moving_mean, np.mean), (norm.moving_variance, np.var)):
        found = [of_batch(feature, axis=(0, 1, 2)) for feature in features]
        expected = np.average(found, axis=0, weights=[len(source) for source in sources])
        np.testing.assert_allclose(stored.numpy(), expected, rtol=1e-3, atol=1e-7)


@pytest.mark.usefixtures("eager")
def test_recalibration_leaves_training_alone() -> None:
    gan = Pix2Pix(recipe(), seed=0)
    trained(gan, 1)
    before = gan.state()
    gan.settle([batch(5)[0]])
    assert_same(gan.state(), before)


def statistics(network: keras.Model) -> dict[str, NDArray[Any]]:
    return {v.path: v.numpy() for v in network.variables if "moving" in v.path}


@pytest.mark.usefixtures("eager")
def test_without_recalibration_the_stored_statistics_are_those_met_in_training() -> None:
    gan = Pix2Pix(recipe(**ALONE, **{"optimisation.recalibrate": False}), seed=0)
    assert len(statistics(gan.tested)) == 2 * 11
    for number in range(2):
        gan.step(*batch(number))
        gan.settle([batch(5)[0]])
        assert_same(statistics(gan.tested), statistics(gan.generator))


@pytest.mark.usefixtures("eager")
def test_a_tested_generator_of_its_own_test_mode_computes_as_training_does_at_batch_size_one() -> None:
    gan = Pix2Pix(recipe("junyanz", **ALONE), seed=0)
    trained(gan, 2)
    gan.settle([])
    source = batch(7)[0]
    together = np.asarray(gan.tested(source, training=False))
    for number in range(2):
        alone = gan.generator([source[number : number + 1], np.zeros(1, np.int32)], training=True)
        np.testing.assert_allclose(together[number : number + 1], alone, atol=1e-4)


STATES = [recipe(), recipe("junyanz"), recipe("tf-tutorial", **SPECTRAL), recipe(**ALONE)]
NAMES = ["average", "no average", "spectral", "generator alone"]
MARKS: list[Any] = [[], pytest.mark.long, pytest.mark.long, pytest.mark.long]


@pytest.mark.long
@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize(
    "options", [pytest.param(*case[:1], id=case[1], marks=case[2]) for case in zip(STATES, NAMES, MARKS, strict=True)]
)
def test_a_state_is_all_that_changes_in_training(options: Recipe) -> None:
    gone_on, resumed = Pix2Pix(options, seed=0), Pix2Pix(options, seed=1)
    gone_on.set_learning_rate(1e-3)
    trained(gone_on, 2)
    state = gone_on.state()
    resumed.load_state(state)
    assert_same(resumed.state(), state)
    assert trained(gone_on, 1) == trained(resumed, 1)
    assert_same(resumed.state(), gone_on.state())
    for gan in (gone_on, resumed):
        gan.settle([batch(9)[0]])
    assert_same(*({v.path: v.numpy() for v in gan.tested.variables} for gan in (gone_on, resumed)))


def test_a_state_counts_updates_and_holds_both_moments_of_every_weight() -> None:
    gan = Pix2Pix(recipe(), seed=0)
    names = gan.state().keys()
    for network in gan.networks:
        weights = [variable.path.replace("/", "_") for variable in gan.networks[network].trainable_variables]
        for moment in ("momentum", "velocity"):
            assert {f"{network}_optimizer/adam/{weight}_{moment}" for weight in weights} <= names
        assert {f"{network}_optimizer/adam/{name}" for name in ("iteration", "learning_rate")} <= names
    assert gan.state()["updates"].tolist() == [0, 0]


@pytest.fixture(scope="module")
def untrained() -> Pix2Pix:
    return Pix2Pix(recipe(), seed=0)


@pytest.mark.parametrize("name", ["generator/down0/kernel", "discriminator_optimizer/adam/iteration", "updates"])
def test_a_state_with_something_missing_is_refused(untrained: Pix2Pix, name: str) -> None:
    state = untrained.state()
    del state[name]
    with pytest.raises(TrainingError, match=f"state '{name}' does not fit the networks of the recipe"):
        untrained.load_state(state)


def test_a_state_with_something_odd_is_refused(untrained: Pix2Pix) -> None:
    state = {**untrained.state(), "generator/down9/kernel": np.zeros(3)}
    with pytest.raises(TrainingError, match="state 'generator/down9/kernel' does not fit"):
        untrained.load_state(state)


def test_a_state_of_another_shape_is_refused(untrained: Pix2Pix) -> None:
    state = {**untrained.state(), "generator/down0/kernel": np.zeros((4, 4, 1, 3), np.float32)}
    message = r"state 'generator/down0/kernel' of \(4, 4, 1, 3\), expected \(4, 4, 1, 2\)"
    with pytest.raises(TrainingError, match=message):
        untrained.load_state(state)


@pytest.mark.parametrize("place", [-1, -2], ids=["counters", "last variable"])
def test_a_state_that_is_refused_changes_nothing(untrained: Pix2Pix, place: int) -> None:
    before = untrained.state()
    name = list(before)[place]
    state = {**{name: array + 1 for name, array in before.items()}, name: np.zeros((1, 2, 3), np.float32)}
    with pytest.raises(TrainingError, match=re.escape(f"state {name!r} of (1, 2, 3), expected ")):
        untrained.load_state(state)
    assert_same(untrained.state(), before)


# The same with PyTorch: two updates, a state, and two more by what made it and by what it was loaded into.
GO_ON = """
import sys
from pathlib import Path
from sartranslate.networks import backend
backend.select("torch")
import numpy as np
from sartranslate.train.checkpoint import load_checkpoint, save_checkpoint
from sartranslate.train.pix2pix import Pix2Pix
from sartranslate.recipes.recipe_file import read_recipe

recipe, checkpoint = read_recipe(Path(sys.argv[1])), Path(sys.argv[2])
rng = np.random.default_rng(0)
batches = [
    (*(rng.uniform(-1, 1, (2, 128, 128, bands)).astype(np.float32) for bands in (1, 3)), np.array([7, -7], np.int32))
    for _ in range(4)
]
gone_on, resumed = Pix2Pix(recipe, seed=0), Pix2Pix(recipe, seed=1)
for batch in batches[:2]:
    gone_on.step(*batch)
save_checkpoint(checkpoint, gone_on.state(), {})
resumed.load_state(load_checkpoint(checkpoint)[0])
for batch in batches[2:]:
    assert gone_on.step(*batch) == resumed.step(*batch)
one, other = gone_on.state(), resumed.state()
assert one.keys() == other.keys()
assert [name for name in one if one[name].tobytes() != other[name].tobytes()] == []
"""


@pytest.mark.long
@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")
@pytest.mark.parametrize("options", [STATES[0], STATES[2]], ids=["average", "spectral"])
def test_a_state_of_torch_is_all_that_changes_in_training(options: Recipe, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(to_toml(options), encoding="utf-8")
    command = [sys.executable, "-c", GO_ON, str(tmp_path / "recipe.toml"), str(tmp_path / "checkpoint.safetensors")]
    done = subprocess.run(
        command, capture_output=True, text=True, env=user_environment(), cwd=Path(__file__).parents[1]
    )
    assert done.returncode == 0, done.stderr
