"""Small real rasters and models that many tests start from."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio  # noqa: F401  # before TensorFlow, with whose SQLite GDAL would write files without a spatial index
import pytest
import rasterio
from affine import Affine
from click.testing import CliRunner, Result
from hypothesis import settings
from numpy.typing import NDArray
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS

os.environ["SARTRANSLATE_RUNTIME"] = "keras"  # else every new kind of model would be measured first
os.environ["GDAL_HTTP_RETRY_DELAY"] = "0.01"  # seconds, of servers that fail on purpose

from sartranslate.backscatter.radiometry import Radiometry
from sartranslate.networks import backend, bundle
from sartranslate.rasters.process_wide import quiet
from sartranslate.recipes.architecture import GeneratorConfig

# Tests send these signals, to processes that inherit it if they are ignored, as in the background of a shell.
signal.signal(signal.SIGINT, signal.default_int_handler)
for number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_DFL)


# The same examples in every run: what fails here fails for everyone. Without these two lines more are tried.
settings.register_profile("steady", derandomize=True)
settings.load_profile("steady")

TRANSFORM = Affine(10, 0, 500_000, 0, -10, 5_300_000)
UTM = CRS.from_epsg(32632)

KERNEL_GAIN = 8  # untrained kernels are too small for a picture with contrast

GCP_ROWS, GCP_COLS = 10, 21  # of the points of a GRD product
GCP_SPACING = 10.0  # metres between its pixels, about

WriteScene = Callable[..., Path]


def save_scene(path: Path, values: NDArray[Any], names: tuple[str, ...] = (), **profile: Any) -> Path:
    """Write (H, W, bands) values as a GeoTIFF in UTM; keywords override its profile."""
    settings = {
        "driver": "GTiff",
        "height": values.shape[0],
        "width": values.shape[1],
        "count": values.shape[2],
        "dtype": values.dtype.name,
        "crs": UTM,
        "transform": TRANSFORM,
        **profile,
    }
    with quiet(), rasterio.open(path, "w", **settings) as dataset:
        dataset.write(np.moveaxis(values, -1, 0))
        for band, description in enumerate(names, 1):
            dataset.set_band_description(band, description)
    return path


def gcp_pixels(height: int, width: int) -> NDArray[np.float64]:
    """Columns and rows of a GRD product's ground control points, line by line, from border to border."""
    cols, rows = np.meshgrid(np.linspace(0, width, GCP_COLS), np.linspace(0, height, GCP_ROWS))
    return np.stack([cols.ravel(), rows.ravel()], axis=-1)


def gcp_places(pixels: NDArray[np.float64], height: int, width: int, jump: float = 0.0) -> NDArray[np.float64]:
    """Longitudes and latitudes near 11 E, 48 N of a turned and bent raster; lines of points `jump` pixels to and fro.

    Jumps are what the height of the terrain makes of a product's points, each line of which has a height of its own.
    """
    u, v = pixels.T * 2 / [[width], [height]] - 1
    right, down = u * width / 2 + 5 * u**2 + 3 * u * v**2, v * height / 2 - 4 * u * v + 2 * u**3
    right = right + jump * np.sqrt(2) * np.sin(1.5 * np.rint((v + 1) / 2 * (GCP_ROWS - 1)))
    turn = np.radians(12)
    east = GCP_SPACING * (right * np.cos(turn) - down * np.sin(turn))
    south = GCP_SPACING * (right * np.sin(turn) + down * np.cos(turn))
    return np.stack([11 + east / (111_320 * np.cos(np.radians(48))), 48 - south / 111_320], axis=-1)


def on_grid(places: NDArray[np.float64], transform: Affine) -> NDArray[np.float64]:
    """Columns and rows of places (N, 2) on a north-up grid, counted from its corner."""
    return np.asarray((places - (transform.c, transform.f)) / (transform.a, transform.e))


def save_gcp_scene(
    path: Path,
    values: NDArray[Any],
    names: tuple[str, ...] = (),
    jump: float = 0.0,
    kept: slice | NDArray[np.bool_] = slice(None),
    **profile: Any,
) -> Path:
    """The same as GRD products are: placed by ground control points only, or those `kept` of them."""
    pixels = gcp_pixels(*values.shape[:2])
    places = gcp_places(pixels, *values.shape[:2], jump)
    points = [GroundControlPoint(r, c, x, y) for (c, r), (x, y) in zip(pixels[kept], places[kept], strict=True)]
    return save_scene(path, values, names, **{"crs": CRS.from_epsg(4326), "transform": None, "gcps": points, **profile})


@pytest.fixture
def write_scene(tmp_path: Path) -> WriteScene:
    """Write (H, W, bands) values as a GeoTIFF in UTM; keywords override its profile."""
    return lambda name, *arguments, **profile: save_scene(tmp_path / name, *arguments, **profile)


@pytest.fixture
def write_gcp_scene(tmp_path: Path) -> WriteScene:
    """Write (H, W, bands) values as a GeoTIFF with ground control points only."""
    return lambda name, *arguments, **options: save_gcp_scene(tmp_path / name, *arguments, **options)


@pytest.fixture
def amplitudes() -> NDArray[np.uint16]:
    """Speckled digital numbers, (300, 420, 1)."""
    rng = np.random.default_rng(5)
    return (100 * np.sqrt(rng.gamma(4.4, 1 / 4.4, (300, 420, 1))) + 1).astype(np.uint16)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of an untrained generator for one band, VH or VV."""
    return save_tiny_model(tmp_path_factory.mktemp("model") / "tiny.safetensors", (("VH", "VV"),))


@pytest.fixture(scope="session")
def tiny_two_band_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of an untrained generator for VV and VH."""
    return save_tiny_model(tmp_path_factory.mktemp("model") / "two.safetensors", (("VV",), ("VH",)))


def user_environment() -> dict[str, str]:
    """The environment without what choosing a backend in this process has put into it."""
    return {name: value for name, value in os.environ.items() if name not in ("KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL")}


def save_tiny_model(path: Path, bands: tuple[tuple[str, ...], ...]) -> Path:
    backend.select("tensorflow")
    from sartranslate.networks.generators import build_generator

    backend.seed(3)
    config = GeneratorConfig(source_bands=len(bands), filters=2)
    description = bundle.Description("tiny", config, Radiometry(bands=bands))
    model = build_generator(config)
    for variable in model.trainable_variables:
        if len(variable.shape) > 1:
            variable.assign(variable * KERNEL_GAIN)
    bundle.save(path, bundle.Bundle(description, model))
    return path


@pytest.fixture
def sartranslate() -> Callable[..., Result]:
    """Run the command line in this process."""

    def run(*arguments: object) -> Result:
        from cli import main

        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    return run
