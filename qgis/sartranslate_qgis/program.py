"""Which sartranslate is called, and in which environment. Needs no QGIS."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Mapping

SETTING = "SARTRANSLATE_PROGRAM"
VARIABLE = "SARTRANSLATE"
PYTHON = re.compile(r"pythonw?[\d.]*(\.exe)?", re.IGNORECASE)
# Not from the working directory, where a Python that is called with -c looks first.
ELSEWHERE = "import sys; sys.path = [folder for folder in sys.path if folder]"
MAIN = f"{ELSEWHERE}; from sartranslate.cli import main; main(prog_name='sartranslate')"
PLACE = "Settings, Options, Processing, Providers, sartranslate"
ADVICE = f"Under {PLACE}, name the Python that it is installed in, or its command"
# They lead another Python to the libraries and tables of QGIS.
FOREIGN = {
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONEXECUTABLE",
    "PYTHONPLATLIBDIR",
    "__PYVENV_LAUNCHER__",
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
    given = _bare(setting) or _bare(environment.get(VARIABLE)) or which("sartranslate")
    if not given:
        raise ProgramError(f"sartranslate was not found. {ADVICE}; or set the environment variable {VARIABLE}.")
    given = os.path.expanduser(given)  # noqa: PTH111, as it is where there is no such user
    is_python = PYTHON.fullmatch(re.split(r"[/\\]", given)[-1])
    return [given, "-c", MAIN] if is_python else [given]


def _bare(given: str | None) -> str:
    """Without the quotes that a path is copied with on Windows."""
    return (given or "").strip().strip('"').strip()


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without what QGIS has set for itself; what is printed is UTF-8."""
    kept = {
        name: value
        for name, value in environment.items()
        if name.upper() not in FOREIGN and not name.upper().startswith(FOREIGN_PREFIXES)
    }
    return {**kept, "PYTHONIOENCODING": "utf-8"}
