"""One training step of the Pix2Pix GAN (Isola et al. 2017, section 3.3)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import keras
import numpy as np
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
    """Generator, discriminator and their optimisers, updated together on batches in [-1, 1].

    A second generator, without dropout, holds a moving average of the first one's weights: the one
    worth keeping.
    """

    def __init__(self, config: GeneratorConfig, objective: Objective, precision: str = "float32") -> None:
        self.objective = objective
        with backend.policy(precision):
            self.generator = build_generator(config)
            self.discriminator = build_discriminator(
                config.source_bands, config.target_bands, objective.discriminator_filters
            )
            # Without momentum, a forward pass leaves the statistics of its batch in the layers.
            self.average = build_generator(config, dropout=0.0, momentum=0.0)
        self._generator_optimizer = _adam(objective)
        self._discriminator_optimizer = _adam(objective)
        self._generator_optimizer.build(self.generator.trainable_variables)
        self._discriminator_optimizer.build(self.discriminator.trainable_variables)
        self._compiled_update = backend.compiled(self._update)
        self._compiled_average = backend.compiled(lambda source: self.average(source, training=True))

    def step(self, source: Float, target: Float) -> StepLosses:
        """One update on (N, H, W, bands) and (N, H, W, 3), both in [-1, 1]."""
        scalars = self._compiled_update(ops.convert_to_tensor(source), ops.convert_to_tensor(target))
        return StepLosses(*(float(ops.convert_to_numpy(scalar)) for scalar in scalars))

    def set_learning_rate(self, value: float) -> None:
        self._generator_optimizer.learning_rate = value
        self._discriminator_optimizer.learning_rate = value

    def recalibrate(self, sources: Iterable[Float]) -> None:
        """Set the batch-norm statistics of the averaged generator to their mean over source batches.

        The statistics met in training belong to other weights, and are noisy at small batches.
        """
        statistics = self.average.non_trainable_variables
        total, count = [np.zeros(variable.shape) for variable in statistics], 0
        with backend.no_gradients():
            for source in sources:
                self._compiled_average(ops.convert_to_tensor(source))
                total = [sum_ + v.numpy() for sum_, v in zip(total, statistics, strict=True)]
                count += 1
        for variable, sum_ in zip(statistics, total, strict=True):
            variable.assign(sum_ / count)

    def _update(self, source: Any, target: Any) -> tuple[Any, Any, Any]:
        variables = (self.generator.trainable_variables, self.discriminator.trainable_variables)
        values, grads = backend.gradients(lambda: self._objectives(source, target), variables)
        with backend.no_gradients():
            self._generator_optimizer.apply(grads[0], variables[0])
            self._discriminator_optimizer.apply(grads[1], variables[1])
            self._update_average()
        _, discriminator, adversarial, l1 = values
        return adversarial, discriminator, l1

    def _update_average(self) -> None:
        # The first update is taken over whole and the average is short at first: no initial weights remain in it.
        earlier = ops.cast(self._generator_optimizer.iterations, "float32") - 1
        decay = ops.minimum(self.objective.average, earlier / (earlier + 9))
        pairs = zip(self.average.trainable_variables, self.generator.trainable_variables, strict=True)
        for average, variable in pairs:
            average.assign(decay * average + (1 - decay) * variable)

    def _objectives(self, source: Any, target: Any) -> tuple[Any, Any, Any, Any]:
        fake = self.generator(source, training=True)
        real_logits = self.discriminator([source, target], training=True)
        fake_logits = self.discriminator([source, fake], training=True)
        adversarial = losses.generator_adversarial(fake_logits)
        l1 = losses.l1(target, fake)
        discriminator = losses.discriminator_adversarial(real_logits, fake_logits)
        return adversarial + self.objective.l1_weight * l1, discriminator, adversarial, l1


def _adam(objective: Objective) -> keras.optimizers.Optimizer:
    return keras.optimizers.Adam(objective.learning_rate, beta_1=0.5, epsilon=1e-8)
