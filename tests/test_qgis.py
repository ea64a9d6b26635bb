"""QGIS opens a translation in its place, as RGB with a transparent nodata area, and the index of training pairs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray

from sartranslate.backscatter.radiometry import Float, Radiometry
from sartranslate.datasets.cutting import CuttingOptions
from sartranslate.datasets.pairing import PairingOptions, make_pairs
from sartranslate.datasets.split import PlaceSplit
from sartranslate.infer.inference import translate
from sartranslate.infer.planning import InferenceOptions, plan
from sartranslate.rasters.process_wide import quiet
from sartranslate.runtimes.translator import Translator
from sartranslate.simulate.simulation import SimulationOptions, simulate

SYSTEM_PYTHON = "/usr/bin/python3"
# They lead the system's QGIS to another environment's libraries and tables.
FOREIGN = ("PYTHONPATH", "PYTHONHOME", "PROJ_LIB", "PROJ_DATA", "GDAL_DATA", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
HEIGHT, WIDTH = 300, 420
NODATA = (slice(0, 90), slice(0, 140))
DARK = (slice(200, 230), slice(250, 300))
LEVELS = 2  # of 255, that a colour may be off


@dataclass(frozen=True)
class Seen:
    """A translation, as the file has it and as QGIS shows it."""

    bounds: tuple[float, ...]
    rgb: NDArray[np.uint8]  # (H, W, 3) of the file
    report: dict[str, Any]
    image: NDArray[np.uint8]  # (H, W, 4) of the map


def tinted(batch: Float) -> Float:
    """Three different curves through black and white."""
    grey = (batch[..., :1] + 1) / 2
    return np.concatenate([grey, grey**2, np.sqrt(grey)], axis=-1) * 2 - 1


def write_scene(path: Path) -> None:
    values = np.random.default_rng(3).normal(400, 120, (HEIGHT, WIDTH)).clip(20, 2000).astype(np.uint16)
    values[DARK] = 1
    values[NODATA] = 0
    form = {"driver": "GTiff", "height": HEIGHT, "width": WIDTH, "count": 1, "dtype": "uint16", "nodata": 0}
    place = {"crs": "EPSG:32632", "transform": Affine(10, 0, 600_000, 0, -10, 5_400_000)}
    with rasterio.open(path, "w", **form, **place) as scene:
        scene.write(values, 1)
        scene.set_band_description(1, "VH")


def has_qgis() -> bool:
    if not Path(SYSTEM_PYTHON).exists():
        return False
    return (
        subprocess.run([SYSTEM_PYTHON, "-c", "import qgis.core"], env=environment(), capture_output=True).returncode
        == 0
    )


def environment(**more: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in FOREIGN} | more


def show(raster: Path, image: Path) -> dict[str, Any]:
    # QGIS leaves a .aux.xml file beside what it opens.
    copy = shutil.copy(raster, image.with_suffix(".tif"))
    return check(image.parent, copy, image)


def check(folder: Path, *arguments: Path) -> dict[str, Any]:
    """Run `qgis_check.py` with a profile in `folder`."""
    if not has_qgis():
        pytest.skip(f"{SYSTEM_PYTHON} has no QGIS (Debian: apt-get install python3-qgis)")
    checked = subprocess.run(
        [SYSTEM_PYTHON, str(Path(__file__).with_name("qgis_check.py")), *map(str, arguments)],
        env=environment(QT_QPA_PLATFORM="offscreen", QGIS_CUSTOM_CONFIG_PATH=str(folder)),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert checked.returncode == 0, checked.stderr
    report: dict[str, Any] = json.loads(checked.stdout)
    return report


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    folder, shown = tmp_path_factory.mktemp("translated"), tmp_path_factory.mktemp("shown")
    write_scene(folder / "scene.tif")
    options = InferenceOptions(window=128, overlap=32)
    translate(plan(folder / "scene.tif", folder / "out.tif", Radiometry(), options), Translator(tinted))
    report = show(folder / "out.tif", shown / "map.png")
    with rasterio.open(folder / "out.tif") as out, quiet(), rasterio.open(shown / "map.png") as drawn:
        return Seen(out.bounds, np.moveaxis(out.read(), 0, -1), report, np.moveaxis(drawn.read(), 0, -1))


def test_qgis_puts_the_translation_on_its_ground(seen: Seen) -> None:
    assert seen.report["valid"]
    assert seen.report["crs"] == "EPSG:32632"
    assert seen.report["size"] == [WIDTH, HEIGHT]
    assert seen.report["extent"] == pytest.approx(seen.bounds, abs=1e-6)


def test_qgis_reads_three_colours_and_the_mask_as_alpha(seen: Seen) -> None:
    assert seen.report["renderer"] == "multibandcolor"
    assert seen.report["rgb_bands"] == [1, 2, 3]
    assert len(seen.report["bands"]) == 4
    assert seen.report["alpha_band"] == 4


def test_nodata_is_transparent_and_black_ground_is_not(seen: Seen) -> None:
    alpha = seen.image[..., 3]
    transparent = np.zeros((HEIGHT, WIDTH), bool)
    transparent[NODATA] = True
    assert not seen.rgb[DARK].any()
    np.testing.assert_array_equal(alpha, np.where(transparent, 0, 255))


def test_colours_are_the_file_s_without_a_stretch(seen: Seen) -> None:
    opaque = seen.image[..., 3] == 255
    shown, stored = seen.image[opaque][:, :3], seen.rgb[opaque]
    assert np.ptp(stored, axis=0).min() > 200
    np.testing.assert_allclose(shown.astype(int), stored, atol=LEVELS)


@pytest.mark.long
def test_qgis_shows_the_index_of_training_pairs(tmp_path: Path) -> None:
    simulate(tmp_path, SimulationOptions(pairs=0, scene=(300, 420), truth=True))
    cutting = CuttingOptions(tile=64, split=PlaceSplit(block=1000, guard=0))
    options = PairingOptions(cutting=cutting)
    summary = make_pairs(tmp_path / "scene.tif", tmp_path / "scene_optical.tif", tmp_path / "pairs", options)
    report = check(tmp_path, tmp_path / "pairs" / "index.gpkg")
    assert report["crs"] == "EPSG:4326"
    assert {"name", "split", "valid_share", "shift_rows", "scaling"} <= set(report["fields"])
    tiles = sorted(path.stem for path in (tmp_path / "pairs").glob("*/sar/*.tif"))
    assert sorted(report["names"]) == tiles
    assert len(tiles) == sum(summary.tiles.values()) > 0
    assert min(report["areas"]) > 0
