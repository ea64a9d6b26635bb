"""What decides the pixels of a translation: by name, each as a text that changes with it."""

from __future__ import annotations

from sartranslate import __version__
from sartranslate.digest import text_digest
from sartranslate.planning import Plan
from sartranslate.runtime import versions
from sartranslate.translator import Translator


def job(plan: Plan, translator: Translator) -> dict[str, str] | None:
    """The same for two translations with the same pixels; None for a generator that nothing is known of.

    Batch size, threads and the form of the output are no part of it.
    """
    if translator.digest is None:
        return None
    scene, options, spread = plan.scene, plan.options, translator.spread if plan.options.uncertainty else None
    return {
        "software": f"sartranslate {__version__}, {versions()}",
        "model": translator.digest,
        "runtime": f"{translator.runtime} on {translator.device} in {translator.precision}",
        "scene": text_digest(sorted(plan.files.items())),
        "bands": text_digest(scene.bands),
        "ground": text_digest((scene.height, scene.width, scene.crs and scene.crs.to_wkt(), scene.transform)),
        "scaling": text_digest(plan.scaling),
        "--window or --overlap": f"{options.window}, {options.overlap}",
        "area of interest": text_digest((plan.region, plan.area and plan.area.polygon.wkt)),
        "--uncertainty": spread.describe() if spread else "",
    }
