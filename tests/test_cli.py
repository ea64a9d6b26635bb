"""The command line as a user meets it: exit codes, one clear line, nothing left behind."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from click.testing import Result
from numpy.typing import NDArray

from tests.conftest import WriteScene, user_environment

Run = Callable[..., Result]


@pytest.fixture
def scene(write_scene: WriteScene, amplitudes: NDArray[np.uint16]) -> Path:
    return write_scene("scene.tif", amplitudes)


def listing(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def assert_refused(result: Result, message: str, exit_code: int = 1) -> None:
    assert result.exit_code == exit_code, result.output
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert message in result.stderr
    assert result.stderr.count(".tif: ") <= 1
    assert result.stdout == ""


def test_infer_writes_the_output_and_one_line(sartranslate: Run, scene: Path, tmp_path: Path, tiny_model: Path) -> None:
    result = sartranslate("infer", scene, tmp_path / "out.tif", "--model", tiny_model)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    assert result.stdout.count("\n") == 1
    assert "420 x 300 px, 4 windows (0 empty)" in result.stdout
    assert "read as amplitude (uint16 digital numbers)" in result.stdout
    with rasterio.open(tmp_path / "out.tif") as dataset:
        assert dataset.shape == (300, 420)


def test_json_is_one_object_with_everything_a_script_needs(
    sartranslate: Run, scene: Path, tmp_path: Path, tiny_model: Path
) -> None:
    result = sartranslate("infer", scene, tmp_path / "out.tif", "--model", tiny_model, "--json", "--unit", "power")
    summary = json.loads(result.stdout)
    assert (summary["width"], summary["height"], summary["windows"], summary["skipped_windows"]) == (420, 300, 4, 0)
    assert summary["scaling"]["unit"] == "power"
    assert summary["seconds"] > 0
    assert summary["megapixels_per_second"] > 0
    assert summary["device"]
    assert summary["model"] == "tiny (tiny.safetensors)"


def test_quiet_prints_nothing(sartranslate: Run, scene: Path, tmp_path: Path, tiny_model: Path) -> None:
    result = sartranslate("infer", scene, tmp_path / "out.tif", "--model", tiny_model, "--quiet")
    assert (result.exit_code, result.output) == (0, "")


def test_an_existing_output_is_replaced_only_when_told(
    sartranslate: Run, scene: Path, tmp_path: Path, tiny_model: Path
) -> None:
    out = tmp_path / "out.tif"
    out.write_text("precious")
    assert_refused(sartranslate("infer", scene, out, "--model", tiny_model), "exists already; --overwrite replaces it")
    assert out.read_text() == "precious"
    assert sartranslate("infer", scene, out, "--model", tiny_model, "--overwrite").exit_code == 0
    assert out.read_bytes()[:2] == b"II"


@pytest.mark.parametrize("link", [False, True])
def test_the_scene_itself_is_never_the_output(
    sartranslate: Run, scene: Path, tmp_path: Path, tiny_model: Path, link: bool
) -> None:
    out = scene
    if link:
        out = tmp_path / "link.tif"
        out.symlink_to(scene)
    before = scene.read_bytes()
    assert_refused(sartranslate("infer", scene, out, "--model", tiny_model, "--overwrite"), "the scene itself")
    assert scene.read_bytes() == before


def test_the_model_is_never_the_output(sartranslate: Run, scene: Path, tmp_path: Path, tiny_model: Path) -> None:
    model = tmp_path / "model.safetensors"
    model.write_bytes(tiny_model.read_bytes())
    assert_refused(sartranslate("infer", scene, model, "--model", model, "--overwrite"), "is the model")
    assert model.read_bytes() == tiny_model.read_bytes()


def scene_that_is(kind: str, write_scene: WriteScene, amplitudes: NDArray[np.uint16]) -> Path:
    path = write_scene("bad.tif", amplitudes)
    if kind == "absent":
        path.unlink()
    elif kind == "text":
        path.write_text("SAR")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "truncated":
        path.write_bytes(path.read_bytes()[:-100_000])
    elif kind == "two bands":
        write_scene("bad.tif", np.concatenate([amplitudes, amplitudes], axis=-1))
    elif kind == "complex":
        write_scene("bad.tif", amplitudes.astype(np.complex64))
    elif kind == "all nodata":
        write_scene("bad.tif", np.zeros_like(amplitudes), nodata=0)
    elif kind == "all NaN":
        write_scene("bad.tif", np.full(amplitudes.shape, np.nan, np.float32))
    elif kind == "constant":
        write_scene("bad.tif", np.full_like(amplitudes, 7))
    elif kind == "nowhere":
        write_scene("bad.tif", amplitudes, crs=None, transform=rasterio.Affine.identity())
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("absent", "bad.tif: can not be read: "),
        ("text", "bad.tif: can not be read: "),
        ("empty", "bad.tif: can not be read: "),
        ("truncated", "bad.tif: can not be read in rows "),
        ("two bands", "bad.tif: 2 bands (unnamed, unnamed), the model expects 1 (VH or VV); choose with --bidx"),
        ("complex", "bad.tif: complex values (complex64), expected detected amplitude, power or dB"),
        ("all nodata", "bad.tif: no valid pixels"),
        ("all NaN", "bad.tif: no valid pixels"),
        ("constant", "bad.tif: all valid pixels have about the same value (7)"),
        (
            "nowhere",
            "bad.tif: no georeference, expected CRS and transform, or ground control points; --allow-ungeoreferenced",
        ),
    ],
)
def test_a_scene_that_can_not_be_used_is_refused_in_one_line(
    sartranslate: Run,
    write_scene: WriteScene,
    amplitudes: NDArray[np.uint16],
    tmp_path: Path,
    tiny_model: Path,
    kind: str,
    message: str,
) -> None:
    path = scene_that_is(kind, write_scene, amplitudes)
    before = listing(tmp_path)
    assert_refused(sartranslate("infer", path, tmp_path / "out.tif", "--model", tiny_model), message)
    assert listing(tmp_path) == before


def test_a_band_is_chosen_by_number(
    sartranslate: Run, write_scene: WriteScene, amplitudes: NDArray[np.uint16], tmp_path: Path, tiny_model: Path
) -> None:
    path = write_scene("two.tif", np.concatenate([amplitudes, amplitudes * 2], axis=-1))
    result = sartranslate("infer", path, tmp_path / "out.tif", "--model", tiny_model, "--bidx", 2, "--json")
    assert json.loads(result.stdout)["bands"] == ["2"]


def test_a_model_for_two_polarisations_refuses_one(
    sartranslate: Run, scene: Path, tmp_path: Path, tiny_two_band_model: Path
) -> None:
    result = sartranslate("infer", scene, tmp_path / "out.tif", "--model", tiny_two_band_model)
    assert_refused(result, "scene.tif: 1 band (unnamed), the model expects 2 (VV, VH)")


def test_an_ungeoreferenced_scene_goes_ahead_when_allowed(
    sartranslate: Run, write_scene: WriteScene, amplitudes: NDArray[np.uint16], tmp_path: Path, tiny_model: Path
) -> None:
    path = scene_that_is("nowhere", write_scene, amplitudes)
    out = tmp_path / "out.tif"
    result = sartranslate("infer", path, out, "--model", tiny_model, "--allow-ungeoreferenced")
    assert (result.exit_code, result.stderr) == (0, "")
    assert out.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--overlap", 256], "overlap 256: expected 0 to 255"),
        (["--overlap", -1], "overlap -1: expected 0 to 255"),
        (["--window", 200], "window 200: the model needs a multiple of 256"),
        (["--window", 0], "window 0: expected at least 1 pixel"),
    ],
)
def test_windows_that_do_not_work_are_wrong_usage(
    sartranslate: Run, scene: Path, tmp_path: Path, tiny_model: Path, arguments: list[object], message: str
) -> None:
    result = sartranslate("infer", scene, tmp_path / "out.tif", "--model", tiny_model, *arguments)
    assert_refused(result, message, exit_code=2)
    assert listing(tmp_path).keys() == {"scene.tif"}


@pytest.mark.parametrize(
    "arguments", [["--batch-size", "0"], ["--batch-size", "many"], ["--compress", "zip"], ["--precision", "int8"]]
)
def test_options_out_of_their_choices_are_wrong_usage(
    sartranslate: Run, scene: Path, tmp_path: Path, arguments: list[str]
) -> None:
    assert sartranslate("infer", scene, tmp_path / "out.tif", *arguments).exit_code == 2


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 not safetensors", b"\xff" * 64])
def test_a_broken_model_is_refused(sartranslate: Run, scene: Path, tmp_path: Path, content: bytes | None) -> None:
    model = tmp_path / "model.safetensors"
    if content is not None:
        model.write_bytes(content)
    before = listing(tmp_path)
    assert_refused(sartranslate("infer", scene, tmp_path / "out.tif", "--model", model), f"Error: {model}: ")
    assert listing(tmp_path) == before


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("absent/out.tif", "does not exist"),
        (".", "is a folder or a device, expected a file name"),
        ("x" * 300, "File name too long"),
        pytest.param(
            "/proc/out.tif",
            "can not write into /proc",
            marks=pytest.mark.skipif(not Path("/proc/self").exists(), reason="no folder that is read-only for all"),
        ),
    ],
)
def test_an_output_that_can_not_be_written_is_refused(
    sartranslate: Run, scene: Path, tmp_path: Path, tiny_model: Path, out: str, message: str
) -> None:
    assert_refused(sartranslate("infer", scene, tmp_path / out, "--model", tiny_model), message)
    assert listing(tmp_path).keys() == {"scene.tif"}


def assert_wrong_usage(result: Result, message: str) -> None:
    """As click says it: how the command is used, and one line of what was wrong."""
    assert result.exit_code == 2, result.output
    *usage, line = result.stderr.splitlines()
    assert line.startswith("Error: ")
    assert message in line
    assert all(text == "" or text.startswith(("Usage: ", "Try ")) for text in usage)
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "0 arguments, expected SCENE OUT, or --band for each file in place of SCENE"),
        (["scene.tif"], "1 argument, expected SCENE OUT, or --band"),
        (["scene.tif", "b.tif", "out.tif"], "3 arguments, expected SCENE OUT"),
        (["scene.tif", "out.tif", "--band", "VV=scene.tif"], "SCENE and --band are both given, expected one of them"),
        (["out.tif", "--band", "scene.tif"], "'scene.tif': expected a file for each polarisation once"),
        (["out.tif", "--band", "VV="], "'VV=': expected a file for each polarisation once, such as VV=vv.tif"),
        (["out.tif", "--band", "VV=scene.tif", "--band", "vv=b.tif"], "'vv=b.tif': expected a file for each"),
        (["out.tif", "--band", "XX=scene.tif"], "band 'XX': expected one of VV, VH, HH, HV"),
        (["out.tif", "--band", "=scene.tif"], "band '': expected one of VV, VH, HH, HV"),
        (["scene.tif", "out.tif", "--bidx", "one"], "'one' is not a valid integer"),
        (["scene.tif", "out.tif", "--nodata", "none"], "'none' is not a valid float"),
        (["scene.tif", "out.tif", "--gcps", "affine"], "'affine' is not one of 'polynomial', 'tps'"),
        (["scene.tif", "out.tif", "--unit", "dB"], "'dB' is not one of 'db', 'power', 'amplitude', 'byte'"),
        (["scene.tif", "out.tif", "--resolution", "20"], "has a grid of its own"),
        (["scene.tif", "out.tif", "--crs", "EPSG:4326"], "has a grid of its own"),
        (["scene.tif", "out.tif", "--aoi", "a.shp", "--bbox", "9", "47", "10", "48"], "both given, expected one"),
        (["scene.tif", "out.tif", "--aoi-crs", "EPSG:4326"], "--aoi-crs without --aoi or --bbox"),
        (["scene.tif", "out.tif", "--bbox", "9", "47", "10"], "--bbox' requires 4 arguments"),
        (["scene.tif", "out.tif", "--bbox", "9E", "47N", "10E", "48N"], "'9E' is not a valid float"),
    ],
    ids=lambda value: None if isinstance(value, str) else " ".join(value),
)
def test_scenes_and_areas_given_in_a_wrong_way_are_wrong_usage(
    sartranslate: Run,
    scene: Path,
    tmp_path: Path,
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_wrong_usage(sartranslate("infer", "--model", tiny_model, *arguments), message)
    assert listing(tmp_path).keys() == {"scene.tif"}


IN_SCENE = "500100 5298000 500900 5299000"
BOW_TIE = "POLYGON ((500100 5298000, 501000 5299000, 501000 5298000, 500100 5299000, 500100 5298000))"
SQUARE = "POLYGON ((500100 5298000, 501000 5298000, 501000 5299000, 500100 5299000, 500100 5298000))"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--bidx", "0"], "scene.tif: bands 0 of 1 band (unnamed) told, the model expects 1 (VH or VV)"),
        (["--bidx", "2"], "scene.tif: bands 2 of 1 band (unnamed) told, the model expects 1 (VH or VV)"),
        (["--bidx", "1", "--bidx", "1"], "scene.tif: bands 1, 1 of 1 band (unnamed) told, the model expects 1"),
        (["--unit", "db"], "scene.tif: told to be decibels, found values 1316 to 6.426e+04 (2nd to 98th percentile)"),
        (["--bbox", "9.001", "47.84", "9.04", "47.82"], "south 47.84 is not below north 47.82; expected west south"),
        (["--bbox", "9.04", "47.82", "9.04", "47.84"], "west 9.04 is not below east 9.04; expected west south"),
        (["--bbox", *IN_SCENE.split()], "are no longitudes and latitudes of WGS 84 (CRS84); --aoi-crs tells another"),
        (
            ["--bbox", "10", "50", "11", "51"],
            "scene.tif: bbox 10.0 50.0 11.0 51.0: lies outside the scene, which covers",
        ),
        (["--bbox", *IN_SCENE.split(), "--aoi-crs", "UTM 32"], "unknown CRS 'UTM 32', expected one such as EPSG:4326"),
        (["--aoi", SQUARE], ": polygon without CRS; --aoi-crs tells it"),
        (["--aoi", BOW_TIE, "--aoi-crs", "EPSG:32632"], ": Self-intersection[500550 5298500], expected a valid"),
        (["--aoi", "absent.geojson"], "absent.geojson: can not be read: "),
        (["--aoi", "scene.tif"], "scene.tif: can not be read: "),
        (["--aoi", ""], "expected a file of polygons, or WKT"),
        (["--aoi", "POINT (500200 5298100)", "--aoi-crs", "EPSG:32632"], "Point, expected Polygon or MultiPolygon"),
        (
            ["--aoi", "SRID=4326;POLYGON ((20 50, 21 50, 21 51, 20 50))"],
            "lies outside the scene, which covers longitude",
        ),
    ],
    ids=lambda value: None if isinstance(value, str) else " ".join(value)[:40],
)
def test_bands_units_and_areas_that_contradict_the_scene_are_refused_in_one_line(
    sartranslate: Run,
    write_scene: WriteScene,
    tmp_path: Path,
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_scene("scene.tif", np.random.default_rng(0).integers(0, 65536, (300, 420, 1)).astype(np.uint16))
    before = listing(tmp_path)
    result = sartranslate("infer", "scene.tif", "out.tif", "--model", tiny_model, *arguments)
    assert_refused(result, message)
    assert listing(tmp_path) == before


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (None, "other.tif: can not be read: "),
        ({"shape": (300, 419)}, "other.tif has 300 x 419 pixels, expected the grid of scene.tif, which has 300 x 420"),
        ({"crs": "EPSG:32633"}, "other.tif is in EPSG:32633, expected the grid of scene.tif, which is in EPSG:32632"),
        ({"transform": rasterio.Affine(10, 0, 500_010, 0, -10, 5_300_000)}, "other.tif lies on other ground"),
        ({"bands": 2}, "other.tif: 2 bands, expected one, VH"),
    ],
)
def test_files_of_a_scene_that_do_not_fit_each_other_are_refused_by_name(
    sartranslate: Run,
    write_scene: WriteScene,
    scene: Path,
    tmp_path: Path,
    tiny_two_band_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    other: dict[str, Any] | None,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    if other is not None:
        shape = (*other.pop("shape", (300, 420)), other.pop("bands", 1))
        write_scene("other.tif", np.ones(shape, np.uint16), **other)
    before = listing(tmp_path)
    files = ["--band", "vv=scene.tif", "--band", "VH=other.tif"]
    result = sartranslate("infer", "out.tif", "--model", tiny_two_band_model, *files)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert message in result.stderr
    assert listing(tmp_path) == before


def test_train_makes_a_model_that_infer_takes(sartranslate: Run, tmp_path: Path) -> None:
    pairs, run = tmp_path / "pairs", tmp_path / "run"
    assert sartranslate("simulate", pairs, "--pairs", 2, "--scene", 300, 280).exit_code == 0
    small = ["--epochs", 1, "--filters", 2, "--precision", "float32", "--architecture", "unet_128"]
    small += ["--set", "objective.gan_weight=0"]  # an opponent takes long to compile
    trained = sartranslate("train", "--pairs", pairs, "--out", run, *small)
    assert trained.exit_code == 0, trained.output
    assert "2 pairs, 2 updates" in trained.stdout
    model = run / "model.safetensors"
    result = sartranslate("infer", pairs / "scene.tif", tmp_path / "out.tif", "--model", model)
    assert result.exit_code == 0, result.output


def test_train_refuses_a_folder_without_pairs_in_one_line(sartranslate: Run, tmp_path: Path) -> None:
    result = sartranslate("train", "--pairs", tmp_path, "--out", tmp_path / "run", "--epochs", 1)
    assert_refused(result, f"{tmp_path}: no tiles, expected sar/NAME and optical/NAME, or images of two halves")
    assert list(tmp_path.iterdir()) == []


def test_sigterm_leaves_nothing_and_exits_with_143(tmp_path: Path, write_scene: WriteScene, tiny_model: Path) -> None:
    rng = np.random.default_rng(0)
    scene = write_scene("scene.tif", rng.gamma(4, 25, (3000, 3000, 1)).astype(np.uint16) + 1)
    code = "import sys; sys.path.insert(0, '.'); from cli import main; main()"
    command = [sys.executable, "-c", code, "infer", scene, tmp_path / "out.tif", "--model", tiny_model]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=user_environment()) as process:
        while not any(path.name.endswith(".part") for path in tmp_path.iterdir()):
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.01)
        process.terminate()
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (143, "")
    assert listing(tmp_path).keys() == {"scene.tif"}
    assert not any(path.is_dir() for path in tmp_path.iterdir())


def test_the_area_of_interest_is_never_the_output(
    sartranslate: Run, write_scene: WriteScene, amplitudes: NDArray[np.uint16], tmp_path: Path, tiny_model: Path
) -> None:
    path, area = write_scene("scene.tif", amplitudes), tmp_path / "area.geojson"
    west, south, east, north = map(float, IN_SCENE.split())
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    text = json.dumps({"type": "Polygon", "coordinates": [ring]})
    area.write_text(text)
    arguments = ("infer", path, area, "--aoi", area, "--aoi-crs", "EPSG:32632", "--model", tiny_model, "--overwrite")
    assert_refused(sartranslate(*arguments), "area.geojson: is the model or the area of interest")
    assert area.read_text() == text


def test_messages_of_gdal_that_are_no_text_are_passed_over(scene: Path) -> None:
    with rasterio.open(scene, "r+") as dataset:
        dataset.set_band_description(1, "VV")
    scene.write_bytes(scene.read_bytes().replace(b"<Item", b"<It\xaf\xaf"))
    assert b"<It\xaf\xaf" in scene.read_bytes()
    command = [sys.executable, "-c", "from cli import main; main()", "inspect", str(scene)]
    done = subprocess.run(command, env=user_environment(), capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert "420 x 300 px" in done.stdout


def test_messages_of_proj_are_passed_over(scene: Path) -> None:
    for key, code in ((2054, 9102), (3072, 32632)):  # angular unit and projected CRS
        known, unknown = (np.array([key, 0, 1, value], "<u2").tobytes() for value in (code, 1))
        assert known in scene.read_bytes()
        scene.write_bytes(scene.read_bytes().replace(known, unknown))
    command = [sys.executable, "-c", "from cli import main; main()", "inspect", str(scene)]
    environment = {name: value for name, value in user_environment().items() if name != "PROJ_DEBUG"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "Cannot find proj.db" not in done.stderr
    assert done.stderr.count("\n") <= 1
