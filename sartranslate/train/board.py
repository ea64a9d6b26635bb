"""Event files of a run, as TensorBoard reads them."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from sartranslate.errors import OutputError

PREFIX = "events.out.tfevents."  # TensorBoard knows its files by it
FORMAT = "brain.Event:2"
COLOURS = 3  # channels of a picture, in TensorBoard's terms its colorspace


class Board:
    """Scalars and pictures of a run by step, in a new event file beside those that are there.

    A context manager. What earlier files hold from `first_step` on is no longer shown (by TensorBoard's fast loader
    once the same name is written again), so a resumed run gives the first step that it will write, and a new run
    starts afresh. All is on the disk when a method returns: meant for once an epoch rather than once an update.
    Raises `OutputError` when the folder can not be made or a file in it can not be written.
    """

    def __init__(self, folder: Path, first_step: int = 0) -> None:
        self._folder = folder
        self._first_step = first_step

    def scalars(self, step: int, values: Mapping[str, float | None]) -> None:
        """Add one point to the curve of each name; None is left out. Names with a / are grouped by what is before."""
        known = [{"tag": name, "simple_value": float(value)} for name, value in values.items() if value is not None]
        self._write(step=step, summary={"value": known})

    def image(self, step: int, name: str, file: bytes, height: int, width: int) -> None:
        """Add an RGB picture, the content of a PNG or JPEG file; height and width in pixels."""
        picture = {"height": height, "width": width, "colorspace": COLOURS, "encoded_image_string": file}
        self._write(step=step, summary={"value": [{"tag": name, "image": picture}]})

    def __enter__(self) -> Board:
        with _without_torch():
            from tensorboardX import RecordWriter
            from tensorboardX.proto.event_pb2 import Event, SessionLog

        self._event = Event
        with _write_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._records = RecordWriter(str(_next_file(self._folder)))
        try:
            self._write(file_version=FORMAT)
            self._write(step=self._first_step, session_log={"status": SessionLog.START})
        except OutputError:
            with suppress(OSError):
                self._records.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with _write_errors(self._folder):
            self._records.close()

    def _write(self, **content: Any) -> None:
        with _write_errors(self._folder):
            # The package's own writer would do this in a thread, whose errors nobody hears of.
            self._records.write(self._event(wall_time=time.time(), **content).SerializeToString())
            self._records.flush()


def _next_file(folder: Path) -> Path:
    """A name after all others in the folder: TensorBoard reads files by name, and later ones overrule earlier ones."""
    # Seconds since 1970, as everyone names them, but a clock may stand still or go back.
    taken = [file.name.removeprefix(PREFIX).partition(".")[0] for file in folder.glob(f"{PREFIX}*")]
    latest = max((int(number) for number in taken if number.isdecimal()), default=0)
    return folder / f"{PREFIX}{max(int(time.time()), latest + 1):010d}.sartranslate"


@contextmanager
def _without_torch() -> Iterator[None]:
    """Inside, PyTorch can not be imported unless it is there already.

    tensorboardX imports it where it is installed, for tensors that it is never given here: a second and 200 MB.
    """
    if "torch" in sys.modules:
        yield
        return
    sys.modules["torch"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["torch"]


@contextmanager
def _write_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"{folder}: can not be written: {error.strerror or error}") from error
