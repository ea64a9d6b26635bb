"""Runtimes behind one callable: what they agree on, and what they say when they can not."""

from __future__ import annotations

import importlib.util
import json
import logging
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from click.testing import Result
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from sartranslate.backscatter.radiometry import to_rgb
from sartranslate.errors import BackendError, OptionError
from sartranslate.networks import bundle
from sartranslate.networks.backend import BACKENDS
from sartranslate.runtimes import runtime, translator
from sartranslate.runtimes.folding import fold
from sartranslate.runtimes.runtime import RUNTIMES
from sartranslate.runtimes.translator import load_translator
from sartranslate.simulate.simulation import SimulationOptions, simulate
from sartranslate.streaming.threads import cores
from tests.conftest import user_environment

ROOT = Path(__file__).parents[1]
SCENE = ROOT / "sample_tiles" / "scene.tif"
OTHERS = [name for name in RUNTIMES if name != runtime.FRAMEWORK]
Run = Callable[..., Result]


def read(path: Path) -> NDArray[np.int64]:
    with rasterio.open(path) as dataset:
        return dataset.read().astype(int)


def translated(sartranslate: Run, out: Path, *options: object) -> NDArray[np.int64]:
    done = sartranslate("infer", SCENE, out, "--overwrite", *options)
    assert done.exit_code == 0, done.output
    return read(out)


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> NDArray[np.int64]:
    """The default model's picture of the sample scene, by Keras in float32."""
    from click.testing import CliRunner

    from cli import main

    out = tmp_path_factory.mktemp("exact") / "out.tif"
    options = [str(SCENE), str(out), "--runtime", "keras", "--precision", "float32"]
    assert CliRunner().invoke(main, ["infer", *options]).exit_code == 0
    return read(out)


@pytest.mark.parametrize("name", OTHERS)
def test_other_runtimes_are_within_a_grey_level_of_keras(
    name: str, exact: NDArray[np.int64], tmp_path: Path, sartranslate: Run
) -> None:
    found = translated(sartranslate, tmp_path / "out.tif", "--runtime", name, "--precision", "float32")
    assert np.ptp(found) > 150
    assert np.abs(found - exact).max() <= 1


@pytest.mark.parametrize(("name", "precision"), [("keras", "bfloat16"), ("keras", "float16"), ("openvino", "auto")])
def test_lower_precision_is_within_two_grey_levels_at_the_999th_of_1000(
    name: str, precision: str, exact: NDArray[np.int64], tmp_path: Path, sartranslate: Run
) -> None:
    found = translated(sartranslate, tmp_path / "out.tif", "--runtime", name, "--precision", precision)
    assert np.quantile(np.abs(found - exact), 0.999) <= 2


def test_a_smooth_surface_is_not_shifted_by_bfloat16() -> None:
    """Values that are alike are rounded alike, so the first convolutions do not average that out."""
    waves = gaussian_filter(np.random.default_rng(0).normal(0, 1, (4, 256, 256)), (0, 1, 1))
    surface = (0.1 * waves / waves.std()).astype(np.float32)[..., None]
    lower, exact = (
        to_rgb(load_translator(bundle.DEFAULT_MODEL, precision, runtime="keras").generator(surface)).astype(int)
        for precision in ("bfloat16", "float32")
    )
    assert np.abs(lower - exact).mean() < 0.25


@pytest.mark.parametrize("name", RUNTIMES)
def test_a_patch_is_the_same_whatever_else_is_in_its_batch(
    name: str, tiny_model: Path, noise: NDArray[np.float32]
) -> None:
    generator = load_translator(tiny_model, "float32", runtime=name).generator
    filled_up = noise[[0, 0, 0, 0]]
    np.testing.assert_array_equal(generator(noise)[0], generator(filled_up)[3])
    large = generator(np.resize(noise, (2, 512, 256, 1)))
    assert large.shape == (2, 512, 256, 3)


@pytest.fixture
def noise() -> NDArray[np.float32]:
    return np.random.default_rng(0).uniform(-1, 1, (4, 256, 256, 1)).astype(np.float32)


def test_an_unknown_runtime_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(BackendError, match="runtime 'tvm': expected one of auto, keras, onnxruntime, openvino"):
        runtime.check_runtime("tvm")


@pytest.mark.parametrize(
    ("name", "absent", "hint"),
    [
        ("onnxruntime", "onnxruntime", "pip install onnx onnxruntime"),
        ("openvino", "onnx", "pip install onnx openvino"),
        ("keras", "keras", "pip install tensorflow"),
    ],
)
def test_an_absent_runtime_is_refused_with_what_to_install(
    name: str, absent: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda package: None if package == absent else find(package))
    with pytest.raises(BackendError, match=f"runtime '{name}' is not installed: {hint}"):
        runtime.check_runtime(name)


def test_keras_without_a_framework_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda package: None if package in BACKENDS else find(package))
    assert not runtime.installed("keras")


