"""An array gets the pixels that a file with these values gets, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

import sartranslate
from sartranslate.arrays import Picture, picture
from sartranslate.backscatter.radiometry import Radiometry
from sartranslate.errors import AreaError, OptionError, SceneError
from sartranslate.infer.inference import translate
from sartranslate.infer.planning import InferenceOptions, plan, plan_pixels
from sartranslate.runtimes.translator import Translator
from sartranslate.scenes.scene import open_scene
from tests.conftest import TRANSFORM, UTM, WriteScene

HEIGHT, WIDTH = 270, 290
FAST: dict[str, Any] = {"runtime": "onnxruntime", "precision": "float32"}
BOX = (500_305.0, 5_297_800.0, 502_400.0, 5_299_500.0)  # in UTM, between centres of pixels
Values = NDArray[Any]


def amplitudes(bands: int = 1) -> NDArray[np.uint16]:
    rng = np.random.default_rng(5)
    return (100 * np.sqrt(rng.gamma(4.4, 1 / 4.4, (HEIGHT, WIDTH, bands))) + 1).astype(np.uint16)


def decibels() -> NDArray[np.float32]:
    return np.asarray(20 * np.log10(amplitudes().astype(np.float32)) - 60, np.float32)


def with_hole(values: Values, value: float) -> Values:
    values[100:140, 30:200] = value
    return values


def written(path: Path) -> Picture:
    with rasterio.open(path) as dataset:
        return Picture(np.moveaxis(dataset.read(), 0, -1), dataset.dataset_mask() > 0)


def assert_same(found: Picture, expected: Picture) -> None:
    assert (found.rgb.dtype, found.mask.dtype) == (np.uint8, np.bool_)
    assert np.array_equal(found.mask, expected.mask)
    assert np.array_equal(found.rgb, expected.rgb)


def around(batch: Any) -> Any:
    """Of a pixel its value, that of its patch and that of its row."""
    return np.concatenate(
        [batch[..., :1], *(0 * batch[..., :1] + batch[..., :1].mean(axis, keepdims=True) for axis in ((1, 2), 2))],
        axis=-1,
    )


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A callable in place of the network, for what has to do with values alone."""
    for module in ("translation", "workers.computing"):
        monkeypatch.setattr(f"sartranslate.{module}.load_translator", lambda *told, **options: Translator(around))


CASES = pytest.mark.parametrize(
    ("values", "told", "named"),
    [
        (with_hole(amplitudes(), 0), {}, ()),  # fill that nothing declares
        (with_hole(decibels(), np.nan), {}, ()),
        (with_hole(decibels(), -99), {"nodata": -99}, ()),
        (with_hole(amplitudes(2), 0), {"nodata": 0}, ("VV", "VH")),
    ],
    ids=["zeros", "nan", "nodata", "two bands"],
)


@pytest.mark.usefixtures("quick")
@CASES
def test_an_array_gets_the_pixels_of_a_file_with_its_values(
    write_scene: WriteScene, values: Values, told: dict[str, float], named: tuple[str, ...]
) -> None:
    assert_as_a_file(write_scene, values, told, named)


@pytest.mark.long
@CASES
def test_a_network_gives_an_array_the_pixels_of_a_file_with_its_values(
    write_scene: WriteScene, values: Values, told: dict[str, float], named: tuple[str, ...]
) -> None:
    assert_as_a_file(write_scene, values, told, named)


def assert_as_a_file(write_scene: WriteScene, values: Values, told: dict[str, float], named: tuple[str, ...]) -> None:
    scene = write_scene("scene.tif", values, named, **told)
    out = scene.with_name("out.tif")
    sartranslate.translate(scene, out, **FAST)
    found = sartranslate.translate_array(values, TRANSFORM, UTM, **told, polarisations=named, **FAST)
    assert_same(found, written(out))
    assert 0 < (~found.mask).sum() < 40 * 170 + 1
    assert found.rgb[found.mask].std() > 1


def test_a_picture_is_made_window_by_window_as_the_file_is(write_scene: WriteScene) -> None:
    options = InferenceOptions(window=64, overlap=16)
    scene = write_scene("scene.tif", with_hole(decibels(), -99), nodata=-99)
    out = scene.with_name("out.tif")
    translate(plan(scene, out, Radiometry(), options), Translator(around, batch_size=5))
    planned = plan_pixels(open_scene(scene, None), Radiometry(), options)
    assert_same(picture(planned, Translator(around, batch_size=5)), written(out))


