"""A Processing provider that calls an installed sartranslate; nothing of it is imported into QGIS."""

from __future__ import annotations

from typing import Any


def classFactory(iface: Any) -> Any:
    # Not at the top: the modules that need no QGIS are used without it.
    from .plugin import Plugin

    return Plugin()
