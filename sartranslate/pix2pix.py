"""One training step of the Pix2Pix GAN (Isola et al. 2017, section 3.3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import keras
from keras import ops

from sartranslate import backend, losses
from sartranslate.architecture import GeneratorConfig
from sartranslate.networks import build_discriminator, build_generator
from sartranslate.objective import Objective
from sartranslate.radiometry import Float


class StepLosses(NamedTuple):
    """Scalars of one update."""

    generator: float  # adversarial part
    discriminator: float
    l1: float


class Pix2Pix:
    """Generator, discriminator and their optimisers, updated together on batches in [-1, 1]."""

    def __init__(self, config: GeneratorConfig, objective: Objective, precision: str = "float32") -> None:
        self.objective = objective
        with backend.policy(precision):
            self.generator = build_generator(config)
            self.discriminator = build_discriminator(
                config.source_bands, config.target_bands, objective.discriminator_filters
            )
        self._generator_optimizer = _adam(objective, average=objective.average)
        self._discriminator_optimizer = _adam(objective)
        self._generator_optimizer.build(self.generator.trainable_variables)
        self._discriminator_optimizer.build(self.discriminator.trainable_variables)
        self._compiled_update = backend.compiled(self._update)
        self._compiled_forward = backend.compiled(lambda source: self.generator(source, training=True))

    def step(self, source: Float, target: Float) -> StepLosses:
        """One update on (N, H, W, bands) and (N, H, W, 3), both in [-1, 1]."""
        scalars = self._compiled_update(ops.convert_to_tensor(source), ops.convert_to_tensor(target))
        return StepLosses(*(float(ops.convert_to_numpy(scalar)) for scalar in scalars))

    def set_learning_rate(self, value: float) -> None:
        self._generator_optimizer.learning_rate = value
        self._discriminator_optimizer.learning_rate = value

    @contextmanager
    def averaged(self, recalibration: Iterable[Float]) -> Iterator[keras.Model]:
        """The generator with averaged weights, its batch-norm statistics re-estimated on source batches.

        On leaving, the weights under training are back.
        """
        before = self.generator.get_weights()
        self._generator_optimizer.finalize_variable_values(self.generator.trainable_variables)
        with backend.no_gradients():
            for source in recalibration:
                self._compiled_forward(ops.convert_to_tensor(source))
        try:
            yield self.generator
        finally:
            self.generator.set_weights(before)

    def _update(self, source: Any, target: Any) -> tuple[Any, Any, Any]:
        variables = (self.generator.trainable_variables, self.discriminator.trainable_variables)
        values, grads = backend.gradients(lambda: self._objectives(source, target), variables)
        with backend.no_gradients():
            self._generator_optimizer.apply(grads[0], variables[0])
            self._discriminator_optimizer.apply(grads[1], variables[1])
        _, discriminator, adversarial, l1 = values
        return adversarial, discriminator, l1

    def _objectives(self, source: Any, target: Any) -> tuple[Any, Any, Any, Any]:
        fake = self.generator(source, training=True)
        real_logits = self.discriminator([source, target], training=True)
        fake_logits = self.discriminator([source, fake], training=True)
        adversarial = losses.generator_adversarial(fake_logits)
        l1 = losses.l1(target, fake)
        discriminator = losses.discriminator_adversarial(real_logits, fake_logits)
        return adversarial + self.objective.l1_weight * l1, discriminator, adversarial, l1


def _adam(objective: Objective, average: float | None = None) -> keras.optimizers.Optimizer:
    return keras.optimizers.Adam(
        objective.learning_rate,
        beta_1=0.5,
        epsilon=1e-8,
        use_ema=average is not None,
        ema_momentum=average or 0.99,
    )
