"""The files that a scene is made of: their bands, what is valid in them, and where they lie.

A scene is one raster, a single-band raster for each polarisation, or a Sentinel-1 product.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from affine import Affine
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, MaskFlags

from sartranslate.backscatter.polarisation import POLARISATIONS, polarisation
from sartranslate.errors import OptionError, SceneError
from sartranslate.limits import whole
from sartranslate.rasters.address import last_part
from sartranslate.rasters.groundcontrol import METHODS
from sartranslate.rasters.raster import all_files, opened_raster
from sartranslate.scenes import sentinel1

STATISTICS_TAG = "SARTRANSLATE_SCENE"
SAME_PLACE = 1e-3  # pixels that the corners of two bands may be apart
SAME_POINT = 1e-5  # degrees that the ground control points of two bands may be apart: a metre


@dataclass(frozen=True)
class SceneOptions:
    """What a user says of a scene that its files do not say, or say otherwise."""

    files: Mapping[str, str] | None = None  # polarisation -> single-band raster, in place of one path
    bands: Sequence[int] = ()  # 1-based, kept as a tuple; empty: by polarisation name
    bands_option: str = "--bidx"  # that errors advise where these bands do not fit the model
    nodata: float | None = None  # in place of the declared value
    crs: str | None = None  # of the grid for ground control points; None: the UTM zone
    resolution: float | None = None  # of that grid, CRS units; None: the source's
    gcps: str | None = None  # one of groundcontrol.METHODS; None: by fit
    allow_ungeoreferenced: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "bands", _whole_numbers(self.bands))
        object.__setattr__(self, "nodata", _plain_number(self.nodata))
        if self.gcps is not None and self.gcps not in METHODS:
            raise OptionError(f"gcps {self.gcps!r}: expected one of {', '.join(METHODS)}")
        for name in self.files or ():
            if name not in POLARISATIONS:
                raise OptionError(f"band {name!r}: expected one of {', '.join(POLARISATIONS)}")

    @property
    def places(self) -> bool:
        """Whether a grid for ground control points is asked for."""
        return (self.crs, self.resolution, self.gcps) != (None, None, None)


def _whole_numbers(bands: Any) -> tuple[int, ...]:
    try:
        return tuple(whole(band, "band") for band in bands)
    except TypeError as error:
        raise OptionError(f"bands {bands!r}: expected whole numbers") from error


def _plain_number(nodata: Any) -> float | None:
    """Of Python: what it is compared with must not be widened to the type of one of NumPy's. Raises `OptionError`."""
    value = nodata.item() if isinstance(nodata, (np.generic, np.ndarray)) and nodata.size == 1 else nodata
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
        raise OptionError(f"nodata {nodata!r}: expected a number")
    return value


@dataclass(frozen=True)
class Band:
    """One band of a dataset, and which of its pixels are valid."""

    dataset: str  # a path, or the text of a virtual raster
    index: int  # 1-based, in the dataset
    number: int  # 1-based, as the user counts: through all files, alpha bands left out
    name: str | None  # polarisation
    dtype: str
    nodata: float | None
    scale: tuple[float, float]  # factor and offset from stored values to the unit
    has_mask: bool  # a mask band or a mask file
    alpha: tuple[int, ...]  # alpha bands of the dataset, 1-based
    zero_fill: bool  # nothing says what is valid: blocks of zeros are taken for fill
    block: tuple[int, int]  # rows and columns that are stored, and so decoded, together

    def __str__(self) -> str:
        """Its number, and its polarisation where that is known."""
        return f"{self.number} ({self.name})" if self.name else str(self.number)


@dataclass(frozen=True)
class Raster:
    """One file of a scene: its bands that are no alpha bands, and where it lies."""

    path: str
    height: int
    width: int
    crs: CRS | None
    transform: Affine
    points: tuple[tuple[float, ...], ...]  # column, row, x, y of the ground control points
    points_crs: CRS | None
    statistics: str | None  # of the scene that a tile was cut out of, see `scaling.SceneStatistics`
    bands: tuple[Band, ...]
    files: tuple[str, ...]

    @property
    def placed(self) -> bool:
        """Whether it has a CRS and a transform."""
        return self.crs is not None and not self.transform.is_identity


def open_rasters(source: str | os.PathLike[str] | None, options: SceneOptions) -> list[Raster]:
    """All files of a scene with all their bands, numbered from file to file."""
    rasters: list[Raster] = []
    for path, name in _files(source, options):
        before = sum(len(raster.bands) for raster in rasters)
        raster = _raster(path, name, options)
        bands = tuple(replace(band, number=before + band.number) for band in raster.bands)
        rasters.append(replace(raster, bands=bands))
    return rasters


def _files(source: str | os.PathLike[str] | None, options: SceneOptions) -> list[tuple[str, str | None]]:
    """Paths and, where something but the file itself tells it, the polarisation of their single band."""
    if (source is None) == (not options.files):
        raise OptionError("expected a scene, or a file for each band")
    if options.files:
        return [(os.fspath(path), name) for name, path in options.files.items()]
    path = os.fspath(source or "")
    if sentinel1.is_product(path):
        return [(file, name) for name, file in sentinel1.measurements(path).items()]
    return [(path, None)]


