"""`infer --uncertainty` as a user meets it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from click.testing import Result
from numpy.typing import NDArray

from sartranslate.backscatter.radiometry import Radiometry
from sartranslate.networks import backend, bundle
from sartranslate.recipes.architecture import GeneratorConfig
from tests.conftest import WriteScene

Run = Callable[..., Result]


@pytest.fixture
def scene(write_scene: WriteScene, amplitudes: NDArray[np.uint16]) -> Path:
    return write_scene("scene.tif", amplitudes[:256, :256])


@pytest.fixture(scope="module")
def save_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write an untrained generator of any configuration."""

    def save(**config: object) -> Path:
        backend.select("tensorflow")
        from sartranslate.networks.blocks import initialise
        from sartranslate.networks.generators import build_generator
        from sartranslate.recipes.initialisation import Initialisation

        generator = GeneratorConfig(**{"filters": 2, **config})  # type: ignore[arg-type]
        model = build_generator(generator)
        initialise(model, Initialisation("kaiming"), 0)
        path = tmp_path_factory.mktemp("model") / "model.safetensors"
        bundle.save(path, bundle.Bundle(bundle.Description("untrained", generator, Radiometry()), model))
        return path

    return save


def spread_of(path: Path) -> NDArray[np.uint8]:
    with rasterio.open(path) as dataset:
        return np.asarray(dataset.read(1))


def test_it_is_in_the_line_and_in_the_json_and_the_same_in_every_run(
    sartranslate: Run, scene: Path, tmp_path: Path, tiny_model: Path
) -> None:
    out, spread = tmp_path / "out.tif", tmp_path / "spread.tif"
    told = ["infer", scene, out, "--uncertainty", spread, "--model", tiny_model]
    result = sartranslate(*told)
    assert (result.exit_code, result.stderr, result.stdout.count("\n")) == (0, "", 1)
    text = "8 samples of each window in 4 orientations, contrast 0.81 to 1.17, dropout 0.5"
    assert result.stdout.endswith(f"; uncertainty in {spread}: {text}\n")
    first = spread.read_bytes()
    summary = json.loads(sartranslate(*told, "--overwrite", "--json", "--batch-size", "8").stdout)
    assert (summary["uncertainty"], summary["spread"]) == (str(spread), text)
    assert spread.read_bytes() == first
    assert spread_of(spread).any()


def test_without_it_the_json_has_none(sartranslate: Run, scene: Path, tmp_path: Path, tiny_model: Path) -> None:
    summary = json.loads(sartranslate("infer", scene, tmp_path / "out.tif", "--model", tiny_model, "--json").stdout)
    assert (summary["uncertainty"], summary["spread"]) == (None, None)


@pytest.mark.long
@pytest.mark.parametrize(
    ("config", "samples", "text"),
    [
        (
            {"dropout": 0.0},
            9,
            "9 samples of each window in 5 orientations, contrast 0.81 to 1.17, a model without dropout",
        ),
        (
            {"dropout_layers": (8, 8)},
            2,
            "2 samples of each window in 2 orientations, contrast 0.92 to 1.17, a model without dropout",
        ),
        ({"test_mode": "own"}, 2, "2 samples of each window in 2 orientations, contrast 0.92 to 1.17, dropout 0.5"),
        (
            {"architecture": "resnet_6blocks"},
            3,
            "3 samples of each window in 3 orientations, contrast 0.92 to 1.17, dropout 0.5",
        ),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else None,
)
def test_every_kind_of_model_has_a_spread_that_says_what_it_is_over(
    sartranslate: Run,
    scene: Path,
    tmp_path: Path,
    save_model: Callable[..., Path],
    config: dict[str, object],
    samples: int,
    text: str,
) -> None:
    told = ["--uncertainty", tmp_path / "spread.tif", "--uncertainty-samples", samples, "--model", save_model(**config)]
    result = sartranslate("infer", scene, tmp_path / "out.tif", *told)
    assert result.exit_code == 0, result.output
    assert text in result.stdout
    assert spread_of(tmp_path / "spread.tif").mean() > 1


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["--uncertainty-samples", "4"], 2, "--uncertainty-samples without --uncertainty"),
        (["--uncertainty", "u.tif", "--uncertainty-samples", "1"], 2, "1 is not in the range x>=2"),
        (["--uncertainty", "u.tif", "--uncertainty-samples", "many"], 2, "'many' is not a valid integer range"),
        (["--uncertainty", "."], 1, ".: is a folder or a device"),
        (["--uncertainty", "out.tif"], 1, "out.tif: is the output itself, expected another file name"),
        (["--uncertainty", "scene.tif", "--overwrite"], 1, "scene.tif: is (part of) the scene itself"),
        (["--uncertainty", "model.safetensors", "--overwrite"], 1, "model.safetensors: is the model or the area"),
        (["--uncertainty", "kept.tif"], 1, "kept.tif: exists already; --overwrite replaces it"),
        (["--uncertainty", "absent/u.tif"], 1, "u.tif: the folder absent does not exist"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_an_uncertainty_that_can_not_be_written_is_refused_and_nothing_changes(
    sartranslate: Run,
    scene: Path,
    tmp_path: Path,
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    exit_code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("model.safetensors").write_bytes(tiny_model.read_bytes())
    Path("kept.tif").write_text("precious")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    result = sartranslate("infer", "scene.tif", "out.tif", "--model", "model.safetensors", *arguments)
    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert message in result.stderr.splitlines()[-1]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
