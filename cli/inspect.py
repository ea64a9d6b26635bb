"""`sartranslate inspect`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import options

if TYPE_CHECKING:
    from sartranslate.infer.inspection import BandReport, SceneReport
    from sartranslate.scenes.source import SceneOptions


@click.command("inspect")
@options.paths("SCENE")
@options.model
@options.window
@options.overlap
@options.unit
@options.scene
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def inspect_command(
    paths: tuple[str, ...],
    model: Path | None,
    window: int,
    overlap: int,
    unit: str | None,
    scene: SceneOptions,
    as_json: bool,
) -> None:
    """Say what SCENE is, what would be assumed of it, and what translating it would take."""
    from sartranslate.infer.inspection import inspect_scene
    from sartranslate.networks import bundle

    (source,) = options.split_paths(paths, bool(scene.files), "SCENE")
    wanted = bundle.describe(bundle.located(model))
    report = inspect_scene(
        source,
        scene,
        wanted.radiometry,
        wanted.generator,
        name=wanted.name,
        unit=unit,
        window=window,
        overlap=overlap,
    )
    if as_json:
        click.echo(json.dumps(report.as_dict()))
    else:
        for title, text in _lines(report):
            click.echo(f"{title:<10}{text}")


def _lines(report: SceneReport) -> Iterator[tuple[str, str]]:
    ground, model = report.ground, report.model
    yield "scene", report.scene
    yield "size", f"{report.width} x {report.height} px"
    yield "ground", _where(report)
    if ground.gcps:
        yield "", ground.gcps
    if ground.bounds:
        west, south, east, north = ground.bounds
        yield "footprint", f"{west:.4f} to {east:.4f} E, {south:.4f} to {north:.4f} N"
    elif ground.problem:
        yield "footprint", f"none: {ground.problem}"
    for band in report.bands:
        yield f"band {band.number}", _values(band)
        yield "", f"{band.dtype}, {band.validity}, in blocks of {band.blocks}"
    yield "unit", f"{report.unit}: {report.reason}"
    yield "nodata", f"about {100 * report.nodata_share:.1f} %"
    if report.warning:
        yield "warning", report.warning
    fed = f"takes band {', '.join(map(str, model.bands))}"
    yield "model", f"{model.name}: {f'does not fit: {model.problem}' if model.problem else fed}"
    spent, memory = _duration(model.estimate.seconds), model.estimate.memory_bytes / 1e9
    yield "work", f"{model.windows} windows, about {spent} on this processor in float32, {memory:.1f} GB of memory"


def _where(report: SceneReport) -> str:
    a, b, _, d, e, _ = report.ground.transform
    if report.ground.crs is None:
        return "no georeference"
    turned = "" if b == d == 0 else ", rotated"
    south_up = ", south up" if e > 0 else ""
    width, height = (a * a + d * d) ** 0.5, (b * b + e * e) ** 0.5
    return f"{report.ground.crs}, pixels of {width:g} x {height:g} {report.ground.unit}{turned}{south_up}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _values(band: BandReport) -> str:
    name = band.polarisation or "unnamed"
    if not band.values:
        return f"{name}: no valid pixels"
    low, middle, high = band.values
    decibels = f", {band.decibels[0]:.1f} to {band.decibels[2]:.1f} dB" if band.decibels else ""
    return f"{name}: 1st to 99th percentile {low:.4g} to {high:.4g}, median {middle:.4g}{decibels}"
