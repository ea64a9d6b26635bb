"""Dropout masks: as random as they must be, and the same whoever draws them."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sartranslate.networks import backend

backend.select("tensorflow")

import tensorflow as tf  # noqa: E402

from sartranslate.networks.dropout import SeededDropout, keep_mask  # noqa: E402

SHAPE = (8, 32, 32, 64)
FAR = 4.5  # standard errors, which no mean of random signs exceeds in 100,000 tries


def mask(shape: tuple[int, ...], seeds: Any, salt: int = 99, rate: float = 0.5) -> NDArray[np.bool_]:
    return np.asarray(keep_mask(shape, np.asarray(seeds, np.int32), salt, rate))


def signs(salt: int = 99, rate: float = 0.5) -> NDArray[np.float64]:
    """Mask of many seeds with mean 0 and variance 1."""
    kept = mask(SHAPE, range(SHAPE[0]), salt, rate)
    return (kept - (1 - rate)) / np.sqrt(rate * (1 - rate))


def standard_errors(products: NDArray[np.float64]) -> float:
    return float(abs(products.mean()) * np.sqrt(products.size))


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.5, 0.95])
def test_a_mask_keeps_the_share_that_the_rate_leaves(rate: float) -> None:
    kept = mask(SHAPE, range(SHAPE[0]), rate=rate)
    for axes in [(1, 2, 3), (0, 1, 2)]:
        count = kept.size / np.prod([kept.shape[axis] for axis in range(4) if axis not in axes])
        errors = (kept.mean(axes) - (1 - rate)) / np.sqrt(rate * (1 - rate) / count)
        assert np.abs(errors).max() < FAR


NEIGHBOURS: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "seeds": lambda x: x[1:] * x[:-1],
    "rows": lambda x: x[:, 1:] * x[:, :-1],
    "columns": lambda x: x[:, :, 1:] * x[:, :, :-1],
    "channels": lambda x: x[..., 1:] * x[..., :-1],
    "channels of one word": lambda x: x[..., 32:] * x[..., :32],
    # Hashes of places and of channels are multiplied: a weak product would show in squares of four values.
    "columns and channels": lambda x: x[:, :, 1:, 1:] * x[:, :, 1:, :-1] * x[:, :, :-1, 1:] * x[:, :, :-1, :-1],
    "rows and words": lambda x: x[:, 1:, :, 32:] * x[:, 1:, :, :32] * x[:, :-1, :, 32:] * x[:, :-1, :, :32],
}


@pytest.mark.parametrize("rate", [0.1, 0.5])
@pytest.mark.parametrize("neighbours", list(NEIGHBOURS))
def test_neighbours_are_dropped_independently(neighbours: str, rate: float) -> None:
    assert standard_errors(NEIGHBOURS[neighbours](signs(rate=rate))) < FAR


@pytest.mark.parametrize("other", [98, 99 + 2**31, zlib.crc32(b"up7_dropout")])
def test_layers_drop_independently(other: int) -> None:
    assert standard_errors(signs() * signs(other)) < FAR


def test_many_seeds_drop_a_place_and_any_two_places_independently() -> None:
    seeds = 20_000
    kept = mask((seeds, 2, 2, 8), np.arange(seeds)).reshape(seeds, -1) * 2.0 - 1
    correlations = kept.T @ kept / np.sqrt(seeds)
    assert np.abs(correlations[~np.eye(32, dtype=bool)]).max() < FAR
    assert np.abs(kept.mean(0)).max() * np.sqrt(seeds) < FAR


def test_a_sample_s_mask_depends_on_its_own_seed_and_places_only() -> None:
    whole = mask((3, 8, 6, 5), [7, -1, 2**31 - 1])
    assert np.array_equal(whole[1:2], mask((1, 8, 6, 5), [-1]))
    assert np.array_equal(whole[:, :4, :2], mask((3, 4, 2, 5), [7, -1, 2**31 - 1]))


def hashed(key: int) -> int:
    for shift, factor in ((15, 0x2C1B3C6D), (12, 0x297A2D39)):
        key = (key ^ key >> shift) * factor % 2**32
    return key ^ key >> 15


def kept_at(row: int, col: int, channel: int, channels: int, seed: int) -> bool:
    """One value of a mask of rate 0.25 and salt 99, in integers without bounds."""
    key = hashed(hashed((seed + 0x1E3779B9) % 2**32) ^ 99)
    words = (channels + 1) // 2
    pixel = hashed(hashed(key ^ row) ^ col)
    product = (pixel >> 1 | 1) * (hashed(key ^ 0x5851F42D ^ channel % words) >> 1 | 1)
    word = (product ^ product >> 32) % 2**32
    return (word >> 16 if channel < words else word % 2**16) < 0.75 * 2**16


@pytest.mark.parametrize("seed", [0, 123_456_789, -5])
def test_no_product_overflows(seed: int) -> None:
    expected = [[[kept_at(row, col, channel, 7, seed) for channel in range(7)] for col in range(9)] for row in range(3)]
    assert mask((1, 3, 9, 7), [seed], rate=0.25)[0].tolist() == expected


def test_kept_values_are_scaled_and_the_others_are_zero() -> None:
    x = np.random.default_rng(0).normal(size=(2, 16, 16, 6)).astype(np.float32)
    dropped = SeededDropout(0.2, name="layer")(x, np.array([1, 2], np.int32), training=True).numpy()
    kept = mask(x.shape, [1, 2], zlib.crc32(b"layer"), 0.2)
    np.testing.assert_allclose(dropped, np.where(kept, x / 0.8, 0), rtol=1e-6)
    assert 0 < kept.sum() < kept.size


def test_nothing_is_dropped_outside_training_unless_always() -> None:
    x = np.ones((1, 4, 4, 8), np.float32)
    assert np.array_equal(SeededDropout(0.5, name="layer")(x, training=False), x)
    always = SeededDropout(0.5, always=True, name="layer")(x, training=False)
    assert np.array_equal(always, 2.0 * mask(x.shape, [0], zlib.crc32(b"layer")))


def test_a_graph_of_unknown_sizes_drops_the_same() -> None:
    layer = SeededDropout(0.5, name="layer")
    signature = [tf.TensorSpec((None, None, None, 5)), tf.TensorSpec((None,), tf.int32)]
    graph = tf.function(lambda x, seed: layer(x, seed, training=True), input_signature=signature)
    x, seeds = np.ones((3, 6, 4, 5), np.float32), np.array([1, 2, 3], np.int32)
    assert np.array_equal(graph(x, seeds), layer(x, seeds, training=True))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_stays_what_it_is(dtype: str) -> None:
    x = tf.ones((1, 4, 4, 8), dtype)
    dropped = SeededDropout(0.5, name="layer", dtype=f"mixed_{dtype}")(x, training=True)
    assert dropped.dtype == dtype
    assert set(tf.cast(dropped, "float32").numpy().ravel()) == {0.0, 2.0}
