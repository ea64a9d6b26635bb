"""Statistics of a scene give its tiles the scaling that the scene itself would get."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sartranslate.backscatter.distribution import PERCENTILES, SceneStatistics, measure, resolve_scaling
from sartranslate.backscatter.radiometry import IMAGE, Radiometry
from sartranslate.backscatter.scaling import SceneScaling
from sartranslate.errors import OptionError, SceneError

LIGHT = settings(max_examples=40, deadline=None)
TWO_BANDS = Radiometry(bands=(("VV",), ("VH",)))


def power(seed: int = 0, channels: int = 1, count: int = 4000) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    levels = 10 ** rng.uniform(-3, 0, (count // 16, 1, channels))
    return (levels * rng.gamma(4.4, 1 / 4.4, (count // 16, 16, channels))).reshape(-1, channels).astype(np.float32)


@LIGHT
@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.sampled_from(PERCENTILES), min_size=2, max_size=2, unique=True).map(sorted),
    st.sampled_from([None, "power", "amplitude"]),
)
def test_percentiles_that_are_kept_scale_exactly_as_the_scene(seed: int, span: list[float], unit: str | None) -> None:
    sample, radiometry = power(seed, 2), Radiometry(TWO_BANDS.bands, "scene", *span)
    expected = resolve_scaling(radiometry, sample.T, unit)
    assert measure(sample.T, unit).resolve(radiometry, (1, 2)) == expected


@LIGHT
@given(st.integers(0, 2**32 - 1), st.floats(0, 49), st.floats(51, 100))
def test_other_percentiles_lie_between_those_that_are_kept(seed: int, low: float, high: float) -> None:
    sample = power(seed)
    ((below, above),) = measure(sample.T, "power").resolve(Radiometry(low=low, high=high), [1]).ranges
    for found, wanted in ((below, low), (above, high)):
        around = [max(p for p in PERCENTILES if p <= wanted), min(p for p in PERCENTILES if p >= wanted)]
        least, most = np.percentile(10 * np.log10(sample), around)
        assert least - 1e-3 <= found <= most + 1e-3


def test_statistics_with_other_percentiles_are_read_with_those() -> None:
    wanted = (0.0, 1.0, 99.0, 100.0)  # as those of an earlier table
    kept = measure(power().T)
    values = [float(np.percentile(10 * np.log10(power()), percentile)) for percentile in wanted]
    earlier = json.dumps({**json.loads(kept.to_json()), "percentiles": wanted, "values": [values]})
    (expected,) = kept.resolve(Radiometry(), [1]).ranges
    assert SceneStatistics.from_json(earlier).resolve(Radiometry(), [1]).ranges == (pytest.approx(expected, abs=1e-4),)


@pytest.mark.parametrize("span", [(0.03, 99.97), (1.2, 98.8), (3.5, 96.5), (7.0, 93.0)])
def test_percentiles_between_those_that_are_kept_scale_nearly_as_the_scene(span: tuple[float, float]) -> None:
    sample, radiometry = power(count=2**20), Radiometry(low=span[0], high=span[1])
    ((low, high),) = resolve_scaling(radiometry, sample.T, "power").ranges
    assert measure(sample.T, "power").resolve(radiometry, [1]).ranges == (pytest.approx((low, high), abs=0.15),)


def test_each_channel_gets_the_band_it_asks_for() -> None:
    sample = power(channels=2) * np.array([1, 100], np.float32)
    statistics = measure(sample.T, "power")
    first, second = (statistics.resolve(Radiometry(), [band]).ranges[0] for band in (1, 2))
    assert statistics.resolve(TWO_BANDS, (2, 1)).ranges == (second, first)
    assert second[0] > first[0] + 15


def test_the_unit_its_reason_and_the_fill_are_those_of_the_scene_and_the_model() -> None:
    sample = power()
    for unit in (None, "amplitude"):
        for fill in ("mirror", "mean"):
            radiometry = Radiometry(fill=fill)
            assert measure(sample.T, unit).resolve(radiometry, [1]) == resolve_scaling(radiometry, sample.T, unit)


@LIGHT
@given(st.integers(0, 2**32 - 1), st.integers(1, 3))
def test_statistics_survive_their_text(seed: int, channels: int) -> None:
    statistics = measure(power(seed, channels).T)
    assert SceneStatistics.from_json(statistics.to_json()) == statistics


def test_the_text_says_which_percentiles_it_holds() -> None:
    text = json.loads(measure(power().T).to_json())
    assert text["unit"] == "power"
    assert dict(zip(text["percentiles"], text["values"][0], strict=True))[50.0] == pytest.approx(
        float(np.median(10 * np.log10(power()))), abs=1e-3
    )


def whole(**changes: Any) -> str:
    return json.dumps({**json.loads(measure(power().T).to_json()), **changes})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "[]",
        "7",
        "{}",
        whole(unit="furlongs"),
        whole(unit=None),
        whole(unit=[]),
        whole(percentiles=[0, 50, 100]),
        whole(percentiles=[0.0, 60.0, 50.0, 100.0], values=[[1.0, 2.0, 3.0, 4.0]]),
        whole(percentiles=[1.0, 50.0, 100.0], values=[[1.0, 2.0, 3.0]]),
        whole(percentiles=[0.0, float("nan"), 100.0], values=[[1.0, 2.0, 3.0]]),
        whole(percentiles=[], values=[[]]),
        whole(percentiles=7),
        whole(values=[[1.0, 2.0]]),
        whole(values=[["low"] * len(PERCENTILES)]),
        whole(values=[[float("nan")] * len(PERCENTILES)]),
        whole(values=[[10**400] * len(PERCENTILES)]),
        whole(values=[[1e300] * len(PERCENTILES)]),
        whole(values=[[2.0] + [1.0] * (len(PERCENTILES) - 1)]),
        "[" * 100_000,
        whole(values=3),
        whole(values=[3]),
        whole()[:-30],
    ],
)
def test_broken_statistics_are_refused_with_what_was_found(text: str) -> None:
    with pytest.raises(SceneError, match=r"broken statistics of its scene: .*, expected those that `pairs` writes"):
        SceneStatistics.from_json(text)


def test_a_band_that_the_statistics_do_not_know_is_refused() -> None:
    with pytest.raises(SceneError, match="band 2 of a tile whose scene's statistics know 1"):
        measure(power().T).resolve(TWO_BANDS, (1, 2))


def test_a_scene_of_almost_one_value_is_refused_for_its_tiles_as_for_itself() -> None:
    sample = np.full((5000, 1), 0.1, np.float32)
    sample[0], sample[1] = 0.001, 2.0
    with pytest.raises(SceneError, match="about the same value"):
        resolve_scaling(Radiometry(), sample.T, "power")
    with pytest.raises(SceneError, match="nearly all valid pixels of its scene have the same value"):
        measure(sample.T, "power").resolve(Radiometry(), [1])


@pytest.mark.parametrize("sample", [np.empty((0, 1), np.float32), np.zeros((20, 1), np.float32)])
def test_a_scene_without_values_can_not_be_measured(sample: NDArray[np.float32]) -> None:
    with pytest.raises(SceneError, match=r"no valid pixels|all valid pixels are 0"):
        measure(sample.T)


def test_a_unit_that_is_none_or_does_not_fit_is_refused() -> None:
    with pytest.raises(OptionError, match="unit 'furlongs'"):
        measure(power().T, "furlongs")
    with pytest.raises(SceneError, match="told to be linear backscatter"):
        measure(10 * np.log10(power().T), "power")


def test_fixed_decibels_refuse_bytes_and_digital_numbers_from_statistics_too() -> None:
    fixed = Radiometry(scaling="fixed", low=-25, high=0)
    assert measure(power().T, "power").resolve(fixed, [1]).ranges == ((-25, 0),)
    numbers = np.sqrt(power()) * 1000
    with pytest.raises(SceneError, match="stretched bytes have no physical scale"):
        measure(np.clip(numbers.T, 1, 255).astype(np.uint8), "byte").resolve(fixed, [1])
    with pytest.raises(SceneError, match="without calibration"):
        measure(numbers.T.astype(np.uint16)).resolve(fixed, [1])
    assert measure(numbers.T.astype(np.uint16), "amplitude").resolve(fixed, [1]).ranges == ((-25, 0),)


def test_statistics_of_bytes_fit_a_model_of_images_and_others_do_not() -> None:
    picture = (power(channels=3) * 60).clip(1, 255).astype(np.uint8)
    assert measure(picture.T).resolve(IMAGE, (1, 2, 3)) == resolve_scaling(IMAGE, picture.T)
    with pytest.raises(SceneError, match=r"amplitude \(uint16 digital numbers\), the model expects bytes of an image"):
        measure(picture.T.astype(np.uint16)).resolve(IMAGE, (1, 2, 3))


def test_values_at_the_ends_of_float32_are_clipped_without_a_warning() -> None:
    values = np.array([[[-3e38], [3e38]]], np.float32)
    scaling = SceneScaling("db", "as told", ((-20.0, 0.0),))
    assert scaling.scaled(values, np.ones((1, 2), bool)).ravel().tolist() == [-1.0, 1.0]


@pytest.mark.parametrize(("dtype", "unit"), [("uint8", "power"), ("uint16", "amplitude")])
def test_numbers_that_nobody_has_calibrated_are_no_decibels_unless_it_is_told(dtype: str, unit: str) -> None:
    rng = np.random.default_rng(0)
    numbers = (60 * 10 ** rng.uniform(-0.5, 0.5, 4000).repeat(16) * rng.gamma(4.4, 1 / 4.4, 64_000)).clip(1, 255)
    fixed = Radiometry(scaling="fixed", low=-25, high=0)
    with pytest.raises(SceneError, match=f"^{dtype}.*: without calibration.*; --unit {unit} takes"):
        resolve_scaling(fixed, [numbers.astype(dtype)])
    assert resolve_scaling(fixed, [numbers.astype(dtype)], unit).unit == unit
