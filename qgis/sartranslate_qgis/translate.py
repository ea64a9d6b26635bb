"""Translate SAR to RGB."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingOutputString,
    QgsProcessingParameterExtent,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterRasterDestination,
)
from qgis.core import QgsProcessingParameterDefinition as Definition

from .algorithm import CommandAlgorithm, writing
from .layers import box, polygons, raster_path
from .parameters import (
    AUTO,
    advanced,
    choice,
    model,
    number,
    options,
    reading,
    sar,
    switch,
    unit,
    windows,
)
from .styles import TRANSLATION, UNCERTAINTY, lay_beside, present

SCENE, EXTENT, AREA, OUTPUT, SPREAD, SUMMARY = "SCENE", "EXTENT", "AREA", "OUTPUT", "UNCERTAINTY", "SUMMARY"
TITLES = {OUTPUT: "Synthetic RGB", SPREAD: "Uncertainty"}
TWO_AREAS = "An extent and a polygon layer are both given, expected one of them as the area of interest"


class Translate(CommandAlgorithm):
    """`sartranslate infer`."""

    def name(self) -> str:
        return "translate"

    def displayName(self) -> str:
        return "Translate SAR to RGB"

    def shortDescription(self) -> str:
        return "A synthetic RGB picture of a SAR scene, on the same ground"

    def tags(self) -> list[str]:
        return ["sar", "radar", "sentinel-1", "rgb", "infer", "pix2pix", "gan"]

    def initAlgorithm(self, configuration: Any = None) -> None:
        for definition in (*_inputs(), *map(advanced, _details()), *_outputs()):
            self.addParameter(definition)
        self.addOutput(QgsProcessingOutputString(SUMMARY, "What was done"))

    def checkParameterValues(self, parameters: dict[str, Any], context: QgsProcessingContext) -> tuple[bool, str]:
        if parameters.get(EXTENT) and parameters.get(AREA):
            return False, TWO_AREAS
        accepted: tuple[bool, str] = super().checkParameterValues(parameters, context)
        return accepted

    def processAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        scene = self.parameterAsRasterLayer(parameters, SCENE, context)
        source, name = raster_path(scene), scene.name()  # which may leave the project during the run
        out = self.parameterAsOutputLayer(parameters, OUTPUT, context)
        spread = self.parameterAsOutputLayer(parameters, SPREAD, context)
        command = ["infer", source, out, "--overwrite", "--progress", *options(self, parameters, context)]
        command += ["--uncertainty", spread] if spread else []
        summary = self.call([*command, *self._area(parameters, context, scene)], feedback).strip()
        feedback.pushInfo(summary)
        present(context, out, f"{name}, synthetic RGB", TRANSLATION, TITLES[OUTPUT])
        if spread:
            with writing():
                lay_beside(spread, UNCERTAINTY)
            present(context, spread, f"{name}, uncertainty", UNCERTAINTY, TITLES[SPREAD])
        return {OUTPUT: out, SPREAD: spread or None, SUMMARY: summary}

    def _area(self, parameters: dict[str, Any], context: QgsProcessingContext, scene: Any) -> list[str]:
        """The options for the area of interest; an extent that names no CRS has the project's, or else the scene's."""
        extent = self.parameterAsExtent(parameters, EXTENT, context)
        source = self.parameterAsSource(parameters, AREA, context)
        if not extent.isNull() and source:  # models do not check their steps' parameters
            raise QgsProcessingException(TWO_AREAS)
        if not extent.isNull():
            crs = self.parameterAsExtentCrs(parameters, EXTENT, context)
            return box(extent, crs if crs.isValid() else scene.crs())
        return polygons(source, context) if source else []


def _inputs() -> Iterator[Definition]:
    yield sar(SCENE)
    yield QgsProcessingParameterExtent(EXTENT, "Area of interest: an extent", optional=True)
    kinds = [QgsProcessing.TypeVectorPolygon]
    yield QgsProcessingParameterFeatureSource(AREA, "Area of interest: polygons", kinds, optional=True)
    yield model()


def _details() -> Iterator[Definition]:
    yield unit()
    yield from reading(SCENE)
    yield from windows()
    yield number("BATCH", "Windows in one call (default: as memory allows)", "--batch-size", minValue=1)
    yield choice("PRECISION", "Arithmetic", "--precision", AUTO, "float32", "bfloat16", "float16", "int8")
    yield choice("RUNTIME", "Computed by", "--runtime", AUTO, "keras", "onnxruntime", "openvino")
    yield choice("COMPRESS", "Compression", "--compress", "zstd", "deflate", "lzw", "webp", "jpeg", "none")
    yield number("SAMPLES", "Samples for the uncertainty (default: 8)", "--uncertainty-samples", minValue=2)
    yield switch("START_OVER", "Start over instead of going on with an interrupted run", "--no-resume")


def _outputs() -> Iterator[Definition]:
    yield QgsProcessingParameterRasterDestination(OUTPUT, TITLES[OUTPUT])
    yield QgsProcessingParameterRasterDestination(SPREAD, TITLES[SPREAD], optional=True, createByDefault=False)
