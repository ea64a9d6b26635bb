"""`sartranslate import-weights`: from a file of PyTorch to a model that translates."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
from click.testing import CliRunner, Result

from cli import main
from sartranslate.exchange import weight_import
from sartranslate.networks import bundle
from tests.conftest import WriteScene
from tests.test_peer_weights import resnet, tensors_of, unet, with_random_weights

pytestmark = pytest.mark.long


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "latest_net_G.pth"
    torch.save(with_random_weights(resnet(6, 1, 3, 2, "instance")).state_dict(), path)
    return path


def test_the_model_translates_a_scene_as_its_generator_would(
    weights: Path, tmp_path: Path, write_scene: WriteScene
) -> None:
    done = run("import-weights", weights, tmp_path / "model.safetensors")
    assert done.output == (
        f"{tmp_path / 'model.safetensors'}: resnet_6blocks, 2 filters, instance norm, 1 to 3 channels\n"
    )
    values = np.random.default_rng(0).integers(0, 256, (64, 64, 1)).astype(np.uint8)
    scene, out = write_scene("scene.tif", values), tmp_path / "out.tif"
    line = ["infer", scene, out, "--model", tmp_path / "model.safetensors", "--window", 64, "--overlap", 16]
    translated = run(*line, "--runtime", "onnxruntime")
    assert translated.exit_code == 0, translated.output
    network = with_random_weights(resnet(6, 1, 3, 2, "instance"))
    with torch.no_grad():
        batch = torch.from_numpy(values.transpose(2, 0, 1)[None] / np.float32(127.5) - 1)
        expected = (network(batch)[0].numpy() + 1) * 127.5
    with rasterio.open(out) as dataset:
        assert np.abs(dataset.read() - expected).max() <= 0.51


def test_bands_scaling_and_test_mode_are_kept_and_the_kernels_are_whole(tmp_path: Path) -> None:
    network = with_random_weights(unet(7, 2, 3, 2, "batch"))
    torch.save(network.state_dict(), tmp_path / "g.pth")
    options = ["--scaling", "fixed", "--range", -30, 5, "--bands", "VH,VV", "--test-mode", "own"]
    assert run("import-weights", tmp_path / "g.pth", tmp_path / "m.safetensors", *options).exit_code == 0
    description, variables = bundle.read(tmp_path / "m.safetensors")
    found = description.radiometry
    assert (found.scaling, found.low, found.high, found.bands) == ("fixed", -30, 5, (("VH",), ("VV",)))
    assert description.generator.test_mode == "own"
    assert np.array_equal(variables["down0/kernel"], tensors_of(network)["model.model.0.weight"].transpose(2, 3, 1, 0))


class Malicious:
    """Would make a folder where it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


def test_a_generator_of_a_training_without_dropout_has_none(tmp_path: Path) -> None:
    weights = tmp_path / "unet.pth"
    torch.save(with_random_weights(unet(7, 1, 3, 2, "batch")).state_dict(), weights)
    for name, options in (("usual", ()), ("without", ("--no-dropout",))):
        assert run("import-weights", weights, tmp_path / f"{name}.safetensors", *options).exit_code == 0
    found = [bundle.describe(tmp_path / f"{name}.safetensors").generator.dropout for name in ("usual", "without")]
    assert found == [0.5, 0.0]


def test_what_is_no_generator_is_refused_in_a_line_and_nothing_of_it_runs(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "malicious.pth").write_bytes(pickle.dumps(Malicious(tmp_path / "made")))
    (tmp_path / "noise.pth").write_bytes(b"noise" * 100)
    (tmp_path / "cut.pth").write_bytes(weights.read_bytes()[:2000])
    torch.save({"epoch": 3}, tmp_path / "other.pth")
    torch.save(unet(7, 5, 3, 1, "none").state_dict(), tmp_path / "five.pth")
    broken = unet(7, 1, 3, 1, "none").state_dict()
    next(iter(broken.values()))[0] = np.nan
    torch.save(broken, tmp_path / "broken.pth")
    usual = unet(7, 1, 3, 2, "batch").state_dict()
    first = next(iter(usual))
    kernel = usual[first]
    odd = {
        "claims.pth": torch.zeros(1).expand(10**12),
        "sparse.pth": kernel.to_sparse(),
        "complex.pth": kernel.to(torch.complex64),
        "eight.pth": kernel.to(torch.float8_e4m3fn),
        "meta.pth": kernel.to("meta"),
        "beyond.pth": kernel.double() * 1e300,
        "wide.pth": torch.zeros(1024, 1, 4, 4),
    }
    count = next(name for name in usual if name.endswith("num_batches_tracked"))
    turned = {**usual, first: torch._neg_view(kernel), count: usual[count].to(torch.uint8)}
    torch.save(turned, tmp_path / "turned.pth")
    assert run("import-weights", tmp_path / "turned.pth", tmp_path / "turned.safetensors").exit_code == 0
    for name, tensor in odd.items():
        torch.save({**usual, first: tensor}, tmp_path / name)
    variance = next(name for name in usual if name.endswith("running_var"))
    torch.save({**usual, variance: -usual[variance]}, tmp_path / "variance.pth")
    for name, message in {
        "claims.pth": "claims 1000000000000 values, which are not in the file",
        "sparse.pth": "torch.sparse_coo, expected whole float32 or the like",
        "complex.pth": "is a tensor of torch.complex64",
        "eight.pth": "is a tensor of torch.float8_e4m3fn",
        "meta.pth": "expected whole float32 or the like",
        "beyond.pth": "has values that are not finite",
        "wide.pth": "filters 1024: expected a whole number from 1 to 512",
        "variance.pth": "beyond float32",
        "broken.pth": "has values that are not finite",
        "malicious.pth": "not weights of PyTorch",
        "noise.pth": "not weights of PyTorch",
        "cut.pth": "not weights of PyTorch",
        "other.pth": "not a state dict",
        "five.pth": "takes 5 channels, but polarisations: none told",
        "absent.pth": "no such file",
    }.items():
        done = run("import-weights", tmp_path / name, tmp_path / "model.safetensors")
        assert (done.exit_code, message in done.output, done.output.count("\n")) == (1, True, 1), done.output
        assert done.output.count(str(tmp_path / name)) == 1
    assert not (tmp_path / "made").exists()
    assert not (tmp_path / "model.safetensors").exists()


def test_a_model_that_has_come_into_being_meanwhile_is_kept(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(path: Path) -> Any:
        (tmp_path / "model.safetensors").write_text("theirs")
        return original(path)

    original = weight_import.read_state
    monkeypatch.setattr(weight_import, "read_state", slow)
    done = run("import-weights", weights, tmp_path / "model.safetensors")
    assert (done.exit_code, "was made by someone else meanwhile" in done.output) == (1, True)
    assert (tmp_path / "model.safetensors").read_text() == "theirs"


def test_a_model_that_is_there_is_kept(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_text("precious")
    done = run("import-weights", weights, tmp_path / "model.safetensors")
    assert (done.exit_code, "--overwrite replaces it" in done.output) == (1, True)
    assert run("import-weights", weights, tmp_path / "model.safetensors", "--overwrite").exit_code == 0
    done = run("import-weights", weights, weights, "--overwrite")
    assert (done.exit_code, "is what is imported" in done.output) == (1, True)
