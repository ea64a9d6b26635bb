"""`sartranslate.translate` does what the command does."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from click.testing import Result
from numpy.typing import NDArray

import sartranslate as package
from sartranslate.errors import OptionError, OutputError, SceneError
from sartranslate.infer.planning import InferenceOptions
from sartranslate.networks.bundle import DEFAULT_MODEL
from sartranslate.quality.uncertainty import Spread
from sartranslate.runtimes.translator import Translator
from sartranslate.scenes.area_file import bbox_area
from sartranslate.scenes.source import SceneOptions
from tests.conftest import WriteScene

Run = Callable[..., Result]
BOX = (9.003, 47.835, 9.02, 47.845)  # within the scenes here


def coloured(batch: Any) -> Any:
    return np.concatenate(
        [batch[..., :1], -batch[..., :1], batch.mean(axis=(1, 2), keepdims=True) + 0 * batch], axis=-1
    )


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """A callable in place of the network, for the command too; what was asked for is kept."""
    asked: list[tuple[Any, ...]] = []

    def load(path: Path, precision: str, samples: int | None, *, runtime: str, **others: Any) -> Translator:
        asked.append((path.name, precision, samples, runtime))
        others["tell"]("said on the way")
        spread = Spread(lambda batch, seeds: coloured(batch) * 0.5, samples) if samples else None
        return Translator(coloured, spread=spread)

    monkeypatch.setattr("sartranslate.workers.computing.load_translator", load)
    return asked


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (["--bbox", *BOX, "--compress", "lzw"], {"bbox": BOX, "compress": "lzw"}),
        (
            ["--unit", "power", "--nodata", 90, "--bidx", 1, "--runtime", "openvino"],
            {"unit": "power", "nodata": 90, "bands": [1], "runtime": "openvino"},
        ),
        (
            ["--uncertainty", "spread.tif", "--uncertainty-samples", 3],
            {"uncertainty": "spread.tif", "uncertainty_samples": 3},
        ),
    ],
    ids=["area", "values", "uncertainty"],
)
def test_files_and_summary_are_those_of_the_command(
    write_scene: WriteScene,
    amplitudes: NDArray[np.uint16],
    sartranslate: Run,
    monkeypatch: pytest.MonkeyPatch,
    quick: list[tuple[Any, ...]],
    arguments: list[object],
    options: dict[str, Any],
) -> None:
    scene = write_scene("scene.tif", amplitudes)
    monkeypatch.chdir(scene.parent)
    done = sartranslate("infer", scene, "out.tif", "--json", "-q", *arguments)
    assert done.exit_code == 0, done.output
    names = sorted(path.name for path in scene.parent.iterdir())
    files = {name: (scene.parent / name).read_bytes() for name in names}
    summary = package.translate(str(scene), "out.tif", overwrite=True, **options).as_dict()
    assert {path.name: path.read_bytes() for path in scene.parent.iterdir()} == files
    expected = json.loads(done.output)
    for told in (expected, summary):
        del told["seconds"], told["megapixels_per_second"]
    assert json.loads(json.dumps(summary)) == expected
    by_command, by_call = quick
    assert by_call[:3] == by_command[:3]
    assert by_call[3] == options.get("runtime", "auto")


def test_every_option_arrives_where_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    planned: list[Any] = []

    def refused(source: Any, out: Path, radiometry: Any, options: InferenceOptions, *, size_multiple: int) -> Any:
        planned.extend((source, out, options))
        raise SceneError("far enough")

    monkeypatch.setattr("sartranslate.translation.plan", refused)
    places = {"bands": (2,), "nodata": -1.0, "crs": "EPSG:32633", "resolution": 20.0, "gcps": "tps"}
    rest = {"window": 320, "overlap": 32, "batch_size": 2, "compress": "webp", "unit": "db"}
    switches = {"overwrite": True, "resume": False, "stac": True}
    files = {"VV": "vv.tif"}
    with pytest.raises(SceneError, match="far enough"):
        package.translate(
            files, "a/out.tif", model=str(DEFAULT_MODEL), bbox=BOX, aoi_crs="EPSG:4326", uncertainty="u.tif",
            allow_ungeoreferenced=True, **places, **rest, **switches,
        )  # fmt: skip
    scene = SceneOptions(files, bands_option="bands", allow_ungeoreferenced=True, **places)
    area = bbox_area(*BOX, crs="EPSG:4326")
    expected = InferenceOptions(
        scene=scene, area=area, uncertainty=Path("u.tif"), keep=(DEFAULT_MODEL,), **rest, **switches
    )
    assert planned == [None, Path("a/out.tif"), expected]


def test_a_mapping_is_a_file_for_each_polarisation(write_scene: WriteScene, amplitudes: NDArray[np.uint16]) -> None:
    files = {"VV": str(write_scene("a.tif", amplitudes + 100)), "VH": str(write_scene("b.tif", amplitudes))}
    out = Path(files["VH"]).with_name("out.tif")
    package.translate(files, out)
    alone = package.translate(files["VH"], out.with_name("alone.tif"))
    assert alone.bands == ("1",)
    with rasterio.open(out) as found, rasterio.open(alone.out) as expected:
        assert np.array_equal(found.read(), expected.read())


def test_an_item_for_catalogues_is_written_where_it_is_asked_for(
    write_scene: WriteScene, amplitudes: NDArray[np.uint16]
) -> None:
    scene = write_scene("scene.tif", amplitudes)
    summary = package.translate(scene, scene.with_name("out.tif"), stac=True)
    assert summary.stac == str(scene.with_name("out.json"))
    assert json.loads(Path(summary.stac).read_text())["assets"]["visual"]["href"] == "./out.tif"


def test_what_the_command_would_print_is_logged(
    write_scene: WriteScene, amplitudes: NDArray[np.uint16], caplog: pytest.LogCaptureFixture
) -> None:
    scene = write_scene("scene.tif", amplitudes)
    with caplog.at_level(logging.INFO):
        package.translate(scene, scene.with_name("out.tif"))
    assert ("sartranslate.translation", logging.INFO, "said on the way") in caplog.record_tuples


def test_errors_are_those_of_the_library_and_of_python(write_scene: WriteScene, amplitudes: NDArray[np.uint16]) -> None:
    scene = write_scene("scene.tif", amplitudes)
    out = scene.with_name("out.tif")
    with pytest.raises(SceneError, match="can not be read"):
        package.translate(scene.with_name("absent.tif"), out)
    with pytest.raises(OptionError, match="aoi and bbox are both given"):
        package.translate(scene, out, aoi="POINT (1 1)", bbox=BOX)
    out.write_text("precious")
    with pytest.raises(OutputError, match="exists already"):
        package.translate(scene, out)
    with pytest.raises(OutputError, match="is the model or the area"):
        package.translate(scene, out, aoi=write_area(out), overwrite=True)


def write_area(path: Path) -> str:
    west, south, east, north = BOX
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    path.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    return str(path)
