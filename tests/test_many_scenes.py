"""`sartranslate infer SCENE... --out-dir DIR`: one scene after the other, of which none stops another."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from click.testing import Result

from sartranslate.collection import Collection, translate_all
from sartranslate.infer.planning import InferenceOptions
from sartranslate.networks import bundle
from sartranslate.rasters.raster import moved
from sartranslate.runtimes.translator import Choice
from sartranslate.scenes.scene_list import entry
from sartranslate.streaming.windows import Window
from sartranslate.workers.computing import Here
from tests.conftest import TRANSFORM, WriteScene

Run = Callable[..., Result]
SCENES = 10


@pytest.fixture
def scenes(write_scene: WriteScene) -> list[Path]:
    """Ten beside each other, of which the fourth is broken."""
    rng = np.random.default_rng(5)
    paths = []
    for number in range(SCENES):
        values = (rng.gamma(4, 25, (60, 70, 1)) + 1).astype(np.float32)
        place = moved(TRANSFORM, Window(0, 60 * number, 60, 70))
        paths.append(write_scene(f"scene{number}.tif", values, transform=place))
    paths[3].write_bytes(b"nothing")
    return paths


@pytest.fixture
def infer(sartranslate: Run, tiny_model: Path, tmp_path: Path) -> Run:
    options = ["--model", tiny_model, "--runtime", "onnxruntime", "--out-dir", tmp_path / "out"]
    return lambda *arguments: sartranslate("infer", *arguments, *options)


def states(result: Result) -> list[str]:
    return [scene["state"] for scene in json.loads(result.stdout)["scenes"]]


def test_a_bad_scene_stops_no_other_one_and_the_same_command_does_only_what_is_left(
    scenes: list[Path], infer: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[Any] = []
    from sartranslate.workers import computing

    load = computing.load_translator
    monkeypatch.setattr(computing, "load_translator", lambda *told, **more: loaded.append(told) or load(*told, **more))
    first = infer(*scenes, "--mosaic", tmp_path / "all.vrt", "--json")
    assert first.exit_code == 1
    assert states(first) == ["done"] * 3 + ["failed"] + ["done"] * 6
    assert json.loads(first.stdout)["scenes"][3]["reason"].startswith(f"{scenes[3]}: can not be read")
    assert json.loads(first.stdout)["mosaic"]["reason"].endswith("not written, for 1 of 10 scenes failed")
    assert len(loaded) == 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        f"scene{number}.tif" for number in range(SCENES) if number != 3
    ]
    scenes[3].write_bytes(scenes[2].read_bytes())
    second = infer(*scenes, "--mosaic", tmp_path / "all.vrt")
    assert second.exit_code == 0
    assert second.stdout.count("skipped, it is finished") == 9
    assert second.stdout.splitlines()[-1] == f"1 done, 9 skipped, 0 failed; mosaic in {tmp_path / 'all.vrt'}"
    with rasterio.open(tmp_path / "all.vrt") as mosaic:
        assert mosaic.shape == (60, 60 * 9 + 70)
    third = infer(*scenes)
    assert (third.exit_code, len(loaded)) == (0, 2)


def test_an_error_that_nobody_has_foreseen_stops_no_other_scene(
    scenes: list[Path], infer: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def planned(collection: Any, entry: Any, *, overwrite: bool) -> Any:
        if entry.name == "scene1":
            raise IndexError("index -1 is out of bounds")
        return plan(collection, entry, overwrite=overwrite)

    plan = Collection.planned
    monkeypatch.setattr(Collection, "planned", planned)
    result = infer(*scenes[:3], "--json")
    assert (result.exit_code, states(result)) == (1, ["done", "failed", "done"])
    assert json.loads(result.stdout)["scenes"][1]["reason"] == "IndexError: index -1 is out of bounds"
    assert "IndexError" in caplog.text


def test_what_progress_raises_stops_all(scenes: list[Path], tiny_model: Path, tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def progress(done: int, windows: int) -> None:
        raise Stop

    (tmp_path / "out").mkdir()
    description = bundle.describe(tiny_model)
    collection = Collection(
        [entry(str(path)) for path in scenes[:2]],
        tmp_path / "out",
        description.radiometry,
        description.generator.size_multiple,
        "digest",
        InferenceOptions(),
    )
    with pytest.raises(Stop):
        translate_all(collection, lambda: nullcontext(Here(tiny_model, Choice("onnxruntime"))), progress)


def test_an_output_of_another_job_is_told_and_kept_unless_it_is_to_be_replaced(
    scenes: list[Path], infer: Run, tmp_path: Path
) -> None:
    out = tmp_path / "out" / "scene0.tif"
    assert infer(scenes[0]).exit_code == 0
    before = out.read_bytes()
    for arguments, reason in [
        (["--overlap", 32], "of another job: --window or --overlap changed"),
        (["--nodata", 7], "of another job: bands changed"),
        (["--stac"], "without its STAC item"),
        (["--compress", "lzw"], "its compression is ZSTD"),
    ]:
        result = infer(scenes[0], "--json", *arguments)
        assert result.exit_code == 1
        told = json.loads(result.stdout)["scenes"][0]["reason"]
        assert told == f"{out}: exists already, {reason}; --overwrite replaces it"
    assert states(infer(scenes[0], "--json", "--unit", "power")) == ["skipped"]  # as was assumed
    assert out.read_bytes() == before
    os.utime(scenes[0], (time.time() + 60, time.time() + 60))
    assert "older than" in infer(scenes[0]).stdout
    assert states(infer(scenes[0], "--overwrite", "--json")) == ["done"]


def test_an_item_of_an_earlier_output_does_not_count(scenes: list[Path], infer: Run, tmp_path: Path) -> None:
    assert infer(scenes[0], "--stac").exit_code == 0
    assert states(infer(scenes[0], "--stac", "--json")) == ["skipped"]
    other = ("--overlap", 32)
    assert infer(scenes[0], *other, "--overwrite").exit_code == 0
    assert "without its STAC item" in infer(scenes[0], *other, "--stac").output


def test_uncertainties_lie_in_a_folder_of_their_own_and_are_looked_at_too(
    scenes: list[Path], sartranslate: Run, tiny_model: Path, tmp_path: Path
) -> None:
    def infer(*arguments: object) -> Result:
        options = ["--model", tiny_model, "--out-dir", tmp_path / "out", "--json"]
        return sartranslate("infer", *scenes[:2], *options, *arguments)

    spreads = ["--uncertainty", tmp_path / "spread", "--uncertainty-samples", 2]
    first = infer(*spreads)
    assert states(first) == ["done", "done"]
    told = [Path(scene["uncertainty"]) for scene in json.loads(first.stdout)["scenes"]]
    assert told == [tmp_path / "spread" / f"scene{number}.tif" for number in range(2)]
    alone = tmp_path / "alone.tif"
    one = ["--uncertainty", alone, "--uncertainty-samples", 2, "--model", tiny_model]
    assert sartranslate("infer", scenes[0], tmp_path / "a.tif", *one).exit_code == 0
    with rasterio.open(told[0]) as there, rasterio.open(alone) as expected:
        np.testing.assert_array_equal(there.read(), expected.read())
    assert states(infer(*spreads)) == ["skipped", "skipped"]
    assert states(infer()) == ["skipped", "skipped"]
    more = json.loads(infer(*spreads[:2], "--uncertainty-samples", 3).stdout)["scenes"]
    assert more[0]["reason"] == f"{told[0]}: exists already, of another number of samples; --overwrite replaces it"
    told[1].unlink()
    without = json.loads(infer(*spreads).stdout)["scenes"]
    assert [scene["state"] for scene in without] == ["skipped", "failed"]
    out = tmp_path / "out" / "scene1.tif"
    assert without[1]["reason"] == (
        f"{out}: exists already, without its uncertainty {told[1]}; --overwrite replaces it"
    )


@pytest.mark.parametrize(
    ("folder", "line"),
    [
        ("out", "expected another folder for the uncertainties than for the pictures"),
        ("scene0.tif", "can not be made"),
        ("a/b", "can not be made"),
    ],
)
def test_a_folder_that_uncertainties_can_not_lie_in_is_told(
    scenes: list[Path], sartranslate: Run, tiny_model: Path, tmp_path: Path, folder: str, line: str
) -> None:
    options = ["--model", tiny_model, "--out-dir", tmp_path / "out", "--uncertainty", tmp_path / folder]
    result = sartranslate("infer", scenes[0], *options)
    assert (result.exit_code, line in result.stderr) == (1, True)
    assert not list((tmp_path / "out").iterdir())


def test_what_is_no_translation_is_not_taken_for_one(scenes: list[Path], infer: Run, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "scene0.tif").write_bytes(scenes[1].read_bytes())
    result = infer(scenes[0], "-q")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "exists already, and does not tell of which job" in result.stderr


def test_a_list_and_items_name_scenes_too(scenes: list[Path], infer: Run, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("scene0.tif\n# scene9.tif\n")
    item = {"id": "x", "assets": {"vh": {"href": "scene1.tif", "roles": ["data"]}}}
    (tmp_path / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": [item, {"id": "y"}]}))
    result = infer("--list", tmp_path / "list.txt", "--items", tmp_path / "items.json", "--json")
    assert states(result) == ["done", "done", "failed"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["scene0.tif", "x.tif"]


def test_no_output_takes_the_place_of_another_scene_or_of_a_list(
    scenes: list[Path], infer: Run, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    source = scenes[1].rename(out / "x.tif")
    item = {"id": "scene0", "assets": {"vh": {"href": "x.tif", "roles": ["data"]}}}
    (out / "list.json").write_text(json.dumps({"type": "FeatureCollection", "features": [item, {"id": "list"}]}))
    items = "--items", out / "list.json", "--overwrite"
    other = scenes[0].rename(tmp_path / "x.tif")
    for told in ((other, *items), (*items, "--stac")):
        before = source.read_bytes(), (out / "list.json").read_bytes()
        refused = infer(*told)
        assert "is read for another scene, or lists some" in refused.stderr
        assert (source.read_bytes(), (out / "list.json").read_bytes()) == before


@pytest.mark.parametrize("name", ["out/scene0.json", "spreads/scene0.tif"])
def test_a_mosaic_takes_the_place_of_no_other_output(
    scenes: list[Path], infer: Run, tmp_path: Path, tiny_model: Path, name: str
) -> None:
    more = ("--stac",) if name.endswith("json") else ("--uncertainty", tmp_path / "spreads", "--runtime", "keras")
    refused = infer(scenes[0], "--mosaic", tmp_path / name, *more)
    assert f"{tmp_path / name}: is an output itself" in refused.stderr


def test_a_name_that_is_too_long_stops_no_other_scene(scenes: list[Path], infer: Run, tmp_path: Path) -> None:
    assert states(infer(scenes[0], tmp_path / f"{'x' * 252}.tif", "--json")) == ["done", "failed"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "no scenes"),
        (["a.tif", "b/a.tif"], "a.tif and b/a.tif: both would become a.tif"),
        (["--band", "VV=a.tif"], "--band names the files of one scene"),
        (["a.tif", "--window", "100"], "window 100: the model needs a multiple of"),
        (["a.tif", "--workers", "1", "--precision", "int8"], None),
        (["a.tif", "--workers", "1", "--scheduler", "tcp://a:1"], "expected one of them"),
        (["a.tif", "--scheduler", "tcp://a:1", "--local-only"], "--local-only holds for this machine alone"),
    ],
)
def test_wrong_usage_ends_before_anything_begins(
    infer: Run, tmp_path: Path, arguments: list[str], line: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SARTRANSLATE_LOCAL_ONLY", "GDAL_SKIP", "PROJ_NETWORK"):
        monkeypatch.setenv(name, "")
    for name in ("CPL_VSIL_CURL_ALLOWED_FILENAME", "CPL_VSIL_CURL_ALLOWED_EXTENSIONS"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    result = infer(*arguments)
    assert result.exit_code == 2
    assert (line or "int8") in result.stderr
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.parametrize("option", ["--list", "--items", "--mosaic"])
def test_options_of_many_scenes_need_a_folder(sartranslate: Run, option: str) -> None:
    result = sartranslate("infer", "a.tif", "b.tif", option, "c")
    assert result.exit_code == 2
    assert f"{option} without --out-dir" in result.stderr


def test_a_signal_ends_a_look_at_what_is_there(scenes: list[Path], infer: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert infer(*scenes[:3]).exit_code == 0
    seen = []

    def look(*arguments: Any) -> None:
        seen.append(arguments)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("sartranslate.collection.check_finished", look)
    assert infer(*scenes[:3]).exit_code == 128 + signal.SIGTERM
    assert len(seen) == 1


@pytest.mark.long
def test_one_bad_scene_among_a_hundred_is_the_one_that_fails(
    write_scene: WriteScene, infer: Run, tmp_path: Path
) -> None:
    scene = write_scene("0.tif", np.random.default_rng(1).gamma(4, 25, (40, 40, 1)).astype(np.float32)).read_bytes()
    paths = [tmp_path / f"{number}.tif" for number in range(100)]
    for number, path in enumerate(paths):
        path.write_bytes(b"" if number == 50 else scene)
    result = infer(*paths, "--json")
    assert result.exit_code == 1
    assert states(result) == ["done"] * 50 + ["failed"] + ["done"] * 49
