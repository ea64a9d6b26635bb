"""What a translation did, for people and scripts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class InferenceSummary:
    """What was done, fit for JSON."""

    scene: str
    out: str
    uncertainty: str | None  # raster of the spread
    stac: str | None  # item for catalogues
    spread: str | None  # what it is over
    height: int  # pixels
    width: int  # pixels
    windows: int
    skipped_windows: int  # without a valid pixel
    seconds: float  # from the first window to the finished file, without planning and loading the model
    megapixels_per_second: float
    resumed_rows: int  # that an interrupted run had finished
    runtime: str  # what computed the generator
    device: str
    precision: str
    model: str
    placed: str | None  # how ground control points put the scene on its grid; None: it had one
    bands: tuple[str, ...]  # of the scene, one for each channel of the model
    scaling: dict[str, Any]  # unit, reason and ranges assumed for the scene
    scaling_text: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
