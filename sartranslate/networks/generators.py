"""Generators of Pix2Pix as Keras models, built from their topology."""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatchmethod
from typing import Any

import keras
from keras import layers

from sartranslate.networks import topology
from sartranslate.networks.blocks import Normalisation, ReflectionPadding, normal
from sartranslate.networks.dropout import SeededDropout
from sartranslate.recipes.architecture import GeneratorConfig


def build_generator(
    config: GeneratorConfig,
    *,
    training: bool = False,
    sampling: bool = False,
    momentum: float = 0.9,
    synchronized: bool = False,
) -> keras.Model:
    """(N, H, W, source_bands) in [-1, 1] -> (N, H, W, target_bands) in (-1, 1), float32; weights are float32, too.

    H and W are multiples of `config.size_multiple`. What is built for `training` takes a list of source and
    seeds, whole numbers (N,) that fit into int32, and drops values when it is called in training mode: which
    ones follows from a sample's own seed. What is built otherwise takes the source alone, and the output of a
    patch depends on no other in the batch; in test mode "own" it is that of training at batch size 1 with
    seed 0. What is built for `sampling` is such a one too, but takes seeds and drops values in every call. All
    have the same trainable variables in the same order. `momentum` is the share that stored statistics keep in
    an update; `synchronized` batch norm runs over TensorFlow's replicas.
    """
    source = keras.Input((None, None, config.source_bands), name=topology.SOURCE)
    seeded = training or sampling
    seed = keras.Input((), dtype="int32", name="seed") if seeded else None
    own = config.test_mode == "own" and not training
    normalise = Normalisation(config.norm, config.norm_epsilon, momentum, synchronized, own)
    build = _KerasLayers(normalise, seed, dropping=seeded or own, always=sampling or own)
    outputs = {topology.SOURCE: source}
    for layer in topology.layers(config):
        outputs[layer.name] = build.output(layer.operation, layer.name, *(outputs[name] for name in layer.inputs))
    target = outputs[topology.TARGET]
    if not seeded:
        return keras.Model(source, target, name=config.architecture)
    return keras.Model([source, seed], _Seeded(name="seeded", autocast=False)(target, seed), name=config.architecture)


class _Seeded(layers.Layer):  # type: ignore[misc]
    """Passes values on: Keras before 3.14 refuses a model whose output depends on no seed, as without dropout."""

    def call(self, x: Any, seed: Any) -> Any:
        return x


@dataclass(frozen=True)
class _KerasLayers:
    """Each operation as a Keras layer of a given name, called on Keras tensors."""

    normalise: Normalisation
    seed: Any  # (N,), or None where every sample has seed 0
    dropping: bool
    always: bool  # drops values outside training, too

    @singledispatchmethod
    def output(self, operation: topology.Operation, name: str, *inputs: Any) -> Any:
        raise NotImplementedError(operation)

    @output.register
    def _(self, operation: topology.Convolution, name: str, x: Any) -> Any:
        form = {"use_bias": operation.bias, "kernel_initializer": normal(), "name": name}
        if operation.upsampling == "transpose":
            return _transposed(operation, form, x)
        if operation.upsampling == "resize":
            x = layers.UpSampling2D(2, interpolation="nearest", name=f"{name}_nearest")(x)
        return _convolution(operation, form, x)

    @output.register
    def _(self, operation: topology.Normalise, name: str, x: Any) -> Any:
        return self.normalise(x, name)

    @output.register
    def _(self, operation: topology.LeakyReLU, name: str, x: Any) -> Any:
        return layers.LeakyReLU(operation.slope, name=name)(x)

    @output.register
    def _(self, operation: topology.ReLU, name: str, x: Any) -> Any:
        return layers.ReLU(name=name)(x)

    @output.register
    def _(self, operation: topology.Tanh, name: str, x: Any) -> Any:
        return layers.Activation("tanh", dtype="float32", name=name)(x)

    @output.register
    def _(self, operation: topology.Dropout, name: str, x: Any) -> Any:
        if not self.dropping:
            return x
        layer = SeededDropout(operation.rate, always=self.always, name=name)
        return layer(x) if self.seed is None else layer(x, self.seed)

    @output.register
    def _(self, operation: topology.Reflect, name: str, x: Any) -> Any:
        return ReflectionPadding(operation.pixels, name=name)(x)

    @output.register
    def _(self, operation: topology.Join, name: str, *inputs: Any) -> Any:
        return layers.Concatenate(name=name)(list(inputs))

    @output.register
    def _(self, operation: topology.Add, name: str, *inputs: Any) -> Any:
        return layers.Add(name=name)(list(inputs))


def _convolution(operation: topology.Convolution, form: dict[str, Any], x: Any) -> Any:
    """Zeros that do not come in pairs are up and left, as Torch has them: Keras' "same" puts them on the other side."""
    padding = "same" if operation.padded else "valid"
    if operation.padded and (operation.size - operation.stride) % 2:
        x, padding = layers.ZeroPadding2D(((1, 0), (1, 0)), name=f"{form['name']}_pad")(x), "valid"
    return layers.Conv2D(operation.filters, operation.size, operation.stride, padding=padding, **form)(x)


def _transposed(operation: topology.Convolution, form: dict[str, Any], x: Any) -> Any:
    """Placed as by Torch with padding 1 and, of 3 pixels, output padding 1: Keras' "same" lies elsewhere then."""
    if operation.size == topology.UNET_KERNEL:
        return layers.Conv2DTranspose(operation.filters, operation.size, 2, padding="same", **form)(x)
    x = layers.Conv2DTranspose(operation.filters, operation.size, 2, padding="valid", **form)(x)
    return layers.Cropping2D(((1, 0), (1, 0)), name=f"{form['name']}_crop")(x)
