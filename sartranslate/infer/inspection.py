"""What a scene is, and what would be done with it, without translating it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from sartranslate.backscatter.distribution import SceneStatistics, measure
from sartranslate.backscatter.polarisation import choose_bands
from sartranslate.backscatter.radiometry import Radiometry, to_decibels
from sartranslate.backscatter.units import Stored, guess_unit
from sartranslate.errors import EmptySceneError, SceneError
from sartranslate.infer.estimate import Estimate, estimate
from sartranslate.rasters.raster import named_errors
from sartranslate.recipes.architecture import GeneratorConfig
from sartranslate.scenes.footprint import bounding_box, scene_footprint
from sartranslate.scenes.layout import block_text, slow_layout
from sartranslate.scenes.reader import block_cache
from sartranslate.scenes.sampling import survey
from sartranslate.scenes.scene import Scene, open_scene
from sartranslate.scenes.source import Band, SceneOptions
from sartranslate.streaming.windows import WindowGrid, check_multiple

RANGE = (1.0, 50.0, 99.0)  # percentiles


@dataclass(frozen=True)
class BandReport:
    """One band as it is stored and as it was sampled."""

    number: int  # as --bidx counts
    polarisation: str | None
    dtype: str
    validity: str  # how its invalid pixels are known
    blocks: str
    values: tuple[float, ...]  # at RANGE, in its own unit; empty where none is valid
    decibels: tuple[float, ...] | None  # the same, None for bytes and where none is valid


@dataclass(frozen=True)
class Ground:
    """Where a scene lies."""

    crs: str | None
    unit: str | None  # of the CRS
    transform: tuple[float, ...]  # a to f
    gcps: str | None  # what became of ground control points, where it has only these
    footprint: dict[str, Any] | None  # GeoJSON in longitude and latitude
    bounds: tuple[float, ...] | None  # west, south, east, north in degrees; west > east across the antimeridian
    problem: str | None = None  # why there is no footprint


@dataclass(frozen=True)
class ModelReport:
    """What a model would make of the scene."""

    name: str
    bands: tuple[int, ...]  # that it would be fed; none where it does not fit
    problem: str | None  # why it does not fit
    windows: int
    estimate: Estimate


@dataclass(frozen=True)
class SceneReport:
    """All that `inspect` says, fit for JSON."""

    scene: str
    files: tuple[str, ...]
    height: int  # pixels, on the map grid
    width: int
    ground: Ground
    bands: tuple[BandReport, ...]
    unit: str
    reason: str
    nodata_share: float  # of sampled pixels
    warning: str | None
    model: ModelReport

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def inspect_scene(
    source: str | os.PathLike[str] | None,
    options: SceneOptions,
    radiometry: Radiometry,
    generator: GeneratorConfig,
    *,
    name: str,
    unit: str | None = None,
    window: int = 256,
    overlap: int = 64,
) -> SceneReport:
    """Open and sample a scene; `name`, `radiometry` and `generator` are those of the model in question.

    Raises `SceneError` for what can not be read at all, `OptionError` for options that do not fit.
    """
    check_multiple(window, generator.size_multiple)
    scene = open_scene(source, None, replace(options, allow_ungeoreferenced=True, bands=()))
    grid = WindowGrid(scene.height, scene.width, window, overlap)
    chosen, problem = _chosen(scene, radiometry, options)
    with block_cache(scene, window):
        surveys = [
            _survey(scene, channel, needed=channel in chosen and not problem) for channel in range(len(scene.bands))
        ]
        chosen = [channel for channel in chosen if surveys[channel][0].size] or chosen
        _, share = surveys[chosen[0]] if len(chosen) == 1 else survey(scene.only(chosen))
    with named_errors(scene.path):
        samples = [surveys[channel][0] for channel in chosen]
        statistics, problem = _measured(samples, scene.only(chosen).stored, unit, problem)
        ground = _ground(scene)
    problem = problem or _misfit(radiometry, statistics, len(chosen))
    units = [
        statistics.unit if channel in chosen[: len(statistics.values)] or not seen.size else unit or guess_unit(seen)[0]
        for channel, (seen, _) in enumerate(surveys)
    ]
    stored = (scene.unwarped or scene).bands
    bands = tuple(_band(*each) for each in zip(stored, (seen for seen, _ in surveys), units, strict=True))
    return SceneReport(
        scene=scene.path,
        files=scene.files,
        height=scene.height,
        width=scene.width,
        ground=ground,
        bands=bands,
        unit=statistics.unit,
        reason=statistics.reason,
        nodata_share=1 - share,
        warning=slow_layout(scene),
        model=ModelReport(
            name,
            tuple(scene.bands[channel].number for channel in chosen) if not problem else (),
            problem,
            len(grid),
            estimate(scene, grid, generator),
        ),
    )


def _chosen(scene: Scene, radiometry: Radiometry, options: SceneOptions) -> tuple[list[int], str | None]:
    """The channels that would feed a model and, where that is all of them for want of a choice, why."""
    try:
        numbers = choose_bands(scene.names, radiometry.bands, options.bands, options.bands_option)
    except SceneError as error:
        return list(range(len(scene.bands))), str(error)
    chosen = [number - 1 for number in numbers]
    if not scene.placed and not options.allow_ungeoreferenced:
        return chosen, "no georeference; --allow-ungeoreferenced goes ahead in pixel coordinates"
    return chosen, None


def _measured(
    samples: Sequence[NDArray[Any]], stored: Sequence[Stored], unit: str | None, problem: str | None
) -> tuple[SceneStatistics, str | None]:
    """Of all bands or, where they are not for one model, of the first one; and why they are not."""
    if problem is None:
        try:
            return measure(samples, unit, stored), None
        except SceneError as error:
            if len(samples) == 1:
                raise
            problem = str(error)
    return measure(samples[:1], unit, stored[:1]), problem


def _misfit(radiometry: Radiometry, statistics: SceneStatistics, bands: int) -> str | None:
    """Why values can not be scaled for a model."""
    try:
        statistics.resolve(radiometry, range(1, bands + 1))
    except SceneError as error:
        return str(error)
    return None


def _ground(scene: Scene) -> Ground:
    transform = tuple(scene.transform)[:6]
    if scene.crs is None:
        return Ground(None, None, transform, None, None, None)
    gcps = (
        f"{scene.grid.describe()}; a polynomial misses by up to {scene.grid.points.residual():.2f} px"
        if scene.grid
        else None
    )
    known = Ground(scene.crs.to_string(), scene.crs.units_factor[0], transform, gcps, None, None)
    if not scene.placed:
        return known
    try:
        shape = scene_footprint(scene)
    except SceneError as error:
        return replace(known, problem=str(error))
    return replace(known, footprint=shapely.geometry.mapping(shape), bounds=tuple(bounding_box(shape)))


def _survey(scene: Scene, channel: int, *, needed: bool) -> tuple[NDArray[Any], float]:
    """Valid values (N,) of a band, of which only those that a model takes need have any, and their share."""
    try:
        values, share = survey(scene.only([channel]))
    except EmptySceneError:
        if needed:
            raise
        return np.empty(0), 0.0
    return values[:, 0], share


def _band(band: Band, sample: NDArray[Any], unit: str) -> BandReport:
    values = np.percentile(sample.astype(np.float64), RANGE) if sample.size else np.empty(0)
    decibels = (
        None
        if unit == "byte" or not sample.size
        else tuple(np.round(to_decibels(values, unit).astype(float), 2).tolist())
    )
    return BandReport(
        band.number, band.name, band.dtype, _validity(band), block_text(band), tuple(values.tolist()), decibels
    )


def _validity(band: Band) -> str:
    rules = [
        "" if band.nodata is None else f"nodata {band.nodata:g}",
        "mask" if band.has_mask else "",
        "alpha" if band.alpha else "",
        "blocks of zeros, no tag" if band.zero_fill else "",
    ]
    return ", ".join(rule for rule in rules if rule) or "all valid"
