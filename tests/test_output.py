"""Nothing that a command reads or has written becomes its output, and nothing beside that goes unasked."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

from sartranslate.storage.file_state import places
from tests.conftest import WriteScene

Run = Callable[..., Result]


@pytest.fixture
def scene(write_scene: WriteScene) -> Path:
    return write_scene("scene.tif", (np.random.default_rng(5).gamma(4, 25, (60, 70, 1)) + 1).astype(np.uint16))


@pytest.fixture
def infer(sartranslate: Run, tiny_model: Path) -> Run:
    return lambda *told: sartranslate("infer", *told, "--model", tiny_model, "--runtime", "onnxruntime", "--overwrite")


@pytest.mark.parametrize("name", ["/vsizip/{}/scene.tif", "/vsizip/{{{}}}/scene.tif"])
@pytest.mark.parametrize("absolute", [True, False])
def test_an_archive_is_never_the_output_of_what_lies_in_it(
    scene: Path, infer: Run, monkeypatch: pytest.MonkeyPatch, name: str, absolute: bool
) -> None:
    archive = scene.parent / "a.zip"
    with zipfile.ZipFile(archive, "w") as content:
        content.write(scene, "scene.tif")
    monkeypatch.chdir(scene.parent)
    before = archive.read_bytes()
    refused = infer(name.format(archive if absolute else "a.zip"), "a.zip")
    assert "a.zip: is (part of) the scene itself" in refused.output
    assert archive.read_bytes() == before


def test_a_file_is_never_the_output_of_a_part_of_it(scene: Path, infer: Run) -> None:
    refused = infer(f"/vsisubfile/0,{scene}", scene)
    assert f"{scene}: is (part of) the scene itself" in refused.output


@pytest.mark.parametrize("suffix", [".ovr", ".msk"])
def test_what_lies_beside_an_output_is_kept_unless_it_is_to_be_replaced(
    sartranslate: Run, scene: Path, tiny_model: Path, tmp_path: Path, suffix: str
) -> None:
    beside = tmp_path / f"out.tif{suffix}"
    beside.write_text("precious")
    line = ["infer", scene, tmp_path / "out.tif", "--model", tiny_model, "--runtime", "onnxruntime"]
    refused = sartranslate(*line)
    assert refused.output == f"Error: {beside}: exists already; --overwrite replaces it\n"
    assert beside.read_text() == "precious"
    assert sartranslate(*line, "--overwrite").exit_code == 0
    assert not beside.exists()


def test_what_gdal_has_noted_of_an_earlier_output_goes(scene: Path, sartranslate: Run, tiny_model: Path) -> None:
    beside = scene.with_name("out.tif.aux.xml")
    beside.write_text("<PAMDataset/>")
    line = ["infer", scene, scene.with_name("out.tif"), "--model", tiny_model, "--runtime", "onnxruntime"]
    assert sartranslate(*line).exit_code == 0
    assert not beside.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("infer", "a.tif", "b.tif", "--window", 2**40),
        ("infer", "a.tif", "b.tif", "--batch-size", 10**22),
        ("evaluate", "--pairs", "p", "--window", 2**20, "--overlap", 0),
        ("simulate", "d", "--tile-size", 20_000_000),
        ("simulate", "d", "--pairs", 0, "--scene", 10**19, 5),
    ],
)
def test_sizes_beyond_any_memory_are_refused(sartranslate: Run, tmp_path: Path, arguments: tuple[object, ...]) -> None:
    refused = sartranslate(*(tmp_path / "d" if argument == "d" else argument for argument in arguments))
    assert (refused.exit_code, "expected " in refused.output) == (2, True)
    assert not list(tmp_path.glob("d*"))


def test_a_name_like_a_part_of_a_file_is_that_of_a_file() -> None:
    assert places("2020,vv.tif")[0] == Path("2020,vv.tif")
    assert places("{a}.tif")[0] == Path("{a}.tif")
    assert places("/vsisubfile/10_20,/data/a.bin")[0] == Path("/data/a.bin")


def test_a_scene_or_an_uncertainty_is_never_what_goes_with_an_output(scene: Path, infer: Run, tmp_path: Path) -> None:
    beside = scene.rename(tmp_path / "out.tif.ovr")
    assert "out.tif.ovr: is (part of) the scene itself" in infer(beside, tmp_path / "out.tif").output
    assert beside.exists()
    spread = tmp_path / "new.tif.msk"
    refused = infer(beside, tmp_path / "new.tif", "--uncertainty", spread)
    assert "new.tif.msk: is the output itself" in refused.output


def test_an_output_is_no_folder_and_has_a_name_of_text(scene: Path, infer: Run, tmp_path: Path) -> None:
    assert "results/: is a folder, expected a file name" in infer(scene, f"{tmp_path}/results/").output
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/o\xff.tif")
    assert "o\\udcff.tif': expected a name in UTF-8" in infer(scene, odd).output


@pytest.mark.parametrize(
    "arguments",
    [
        ("simulate", ""),
        ("simulate", "s3://bucket/folder"),
        ("pairs", "a.tif", "b.tif", ""),
        ("pairs", "a.tif", "b.tif", "https://host/folder"),
        ("train", "--pairs", "p", "--out", ""),
        ("train", "--pairs", "p", "--out", "/vsis3/bucket/run"),
        ("infer", "a.tif", ""),
        ("infer", "a.tif", "--out-dir", ""),
        ("infer", "a.tif", "-"),
        ("infer", "-", "a.tif"),
        ("infer", "a.tif", "b.tif", "--uncertainty", "-"),
        ("export", "default", "-"),
        ("pairs", "a.tif", "b.tif", "-"),
    ],
)
def test_an_empty_name_an_address_and_a_dash_are_nothing_to_write_to(
    sartranslate: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = sartranslate(*arguments)
    assert refused.exit_code == 2
    assert re.search("is an empty text|expected a folder of this machine|- is no file here", refused.output)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["out.png", "out.JPG", "out.vrt"])
def test_a_name_that_promises_another_kind_of_file_is_refused(sartranslate: Run, tmp_path: Path, name: str) -> None:
    refused = sartranslate("infer", "sample_tiles/scene.tif", tmp_path / name)
    assert refused.output == f"Error: {tmp_path / name}: a GeoTIFF is written, expected a name that ends in .tif\n"
    assert list(tmp_path.iterdir()) == []
