"""How results look: styles that come with the plugin, given to layers and laid beside files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from qgis.core import QgsProcessingContext, QgsProcessingLayerPostProcessorInterface

FOLDER = Path(__file__).with_name("styles")


class Styled(QgsProcessingLayerPostProcessorInterface):
    """Gives a loaded layer one of the styles."""

    def __init__(self, style: str) -> None:
        super().__init__()
        self.file = FOLDER / f"{style}.qml"

    def postProcessLayer(self, layer: Any, context: Any, feedback: Any) -> None:
        layer.loadNamedStyle(str(self.file))
        layer.triggerRepaint()


# Processing keeps only a pointer, beyond the life of an algorithm.
TRANSLATION, UNCERTAINTY, INDEX = Styled("translation"), Styled("uncertainty"), Styled("index")


def present(context: QgsProcessingContext, path: str, name: str, style: Styled) -> None:
    """Name and style for the layer of a result, if it is to be loaded.

    A file that the user has named gives its own name instead, unless Processing is set to another way.
    """
    if context.willLoadLayerOnCompletion(path):
        details = context.layerToLoadOnCompletionDetails(path)
        details.name = name
        details.setPostProcessor(style)


def lay_beside(path: str, style: Styled) -> None:
    """The style as the file that QGIS opens the raster with, unless there is one."""
    beside = Path(path).with_suffix(".qml")
    if not beside.exists():
        shutil.copyfile(style.file, beside)