def _raster(path: str, name: str | None, options: SceneOptions) -> Raster:
    with opened_raster(path) as dataset:
        kinds = dataset.colorinterp
        if ColorInterp.palette in kinds:
            raise SceneError("a palette image, expected SAR values")
        named = [polarisation(text) is not None for text in dataset.descriptions]  # GDAL calls a fourth byte alpha
        data = [index for index, kind in enumerate(kinds, 1) if kind != ColorInterp.alpha or named[index - 1]]
        if name and len(data) > 1:
            raise SceneError(f"{len(data)} bands, expected one, {name}")
        if len(data) == 1 and not (name := name or polarisation(dataset.descriptions[data[0] - 1])):
            name = sentinel1.file_polarisation(last_part(path)) or sentinel1.file_polarisation(os.path.basename(path))
        return Raster(
            path=path,
            height=dataset.height,
            width=dataset.width,
            crs=dataset.crs,
            transform=dataset.transform,
            points=tuple((point.col, point.row, point.x, point.y) for point in dataset.gcps[0]),
            points_crs=dataset.gcps[1],
            statistics=dataset.tags().get(STATISTICS_TAG),
            bands=tuple(_band(dataset, path, number, data, name, options) for number in range(1, len(data) + 1)),
            files=tuple(all_files(dataset)),
        )


def _band(dataset: Any, path: str, number: int, data: list[int], name: str | None, options: SceneOptions) -> Band:
    index = data[number - 1]
    nodata = dataset.nodatavals[index - 1] if options.nodata is None else options.nodata
    alpha = tuple(band for band in range(1, dataset.count + 1) if band not in data)
    has_mask = _has_mask(dataset.mask_flag_enums[index - 1])
    dtype = dataset.dtypes[index - 1]
    if options.nodata is not None:
        check_can_hold(dtype, options.nodata)
    scale = dataset.scales[index - 1], dataset.offsets[index - 1]
    if not np.isfinite(scale).all():
        raise SceneError(f"band {number} has a scale of {scale[0]:g} and an offset of {scale[1]:g}, expected numbers")
    return Band(
        dataset=path,
        index=index,
        number=number,
        name=name or polarisation(dataset.descriptions[index - 1]),
        dtype=dtype,
        nodata=nodata,
        scale=scale,
        has_mask=has_mask,
        alpha=alpha,
        # In bytes zero is a dark pixel: stretches use it.
        zero_fill=nodata is None and not has_mask and not alpha and _type(dtype).itemsize > 1,
        block=tuple(dataset.block_shapes[index - 1]),
    )


def _type(name: str) -> np.dtype[Any]:
    """By GDAL's name; NumPy has no complex whole numbers."""
    return np.dtype("complex64" if name.startswith("complex_int") else name)


def check_real(dtype: str) -> None:
    """Raise `SceneError` for values that are not detected."""
    if "complex" in dtype:
        raise SceneError(f"complex values ({dtype}), expected detected amplitude, power or dB")


def check_can_hold(dtype: str, nodata: float) -> None:
    """Raise `SceneError` where no pixel of this type can have the value that is told to mean no data."""
    if not can_hold(dtype, nodata):
        raise SceneError(f"nodata {nodata:g} told, which {dtype} can not hold")


def can_hold(dtype: str, value: float) -> bool:
    """Whether a band of this type may have this value; of floats, the nearest one.

    Files declare such as -9999 of unsigned numbers as well.
    """
    if _type(dtype).kind not in "iu":
        with np.errstate(over="ignore"):
            return not np.isfinite(value) or bool(np.isfinite(_type(dtype).type(value)))
    limits = np.iinfo(dtype)
    return limits.min <= value <= limits.max and value == int(value)


def _has_mask(flags: Sequence[MaskFlags]) -> bool:
    """Whether a band has a mask that neither its nodata value nor an alpha band gives; one of its own has no flag."""
    return not flags or (MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags)


def check_same_grid(first: Raster, other: Raster) -> None:
    expected = f"expected the grid of {first.path}"
    if (first.height, first.width) != (other.height, other.width):
        raise SceneError(f"{other.path} has {other.height} x {other.width} pixels, {expected}, which has "
                         f"{first.height} x {first.width}")  # fmt: skip
    if first.crs != other.crs:
        raise SceneError(f"{other.path} is in {other.crs or 'no CRS'}, {expected}, which is in {first.crs or 'none'}")
    if shift(first.transform, other.transform, first.height, first.width) > SAME_PLACE:
        raise SceneError(f"{other.path} lies on other ground, {expected}")
    if len(first.points) != len(other.points) or not np.allclose(first.points, other.points, rtol=0, atol=SAME_POINT):
        raise SceneError(f"{other.path} has other ground control points, {expected}")
    if first.points_crs != other.points_crs:
        raise SceneError(f"{other.path} has ground control points in {other.points_crs}, {expected}, which has them in "
                         f"{first.points_crs}")  # fmt: skip


def shift(own: Affine, other: Affine, height: int, width: int) -> float:
    """How far, in pixels, another transform puts the corners of a raster from where its own puts them."""
    here, there = (np.reshape(tuple(matrix), (3, 3)) for matrix in (own, other))
    corners = np.array([(0, 0, 1), (width, 0, 1), (0, height, 1), (width, height, 1)]).T
    return float(np.abs(np.linalg.solve(here, there @ corners) - corners).max())
