"""The common forms of SAR values scale alike, and no value becomes NaN on the way to [-1, 1] and to RGB."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sartranslate.backscatter.distribution import resolve_scaling
from sartranslate.backscatter.polarisation import choose_bands
from sartranslate.backscatter.radiometry import IMAGE, Radiometry, from_rgb, to_decibels, to_rgb, valid_mask
from sartranslate.backscatter.scaling import SceneScaling
from sartranslate.backscatter.units import guess_unit
from sartranslate.errors import OptionError, SceneError
from sartranslate.simulate.simulator import Landscape
from sartranslate.streaming.windows import Window

GREY_LEVEL = 1 / 127.5
LIGHT = settings(max_examples=50, deadline=None)
POWER = Landscape(seed=0).sar(Window(0, 0, 200, 200), ("VV", "VH"))
DECIBELS = 10 * np.log10(POWER)
ALL_VALID = np.ones(POWER.shape[:2], bool)
TWO_BANDS = Radiometry(bands=(("VV",), ("VH",)))
FIXED = Radiometry(scaling="fixed", low=-25, high=0)
ONE_BAND = SceneScaling("db", "as told", ((-25.0, 0.0),))


def stretched(values: Any, low: float, high: float) -> Any:
    return np.rint(np.clip((values - low) / (high - low) * 255, 0, 255)).astype(np.uint8)


def linear_bytes(values: Any) -> Any:
    return np.clip(values / np.quantile(values, 0.99) * 255, 0, 255).astype(np.uint8)


FORMS = {
    "power, float32": (POWER, "power"),
    "power, float64": (POWER.astype(np.float64), "power"),
    "amplitude, uint16": (np.rint(np.sqrt(POWER) * 1000).astype(np.uint16), "amplitude"),
    "decibels, float32": (DECIBELS, "db"),
    "decibels stretched to uint8": (stretched(DECIBELS, *np.percentile(DECIBELS, [0.5, 99.5])), "byte"),
    "power stretched to uint8": (linear_bytes(POWER), "power"),
    "amplitude stretched to uint8": (linear_bytes(np.sqrt(POWER)), "power"),
}


def scaled(values: Any, unit: str | None = None, radiometry: Radiometry = TWO_BANDS) -> Any:
    scaling = resolve_scaling(radiometry, values.reshape(-1, values.shape[-1]).T, unit)
    return scaling.apply(values, np.ones(values.shape[:-1], bool))


@pytest.mark.parametrize(
    ("values", "unit"),
    [
        pytest.param(np.sqrt(POWER), "amplitude", id="amplitude"),
        pytest.param(np.sqrt(POWER) * 1000, "amplitude", id="amplitude, other gain"),
        pytest.param(POWER * 3.7, "power", id="power, other calibration"),
        pytest.param(DECIBELS, "db", id="decibels"),
        pytest.param(DECIBELS + 83.0, "db", id="decibels, calibration offset"),
    ],
)
def test_amplitude_power_decibels_and_any_calibration_of_a_scene_give_the_same_patch(values: Any, unit: str) -> None:
    np.testing.assert_allclose(scaled(values, unit), scaled(POWER, "power"), rtol=0, atol=GREY_LEVEL)


def test_amplitude_as_digital_numbers_gives_the_same_patch_but_for_its_rounding() -> None:
    difference = np.abs(scaled(FORMS["amplitude, uint16"][0]) - scaled(POWER))
    assert difference.max() < 4 * GREY_LEVEL  # dark amplitudes are few digital numbers apart
    assert difference.mean() < GREY_LEVEL / 2


@pytest.mark.parametrize("form", FORMS)
def test_the_form_of_a_simulated_scene_is_recognised_from_its_values(form: str) -> None:
    values, unit = FORMS[form]
    assert [guess_unit(band)[0] for band in values.reshape(-1, 2).T] == [unit, unit]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_places_with_other_land_are_recognised_too(seed: int) -> None:
    power = Landscape(seed).sar(Window(-300, 500, 300, 300)).reshape(-1)
    decibels = 10 * np.log10(power)
    forms = [power, np.rint(np.sqrt(power) * 1000).astype(np.uint16), decibels, linear_bytes(power)]
    assert [guess_unit(values)[0] for values in forms] == ["power", "amplitude", "db", "power"]


@pytest.mark.parametrize("clipped", [0, 255])
@pytest.mark.parametrize("share", [0.02, 0.06, 0.2, 0.5])
def test_a_border_of_black_or_white_changes_the_unit_of_no_bytes(share: float, clipped: int) -> None:
    power = Landscape(0).sar(Window(-300, 500, 300, 300)).reshape(-1)
    stretched = np.clip(np.rint((10 * np.log10(power) + 30) / 25 * 255), 0, 255).astype(np.uint8)
    border = np.full(round(share * len(power)), clipped, np.uint8)
    assert guess_unit(np.concatenate([border, stretched]))[0] == "byte"
    assert guess_unit(np.concatenate([border, linear_bytes(power)]))[0] == "power"


def test_water_that_a_stretch_has_clipped_changes_the_unit_of_no_bytes() -> None:
    decibels = 10 * np.log10(Landscape(0).sar(Window(-300, 500, 300, 300))).reshape(-1)
    stretched = np.clip(np.rint((decibels - np.percentile(decibels, 10)) / 20 * 255), 0, 255).astype(np.uint8)
    assert guess_unit(stretched)[0] == "byte"


@pytest.mark.parametrize("offset", [20, 60, 83])
@pytest.mark.parametrize("seed", [0, 1, 2, 7])
def test_decibels_with_an_offset_are_not_taken_for_power(seed: int, offset: float) -> None:
    decibels = 10 * np.log10(Landscape(seed).sar(Window(-300, 500, 300, 300))).reshape(-1)
    assert guess_unit(decibels + np.float32(offset))[0] == "db"


def test_undeclared_zero_fill_of_floats_changes_neither_unit_nor_range() -> None:
    decibels = DECIBELS[..., 0].reshape(-1)
    filled = np.concatenate([np.zeros_like(decibels), decibels, np.zeros_like(decibels)])
    assert resolve_scaling(Radiometry(), [filled]) == resolve_scaling(Radiometry(), [decibels])


def test_signed_integers_with_values_below_zero_are_decibels() -> None:
    assert guess_unit(np.rint(DECIBELS[..., 0]).astype(np.int16).reshape(-1))[0] == "db"


@pytest.mark.parametrize("form", FORMS)
def test_the_guess_comes_with_a_reason_that_names_the_dtype(form: str) -> None:
    values, _ = FORMS[form]
    assert str(values.dtype) in guess_unit(values[..., 0].reshape(-1))[1]


def test_one_and_ninety_nine_percent_of_a_scene_become_the_ends_of_the_range() -> None:
    patch = scaled(POWER)
    for channel in range(2):
        below, above = np.percentile(DECIBELS[..., channel], [1, 99])
        middle = (DECIBELS[..., channel] > below) & (DECIBELS[..., channel] < above)
        assert (np.abs(patch[..., channel][middle]) <= 1).all()
        assert (patch[..., channel][DECIBELS[..., channel] <= below - 0.01] == -1).all()
        assert (patch[..., channel][DECIBELS[..., channel] >= above + 0.01] == 1).all()


def test_each_channel_has_a_range_of_its_own() -> None:
    vv, vh = resolve_scaling(TWO_BANDS, POWER.reshape(-1, 2).T).ranges
    assert vv[0] > vh[0] + 3  # cross-polarised backscatter is several decibels lower
    assert vv[1] > vh[1] + 3


def test_a_fixed_window_maps_its_decibels_whatever_the_scene_holds() -> None:
    values = np.float32([[[-40], [-25], [-12.5], [0], [7]]])
    scaling = resolve_scaling(FIXED, np.float32([[-3, -4]]))
    np.testing.assert_allclose(scaling.apply(values, np.ones((1, 5), bool)).ravel(), [-1, -1, 0, 1, 1])


def test_a_window_is_scaled_as_its_scene_whatever_else_is_in_the_window() -> None:
    scaling = resolve_scaling(TWO_BANDS, POWER.reshape(-1, 2).T)
    whole = scaling.apply(POWER, ALL_VALID)
    np.testing.assert_array_equal(scaling.apply(POWER[50:60, 30:90], ALL_VALID[50:60, 30:90]), whole[50:60, 30:90])


@pytest.mark.parametrize("unit", ["power", "amplitude"])
def test_zero_and_negative_linear_values_become_minus_one_without_a_warning(unit: str) -> None:
    scaling = resolve_scaling(Radiometry(), POWER[..., :1].reshape(1, -1), unit)
    patch = np.float32([[[0], [-0.0], [-3], [1e-45], [POWER[..., 0].max()]]])
    np.testing.assert_array_equal(scaling.apply(patch, np.ones((1, 5), bool)).ravel(), [-1, -1, -1, -1, 1])


def test_values_without_a_logarithm_do_not_widen_the_range() -> None:
    sample = POWER[..., 1].reshape(-1)
    with_zeros = np.concatenate([sample, np.zeros_like(sample), -sample / 1000])
    assert (
        resolve_scaling(Radiometry(), [with_zeros], "power").ranges
        == resolve_scaling(Radiometry(), [sample], "power").ranges
    )


def test_zeros_in_one_channel_change_the_range_of_no_other() -> None:
    vv, vh = POWER.reshape(-1, 2).T
    clipped = np.where(vh < np.percentile(vh, 20), 0, vh)  # as subtracted noise leaves it
    ranges = [resolve_scaling(TWO_BANDS, samples, "power").ranges for samples in ([vv, vh], [vv, clipped])]
    assert ranges[0][0] == ranges[1][0]
    assert ranges[0][1][0] < ranges[1][1][0] - 1


def test_channels_in_different_units_are_refused() -> None:
    power = POWER[..., 0].reshape(-1)
    with pytest.raises(SceneError, match="bands in power and db, expected one unit; choose with --bidx or --unit"):
        resolve_scaling(TWO_BANDS, [power, 10 * np.log10(power)])


def test_a_model_fitted_with_it_gets_the_mean_of_valid_pixels_in_place_of_invalid_ones() -> None:
    patch = np.float32([[[-25, -25], [0, -12.5]], [[np.nan, -3], [99, 99]]])
    mask = np.array([[True, True], [False, False]])
    filled = SceneScaling("db", "", ((-25.0, 0.0),) * 2, "mean").apply(patch, mask)
    np.testing.assert_allclose(filled, [[[-1, -1], [1, 0]], [[0, -0.5], [0, -0.5]]])


def test_a_valid_pixel_keeps_its_value_whatever_is_filled_around_it() -> None:
    holes = np.random.default_rng(0).random(POWER.shape[:2]) < 0.6
    scaling = resolve_scaling(TWO_BANDS, POWER.reshape(-1, 2).T)
    np.testing.assert_array_equal(
        scaling.apply(POWER, holes)[holes],
        scaling.apply(POWER, ALL_VALID)[holes],
    )


@LIGHT
@given(
    st.sampled_from(["db", "power", "amplitude", "byte"]),
    st.lists(st.floats(width=32), min_size=4, max_size=4),
    st.lists(st.booleans(), min_size=4, max_size=4),
)
def test_whatever_float32_values_a_patch_holds_it_is_finite_and_in_range(
    unit: str, values: list[float], valid: list[bool]
) -> None:
    patch = np.array(values, np.float32).reshape(2, 2, 1)
    mask = np.array(valid).reshape(2, 2) & np.isfinite(patch[..., 0])
    found = SceneScaling(unit, "", ((-25.0, 0.0),)).apply(patch, mask)
    assert found.dtype == np.float32
    assert (np.abs(found) <= 1).all()


def test_a_patch_without_a_valid_pixel_is_zero() -> None:
    patch = np.full((2, 2, 1), np.nan, np.float32)
    assert not ONE_BAND.apply(patch, np.zeros((2, 2), bool)).any()


@pytest.mark.parametrize(
    ("nodata", "dtype", "high"),
    [
        pytest.param(np.finfo(np.float64).min, np.float64, 25.0, id="lowest float64"),
        pytest.param(np.finfo(np.float32).min, np.float32, 1.5, id="lowest float32, narrow range"),
    ],
)
def test_nodata_at_the_end_of_its_dtype_is_filled_without_a_warning(nodata: float, dtype: type, high: float) -> None:
    patch = np.array([[[nodata], [high / 2]]], dtype)
    filled = SceneScaling("db", "", ((0.0, high),)).apply(patch, np.array([[False, True]]))
    np.testing.assert_allclose(filled, 0, atol=1e-6)


def test_a_scene_whose_values_differ_by_less_than_float32_can_tell_is_refused_or_scaled_but_never_nan() -> None:
    sample = np.full((100, 1), 20, np.float32)
    sample[-1] = np.nextafter(np.float32(20), np.float32(21))
    try:
        scaling = resolve_scaling(Radiometry(), sample.T, "db")
    except SceneError:
        return
    assert np.isfinite(scaling.apply(sample, np.ones(100, bool))).all()


def test_a_pixel_is_valid_where_every_channel_is_finite_and_is_not_its_nodata() -> None:
    patch = np.float32([[[1, 1], [0, 1], [1, 0], [1, np.nan], [np.inf, 1], [-9, 1], [1, -9]]])
    assert valid_mask(patch, (None, None)).tolist() == [[True, True, True, False, False, True, True]]
    assert valid_mask(patch, (0, -9)).tolist() == [[True, False, True, False, False, True, False]]
    assert valid_mask(patch, (np.nan, 0)).tolist() == [[True, True, False, False, False, True, True]]


def test_digital_numbers_are_valid_unless_they_are_nodata() -> None:
    patch = np.array([[[0], [1], [65535]]], np.uint16)
    assert valid_mask(patch, (0,)).tolist() == [[False, True, True]]
    assert valid_mask(patch, (None,)).tolist() == [[True, True, True]]


def test_twenty_log_amplitude_is_ten_log_power() -> None:
    np.testing.assert_allclose(to_decibels(np.sqrt(POWER), "amplitude"), to_decibels(POWER, "power"), atol=1e-4)
    np.testing.assert_allclose(to_decibels(POWER, "power"), DECIBELS, atol=1e-4)


@pytest.mark.parametrize("unit", ["db", "byte"])
def test_decibels_and_stretched_bytes_pass_as_they_are(unit: str) -> None:
    np.testing.assert_array_equal(to_decibels(np.uint8([0, 7, 255]), unit), [0, 7, 255])


def test_rgb_is_the_inverse_of_its_scaling_for_all_levels() -> None:
    levels = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(to_rgb(from_rgb(levels)), levels)
    assert (from_rgb(levels).min(), from_rgb(levels).max()) == (-1, 1)


def test_rgb_is_rounded_to_the_nearest_level_not_truncated() -> None:
    levels = np.float32([0.4, 0.6, 99.4, 99.6, 254.6])
    assert to_rgb(levels / 127.5 - 1).tolist() == [0, 1, 99, 100, 255]


def test_rgb_outside_the_range_is_clipped_and_does_not_wrap() -> None:
    assert to_rgb([-9.0, -1.01, 1.01, 9.0, np.inf, -np.inf]).tolist() == [0, 0, 255, 255, 255, 0]


def test_a_scene_without_a_valid_pixel_is_refused() -> None:
    with pytest.raises(SceneError, match="no valid pixels"):
        resolve_scaling(Radiometry(), np.zeros((1, 0), np.float32))


@pytest.mark.parametrize(("value", "unit"), [(7.0, "power"), (-12.0, "db"), (128, "byte"), (300, "amplitude")])
def test_a_constant_scene_is_refused_with_the_value_it_holds(value: float, unit: str) -> None:
    with pytest.raises(SceneError, match=rf"all valid pixels have about the same value \({value}\)"):
        resolve_scaling(Radiometry(), np.full((1, 50), value), unit)


@pytest.mark.parametrize(("unit", "name"), [("power", "linear backscatter"), ("amplitude", "amplitude")])
def test_a_scene_all_zero_or_below_is_refused_as_linear_with_what_was_expected(unit: str, name: str) -> None:
    with pytest.raises(SceneError, match=f"no valid pixel is above 0, expected {name}"):
        resolve_scaling(Radiometry(), np.int16([[0, 0, 0]]), unit)


@pytest.mark.parametrize("told", ["byte", None])
def test_stretched_bytes_do_not_fit_a_model_of_calibrated_decibels(told: str | None) -> None:
    sample = FORMS["decibels stretched to uint8"][0][..., :1].reshape(1, -1)
    with pytest.raises(SceneError, match="no physical scale, the model expects calibrated decibels"):
        resolve_scaling(FIXED, sample, told)


def test_an_unknown_unit_is_refused_with_the_known_ones() -> None:
    with pytest.raises(OptionError, match="unit 'watt': expected one of db, power, amplitude, byte"):
        resolve_scaling(Radiometry(), POWER.reshape(-1, 2).T, "watt")


def test_a_unit_that_is_told_is_not_guessed() -> None:
    scaling = resolve_scaling(Radiometry(), FORMS["amplitude, uint16"][0][..., :1].reshape(1, -1), "power")
    assert (scaling.unit, scaling.reason) == ("power", "as told")


def test_the_scaling_is_described_in_one_line_with_unit_reason_and_range() -> None:
    assert ONE_BAND.describe() == "decibels (as told), -25.0..0.0 dB"
    two = SceneScaling("byte", "uint8, not skewed", ((3.0, 250.0), (0.0, 91.25)))
    assert two.describe() == "decibels stretched to bytes (uint8, not skewed), 3.0..250.0, 0.0..91.2"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scaling": "tile"}, "scaling 'tile': expected one of scene, fixed, image"),
        ({"fill": "zero"}, "fill 'zero': expected one of mirror, mean"),
        ({"bands": ()}, "bands: expected at least one polarisation for each channel"),
        ({"bands": (("VV",), ())}, "bands: expected at least one polarisation for each channel"),
        ({"bands": (("V V",),)}, "bands: expected names of letters and digits, such as VV"),
        ({"bands": (("V" * 33,),)}, "bands: expected names of letters and digits, such as VV"),
        ({"bands": (("VV",) * 65,)}, "bands: expected at most 64 channels, and as many polarisations for each"),
        ({"scaling": "fixed", "low": -1e9, "high": 0}, "low -1000000000.0: expected a number from -1000 to 1000"),
        ({"low": 99, "high": 1}, "scaling range 99 to 1: expected low < high"),
        ({"low": 5, "high": 5}, "scaling range 5 to 5: expected low < high"),
        ({"low": float("nan")}, "scaling range nan to 99.0: expected low < high"),
        ({"low": -25, "high": 0}, "percentiles -25 to 0: expected 0 to 100"),
        ({"low": 1, "high": 101}, "percentiles 1 to 101: expected 0 to 100"),
        ({"scaling": "image", "low": 0, "high": 256}, "bytes 0 to 256: expected 0 to 255"),
    ],
)
def test_a_radiometry_out_of_range_is_refused_with_what_was_expected(options: Any, message: str) -> None:
    with pytest.raises(OptionError, match=f"^{message}$"):
        Radiometry(**options)


def test_a_radiometry_comes_back_from_its_dictionary() -> None:
    wanted = Radiometry((("VV",), ("VH", "HV")), "fixed", -25, 0)
    assert Radiometry(**wanted.as_dict()) == wanted


def test_a_pixel_is_scaled_alike_in_any_window_before_it_is_filled() -> None:
    mask = np.random.default_rng(0).random(POWER.shape[:2]) < 0.9
    scaling = resolve_scaling(TWO_BANDS, POWER[mask].T)
    scaled = scaling.scaled(POWER, mask)
    assert np.array_equal(
        scaling.scaled(POWER[20:50, 7:90], mask[20:50, 7:90])[mask[20:50, 7:90]], scaled[20:50, 7:90][mask[20:50, 7:90]]
    )
    assert np.array_equal(scaling.filled(scaled, mask), scaling.apply(POWER, mask))


def test_the_range_of_a_model_is_as_wide_in_decibels_as_the_scene_or_nominally_as_its_bytes() -> None:
    assert ONE_BAND.decibels == (25.0,)
    assert SceneScaling("byte", "", ((0.0, 255.0), (51.0, 204.0))).decibels == pytest.approx((25, 15))
    assert SceneScaling("byte", "", ((0.0, 255.0),), image=True).decibels is None


PICTURE = np.arange(256, dtype=np.uint8).reshape(16, 16, 1) + np.zeros(3, np.uint8)


def test_bytes_of_an_image_become_minus_one_to_one_whatever_it_shows() -> None:
    for picture in (PICTURE, PICTURE // 4, PICTURE * 0):
        found = scaled(picture, radiometry=IMAGE)
        np.testing.assert_allclose(found, picture / 127.5 - 1, atol=1e-6)
        assert np.array_equal(to_rgb(found), picture)
    described = "bytes of an image (as the model expects), 0.0..255.0, 0.0..255.0, 0.0..255.0"
    assert resolve_scaling(IMAGE, PICTURE.reshape(-1, 3).T).describe() == described


@pytest.mark.parametrize("told", ["db", "amplitude"])
def test_a_model_of_images_refuses_what_is_no_image(told: str) -> None:
    with pytest.raises(SceneError, match=r"values of float32, the model expects bytes \(uint8\) of an image"):
        resolve_scaling(IMAGE, PICTURE.reshape(-1, 3).T.astype(np.float32))
    with pytest.raises(SceneError, match=f"bytes told to be {told}, the model expects"):
        resolve_scaling(IMAGE, PICTURE.reshape(-1, 3).T, told)


def test_unnamed_bands_feed_a_model_of_images_in_their_order() -> None:
    assert choose_bands([None] * 3, IMAGE.bands) == (1, 2, 3)
    assert IMAGE.is_colour
    assert not any(model.is_colour for model in (TWO_BANDS, Radiometry(scaling="image", low=0, high=255)))


def speckled_decibels(dtype: str = "float32", factor: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (factor * (10 * np.log10(rng.gamma(4.4, 0.05, 5000)))).astype(dtype)


@pytest.mark.parametrize("fill", [-9999.0, -32768.0])
@pytest.mark.parametrize("unit", ["db", None])
def test_a_fill_value_that_nobody_declared_is_refused_with_the_option_that_does(fill: float, unit: str | None) -> None:
    sample = speckled_decibels()
    sample[::10] = fill
    with pytest.raises(SceneError, match=rf"10\.0 % of the valid pixels are {fill:g}, far .*; --nodata {fill:g} if"):
        resolve_scaling(Radiometry(), [sample], unit)


@pytest.mark.parametrize(
    ("sample", "fill"),
    [
        (speckled_decibels(), -99.0),
        (speckled_decibels(), -100.0),
        (10 ** (speckled_decibels() / 10), 1e-10),
        ((1000 * 10 ** (speckled_decibels() / 20)).astype(np.uint16), 65535),
    ],
    ids=["-99 dB", "-100 dB", "power of -100 dB", "the largest of 16 bits"],
)
def test_a_fill_value_that_no_radar_measures_is_refused(sample: np.ndarray, fill: float) -> None:
    sample[::10] = fill
    with pytest.raises(SceneError, match=r"10\.0 % of the valid pixels are .*, far (above|below) the rest"):
        resolve_scaling(Radiometry(), [sample])


@pytest.mark.parametrize("fill", [99999.0, 9.96921e36, 1e300])
@pytest.mark.parametrize("power", [False, True])
def test_a_fill_value_far_above_all_else_is_refused_too(fill: float, power: bool) -> None:
    sample = speckled_decibels("float64")
    if power:
        sample = 10 ** (sample / 10)
    sample[::10] = fill
    with pytest.raises(SceneError, match=r"10\.0 % of the valid pixels are .*, far above the rest .*; --nodata"):
        resolve_scaling(Radiometry(), [sample])


@pytest.mark.parametrize(
    "sample",
    [
        speckled_decibels(),
        np.minimum(10 ** (speckled_decibels() / 10), 0.3),
        np.minimum(10 ** (speckled_decibels() / 10) * 1e6, 65535).astype(np.uint16),
        np.minimum(speckled_decibels("int16", 100), 0),
        np.minimum(speckled_decibels("int16", 100), -900),
        np.maximum(speckled_decibels(), -20),
        speckled_decibels("int16", 100),
        10 ** (speckled_decibels() / 10) - 0.02,
    ],
    ids=[
        "decibels",
        "clipped power",
        "saturated numbers",
        "hundredths up to 0",
        "hundredths up to -9 dB",
        "cut at a noise floor",
        "hundredths",
        "power with noise taken off",
    ],
)
def test_honest_values_are_no_fill(sample: np.ndarray) -> None:
    resolve_scaling(Radiometry(), [sample])


@pytest.mark.parametrize("numbers", [np.arange(18, 112), np.arange(50, 60_000)])
def test_unsigned_digital_numbers_told_to_be_decibels_are_refused(numbers: np.ndarray) -> None:
    with pytest.raises(SceneError, match=r"told to be decibels, found values .* of uint16, expected negative"):
        resolve_scaling(Radiometry(), [numbers.astype(np.uint16)], "db")
