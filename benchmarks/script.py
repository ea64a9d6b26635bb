"""What the scripts here share as such: numbers above zero as arguments, and errors that are a line."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from rasterio._err import CPLE_BaseError  # of GDAL, which rasterio does not always make one of its own
from rasterio.errors import RasterioError

from sartranslate.errors import SartranslateError

OF_OTHERS = (RasterioError, CPLE_BaseError, subprocess.SubprocessError)


def positive(text: str) -> int:
    """A whole number above zero, for `argparse`."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number}, expected at least 1")
    return number


def folder(text: str) -> Path:
    """One that is there, for `argparse`."""
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text}: no such folder")
    return Path(text)


def begin(main: Callable[[], None]) -> None:
    """Run a script; what it can not read, write or load ends it with a line."""
    try:
        main()
    except (SartranslateError, ImportError, OSError, EOFError, *OF_OTHERS) as error:
        sys.exit(f"Error: {error or type(error).__name__}")
