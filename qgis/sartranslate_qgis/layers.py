"""Layers of QGIS as the command takes them: files of rasters, and areas of interest."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsFeature,
    QgsFeatureSource,
    QgsFields,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingUtils,
    QgsRectangle,
    QgsVectorFileWriter,
    QgsWkbTypes,
)

from .parameters import crs_text


def raster_path(layer: Any) -> str:
    """What GDAL opens for the layer, such as a file or a dataset in one.

    Raises `QgsProcessingException` for a layer that is none of GDAL's, is opened with options, or has another CRS in
    QGIS than its file.
    """
    if layer is None:
        raise QgsProcessingException("The raster layer can not be opened.")
    provider = layer.dataProvider().name()
    if provider != "gdal":
        raise QgsProcessingException(f"{layer.name()}: a layer of {provider}, expected a raster file that GDAL reads")
    path, _, options = str(layer.source()).partition("|")
    if options:
        raise QgsProcessingException(f"{layer.name()}: opened with {options}, expected a file without open options")
    if layer.crs() != layer.dataProvider().crs():
        raise QgsProcessingException(
            f"{layer.name()}: its CRS is set in QGIS alone, expected in the file (Raster, Projections, Assign)"
        )
    return path


def box(extent: QgsRectangle, crs: QgsCoordinateReferenceSystem) -> list[str]:
    """The options for an area of interest that is an extent, in degrees where no CRS is known."""
    sides = (extent.xMinimum(), extent.yMinimum(), extent.xMaximum(), extent.yMaximum())
    return ["--bbox", *map(repr, sides), *(["--aoi-crs", crs_text(crs)] if crs.isValid() else [])]


def polygons(source: QgsFeatureSource, context: QgsProcessingContext) -> list[str]:
    """The options for an area of interest that is the features of a layer, or those selected; written to a file.

    Features without geometry are left out. Raises `QgsProcessingException` for a layer without CRS, or no polygons.
    """
    if not source.sourceCrs().isValid():
        raise QgsProcessingException(f"{source.sourceName()}: a layer without CRS; set one in its properties")
    path = QgsProcessingUtils.generateTempFilename("area.gpkg")
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.driverName = "GPKG"
    kind, transforms = QgsWkbTypes.multiType(source.wkbType()), context.transformContext()
    writer = QgsVectorFileWriter.create(path, QgsFields(), kind, source.sourceCrs(), transforms, options)
    written = 0
    for feature in source.getFeatures():
        geometry, area = feature.geometry(), QgsFeature()
        if geometry.isNull():
            continue
        written += 1
        geometry.convertToMultiType()
        area.setGeometry(geometry)
        writer.addFeature(area)
    if writer.hasError() != QgsVectorFileWriter.NoError:
        raise QgsProcessingException(f"{source.sourceName()}: {writer.errorMessage()}")
    del writer  # which closes the file
    if not written:
        raise QgsProcessingException(f"{source.sourceName()}: no polygons, or none that is selected")
    return ["--aoi", path]
