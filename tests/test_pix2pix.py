"""One training step: what it changes, what it leaves alone."""

from __future__ import annotations

import numpy as np
import pytest

from sartranslate import backend
from sartranslate.architecture import GeneratorConfig
from sartranslate.objective import Objective

backend.select("tensorflow")

import keras  # noqa: E402

from sartranslate.pix2pix import Pix2Pix, StepLosses  # noqa: E402

RNG = np.random.default_rng(0)
SOURCE = RNG.uniform(-1, 1, (2, 256, 256, 1)).astype(np.float32)
TARGET = np.concatenate([SOURCE, -SOURCE, np.zeros_like(SOURCE)], axis=-1)


def trainer(**objective: float) -> Pix2Pix:
    backend.seed(0)
    return Pix2Pix(GeneratorConfig(filters=4), Objective(discriminator_filters=4, **objective))


def test_updates_bring_the_output_nearer_to_the_target() -> None:
    gan = trainer(learning_rate=5e-3)
    first, *_, last = [gan.step(SOURCE, TARGET).l1 for _ in range(40)]
    assert last < 0.8 * first


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few steps are sooner done one by one than compiled."""
    monkeypatch.setattr(backend, "compiled", lambda function: function)


@pytest.mark.usefixtures("eager")
def test_the_same_seed_gives_the_same_losses() -> None:
    first, second = trainer(), trainer()
    assert [first.step(SOURCE, TARGET) for _ in range(2)] == [second.step(SOURCE, TARGET) for _ in range(2)]


def adversarial_losses(frozen: str, updates: int = 40) -> list[StepLosses]:
    """Updates without L1 in which one network stands still."""
    gan = trainer(l1_weight=0.0, learning_rate=1e-3)
    getattr(gan, f"_{frozen}_optimizer").learning_rate = 0.0
    return [gan.step(SOURCE, TARGET) for _ in range(updates)]


@pytest.mark.long
def test_the_generator_learns_to_fool_a_discriminator_that_stands_still() -> None:
    first, *_, last = adversarial_losses(frozen="discriminator")
    assert last.generator < 0.9 * first.generator


@pytest.mark.long
def test_the_discriminator_learns_to_tell_a_generator_that_stands_still() -> None:
    first, *_, last = adversarial_losses(frozen="generator")
    assert last.discriminator < 0.9 * first.discriminator


@pytest.mark.usefixtures("eager")
def test_the_average_follows_the_weights_with_a_memory_that_grows() -> None:
    gan = trainer(learning_rate=1e-2, average=0.3)
    expected = None
    for earlier in range(5):
        gan.step(SOURCE, TARGET)
        current = gan.generator.trainable_variables[0].numpy()
        decay = min(0.3, earlier / (earlier + 9))
        expected = current if expected is None else decay * expected + (1 - decay) * current
        np.testing.assert_allclose(gan.average.trainable_variables[0].numpy(), expected, rtol=1e-5)


@pytest.mark.usefixtures("eager")
def test_without_averaging_the_average_is_the_generator_itself() -> None:
    gan = trainer(learning_rate=1e-2, average=0.0)
    gan.step(SOURCE, TARGET)
    gan.step(SOURCE, TARGET)
    for average, variable in zip(gan.average.trainable_variables, gan.generator.trainable_variables, strict=True):
        assert np.array_equal(average.numpy(), variable.numpy())


@pytest.mark.usefixtures("eager")
def test_recalibration_stores_the_mean_statistics_of_its_batches() -> None:
    gan = trainer()
    gan.step(SOURCE, TARGET)
    gan.recalibrate([SOURCE, SOURCE + 5])
    probe = keras.Model(gan.average.input, gan.average.get_layer("down1").output)
    features = [np.asarray(probe(source)) for source in (SOURCE, SOURCE + 5)]
    norm = gan.average.get_layer("down1_norm")
    axes = (0, 1, 2)
    np.testing.assert_allclose(norm.moving_mean.numpy(), np.mean([f.mean(axes) for f in features], axis=0), rtol=1e-3)
    np.testing.assert_allclose(
        norm.moving_variance.numpy(), np.mean([f.var(axes) for f in features], axis=0), rtol=1e-3
    )
