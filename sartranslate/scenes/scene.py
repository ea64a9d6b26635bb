"""A SAR scene, opened: the bands that feed a model, and the map grid they lie on. No pixel is read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from affine import Affine
from rasterio.crs import CRS

from sartranslate.backscatter.polarisation import choose_bands
from sartranslate.backscatter.units import Stored
from sartranslate.errors import OptionError, SceneError
from sartranslate.rasters.address import last_part
from sartranslate.rasters.block_store import BlockStore
from sartranslate.rasters.groundcontrol import MapGrid, control_points, map_grid
from sartranslate.rasters.raster import named_errors
from sartranslate.rasters.remote import is_remote
from sartranslate.rasters.warped import BLOCK, TYPES, warped_vrt
from sartranslate.scenes.source import Band, Raster, SceneOptions, can_hold, check_real, check_same_grid, open_rasters

UNDECLARED_FILL = 0.0  # what products with ground control points only are padded with


@dataclass(frozen=True)
class Scene:
    """What there is to know of a scene without reading its pixels."""

    path: str  # as errors and tags call it
    height: int
    width: int
    crs: CRS | None
    transform: Affine
    bands: tuple[Band, ...]  # one for each channel of the model
    files: tuple[str, ...]  # that the scene is made of
    title: str = ""  # the path without folders
    statistics: str | None = None  # of the scene that it was cut out of, where it is a tile
    grid: MapGrid | None = None  # where ground control points placed it
    unwarped: Scene | None = None  # the same bands before they were put on that grid
    blocks: BlockStore | None = field(default=None, compare=False, repr=False)  # where files are not on this machine

    @property
    def names(self) -> tuple[str | None, ...]:
        """Polarisations of the bands, None where unknown."""
        return tuple(band.name for band in self.bands)

    @property
    def placed(self) -> bool:
        """Whether it has a CRS and a transform."""
        return self.crs is not None and not self.transform.is_identity

    @property
    def datasets(self) -> tuple[str, ...]:
        """All datasets to open, each once."""
        return tuple(dict.fromkeys(band.dataset for band in self.bands))

    @property
    def stored(self) -> tuple[Stored, ...]:
        """How the values of the bands lie in their files."""
        return tuple(Stored(band.dtype, band.scale) for band in (self.unwarped or self).bands)

    def only(self, channels: Sequence[int]) -> Scene:
        """The same scene with some of its bands, counted from 0."""
        unwarped = self.unwarped.only(channels) if self.unwarped else None
        return replace(self, bands=tuple(self.bands[channel] for channel in channels), unwarped=unwarped)

    def of(self, dataset: str) -> tuple[Band, ...]:
        """The bands read from one dataset."""
        return tuple(band for band in self.bands if band.dataset == dataset)


def open_scene(
    source: str | os.PathLike[str] | None,
    wanted: Sequence[Sequence[str]] | None,
    options: SceneOptions | None = None,
) -> Scene:
    """Check that `source` is a real-valued raster on known ground with the bands a model wants, or with any.

    `source` is a raster, a Sentinel-1 SAFE folder or zip, or None where the options name a file for
    each polarisation. Raises `SceneError` otherwise, saying what was found and what was expected.
    """
    options = options or SceneOptions()
    rasters = open_rasters(source, options)
    paths = [raster.path for raster in rasters] if source is None else [os.fspath(source)]
    path = ", ".join(paths)
    with named_errors(path):
        bands = [band for raster in rasters for band in raster.bands]
        chosen = _chosen([band.name for band in bands], wanted, options)
        scene = _scene(path, rasters, [bands[number - 1] for number in chosen], options)
    return replace(scene, title=", ".join(map(last_part, paths)))


def _chosen(
    names: Sequence[str | None], wanted: Sequence[Sequence[str]] | None, options: SceneOptions
) -> tuple[int, ...]:
    told = options.bands
    if wanted is not None:
        return choose_bands(names, wanted, told, options.bands_option)
    if any(not 1 <= band <= len(names) for band in told):
        raise SceneError(f"bands {', '.join(map(str, told))} told, expected 1 to {len(names)}")
    return tuple(told or range(1, len(names) + 1))


def _scene(path: str, rasters: Sequence[Raster], bands: Sequence[Band], options: SceneOptions) -> Scene:
    for band in bands:
        check_real(band.dtype)
    used = [raster for raster in rasters if any(band in raster.bands for band in bands)]
    first = used[0]
    for other in used[1:]:
        check_same_grid(first, other)
    files = tuple(file for raster in rasters for file in raster.files)
    scene = Scene(
        path, first.height, first.width, first.crs, first.transform, tuple(bands), files, statistics=first.statistics,
        blocks=BlockStore() if any(map(is_remote, files)) else None,
    )  # fmt: skip
    if first.points and not first.placed:
        return _warped(scene, first, options)
    if not first.placed and not options.allow_ungeoreferenced:
        raise SceneError(
            "no georeference, expected CRS and transform, or ground control points; "
            "--allow-ungeoreferenced goes ahead in pixel coordinates"
        )
    if options.places:
        raise OptionError(
            f"{path}: has a grid of its own; --crs, --resolution and --gcps are for ground control points"
        )
    return scene


def _warped(scene: Scene, raster: Raster, options: SceneOptions) -> Scene:
    """The scene on a map grid, with the same bands."""
    for band in scene.bands:
        if band.has_mask or band.alpha:
            raise SceneError("ground control points and a mask, expected a nodata value in place of the mask")
        if band.dtype not in TYPES:
            raise SceneError(f"values of {band.dtype} with ground control points, expected one of {', '.join(TYPES)}")
    if np.result_type(*(band.dtype for band in scene.bands)).name not in TYPES:
        raise SceneError(f"values of {', '.join(band.dtype for band in scene.bands)}, expected one type")
    pixels, places = np.split(np.array(raster.points), 2, axis=1)
    points = control_points(pixels, places, raster.points_crs, options.crs)
    grid = map_grid(points, scene.height, scene.width, options.resolution, options.gcps)
    padded = tuple(_with_fill(band) for band in scene.bands)
    blocks = scene.blocks and BlockStore(exact=False)  # of the grid; GDAL reads those of the files again to warp them
    scene = replace(scene, bands=padded, blocks=blocks)
    warped = {band: place for name in scene.datasets for band, place in _warped_bands(scene.of(name), grid)}
    return replace(
        scene,
        height=grid.height,
        width=grid.width,
        crs=grid.points.crs,
        transform=grid.transform,
        bands=tuple(warped[band] for band in scene.bands),
        grid=grid,
        unwarped=scene,
    )


def _warped_bands(bands: Sequence[Band], grid: MapGrid) -> list[tuple[Band, Band]]:
    """Bands of one dataset, each with itself on the grid."""
    text = warped_vrt(
        bands[0].dataset,
        grid,
        [band.index for band in bands],
        [band.dtype for band in bands],
        [UNDECLARED_FILL if band.nodata is None else band.nodata for band in bands],
    )
    return [(band, _on_grid(band, text, index)) for index, band in enumerate(bands, 1)]


def _with_fill(band: Band) -> Band:
    """With the rule for invalid pixels that warping needs: a value, and one that pixels can have."""
    declared = band.nodata is not None and can_hold(band.dtype, band.nodata)
    return replace(band, nodata=band.nodata if declared else UNDECLARED_FILL, zero_fill=False)


def _on_grid(band: Band, text: str, index: int) -> Band:
    return replace(band, dataset=text, index=index, block=BLOCK[::-1])
