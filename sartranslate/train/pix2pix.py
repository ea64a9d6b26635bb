"""The Pix2Pix GAN in training (Isola et al. 2017, section 3), in the variants of its implementations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from sartranslate.backscatter.radiometry import Float
from sartranslate.errors import TrainingError
from sartranslate.networks import autograd, backend
from sartranslate.networks.blocks import initialise
from sartranslate.networks.discriminators import build_discriminator
from sartranslate.networks.generators import build_generator
from sartranslate.recipes.recipe import Recipe
from sartranslate.train.replicas import Replicas
from sartranslate.train.update import Update

AVERAGE_WARM_UP = 9  # steps of the average before its memory is longer than that of the steps so far
COUNTERS = "updates"


class Pix2Pix:
    """Generator, discriminator and their optimisers, updated on batches in [-1, 1].

    Everything random in an update follows from the seeds of its samples, so the same weights and batches
    give the same update on any device and however a batch is shared. `tested` is a second generator, the
    one worth keeping: without dropout but in the seeds' test mode, and of averaged weights where the recipe
    averages.
    """

    def __init__(self, recipe: Recipe, seed: int, precision: str = "float32", replicas: Replicas | None = None) -> None:
        self.recipe = recipe
        self._optimisation = recipe.optimisation
        self._averaging = recipe.optimisation.average > 0
        self.replicas = replicas = replicas or Replicas()
        replicas.check(recipe.optimisation.batch_size)
        with replicas.scope(), backend.policy(precision):
            self.networks = _networks(recipe, seed, synchronized=replicas.count > 1)
            # Without momentum, a forward pass leaves the statistics of its batch in the layers.
            self.tested = build_generator(recipe.generator, momentum=0.0)
            self._optimizers = {name: _optimizer(recipe, network) for name, network in self.networks.items()}
        _copy(self.generator.trainable_variables, self.tested.trainable_variables)
        self._update = Update(recipe, self.networks, self._optimizers)
        self._compiled_update = replicas.compiled(self._update)
        self._compiled_average = backend.compiled(self._move_average)
        self._compiled_statistics = backend.compiled(lambda source: self.tested(source, training=True))
        self._updates = 0
        self._average_moves = 0

    @property
    def generator(self) -> keras.Model:
        return self.networks["generator"]

    @property
    def loss_names(self) -> tuple[str, ...]:
        """Of the losses that `step` returns, in their order."""
        return self._update.names

    def step(self, source: Float, target: Float, seeds: NDArray[np.int32]) -> dict[str, float]:
        """One update on (N, H, W, bands) and (N, H, W, 3), both in [-1, 1], and (N,) seeds; returns the losses.

        The batch is this worker's share of it, where several workers train, as arrays or as `backend.placed` leaves it.
        """
        scalars = self._compiled_update(*(ops.convert_to_tensor(values) for values in (source, target, seeds)))
        self._updates += 1
        if self._averaging and self._updates % self._optimisation.average_every == 0:
            self._follow()
        losses = (float(ops.convert_to_numpy(scalar)) for scalar in scalars)
        return dict(zip(self._update.names, losses, strict=True))

    def set_learning_rate(self, value: float) -> None:
        for optimizer in self._optimizers.values():
            optimizer.learning_rate = value

    def settle(self, sources: Iterable[Float]) -> None:
        """Make `tested` fit for use: the latest weights where none are averaged, and batch-norm statistics.

        Those are the means over the crops of the source batches where the recipe recalibrates, because what
        training met belongs to other weights and is noisy at small batches; else what training has stored.
        """
        if not self._average_moves:
            _copy(self.generator.trainable_variables, self.tested.trainable_variables)
        statistics = _statistics(self.tested)
        if not statistics:
            return
        _copy(_statistics(self.generator), statistics)
        if self._optimisation.recalibrate:
            self._recalibrate(statistics, sources)

    def start_from(self, model: keras.Model) -> None:
        """Take over the weights and batch-norm statistics of a generator with the same variables."""
        given = {variable.path: variable for variable in model.variables}
        for variable in self.generator.variables:
            if variable.path in given:  # what is normalised patch by patch has no statistics
                variable.assign(given[variable.path])
        _copy(self.generator.trainable_variables, self.tested.trainable_variables)

    def state(self) -> dict[str, NDArray[Any]]:
        """All that changes in training, by name."""
        arrays = {name: np.asarray(variable.numpy()) for name, variable in self._variables().items()}
        return {**arrays, COUNTERS: np.array([self._updates, self._average_moves], np.int64)}

    def load_state(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Go on where `state` was taken. The state of other networks raises `TrainingError` and changes nothing."""
        variables = self._variables()
        shapes = {COUNTERS: (2,)} | {name: tuple(variable.shape) for name, variable in variables.items()}
        if odd := sorted(shapes.keys() ^ arrays.keys()):
            raise TrainingError(f"state {odd[0]!r} does not fit the networks of the recipe")
        for name, shape in shapes.items():
            if arrays[name].shape != shape:
                raise TrainingError(f"state {name!r} of {arrays[name].shape}, expected {shape}")
        for name, variable in variables.items():
            variable.assign(arrays[name])
        self._updates, self._average_moves = (int(number) for number in arrays[COUNTERS])

    def _variables(self) -> dict[str, Any]:
        groups = {name: network.variables for name, network in self.networks.items()}
        groups |= {f"{name}_optimizer": optimizer.variables for name, optimizer in self._optimizers.items()}
        if self._averaging:
            groups["average"] = self.tested.trainable_variables
        return {f"{group}/{variable.path}": variable for group, found in groups.items() for variable in found}

    def _follow(self) -> None:
        # The first weights are taken over whole and the average is short at first: no initial ones remain in it.
        earlier = self._average_moves
        decay = min(self._optimisation.average**self._optimisation.average_every, earlier / (earlier + AVERAGE_WARM_UP))
        self._compiled_average(ops.convert_to_tensor(decay, "float32"))
        self._average_moves += 1

    def _move_average(self, decay: Any) -> None:
        with autograd.no_gradients():
            pairs = zip(self.tested.trainable_variables, self.generator.trainable_variables, strict=True)
            for average, variable in pairs:
                average.assign(decay * average + (1 - decay) * variable)

    def _recalibrate(self, statistics: Sequence[Any], sources: Iterable[Float]) -> None:
        total, crops = [np.zeros(variable.shape) for variable in statistics], 0
        with autograd.no_gradients():
            for source in sources:
                self._compiled_statistics(ops.convert_to_tensor(source))
                found = (len(source) * variable.numpy() for variable in statistics)
                total = [sum_ + share for sum_, share in zip(total, found, strict=True)]
                crops += len(source)
        for variable, sum_ in zip(statistics, total, strict=True):
            variable.assign(sum_ / crops)


