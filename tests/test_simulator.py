"""The simulator is a function of place, and follows the physics it claims."""

import math
from typing import Any

import numpy as np
import pytest

from sartranslate.errors import OptionError
from sartranslate.simulate.landcover import survey
from sartranslate.simulate.materials import MATERIALS, Cover
from sartranslate.simulate.noise import districts, fractal_noise
from sartranslate.simulate.simulator import Landscape
from sartranslate.streaming.windows import Window

PLANE = Landscape(seed=7)
BOTH = ("VV", "VH")
WHOLE = Window(-230, -140, 400, 420)


@pytest.fixture(scope="module")
def whole() -> tuple[Any, Any]:
    return PLANE.pair(WHOLE, BOTH)


@pytest.mark.parametrize(
    "window",
    [Window(-230, -140, 1, 1), Window(-201, -77, 63, 130), Window(-3, -5, 100, 9), Window(100, 240, 70, 40)],
)
def test_a_block_made_alone_equals_the_same_block_cut_from_a_larger_one(whole: tuple[Any, Any], window: Window) -> None:
    row, col = window.row_off - WHOLE.row_off, window.col_off - WHOLE.col_off
    cut = (slice(row, row + window.height), slice(col, col + window.width))
    np.testing.assert_array_equal(PLANE.sar(window, BOTH), whole[0][cut])
    np.testing.assert_array_equal(PLANE.optical(window), whole[1][cut])


def test_a_polarisation_looks_the_same_alone_and_with_the_other(whole: tuple[Any, Any]) -> None:
    np.testing.assert_array_equal(PLANE.sar(WHOLE, ("VH",))[..., 0], whole[0][..., 1])


def test_the_same_seed_makes_the_same_bytes_and_another_seed_other_ones(whole: tuple[Any, Any]) -> None:
    assert Landscape(7).optical(WHOLE).tobytes() == whole[1].tobytes()
    assert (Landscape(8).optical(WHOLE) != whole[1]).mean() > 0.9
    assert (Landscape(8).sar(WHOLE, BOTH) != whole[0]).mean() > 0.99


def test_blocks_far_from_the_origin_are_as_consistent_as_near_it() -> None:
    far = Window(-1_000_003, 2_000_001, 40, 50)
    part = Window(-1_000_000, 2_000_010, 8, 8)
    np.testing.assert_array_equal(PLANE.sar(part), PLANE.sar(far)[3:11, 9:17])


@pytest.mark.parametrize("looks", [1, 4, 9])
def test_speckle_multiplies_the_mean_by_a_gamma_variable_of_mean_one_and_variance_one_over_looks(looks: int) -> None:
    window = Window(0, 0, 300, 300)
    plane = Landscape(3, looks)
    speckle = np.sort((plane.sar(window) / plane.sigma0(window)).ravel().astype(np.float64))
    assert speckle.mean() == pytest.approx(1, abs=0.015)
    assert speckle.var() == pytest.approx(1 / looks, rel=0.04)
    terms = sum((looks * speckle) ** order / math.factorial(order) for order in range(looks))
    erlang = 1 - np.exp(-looks * speckle) * terms
    steps = np.arange(1, speckle.size + 1) / speckle.size
    assert np.abs(erlang - steps).max() < 1.95 / math.sqrt(speckle.size)  # Kolmogorov, 0.1 %


def test_speckle_differs_between_polarisations_and_between_neighbours() -> None:
    speckle = PLANE.sar(WHOLE, BOTH) / PLANE.sigma0(WHOLE, BOTH) - 1
    deviation = speckle.std(axis=(0, 1))
    assert abs((speckle[..., 0] * speckle[..., 1]).mean() / deviation.prod()) < 0.02
    assert abs((speckle[1:, :, 0] * speckle[:-1, :, 0]).mean() / deviation[0] ** 2) < 0.02


def town_and_lake() -> tuple[Any, Any]:
    windows = [Window(row, col, 200, 200) for row in (0, 900) for col in range(0, 2400, 600)]
    power = np.concatenate([PLANE.sigma0(window, BOTH) for window in windows])
    return power, np.concatenate([PLANE.cover(window) for window in windows])


def test_water_is_darkest_buildings_are_brightest_and_vv_exceeds_vh_in_every_class() -> None:
    power, cover = town_and_lake()
    means = {kind: power[cover == kind].mean(axis=0) for kind in Cover}
    for channel in (0, 1):
        order = [Cover.WATER, Cover.ROAD, Cover.FIELD, Cover.FOREST, Cover.BUILDING]
        levels = [means[kind][channel] for kind in order]
        assert levels == sorted(levels)
    assert all(mean[0] > 2 * mean[1] for mean in means.values())


def test_every_material_scatters_more_in_vv_than_in_vh() -> None:
    assert all(material.vv > material.vh for material in MATERIALS)


def test_slopes_that_face_the_radar_in_the_west_are_brighter() -> None:
    windows = [Window(row, 0, 256, 256) for row in range(0, 2048, 512)]
    power, lean = [], []
    for window in windows:
        woods = PLANE.cover(window) == Cover.FOREST
        power.append(PLANE.sigma0(window)[woods, 0])
        lean.append(survey(PLANE.seed, window).slope_col[woods])
    all_power, slope = np.concatenate(power), np.concatenate(lean)
    assert all_power[slope > 0.1].mean() > 1.15 * all_power[slope < -0.1].mean()


def test_noise_is_centred_with_about_unit_deviation() -> None:
    noise = fractal_noise(5, Window(0, 0, 1500, 1500), 40, 4)
    assert abs(noise.mean()) < 0.1
    assert noise.std() == pytest.approx(1, abs=0.15)


def test_districts_meet_where_the_distance_to_the_border_vanishes() -> None:
    found = districts(5, Window(-50, -50, 300, 300), 60)
    border = found.key[:, 1:] != found.key[:, :-1]
    assert border.any()
    assert found.edge[:, 1:][border].max() < 2.5
    assert found.edge.min() >= 0


@pytest.mark.parametrize(
    "options",
    [
        {"seed": -1},
        {"seed": 0, "looks": 0.0},
        {"seed": 0, "looks": math.nan},
        {"seed": 0, "speckle": "pink"},
        {"seed": 0, "speckle": "correlated", "looks": 0.9},
        {"seed": 0, "speckle": "correlated", "looks": 101.0},
    ],
)
def test_impossible_landscapes_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="expected"):
        Landscape(**options)


@pytest.mark.parametrize("polarisations", [(), ("HH",), ("VV", "vh")])
def test_unknown_polarisations_are_refused(polarisations: tuple[str, ...]) -> None:
    with pytest.raises(OptionError, match="VV"):
        PLANE.sar(Window(0, 0, 4, 4), polarisations)
