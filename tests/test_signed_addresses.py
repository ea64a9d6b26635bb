"""Signed addresses: what signs them is nowhere in the outputs, and signed again they are the same scene."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from click.testing import Result
from numpy.typing import NDArray

from sartranslate.infer.job import job
from sartranslate.infer.planning import plan
from sartranslate.networks.bundle import describe
from sartranslate.runtimes.translator import Translator
from tests.conftest import save_scene
from tests.faulty_server import served

Run = Callable[..., Result]
SECRETS = ("sig=S3cret%2Fone&se=2026-11-27T12", "sig=S3cret%2Ftwo&se=2026-11-28T12")


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    rng = np.random.default_rng(5)
    values = (100 * np.sqrt(rng.gamma(4.4, 1 / 4.4, (300, 300, 1))) + 1).astype(np.uint16)
    with served(save_scene(tmp_path / "scene_VH.tif", values, tiled=True, blockxsize=128, blockysize=128)) as server:
        yield server.scene


def test_an_output_and_its_item_tell_the_name_of_the_scene_and_no_secret(
    address: str, sartranslate: Run, tiny_model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.tif"
    done = sartranslate("infer", f"{address}?{SECRETS[0]}", out, "--stac", "--model", tiny_model)
    assert done.exit_code == 0, done.output
    with rasterio.open(out) as raster:
        assert raster.tags()["SARTRANSLATE_SOURCE"] == "scene_VH.tif"
    item = json.loads(out.with_suffix(".json").read_text())
    assert item["properties"]["sartranslate:source"] == "scene_VH.tif"
    assert not [path for path in (out, out.with_suffix(".json")) if b"S3cret" in path.read_bytes()]


def test_scores_of_rasters_tell_their_names_and_no_secret(
    sartranslate: Run, tmp_path: Path, amplitudes: NDArray[np.uint16]
) -> None:
    picture = save_scene(tmp_path / "picture.tif", np.repeat(amplitudes % 256, 3, axis=-1).astype(np.uint8))
    numbers, page = tmp_path / "scores.json", tmp_path / "scores.html"
    with served(picture) as server:
        address = f"{server.scene}?{SECRETS[0]}"
        rasters = ("--prediction", address, "--truth", address)
        done = sartranslate("evaluate", *rasters, "--json", numbers, "--report", page)
    assert done.exit_code == 0, done.output
    assert "picture.tif" in page.read_text()
    assert not [path for path in (numbers, page) if "S3cret" in path.read_text()]


def test_a_scene_that_is_signed_again_is_finished_already(
    address: str, sartranslate: Run, tiny_model: Path, tmp_path: Path
) -> None:
    for secret, state in zip(SECRETS, ("done in", "skipped, it is finished"), strict=True):
        options = ("--out-dir", tmp_path / "pictures", "--model", tiny_model)
        done = sartranslate("infer", f"{address}?{secret}", *options)
        assert (done.exit_code, state in done.output) == (0, True), done.output


def test_an_interrupted_one_is_gone_on_with_and_another_scene_is_not(
    address: str, tiny_model: Path, tmp_path: Path
) -> None:
    identity = Translator(lambda batch: batch, digest="model").identity
    queries = (SECRETS[0], SECRETS[1], f"id=7&{SECRETS[1]}")
    radiometry = describe(tiny_model).radiometry
    jobs = [job(plan(f"{address}?{query}", tmp_path / "out.tif", radiometry), identity) for query in queries]
    assert jobs[0] == jobs[1] != jobs[2]
