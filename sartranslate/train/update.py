"""One update of both networks, on the share of a batch that one device has."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from sartranslate.networks import adversarial, reconstruction
from sartranslate.networks.autograd import Tape, no_gradients, slope
from sartranslate.networks.discriminators import features_of, logits_of
from sartranslate.recipes.recipe import Recipe

SHARES = 0xFFFF  # steps in the share of the real picture between it and a generated one
TERMS = {
    "l2": reconstruction.l2,
    "ssim": reconstruction.ssim_loss,
    "focal_frequency": reconstruction.focal_frequency,
}


class Update:
    """Moves the weights of generator and discriminator by one step of their optimisers.

    Called with (n, H, W, bands), (n, H, W, 3) and (n,) seeds, it returns the losses named in `names`, each
    divided by the size of the whole batch, so that those of all shares add up to means.
    """

    def __init__(
        self,
        recipe: Recipe,
        networks: dict[str, keras.Model],
        optimizers: dict[str, keras.optimizers.Optimizer],
    ) -> None:
        self._recipe, self._objective = recipe, recipe.objective
        self._generator, self._discriminator = networks["generator"], networks.get("discriminator")
        self._optimizers = optimizers
        self._networks = networks
        self._penalised = self._discriminator is not None and self._objective.gan == "wgan-gp"

    @property
    def names(self) -> tuple[str, ...]:
        """Of the losses: adversarial ones where there is a discriminator, then those of reconstruction, unweighted."""
        adversaries = ("generator", "discriminator") if self._discriminator else ()
        penalty = ("penalty",) if self._penalised else ()
        return (*adversaries, *penalty, *self._objective.reconstructions)

    def __call__(self, source: Any, target: Any, seeds: Any) -> tuple[Any, ...]:
        if self._discriminator is None:
            losses = self._alone(source, target, seeds)
        elif self._recipe.optimisation.order == "alternating":
            losses = self._alternating(source, target, seeds)
        else:
            losses = self._simultaneous(source, target, seeds)
        return tuple(losses[name] for name in self.names)

    def _alone(self, source: Any, target: Any, seeds: Any) -> dict[str, Any]:
        with Tape() as tape:
            terms = self._terms(target, self._generate(source, seeds))
            total = self._weighted(terms)
        self._apply("generator", tape, total)
        return terms

    def _alternating(self, source: Any, target: Any, seeds: Any) -> dict[str, Any]:
        with Tape() as tape:
            fake = self._generate(source, seeds)
        known = ops.stop_gradient(fake)
        with Tape() as judged:
            real_outputs = self._judge(source, target)
            losses, total = self._discriminator_losses(real_outputs, self._judge(source, known))
            penalty = self._penalty(source, target, known, seeds)
            total = total + self._penalty_weight * penalty.get("penalty", 0.0)
        self._apply("discriminator", judged, total)
        if self._objective.feature_matching:  # features of one and the same discriminator are compared
            real_outputs = self._judge(source, target)
        with tape:
            fooling, total = self._generator_losses(target, fake, real_outputs, self._judge(source, fake))
        self._apply("generator", tape, total)
        return {**losses, **penalty, **fooling}

    def _simultaneous(self, source: Any, target: Any, seeds: Any) -> dict[str, Any]:
        with Tape() as tape:
            fake = self._generate(source, seeds)
            real_outputs, fake_outputs = self._judge(source, target), self._judge(source, fake)
            losses, judged = self._discriminator_losses(real_outputs, fake_outputs)
            penalty = self._penalty(source, target, ops.stop_gradient(fake), seeds)
            judged = judged + self._penalty_weight * penalty.get("penalty", 0.0)
            fooling, fooled = self._generator_losses(target, fake, real_outputs, fake_outputs)
        totals = {"generator": fooled, "discriminator": judged}
        gradients = {name: tape.gradient(total, self._weights(name)) for name, total in totals.items()}
        for name, found in gradients.items():
            self._move(name, found)
        return {**losses, **penalty, **fooling}

    def _generate(self, source: Any, seeds: Any) -> Any:
        return self._generator([source, seeds], training=not self._recipe.optimisation.frozen_norm)

    def _judge(self, source: Any, picture: Any) -> Any:
        return self._discriminator([source, picture], training=True)  # type: ignore[misc]

    def _discriminator_losses(self, real_outputs: Any, fake_outputs: Any) -> tuple[dict[str, Any], Any]:
        """By name, and what the discriminator minimises, but for the penalty."""
        scales = zip(logits_of(real_outputs), logits_of(fake_outputs), strict=True)
        paid = [adversarial.discriminator_loss(self._objective.gan, real, fake) for real, fake in scales]
        loss = self._objective.discriminator_factor * self._mean(sum(paid) / len(paid))
        return {"discriminator": loss}, loss

    def _generator_losses(
        self, target: Any, fake: Any, real_outputs: Any, fake_outputs: Any
    ) -> tuple[dict[str, Any], Any]:
        """By name, and what the generator minimises."""
        logits = logits_of(fake_outputs)
        paid = sum(adversarial.generator_loss(self._objective.gan, scale) for scale in logits) / len(logits)
        fooling = self._mean(paid)
        terms = self._terms(target, fake)
        if self._objective.feature_matching:
            matched = reconstruction.feature_matching(features_of(real_outputs), features_of(fake_outputs))
            terms["feature_matching"] = self._mean(matched)
        return {"generator": fooling, **terms}, self._objective.gan_weight * fooling + self._weighted(terms)

    def _penalty(self, source: Any, target: Any, fake: Any, seeds: Any) -> dict[str, Any]:
        """Of a critic whose slope between a real and a generated picture is not 1 (Gulrajani et al. 2017)."""
        if not self._penalised:
            return {}
        share = ops.cast(ops.bitwise_and(seeds, SHARES), "float32") / SHARES
        between = adversarial.interpolate(target, fake, share)

        def score(picture: Any) -> Any:
            scales = logits_of(self._judge(source, picture))
            return sum(ops.mean(logits, axis=(1, 2, 3)) for logits in scales) / len(scales)

        return {"penalty": self._mean(adversarial.gradient_penalty(slope(score, between)))}

    def _terms(self, target: Any, fake: Any) -> dict[str, Any]:
        terms = {**TERMS, "l1": self._l1}
        wanted = [name for name in self._objective.reconstructions if name in terms]
        return {name: self._mean(terms[name](target, fake)) for name in wanted}

    def _l1(self, target: Any, fake: Any) -> Any:
        if not self._objective.shift:
            return reconstruction.l1(target, fake)
        return reconstruction.shifted_l1(target, fake, self._objective.shift)

    def _weighted(self, terms: dict[str, Any]) -> Any:
        weights = self._objective.reconstructions
        return sum(weights[name] * term for name, term in terms.items())

    @property
    def _penalty_weight(self) -> float:
        """Of the whole of a critic's loss, whose factor goes for both of its parts."""
        return self._objective.discriminator_factor * self._objective.gradient_penalty

    def _mean(self, per_sample: Any) -> Any:
        return ops.sum(per_sample) / self._recipe.optimisation.batch_size

    def _weights(self, name: str) -> list[Any]:
        return list(self._networks[name].trainable_variables)

    def _apply(self, name: str, tape: Tape, total: Any) -> None:
        self._move(name, tape.gradient(total, self._weights(name)))

    def _move(self, name: str, gradients: list[Any]) -> None:
        with no_gradients():
            self._optimizers[name].apply(gradients, self._weights(name))
