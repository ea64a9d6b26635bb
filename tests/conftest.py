"""Small real rasters and models that many tests start from."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from click.testing import CliRunner, Result
from numpy.typing import NDArray
from rasterio.crs import CRS

from sartranslate import backend, bundle
from sartranslate.architecture import GeneratorConfig
from sartranslate.radiometry import Radiometry
from sartranslate.raster import quiet_georeference

TRANSFORM = Affine(10, 0, 500_000, 0, -10, 5_300_000)
UTM = CRS.from_epsg(32632)

KERNEL_GAIN = 8  # untrained kernels are too small for a picture with contrast

WriteScene = Callable[..., Path]


@pytest.fixture
def write_scene(tmp_path: Path) -> WriteScene:
    """Write (H, W, bands) values as a GeoTIFF in UTM; keywords override its profile."""

    def write(name: str, values: NDArray[Any], names: tuple[str, ...] = (), **profile: Any) -> Path:
        path = tmp_path / name
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
        with quiet_georeference(), rasterio.open(path, "w", **settings) as dataset:
            dataset.write(np.moveaxis(values, -1, 0))
            for band, description in enumerate(names, 1):
                dataset.set_band_description(band, description)
        return path

    return write


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
    from sartranslate.networks import build_generator

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
