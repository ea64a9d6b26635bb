"""Inspect SAR scene."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingParameterFileDestination,
)

from .algorithm import CommandAlgorithm, writing
from .layers import raster_path
from .parameters import advanced, model, options, reading, sar, unit, windows

SCENE, PAGE, NUMBERS = "SCENE", "OUTPUT", "JSON"
TITLE = 10  # characters of a line before what it says


class InspectScene(CommandAlgorithm):
    """`sartranslate inspect`."""

    def name(self) -> str:
        return "inspect"

    def displayName(self) -> str:
        return "Inspect SAR scene"

    def shortDescription(self) -> str:
        return "What a scene is, what would be assumed of it, and what translating it would take"

    def tags(self) -> list[str]:
        return ["sar", "radar", "sentinel-1", "information", "metadata"]

    def initAlgorithm(self, configuration: Any = None) -> None:
        for definition in (sar(SCENE), model(), *map(advanced, (unit(), *reading(SCENE), *windows()))):
            self.addParameter(definition)
        self.addParameter(QgsProcessingParameterFileDestination(PAGE, "Report", "HTML files (*.html)"))
        numbers = ("The same for programs", "JSON files (*.json)", None, True, False)
        self.addParameter(QgsProcessingParameterFileDestination(NUMBERS, *numbers))

    def processAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        scene = self.parameterAsRasterLayer(parameters, SCENE, context)
        command = ["inspect", raster_path(scene), *options(self, parameters, context)]
        page, numbers = (self.parameterAsFileOutput(parameters, name, context) for name in (PAGE, NUMBERS))
        if page and numbers and Path(page).resolve() == Path(numbers).resolve():
            raise QgsProcessingException(f"{page}: named for the report and for its numbers, expected two files")
        report = self.call(command, feedback)
        feedback.pushInfo(report)
        texts = {page: as_page(report), numbers: self.call([*command, "--json"], feedback) if numbers else ""}
        with writing():
            for path, text in texts.items():
                if path:
                    Path(path).write_text(text, encoding="utf-8")
        return {PAGE: page or None, NUMBERS: numbers or None}


def as_page(report: str) -> str:
    """A table of the report's lines, each a title or none and what it says."""
    rows = (f"<tr><th>{escape(line[:TITLE])}</th><td>{escape(line[TITLE:])}</td></tr>" for line in report.splitlines())
    style = "th { text-align: left; vertical-align: top; padding-right: 1em }"
    head = f'<meta charset="utf-8"><title>SAR scene</title><style>{style}</style>'
    return f"<!DOCTYPE html>\n<html><head>{head}</head><body><table>\n{chr(10).join(rows)}\n</table></body></html>\n"
