"""Dropout whose mask anyone can draw again: a pure function of the sample's seed, the layer and the place.

Integers are hashed instead of drawn from a framework's generator, so TensorFlow and PyTorch drop the same
values on any device, however a batch is put together or split.
"""

from __future__ import annotations

import zlib
from typing import Any

from keras import layers, ops

LOW_32_BITS = 0xFFFFFFFF
LOW_16_BITS = 0xFFFF
# Products of 32 and of 31 bits fit into int64, the one integer that both frameworks multiply on every device.
# The constants and shifts are those of Chris Wellons' search for hashes of little bias ("Hash Prospector").
FIRST_FACTOR, SECOND_FACTOR = 0x2C1B3C6D, 0x297A2D39
SEED_OFFSET = 0x1E3779B9  # a hash of 0 would be 0
CHANNEL_SALT = 0x5851F42D


class SeededDropout(layers.Layer):  # type: ignore[misc]
    """Sets the share `rate` of the values of (N, H, W, C) to 0 and divides the others by 1 - `rate`.

    Called with seeds (N,) of whole numbers, one per sample; without them each sample has seed 0. Layers of
    different names drop different values. Active in training only, unless it is `always`.
    """

    def __init__(self, rate: float, *, always: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = rate
        self.always = always

    def call(self, x: Any, seed: Any = None, training: bool | None = None) -> Any:
        if not (training or self.always):
            return x
        return dropped(x, seed, self.name, self.rate)


def dropped(x: Any, seed: Any, name: str, rate: float) -> Any:
    """What the layer of this name leaves of (N, H, W, C), for the seeds (N,) of the samples or, if None, 0 for each."""
    if seed is None:
        seed = ops.zeros((ops.shape(x)[0],), "int32")
    kept = keep_mask(ops.shape(x), seed, zlib.crc32(name.encode()), rate)
    return ops.where(kept, x / (1 - rate), 0.0)


def keep_mask(shape: tuple[Any, ...], seed: Any, salt: int, rate: float) -> Any:
    """(N, H, W, C) of booleans, each false with probability `rate`, in steps of 2**-16.

    `shape` may hold sizes known when the graph runs, except C. The values of a sample are a function of its
    own `seed`, of which (N,) are given, of the `salt` and of their row, column and channel.
    """
    _, height, width, channels = shape
    words = (channels + 1) // 2  # of 32 bits, for two channels each
    key = ops.reshape(ops.bitwise_and(ops.cast(seed, "int64"), LOW_32_BITS), (-1, 1, 1, 1))
    key = _hashed(ops.bitwise_xor(_hashed(ops.bitwise_and(key + SEED_OFFSET, LOW_32_BITS)), salt))
    pixel = _hashed_with(_hashed_with(key, _numbers(height, 1)), _numbers(width, 2))
    channel = _hashed_with(ops.bitwise_xor(key, CHANNEL_SALT), _numbers(words, 3))
    # One product of two hashes for each word: a hash of each place of a large map would take four times as long.
    product = _odd(pixel) * _odd(channel)
    word = ops.bitwise_and(ops.bitwise_xor(product, ops.right_shift(product, 32)), LOW_32_BITS)
    limit = round((1 - rate) * (LOW_16_BITS + 1))
    halves = [word < limit << 16, ops.bitwise_and(word, LOW_16_BITS) < limit]
    return ops.concatenate(halves, axis=-1)[..., :channels]


def _numbers(count: Any, axis: int) -> Any:
    """0, 1, 2 and so on along one axis of four."""
    return ops.reshape(ops.arange(count, dtype="int64"), [-1 if place == axis else 1 for place in range(4)])


def _hashed_with(key: Any, number: Any) -> Any:
    return _hashed(ops.bitwise_xor(key, number))


def _hashed(key: Any) -> Any:
    """A bijection of 32-bit keys, kept in int64, that changes half of the bits when one of them changes."""
    for shift, factor in ((15, FIRST_FACTOR), (12, SECOND_FACTOR)):
        key = ops.bitwise_and(ops.bitwise_xor(key, ops.right_shift(key, shift)) * factor, LOW_32_BITS)
    return ops.bitwise_xor(key, ops.right_shift(key, 15))


def _odd(key: Any) -> Any:
    """31 bits with the last one set: a product with it is a bijection, and that of two fits into int64."""
    return ops.bitwise_or(ops.right_shift(key, 1), 1)
