"""Make training pairs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputString,
    QgsProcessingOutputVectorLayer,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterLayer,
)
from qgis.core import QgsProcessingParameterDefinition as Definition

from .algorithm import CommandAlgorithm
from .layers import raster_path
from .parameters import REAL, advanced, number, number_text, options, reading, sar, switch, text, unit
from .styles import INDEX, present

SAR, OPTICAL, FOLDER, LOAD = "SAR", "OPTICAL", "OUTPUT", "LOAD_INDEX"
INDEX_LAYER, SUMMARY = "INDEX", "SUMMARY"
SHARES = {"TRAIN": 0.7, "VAL": 0.15, "TEST": 0.15}


class TrainingPairs(CommandAlgorithm):
    """`sartranslate pairs`."""

    def name(self) -> str:
        return "pairs"

    def displayName(self) -> str:
        return "Make training pairs"

    def shortDescription(self) -> str:
        return "A folder of SAR and optical tiles of the same ground, split by place"

    def tags(self) -> list[str]:
        return ["sar", "radar", "optical", "tiles", "training", "pix2pix"]

    def initAlgorithm(self, configuration: Any = None) -> None:
        for definition in (*_inputs(), *map(advanced, _details())):
            self.addParameter(definition)
        self.addParameter(QgsProcessingParameterFolderDestination(FOLDER, "Folder of pairs"))
        self.addOutput(QgsProcessingOutputVectorLayer(INDEX_LAYER, "Index of the pairs"))
        self.addOutput(QgsProcessingOutputString(SUMMARY, "What was done"))

    def processAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        layers = [self.parameterAsRasterLayer(parameters, name, context) for name in (SAR, OPTICAL)]
        folder = self.parameterAsString(parameters, FOLDER, context)
        shares = [number_text(self, parameters, name, context) for name in SHARES]
        command = ["pairs", *map(raster_path, layers), folder, "--progress", "--shares", *shares]
        summary = self.call([*command, *options(self, parameters, context)], feedback).strip()
        feedback.pushInfo(summary)
        index = os.path.join(folder, "index.gpkg")
        if self.parameterAsBool(parameters, LOAD, context):
            details = QgsProcessingContext.LayerDetails(INDEX_LAYER, context.project(), INDEX_LAYER)
            details.forceName = True  # every index has the same file name
            context.addLayerToLoadOnCompletion(index, details)
            name = os.path.basename(os.path.normpath(folder))
            present(context, index, f"{name}, training pairs", INDEX, INDEX_LAYER)
        return {FOLDER: folder, INDEX_LAYER: index, SUMMARY: summary}


def _inputs() -> Iterator[Definition]:
    yield sar(SAR)
    yield QgsProcessingParameterRasterLayer(OPTICAL, "Optical image of the same ground")
    yield number("TILE", "Height and width of a tile in pixels", "--tile", defaultValue=256, minValue=1)
    yield switch("OVERWRITE", "Replace the pairs that an earlier run has made of this scene", "--overwrite")


def _details() -> Iterator[Definition]:
    yield unit()
    yield from reading(SAR)
    yield number("STRIDE", "Pixels from tile to tile (default: side by side)", "--stride", minValue=1)
    yield number("BLOCK", "Side in metres of the blocks of ground of one split", "--block", REAL, defaultValue=10_000)
    yield number("GUARD", "Metres between tiles of different splits", "--guard", REAL, defaultValue=500)
    for split, share in SHARES.items():
        title = f"Share of the ground for {split.lower()}"
        yield QgsProcessingParameterNumber(split, title, REAL, share, False, 0, 1)
    yield number("SEED", "Seed, of which blocks are drawn", "--seed", defaultValue=0)
    nodata, white = "Largest share of pixels without data", "Largest share of pixels as white as clouds"
    yield number("MAX_NODATA", nodata, "--max-nodata", REAL, defaultValue=0.05, minValue=0, maxValue=1)
    yield number("MAX_WHITE", white, "--max-white", REAL, defaultValue=0.1, minValue=0, maxValue=1)
    yield number("WHITE", "Least red, green and blue that count as white", "--white", defaultValue=220)
    yield switch("CHECK_SHIFT", "Estimate how far each pair is misregistered", "--check-shift")
    yield number("MAX_SHIFT", "Drop pairs that are misregistered by more pixels", "--max-shift", REAL, minValue=0)
    yield from _optical()
    yield text("NAME", "What the tiles' names begin with (default: the name of the scene)", "--name")
    yield QgsProcessingParameterBoolean(LOAD, "Load the index of the pairs", True)


def _optical() -> Iterator[Definition]:
    """How the optical image is read."""
    yield text("RGB", "Bands of red, green and blue, such as 4,3,2 (default: by colour or name)", "--rgb")
    yield switch("SUBTRACT_HAZE", "Take the haze out of the optical image", "--subtract-haze")
    neutral = "Share of its colour to take out of the haze of the optical image"
    yield number("NEUTRAL_HAZE", neutral, "--neutral-haze", REAL, minValue=0, maxValue=1)
    nodata = "Value of the optical image that means no data, or none (default: as the file says)"
    yield text("OPTICAL_NODATA", nodata, "--optical-nodata")
