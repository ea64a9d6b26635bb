"""Files that appear under their final name when they are whole, or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from glob import escape
from pathlib import Path
from typing import BinaryIO

from sartranslate.errors import OutputError

UNABLE = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS)  # of file systems that know no such wish
UNFINISHED = ".part"  # how names of hidden folders end
FORMER = ".former"  # and that of a folder that is being replaced
_TIDIES: list[Callable[[], None]] = []  # what removes all that is unfinished, the latest last


@contextmanager
def replaced_when_whole(path: Path, *, overwrite: bool = True, durable: bool = True) -> Iterator[Path]:
    """Yield a file name in a hidden folder beside `path`; on normal exit that file takes the place of `path`.

    A folder of that name takes the place of a folder. Of a symbolic link, the file it points to is replaced. On any
    exception `path` is what it was before; the hidden folder is gone in either case. The file is on the disk before it
    has its name, unless it need not be `durable`. Raises `OutputError` when the folder of `path` is missing or can not
    be written, or `path` has come into being meanwhile and `overwrite` is off.
    """
    path = path.resolve()
    if not path.parent.is_dir():
        raise OutputError(f"{path}: the folder {path.parent} does not exist")
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=UNFINISHED, dir=path.parent))
    except OSError as error:
        raise OutputError(f"{path}: can not write into {path.parent}: {error.strerror}") from error
    with tidied(partial(shutil.rmtree, folder, ignore_errors=True)):
        unfinished = folder / path.name
        yield unfinished
        if path.exists() and not overwrite:
            raise OutputError(f"{path}: was made by someone else meanwhile; --overwrite replaces it")
        try:
            if durable and unfinished.is_file():
                onto_disk(unfinished)
            _take_place(unfinished, path, folder.with_suffix(FORMER))
        except OSError as error:
            raise OutputError(f"{path}: can not be replaced: {error.strerror}") from error


def _take_place(unfinished: Path, path: Path, former: Path) -> None:
    """Of a file at once; of a folder, the former one, which lies beside it meanwhile, is back where that fails."""
    try:
        if unfinished.is_dir() and path.is_dir():
            path.rename(former)
        unfinished.replace(path)
    except BaseException:
        if former.exists() and not path.exists():
            former.rename(path)
        raise
    shutil.rmtree(former, ignore_errors=True)


def onto_disk(path: Path) -> None:
    """Wait until all of a file is on the disk: a name that it gets before may survive a power cut without it."""
    with path.open("r+b") as file:
        sync(file)


def sync(file: BinaryIO) -> None:
    """The same of an open file, as far as its file system can."""
    file.flush()
    try:
        os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in UNABLE:
            raise


def remove_unfinished(path: Path) -> None:
    """Remove what killed processes were about to give this name, which no other process is writing."""
    for unfinished in path.parent.glob(f".{escape(path.name)}.*{UNFINISHED}"):
        shutil.rmtree(unfinished, ignore_errors=True)


def write_whole(path: Path, content: bytes, *, overwrite: bool = True) -> None:
    """Write `content` to `path`, whole or not at all. Raises `OutputError` when that is not possible."""
    with replaced_when_whole(path, overwrite=overwrite) as unfinished:
        try:
            unfinished.write_bytes(content)
        except OSError as error:
            raise OutputError(f"{path}: can not be written: {error.strerror}") from error


def write_text(path: Path, text: str, *, overwrite: bool = True) -> None:
    """The same of UTF-8."""
    write_whole(path, text.encode(), overwrite=overwrite)


@contextmanager
def tidied(tidy: Callable[[], None]) -> Iterator[None]:
    """`tidy` is called on any exit, or by `tidy_up` before; being called twice must do no harm."""
    _TIDIES.append(tidy)
    try:
        yield
    finally:
        try:
            tidy()
        finally:
            _TIDIES.remove(tidy)


def tidy_up() -> None:
    """Remove all that is unfinished, for a process that ends without leaving what it is in."""
    for tidy in reversed(_TIDIES):
        tidy()
