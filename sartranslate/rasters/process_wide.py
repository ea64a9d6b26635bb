"""What belongs to the process, shared by the threads that need it at once: warning filters and GDAL's block cache."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from rasterio.env import get_gdal_config, set_gdal_config
from rasterio.errors import NotGeoreferencedWarning

CACHE = "GDAL_CACHEMAX"  # bytes


class _Silence:
    """No warnings of readers while anything is within, in whatever threads and order these enter and leave.

    Filters belong to the process, and `catch_warnings` puts back those that it found: of two threads that used it,
    the last to leave would bring back what the first to enter had set. So there is one for all.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._within = 0
        self._filters = ExitStack()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            self._within += 1
            if self._within == 1:
                self._filters.enter_context(warnings.catch_warnings())
                warnings.simplefilter("ignore", NotGeoreferencedWarning)  # which is checked here
                warnings.filterwarnings("ignore", module="pyogrio")  # shows in the geometries, which are checked
        try:
            yield
        finally:
            with self._lock:
                self._within -= 1
                if not self._within:
                    self._filters.close()


class _Cache:
    """GDAL's block cache has what all that are within ask for together, and in the end what it had before.

    A `rasterio.Env` of the caller with a size of its own goes before that once another one within it ends.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: list[int] = []
        self._before = 0

    @contextmanager
    def __call__(self, size: int) -> Iterator[None]:
        with self._lock:
            if not self._asked:
                self._before = get_gdal_config(CACHE)
            self._asked.append(size)
            set_gdal_config(CACHE, sum(self._asked))
        try:
            yield
        finally:
            with self._lock:
                self._asked.remove(size)
                set_gdal_config(CACHE, sum(self._asked) or self._before)


quiet = _Silence()
cached = _Cache()  # with so many bytes
