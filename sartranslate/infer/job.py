"""What decides the pixels of a translation: by name, each as a text that changes with it.

A part of it is kept in the output, so that a later run can tell whether that is what it would make.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from sartranslate import __version__
from sartranslate.errors import OutputError, SceneError
from sartranslate.infer.planning import Plan
from sartranslate.quality.uncertainty import SPREAD_TAG
from sartranslate.rasters.address import unsigned
from sartranslate.rasters.raster import stored_compression, stored_tags
from sartranslate.runtimes.runtime import versions
from sartranslate.runtimes.translator import Identity
from sartranslate.storage.digest import differences, text_digest
from sartranslate.storage.file_state import changed_after

JOB_TAG = "SARTRANSLATE_JOB"


def job(plan: Plan, identity: Identity) -> dict[str, str] | None:
    """The same for two translations with the same pixels; None for a generator that nothing is known of.

    Batch size, threads and the form of the output are no part of it.
    """
    if identity.digest is None:
        return None
    return {
        **_asked(plan, identity.digest),
        "software": f"sartranslate {__version__}, {versions()}",
        "runtime": identity.computed,
        "scene": text_digest(sorted((unsigned(file), state) for file, state in plan.files.items())),
        "--uncertainty": identity.sampled if plan.options.uncertainty and identity.sampled else "",
    }


def job_text(plan: Plan, identity: Identity) -> str | None:
    """What was asked for, for the tag of an output: neither what computed it nor where the scene lay."""
    if identity.digest is None:
        return None
    return json.dumps(_asked(plan, identity.digest), sort_keys=True, separators=(",", ":"))


def check_finished(plan: Plan, digest: str, samples: int | None = None) -> None:
    """Raise `OutputError` unless the rasters that are there are what was asked for, of a model with that digest.

    An output appears whole or not at all. Which version and runtime has computed it does not matter. `samples` is the
    number of those that an uncertainty is told from.
    """
    spread = plan.options.uncertainty
    _check_raster(plan.out, plan, digest)
    if plan.options.compress.upper() not in (found := stored_compression(plan.out)).upper():
        raise OutputError(f"{plan.out}: exists already, its compression is {found}; --overwrite replaces it")
    if spread is None:
        return
    if not spread.exists():
        raise OutputError(f"{plan.out}: exists already, without its uncertainty {spread}; --overwrite replaces it")
    tags = _check_raster(spread, plan, digest)
    if not tags.get(SPREAD_TAG, "").startswith(f"{samples} samples "):
        raise OutputError(f"{spread}: exists already, of another number of samples; --overwrite replaces it")


def _check_raster(path: Path, plan: Plan, digest: str) -> dict[str, str]:
    """The tags of what is there."""
    tags: dict[str, str] = {}
    with suppress(SceneError):
        tags = stored_tags(path)
    if not (kept := _kept(tags)):
        raise OutputError(f"{path}: exists already, and does not tell of which job; --overwrite replaces it")
    asked = _asked(plan, digest)
    earlier = {**asked, "scaling": text_digest(plan.scaling)}  # as the first versions had it, with its reason
    if kept != earlier and (changed := differences(kept, asked)):
        raise OutputError(f"{path}: exists already, of another job: {', '.join(changed)}; --overwrite replaces it")
    if newer := changed_after(path, plan.files):
        raise OutputError(f"{path}: exists already, older than {newer}; --overwrite replaces it")
    return tags


def _asked(plan: Plan, digest: str) -> dict[str, str]:
    scene, options = plan.scene, plan.options
    names = sorted(os.path.basename(unsigned(file)) for file in plan.files)
    crs, placed = scene.crs and scene.crs.to_wkt(), scene.grid and scene.grid.describe()
    return {
        "model": digest,
        "scene": text_digest(names),
        "bands": text_digest([replace(band, dataset="") for band in scene.bands]),
        "ground": text_digest((scene.height, scene.width, crs, scene.transform, placed)),
        "scaling": text_digest(replace(plan.scaling, reason="")),  # told or assumed, the pixels are the same
        "--window or --overlap": f"{options.window}, {options.overlap}",
        "area of interest": text_digest((plan.region, plan.area and plan.area.polygon.wkt)),
    }


def _kept(tags: Mapping[str, str]) -> dict[str, str]:
    """The job of the tags of an output; nothing where they have none."""
    with suppress(ValueError, TypeError):
        return dict(json.loads(tags.get(JOB_TAG, "{}")))
    return {}
