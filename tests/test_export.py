"""`sartranslate export`: models for other tools compute what Keras computes."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray

from cli import main
from sartranslate.backscatter.radiometry import Radiometry
from sartranslate.errors import BackendError, OptionError, OutputError
from sartranslate.exchange import export
from sartranslate.exchange.export import ExportOptions
from sartranslate.networks import backend, bundle
from sartranslate.networks.bundle import Bundle, Description
from sartranslate.recipes.architecture import GeneratorConfig
from sartranslate.runtimes import onnx_runtime
from sartranslate.runtimes.value_ranges import ValueRanges
from tests.conftest import user_environment

backend.select("tensorflow")

from sartranslate.networks.generators import build_generator  # noqa: E402

SIDE = 64


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["export", *(str(argument) for argument in arguments)])


def saved(path: Path, config: GeneratorConfig) -> Path:
    bands = (("VV",), ("VH",))[: config.source_bands]
    bundle.save(path, Bundle(Description("small", config, Radiometry(bands)), build_generator(config)), "float32")
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = GeneratorConfig("resnet_6blocks", source_bands=2, filters=4, norm="instance")
    return saved(tmp_path_factory.mktemp("model") / "model.safetensors", config)


def keras_of(model: Path, batch: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(bundle.load(model).model(batch))


def batch(count: int, low: float = -1, high: float = 1) -> NDArray[np.float32]:
    return np.random.default_rng(5).uniform(low, high, (count, SIDE, SIDE, 2)).astype(np.float32)


@pytest.mark.long
def test_onnx_takes_any_batch_and_the_parity_is_printed(model: Path, tmp_path: Path) -> None:
    done = run(model, tmp_path / "g.onnx", "--window", SIDE)
    assert done.exit_code == 0, done.output
    assert float(done.output.split(" at most ")[1].split()[0]) <= 1e-5
    session = onnxruntime.InferenceSession(tmp_path / "g.onnx", providers=["CPUExecutionProvider"])
    for count in (1, 2, 5):
        found = session.run(None, {"source": batch(count)})[0]
        assert np.abs(found - keras_of(model, batch(count))).max() < 1e-4


@pytest.mark.long
def test_with_the_scaling_included_decibels_become_bytes(model: Path, tmp_path: Path) -> None:
    line = [model, tmp_path / "g.onnx", "--window", SIDE, "--source-range", -25, 0, "--target-range", 0, 255]
    assert run(*line).exit_code == 0
    session = onnxruntime.InferenceSession(tmp_path / "g.onnx", providers=["CPUExecutionProvider"])
    decibels = batch(2, -40, 10)
    found = session.run(None, {"source": decibels})[0]
    expected = (keras_of(model, np.clip(decibels / 12.5 + 1, -1, 1)) + 1) * 127.5
    assert np.abs(found - expected).max() < 0.02


def test_deepness_finds_shapes_ranges_and_metadata_as_it_wants_them(model: Path, tmp_path: Path) -> None:
    assert run(model, tmp_path / "g.onnx", "--format", "deepness", "--window", SIDE).exit_code == 0
    assert onnx.load(tmp_path / "g.onnx").ir_version <= 9
    session = onnxruntime.InferenceSession(tmp_path / "g.onnx", providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].shape == [1, 2, SIDE, SIDE]
    assert session.get_outputs()[0].shape == [1, 3, 2 * SIDE, 2 * SIDE]
    told = {name: json.loads(text) for name, text in session.get_modelmeta().custom_metadata_map.items()}
    assert told["model_type"] == "Superresolution"
    assert (told["tile_size"], told["tiles_overlap"], told["resolution"]) == (SIDE, 0, 1000)
    tile = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 2)).astype(np.uint8)
    source = (tile.astype(np.float32) / 255).transpose(2, 0, 1)[None]
    found = session.run(None, {session.get_inputs()[0].name: source})[0]
    assert (found.min() >= 0, found.max() <= 1) == (True, True)
    expected = (keras_of(model, tile[None] / np.float32(127.5) - 1)[0] + 1) / 2
    for row, column in ((0, 0), (0, 1), (1, 1)):
        assert np.abs(found[0, :, row::2, column::2].transpose(1, 2, 0) - expected).max() < 1e-4


@pytest.mark.long
@pytest.mark.parametrize("form", ["savedmodel", "tflite"])
@pytest.mark.parametrize("ranges", [ValueRanges(), ValueRanges((-25.0, 0.0), (0.0, 255.0))])
def test_the_formats_of_tensorflow_agree_with_keras_too(
    model: Path, tmp_path: Path, form: str, ranges: ValueRanges
) -> None:
    out = tmp_path / "out"
    assert export.export(model, out, ExportOptions(form, ranges, SIDE)) <= export.TOLERANCE
    if form == "tflite":
        from tensorflow import lite

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it will be found in another package
            signature = lite.Interpreter(str(out)).get_signature_list()
        assert signature == {"serving_default": {"inputs": ["source"], "outputs": ["output_0"]}}
    if form == "savedmodel":
        from tensorflow import saved_model

        low, high = ranges.source
        source = batch(4, low, high)
        loaded = saved_model.load(str(out))
        found = np.asarray(loaded.serve(source))
        expected = keras_of(model, ranges.scaled(source)) * ranges.out.factor + ranges.out.offset
        assert np.abs(found - expected).max() < 1e-4 * ranges.out.factor


@pytest.mark.long
@pytest.mark.parametrize("form", export.FORMATS)
def test_the_default_model_can_be_had_in_all_formats(tmp_path: Path, form: str) -> None:
    done = run("default", tmp_path / "out", "--format", form)
    assert done.exit_code == 0, done.output


def test_a_format_that_computes_otherwise_is_refused_and_leaves_nothing(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def off(*arguments: Any) -> Any:
        call = original(*arguments)
        return lambda source: call(source) + np.float32(2e-4)

    original = export._onnx
    monkeypatch.setattr(export, "_onnx", off)
    with pytest.raises(BackendError, match=r"g\.onnx: 0\.0002\d* from Keras, expected at most 0\.0001"):
        export.export(model, tmp_path / "g.onnx", ExportOptions(window=SIDE))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--window", 66), "window 66: the model needs a multiple of 4"),
        (("--source-range", 0, -25), "range 0 to -25: expected low < high"),
        (("--format", "deepness", "--target-range", 0, 255), "has its own: 0 to 1"),
        (("--window", 0), "window 0: expected at least 1 pixel"),
        (("--window", -64), "window -64: expected at least 1 pixel"),
        (("--source-range", 1e6, 1000000.01), "expected a span and limits that float32 computes with"),
        (("--format", "deepness", "--source-range", -1, 1), "has its own: 0 to 1"),
        (("--format", "deepness", "--resolution", 0), "expected 1e-06 to 1e+06 metres"),
        (("--format", "deepness", "--resolution", 1e307), "expected 1e-06 to 1e+06 metres"),
        (("--format", "deepness", "--resolution", "nan"), "expected 1e-06 to 1e+06 metres"),
        (("--format", "tflite", "--resolution", 20), "resolution for tflite, expected it for deepness alone"),
    ],
)
def test_options_that_do_not_fit_are_wrong_usage(
    model: Path, tmp_path: Path, arguments: tuple[object, ...], message: str
) -> None:
    done = run(model, tmp_path / "out", *arguments)
    assert (done.exit_code, message in done.output, done.output.count("\n")) == (2, True, 1), done.output


@pytest.mark.parametrize(("name", "form"), [("g.tflite", "onnx"), ("g.onnx", "tflite"), ("g.ONNX", "savedmodel")])
def test_a_name_of_another_format_is_refused(model: Path, tmp_path: Path, name: str, form: str) -> None:
    done = run(model, tmp_path / name, "--format", form)
    assert (done.exit_code, list(tmp_path.iterdir())) == (2, [])
    assert f"{name}: is no name for {form}, expected another one or another format" in done.output


def test_a_savedmodel_that_can_not_be_stored_is_told_in_one_line(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras
    import tensorflow as tf

    def full(*arguments: Any, **options: Any) -> None:
        raise tf.errors.ResourceExhaustedError(None, None, "out; No space left on device\n\t[Op:SaveV2]")

    monkeypatch.setattr(keras.Model, "export", full)
    done = run(model, tmp_path / "saved", "--format", "savedmodel", "--window", SIDE)
    assert (done.exit_code, done.output.count("\n"), list(tmp_path.iterdir())) == (1, 1, [])
    assert "saved: can not be written: out; No space left on device" in done.output


def test_what_is_there_is_kept_and_folders_of_others_always(model: Path, tmp_path: Path) -> None:
    (tmp_path / "g.onnx").write_text("precious")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes").write_text("precious")
    assert "exists already" in run(model, tmp_path / "g.onnx").output
    line = [model, tmp_path / "folder", "--format", "savedmodel", "--overwrite"]
    assert "is a folder, and no SavedModel to replace" in run(*line).output
    assert (tmp_path / "folder" / "notes").read_text() == "precious"


@pytest.mark.parametrize("form", export.FORMATS)
def test_a_model_is_never_written_over_by_what_is_made_of_it(model: Path, form: str) -> None:
    before = model.read_bytes()
    done = run(model, model, "--format", form, "--window", SIDE, "--overwrite")
    assert (done.exit_code, "is what is exported, expected another file name" in done.output) == (1, True)
    assert model.read_bytes() == before


def test_a_generator_that_drops_values_has_no_form_in_onnx(tmp_path: Path) -> None:
    path = saved(tmp_path / "own.safetensors", GeneratorConfig("unet_128", filters=1, test_mode="own"))
    with pytest.raises(BackendError, match="without dropout in use"):
        export.export(path, tmp_path / "g.onnx", ExportOptions(window=128))


def test_nor_in_tensorflow_lite(tmp_path: Path) -> None:
    path = saved(tmp_path / "own.safetensors", GeneratorConfig("unet_128", filters=1, test_mode="own"))
    done = run(path, tmp_path / "g.tflite", "--format", "tflite", "--window", 128)
    assert (done.exit_code, done.output.count("\n"), "without dropout in use" in done.output) == (1, 1, True)
    assert not (tmp_path / "g.tflite").exists()


@pytest.mark.long
def test_on_pytorch_too(model: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from cli import main; main()", "export", model, tmp_path / "g.onnx"]
    environment = {**user_environment(), "KERAS_BACKEND": "torch"}
    done = subprocess.run(
        [*command, "--window", str(SIDE)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = onnxruntime.InferenceSession(tmp_path / "g.onnx").run(None, {"source": batch(2)})[0]
    assert np.abs(found - keras_of(model, batch(2))).max() < 1e-4


@pytest.mark.parametrize("span", [(0, 1e39), (1e300, 1e308), (0, 1e-39)])
def test_a_range_that_float32_can_not_compute_with_is_refused(
    model: Path, tmp_path: Path, span: tuple[float, float]
) -> None:
    done = run(model, tmp_path / "g.onnx", "--window", SIDE, "--target-range", *span)
    assert done.exit_code == 2
    assert "expected a span and limits that float32 computes with" in done.output


def test_values_that_are_no_numbers_are_refused(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = onnx_runtime.generator
    monkeypatch.setattr(onnx_runtime, "generator", lambda *told: lambda batch: generator(*told)(batch) * np.nan)
    done = run(model, tmp_path / "g.onnx", "--window", SIDE)
    assert "nan from Keras, expected at most 0.0001" in done.output
    assert not (tmp_path / "g.onnx").exists()


@pytest.mark.parametrize("form", ["savedmodel", "onnx"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_that_has_come_into_being_meanwhile_is_kept(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, overwrite: bool
) -> None:
    def slow(*arguments: Any) -> Any:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "notes").write_text("precious")
        if form == "savedmodel":
            Path(arguments[2]).mkdir()
        else:
            Path(arguments[2]).write_text("exported")
        return lambda source: expected(source)

    expected = backend.predictor(bundle.load(model).model)
    monkeypatch.setattr(export, "_written", slow)
    with pytest.raises(OutputError):
        export.export(model, tmp_path / "out", ExportOptions(form, window=SIDE, overwrite=overwrite))
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "notes"]


def test_a_savedmodel_takes_the_place_of_another_one_and_of_nothing_else(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def written(*arguments: Any) -> Any:
        Path(arguments[2]).mkdir()
        (Path(arguments[2]) / "saved_model.pb").write_text("new")
        return expected

    expected = backend.predictor(bundle.load(model).model)
    monkeypatch.setattr(export, "_written", written)
    options = ExportOptions("savedmodel", window=SIDE, overwrite=True)
    out = tmp_path / "out"
    for part in (out / "variables", out / "assets"):
        part.mkdir(parents=True)
    for file in ("saved_model.pb", "variables/variables.index"):
        (out / file).write_text("old")
    export.export(model, out, options)
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "saved_model.pb"]
    for name, message in (("plain", "is a file, expected the name of a folder"), ("a[1]", "for a pattern")):
        (tmp_path / name).write_text("precious")
        with pytest.raises(OutputError, match=message):
            export.export(model, tmp_path / name, options)


@pytest.mark.long
@pytest.mark.parametrize("architecture", ["resnet_6blocks", "encoder_decoder"])
def test_networks_that_enlarge_by_resizing_have_a_form_in_tensorflow_lite(tmp_path: Path, architecture: str) -> None:
    config = GeneratorConfig(architecture, source_bands=2, filters=2, upsampling="resize")
    path = saved(tmp_path / "model.safetensors", config)
    assert export.export(path, tmp_path / "g.tflite", ExportOptions("tflite", window=256)) <= export.TOLERANCE


@pytest.mark.parametrize("kind", ["the model", "the model among assets", "notes", "notes among variables", "a link"])
def test_a_folder_that_holds_more_than_a_savedmodel_is_kept(model: Path, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "saved"
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"")
    source, out = model, folder
    if kind.startswith("the model"):
        (folder / "assets").mkdir()
        source = folder / ("assets" if "assets" in kind else "") / "model.safetensors"
        source.write_bytes(model.read_bytes())
    elif kind.startswith("notes"):
        (folder / ("variables" if "variables" in kind else "") / "notes.txt").write_text("precious")
    else:
        out = tmp_path / "link"
        out.symlink_to(folder)
    before = sorted(folder.rglob("*"))
    done = run(source, out, "--format", "savedmodel", "--overwrite", "--window", SIDE)
    assert "beside a SavedModel" in done.output or "is a link to a folder" in done.output
    assert sorted(folder.rglob("*")) == before


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(OptionError, match="format 'coreml'"):
        ExportOptions("coreml")
