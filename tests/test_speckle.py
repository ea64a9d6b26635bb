"""Speckle that neighbours share: its distribution, how much they share, and that it is a function of place."""

import numpy as np
import pytest
from scipy import stats

from sartranslate.simulate.simulator import Landscape
from sartranslate.simulate.speckle import RESPONSE, SPECKLES
from sartranslate.streaming.windows import Window

BOTH = ("VV", "VH")
WHOLE = Window(-230, -140, 400, 420)


@pytest.mark.parametrize("looks", [1, 4.4, 9])
def test_correlated_speckle_has_the_same_distribution(looks: float) -> None:
    apart = (slice(None, None, len(RESPONSE)), slice(None, None, len(RESPONSE)))  # so far that they share nothing
    speckle = SPECKLES["correlated"](3, Window(-100, 50, 900, 900), 0, looks)[apart].ravel().astype(np.float64)
    assert speckle.mean() == pytest.approx(1, abs=0.02)
    assert speckle.var() == pytest.approx(1 / looks, rel=0.05)
    assert stats.kstest(speckle, stats.gamma(looks, scale=1 / looks).cdf).pvalue > 0.001


@pytest.mark.parametrize(("kind", "looks"), [("white", 0.05), ("white", 1.0), ("correlated", 1.0)])
def test_speckle_of_few_looks_is_above_0(kind: str, looks: float) -> None:
    """0 would be minus infinity in decibels, and no data to whoever reads it."""
    least = SPECKLES[kind](0, Window(0, 0, 1024, 1024), 0, looks).min()
    assert np.isfinite(np.log10(least))


def test_neighbours_share_correlated_speckle_as_the_response_says_and_polarisations_share_none() -> None:
    window = Window(0, 0, 800, 800)
    plane = Landscape(3, speckle="correlated")
    speckle = plane.sar(window, BOTH) / plane.sigma0(window, BOTH) - 1
    vv, vh = np.moveaxis(speckle / speckle.std(axis=(0, 1)), -1, 0)

    def correlation(rows: int, cols: int) -> float:
        return float((vv[: 800 - rows, : 800 - cols] * vv[rows:, cols:]).mean())

    along = np.correlate(RESPONSE, RESPONSE, "full")[len(RESPONSE) - 1 :] / np.square(RESPONSE).sum()
    near = [(0, 1), (1, 0), (0, 2), (2, 0), (1, 1)]
    expected = [(along[rows] * along[cols]) ** 2 for rows, cols in near]
    assert min(expected) > 0.2
    np.testing.assert_allclose([correlation(*step) for step in near], expected, rtol=0, atol=0.02)
    np.testing.assert_allclose([correlation(0, 5), correlation(5, 0)], 0, rtol=0, atol=0.02)
    assert abs((vv * vh).mean()) < 0.02


@pytest.mark.parametrize("window", [Window(-230, -140, 1, 1), Window(-3, -5, 100, 9), Window(100, 240, 70, 40)])
def test_correlated_speckle_of_a_block_is_cut_from_that_of_a_larger_one(window: Window) -> None:
    plane = Landscape(7, speckle="correlated")
    cut = window.relative(WHOLE.row_off, WHOLE.col_off)
    np.testing.assert_array_equal(plane.sar(window), plane.sar(WHOLE)[cut.rows, cut.cols])
