"""An output that one process at a time may write."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout

from sartranslate.errors import OutputError
from sartranslate.storage.atomic import tidied


@contextmanager
def locked(lock: Path, out: str | os.PathLike[str]) -> Iterator[None]:
    """No other process is inside for the same `lock`, a file that is gone afterwards; a killed one is not inside.

    Raises `OutputError`, naming `out`, where one is, and `OSError` where no file can be made.
    """
    in_use = OutputError(f"{out}: is being written by another process; try again when it has ended")
    held = FileLock(lock)
    try:
        held.acquire(timeout=0)
    except Timeout:
        raise in_use from None
    try:
        if not lock.exists():  # the other process has just ended, and removed it
            raise in_use
        with tidied(partial(_remove, lock)):
            yield
    finally:
        held.release()


def _remove(lock: Path) -> None:
    with suppress(PermissionError):  # of Windows, where it is open until it is released, which removes it
        lock.unlink(missing_ok=True)
