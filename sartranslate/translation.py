"""A scene translated by one call from Python, as `sartranslate infer` does it."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from sartranslate.errors import OptionError
from sartranslate.infer import generation
from sartranslate.infer.inference_summary import InferenceSummary
from sartranslate.infer.planning import InferenceOptions, PixelPlan, Plan, plan
from sartranslate.limits import whole
from sartranslate.networks import bundle
from sartranslate.outputs.delivery import check_beside, delivered
from sartranslate.quality.uncertainty import SAMPLES
from sartranslate.runtimes.runtime import AUTO
from sartranslate.runtimes.translator import Choice, Translator, load_translator
from sartranslate.scenes.area_file import chosen_area
from sartranslate.scenes.layout import slow_warning
from sartranslate.scenes.scene_list import Entry
from sartranslate.scenes.source import SceneOptions
from sartranslate.workers.computing import computing

Box = Sequence[float]  # west, south, east, north
PathLike = str | os.PathLike[str]
logger = logging.getLogger(__name__)


def translate(
    scene: PathLike | Mapping[str, PathLike],
    out: PathLike,
    *,
    model: PathLike | None = None,
    aoi: PathLike | None = None,
    bbox: Box | None = None,
    aoi_crs: str | None = None,
    window: int = 256,
    overlap: int = 64,
    batch_size: int | None = None,
    runtime: str = AUTO,
    precision: str = AUTO,
    compress: str = "zstd",
    uncertainty: PathLike | None = None,
    uncertainty_samples: int = SAMPLES,
    stac: bool = False,
    overwrite: bool = False,
    resume: bool = True,
    unit: str | None = None,
    bands: Sequence[int] = (),
    nodata: float | None = None,
    crs: str | None = None,
    resolution: float | None = None,
    gcps: str | None = None,
    allow_ungeoreferenced: bool = False,
    workers: int | None = None,
    scheduler: str | None = None,
) -> InferenceSummary:
    """Write the RGB GeoTIFF `out` on the ground of `scene`, as the command `sartranslate infer` does.

    `scene` is any raster that GDAL reads, a Sentinel-1 SAFE folder or zip, or a mapping of polarisations to
    single-band files, such as `{"VV": "vv.tif", "VH": "vh.tif"}`. The output is uint8, a Cloud Optimized GeoTIFF with
    an internal mask; both may be objects, `s3://bucket/name`. Options are those of the command, in the same units:
    `model` a file (the embedded one), `aoi` a vector file or WKT in `aoi_crs`, `bbox` west, south, east, north in
    degrees or `aoi_crs`, `window` and `overlap` pixels, `bands` numbers from 1, `unit` one of db, power, amplitude and
    byte, `runtime` and `precision` "auto" or a name, `uncertainty` a second GeoTIFF of the spread over
    `uncertainty_samples` samples, `stac` an item beside `out`, `workers` processes of this machine, or `scheduler` the
    address of a Dask cluster, to compute in place of this one.

    What the command prints on the way is logged. Raises errors of `sartranslate.errors`, all of them
    `SartranslateError` and a builtin too; outputs are then what they were before. Their texts call options as the
    command does: `--nodata` is `nodata` here.
    """
    seen = _seen(scene, elsewhere=scheduler is not None)
    model = bundle.located(model)
    options = InferenceOptions(
        window=window,
        overlap=overlap,
        batch_size=batch_size,
        compress=compress,
        overwrite=overwrite,
        uncertainty=None if uncertainty is None else Path(uncertainty),
        stac=stac,
        keep=(model,),
        unit=unit,
        scene=SceneOptions(seen.files, bands, "bands", nodata, crs, resolution, gcps, allow_ungeoreferenced),
        area=chosen_area(aoi, bbox, aoi_crs),
        resume=resume,
    )
    choice = Choice(
        runtime, precision, samples=None if uncertainty is None else whole(uncertainty_samples, "uncertainty_samples")
    )
    processes = None if workers is None else whole(workers, "workers")
    check_beside(out, uncertainty, stac=stac)
    with delivered(out, overwrite=overwrite) as delivery:
        planned = _planned(seen.source, delivery.place, model, options)
        with computing(model, choice, processes, scheduler, logger.info) as computer:
            summary = computer.translate(planned, lambda tally, windows: None, logger.info)
        return replace(summary, out=delivery.name)


def _seen(scene: PathLike | Mapping[str, PathLike], *, elsewhere: bool) -> Entry:
    """A scene as workers find it, which may be in another folder."""
    source, files = None, None
    try:
        if isinstance(scene, Mapping):
            files = {name: os.fsdecode(path) for name, path in scene.items()}
        else:
            source = os.fsdecode(scene)
    except TypeError as error:
        raise OptionError(f"scene {scene!r}: expected a path, or a path for each polarisation") from error
    seen = Entry("", "", source, files)
    return seen.absolute() if elsewhere else seen


def _planned(source: str | None, out: Path, model: Path, options: InferenceOptions) -> Plan:
    wanted = bundle.describe(model)
    planned = plan(source, out, wanted.radiometry, options, size_multiple=wanted.generator.size_multiple)
    if warning := slow_warning(planned.scene):
        logger.warning(warning)
    return planned


def translator_for(planned: PixelPlan, model: Path, runtime: str, precision: str) -> Translator:
    """The model's translator, calibrated on the planned pixels where its precision needs that; raises as it does."""
    calibration = partial(generation.calibration_patches, planned)
    return load_translator(model, precision, runtime=runtime, tell=logger.info, calibration=calibration)
