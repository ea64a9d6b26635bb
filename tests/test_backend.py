"""The choice of framework and precision, and the second framework against the first."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio

from sartranslate.errors import BackendError, OptionError
from sartranslate.networks import backend
from sartranslate.simulate.simulation import SimulationOptions, simulate
from tests.conftest import user_environment

CODE = "from cli import main; main()"


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own, where another backend can be chosen."""
    command = [sys.executable, "-c", CODE, *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, env=user_environment(), cwd=Path(__file__).parents[1]
    )


def test_an_unknown_backend_is_refused() -> None:
    with pytest.raises(BackendError, match="backend 'jax': expected one of tensorflow, torch"):
        backend.select("jax")


def test_a_backend_that_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BackendError, match="backend 'torch' is not installed: pip install"):
        backend.select("torch")
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    with pytest.raises(BackendError, match="no backend is installed"):
        backend.select()


def test_the_backend_can_not_change_under_a_running_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    backend.select("tensorflow")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    with pytest.raises(BackendError, match="keras already runs on 'tensorflow'"):
        backend.select("torch")


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(OptionError, match="precision 'int8'"):
        backend.resolve_precision("int8")


def test_auto_precision_is_one_of_the_others() -> None:
    backend.select("tensorflow")
    assert backend.resolve_precision("auto") in backend.PRECISIONS[1:]


needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")


@pytest.mark.long
@needs_torch
def test_torch_translates_as_tensorflow_does(tmp_path: Path) -> None:
    simulate(tmp_path, SimulationOptions(pairs=0, scene=(300, 420)))
    pictures = []
    for name in backend.BACKENDS:
        out = tmp_path / f"{name}.tif"
        done = run("infer", tmp_path / "scene.tif", out, "--precision", "float32", "--backend", name)
        assert (done.returncode, done.stderr) == (0, "")
        with rasterio.open(out) as dataset:
            pictures.append(dataset.read().astype(int))
    assert np.ptp(pictures[0]) > 100
    assert np.abs(pictures[0] - pictures[1]).max() <= 1


@pytest.mark.long
@needs_torch
def test_a_model_trained_by_torch_serves_tensorflow(tmp_path: Path) -> None:
    simulate(tmp_path, SimulationOptions(pairs=4, scene=(300, 280)))
    small = ["--epochs", 4, "--batch-size", 2, "--filters", 8, "--discriminator-filters", 8, "--precision", "float32"]
    trained = run("train", "--pairs", tmp_path, "--out", tmp_path / "run", "--backend", "torch", *small)
    assert (trained.returncode, trained.stderr) == (0, "")
    rows = (tmp_path / "run" / "history.csv").read_text(encoding="utf-8").splitlines()[1:]
    l1 = [float(row.split(",")[-1]) for row in rows]
    assert l1[-1] < l1[0]
    model = tmp_path / "run" / "model.safetensors"
    done = run("infer", tmp_path / "scene.tif", tmp_path / "out.tif", "--model", model, "--backend", "tensorflow")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_framework_without_keras_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "keras" else object())
    with pytest.raises(BackendError, match=r"backend .torch. is not installed: pip install keras$"):
        backend.select("torch")
