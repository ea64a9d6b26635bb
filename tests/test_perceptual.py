"""FID and LPIPS come from the packages of their authors, or are absent and it is said why."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from sartranslate.evaluate.perceptual import FID_WEIGHTS, LPIPS_WEIGHTS, Perceptual, weights_folder
from sartranslate.quality.bootstrap import Resamples
from sartranslate.rasters.raster import opened_raster
from tests.textures import TRUTH

# Packages with the same interface that compute something simple instead.
FID_STUB = """
from pathlib import Path
def calculate_fid_given_paths(paths, batch_size, device, dims, num_workers=1):
    print("progress")
    assert (device, dims) == ("cpu", 2048) and batch_size >= 1
    return float(sum(len(list(Path(path).glob("*.png"))) for path in paths))
"""
LPIPS_STUB = """
import numpy as np
def im2tensor(image):
    assert image.dtype == np.uint8
    return image / 127.5 - 1
class LPIPS:
    def __init__(self, net, verbose):
        assert net == "alex" and not verbose
    def __call__(self, one, two):
        return np.abs(one - two).mean(keepdims=True)
"""
STACK = np.concatenate([TRUTH[1], TRUTH[0]], axis=-1).astype(np.float32)


@pytest.fixture
def torch_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    weights_folder().mkdir(parents=True)
    return weights_folder()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    (tmp_path / "pictures").mkdir()
    return tmp_path / "pictures"


def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = tmp_path / "packages"
    for name, text in {"pytorch_fid/__init__.py": "", "pytorch_fid/fid_score.py": FID_STUB}.items():
        (packages / name).parent.mkdir(parents=True, exist_ok=True)
        (packages / name).write_text(text)
    (packages / "lpips.py").write_text(LPIPS_STUB)
    monkeypatch.syspath_prepend(str(packages))
    for name in ("pytorch_fid", "pytorch_fid.fid_score", "lpips"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def test_without_weights_both_are_absent_and_the_notes_name_the_missing_files(torch_home: Path, pictures: Path) -> None:
    perceptual = Perceptual(pictures, (64, 64), 64)
    perceptual.add(["model"], STACK)
    assert perceptual.scores(["model"], Resamples([0], 0)) == {"model": {}}
    fid, lpips = perceptual.notes
    assert fid.startswith(f"FID: {torch_home / FID_WEIGHTS}, the weights that pytorch_fid takes, is not there")
    assert lpips.startswith(f"LPIPS: {torch_home / LPIPS_WEIGHTS}, the weights that lpips takes, is not there")
    assert list(pictures.iterdir()) == []


def test_without_the_packages_both_are_absent_and_the_notes_name_them(
    torch_home: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, weights in {"pytorch_fid": FID_WEIGHTS, "lpips": LPIPS_WEIGHTS}.items():
        (torch_home / weights).touch()
        monkeypatch.setitem(sys.modules, name, None)
    perceptual = Perceptual(pictures, (64, 64), 64)
    assert perceptual.notes == [
        "FID: the package pytorch_fid is not installed.",
        "LPIPS: the package lpips is not installed.",
    ]


@pytest.fixture
def both(torch_home: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Perceptual:
    install(tmp_path, monkeypatch)
    for weights in (FID_WEIGHTS, LPIPS_WEIGHTS):
        (torch_home / weights).touch()
    return Perceptual(pictures, (64, 64), 64)


def test_packages_and_weights_that_are_there_are_used(both: Perceptual, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        both.add(["model"], STACK)
    scores = both.scores(["model"], Resamples([0, 1, 2], 0))["model"]
    assert scores["fid"].value == 6
    assert scores["fid"].low is None
    wanted = np.abs(TRUTH[1].astype(float) - TRUTH[0]).mean() / 127.5
    assert scores["lpips"] == pytest.approx((wanted, wanted, wanted))
    assert any("FID: of 3 images. It is biased" in note for note in both.notes)
    assert capsys.readouterr() == ("", "")


def test_of_a_single_picture_there_is_no_distance_and_a_note_says_why(both: Perceptual) -> None:
    both.add(["model"], STACK)
    assert "fid" not in both.scores(["model"], Resamples([0], 0))["model"]
    assert both.notes == ["FID: expected at least two images of one size."]


def test_pictures_are_handed_over_unharmed(both: Perceptual, pictures: Path) -> None:
    both.add(["model"], STACK)
    for folder, image in (("0", TRUTH[1]), ("truth", TRUTH[0])):
        with opened_raster(pictures / folder / "0.png") as dataset:
            assert (np.moveaxis(dataset.read(), 0, -1) == image).all()


def test_pictures_of_another_size_are_left_out_of_a_set(both: Perceptual, pictures: Path) -> None:
    both.add(["model"], STACK[:50])
    assert list(pictures.iterdir()) == []


def test_pictures_too_small_for_the_network_are_said_to_be(torch_home: Path, pictures: Path) -> None:
    perceptual = Perceptual(pictures, (64, 64), 20)
    assert "LPIPS: expected images of at least 32 x 32 pixels." in perceptual.notes
