"""How results look: styles that come with the plugin, given to layers and laid beside files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from qgis.core import QgsDataProvider, QgsProcessingContext, QgsProcessingLayerPostProcessorInterface
from qgis.PyQt import sip

RASTERS = {".img", ".jp2", ".jpeg", ".jpg", ".nc", ".png", ".tif", ".tiff", ".vrt"}
FOLDER = Path(__file__).with_name("styles")


class Styled(QgsProcessingLayerPostProcessorInterface):
    """Gives a loaded layer a style."""

    def __init__(self, style: Path) -> None:
        super().__init__()
        self._style = style

    def postProcessLayer(self, layer: Any, context: Any, feedback: Any) -> None:
        # One that was loaded before still shows the file that the result has taken the place of.
        layer.setDataSource(layer.source(), layer.name(), layer.providerType(), QgsDataProvider.ProviderOptions())
        layer.loadNamedStyle(str(self._style))
        layer.triggerRepaint()


# A context deletes its own, but keeps no reference: without one they are no more than their base class.
_in_use: list[Styled] = []
TRANSLATION, UNCERTAINTY, INDEX = (FOLDER / f"{name}.qml" for name in ("translation", "uncertainty", "index"))


def present(context: QgsProcessingContext, path: str, name: str, style: Path, unnamed: str) -> None:
    """Name and style for the layer of a result, if it is to be loaded.

    It keeps a name that a user has given to it, in a model or a script: any but `unnamed`. A file that the user has
    named gives its own name instead, unless Processing is set to another way.
    """
    if context.willLoadLayerOnCompletion(path):
        details, styled = context.layerToLoadOnCompletionDetails(path), Styled(style)
        details.name = name if details.name in ("", unnamed) else details.name
        details.setPostProcessor(styled)
        _in_use[:] = [each for each in (*_in_use, styled) if not sip.isdeleted(each)]


def lay_beside(path: str, style: Path) -> None:
    """The style as the file that QGIS opens the raster with, unless there is one, or it would be another raster's."""
    raster = Path(path)
    beside, suffixes = raster.with_suffix(".qml"), RASTERS - {raster.suffix.lower()}
    if not beside.exists() and not any(raster.with_suffix(suffix).exists() for suffix in suffixes):
        shutil.copyfile(style, beside)
