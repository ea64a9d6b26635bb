"""Tiles for web maps, cut from a translation by rio-tiler: places keep their colours at every zoom, holes are clear."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from morecantile import tms
from pyproj import Transformer
from rio_tiler.errors import TileOutsideBounds
from rio_tiler.io import Reader

from sartranslate.backscatter.radiometry import Radiometry
from sartranslate.infer.inference import translate
from sartranslate.infer.planning import InferenceOptions, plan
from sartranslate.runtimes.translator import Translator
from tests.conftest import TRANSFORM, UTM, save_scene

# Between rasterio 1.4 and affine 3, not in this project.
pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")

FIELD = 400  # pixels, both sides
FIELDS = np.array([[-20, -15, -10], [-99, -5, -20], [-10, -99, -15]], np.float32)  # decibels, or no data
NODATA = -99.0
DECIBELS = Radiometry(scaling="fixed", low=-25, high=0)
GRID = tms.get("WebMercatorQuad")
TO_DEGREES = Transformer.from_crs(UTM.to_wkt(), "EPSG:4326", always_xy=True)


def coloured(batch: Any) -> Any:
    """Red as bright as the backscatter, green as dark, blue between."""
    return np.concatenate([batch, -batch, np.zeros_like(batch)], axis=-1)


def colour(decibels: float) -> list[float]:
    level = (decibels + 25) / 25 * 255
    return [level, 255 - level, 127.5]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A translation of nine fields, two of them without data."""
    folder = tmp_path_factory.mktemp("tiles")
    values = np.kron(FIELDS, np.ones((FIELD, FIELD), np.float32))[..., None]
    scene = save_scene(folder / "scene.tif", values, nodata=NODATA)
    options = InferenceOptions(unit="db")
    translate(plan(scene, folder / "out.tif", DECIBELS, options), Translator(coloured))
    return folder / "out.tif"


def place(row: int, col: int) -> tuple[float, float]:
    """Longitude and latitude of a field's centre."""
    col_off, row_off = (col + 0.5) * FIELD, (row + 0.5) * FIELD
    degrees = TO_DEGREES.transform(TRANSFORM.c + TRANSFORM.a * col_off, TRANSFORM.f + TRANSFORM.e * row_off)
    return float(degrees[0]), float(degrees[1])


def seen(reader: Any, longitude: float, latitude: float, zoom: int) -> tuple[list[int], int]:
    """Colour and mask of a place in the tile that shows it."""
    tile = GRID.tile(longitude, latitude, zoom)
    image = reader.tile(tile.x, tile.y, tile.z)
    bounds, (x, y) = GRID.xy_bounds(tile), GRID.xy(longitude, latitude)
    height, width = image.mask.shape
    row = int((bounds.top - y) / (bounds.top - bounds.bottom) * height)
    col = int((x - bounds.left) / (bounds.right - bounds.left) * width)
    return image.data[:, row, col].tolist(), int(image.mask[row, col])


@pytest.mark.parametrize("zoom", [9, 11, 12, 14])
def test_places_have_their_colours_and_holes_are_clear_in_tiles_of_every_zoom(out: Path, zoom: int) -> None:
    with Reader(str(out)) as reader:
        for (row, col), decibels in np.ndenumerate(FIELDS):
            found, mask = seen(reader, *place(row, col), zoom)
            assert mask == (0 if decibels == NODATA else 255)
            if mask:
                assert np.abs(np.array(found) - colour(float(decibels))).max() <= 1


def test_some_of_these_zooms_are_read_from_overviews_and_some_from_full_resolution(out: Path) -> None:
    with rasterio.open(out) as dataset:
        coarsest = TRANSFORM.a * max(dataset.overviews(1))
    with Reader(str(out)) as reader:
        assert reader.minzoom <= 10
        assert reader.maxzoom in (13, 14)
    scale = np.cos(np.radians(place(1, 1)[1]))  # metres of ground for each of the map
    pixels = {zoom: float(GRID.matrix(zoom).cellSize) * scale for zoom in (9, 14)}
    assert pixels[9] > coarsest >= 2 * TRANSFORM.a > pixels[14]


def test_a_tile_beside_the_scene_is_refused(out: Path) -> None:
    longitude, latitude = place(1, 1)
    with Reader(str(out)) as reader:
        tile = GRID.tile(longitude + 1, latitude, 12)
        with pytest.raises(TileOutsideBounds):
            reader.tile(tile.x, tile.y, tile.z)
