"""What threads share leaves nothing behind."""

from __future__ import annotations

import json
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import rasterio
from rasterio.env import get_gdal_config
from rasterio.errors import NotGeoreferencedWarning

from sartranslate.rasters.process_wide import CACHE, cached, quiet
from sartranslate.scenes.area_file import read_area


def test_a_warning_is_silenced_until_the_last_has_left_whatever_the_order() -> None:
    before = warnings.filters[:]
    first, second = quiet(), quiet()
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
            with quiet():
                time.sleep(0)  # another thread's turn

    threads = [threading.Thread(target=come_and_go) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before


def test_the_cache_is_what_all_within_ask_for_and_in_the_end_what_it_was() -> None:
    before = get_gdal_config(CACHE)
    first, second = cached(20 * 2**20), cached(30 * 2**20)
    sizes = []
    for change in (first.__enter__, second.__enter__, lambda: first.__exit__(None, None, None)):
        change()
        sizes.append(get_gdal_config(CACHE) // 2**20)
    second.__exit__(None, None, None)
    assert sizes == [20, 50, 30]
    assert get_gdal_config(CACHE) == before


def test_a_cache_that_the_program_has_set_comes_back() -> None:
    with rasterio.Env(GDAL_CACHEMAX=40 * 2**20):
        with cached(20 * 2**20):
            assert get_gdal_config(CACHE) == 20 * 2**20
        assert get_gdal_config(CACHE) == 40 * 2**20


def test_an_area_is_read_in_silence_beside_others(tmp_path: Path) -> None:
    area = tmp_path / "area.geojson"
    shape = {"type": "Polygon", "coordinates": [[[9, 47], [10, 47], [10, 48], [9, 47]]]}
    features = [{"type": "Feature", "id": 1, "geometry": shape}] * 2  # of one number, of which the reader warns
    area.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    before = warnings.filters[:]
    with ThreadPoolExecutor(4) as threads:
        assert len(list(threads.map(read_area, [area] * 20))) == 20
    assert warnings.filters == before
