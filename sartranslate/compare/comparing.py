"""A translation beside its scene as a page on disk."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sartranslate.backscatter.radiometry import Radiometry
from sartranslate.compare.comparison import ComparisonOptions, open_comparison
from sartranslate.compare.comparison_page import comparison_page
from sartranslate.compare.comparison_pictures import Watch, draw
from sartranslate.outputs.output import check_output, check_report
from sartranslate.storage.atomic import write_text


@dataclass(frozen=True)
class ComparisonSummary:
    """What was written, fit for JSON."""

    page: str
    scene: str
    height: int  # of what is compared, pixels
    width: int
    step: int  # pixels of the scene along a side of a pixel of the page
    layers: tuple[str, ...]
    bytes: int  # of the page

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def compare(
    scene: str | os.PathLike[str] | None,
    translation: Path,
    page: Path,
    radiometry: Radiometry,
    options: ComparisonOptions | None = None,
    watch: Watch = lambda done, planned: None,
    *,
    overwrite: bool = False,
) -> ComparisonSummary:
    """Write `page`, whole or not at all. Raises `OutputError` where it can not be written, or is read from or there.

    `watch` and other errors are those of `open_comparison` and `draw`.
    """
    options = options or ComparisonOptions()
    read = filter(None, (translation, options.truth, options.uncertainty, *options.keep))
    check_report(page, read, "compared", overwrite=overwrite)
    comparison = open_comparison(scene, translation, radiometry, options)
    check_output(page, comparison.sar.scene, overwrite=overwrite)
    check_report(page, comparison.files, "compared", overwrite=overwrite)
    pictures = draw(comparison, watch)
    html = comparison_page(comparison, pictures)
    write_text(page, html, overwrite=overwrite)
    return ComparisonSummary(
        page=os.fspath(page),
        scene=comparison.sar.scene.path,
        height=comparison.reduction.height,
        width=comparison.reduction.width,
        step=comparison.reduction.step,
        layers=tuple(layer.name for layer in pictures.layers),
        bytes=len(html.encode()),
    )
