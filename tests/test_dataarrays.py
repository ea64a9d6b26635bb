"""xarray in, xarray out: the pixels of `translate_array` on the coordinates of what came in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray
from numpy.typing import NDArray

import sartranslate
from sartranslate.errors import SceneError
from sartranslate.runtimes.translator import Translator

HEIGHT, WIDTH = 60, 70


def coloured(batch: Any) -> Any:
    return np.concatenate([batch[..., :1], -batch[..., :1], 0 * batch[..., :1]], axis=-1)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A callable in place of the network."""
    monkeypatch.setattr("sartranslate.translation.load_translator", lambda *told, **options: Translator(coloured))


def decibels(bands: int = 1) -> NDArray[np.float32]:
    values = np.random.default_rng(2).normal(-12, 3, (bands, HEIGHT, WIDTH)).astype(np.float32)
    values[:, 10:20, 30:40] = -99
    return values


def raster(values: NDArray[Any], **attributes: Any) -> xarray.DataArray:
    """As rioxarray opens a GeoTIFF."""
    spatial_ref = xarray.Variable((), 0, {"crs_wkt": "PROJCS[...]", "GeoTransform": "500000 10 0 5300000 0 -10"})
    places = {
        "band": np.arange(1, len(values) + 1),
        "y": 5_299_995.0 - 10 * np.arange(HEIGHT),
        "x": 500_005.0 + 10 * np.arange(WIDTH),
        "spatial_ref": spatial_ref,
    }
    return xarray.DataArray(values, places, ("band", "y", "x"), attrs=attributes)


@pytest.mark.parametrize("told", ["encoding", "attrs"])
def test_a_grid_mapping_keeps_its_own_name(told: str) -> None:
    source = raster(decibels(), _FillValue=-99.0).rename(spatial_ref="transverse_mercator")
    getattr(source, told)["grid_mapping"] = "transverse_mercator"
    found = sartranslate.translate_dataarray(source)
    assert found.rgb.attrs["grid_mapping"] == found.mask.attrs["grid_mapping"] == "transverse_mercator"
    assert "transverse_mercator" in found.coords


def test_pixels_are_those_of_the_array_on_the_same_coordinates() -> None:
    source = raster(decibels(), _FillValue=-99.0)
    found = sartranslate.translate_dataarray(source)
    rgb, mask = sartranslate.translate_array(decibels()[0], nodata=-99)
    assert 0 < (~mask).sum() <= 100
    assert found.rgb.dims == ("band", "y", "x")
    assert np.array_equal(found.rgb.transpose("y", "x", "band"), rgb)
    assert np.array_equal(found.mask, mask)
    assert (found.rgb.dtype, found.mask.dtype, found.mask.dims) == (np.uint8, np.bool_, ("y", "x"))
    for name in ("x", "y", "spatial_ref"):
        assert found.coords[name].identical(source.coords[name])
    assert found.band.values.tolist() == ["red", "green", "blue"]
    assert found.rgb.attrs["grid_mapping"] == "spatial_ref"
    assert found.attrs["synthetic"] == "YES"


@pytest.mark.parametrize(
    "change",
    [
        lambda source: source.transpose("x", "y", "band"),
        lambda source: source.squeeze("band", drop=True),
        lambda source: source.squeeze("band"),
        lambda source: source.rename(y="latitude", x="longitude"),
        lambda source: source.where(source != -99).drop_attrs(),
        lambda source: source.drop_attrs().assign_attrs(nodata=-99),
        lambda source: source.drop_vars(["spatial_ref", "x", "y"]),
    ],
    ids=["turned", "without bands", "one band kept as a number", "degrees", "decoded", "nodata", "without coordinates"],
)
def test_the_form_of_what_comes_in_changes_no_pixel(change: Any) -> None:
    source = raster(decibels(), _FillValue=-99.0)
    expected, found = sartranslate.translate_dataarray(source), sartranslate.translate_dataarray(change(source))
    assert np.array_equal(found.mask, expected.mask)
    assert np.array_equal(found.rgb, expected.rgb)


@pytest.mark.parametrize(
    "named",
    [
        lambda source: source.assign_attrs(long_name=("VV", "VH")),
        lambda source: source.assign_coords(band=["Sigma0_VV", "Sigma0_VH"]),
    ],
)
def test_bands_are_known_by_their_names(named: Any) -> None:
    found = sartranslate.translate_dataarray(named(raster(decibels(2), _FillValue=-99.0)))
    expected = sartranslate.translate_dataarray(raster(decibels(2)[1:], _FillValue=-99.0))
    assert np.array_equal(found.rgb, expected.rgb)
    chosen = sartranslate.translate_dataarray(named(raster(decibels(2), _FillValue=-99.0)).isel(band=1))
    assert np.array_equal(chosen.rgb, expected.rgb)


