"""Open a layer in QGIS and tell what it is: `qgis_check.py RASTER IMAGE`, `qgis_check.py VECTOR`.

Run by the system's Python, which alone has QGIS, in a process and an environment of its own. The
report goes to standard output as JSON, the rendered map of a raster to the PNG file IMAGE.
"""

from __future__ import annotations

import json
import sys
from typing import Any

# QGIS is imported inside the functions: pytest imports this file, in another Python, to look for doctests.


def describe(layer: Any) -> dict[str, Any]:
    """What QGIS makes of the raster before anyone has styled it."""
    renderer, extent = layer.renderer(), layer.extent()
    report = {
        "valid": layer.isValid(),
        "crs": layer.crs().authid(),
        "extent": [extent.xMinimum(), extent.yMinimum(), extent.xMaximum(), extent.yMaximum()],
        "size": [layer.width(), layer.height()],
        "bands": [layer.bandName(band) for band in range(1, layer.bandCount() + 1)],
        "renderer": renderer.type(),
        "alpha_band": renderer.alphaBand(),
    }
    if report["renderer"] == "multibandcolor":
        report["rgb_bands"] = [renderer.redBand(), renderer.greenBand(), renderer.blueBand()]
    return report


def render(layer: Any, image: str) -> None:
    """Draw the layer alone, one map pixel for each raster pixel, on a transparent background."""
    from qgis.core import QgsMapRendererSequentialJob, QgsMapSettings
    from qgis.PyQt.QtCore import QSize
    from qgis.PyQt.QtGui import QColor

    settings = QgsMapSettings()
    settings.setLayers([layer])
    settings.setDestinationCrs(layer.crs())
    settings.setExtent(layer.extent())
    settings.setOutputSize(QSize(layer.width(), layer.height()))
    settings.setBackgroundColor(QColor(0, 0, 0, 0))
    job = QgsMapRendererSequentialJob(settings)
    job.start()
    job.waitForFinished()
    if errors := [error.message for error in job.errors()]:
        raise SystemExit(f"not rendered: {'; '.join(errors)}")
    if not job.renderedImage().save(image, "PNG"):
        raise SystemExit(f"{image}: can not be written")


def describe_features(layer: Any) -> dict[str, Any]:
    """What QGIS makes of a vector layer."""
    extent = layer.extent()
    return {
        "crs": layer.crs().authid(),
        "extent": [extent.xMinimum(), extent.yMinimum(), extent.xMaximum(), extent.yMaximum()],
        "fields": [field.name() for field in layer.fields()],
        "names": [feature["name"] for feature in layer.getFeatures()],
        "areas": [feature.geometry().area() for feature in layer.getFeatures()],
    }


def main(path: str, image: str | None = None) -> None:
    from qgis.core import QgsApplication, QgsRasterLayer, QgsVectorLayer

    application = QgsApplication([], False)
    application.initQgis()
    layer = QgsRasterLayer(path, "translation") if image else QgsVectorLayer(path, "index", "ogr")
    if not layer.isValid():
        raise SystemExit(f"{path}: {layer.error().summary()}")
    if image:
        render(layer, image)
    json.dump(describe(layer) if image else describe_features(layer), sys.stdout)
    # A layer must not outlive the application.
    del layer
    application.exitQgis()


if __name__ == "__main__":
    main(*sys.argv[1:])
