"""Types of arguments and options that are paths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


class _Named(click.Path):
    """A path that is no empty text, such as a variable that is not set, which would be the current folder.

    Nor is it a dash but where that is said to be standard output: many mean it so, and would find a file of that name.
    """

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("is an empty text, expected a name", param, ctx)
        if value == "-" and not self.allow_dash:
            self.fail("- is no file here, and ./- is one: nothing is read or written as a stream", param, ctx)
        return super().convert(value, param, ctx)


class _Folder(_Named):
    """One of this machine: addresses are paths too, of folders such as s3:/bucket."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if "://" in str(value) or str(value).startswith("/vsi"):
            self.fail(f"{value}: expected a folder of this machine", param, ctx)
        return super().convert(value, param, ctx)


class _Model(_Named):
    """A model's file, or the embedded one by its name."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from sartranslate.networks import bundle

        return bundle.located(value) if value == bundle.EMBEDDED else super().convert(value, param, ctx)


ANY = _Named()  # a file, a folder or an address
FILE = _Named(path_type=Path, dir_okay=False)
FILE_OR_STREAM = _Named(path_type=Path, dir_okay=False, allow_dash=True)
FOLDER = _Folder(path_type=Path, file_okay=False)
FILE_OR_FOLDER = _Named(path_type=Path)
PLACE = _Folder(path_type=Path)  # of a folder, which the library looks at
MODEL = _Model(path_type=Path, dir_okay=False)
