"""Four kinds of game against values worked out by hand, Keras' own cross-entropy and finite differences."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sartranslate.networks import backend
from tests.both_backends import assert_alike, needs_torch

backend.select("tensorflow")

import keras  # noqa: E402
from keras import ops  # noqa: E402

from sartranslate.networks import adversarial, autograd  # noqa: E402

KINDS = ("vanilla", "lsgan", "hinge", "wgan-gp")
REAL, FAKE = np.random.default_rng(0).normal(0, 3, (2, 4, 5, 6, 1)).astype(np.float32)

Array = NDArray[np.float32]


def constant(value: float) -> Array:
    """Logits of two samples that are all alike."""
    return np.full((2, 3, 4, 1), value, np.float32)


def generator_loss(kind: str, fake_logits: Array) -> Array:
    return np.asarray(adversarial.generator_loss(kind, fake_logits))


def discriminator_loss(kind: str, real_logits: Array, fake_logits: Array) -> Array:
    return np.asarray(adversarial.discriminator_loss(kind, real_logits, fake_logits))


def gradient(term: Callable[[Any], Any], at: Array) -> Array:
    """Derivative of the sum of a term over its samples."""
    return np.asarray(autograd.slope(term, ops.convert_to_tensor(at)))


def cross_entropy(logits: Array, label: float) -> Array:
    one_by_one = keras.losses.BinaryCrossentropy(from_logits=True, reduction=None)
    return np.asarray(one_by_one(np.full_like(logits, label), logits)).mean(axis=(1, 2))


def test_the_vanilla_game_is_cross_entropy_on_logits() -> None:
    expected = cross_entropy(REAL, 1) + cross_entropy(FAKE, 0)
    np.testing.assert_allclose(discriminator_loss("vanilla", REAL, FAKE), expected, rtol=1e-5)
    np.testing.assert_allclose(generator_loss("vanilla", FAKE), cross_entropy(FAKE, 1), rtol=1e-5)


# A logit of 0.5 on real patches, of -2 on generated ones.
@pytest.mark.parametrize(
    ("kind", "discriminator", "generator"),
    [
        ("vanilla", np.log(1 + np.exp(-0.5)) + np.log(1 + np.exp(-2)), np.log(1 + np.exp(2))),
        ("lsgan", 0.25 + 4, 9),
        ("hinge", 0.5 + 0, 2),
        ("wgan-gp", -0.5 - 2, 2),
    ],
)
def test_each_kind_charges_what_its_formula_says(kind: str, discriminator: float, generator: float) -> None:
    assert discriminator_loss(kind, constant(0.5), constant(-2)) == pytest.approx(discriminator, rel=1e-6)
    assert generator_loss(kind, constant(-2)) == pytest.approx(generator, rel=1e-6)


@pytest.mark.parametrize(
    ("kind", "price"), [("vanilla", 2 * np.log(2)), ("lsgan", 0.5), ("hinge", 2.0), ("wgan-gp", 0.0)]
)
def test_a_discriminator_that_can_not_tell_does_best_by_giving_one_answer(kind: str, price: float) -> None:
    """The same logits on both sides: none cost less than the game's equilibrium."""
    equilibrium = 0.5 if kind == "lsgan" else 0.0
    assert discriminator_loss(kind, constant(equilibrium), constant(equilibrium)) == pytest.approx(price)
    assert (discriminator_loss(kind, REAL, REAL) >= price - 1e-6).all()


def test_hinge_charges_nothing_beyond_its_margins_and_leaves_the_discriminator_alone() -> None:
    sure, far = constant(1.5), constant(-1.5)
    assert discriminator_loss("hinge", 1 + np.abs(REAL), -1 - np.abs(FAKE)).tolist() == [0, 0, 0, 0]
    assert not gradient(lambda real: adversarial.discriminator_loss("hinge", real, far), sure).any()
    assert not gradient(lambda fake: adversarial.discriminator_loss("hinge", sure, fake), far).any()


def test_hinge_still_pulls_a_generator_that_wins() -> None:
    slope = gradient(lambda fake: adversarial.generator_loss("hinge", fake), constant(50))
    np.testing.assert_allclose(slope, -1 / 12, rtol=1e-6)


def test_least_squares_are_least_at_the_labels() -> None:
    assert discriminator_loss("lsgan", constant(1), constant(0)).tolist() == [0, 0]
    assert generator_loss("lsgan", constant(1)).tolist() == [0, 0]
    assert (discriminator_loss("lsgan", REAL, FAKE) > 0).all()
    for overshoot in (-0.1, 0.1):
        assert generator_loss("lsgan", constant(1 + overshoot)) == pytest.approx(0.01, rel=1e-5)


