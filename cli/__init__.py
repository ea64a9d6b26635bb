"""The command line: one click command a file, options in, one library call, one line out."""

from __future__ import annotations

import errno
import io
import logging
import os
import signal
import sys
import warnings
from typing import TYPE_CHECKING, Any

import click

from sartranslate import __version__
from sartranslate.errors import OptionError, SartranslateError

from .compare import compare
from .evaluate import evaluate
from .export import export
from .import_weights import import_weights
from .infer import infer
from .inspect import inspect_command
from .interrupt import TERMINATING
from .pairs import pairs
from .simulate import simulate
from .train import train

if TYPE_CHECKING:
    from sys import UnraisableHookArgs
    from types import TracebackType


_received: list[int] = []  # signals that end a command


class _WrongUsage(click.ClickException):
    exit_code = 2


class _Group(click.Group):
    """Turns every error that the library raises on purpose into one line and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return self._told(ctx)
        except Exception:
            if _received:  # within an import, which makes another error of it
                raise SystemExit(128 + _received[0]) from None
            raise

    def _told(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except OptionError as error:
            raise _WrongUsage(str(error)) from error
        except SartranslateError as error:
            raise click.ClickException(str(error)) from error
        except KeyboardInterrupt:
            raise SystemExit(128 + signal.SIGINT) from None
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise  # click ends quietly when the reader of a pipe has gone
            raise click.ClickException(str(error)) from error
        except MemoryError as error:
            raise click.ClickException(self._out_of_memory(ctx)) from error

    def _out_of_memory(self, ctx: click.Context) -> str:
        command = self.commands[str(ctx.invoked_subcommand)]
        smaller = [
            f"--{param.name.replace('_', '-')}" for param in command.params if param.name in ("batch_size", "window")
        ]
        return f"out of memory: try a smaller {' or '.join(smaller)}" if smaller else "out of memory"


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sartranslate")
def main() -> None:
    """See a SAR scene: translate it to an RGB GeoTIFF on the same ground, or train the model that does."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names of files may have characters that an encoding has not
            stream.reconfigure(errors="backslashreplace")
    # GDAL's own messages repeat, less readably, what the error line says.
    logging.getLogger("rasterio").setLevel(logging.CRITICAL)
    os.environ.setdefault("PROJ_DEBUG", "0")  # and PROJ's, which GDAL's reader of geographic keys lets through
    # The library silences it where it opens files, which in threads is now and then undone too early.
    warnings.filterwarnings("ignore", message="Dataset has no geotransform")
    if (sys.excepthook, sys.unraisablehook) == (sys.__excepthook__, sys.__unraisablehook__):
        sys.excepthook, sys.unraisablehook = _uncaught, _unraisable
    for number in TERMINATING:
        if signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
            signal.signal(number, _terminate)


def _unraisable(unraisable: UnraisableHookArgs) -> None:
    """Says nothing of what rasterio can not log: GDAL's messages repeat parts of files, which need not be texts."""
    if not isinstance(unraisable.exc_value, UnicodeError):
        sys.__unraisablehook__(unraisable)


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """The same: rasterio's compiled callback hands its error here, too, and alone has no traceback."""
    if trace is not None or not isinstance(error, UnicodeError):
        sys.__excepthook__(kind, error, trace)


def _terminate(number: int, frame: object) -> None:
    _received.append(number)
    raise SystemExit(128 + number)


main.add_command(compare)
main.add_command(evaluate)
main.add_command(export)
main.add_command(import_weights)
main.add_command(infer)
main.add_command(inspect_command)
main.add_command(pairs)
main.add_command(simulate)
main.add_command(train)
