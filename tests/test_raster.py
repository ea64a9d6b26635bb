"""Opening rasters."""

from __future__ import annotations

import threading
import time
import warnings

import pytest
from rasterio.errors import NotGeoreferencedWarning

from sartranslate.rasters.raster import quiet_georeference


def test_a_warning_is_silenced_until_the_last_has_left_whatever_the_order() -> None:
    before = warnings.filters[:]
    first, second = quiet_georeference(), quiet_georeference()
    for enter in (first.__enter__, second.__enter__):
        enter()
    first.__exit__(None, None, None)
    with warnings.catch_warnings(record=True) as heard:
        warnings.warn("no place", NotGeoreferencedWarning, stacklevel=1)
    second.__exit__(None, None, None)
    assert not heard
    assert warnings.filters == before
    with pytest.warns(NotGeoreferencedWarning):
        warnings.warn("no place", NotGeoreferencedWarning, stacklevel=1)


def test_many_threads_leave_the_filters_as_they_were() -> None:
    before, together = warnings.filters[:], threading.Barrier(8)

    def come_and_go() -> None:
        together.wait()
        for _ in range(200):
            with quiet_georeference():
                time.sleep(0)  # another thread's turn

    threads = [threading.Thread(target=come_and_go) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before