def _networks(recipe: Recipe, seed: int, *, synchronized: bool) -> dict[str, keras.Model]:
    """The generator and, where the recipe has an adversarial loss, the discriminator."""
    norm: dict[str, Any] = {"momentum": recipe.optimisation.norm_momentum, "synchronized": synchronized}
    frozen = recipe.optimisation.frozen_norm
    networks = {"generator": build_generator(recipe.generator, training=not frozen, sampling=frozen, **norm)}
    if recipe.objective.gan_weight:
        bands = recipe.generator.source_bands, recipe.generator.target_bands
        networks["discriminator"] = build_discriminator(recipe.discriminator, *bands, **norm)
    for network in networks.values():
        initialise(network, recipe.initialisation, seed)
    return networks


def _optimizer(recipe: Recipe, network: keras.Model) -> keras.optimizers.Optimizer:
    constants = recipe.optimisation
    optimizer = autograd.adam(constants.beta1, constants.beta2, constants.adam_epsilon)
    optimizer.build(network.trainable_variables)
    return optimizer


def _statistics(network: keras.Model) -> list[Any]:
    """Stored by batch normalisation."""
    return [variable for variable in network.variables if variable.path.endswith(("moving_mean", "moving_variance"))]


def _copy(variables: Sequence[Any], copies: Sequence[Any]) -> None:
    for variable, copy in zip(variables, copies, strict=True):
        copy.assign(variable)