@pytest.mark.usefixtures("quick")
def test_an_area_masks_what_lies_outside_and_changes_nothing_inside() -> None:
    values = amplitudes()[..., 0]
    whole = sartranslate.translate_array(values, **FAST)
    part = sartranslate.translate_array(
        values, tuple(TRANSFORM)[:6], "EPSG:32632", bbox=BOX, aoi_crs=UTM.to_wkt(), **FAST
    )
    inside = np.zeros((HEIGHT, WIDTH), bool)
    inside[50:220, 31:240] = True
    assert whole.mask.all()
    assert np.array_equal(part.mask, inside)
    assert np.array_equal(part.rgb[inside], whole.rgb[inside])
    assert not part.rgb[~inside].any()


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "change",
    [
        lambda values: values.astype(">u2"),
        np.asfortranarray,
        lambda values: values[..., None],
        lambda values: values.tolist(),
        lambda values: np.ma.masked_less(values, 0),
        lambda values: np.repeat(values, 2, axis=1)[:, ::2],
    ],
    ids=["bytes swapped", "column by column", "with an axis of bands", "lists", "nothing masked", "strided"],
)
def test_how_values_lie_in_memory_does_not_matter(change: Callable[[Values], Any]) -> None:
    values = amplitudes()[..., 0]
    assert_same(sartranslate.translate_array(change(values)), sartranslate.translate_array(values))


@pytest.mark.usefixtures("quick")
def test_what_a_masked_array_masks_is_invalid_and_says_nothing_about_the_range() -> None:
    values = amplitudes()[..., 0]
    masked = np.ma.MaskedArray(with_hole(values.copy(), 60_000), with_hole(np.zeros(values.shape, bool), True))
    found = sartranslate.translate_array(masked)
    assert np.array_equal(found.mask, ~masked.mask)
    assert_same(found, sartranslate.translate_array(with_hole(values, 0), nodata=0))


@pytest.mark.usefixtures("quick")
def test_what_is_masked_in_a_band_that_is_not_used_is_not_looked_at() -> None:
    """As in a file with a nodata value; the model wants VH or VV, and takes VH."""
    values = decibels()[..., 0]
    both = np.ma.MaskedArray(np.stack([values, values], axis=-1), False)
    both[:100, :, 0] = np.ma.masked
    assert_same(
        sartranslate.translate_array(both, polarisations=("VV", "VH")), sartranslate.translate_array(values, nodata=99)
    )


