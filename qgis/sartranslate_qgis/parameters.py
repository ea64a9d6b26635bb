"""Parameters that become options of the command as they are; each knows the name of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from qgis.core import (
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingParameterBand,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterCrs,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFile,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
)
from qgis.core import QgsProcessingParameterDefinition as Definition

OPTION = "option"  # in a parameter's metadata
AUTO = "auto"
REAL, WHOLE = QgsProcessingParameterNumber.Double, QgsProcessingParameterNumber.Integer


def passed(definition: Definition, option: str) -> Definition:
    """The parameter, whose value is passed to the command where there is one."""
    definition.setMetadata({OPTION: option})
    return definition


def advanced(definition: Definition) -> Definition:
    definition.setFlags(definition.flags() | Definition.FlagAdvanced)
    return definition


def choice(name: str, title: str, option: str, *choices: str) -> Definition:
    """One of the texts, the first unless another one is chosen."""
    texts = list(choices)
    return passed(QgsProcessingParameterEnum(name, title, texts, defaultValue=texts[0], usesStaticStrings=True), option)


def number(name: str, title: str, option: str, kind: Any = WHOLE, **limits: Any) -> Definition:
    """A number; optional unless it has a `defaultValue`."""
    return passed(
        QgsProcessingParameterNumber(name, title, kind, optional="defaultValue" not in limits, **limits), option
    )


def switch(name: str, title: str, option: str) -> Definition:
    return passed(QgsProcessingParameterBoolean(name, title, defaultValue=False), option)


def text(name: str, title: str, option: str) -> Definition:
    return passed(QgsProcessingParameterString(name, title, optional=True), option)


def sar(name: str) -> Definition:
    return QgsProcessingParameterRasterLayer(name, "SAR scene")


def model() -> Definition:
    title = "Model (default: the embedded one)"
    return passed(QgsProcessingParameterFile("MODEL", title, extension="safetensors", optional=True), "--model")


def unit() -> Definition:
    return choice("UNIT", "Unit of the SAR values", "--unit", AUTO, "db", "power", "amplitude", "byte")


def reading(scene: str) -> Iterator[Definition]:
    """How the scene of that parameter is read."""
    bands = QgsProcessingParameterBand(
        "BANDS", "Bands to use (default: by name)", parentLayerParameterName=scene, optional=True, allowMultiple=True
    )
    yield passed(bands, "--bidx")
    yield number("NODATA", "Value that means no data (default: as the file says)", "--nodata", REAL)
    grid = "Grid of a scene with ground control points only (default: its UTM zone)"
    yield passed(QgsProcessingParameterCrs("GRID", grid, optional=True), "--crs")
    yield number("RESOLUTION", "Pixels of that grid, in units of its CRS", "--resolution", REAL, minValue=0)
    yield choice("GCPS", "How ground control points place a scene", "--gcps", AUTO, "polynomial", "tps")
    yield switch("ALLOW_UNGEOREFERENCED", "Allow a scene without CRS", "--allow-ungeoreferenced")


def windows() -> Iterator[Definition]:
    yield number("WINDOW", "Height and width of a window in pixels", "--window", defaultValue=256, minValue=1)
    yield number("OVERLAP", "Pixels that neighbouring windows share", "--overlap", defaultValue=64, minValue=0)


def options(
    algorithm: QgsProcessingAlgorithm, parameters: Mapping[str, Any], context: QgsProcessingContext
) -> list[str]:
    """The command's options, of all parameters with a value that are `passed`."""
    passing = [definition for definition in algorithm.parameterDefinitions() if OPTION in definition.metadata()]
    return [
        word
        for definition in passing
        if _given(definition, parameters)
        for word in _words(algorithm, definition, parameters, context)
    ]


def _given(definition: Definition, parameters: Mapping[str, Any]) -> bool:
    value = parameters.get(definition.name(), definition.defaultValue())
    return value not in (None, "", [])


def _words(
    algorithm: QgsProcessingAlgorithm,
    definition: Definition,
    parameters: Mapping[str, Any],
    context: QgsProcessingContext,
) -> list[str]:
    option, arguments = definition.metadata()[OPTION], (parameters, definition.name(), context)
    kind = definition.type()
    if kind == "boolean":
        return [option] if algorithm.parameterAsBool(*arguments) else []
    if kind == "band":
        return [word for band in algorithm.parameterAsInts(*arguments) for word in (option, str(band))]
    if kind == "number":
        value = number_text(algorithm, *arguments)
        return [option, value] if value else []
    if kind == "crs":
        return [option, crs_text(algorithm.parameterAsCrs(*arguments))]
    chosen = algorithm.parameterAsEnumString if kind == "enum" else algorithm.parameterAsString
    value = chosen(*arguments)
    return [] if value == AUTO else [option, value]  # so that what the environment says holds


def number_text(
    algorithm: QgsProcessingAlgorithm, parameters: Mapping[str, Any], name: str, context: QgsProcessingContext
) -> str:
    """A number as the command wants it, a whole one without a point; empty where there is none.

    Raises `QgsProcessingException` for what QGIS would take for 0: text that is no number.
    """
    given = algorithm.parameterAsString(parameters, name, context).strip()
    if not given:
        return ""
    try:
        value = float(given)
    except ValueError as error:
        raise QgsProcessingException(f"{name} {given!r}: expected a number, such as -32768.5") from error
    return str(int(value)) if value.is_integer() else repr(value)


def crs_text(crs: Any) -> str:
    """Its code, or all of it where it has none that others know."""
    known: str = crs.authid()
    return known if known and not known.startswith("USER:") else str(crs.toWkt(crs.WKT_PREFERRED))
