"""Drawn weights against the distributions that the papers and PyTorch define."""

from __future__ import annotations

import numpy as np
import pytest

from sartranslate.errors import OptionError
from sartranslate.recipes.initialisation import Float, Initialisation, initial_value

SHAPE = (4, 4, 48, 96)
FAN_IN, FAN_OUT = 16 * 48, 16 * 96


def drawn(kind: str = "normal", path: str = "down1/kernel", shape: tuple[int, ...] = SHAPE, seed: int = 0) -> Float:
    return initial_value(Initialisation(kind), path, shape, seed)


@pytest.mark.parametrize(
    ("kind", "deviation"),
    [
        ("normal", 0.02),
        ("xavier", 0.02 * np.sqrt(2 / (FAN_IN + FAN_OUT))),
        ("kaiming", np.sqrt(2 / FAN_IN)),
        ("orthogonal", 0.02 / np.sqrt(FAN_IN)),
    ],
)
def test_kernels_have_mean_zero_and_the_deviation_of_their_kind(kind: str, deviation: float) -> None:
    kernel = drawn(kind)
    assert kernel.dtype == np.float32
    assert kernel.shape == SHAPE
    np.testing.assert_allclose(kernel.std(), deviation, rtol=0.02)
    assert abs(kernel.mean()) < 4.5 * deviation / np.sqrt(kernel.size)


def test_the_gain_scales_all_kinds_but_kaiming() -> None:
    for kind, factor in {"normal": 10, "xavier": 10, "orthogonal": 10, "kaiming": 1}.items():
        strong = initial_value(Initialisation(kind, gain=0.2), "down1/kernel", SHAPE, 0)
        np.testing.assert_allclose(strong, factor * drawn(kind), rtol=1e-5)


@pytest.mark.parametrize("shape", [(4, 4, 3, 8), (1, 1, 5, 40)])
def test_an_orthogonal_kernel_keeps_lengths_along_its_shorter_side(shape: tuple[int, ...]) -> None:
    """A row for each entry of the last axis, as PyTorch flattens both kinds of convolution."""
    matrix = drawn("orthogonal", shape=shape).reshape(-1, shape[-1]).astype(np.float64)
    gram = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    np.testing.assert_allclose(gram, 0.02**2 * np.eye(len(gram)), atol=1e-9)


def test_orthogonal_kernels_point_everywhere() -> None:
    """Without care for signs the factorisation would give one column's entries one sign."""
    corners = [drawn("orthogonal", shape=(1, 1, 4, 4), seed=seed)[0, 0, 0, 0] for seed in range(100)]
    assert 30 < np.sum(np.array(corners) > 0) < 70


def test_what_is_drawn_follows_from_path_shape_and_seed() -> None:
    assert np.array_equal(drawn(), drawn())
    for other in (drawn(path="down2/kernel"), drawn(seed=1)):
        assert abs(np.corrcoef(drawn().ravel(), other.ravel())[0, 1]) < 0.02


def test_scales_are_about_one() -> None:
    scales = drawn(path="down1_norm/gamma", shape=(10_000,))
    np.testing.assert_allclose([scales.mean(), scales.std()], [1, 0.02], rtol=0.03)
    exact = initial_value(Initialisation(scale_deviation=0.0), "down1_norm/gamma", (5,), 0)
    assert exact.tolist() == [1] * 5


def test_a_spectral_vector_has_length_one() -> None:
    vector = drawn(path="patch0/u", shape=(64,))
    assert vector.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vector), 1, rtol=1e-6)
    assert drawn(path="logits/u", shape=(1,)).tolist() in ([1.0], [-1.0])


@pytest.mark.parametrize(("name", "value"), [("bias", 0), ("beta", 0), ("moving_mean", 0), ("moving_variance", 1)])
def test_offsets_and_statistics_start_from_those_of_normal_features(name: str, value: float) -> None:
    assert drawn(path=f"down1_norm/{name}", shape=(3,)).tolist() == [value] * 3


@pytest.mark.parametrize(
    "field", [{"kind": "he"}, {"gain": 0.0}, {"gain": float("nan")}, {"scale_deviation": -0.1}, {"gain": True}]
)
def test_an_initialisation_out_of_range_is_refused(field: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=next(iter(field))):
        Initialisation(**field)