def test_a_declared_value_that_was_decoded_says_where_there_is_none() -> None:
    """Zeros are measured where a file has declared another value, and else fill."""
    values = decibels() + 100
    values[:, :10, :10] = 0
    source = raster(values, _FillValue=-1.0)
    decoded = source.drop_attrs()
    decoded.encoding["_FillValue"] = -1.0
    declared, found = (sartranslate.translate_dataarray(each).mask for each in (source, decoded))
    assert declared.all()
    assert np.array_equal(found, declared)
    assert not sartranslate.translate_dataarray(source.drop_attrs()).mask.all()


def test_a_file_changes_no_pixel_of_an_array_that_declares_nothing(tmp_path: Path) -> None:
    """NaN is what xarray writes of itself."""
    values = decibels() + 100
    values[:, :10, :10] = 0
    source = raster(values).rename("sigma0").drop_attrs()
    source.to_netcdf(tmp_path / "a.nc", engine="scipy")
    with xarray.open_dataset(tmp_path / "a.nc", engine="scipy") as file:
        found = sartranslate.translate_dataarray(file.sigma0.load())
    expected = sartranslate.translate_dataarray(source)
    assert not expected.mask.all()
    assert np.array_equal(found.mask, expected.mask)
    assert np.array_equal(found.rgb, expected.rgb)


def test_a_fill_value_of_stored_numbers_is_not_looked_for_in_decoded_ones() -> None:
    values = decibels()
    values[:, 10:20, 30:40] = 0
    source = raster(values).drop_attrs()
    source.encoding = {"_FillValue": 0, "scale_factor": 0.25, "add_offset": -40.0}
    assert sartranslate.translate_dataarray(source).mask.all()


@pytest.mark.parametrize("fill", [np.nan, -9999.0, 0.5])
def test_a_value_that_its_type_can_not_hold_is_no_nodata(fill: float) -> None:
    """Attributes outlive a cast."""
    source = raster((decibels() + 200).astype(np.uint16), _FillValue=fill)
    found, expected = (sartranslate.translate_dataarray(each) for each in (source, source.drop_attrs()))
    assert np.array_equal(found.rgb, expected.rgb)


def test_one_band_chosen_by_its_name_keeps_it() -> None:
    both = raster(decibels(2), _FillValue=-99.0).assign_coords(band=["HH", "HV"])
    with pytest.raises(SceneError, match=r"1 band \(HH\), the model expects 1 \(VH or VV\)"):
        sartranslate.translate_dataarray(both.sel(band="HH"))


@pytest.mark.parametrize(
    "change",
    [
        lambda source: source.assign_coords(mask=(("y", "x"), source.values[0] > 0)),
        lambda source: source.assign_coords(rgb=1),
        lambda source: source.drop_attrs().assign_attrs(_FillValue=np.array([-99.0]), scale_factor=np.array([1.0])),
        lambda source: source.assign_attrs(long_name=None, grid_mapping=["spatial_ref"]),
        lambda source: source.assign_attrs(long_name=5),
    ],
)
def test_names_and_attributes_as_files_have_them_change_no_pixel(change: Any) -> None:
    source = raster(decibels(), _FillValue=-99.0)
    found, expected = sartranslate.translate_dataarray(change(source)), sartranslate.translate_dataarray(source)
    assert np.array_equal(found.rgb, expected.rgb)
    assert np.array_equal(found.mask, expected.mask)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (raster(decibels())[0, 0], "dimensions x, expected y and x"),
        (raster(decibels()).expand_dims("time"), "dimensions time, band, y, x, expected y and x, and bands at most"),
        (raster(decibels(), scale_factor="x"), "scale_factor 'x', expected a number"),
        (raster(decibels(), nodata=(0, 1)), r"nodata \(0, 1\), expected a number"),
        (decibels(), "a ndarray, expected an xarray.DataArray"),
        (raster(decibels()).to_dataset(name="a"), "a Dataset, expected an xarray.DataArray"),
        (raster(decibels(), scale_factor=0.01), "scale_factor 0.01, add_offset 0: expected decoded values"),
    ],
)
def test_what_is_no_scene_is_refused(source: xarray.DataArray, message: str) -> None:
    with pytest.raises(SceneError, match=message):
        sartranslate.translate_dataarray(source)
