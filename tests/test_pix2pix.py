"""One training step: what it changes, what it leaves alone."""

from __future__ import annotations

import numpy as np
import pytest

from sartranslate import backend
from sartranslate.architecture import GeneratorConfig
from sartranslate.objective import Objective

backend.select("tensorflow")

from sartranslate.pix2pix import Pix2Pix  # noqa: E402

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


def test_the_same_seed_gives_the_same_losses() -> None:
    first, second = trainer(), trainer()
    assert [first.step(SOURCE, TARGET) for _ in range(2)] == [second.step(SOURCE, TARGET) for _ in range(2)]


def test_each_network_follows_its_own_objective() -> None:
    """The generator's gradient fools the discriminator, which itself learns to tell real from fake."""
    gan = trainer(l1_weight=0.0, learning_rate=1e-3)
    losses = [gan.step(SOURCE, TARGET) for _ in range(15)]
    assert losses[-1].discriminator < losses[0].discriminator


def test_averaged_weights_lag_behind_and_training_goes_on_from_the_raw_ones() -> None:
    gan = trainer(learning_rate=1e-2)
    for _ in range(3):
        gan.step(SOURCE, TARGET)
    raw = [weight.copy() for weight in gan.generator.get_weights()]
    with gan.averaged([SOURCE]) as generator:
        averaged = generator.get_weights()
    assert any(not np.array_equal(a, b) for a, b in zip(raw, averaged, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(raw, gan.generator.get_weights(), strict=True))


def test_recalibration_moves_the_stored_statistics_to_those_of_its_batches() -> None:
    gan = trainer()
    with gan.averaged([SOURCE + 5] * 30) as generator:
        layer = generator.get_layer("down1_norm")
        features = generator.get_layer("down1").output
        import keras

        probe = keras.Model(generator.input, features)
        actual = np.asarray(probe(SOURCE + 5)).mean(axis=(0, 1, 2))
        assert np.asarray(layer.moving_mean) == pytest.approx(actual, rel=0.1, abs=0.01)
