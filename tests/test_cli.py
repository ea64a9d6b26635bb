"""The command line as a user meets it: exit codes, one clear line, nothing left behind."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

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
        ("truncated", "bad.tif: can not be read: "),
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


def test_train_makes_a_model_that_infer_takes(sartranslate: Run, tmp_path: Path) -> None:
    pairs, run = tmp_path / "pairs", tmp_path / "run"
    assert sartranslate("simulate", pairs, "--pairs", 2, "--scene", 300, 280).exit_code == 0
    small = ["--epochs", 1, "--filters", 2, "--discriminator-filters", 2, "--precision", "float32"]
    trained = sartranslate("train", "--pairs", pairs, "--out", run, *small)
    assert trained.exit_code == 0, trained.output
    assert "2 pairs, 2 updates" in trained.stdout
    model = run / "model.safetensors"
    result = sartranslate("infer", pairs / "scene.tif", tmp_path / "out.tif", "--model", model)
    assert result.exit_code == 0, result.output


def test_train_refuses_a_folder_without_pairs_in_one_line(sartranslate: Run, tmp_path: Path) -> None:
    result = sartranslate("train", "--pairs", tmp_path, "--out", tmp_path / "run", "--epochs", 1)
    assert_refused(result, "sar: no such folder")
    assert list(tmp_path.iterdir()) == []


def test_sigterm_leaves_nothing_and_exits_with_143(tmp_path: Path, write_scene: WriteScene, tiny_model: Path) -> None:
    rng = np.random.default_rng(0)
    scene = write_scene("scene.tif", rng.gamma(4, 25, (3000, 3000, 1)).astype(np.uint16) + 1)
    code = "import sys; sys.path.insert(0, '.'); from cli import main; main()"
    command = [sys.executable, "-c", code, "infer", scene, tmp_path / "out.tif", "--model", tiny_model]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=user_environment()) as process:
        while not any(path.name.endswith(".part") for path in tmp_path.iterdir()):
            assert process.poll() is None, process.stderr.read()
        process.terminate()
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (143, "")
    assert listing(tmp_path).keys() == {"scene.tif"}
    assert not any(path.is_dir() for path in tmp_path.iterdir())
