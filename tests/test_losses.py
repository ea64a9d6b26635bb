"""Losses against values worked out by hand and against Keras' own cross-entropy."""

from __future__ import annotations

import numpy as np
import pytest

from sartranslate import backend

backend.select("tensorflow")

import keras  # noqa: E402

from sartranslate import losses  # noqa: E402

REAL, FAKE = np.random.default_rng(0).normal(0, 3, (2, 4, 5, 5, 1)).astype(np.float32)


def cross_entropy(logits: np.ndarray, label: float) -> float:
    return float(keras.losses.BinaryCrossentropy(from_logits=True)(np.full_like(logits, label), logits))


def test_the_generator_wants_its_fakes_called_real() -> None:
    assert float(losses.generator_adversarial(FAKE)) == pytest.approx(cross_entropy(FAKE, 1), rel=1e-5)


def test_the_discriminator_pays_half_of_both_errors() -> None:
    expected = (cross_entropy(REAL, 1) + cross_entropy(FAKE, 0)) / 2
    assert float(losses.discriminator_adversarial(REAL, FAKE)) == pytest.approx(expected, rel=1e-5)


def test_an_undecided_discriminator_pays_log_2() -> None:
    zeros = np.zeros_like(REAL)
    assert float(losses.discriminator_adversarial(zeros, zeros)) == pytest.approx(np.log(2))


def test_extreme_logits_stay_finite() -> None:
    assert float(losses.generator_adversarial(np.array([-1e4], np.float32))) == pytest.approx(1e4)


def test_l1_is_the_mean_absolute_difference() -> None:
    assert float(losses.l1(np.array([0.0, 1.0]), np.array([0.5, -1.0]))) == pytest.approx(1.25)