@pytest.mark.parametrize("name", OTHERS)
def test_a_precision_that_a_runtime_lacks_is_refused_with_those_it_has(name: str, tiny_model: Path) -> None:
    description, tensors = bundle.read(tiny_model)
    with pytest.raises(OptionError, match=f"precision 'float16': {name} has .*float32.* on this processor"):
        runtime.load(name, fold(description.generator, tensors), "float16")


@pytest.mark.long
@pytest.mark.parametrize("name", [pytest.param("onnxruntime", marks=pytest.mark.long), "openvino"])
def test_eight_bits_are_within_three_grey_levels_for_99_of_100_values(
    name: str, exact: NDArray[np.int64], tmp_path: Path, sartranslate: Run
) -> None:
    found = translated(sartranslate, tmp_path / "out.tif", "--runtime", name, "--precision", "int8")
    apart = np.abs(found - exact)
    assert apart.max() > 1
    assert np.quantile(apart, 0.99) <= 3


@pytest.mark.long
def test_eight_bits_that_are_too_far_off_are_refused(
    tmp_path: Path, sartranslate: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sartranslate.runtimes import quantisation

    monkeypatch.setattr(quantisation, "MOST_APART", 0)
    done = sartranslate("infer", SCENE, tmp_path / "out.tif", "--runtime", "onnxruntime", "--precision", "int8")
    assert done.exit_code == 2
    assert re.search(
        r"Error: precision 'int8': \d grey levels from float32 on this scene for 1 of 100 values, expected at most 0",
        done.output,
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_calibration_is_silent_and_silences_no_other_thread(
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    from sartranslate.runtimes import onnx_graph, quantisation
    from sartranslate.runtimes.value_ranges import ValueRanges

    def tell() -> None:
        sys.stdout.write("told\n")
        logging.warning("logged")

    def patch(reader: quantisation._Patches) -> dict[str, Any] | None:
        thread = threading.Thread(target=tell)
        thread.start()
        thread.join()
        return following(reader)

    following = quantisation._Patches.get_next
    monkeypatch.setattr(quantisation._Patches, "get_next", patch)
    description, tensors = bundle.read(tiny_model)
    model = onnx_graph.onnx_model(fold(description.generator, tensors), ValueRanges())
    side, channels = description.generator.size_multiple, description.generator.source_bands
    patches = np.random.default_rng(1).uniform(-1, 1, (5, side, side, channels)).astype(np.float32)
    quantisation.quantised(model, patches)
    assert set(capsys.readouterr().out.splitlines()) == {"told"}
    assert {record.message for record in caplog.records} == {"logged"}
    assert logging.root.filters == []


@pytest.mark.long
def test_eight_bits_of_a_scene_smaller_than_a_window(tmp_path: Path, sartranslate: Run) -> None:
    simulate(tmp_path / "small", SimulationOptions(pairs=0, scene=(100, 90)))
    options = ("--runtime", "onnxruntime", "--precision", "int8")
    done = sartranslate("infer", tmp_path / "small" / "scene.tif", tmp_path / "out.tif", *options)
    assert (done.exit_code, read(tmp_path / "out.tif").shape[1:]) == (0, (100, 90))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            ["--runtime", "keras", "--precision", "int8"],
            "precision 'int8': keras has it not, expected runtime onnxruntime or openvino",
        ),
        (
            ["--precision", "int8", "--uncertainty", "spread.tif"],
            "precision 'int8' can not drop values as samples need it",
        ),
        (
            ["--runtime", "openvino", "--backend", "torch"],
            "--backend torch with --runtime openvino, expected keras or auto",
        ),
    ],
)
def test_options_that_exclude_each_other_are_wrong_usage(
    options: list[str], text: str, tmp_path: Path, sartranslate: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = sartranslate("infer", SCENE, "out.tif", *options)
    assert done.exit_code == 2
    assert text in done.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", OTHERS)
def test_eight_bits_need_a_scene(name: str, tiny_model: Path) -> None:
    with pytest.raises(OptionError, match="precision 'int8' without a scene to measure ranges on"):
        load_translator(tiny_model, "int8", runtime=name)


def test_a_runtime_that_can_not_draw_samples_is_refused(tmp_path: Path, sartranslate: Run) -> None:
    options = ("--runtime", "openvino", "--uncertainty", tmp_path / "spread.tif")
    done = sartranslate("infer", SCENE, tmp_path / "out.tif", *options)
    assert done.exit_code == 1
    assert done.output.startswith("Error: runtime 'openvino' can not drop values, as samples ")
    assert done.output.endswith(" need it: expected 'keras'\n")
    assert list(tmp_path.iterdir()) == []


def test_what_needs_keras_says_so_where_it_is_absent(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translator, "installed", lambda name: False)
    with pytest.raises(BackendError, match="samples need values dropped, which only 'keras' does: pip install"):
        load_translator(tiny_model, samples=2)


@pytest.mark.long
def test_the_environment_yields_to_options(
    tiny_model: Path, tmp_path: Path, sartranslate: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SARTRANSLATE_RUNTIME", "onnxruntime")
    arguments = ("infer", SCENE, tmp_path / "out.tif", "--model", tiny_model, "--overwrite", "--json")
    runtimes = [
        json.loads(sartranslate(*arguments, *more).stdout)["runtime"].split()[0]
        for more in (
            [],
            ["--backend", "tensorflow"],
            ["--uncertainty", tmp_path / "spread.tif"],
            ["--runtime", "openvino"],
        )
    ]
    assert runtimes == ["onnxruntime", "tensorflow", "tensorflow", "openvino"]


def test_a_broken_package_is_one_line(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = "sartranslate.runtimes.openvino_runtime"
    monkeypatch.setitem(sys.modules, module, None)  # what Python does with a failed import
    monkeypatch.delattr(module, raising=False)
    with pytest.raises(BackendError, match="runtime 'openvino' can not be loaded: "):
        load_translator(tiny_model, runtime="openvino")


def test_a_device_that_another_process_has_is_one_line(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf

    def session(**options: object) -> None:
        raise tf.errors.InternalError(None, None, "CUDA_ERROR_DEVICE_UNAVAILABLE")

    monkeypatch.setattr(tf.compat.v1, "Session", session)
    with pytest.raises(BackendError, match=r"^the generator failed: CUDA_ERROR_DEVICE_UNAVAILABLE$"):
        load_translator(tiny_model, runtime="keras")


@pytest.mark.parametrize(
    ("visible", "devices", "count"), [(["b"], "1", {}), (["a", "b"], "", {}), ([], "", {"GPU": 0})]
)
def test_a_generator_heeds_what_a_program_has_told_tensorflow(
    visible: list[str], devices: str, count: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorflow as tf

    from sartranslate.runtimes import tensorflow_graph

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["a", "b"])
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: visible)
    monkeypatch.setattr(tf.config.experimental, "get_memory_growth", lambda gpu: gpu == "b")
    monkeypatch.setattr(tf.config.threading, "get_intra_op_parallelism_threads", lambda: 3)
    config = tensorflow_graph._config()
    assert config.intra_op_parallelism_threads == 3
    assert (config.gpu_options.visible_device_list, config.gpu_options.allow_growth) == (devices, bool(visible))
    assert dict(config.device_count) == count


def test_the_output_says_what_it_was_computed_by(tiny_model: Path, tmp_path: Path, sartranslate: Run) -> None:
    options = ("--model", tiny_model, "--runtime", "onnxruntime")
    assert sartranslate("infer", SCENE, tmp_path / "out.tif", *options).exit_code == 0
    with rasterio.open(tmp_path / "out.tif") as dataset:
        assert re.fullmatch(r"by onnxruntime [\d.]+ on CPU in float32", dataset.tags()["SARTRANSLATE_COMPUTED"])


@pytest.mark.parametrize("name", OTHERS)
def test_a_failure_within_is_one_line(name: str, tiny_model: Path) -> None:
    generator = load_translator(tiny_model, "float32", runtime=name).generator
    with pytest.raises(BackendError, match=r"^the generator failed: .+") as caught:
        generator(np.zeros((1, 256, 256, 2), np.float32))
    assert "\n" not in str(caught.value)


TOGETHER = """
import os, sys, threading
from pathlib import Path
import numpy as np
from sartranslate.runtimes.translator import load_translator

translator = load_translator(Path(sys.argv[1]), "float32", runtime=sys.argv[2])
batch, meeting, pictures = np.zeros((1, 256, 256, 1), np.float32), threading.Barrier(4), []

def first_call():
    meeting.wait()
    pictures.append(translator.generator(batch))

calls = [threading.Thread(target=first_call, daemon=True) for _ in range(4)]
for call in calls:
    call.start()
for call in calls:
    call.join(60)
print(translator.concurrency, len(pictures), all(np.array_equal(pictures[0], p) for p in pictures), flush=True)
os._exit(0)  # without the threads that wait for ever
"""


@pytest.mark.long
@pytest.mark.parametrize(("name", "concurrency"), [("openvino", 3), ("keras", 4)])
def test_first_calls_of_a_process_may_come_at_once(name: str, concurrency: int, tiny_model: Path) -> None:
    """OpenVINO's own would wait for each other, two times of three."""
    command = [sys.executable, "-c", TOGETHER, tiny_model, name]
    done = subprocess.run(command, capture_output=True, text=True, env=user_environment(), cwd=ROOT)
    assert done.stdout.split() == [str(concurrency if cores() > 1 else 1), "4", "True"], done.stderr


BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "keras", "torch"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name in ("tensorflow", "keras", "torch") else find(name)
from cli import main
main()
"""


@pytest.mark.long
@pytest.mark.parametrize("name", [pytest.param("onnxruntime", marks=pytest.mark.long), "openvino"])
def test_they_need_neither_tensorflow_nor_keras(name: str, tmp_path: Path) -> None:
    simulate(tmp_path, SimulationOptions(pairs=0, scene=(300, 280)))
    command = [sys.executable, "-c", BLOCKED, "infer", tmp_path / "scene.tif", tmp_path / "out.tif", "--runtime", name]
    done = subprocess.run(command, capture_output=True, text=True, env=user_environment(), cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"by {name}" in done.stdout
    assert np.ptp(read(tmp_path / "out.tif")[:3]) > 50
