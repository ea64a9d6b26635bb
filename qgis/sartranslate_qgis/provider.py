"""The provider: its algorithms, and the setting that says which sartranslate they call."""

from __future__ import annotations

from pathlib import Path

from processing.core.ProcessingConfig import ProcessingConfig, Setting
from qgis.core import QgsProcessingProvider
from qgis.PyQt.QtGui import QIcon

from .inspect_scene import InspectScene
from .program import SETTING
from .training_pairs import TrainingPairs
from .translate import Translate

ICON = str(Path(__file__).with_name("icon.svg"))
ASKED = "Python that sartranslate is installed in, or its command (empty: $SARTRANSLATE, or the one on PATH)"


class Provider(QgsProcessingProvider):
    """The algorithms `sartranslate:translate`, `sartranslate:inspect` and `sartranslate:pairs`."""

    def id(self) -> str:
        return "sartranslate"

    def name(self) -> str:
        return "sartranslate"

    def icon(self) -> QIcon:
        return QIcon(ICON)

    def supportedOutputRasterLayerExtensions(self) -> list[str]:
        return ["tif", "tiff"]

    def load(self) -> bool:
        ProcessingConfig.settingIcons[self.name()] = self.icon()
        # Not a setting for a file: such a one refuses a command by its name alone.
        ProcessingConfig.addSetting(Setting(self.name(), SETTING, ASKED, "", valuetype=Setting.STRING))
        ProcessingConfig.readSettings()
        self.refreshAlgorithms()
        return True

    def unload(self) -> None:
        ProcessingConfig.removeSetting(SETTING)

    def loadAlgorithms(self) -> None:
        for algorithm in (Translate(), InspectScene(), TrainingPairs()):
            self.addAlgorithm(algorithm)
