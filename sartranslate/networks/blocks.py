"""Layers that Keras lacks and the networks share: normalisations, reflection, pooling, and how weights start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
from keras import layers, ops

from sartranslate.networks.autograd import batch_normalization
from sartranslate.recipes.initialisation import Initialisation, initial_value

TINY = 1e-12  # keeps the direction of a vanishing vector finite


@dataclass(frozen=True)
class Normalisation:
    """How the features of a network are brought to mean 0 and variance 1 for each channel.

    Kind "batch" does so over samples and pixels, with a scale and an offset learned for each channel;
    "instance" over the pixels of each sample; "none" not at all. `own` replaces the batch by each sample
    alone, with the same scales and offsets at the same paths and no stored statistics.
    """

    kind: str
    epsilon: float
    momentum: float = 0.9  # share that stored statistics keep in an update; 0.1 in PyTorch's sense
    synchronized: bool = False  # over the replicas of TensorFlow's distribution
    own: bool = False

    @property
    def offsets(self) -> bool:
        """Whether it makes the bias of the convolution before it superfluous."""
        return self.kind == "batch"

    def __call__(self, x: Any, name: str) -> Any:
        """Normalised (N, H, W, C), by a layer called `name`."""
        if self.kind == "none":
            return x
        if self.kind == "instance" or self.own:
            return PatchNormalization(self.epsilon, affine=self.kind == "batch", name=name)(x)
        return batch_normalization(
            synchronized=self.synchronized,
            momentum=self.momentum,
            epsilon=self.epsilon,
            gamma_initializer=normal(mean=1.0),
            name=name,
        )(x)


class PatchNormalization(layers.Layer):  # type: ignore[misc]
    """Gives each channel of each sample of (N, H, W, C) mean 0 and variance 1, in training or not.

    When `affine`, a learned scale and offset follow: batch normalisation in training mode at batch size 1.
    """

    def __init__(self, epsilon: float, *, affine: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon
        self.affine = affine

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if self.affine:
            options = {"shape": input_shape[-1:], "autocast": False}
            self.gamma = self.add_weight(name="gamma", initializer=normal(mean=1.0), **options)
            self.beta = self.add_weight(name="beta", initializer="zeros", **options)

    def call(self, x: Any) -> Any:
        x = ops.cast(x, "float32")  # sums over a patch overflow in half precision
        # Not `ops.moments`: TensorFlow's holds the mean constant, which spoils second derivatives, those of penalties.
        x = x - ops.mean(x, axis=(1, 2), keepdims=True)
        x = x * ops.rsqrt(ops.mean(ops.square(x), axis=(1, 2), keepdims=True) + self.epsilon)
        if self.affine:
            x = x * self.gamma + self.beta
        return ops.cast(x, self.compute_dtype)


class SpectralConvolution(layers.Layer):  # type: ignore[misc]
    """A convolution by its kernel divided by the kernel's largest singular value (Miyato et al. 2018).

    The kernel is taken as a matrix with a row for each filter. Each call in training does one step of power
    iteration (algorithm 1) on the vector `u`, which is stored; both singular vectors are constants in
    derivatives (equation 12). The kernel that is stored and optimised is the undivided one.
    """

    def __init__(self, filters: int, size: int, stride: int, *, padding: str, use_bias: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.size = size
        self.stride = stride
        self.padding = padding
        self.use_bias = use_bias

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        shape = (self.size, self.size, input_shape[-1], self.filters)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=normal(), autocast=False)
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")
        # Replicas of a distributed network have the same kernel, and so the same vector.
        self.u = self.add_weight(
            name="u",
            shape=(self.filters,),
            initializer=normal(),
            trainable=False,
            autocast=False,
            aggregation="only_first_replica",
        )

    def call(self, x: Any, training: bool | None = None) -> Any:
        kernel = ops.cast(self.kernel / self._singular_value(bool(training)), self.compute_dtype)
        x = ops.conv(x, kernel, self.stride, self.padding, data_format="channels_last")
        return x + self.bias if self.use_bias else x

    def _singular_value(self, iterate: bool) -> Any:
        matrix = ops.reshape(self.kernel, (-1, self.filters))
        constant = ops.stop_gradient(matrix)
        # A copy: PyTorch must not find the vector changed by a later call when it differentiates this one.
        u = _direction(ops.stop_gradient(ops.convert_to_tensor(self.u)))
        v = _direction(ops.matmul(constant, u))
        if iterate:
            u = _direction(ops.matmul(v, constant))
            self.u.assign(u)
        return ops.sum(ops.matmul(v, matrix) * u)


class ReflectionPadding(layers.Layer):  # type: ignore[misc]
    """Mirrors so many pixels of (N, H, W, C) outwards at the outermost pixels, which are not repeated themselves.

    Pictures that are not larger than the padding repeat them. None is smaller than the padding.
    """

    def __init__(self, pixels: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pixels = pixels

    def call(self, x: Any) -> Any:
        return reflected(x, self.pixels)


class HalvingPool(layers.Layer):  # type: ignore[misc]
    """Means of 3 x 3 pixels around every other one, of those within the picture (Wang et al. 2018, pix2pixHD)."""

    def call(self, x: Any) -> Any:
        return _means_around(x, 1, 2)


class Detail(layers.Layer):  # type: ignore[misc]
    """Pictures without the mean of the square around each pixel, of that part of it which lies within the picture.

    What a discriminator of detail alone sees (frequency separation; Fritsche et al. 2019, arXiv 1911.07850). In
    float32, since detail is small beside the means.
    """

    def __init__(self, reach: int, **settings: Any) -> None:
        """A square reaches so many pixels beyond its middle."""
        super().__init__(autocast=False, **settings)
        self.reach = reach

    def call(self, x: Any) -> Any:
        x = ops.cast(x, "float32")
        return x - _means_around(x, self.reach, 1)


def reflected(x: Any, pixels: int) -> Any:
    """(N, H, W, C) with so many pixels more at each border, mirrored at the outermost ones."""
    reach = pixels + 1
    x = ops.concatenate([ops.flip(x[:, :reach], 1)[:, :pixels], x, ops.flip(x[:, -reach:], 1)[:, -pixels:]], axis=1)
    return ops.concatenate(
        [ops.flip(x[:, :, :reach], 2)[:, :, :pixels], x, ops.flip(x[:, :, -reach:], 2)[:, :, -pixels:]],
        axis=2,
    )


def normal(mean: float = 0.0) -> keras.initializers.Initializer:
    """The paper's distribution of kernels, with mean 1 that of the scales of batch norm."""
    return keras.initializers.RandomNormal(mean, 0.02)


def initialise(model: keras.Model, initialisation: Initialisation, seed: int) -> None:
    """Give all variables of a network the values that `initial_value` draws for their paths."""
    for variable in model.variables:
        variable.assign(initial_value(initialisation, variable.path, tuple(variable.shape), seed))


def _means_around(x: Any, reach: int, stride: int) -> Any:
    """Means of squares that reach so far beyond their middles, of those pixels of them that lie within the picture."""
    inside = ops.ones_like(x[:1, :, :, :1])
    return _padded_means(x, reach, stride) / _padded_means(inside, reach, stride)


def _padded_means(x: Any, reach: int, stride: int) -> Any:
    """Along one axis and then the other, which costs less than squares do."""
    side, pad = 2 * reach + 1, (reach, reach)
    x = ops.pad(x, ((0, 0), pad, pad, (0, 0)))
    rows = ops.average_pool(x, (side, 1), (stride, 1), "valid", data_format="channels_last")
    return ops.average_pool(rows, (1, side), (1, stride), "valid", data_format="channels_last")


def _direction(vector: Any) -> Any:
    return vector / ops.maximum(ops.norm(vector), TINY)
