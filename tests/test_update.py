"""One update against the same one made by hand, with TensorFlow's tapes and Keras' own optimiser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sartranslate.networks import backend
from sartranslate.recipes.recipe import Recipe

backend.select("tensorflow")

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

from sartranslate.networks.reconstruction import l1, shifted_l1  # noqa: E402
from sartranslate.train.pix2pix import Pix2Pix, _networks  # noqa: E402

SEED = 4
RATE = 0.01  # so large that a discriminator that was updated before judges otherwise
EPSILON = 1e-3  # of Adam, so that rounding of the smallest gradients does not decide which way a weight moves
TINY: dict[str, Any] = {
    "generator.architecture": "unet_128",
    "generator.filters": 2,
    "discriminator.filters": 2,
    "discriminator.layers": 2,
    "initialisation.gain": 0.2,  # of kernels this small, for features with contrast
    "optimisation.crop": 128,
    "optimisation.batch_size": 2,
    "optimisation.adam_epsilon": EPSILON,
    "objective.l1": 0.5,  # that the discriminator decides as much
}
WGAN = {"objective.gan": "wgan-gp", "discriminator.norm": "none"}
SPECTRAL = {"objective.gan": "hinge", "discriminator.spectral_norm": True}
MATCHING = {"objective.feature_matching": 3.0, "discriminator.scales": 2}
SIMULTANEOUS = {"optimisation.order": "simultaneous"}
L1_ONLY = {"objective.gan_weight": 0.0}

Losses = dict[str, Any]


def recipe(**changes: Any) -> Recipe:
    return Recipe().with_fields({**TINY, **changes})


def batch() -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(1)
    source = rng.uniform(-1, 1, (2, 128, 128, 1)).astype(np.float32)
    target = np.concatenate([source, -source, source**2], axis=-1)
    return tf.constant(source), tf.constant(target), tf.constant([70_000, -3], tf.int32)


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """One update is sooner done than compiled."""
    monkeypatch.setattr(backend, "compiled", lambda function: function)


def trainer(recipe: Recipe) -> Pix2Pix:
    gan = Pix2Pix(recipe, SEED)
    gan.set_learning_rate(RATE)
    return gan


def entropy(logits: Any, label: float) -> Any:
    return tf.nn.sigmoid_cross_entropy_with_logits(tf.fill(logits.shape, label), logits)


# What the discriminator pays for logits of real and of generated patches, and the generator for its own.
GAMES: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any], Callable[[Any], Any]]] = {
    "vanilla": (lambda x: entropy(x, 1.0), lambda x: entropy(x, 0.0), lambda x: entropy(x, 1.0)),
    "lsgan": (lambda x: (x - 1) ** 2, lambda x: x**2, lambda x: (x - 1) ** 2),
    "hinge": (lambda x: tf.nn.relu(1 - x), lambda x: tf.nn.relu(1 + x), lambda x: -x),
    "wgan-gp": (lambda x: -x, lambda x: x, lambda x: -x),
}


class ByHand:
    """The networks of a trainer, updated in one pass or two, as published."""

    def __init__(self, recipe: Recipe) -> None:
        self.objective = recipe.objective
        networks = self.networks = _networks(recipe, SEED, synchronized=False)
        self.generator, self.discriminator = networks["generator"], networks.get("discriminator")
        self.source, self.target, self.seeds = batch()
        self.real, self.fake, self.fooling = GAMES[recipe.objective.gan]

    def alternating(self) -> Losses:
        with tf.GradientTape() as tape:
            fake = self.generator([self.source, self.seeds], training=True)
            with tf.GradientTape() as judged:
                real = self.judged(self.target)
                losses, total = self.discriminator_losses(real, self.judged(tf.stop_gradient(fake)), fake)
            self.move("discriminator", judged, total)
            if self.objective.feature_matching:
                real = self.judged(self.target)
            fooling, total = self.generator_losses(fake, real, self.judged(fake))
        self.move("generator", tape, total)
        return {**losses, **fooling}

    def simultaneous(self) -> Losses:
        with tf.GradientTape(persistent=True) as tape:
            fake = self.generator([self.source, self.seeds], training=True)
            real, judged = self.judged(self.target), self.judged(fake)
            losses, discriminated = self.discriminator_losses(real, judged, fake)
            fooling, fooled = self.generator_losses(fake, real, judged)
        gradients = tape.gradient(fooled, [v.value for v in self.generator.trainable_variables])
        self.move("discriminator", tape, discriminated)
        optimizer().apply(gradients, self.generator.trainable_variables)
        return {**losses, **fooling}

    def alone(self) -> Losses:
        with tf.GradientTape() as tape:
            l1 = tf.reduce_mean(tf.abs(self.target - self.generator([self.source, self.seeds], training=True)))
            total = self.objective.l1 * l1
        self.move("generator", tape, total)
        return {"l1": l1}

    def judged(self, picture: Any) -> Any:
        return self.discriminator([self.source, picture], training=True)

    def discriminator_losses(self, real: Any, judged: Any, fake: Any) -> tuple[Losses, Any]:
        pairs = list(zip(real["logits"], judged["logits"], strict=True))
        paid = [tf.reduce_mean(self.real(x)) + tf.reduce_mean(self.fake(y)) for x, y in pairs]
        loss = self.objective.discriminator_factor * tf.reduce_mean(paid)
        if self.objective.gan != "wgan-gp":
            return {"discriminator": loss}, loss
        penalty = self.penalty(tf.stop_gradient(fake))
        return {"discriminator": loss, "penalty": penalty}, loss + 10 * self.objective.discriminator_factor * penalty

    def penalty(self, fake: Any) -> Any:
        share = tf.reshape(tf.constant([70_000 % 65_536 / 65_535, (65_536 - 3) / 65_535], tf.float32), (2, 1, 1, 1))
        between = share * self.target + (1 - share) * fake
        with tf.GradientTape() as tape:
            tape.watch(between)
            scores = [tf.reduce_mean(logits, (1, 2, 3)) for logits in self.judged(between)["logits"]]
            score = tf.reduce_mean(scores, axis=0)
        slope = tape.gradient(score, between)
        return tf.reduce_mean((tf.sqrt(tf.reduce_sum(slope**2, (1, 2, 3))) - 1) ** 2)

    def generator_losses(self, fake: Any, real: Any, judged: Any) -> tuple[Losses, Any]:
        fooling = tf.reduce_mean([tf.reduce_mean(self.fooling(logits)) for logits in judged["logits"]])
        losses = {"generator": fooling, "l1": tf.reduce_mean(tf.abs(self.target - fake))}
        total = self.objective.gan_weight * fooling + self.objective.l1 * losses["l1"]
        if self.objective.feature_matching:
            pairs = list(zip(real["features"], judged["features"], strict=True))
            differences = [tf.reduce_mean(tf.abs(tf.stop_gradient(x) - y)) for x, y in pairs]
            losses["feature_matching"] = tf.reduce_mean(differences)
            total += self.objective.feature_matching * losses["feature_matching"]
        return losses, total

    def move(self, name: str, tape: tf.GradientTape, total: Any) -> None:
        variables = self.networks[name].trainable_variables
        gradients = tape.gradient(total, [variable.value for variable in variables])
        optimizer().apply(gradients, variables)


def optimizer() -> keras.optimizers.Optimizer:
    return keras.optimizers.Adam(RATE, beta_1=0.5, beta_2=0.999, epsilon=EPSILON)


def largest_difference(one: dict[str, keras.Model], other: dict[str, keras.Model]) -> float:
    """Of all weights and stored statistics."""
    assert one.keys() == other.keys()
    pairs = [pair for name in one for pair in zip(one[name].variables, other[name].variables, strict=True)]
    return max(float(np.abs(x.numpy() - y.numpy()).max()) for x, y in pairs)


def case(name: str, changes: dict[str, Any], *, default: bool = False) -> Any:
    return pytest.param(changes, id=name, marks=[] if default else pytest.mark.long)


@pytest.mark.parametrize(
    "changes",
    [
        case("alternating", {}, default=True),
        case("simultaneous", SIMULTANEOUS),
        case("wgan-gp", WGAN),
        case("wgan-gp-scales", {**WGAN, "discriminator.scales": 2}),
        case("matching", MATCHING),
        case("matching-spectral", {**MATCHING, **SPECTRAL}),
        case("lsgan", {"objective.discriminator_factor": 3.0, "objective.gan": "lsgan"}),
        case("hinge", {"objective.gan_weight": 0.3, **SPECTRAL}),
        case("wgan-gp-simultaneous", {**WGAN, **SIMULTANEOUS}),
    ],
)
def test_an_update_is_the_one_made_by_hand(changes: dict[str, Any]) -> None:
    gan, one, other = trainer(recipe(**changes)), ByHand(recipe(**changes)), ByHand(recipe(**changes))
    ways = [ByHand.alternating, ByHand.simultaneous]
    if gan.recipe.optimisation.order == "simultaneous":
        ways.reverse()
    losses, expected = gan.step(*batch()), ways[0](one)
    assert losses.keys() == expected.keys()
    for name, loss in losses.items():
        assert loss == pytest.approx(float(expected[name]), rel=1e-5, abs=1e-6), name
    assert largest_difference(gan.networks, one.networks) < 2e-5
    assert largest_difference(gan.networks, other.networks) > 0.3 * RATE
    ways[1](other)
    assert largest_difference(gan.networks, other.networks) > 1e-3


def test_without_an_adversarial_weight_the_generator_follows_the_other_losses_alone() -> None:
    gan, by_hand = trainer(recipe(**L1_ONLY)), ByHand(recipe(**L1_ONLY))
    losses, expected = gan.step(*batch()), by_hand.alone()
    assert losses == {"l1": pytest.approx(float(expected["l1"]))}
    assert largest_difference(gan.networks, by_hand.networks) < 2e-5


def test_without_an_adversarial_weight_there_is_no_discriminator() -> None:
    gan = Pix2Pix(recipe(**L1_ONLY), seed=0)
    assert gan.networks.keys() == {"generator"}
    assert gan.loss_names == ("l1",)
    assert not [name for name in gan.state() if "discriminator" in name]


def test_l1_with_a_shift_is_that_of_the_best_shift() -> None:
    gan = trainer(recipe(**L1_ONLY, **{"objective.shift": 4}))
    source, target, seeds = batch()
    fake = gan.generator([source, seeds], training=True)
    expected, exact = (float(tf.reduce_mean(loss)) for loss in (shifted_l1(target, fake, 4), l1(target, fake)))
    assert gan.step(source, target, seeds)["l1"] == pytest.approx(expected)
    assert expected != pytest.approx(exact)


def test_with_frozen_statistics_the_generator_is_trained_as_it_is_used() -> None:
    frozen = {"optimisation.frozen_norm": True, "generator.dropout": 0.0}
    gan = trainer(recipe(**L1_ONLY, **frozen))
    statistics = [variable for variable in gan.generator.variables if "moving" in variable.path]
    for number, statistic in enumerate(statistics):
        statistic.assign(tf.linspace(0.1, 0.3 + number / 10, statistic.shape[0]))
    before = [statistic.numpy() for statistic in statistics]
    for _ in range(2):
        gan.settle([])
        used = l1(batch()[1], gan.tested(batch()[0], training=False))
        assert gan.step(*batch())["l1"] == pytest.approx(float(tf.reduce_mean(used)), rel=1e-5)
    for statistic, values in zip(statistics, before, strict=True):
        np.testing.assert_array_equal(statistic, values)


def test_with_frozen_statistics_values_are_dropped_all_the_same() -> None:
    gan = trainer(recipe(**L1_ONLY, **{"optimisation.frozen_norm": True}))
    source, _, seeds = batch()
    first, second = (gan.generator([source, seeds + offset], training=False) for offset in (0, 1))
    assert np.abs(first - second).max() > 0


def test_losses_are_named_in_their_order() -> None:
    terms = {f"objective.{name}": 1.0 for name in ("l2", "ssim", "focal_frequency", "feature_matching")}
    gan = Pix2Pix(recipe(**WGAN, **terms), seed=0)
    names = ("generator", "discriminator", "penalty", "l1", "l2", "ssim", "focal_frequency", "feature_matching")
    assert gan.loss_names == names
    assert tuple(gan.step(*batch())) == names


def test_the_factor_of_the_discriminator_is_in_its_loss() -> None:
    halved, whole = (Pix2Pix(recipe(**{"objective.discriminator_factor": factor}), 0) for factor in (0.5, 1.0))
    losses = halved.step(*batch()), whole.step(*batch())
    assert losses[0]["discriminator"] == pytest.approx(losses[1]["discriminator"] / 2, rel=1e-6)


def test_losses_of_shares_add_up_to_those_of_the_batch() -> None:
    gan = trainer(recipe(**WGAN, **{"generator.norm": "instance"}))
    gan.set_learning_rate(0.0)
    whole = gan.step(*batch())
    shares = [gan.step(*(values[first : first + 1] for values in batch())) for first in (0, 1)]
    for name, loss in whole.items():
        assert sum(share[name] for share in shares) == pytest.approx(loss, rel=1e-4, abs=1e-6), name


VARIANTS: dict[str, dict[str, Any]] = {
    "terms": {**MATCHING, "objective.l2": 10.0, "objective.ssim": 1.0, "objective.focal_frequency": 10.0},
    "spectral": {**SPECTRAL, "discriminator.norm": "instance"},
    "wgan": {**WGAN, "discriminator.norm": "instance", "generator.norm": "instance"},
    "resnet": {"generator.architecture": "resnet_6blocks", "generator.upsampling": "resize"},
    "encoder": {
        "generator.architecture": "encoder_decoder",
        "optimisation.crop": 256,
        "optimisation.order": "simultaneous",
        "discriminator.layers": 0,
        "objective.gan": "lsgan",
    },
}


@pytest.mark.long
@pytest.mark.parametrize(
    ("variant", "precision"),
    [*((variant, "float32") for variant in VARIANTS), ("terms", "bfloat16")],
)
def test_every_variant_learns_the_batch(variant: str, precision: str) -> None:
    gan = Pix2Pix(recipe(**{**VARIANTS[variant], "objective.l1": 10.0}), seed=0, precision=precision)
    gan.set_learning_rate(3e-3)
    source, target, seeds = batch()
    if gan.recipe.optimisation.crop == 256:
        source, target = (tf.repeat(tf.repeat(picture, 2, 1), 2, 2) for picture in (source, target))
    losses = [gan.step(source, target, seeds) for _ in range(15)]
    assert all(np.isfinite(list(found.values())).all() for found in losses)
    for name in gan.recipe.objective.reconstructions:
        if name != "feature_matching":
            assert losses[-1][name] < 0.97 * losses[0][name], name
