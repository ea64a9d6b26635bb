"""The choice among runtimes: measured once, kept, and made again when anything has changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result

from sartranslate.errors import BackendError, DeviceMemoryError, OptionError
from sartranslate.networks import bundle
from sartranslate.runtimes import runtime_choice
from sartranslate.runtimes.folding import fold
from sartranslate.runtimes.runtime import Engine
from sartranslate.runtimes.runtime_choice import load_fastest
from sartranslate.runtimes.steps import Folded

SECONDS = {"keras": 0.02, "onnxruntime": 0.03, "openvino": 0.01}  # of a call


class Clock:
    """Time that passes in the calls of generators alone."""

    def __init__(self) -> None:
        self.now = 0.0

    def engine(self, name: str, seconds: float) -> Engine:
        def generate(batch: Any) -> Any:
            self.now += seconds
            return np.zeros((*batch.shape[:3], 3), np.float32)

        return Engine(generate, 8, 1, "CPU", "float32", name)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where choices are kept; nothing is there yet."""
    monkeypatch.setattr(runtime_choice, "cache_folder", lambda: tmp_path / "sartranslate")
    return tmp_path / "sartranslate" / "runtimes.json"


def machines(file: Path) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads(file.read_text())["machines"]
    return found


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the runtimes that have been loaded, with the rates of `SECONDS`."""
    names: list[str] = []
    clock = Clock()

    def load(name: str, folded: Folded, precision: str, calibration: object = None) -> Engine:
        names.append(name)
        if precision == "float16" and name != "keras":
            raise OptionError(f"precision 'float16': {name} has float32 on this processor")
        return clock.engine(name, SECONDS[name])

    monkeypatch.setattr(runtime_choice, "load", load)
    monkeypatch.setattr(runtime_choice, "installed", lambda name: True)
    monkeypatch.setattr(runtime_choice.time, "perf_counter", lambda: clock.now)
    return names


@pytest.fixture
def folded(tiny_model: Path) -> Folded:
    description, tensors = bundle.read(tiny_model)
    return fold(description.generator, tensors)


def test_the_fastest_is_taken_and_the_reason_told(file: Path, loaded: list[str], folded: Folded) -> None:
    told: list[str] = []
    assert load_fastest(folded, "auto", told.append).runtime == "openvino"
    assert told == [
        "Measuring the speed of keras, onnxruntime, openvino here, once",
        "keras 400 windows/s in float32, onnxruntime 267 windows/s in float32, openvino 800 windows/s in float32",
    ]


def test_a_choice_is_made_once_for_each_generator_and_precision(file: Path, loaded: list[str], folded: Folded) -> None:
    load_fastest(folded, "auto")
    assert loaded == list(SECONDS)
    for _ in range(2):
        loaded.clear()
        assert load_fastest(folded, "auto").runtime == "openvino"
        assert loaded == ["openvino"]
    loaded.clear()
    load_fastest(folded, "float32")
    assert loaded == list(SECONDS)
    loaded.clear()
    load_fastest(folded._replace(steps=folded.steps[1:]), "auto")
    assert loaded == list(SECONDS)
    assert [len(choices) for choices in machines(file).values()] == [3]


def test_a_runtime_without_the_precision_is_left_out(file: Path, loaded: list[str], folded: Folded) -> None:
    assert load_fastest(folded, "float16").runtime == "keras"


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.pop("machines"),
        lambda content: content.update(machines=[1, 2]),
        lambda content: content["machines"].update({key: [1, 2] for key in content["machines"]}),
        lambda content: content["machines"].update(dict.fromkeys(content["machines"], "tvm")),
        lambda content: [choices.update(dict.fromkeys(choices, "tvm")) for choices in content["machines"].values()],
    ],
)
def test_another_form_is_ignored_and_rebuilt(
    change: Callable[[Any], Any], file: Path, loaded: list[str], folded: Folded
) -> None:
    load_fastest(folded, "auto")
    whole = file.read_text()
    content = json.loads(whole)
    change(content)
    file.write_text(json.dumps(content))
    loaded.clear()
    assert load_fastest(folded, "auto").runtime == "openvino"
    assert loaded == list(SECONDS)
    assert file.read_text() == whole


@pytest.mark.parametrize(
    "change", [{"software": "0.0.1"}, {"processor": "another"}, {"versions": {"openvino": "1.0"}}, {"gpu": []}]
)
def test_each_machine_and_version_has_its_own_choices(
    change: dict[str, object], file: Path, loaded: list[str], folded: Folded, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = runtime_choice._machine
    for machine in (here, lambda: {**here(), **change}):
        monkeypatch.setattr(runtime_choice, "_machine", machine)
        loaded.clear()
        for again in (False, True):
            load_fastest(folded, "auto")
            assert loaded == [*SECONDS, *["openvino"] * again]
    assert len(machines(file)) == 2


def test_libraries_that_make_a_gpu_usable_are_another_machine(
    file: Path, loaded: list[str], folded: Folded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_fastest(folded, "auto")
    loaded.clear()
    (tmp_path / "packages" / "nvidia" / "cudnn").mkdir(parents=True)
    monkeypatch.syspath_prepend(tmp_path / "packages")
    load_fastest(folded, "auto")
    assert loaded == list(SECONDS)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"null"])
def test_a_broken_file_is_rebuilt(content: bytes, file: Path, loaded: list[str], folded: Folded) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    assert load_fastest(folded, "auto").runtime == "openvino"
    assert [len(choices) for choices in machines(file).values()] == [1]


def test_where_nothing_can_be_kept_it_is_measured_again(file: Path, loaded: list[str], folded: Folded) -> None:
    file.parent.write_text("a file in the place of the folder")
    for _ in range(2):
        loaded.clear()
        assert load_fastest(folded, "auto").runtime == "openvino"
        assert loaded == list(SECONDS)


def test_a_single_runtime_is_not_measured(
    file: Path, loaded: list[str], folded: Folded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime_choice, "installed", lambda name: name == "onnxruntime")
    assert load_fastest(folded, "auto").runtime == "onnxruntime"
    assert not file.exists()


def test_what_fails_is_left_out_and_the_reason_told(
    file: Path, loaded: list[str], folded: Folded, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(batch: Any) -> Any:
        raise DeviceMemoryError("the generator failed: out of memory")

    load = runtime_choice.load

    def failing(name: str, *given: Any) -> Engine:
        engine = load(name, *given)
        return replace(engine, generator=broken) if name == "openvino" else engine

    monkeypatch.setattr(runtime_choice, "load", failing)
    told: list[str] = []
    assert load_fastest(folded, "auto", told.append).runtime == "keras"
    assert "openvino left out: the generator failed: out of memory" in told
    assert not file.exists()  # for that may pass


def test_a_choice_that_can_not_be_loaded_any_more_is_told_and_made_again(
    file: Path, loaded: list[str], folded: Folded, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_fastest(folded, "auto").runtime == "openvino"
    load = runtime_choice.load

    def failing(name: str, *given: Any) -> Engine:
        if name == "openvino":
            raise BackendError("runtime 'openvino' can not be loaded: no such library")
        return load(name, *given)

    monkeypatch.setattr(runtime_choice, "load", failing)
    told: list[str] = []
    assert load_fastest(folded, "auto", told.append).runtime == "keras"
    assert told[0].startswith("openvino, the fastest until now, left out: runtime 'openvino' can not be loaded")


def test_fewer_threads_are_another_question(
    file: Path, loaded: list[str], folded: Folded, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_fastest(folded, "auto")
    loaded.clear()
    monkeypatch.setenv("SARTRANSLATE_THREADS", "1")
    load_fastest(folded, "auto")
    assert loaded == list(SECONDS)


def test_without_a_home_it_is_measured_each_time(
    loaded: list[str], folded: Folded, monkeypatch: pytest.MonkeyPatch
) -> None:
    def homeless(name: str) -> Path:
        raise RuntimeError("could not determine the home directory")

    monkeypatch.setattr("sartranslate.storage.cache_folder.user_cache_path", homeless)
    assert load_fastest(folded, "auto").runtime == "openvino"


def test_eight_bits_are_not_measured(file: Path, loaded: list[str], folded: Folded) -> None:
    assert load_fastest(folded, "int8").runtime == "openvino"
    assert loaded == ["openvino"]
    assert not file.exists()


def test_another_backend_is_another_question(
    file: Path, loaded: list[str], folded: Folded, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("tensorflow", "torch"):
        loaded.clear()
        monkeypatch.setattr(runtime_choice, "preferred", lambda name=name: name)
        load_fastest(folded, "auto")
        assert loaded == list(SECONDS)


def test_where_nothing_is_left_that_is_said(
    file: Path, loaded: list[str], folded: Folded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime_choice, "installed", lambda name: name != "keras")
    told: list[str] = []
    with pytest.raises(BackendError, match="precision 'float16': none of onnxruntime, openvino can run this generator"):
        load_fastest(folded, "float16", told.append)
    assert told[1] == "onnxruntime left out: precision 'float16': onnxruntime has float32 on this processor"
    monkeypatch.setattr(runtime_choice, "installed", lambda name: False)
    with pytest.raises(BackendError, match="no runtime is installed, expected one of keras, onnxruntime, openvino"):
        load_fastest(folded, "auto")


def test_the_command_measures_what_is_really_there(
    file: Path, tiny_model: Path, tmp_path: Path, sartranslate: Callable[..., Result]
) -> None:
    scene = Path(__file__).parents[1] / "sample_tiles" / "scene.tif"
    options = ("--runtime", "auto", "--model", tiny_model, "--overwrite")
    first, second = (sartranslate("infer", scene, tmp_path / "out.tif", *options) for _ in range(2))
    assert first.exit_code == second.exit_code == 0
    assert first.stderr.startswith("Measuring the speed of keras, ")
    assert "windows/s" in first.stderr
    assert second.stderr == ""
    ((choice,),) = (choices.values() for choices in machines(file).values())
    assert f"by {'tensorflow' if choice == 'keras' else choice}" in second.stdout
