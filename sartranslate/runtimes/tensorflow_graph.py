"""A folded generator as a TensorFlow graph of constants, which oneDNN and cuDNN run in its own precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from sartranslate.runtimes import steps
from sartranslate.runtimes.framework_results import FrameworkResults, exact_convolutions
from sartranslate.runtimes.steps import Folded


def graph(folded: Folded, precision: str) -> Callable[..., Any]:
    """A call from arrays, float32 (N, H, W, bands) and seeds (N,) if it takes any, to a float32 array."""
    dtype = tf.as_dtype(precision)
    with tf.Graph().as_default() as recorded:
        inputs = [tf.compat.v1.placeholder(tf.float32, (None, None, None, folded.source_bands))]
        if folded.seeded:
            inputs.append(tf.compat.v1.placeholder(tf.int32, (None,)))
        results = _Results(dtype, exact_convolutions(folded, precision), *inputs[1:])
        outputs = tf.cast(steps.evaluate(folded, inputs[0], results), tf.float32)
    session = tf.compat.v1.Session(graph=recorded, config=_config())
    return session.make_callable(outputs, inputs)  # type: ignore[no-any-return]


def _config() -> Any:
    """Of TensorFlow's optimisers the one that fuses steps: each copies all constants, which takes seconds and memory.

    A `tf.function` has all or none. GPUs, whose layouts others of them choose, have all here too. A session knows
    nothing of `tf.config`, so visible devices, growth of memory and threads are told it as set there.
    """
    config = tf.compat.v1.ConfigProto(
        intra_op_parallelism_threads=tf.config.threading.get_intra_op_parallelism_threads(),
        inter_op_parallelism_threads=tf.config.threading.get_inter_op_parallelism_threads(),
    )
    present, visible = tf.config.list_physical_devices("GPU"), tf.config.get_visible_devices("GPU")
    if visible:
        config.gpu_options.allow_growth = any(map(tf.config.experimental.get_memory_growth, visible))
        if visible != present:
            config.gpu_options.visible_device_list = ",".join(str(present.index(gpu)) for gpu in visible)
    else:
        config.device_count["GPU"] = 0
        rewriting = config.graph_options.rewrite_options
        rewriting.optimizers.append("remap")
        rewriting.meta_optimizer_iterations = 1
        rewriting.disable_tfg_optimizer = True
    return config


class _Results(FrameworkResults):
    float32 = tf.float32

    def convolve(self, step: steps.Convolve, x: Any) -> Any:
        padding = [[0, 0], step.padding, step.padding, [0, 0]]
        kernel, bias = (tf.constant(values, self._dtype_of(step)) for values in (step.kernel, step.bias))
        return tf.nn.bias_add(tf.nn.conv2d(tf.cast(x, kernel.dtype), kernel, step.stride, padding), bias)

    def shuffle(self, step: steps.Shuffle, x: Any) -> Any:
        before, behind = step.border
        x = tf.nn.depth_to_space(x, 2)
        return x[:, before:-behind, before:-behind] if behind else x

    def standardise(self, step: steps.Standardise, x: Any) -> Any:
        x = tf.cast(x, tf.float32)  # sums over a patch overflow in half precision
        mean, variance = tf.nn.moments(x, (1, 2), keepdims=True)
        x = tf.nn.batch_normalization(x, mean, variance, step.offset, step.scale, step.epsilon)
        return tf.cast(x, self._dtype)

    def join(self, first: Any, second: Any) -> Any:
        return tf.concat([tf.cast(first, self._dtype), tf.cast(second, self._dtype)], -1)

    def tanh(self, x: Any) -> Any:
        return tf.tanh(tf.cast(x, tf.float32))

    def relu(self, x: Any) -> Any:
        return tf.nn.relu(x)

    def leaky_relu(self, x: Any, slope: float) -> Any:
        return tf.nn.leaky_relu(x, slope)