@pytest.mark.usefixtures("quick")
def test_a_fourth_band_of_bytes_is_no_alpha_band() -> None:
    values = np.repeat((amplitudes() // 4).astype(np.uint8), 4, axis=-1)
    values[:100, :, 3] = 0
    expected = sartranslate.translate_array(values[..., 0])
    assert expected.mask.all()
    assert_same(sartranslate.translate_array(values, bands=(1,)), expected)
    assert sartranslate.translate_array(values, bands=(4,)).mask.all()


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("kind", [float, np.float32, np.float64, np.array])
def test_nodata_may_be_a_number_of_any_type(kind: Any) -> None:
    values = with_hole(decibels(), np.float32(-32.7))
    told = kind(-32.7) if kind is not np.float32 else np.float32(-32.7)
    assert not sartranslate.translate_array(values, nodata=told).mask[100:140, 30:200].any()


@pytest.mark.usefixtures("quick")
def test_whole_numbers_of_numpy_are_whole_numbers() -> None:
    values = amplitudes(2)
    found = sartranslate.translate_array(
        values, bands=np.array([2]), window=np.int64(256), overlap=np.uint8(32), batch_size=np.int32(2)
    )
    assert_same(found, sartranslate.translate_array(values[..., 1], overlap=32))


@pytest.mark.usefixtures("quick")
def test_half_floats_are_taken_as_floats() -> None:
    values = decibels()[..., 0].astype(np.float16)
    assert_same(sartranslate.translate_array(values), sartranslate.translate_array(values.astype(np.float32)))


@pytest.mark.usefixtures("quick")
def test_arrays_are_translated_where_only_local_files_are_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    values = amplitudes()
    before = sartranslate.translate_array(values)
    monkeypatch.setenv("SARTRANSLATE_LOCAL_ONLY", "1")
    monkeypatch.setattr("sartranslate.rasters.local_only._check_drivers", lambda: None)  # loaded by other tests
    assert_same(sartranslate.translate_array(values), before)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("values", "told", "error", "message"),
    [
        (np.zeros(5), {}, SceneError, r"array: shape \(5,\), expected \(height, width\)"),
        (np.zeros((0, 5)), {}, SceneError, r"array: shape \(0, 5\), expected"),
        (np.ones((9, 9), complex), {}, SceneError, "array: complex values"),
        (np.ones((9, 9), np.clongdouble), {}, SceneError, "array: complex values"),
        (None, {}, SceneError, r"array: shape \(\), expected"),
        ([[1, 2], [3]], {}, SceneError, "array: setting an array element"),
        (
            amplitudes()[None, ..., 0],
            {},
            SceneError,
            r"shape \(1, 270, 290\), expected .*; np.moveaxis\(values, 0, -1\)",
        ),
        (np.ones((9, 9), bool), {}, SceneError, "array: values of bool, expected one of uint8"),
        (np.full((9, 9), np.nan), {}, SceneError, "array: no valid pixels"),
        (np.ones((9, 9)), {}, SceneError, "array: all valid pixels have about the same value"),
        (amplitudes(2), {}, SceneError, "array: "),
        (amplitudes(), {"polarisations": ("VV", "VH")}, OptionError, "polarisations VV, VH of 1 band, expected"),
        (amplitudes(), {"polarisations": ("XX",)}, OptionError, "polarisation 'XX': expected one of VV"),
        (amplitudes(), {"transform": (1, 2)}, OptionError, r"transform \(1, 2\): expected six numbers"),
        (amplitudes(), {"crs": "EPSG:nothing"}, OptionError, "CRS 'EPSG:nothing'"),
        (amplitudes(), {"bbox": BOX, "aoi": "POINT (1 1)"}, OptionError, "aoi and bbox are both given"),
        (amplitudes(), {"aoi_crs": "EPSG:4326"}, OptionError, "of an area without an area"),
        (amplitudes(), {"bbox": (0, 0, 1, 1), "transform": (10, 0, 0, 0, -10, 0)}, AreaError, "array: "),
        (amplitudes(), {"crs": 32632, "bbox": (9, 47, 10, 48)}, OptionError, "an area without a transform, expected"),
        (amplitudes(), {"transform": "abcdef"}, OptionError, "transform 'abcdef': expected six numbers"),
        (amplitudes(), {"bbox": (1, 2, 3)}, OptionError, r"bbox \(1, 2, 3\): expected four numbers"),
        (amplitudes(), {"bbox": "8 46 9 47"}, OptionError, "bbox '8 46 9 47': expected four numbers"),
        (amplitudes(), {"aoi": 5}, OptionError, "aoi of type int, expected a file of polygons"),
        (amplitudes(), {"bands": 1}, OptionError, "bands 1: expected whole numbers"),
        (amplitudes(), {"bands": (1.5,)}, OptionError, "band 1.5: expected a whole number"),
        (amplitudes(), {"nodata": "0"}, OptionError, "nodata '0': expected a number"),
        (amplitudes(), {"window": "256"}, OptionError, "window '256': expected a whole number"),
        (amplitudes(), {"overlap": 64.0}, OptionError, "overlap 64.0: expected a whole number"),
        (amplitudes(), {"batch_size": 2.0}, OptionError, "batch_size 2.0: expected a whole number"),
        (amplitudes(), {"window": 100}, OptionError, "window 100: the model needs a multiple of"),
        (amplitudes(), {"unit": "volts"}, OptionError, "unit 'volts'"),
    ],
)
def test_what_can_not_be_translated_is_told_in_one_line(
    values: Values, told: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as raised:
        sartranslate.translate_array(values, **told)
    assert "vsimem" not in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.usefixtures("quick")
def test_nothing_is_left_in_memory() -> None:
    from rasterio.shutil import exists

    names: list[str] = []
    original = open_scene
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            "sartranslate.arrays.open_scene", lambda path, *told: names.append(path) or original(path, *told)
        )
        sartranslate.translate_array(np.ma.masked_greater(amplitudes(), 150))
    assert names
    assert names[0].startswith("/vsimem/")
    assert not exists(names[0])
    assert not exists(f"{names[0]}.msk")


def test_the_package_has_these_functions_and_no_others() -> None:
    assert {"translate", "translate_array", "translate_dataarray"} <= set(dir(sartranslate))
    with pytest.raises(AttributeError, match="module 'sartranslate' has no attribute 'translate_video'"):
        getattr(sartranslate, "translate_video")  # noqa: B009
