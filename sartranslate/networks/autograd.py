"""Where the Keras backends differ in training: gradients, and kernels of optimiser and norm.

Besides `backend` the only module that knows both frameworks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import Any

import keras

from sartranslate.networks import backend

Step = Callable[..., tuple[Any, ...]]  # of tensors, to scalars


class Tape:
    """Records what is computed inside `with`, which may be entered again, for gradients of it."""

    def __init__(self) -> None:
        self._recorder: Any = nullcontext()
        if backend.active() == "tensorflow":
            import tensorflow as tf

            self._recorder = tf.GradientTape(persistent=True)

    def __enter__(self) -> Tape:
        self._recorder.__enter__()
        return self

    def __exit__(self, *failure: Any) -> None:
        self._recorder.__exit__(*failure)

    def gradient(self, value: Any, variables: Sequence[Any]) -> list[Any]:
        """Of a scalar to variables of the framework or of Keras."""
        if backend.active() == "torch":
            import torch

            return list(torch.autograd.grad(value, [variable.value for variable in variables], retain_graph=True))
        return list(self._recorder.gradient(value, [variable.value for variable in variables]))


def slope(function: Callable[[Any], Any], inputs: Any) -> Any:
    """Gradient of the sum of `function`'s values to its inputs, itself fit to be differentiated."""
    if backend.active() == "torch":
        import torch

        watched = inputs.detach().requires_grad_()
        return torch.autograd.grad(function(watched).sum(), watched, create_graph=True)[0]
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(inputs)
        total = tf.reduce_sum(function(inputs))
    return tape.gradient(total, inputs)


@contextmanager
def no_gradients() -> Iterator[None]:
    """Updates inside are not recorded for differentiation."""
    if backend.active() == "torch":
        import torch

        with torch.no_grad():
            yield
    else:
        yield


def adam(beta1: float, beta2: float, epsilon: float) -> keras.optimizers.Optimizer:
    """Adam (Kingma & Ba 2015), with one fused kernel for each variable where the framework has one."""
    kind = _fused_adam() if backend.active() == "tensorflow" else keras.optimizers.Adam
    return kind(beta_1=beta1, beta_2=beta2, epsilon=epsilon, name="adam")


def _fused_adam() -> type[keras.optimizers.Optimizer]:
    import tensorflow as tf

    class FusedAdam(keras.optimizers.Adam):  # type: ignore[misc]
        """Reads and writes each weight once, where Keras' own makes a pass for every operation."""

        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            index = self._get_variable_index(variable)
            step = tf.cast(self.iterations + 1, tf.float32)
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=self._momentums[index].value.handle,
                v=self._velocities[index].value.handle,
                beta1_power=tf.pow(self.beta_1, step),
                beta2_power=tf.pow(self.beta_2, step),
                lr=tf.cast(learning_rate, tf.float32),
                beta1=self.beta_1,
                beta2=self.beta_2,
                epsilon=self.epsilon,
                grad=gradient,
            )

    return FusedAdam


def batch_normalization(*, synchronized: bool, **options: Any) -> keras.layers.BatchNormalization:
    """Keras' layer, of (N, H, W, C), with one fused kernel in training.

    `synchronized` statistics are those over the replicas of TensorFlow's distribution.
    """
    if backend.active() == "torch":
        return _fused_by_torch()(**options)
    if synchronized:
        return keras.layers.BatchNormalization(synchronized=True, **options)
    return _fused_by_tensorflow()(**options)


class _FusedBatchNormalization(keras.layers.BatchNormalization):  # type: ignore[misc]
    """Reads each value twice, where Keras' own makes a pass for every operation."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if not training or keras.backend.standardize_dtype(inputs.dtype) == "float64":  # TensorFlow has no such kernel
            return super().call(inputs, training=training, mask=mask)
        outputs, mean, variance = self.normalised(inputs)
        with no_gradients():
            for statistic, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
                statistic.assign(statistic * self.momentum + value * (1 - self.momentum))
        return outputs

    def normalised(self, inputs: Any) -> tuple[Any, Any, Any]:
        """Outputs, and float32 mean and (biased) variance of each channel."""
        raise NotImplementedError


@cache
def _fused_by_tensorflow() -> type[_FusedBatchNormalization]:
    import tensorflow as tf

    class FusedBatchNormalization(_FusedBatchNormalization):
        def normalised(self, inputs: Any) -> tuple[Any, Any, Any]:
            outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
                x=inputs,
                scale=tf.cast(self.gamma, tf.float32),
                offset=tf.cast(self.beta, tf.float32),
                mean=tf.zeros([0]),
                variance=tf.zeros([0]),
                epsilon=self.epsilon,
                is_training=True,
            )
            count = tf.cast(tf.size(inputs) // inputs.shape[-1], tf.float32)
            return outputs, mean, variance * (count - 1) / count  # the kernel's estimate is unbiased

    return FusedBatchNormalization


@cache
def _fused_by_torch() -> type[_FusedBatchNormalization]:
    import torch

    class FusedBatchNormalization(_FusedBatchNormalization):
        def normalised(self, inputs: Any) -> tuple[Any, Any, Any]:
            outputs, mean, inverse = torch.native_batch_norm(
                inputs.permute(0, 3, 1, 2),
                self.gamma.value.float(),
                self.beta.value.float(),
                None,
                None,
                training=True,
                momentum=0.0,
                eps=self.epsilon,
            )
            return outputs.permute(0, 2, 3, 1), mean, (inverse**-2 - self.epsilon).clamp(min=0)

    return FusedBatchNormalization
