"""Terms between pictures against values worked out by hand and against float64 references by numpy and scipy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from sartranslate.networks import backend
from tests.both_backends import assert_alike, needs_torch

backend.select("tensorflow")

from keras import ops  # noqa: E402

from sartranslate.networks import autograd, reconstruction  # noqa: E402

RNG = np.random.default_rng(0)
TARGET, FAKE = RNG.uniform(-1, 1, (2, 3, 14, 19, 2)).astype(np.float32)
WEIGHT = (RNG.uniform(size=(3, 14, 19, 1)) < 0.6).astype(np.float32)

Array = NDArray[np.float32]
Exact = NDArray[np.float64]
Term = Callable[[Any, Any], Any]


def two_layers(target: Any, fake: Any) -> Any:
    """Features of two sizes made of pictures."""
    return reconstruction.feature_matching([target, target[:, ::2, ::3] * 5], [fake, fake[:, ::2, ::3] * 5])


TERMS = {
    "l1": reconstruction.l1,
    "l2": reconstruction.l2,
    "ssim_loss": reconstruction.ssim_loss,
    "focal_frequency": reconstruction.focal_frequency,
    "feature_matching": two_layers,
}
every_term = pytest.mark.parametrize("term", TERMS.values(), ids=TERMS)


def gradient(term: Term, target: Array, fake: Array) -> Array:
    """Derivative to `fake` of the sum of a term over its samples."""
    tensor = ops.convert_to_tensor(target)
    return np.asarray(autograd.slope(lambda x: term(tensor, x), ops.convert_to_tensor(fake)))


def windowed(images: Exact) -> Exact:
    """Gaussian means of (N, H, W, C) at the centres of whole windows."""
    blurred = ndimage.gaussian_filter(images, (0, 1.5, 1.5, 0), radius=(0, 5, 5, 0))
    return np.asarray(blurred[:, 5:-5, 5:-5])


def ssim(target: Array, fake: Array) -> Exact:
    """Equation 13 of Wang et al. 2004 on pictures in [0, 1], centred moments."""
    x, y = (target.astype(np.float64) + 1) / 2, (fake.astype(np.float64) + 1) / 2
    mx, my = windowed(x), windowed(y)
    vx, vy, vxy = windowed(x * x) - mx**2, windowed(y * y) - my**2, windowed(x * y) - mx * my
    c1, c2 = 0.01**2, 0.03**2
    similarity = (2 * mx * my + c1) * (2 * vxy + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    return np.asarray(similarity.mean(axis=(1, 2, 3)))


def spectra(pictures: Array) -> NDArray[np.complex128]:
    return np.fft.fft2(pictures.astype(np.float64), axes=(1, 2), norm="ortho")


def focal_weight(target: Array, fake: Array) -> Exact:
    magnitude = np.abs(spectra(target) - spectra(fake))
    return np.asarray(magnitude / magnitude.max(axis=(1, 2), keepdims=True))


def wave(cycles_down: int, cycles_across: int, height: int = 16, width: int = 24) -> Array:
    """A cosine of amplitude 1, (1, H, W, 1)."""
    row, col = np.ogrid[:height, :width]
    phase = 2 * np.pi * (cycles_down * row / height + cycles_across * col / width)
    return np.cos(phase).astype(np.float32)[None, ..., None]


@every_term
def test_equal_pictures_cost_nothing_and_have_finite_slopes(term: Term) -> None:
    np.testing.assert_allclose(term(TARGET, TARGET), 0, atol=1e-6)
    assert np.isfinite(gradient(term, TARGET, TARGET)).all()


@every_term
def test_different_pictures_cost_something_and_have_finite_slopes(term: Term) -> None:
    assert (np.asarray(term(TARGET, FAKE)) > 0.05).all()
    slope = gradient(term, TARGET, FAKE)
    assert np.isfinite(slope).all()
    assert slope.any(axis=(1, 2)).all()


@every_term
def test_a_small_step_against_the_slope_costs_less(term: Term) -> None:
    slope = gradient(term, TARGET, FAKE)
    nearer = FAKE - 0.05 * slope / np.abs(slope).max()
    assert (np.asarray(term(TARGET, nearer)) < np.asarray(term(TARGET, FAKE))).all()


@every_term
def test_a_sample_costs_the_same_in_any_batch(term: Term) -> None:
    alone = [np.asarray(term(TARGET[[i]], FAKE[[i]]))[0] for i in range(3)]
    np.testing.assert_allclose(term(TARGET, FAKE), alone, rtol=1e-5)
    order = [2, 0, 1]
    np.testing.assert_allclose(term(TARGET[order], FAKE[order]), np.asarray(alone)[order], rtol=1e-5)


@every_term
def test_a_graph_gives_what_single_calls_give(term: Term) -> None:
    compiled = backend.compiled(term)(ops.convert_to_tensor(TARGET), ops.convert_to_tensor(FAKE))
    np.testing.assert_allclose(np.asarray(compiled), np.asarray(term(TARGET, FAKE)), rtol=1e-5)


def test_l1_and_l2_are_mean_differences_of_each_sample() -> None:
    target = np.zeros((2, 1, 2, 2), np.float32)
    fake = np.array([[1, 0], [0, -3], [0.5, 0.5], [0.5, 0.5]], np.float32).reshape(2, 1, 2, 2)
    assert np.asarray(reconstruction.l1(target, fake)).tolist() == [1.0, 0.5]
    assert np.asarray(reconstruction.l2(target, fake)).tolist() == [2.5, 0.25]


def scene(height: int, width: int) -> Array:
    return np.random.default_rng(5).uniform(-1, 1, (1, height, width, 3)).astype(np.float32)


def shifted_l1(target: Array, fake: Array, reach: int) -> float:
    return float(reconstruction.shifted_l1(ops.convert_to_tensor(target), ops.convert_to_tensor(fake), reach)[0])


@pytest.mark.parametrize("shift", [(0, 0), (4, 0), (-2, 4), (-4, -4)])
def test_a_picture_that_lies_off_by_a_shift_costs_nothing(shift: tuple[int, int]) -> None:
    ground = scene(160, 180)
    moved = ground[:, 8 + shift[0] : 152 + shift[0], 8 + shift[1] : 172 + shift[1]]
    assert shifted_l1(moved, ground[:, 8:152, 8:172], 4) == 0
    assert shifted_l1(moved, ground[:, 9:153, 8:172], 4) > 0.3


def test_each_block_has_the_shift_that_fits_it() -> None:
    ground = scene(160, 160)
    target, left = ground[:, 8:152, 8:152], ground[:, 8:152, 4:148]
    fake = np.concatenate([left[:, :, :72], target[:, :, 72:]], axis=2)
    assert shifted_l1(target, fake, 4) == 0
    fake = np.concatenate([left[:, :, :40], target[:, :, 40:]], axis=2)
    assert shifted_l1(target, fake, 4) > 0.1


@pytest.mark.parametrize(("size", "left_out"), [(256, 2), (263, 0), (136, 0), (72, 0)])
def test_every_pixel_counts_but_those_at_the_border(size: int, left_out: int) -> None:
    target, fake = scene(size, size), -scene(size, size)
    tensor = ops.convert_to_tensor(target)
    slope = autograd.slope(lambda x: reconstruction.shifted_l1(tensor, x, 4), ops.convert_to_tensor(fake))
    counted = (np.asarray(slope) != 0).any(axis=(0, 3))
    expected = np.zeros((size, size), bool)
    expected[4 : size - 4 - left_out, 4 : size - 4 - left_out] = True
    np.testing.assert_array_equal(counted, expected)


@pytest.mark.parametrize(("term", "power"), [(reconstruction.l1, 1), (reconstruction.l2, 2)])
def test_a_weighted_mean_is_that_of_the_chosen_pixels(term: Callable[..., Any], power: int) -> None:
    chosen = WEIGHT[..., 0] == 1
    expected = [np.mean(np.abs(t - f)[c] ** power) for t, f, c in zip(TARGET, FAKE, chosen, strict=True)]
    np.testing.assert_allclose(term(TARGET, FAKE, WEIGHT), expected, rtol=1e-5)


@pytest.mark.parametrize("term", [reconstruction.l1, reconstruction.l2])
def test_weights_of_1_everywhere_change_nothing(term: Callable[..., Any]) -> None:
    np.testing.assert_allclose(term(TARGET, FAKE, np.ones_like(WEIGHT)), term(TARGET, FAKE), rtol=1e-5)


@pytest.mark.parametrize("term", [reconstruction.l1, reconstruction.l2])
def test_pixels_without_weight_pull_at_nothing(term: Callable[..., Any]) -> None:
    slope = gradient(lambda target, fake: term(target, fake, WEIGHT), TARGET, FAKE)
    assert np.array_equal(slope.any(axis=-1), WEIGHT[..., 0] == 1)


@pytest.mark.parametrize("term", [reconstruction.l1, reconstruction.l2])
def test_a_sample_without_valid_pixels_costs_nothing_and_the_others_what_they_did(term: Callable[..., Any]) -> None:
    holes = WEIGHT.copy()
    holes[1] = 0
    expected = np.asarray(term(TARGET, FAKE, WEIGHT)) * [1, 0, 1]
    np.testing.assert_allclose(term(TARGET, FAKE, holes), expected, rtol=1e-6)
    slope = gradient(lambda target, fake: term(target, fake, holes), TARGET, FAKE)
    assert np.isfinite(slope).all()
    assert not slope[1].any()


def test_structural_similarity_is_that_of_the_reference() -> None:
    similar = np.clip(TARGET + 0.1 * FAKE, -1, 1)
    np.testing.assert_allclose(reconstruction.ssim_loss(TARGET, FAKE), 1 - ssim(TARGET, FAKE), atol=1e-5)
    np.testing.assert_allclose(reconstruction.ssim_loss(TARGET, similar), 1 - ssim(TARGET, similar), atol=1e-5)


def test_flat_pictures_differ_by_luminance_only_counted_from_black() -> None:
    grey, white = (np.full((1, 11, 11, 1), value, np.float32) for value in (0, 1))
    c1 = 0.02**2
    luminance = (2 * 1 * 2 + c1) / (1**2 + 2**2 + c1)
    assert float(reconstruction.ssim_loss(grey, white)[0]) == pytest.approx(1 - luminance, rel=1e-4)


def test_an_inverted_pattern_is_worse_than_none() -> None:
    pattern, flat = wave(2, 3), np.zeros((1, 16, 24, 1), np.float32)
    assert float(reconstruction.ssim_loss(pattern, -pattern)[0]) > 1.5
    assert 0.9 < float(reconstruction.ssim_loss(pattern, flat)[0]) < 1.1


def test_similarity_slopes_are_those_of_the_reference() -> None:
    direction, step = np.random.default_rng(1).normal(size=FAKE.shape), 1e-5
    ahead, behind = (ssim(TARGET, FAKE.astype(np.float64) + side * step * direction) for side in (1, -1))
    along = (gradient(reconstruction.ssim_loss, TARGET, FAKE) * direction).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(along, -(ahead - behind) / (2 * step), rtol=1e-3)


def test_focal_frequency_is_that_of_the_reference() -> None:
    energy = np.abs(spectra(TARGET) - spectra(FAKE)) ** 2
    expected = (focal_weight(TARGET, FAKE) * energy).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(reconstruction.focal_frequency(TARGET, FAKE), expected, rtol=1e-5)


def test_focal_weights_are_constants_in_the_slope() -> None:
    weighted = focal_weight(TARGET, FAKE) * (spectra(FAKE) - spectra(TARGET))
    expected = 2 * np.fft.ifft2(weighted, axes=(1, 2), norm="ortho").real / FAKE[0].size
    slope = gradient(reconstruction.focal_frequency, TARGET, FAKE)
    np.testing.assert_allclose(slope, expected, atol=1e-4 * np.abs(expected).max())


def test_a_single_wave_has_weight_1_so_its_cost_is_its_mean_square() -> None:
    pattern = wave(3, 5)
    cost = reconstruction.focal_frequency(pattern, np.zeros_like(pattern))
    np.testing.assert_allclose(cost, reconstruction.l2(pattern, np.zeros_like(pattern)), rtol=1e-4)
    assert float(cost[0]) == pytest.approx(0.5, rel=1e-4)


def test_a_weaker_wave_counts_by_its_share_of_the_stronger_one() -> None:
    pattern = wave(3, 5) + 0.25 * wave(1, 2)
    cost = float(reconstruction.focal_frequency(pattern, np.zeros_like(pattern))[0])
    assert cost == pytest.approx(0.5 + 0.25 * 0.5 * 0.25**2, rel=1e-4)


def test_focal_frequency_never_exceeds_l2() -> None:
    focal, squares = reconstruction.focal_frequency(TARGET, FAKE), reconstruction.l2(TARGET, FAKE)
    assert (np.asarray(focal) < np.asarray(squares)).all()


def test_weights_are_relative_to_the_strongest_frequency_of_their_own_channel() -> None:
    """A channel that differs little is not drowned by one that differs much."""
    strong, weak = wave(3, 5), 0.01 * wave(1, 2)
    nothing = np.zeros_like(strong)
    both = reconstruction.focal_frequency(np.concatenate([strong, weak], -1), np.concatenate([nothing, nothing], -1))
    apart = [reconstruction.focal_frequency(picture, nothing)[0] for picture in (strong, weak)]
    assert float(both[0]) == pytest.approx(np.mean(apart), rel=1e-6)
    assert float(apart[1]) == pytest.approx(0.5e-4, rel=1e-3)


def test_every_layer_counts_alike_whatever_its_size() -> None:
    real = [np.zeros((2, 8, 8, 4), np.float32), np.zeros((2, 2, 3, 1), np.float32)]
    fake = [np.full_like(real[0], -1), np.stack([np.full((2, 3, 1), 2), np.zeros((2, 3, 1))]).astype(np.float32)]
    assert np.asarray(reconstruction.feature_matching(real, fake)).tolist() == [1.5, 0.5]


def test_features_of_real_pictures_are_constants() -> None:
    slope = autograd.slope(lambda x: reconstruction.feature_matching([x * 2], [x]), ops.convert_to_tensor(TARGET))
    np.testing.assert_allclose(slope, -np.sign(TARGET) / TARGET[0].size, rtol=1e-5)


def test_half_precision_features_are_compared_in_single_precision() -> None:
    real, fake = np.zeros((1, 1, 3, 1), np.float16), np.array([1, 0, 0], np.float16).reshape(1, 1, 3, 1)
    assert float(reconstruction.feature_matching([real], [fake])[0]) == pytest.approx(1 / 3, rel=1e-6)
    assert float(reconstruction.feature_matching([real - 60000], [fake * 60000])[0]) == pytest.approx(80000, rel=1e-3)


def test_layers_of_both_sides_must_match() -> None:
    with pytest.raises(ValueError, match="shorter"):
        reconstruction.feature_matching([TARGET, TARGET], [FAKE])


MEASURE = """
from sartranslate.networks import autograd, reconstruction

target, fake, weight = (given[name] for name in ("target", "fake", "weight"))
terms = {name: getattr(reconstruction, name) for name in ("l1", "l2", "ssim_loss", "focal_frequency")}
terms["weighted_l1"] = lambda target, x: reconstruction.l1(target, x, weight)
terms["weighted_l2"] = lambda target, x: reconstruction.l2(target, x, weight)
terms["features"] = lambda target, x: reconstruction.feature_matching([target, 2 * target], [x, 3 * x])
for name, term in terms.items():
    for case, picture in (("different", fake), ("equal", target)):
        found[f"{name}_{case}"] = term(target, picture)
        found[f"{name}_{case}_slope"] = autograd.slope(lambda x: term(target, x), picture)
"""


@pytest.mark.long
@needs_torch
def test_torch_finds_the_values_and_slopes_that_tensorflow_finds(tmp_path: Path) -> None:
    weight = WEIGHT.copy()
    weight[1] = 0
    assert_alike(tmp_path, MEASURE, 28, rtol=1e-4, target=TARGET, fake=FAKE, weight=weight)