def test_a_critic_is_charged_for_differences_only() -> None:
    shifted = discriminator_loss("wgan-gp", REAL + 100, FAKE + 100)
    np.testing.assert_allclose(shifted, discriminator_loss("wgan-gp", REAL, FAKE), atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_every_generator_is_drawn_to_higher_logits_and_every_discriminator_to_the_right_ones(kind: str) -> None:
    undecided = constant(0.5)
    assert (gradient(lambda fake: adversarial.generator_loss(kind, fake), undecided) < 0).all()
    assert (gradient(lambda fake: adversarial.discriminator_loss(kind, undecided, fake), undecided) > 0).all()
    assert (gradient(lambda real: adversarial.discriminator_loss(kind, real, undecided), undecided) < 0).all()


@pytest.mark.parametrize("extreme", [-1e4, 1e4])
@pytest.mark.parametrize("kind", KINDS)
def test_extreme_logits_have_finite_losses_and_slopes(kind: str, extreme: float) -> None:
    logits = constant(extreme)
    assert np.isfinite(discriminator_loss(kind, logits, -logits)).all()
    assert np.isfinite(gradient(lambda fake: adversarial.generator_loss(kind, fake), logits)).all()
    assert np.isfinite(gradient(lambda fake: adversarial.discriminator_loss(kind, -logits, fake), logits)).all()


def test_cross_entropy_grows_linearly_without_overflow() -> None:
    assert generator_loss("vanilla", constant(-1e4)) == pytest.approx(1e4)
    assert generator_loss("vanilla", constant(1e4)) == pytest.approx(0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_pays_the_same_in_any_batch(kind: str) -> None:
    alone = [discriminator_loss(kind, REAL[[i]], FAKE[[i]])[0] for i in range(4)]
    np.testing.assert_allclose(discriminator_loss(kind, REAL, FAKE), alone, rtol=1e-6)
    alone = [generator_loss(kind, FAKE[[i]])[0] for i in range(4)]
    np.testing.assert_allclose(generator_loss(kind, FAKE), alone, rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_graph_gives_what_single_calls_give(kind: str) -> None:
    graph = backend.compiled(lambda real, fake: adversarial.discriminator_loss(kind, real, fake))
    compiled = graph(ops.convert_to_tensor(REAL), ops.convert_to_tensor(FAKE))
    np.testing.assert_allclose(np.asarray(compiled), discriminator_loss(kind, REAL, FAKE), rtol=1e-5)


def test_interpolated_pictures_lie_where_their_own_share_says() -> None:
    real, fake = constant(1), constant(-1)
    pictures = np.asarray(adversarial.interpolate(real, fake, np.array([0.25, 1.0], np.float32)))
    assert pictures.shape == real.shape
    assert np.unique(pictures[0]).tolist() == [-0.5]
    assert np.unique(pictures[1]).tolist() == [1.0]


def test_share_0_is_the_generated_picture() -> None:
    assert np.array_equal(adversarial.interpolate(REAL, FAKE, np.zeros(4, np.float32)), FAKE)


def test_slopes_are_penalised_by_the_distance_of_their_norm_from_1() -> None:
    slopes = np.zeros((3, 2, 2, 2), np.float32)
    slopes[0, 0, 0, 0] = 1
    slopes[1, 0, 0] = slopes[1, 1, 1] = 2.5  # four values: norm 5
    slopes[2, 1, 0] = 0.3, 0.4
    assert np.asarray(adversarial.gradient_penalty(slopes)) == pytest.approx([0, 16, 0.25], abs=1e-6)


def test_the_penalty_drives_the_norm_towards_1_from_both_sides() -> None:
    slopes = np.stack([np.full((2, 2, 1), 0.1), np.full((2, 2, 1), 2)]).astype(np.float32)  # norms 0.2 and 4
    derivative = gradient(adversarial.gradient_penalty, slopes)
    expected = 2 * (np.array([0.2, 4]) - 1) / 2  # chain rule: 2 (norm - 1) times value / norm, here 1 / 2
    np.testing.assert_allclose(derivative[:, 0, 0, 0], expected, rtol=1e-5)


def test_a_critic_without_any_slope_pays_1_and_no_derivative_is_lost() -> None:
    nothing = np.zeros((2, 3, 3, 2), np.float32)
    assert np.asarray(adversarial.gradient_penalty(nothing)) == pytest.approx(1, abs=1e-5)
    assert np.array_equal(gradient(adversarial.gradient_penalty, nothing), nothing)


MEASURE = """
from sartranslate.networks import autograd, adversarial

real, fake, share = (given[name] for name in ("real", "fake", "share"))
terms = {"penalty": adversarial.gradient_penalty}
terms["interpolated"] = lambda x: ops.sum(adversarial.interpolate(real, x, share), axis=(1, 2, 3))
for kind in ("vanilla", "lsgan", "hinge", "wgan-gp"):
    terms[f"{kind}_generator"] = lambda x, kind=kind: adversarial.generator_loss(kind, x)
    terms[f"{kind}_discriminator"] = lambda x, kind=kind: adversarial.discriminator_loss(kind, real, x)
for name, term in terms.items():
    found[name], found[f"{name}_slope"] = term(fake), autograd.slope(term, fake)
"""


@pytest.mark.long
@needs_torch
def test_torch_finds_the_values_and_slopes_that_tensorflow_finds(tmp_path: Path) -> None:
    share = np.linspace(0, 1, 4, dtype=np.float32)
    assert_alike(tmp_path, MEASURE, 20, rtol=1e-5, real=REAL, fake=FAKE, share=share)
