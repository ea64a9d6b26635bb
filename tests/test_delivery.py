"""A scene in an object store is translated into the store: whole or not at all, and what can not be sent is kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from click.testing import Result
from numpy.typing import NDArray

import sartranslate as package
from sartranslate.errors import OutputError
from sartranslate.workers import computing
from tests.command_process import runs
from tests.conftest import save_scene
from tests.object_store import BUCKET, body, keys, needs_moto, object_store, settings

Infer = Callable[..., Result]
SCENE, OUT = f"s3://{BUCKET}/in/scene_VH.tif", f"s3://{BUCKET}/out/rgb.tif"


@pytest.fixture(scope="module")
def store() -> Iterator[Any]:
    with object_store() as client:
        yield client


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def scene(tmp_path: Path, amplitudes: NDArray[np.uint16]) -> Path:
    return save_scene(tmp_path / "scene_VH.tif", amplitudes, tiled=True, blockxsize=128, blockysize=128)


@pytest.fixture
def infer(sartranslate: Infer, tiny_model: Path) -> Infer:
    return lambda *arguments: sartranslate("infer", *arguments, "--model", tiny_model, "-q")


def kept(cache: Path) -> list[Path]:
    return [path for path in cache.rglob("*") if path.is_file()]


@needs_moto
@pytest.mark.long
def test_a_translation_from_store_to_store_has_the_bytes_of_a_local_one(
    store: Any, scene: Path, infer: Infer, tmp_path: Path, cache: Path, sartranslate: Infer, tiny_model: Path
) -> None:
    store.upload_file(str(scene), BUCKET, "in/scene_VH.tif")
    assert infer(scene, tmp_path / "rgb.tif").exit_code == 0
    said = sartranslate("infer", SCENE, OUT, "--model", tiny_model)
    assert said.exit_code == 0, said.stderr
    assert said.stdout.startswith(f"{OUT}: 420 x 300 px")
    assert body(store, "out/rgb.tif") == (tmp_path / "rgb.tif").read_bytes()
    assert kept(cache) == []
    refused = infer(SCENE, OUT)
    assert (refused.exit_code, refused.stderr) == (1, f"Error: {OUT}: exists already; --overwrite replaces it\n")
    store.put_object(Bucket=BUCKET, Key="out/rgb.tif", Body=b"no raster")
    assert infer(SCENE, OUT).stderr == refused.stderr
    assert infer(SCENE, OUT, "--overwrite").exit_code == 0
    assert body(store, "out/rgb.tif") == (tmp_path / "rgb.tif").read_bytes()
    store.delete_object(Bucket=BUCKET, Key="out/rgb.tif")
    summary = package.translate(SCENE, Path(OUT), model=tiny_model, runtime="keras")
    assert summary.out == OUT
    assert body(store, "out/rgb.tif") == (tmp_path / "rgb.tif").read_bytes()
    evaluated = sartranslate("evaluate", "--prediction", OUT, "--truth", f"/vsis3/{BUCKET}/out/rgb.tif", "--json", "-")
    assert evaluated.exit_code == 0, evaluated.stderr


@needs_moto
@pytest.mark.long
def test_what_can_not_be_sent_is_kept_and_said(
    store: Any, scene: Path, infer: Infer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    translate = computing.translate

    def translated_as_the_bucket_goes(*arguments: Any) -> Any:
        summary = translate(*arguments)
        store.delete_bucket(Bucket="going")
        return summary

    store.create_bucket(Bucket="going")
    monkeypatch.setattr(computing, "translate", translated_as_the_bucket_goes)
    done = infer(scene, "s3://going/rgb.tif")
    assert done.exit_code == 1
    (file,) = kept(cache)
    place = re.escape(str(file))
    line = rf"Error: s3://going/rgb\.tif: can not be written: .+; it is kept as {place} until the next try\n"
    assert re.fullmatch(line, done.stderr)
    with rasterio.open(file) as dataset:
        assert dataset.shape == (300, 420)


@needs_moto
@pytest.mark.long
def test_an_object_that_others_have_made_meanwhile_stays(
    store: Any, scene: Path, infer: Infer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    translate = computing.translate

    def translated_as_others_write(*arguments: Any) -> Any:
        store.upload_file(str(scene), BUCKET, "raced.tif")
        return translate(*arguments)

    monkeypatch.setattr(computing, "translate", translated_as_others_write)
    done = infer(scene, f"s3://{BUCKET}/raced.tif")
    (file,) = kept(cache)
    expected = f"exists already; --overwrite replaces it; it is kept as {file} until the next try"
    assert (done.exit_code, done.stderr) == (1, f"Error: s3://{BUCKET}/raced.tif: {expected}\n")
    assert body(store, "raced.tif") == scene.read_bytes()


@needs_moto
@pytest.mark.long
def test_a_failed_translation_leaves_nothing_in_the_store_and_nothing_here(
    store: Any, scene: Path, infer: Infer, cache: Path
) -> None:
    before = keys(store)
    scene.write_bytes(scene.read_bytes()[: scene.stat().st_size // 2])
    done = infer(scene, f"s3://{BUCKET}/broken.tif")
    assert done.exit_code == 1
    assert "can not be read in rows" in done.stderr
    assert keys(store) == before
    assert kept(cache) == []


@needs_moto
@pytest.mark.long
def test_a_bucket_that_is_not_there_is_said_before_the_work(store: Any, scene: Path, infer: Infer) -> None:
    done = infer(scene, "s3://nowhere/rgb.tif")
    assert done.exit_code == 1
    assert done.stderr == ("Error: s3://nowhere/rgb.tif: can not be written: The specified bucket does not exist\n")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["gs://bucket/rgb.tif"], "gs://bucket/rgb.tif: expected a file of this machine, or s3://bucket/name"),
        (["s3://bucket/"], "s3://bucket/: expected a file of this machine, or s3://bucket/name"),
        (["s3://bucket"], "s3://bucket: expected a file of this machine, or s3://bucket/name"),
        (["https://host/rgb.tif"], "https://host/rgb.tif: expected a file of this machine, or s3://bucket/name"),
        ([OUT, "--stac"], f"{OUT}: STAC items are written beside files of this machine alone"),
        (
            ["rgb.tif", "--uncertainty", "s3://b/u.tif"],
            "s3://b/u.tif: an uncertainty is written to files of this machine alone",
        ),
    ],
)
def test_what_can_not_lie_in_a_store_is_refused(scene: Path, infer: Infer, arguments: list[str], line: str) -> None:
    done = infer(scene, *arguments)
    assert (done.exit_code, done.stderr) == (1, f"Error: {line}\n")


def test_local_only_refuses_a_store(scene: Path, tiny_model: Path) -> None:
    commands = {"out": ["infer", scene, OUT, "--model", tiny_model], "in": ["infer", SCENE, "o.tif"]}
    done = runs(commands, SARTRANSLATE_LOCAL_ONLY="1")
    refused = "is no file of this machine; --local-only allows no other"
    assert done["out"].error == f"Error: {OUT}: can not be written: {refused}\n"
    assert done["in"].error == f"Error: {SCENE}: {refused}\n"


def test_a_store_that_does_not_answer_is_said_before_the_work(
    scene: Path, tiny_model: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**settings(1), "AWS_NO_SIGN_REQUEST": "YES"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(OutputError, match=r"^s3://b/rgb\.tif: can not be written: .*(connect|refused)"):
        package.translate(scene, "s3://b/rgb.tif", model=tiny_model)
    assert kept(cache) == []
