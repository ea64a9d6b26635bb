"""The hidden folder beside an output in which it comes into being, used by one process at a time.

Its name follows from that of the output, so that a run finds there what an interrupted one has left.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from sartranslate.errors import OutputError
from sartranslate.storage.atomic import onto_disk, tidied
from sartranslate.storage.lock import locked


class WorkingFolder:
    """Names of what lies in the folder for `out`. It is removed in the end unless `kept` is set."""

    def __init__(self, out: Path) -> None:
        self.out = out.resolve()  # of a symbolic link, what it points to
        self.path = self.out.parent / f".{self.out.name}.part"
        self.kept = False

    @property
    def lock(self) -> Path:
        return self.path / "lock"

    @property
    def strips(self) -> Path:
        """Where the output grows."""
        return self.path / "strips"

    @property
    def finished(self) -> Path:
        """The output, whole, until it has its own name."""
        return self.path / self.out.name

    @property
    def ended(self) -> Path:
        """Is there once the finished output is about to get its name."""
        return self.path / "ended"

    def clear(self) -> None:
        """Drop what an earlier run has left."""
        for path in (self.ended, self.finished):
            path.unlink(missing_ok=True)
        shutil.rmtree(self.strips, ignore_errors=True)

    def settle(self) -> None:
        """Wait until the finished output is on the disk, so that nothing but a name is left to give. As `publish`."""
        with self._named():
            onto_disk(self.finished)

    def publish(self) -> None:
        """Give the finished output its name. Raises `OutputError`."""
        with self._named():
            self.ended.touch()
            self.finished.replace(self.out)
        self.kept = False

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(f"{self.out}: can not be replaced: {error.strerror}") from error

    def leave(self) -> None:
        """Remove what is in the folder, but for the lock that it still has, unless it is kept; may be called twice."""
        if self.kept:
            return
        shutil.rmtree(self.strips, ignore_errors=True)
        for path in set(self.path.glob("*")) - {self.lock}:
            with suppress(OSError):
                path.unlink()

    def vanish(self) -> None:
        """Remove the folder where nothing is left in it, nor another process has begun there."""
        with suppress(OSError):
            self.path.rmdir()


@contextmanager
def working_folder(out: Path) -> Iterator[WorkingFolder]:
    """The folder for `out`, which nobody else uses inside; what is in it is what an earlier run has left.

    Raises `OutputError` where it is in use, or the folder of `out` is missing or can not be written.
    """
    folder = WorkingFolder(out)
    if not folder.out.parent.is_dir():
        raise OutputError(f"{out}: the folder {folder.out.parent} does not exist")
    with ExitStack() as entered:
        try:
            folder.path.mkdir(exist_ok=True)
            entered.enter_context(tidied(folder.vanish))
            entered.enter_context(locked(folder.lock, out))
        except OutputError:
            raise
        except OSError as error:
            raise OutputError(f"{out}: can not write into {folder.out.parent}: {error.strerror}") from error
        entered.enter_context(tidied(folder.leave))
        yield folder


def check_free(out: Path) -> None:
    """Raise `OutputError` where another process is writing `out`.

    A folder that was left by a process that was killed once `out` had its name is removed.
    """
    if WorkingFolder(out).path.is_dir():
        with working_folder(out) as folder:
            folder.kept = folder.finished.exists() or not folder.ended.exists()
