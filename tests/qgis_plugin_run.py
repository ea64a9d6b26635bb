"""Run an algorithm of the plugin as QGIS does: `qgis_plugin_run.py ALGORITHM PARAMETERS IMAGES [PERCENT]`.

Run by the system's Python, with a profile that has the plugin. PARAMETERS is a JSON object, of which layers
may be described, or a list of such for runs one after the other, up to the first that fails. What happened in the last
one goes to standard output as JSON; each loaded layer is drawn to the folder IMAGES,
and its legend. With PERCENT, the run is cancelled once so much is done.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

# QGIS is imported inside the functions: pytest imports this file, in another Python, to look for doctests.
PLUGINS = "profiles/default/python/plugins"


def started() -> Any:
    from qgis.core import QgsApplication

    application = QgsApplication([], False)
    application.initQgis()
    sys.path += ["/usr/share/qgis/python/plugins", str(Path(os.environ["QGIS_CUSTOM_CONFIG_PATH"], PLUGINS))]
    from processing.core.Processing import Processing

    Processing.initialize()
    import sartranslate_qgis

    plugin = sartranslate_qgis.classFactory(None)
    plugin.initProcessing()
    return application, plugin


def watched(report: dict[str, Any], enough: float) -> Any:
    """Feedback that notes progress and cancels at `enough` of it."""
    from qgis.core import QgsProcessingFeedback

    feedback = QgsProcessingFeedback(False)

    def note(progress: float) -> None:
        report["progress"].append(progress)
        if progress >= enough:
            feedback.cancel()

    feedback.progressChanged.connect(note)
    return feedback


def run(name: str, parameters: dict[str, Any], enough: float) -> dict[str, Any]:
    """Results, layers and log of the algorithm, or its error."""
    import processing
    from qgis.core import QgsProcessingContext, QgsProcessingException, QgsProject

    report: dict[str, Any] = {"progress": [], "error": None, "results": None}
    feedback, context = watched(report, enough), QgsProcessingContext()
    context.setProject(QgsProject.instance())
    try:
        results = processing.runAndLoadResults(name, parameters, feedback, context)
        report["results"] = {key: str(value) for key, value in results.items()}
    except QgsProcessingException as error:
        report["error"] = str(error)
    report["log"] = feedback.textLog()
    return report


def prepared(value: Any) -> Any:
    """What the algorithm is given: of {"layer": FILE, "select": NUMBERS}, features; of a provider's source, a layer.

    A provider's layer may be told to have another "crs".
    """
    if not isinstance(value, dict):
        return value
    from qgis.core import (
        QgsCoordinateReferenceSystem,
        QgsProcessingFeatureSourceDefinition,
        QgsProject,
        QgsRasterLayer,
        QgsVectorLayer,
    )

    if "provider" in value:
        raster = QgsRasterLayer(value["source"], value["name"], value["provider"])
        if "crs" in value:
            raster.setCrs(QgsCoordinateReferenceSystem(value["crs"]))
        QgsProject.instance().addMapLayer(raster)
        return raster.id()
    layer = QgsVectorLayer(value["layer"], "area", "ogr")
    QgsProject.instance().addMapLayer(layer)
    layer.selectByIds(value["select"])
    return QgsProcessingFeatureSourceDefinition(layer.id(), selectedFeaturesOnly=True)


def draw(layer: Any, image: Path) -> None:
    """The layer alone on white."""
    from qgis.core import QgsMapRendererParallelJob, QgsMapSettings
    from qgis.PyQt.QtCore import QSize

    settings = QgsMapSettings()
    settings.setLayers([layer])
    settings.setDestinationCrs(layer.crs())
    settings.setExtent(layer.extent())
    # One map pixel for a pixel of a raster.
    raster = hasattr(layer, "bandCount")
    settings.setOutputSize(QSize(layer.width(), layer.height()) if raster else QSize(400, 400))
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    job.renderedImage().save(str(image))


def draw_legend(layer: Any, image: Path) -> None:
    from qgis.core import QgsLayerTree, QgsLayerTreeModel, QgsLegendRenderer, QgsLegendSettings, QgsRenderContext
    from qgis.PyQt.QtGui import QColor, QImage, QPainter

    tree = QgsLayerTree()
    tree.addLayer(layer)
    # The renderer keeps none of them alive.
    model, settings = QgsLayerTreeModel(tree), QgsLegendSettings()
    renderer = QgsLegendRenderer(model, settings)
    needed, scale = renderer.minimumSize(), 8  # pixels in a millimetre
    picture = QImage(int(needed.width() * scale), int(needed.height() * scale), QImage.Format_ARGB32)
    picture.setDotsPerMeterX(1000 * scale)
    picture.setDotsPerMeterY(1000 * scale)
    picture.fill(QColor("white"))
    painter = QPainter(picture)
    context = QgsRenderContext.fromQPainter(painter)
    painter.scale(scale, scale)  # the legend counts in millimetres
    renderer.drawLegend(context)
    painter.end()
    picture.save(str(image))


def described(layer: Any, number: int, images: Path) -> dict[str, Any]:
    from qgis.core import QgsLayerTreeLayer

    draw(layer, images / f"{number}.png")
    draw_legend(layer, images / f"{number}_legend.png")
    entry = QgsLayerTreeLayer(layer)
    nodes = layer.legend().createLayerTreeModelLegendNodes(entry)
    return {
        "name": layer.name(),
        "image": str(images / f"{number}.png"),
        "renderer": layer.renderer().type(),
        "legend": [_label(node) for node in nodes],
    }


def _label(node: Any) -> str:
    """The text of an entry, or those at both ends of a colour bar."""
    if hasattr(node, "settings"):
        return f"{node.settings().minimumLabel()} .. {node.settings().maximumLabel()}"
    return str(node.data(0))


def main(name: str, text: str, folder: str, enough: str = "101") -> None:
    application, plugin = started()
    from qgis.core import QgsProject

    asked = json.loads(text)
    runs = [{key: prepared(value) for key, value in one.items()} for one in (asked if type(asked) is list else [asked])]
    given = set(QgsProject.instance().mapLayers())
    for parameters in runs:
        report = run(name, parameters, float(enough))
        if report["error"]:
            break
    loaded = [layer for key, layer in QgsProject.instance().mapLayers().items() if key not in given]
    loaded.sort(key=lambda layer: str(layer.name()))
    report["layers"] = [described(layer, number, Path(folder)) for number, layer in enumerate(loaded)]
    json.dump(report, sys.stdout)
    # Layers and the provider must not outlive the application.
    del loaded
    QgsProject.instance().clear()
    plugin.unload()
    application.exitQgis()


if __name__ == "__main__":
    main(*sys.argv[1:])
