"""Open a raster in QGIS and tell what it is and how it looks: `qgis_check.py RASTER IMAGE`.

Run by the system's Python, which alone has QGIS, in a process and an environment of its own. The
report goes to standard output as JSON, the rendered map to the PNG file IMAGE.
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


def main(raster: str, image: str) -> None:
    from qgis.core import QgsApplication, QgsRasterLayer

    application = QgsApplication([], False)
    application.initQgis()
    layer = QgsRasterLayer(raster, "translation")
    if not layer.isValid():
        raise SystemExit(f"{raster}: {layer.error().summary()}")
    render(layer, image)
    json.dump(describe(layer), sys.stdout)
    # A layer must not outlive the application.
    del layer
    application.exitQgis()


if __name__ == "__main__":
    main(*sys.argv[1:])
