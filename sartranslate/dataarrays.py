"""An xarray.DataArray of backscatter translated, with its coordinates kept.

Names and attributes are those of rioxarray and CF, which need not be installed; xarray is imported where it is needed.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sartranslate.arrays import translate_array
from sartranslate.backscatter.polarisation import POLARISATIONS, polarisation
from sartranslate.errors import SceneError
from sartranslate.infer.inference import SYNTHETIC
from sartranslate.runtimes.runtime import AUTO
from sartranslate.scenes.source import can_hold
from sartranslate.translation import PathLike

if TYPE_CHECKING:
    import xarray

ROWS, COLUMNS = ("y", "latitude", "lat"), ("x", "longitude", "lon")  # dimensions go by
SPATIAL_REF = "spatial_ref"  # as rioxarray calls a grid mapping where nothing else does
COLOURS = ("red", "green", "blue")
OURS = ("rgb", "mask", "band")  # names in what is returned


def translate_dataarray(
    backscatter: xarray.DataArray,
    *,
    model: PathLike | None = None,
    bands: Sequence[int] = (),
    unit: str | None = None,
    window: int = 256,
    overlap: int = 64,
    batch_size: int | None = None,
    runtime: str = AUTO,
    precision: str = AUTO,
) -> xarray.Dataset:
    """A Dataset of `rgb` (band, y, x), uint8, and `mask` (y, x), True = valid, on the coordinates of `backscatter`.

    `backscatter` has rows and columns named y and x, or latitude and longitude, and at most one dimension more, of
    bands, in any order. Scalar coordinates, such as `spatial_ref` with the CRS, are kept. Its polarisations are those
    of its band coordinate, of a scalar one, or its attribute `long_name`, its nodata value the attribute or encoding
    `_FillValue`, or the attribute `nodata`. Pixels and options are those of `translate_array`; what is computed lazily
    is loaded.

    Raises `SceneError` for other dimensions, or values with a scale or an offset that are not decoded, and errors as
    `translate_array`.
    """
    import xarray

    if not isinstance(backscatter, xarray.DataArray):
        raise SceneError(f"a {type(backscatter).__name__}, expected an xarray.DataArray")
    rows, columns, others = _dimensions(backscatter.dims)
    _check_decoded(backscatter.attrs)
    values, nodata = backscatter.transpose(rows, columns, *others).values, _nodata(backscatter)
    if nodata is not None and not can_hold(values.dtype.name, nodata):  # an attribute that has outlived a cast
        nodata = None
    rgb, mask = translate_array(
        values,
        nodata=nodata,
        model=model,
        polarisations=_polarisations(backscatter, others),
        bands=bands,
        unit=unit,
        window=window,
        overlap=overlap,
        batch_size=batch_size,
        runtime=runtime,
        precision=precision,
    )
    return _dataset(backscatter, rgb, mask, (rows, columns))


def _dataset(source: xarray.DataArray, rgb: Any, mask: Any, dimensions: tuple[Hashable, Hashable]) -> xarray.Dataset:
    import xarray

    on_grid = {name: place.variable for name, place in source.coords.items() if set(place.dims) <= set(dimensions)}
    kept = {name: place for name, place in on_grid.items() if name not in OURS}
    told = source.encoding.get("grid_mapping", source.attrs.get("grid_mapping"))
    mapping = told if isinstance(told, str) and told in kept else SPATIAL_REF
    placed = {"grid_mapping": mapping} if mapping in kept else {}
    return xarray.Dataset(
        {
            "rgb": (("band", *dimensions), np.moveaxis(rgb, -1, 0), {"long_name": list(COLOURS), **placed}),
            "mask": (dimensions, mask, placed),
        },
        {**kept, "band": list(COLOURS)},
        {"description": SYNTHETIC, "synthetic": "YES"},
    )


def _dimensions(names: Sequence[Hashable]) -> tuple[Hashable, Hashable, list[Hashable]]:
    """The names of rows, of columns, and of bands if there is one."""
    rows, columns = [name for name in names if name in ROWS], [name for name in names if name in COLUMNS]
    others = [name for name in names if name not in (*ROWS, *COLUMNS)]
    if len(rows) != 1 or len(columns) != 1 or len(others) > 1:
        raise SceneError(f"dimensions {', '.join(map(str, names))}, expected y and x, and bands at most")
    return rows[0], columns[0], others


def _check_decoded(attributes: Mapping[Hashable, Any]) -> None:
    scale = _number(attributes, "scale_factor", 1), _number(attributes, "add_offset", 0)
    if scale != (1, 0):
        raise SceneError(f"scale_factor {scale[0]:g}, add_offset {scale[1]:g}: expected decoded values")


def _nodata(backscatter: xarray.DataArray) -> float | None:
    """As declared: by an attribute, or by the encoding of decoded values, which have NaN in its place.

    There it is of stored values, which none with a scale or an offset can be compared with. NaN alone is what xarray
    writes for any array of floats, and says nothing.
    """
    names = ("_FillValue", "nodata")
    for name in names:
        if backscatter.attrs.get(name) is not None:
            return _number(backscatter.attrs, name)
    stored = backscatter.encoding
    declared = [_number(stored, name) for name in names if stored.get(name) is not None]
    if not declared or math.isnan(declared[0]):
        return None
    return math.nan if {"scale_factor", "add_offset"} & set(stored) else declared[0]


def _number(told: Mapping[Any, Any], name: str, default: float = math.nan) -> float:
    """That of an attribute, which NetCDF may give as an array of one. Raises `SceneError`."""
    try:
        (value,) = np.ravel(told.get(name, default))
        return float(value)
    except (TypeError, ValueError) as error:
        raise SceneError(f"{name} {told[name]!r}, expected a number") from error


def _polarisations(backscatter: xarray.DataArray, others: Sequence[Hashable]) -> tuple[str, ...]:
    """Of all bands, by coordinate or by description; none where one of them is not told.

    Descriptions stay with an array when some of its bands are chosen, and then tell nothing.
    """
    bands = 1 if not others else backscatter.sizes[others[0]]
    described = backscatter.attrs.get("long_name", ())
    coordinates = [
        np.ravel(place.values).tolist()
        for name, place in backscatter.coords.items()
        if name in others or (bands == 1 and not place.dims)
    ]
    descriptions = np.ravel(described).tolist() if isinstance(described, (str, list, tuple, np.ndarray)) else []
    for told in (*coordinates, descriptions):
        names = tuple(polarisation(str(name)) for name in told)
        if len(names) == bands and all(name in POLARISATIONS for name in names):
            return tuple(str(name) for name in names)
    return ()
