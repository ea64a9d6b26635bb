"""Which sartranslate is called, and in which environment. Needs no QGIS."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

SETTING = "SARTRANSLATE_PROGRAM"
VARIABLE = "SARTRANSLATE"
PYTHON = re.compile(r"pythonw?[\d.]*(\.exe)?", re.IGNORECASE)
# Not from the working directory, where a Python that is called with -c looks first.
ELSEWHERE = "import sys; sys.path = [folder for folder in sys.path if folder]"
MAIN = f"{ELSEWHERE}; from sartranslate.cli import main; main(prog_name='sartranslate')"
NOT_FOUND = (
    "sartranslate was not found. Under Settings, Options, Processing, Providers, sartranslate, name the Python that it"
    f" is installed in, or its command; or set the environment variable {VARIABLE}."
)
# They lead another Python to the libraries and tables of QGIS.
FOREIGN = {
    "PYTHONPATH",
    "PYTHONHOME",
    "PROJ_LIB",
    "PROJ_DATA",
    "GDAL_DATA",
    "GDAL_DRIVER_PATH",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
}
FOREIGN_PREFIXES = ("QT_", "QGIS_")


class ProgramError(Exception):
    """No sartranslate is known."""


def program(
    setting: str | None, environment: Mapping[str, str], which: Callable[[str], str | None] = shutil.which
) -> list[str]:
    """The beginning of a command line: of the setting, else the variable SARTRANSLATE, else the command on PATH.

    Each of the first two is a Python that sartranslate is installed in, or the command itself. Raises `ProgramError`
    where there is none.

    >>> program("/opt/sar/bin/sartranslate", {})
    ['/opt/sar/bin/sartranslate']
    """
    given = (setting or "").strip() or environment.get(VARIABLE, "").strip() or which("sartranslate")
    if not given:
        raise ProgramError(NOT_FOUND)
    given = str(Path(given).expanduser())
    is_python = PYTHON.fullmatch(re.split(r"[/\\]", given)[-1])
    return [given, "-c", MAIN] if is_python else [given]


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without what QGIS has set for itself; what is printed is UTF-8."""
    kept = {
        name: value
        for name, value in environment.items()
        if name.upper() not in FOREIGN and not name.upper().startswith(FOREIGN_PREFIXES)
    }
    return {**kept, "PYTHONIOENCODING": "utf-8"}
