"""`sartranslate evaluate` as a user meets it: what it prints and writes, and what it refuses in one line."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from click.testing import Result
from rasterio.vrt import WarpedVRT

from sartranslate.datasets.tiles import INDEX_NAME
from sartranslate.evaluate import evaluation
from sartranslate.quality.scores import METRICS
from sartranslate.rasters.process_wide import quiet
from tests.conftest import WriteScene
from tests.textures import TRUTH, textures
from tests.tile_files import placed, ramp_pair, write, write_pair

Run = Callable[..., Result]
BASELINES = ("mean colour", "SAR as grey", "per-intensity lookup")


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    for number, image in enumerate(TRUTH[:4]):
        for side, values in (("sar", image[..., :1]), ("optical", image)):
            write(tmp_path / "pairs" / side / f"{number}.tif", np.moveaxis(values, -1, 0), **placed(1000 * number))
    return tmp_path / "pairs"


@pytest.fixture
def rasters(write_scene: WriteScene) -> tuple[Path, Path, Path]:
    """A prediction, its truth and the radar scene."""
    truth = textures(1, 280)[0]
    prediction = np.roll(truth, 2, axis=0)
    return write_scene("out.tif", prediction), write_scene("truth.tif", truth), write_scene("sar.tif", truth[..., :1])


def row(output: str, name: str) -> list[str]:
    (line,) = [line for line in output.splitlines() if line.startswith(name) and ":" not in line]
    return line.removeprefix(name).split()


def test_pairs_give_a_table_a_json_file_and_a_report(
    sartranslate: Run, pairs: Path, tiny_model: Path, tmp_path: Path
) -> None:
    files = tmp_path / "scores.json", tmp_path / "report.html"
    done = sartranslate(
        "evaluate", "--pairs", pairs, "--model", tiny_model, "--json", files[0], "--report", files[1], "--precision",
        "float32",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    content = json.loads(files[0].read_text())
    assert [method["name"] for method in content["methods"]] == [f"tiny ({tiny_model.name})", *BASELINES]
    psnr = content["methods"][1]["scores"]["psnr"]
    assert row(done.output, "mean colour")[0] == f"{psnr['value']:#.4g}"
    subject = content["methods"][0]["scores"]["psnr"]
    assert row(done.output, "  95 % interval from")[0] == f"{subject['low']:#.4g}"
    assert row(done.output, "  to")[0] == f"{subject['high']:#.4g}"
    assert "4 of 64 x 64 pixels" in done.output.splitlines()[0]
    page = files[1].read_text()
    assert page.count("data:image/png;base64") == 3
    assert "per-intensity lookup" in page


def test_rasters_give_json_alone_on_standard_output(sartranslate: Run, rasters: tuple[Path, ...]) -> None:
    out, truth, sar = rasters
    done = sartranslate("evaluate", "--prediction", out, "--truth", truth, "--sar", sar, "--json", "-")
    assert done.exit_code == 0, done.output
    content = json.loads(done.output)
    assert [method["name"] for method in content["methods"]] == ["out.tif", *BASELINES]
    for method in content["methods"]:
        assert set(method["scores"]) == set(METRICS) - {"seam", "fid", "lpips"}, method["name"]
    assert content["methods"][0]["scores"]["psnr"]["low"] is None


def test_the_scene_may_be_told_of_as_it_was_for_its_translation(
    sartranslate: Run, rasters: tuple[Path, ...], write_scene: WriteScene
) -> None:
    out, truth, sar = rasters
    values = np.concatenate([np.full((280, 280, 1), 7, np.uint8), textures(1, 280)[0][..., :1]], axis=-1)
    two = write_scene("two.tif", values)
    line = ("evaluate", "--prediction", out, "--truth", truth, "--json", "-")
    expected = sartranslate(*line, "--sar", sar).output
    assert "choose with --bidx" in sartranslate(*line, "--sar", two).output
    for told in (("--sar", two, "--bidx", 2), ("--band", f"VH={sar}")):
        assert json.loads(sartranslate(*line, *told).output)["methods"] == json.loads(expected)["methods"]


def test_rasters_have_a_seam_score_once_their_windows_are_told(sartranslate: Run, rasters: tuple[Path, ...]) -> None:
    arguments = ("evaluate", "--prediction", rasters[0], "--truth", rasters[1], "--json", "-")
    done = sartranslate(*arguments, "--window", 128, "--overlap", 32)
    assert json.loads(done.output)["methods"][0]["scores"]["seam"]["value"] == pytest.approx(1, abs=0.1)


def test_a_quiet_evaluation_prints_nothing(sartranslate: Run, rasters: tuple[Path, ...]) -> None:
    command = ("evaluate", "--prediction", rasters[0], "--truth", rasters[1], "-q")
    assert "--quiet without --json and --report would show nothing" in sartranslate(*command).output
    done = sartranslate(*command, "--json", rasters[0].with_name("scores.json"))
    assert (done.exit_code, done.output) == (0, "")


def test_a_report_of_rasters_without_radar_says_that_it_was_not_given(
    sartranslate: Run, rasters: tuple[Path, ...], tmp_path: Path
) -> None:
    report = tmp_path / "report.html"
    done = sartranslate("evaluate", "--prediction", rasters[0], "--truth", rasters[1], "--report", report)
    assert done.exit_code == 0, done.output
    assert "no SAR given" in report.read_text()


def test_a_warped_truth_is_offered_and_taken(
    sartranslate: Run, rasters: tuple[Path, ...], write_scene: WriteScene
) -> None:
    larger = write_scene("larger.tif", np.pad(textures(1, 280)[0], ((0, 9), (0, 0), (0, 0)), mode="edge"))
    refused = sartranslate("evaluate", "--prediction", rasters[0], "--truth", larger)
    assert refused.exit_code == 1
    assert refused.output.startswith(f"Error: {larger}: 289 x 280 pixels")
    assert refused.output.endswith("; --warp puts it there\n")
    assert refused.output.count("\n") == 1
    assert sartranslate("evaluate", "--prediction", rasters[0], "--truth", larger, "--warp").exit_code == 0


def test_a_truth_is_scored_without_its_haze(
    sartranslate: Run, rasters: tuple[Path, ...], write_scene: WriteScene
) -> None:
    haze, ground = np.array([5, 15, 25]), textures(1, 280)[0]
    ground[:9] = 0
    out = write_scene("clear.tif", ground)
    hazy = write_scene("hazy.tif", np.rint(haze + ground * (128 - haze) / 255).astype(np.uint8))
    arguments = ("evaluate", "--prediction", out, "--truth", hazy, "--stretch", 0, 128, "--json", "-")
    scores = [json.loads(sartranslate(*arguments, *told).output) for told in ((), ("--subtract-haze",))]
    kept, gone = (content["methods"][0]["scores"]["spectral_angle"]["value"] for content in scores)
    assert gone < 0.01 < 0.1 < kept
    assert scores[1]["facts"]["Stretch"] == "optical values 5, 15, 25 to 128 become 0 and 255"


def test_files_that_are_there_are_kept_unless_they_may_be_replaced(
    sartranslate: Run, rasters: tuple[Path, ...], tmp_path: Path
) -> None:
    arguments = ("evaluate", "--prediction", rasters[0], "--truth", rasters[1])
    file = tmp_path / "scores.json"
    file.write_text("precious")
    refused = sartranslate(*arguments, "--json", file)
    assert refused.exit_code == 1
    assert refused.output == f"Error: {file}: exists already; --overwrite replaces it\n"
    assert file.read_text() == "precious"
    assert sartranslate(*arguments, "--json", file, "--overwrite").exit_code == 0
    assert "methods" in json.loads(file.read_text())
    spoilt = sartranslate(*arguments, "--report", rasters[0], "--overwrite")
    assert "is what is evaluated" in spoilt.output


def test_what_a_virtual_raster_is_made_of_is_never_replaced(sartranslate: Run, rasters: tuple[Path, ...]) -> None:
    before = {path: path.read_bytes() for path in rasters}
    virtual = [path.with_suffix(".vrt") for path in rasters]
    for path, written in zip(rasters, virtual, strict=True):
        with quiet(), rasterio.open(path) as dataset, WarpedVRT(dataset) as warped:
            rasterio.shutil.copy(warped, written, driver="VRT")
    out, truth, sar = virtual
    for path in rasters:
        refused = sartranslate(
            "evaluate", "--prediction", out, "--truth", truth, "--sar", sar, "--report", path, "--overwrite"
        )
        assert refused.output == f"Error: {path}: is what is evaluated, expected another file name\n"
    assert {path: path.read_bytes() for path in rasters} == before


def test_what_has_come_into_being_meanwhile_is_kept(
    sartranslate: Run, rasters: tuple[Path, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = ("evaluate", "--prediction", rasters[0], "--truth", rasters[1])
    original = evaluation.evaluate_rasters

    def slow(*arguments: Any) -> Any:
        for name in ("scores.json", "page.html"):
            (tmp_path / name).write_text("theirs")
        return original(*arguments)

    monkeypatch.setattr(evaluation, "evaluate_rasters", slow)
    for option, name in (("--json", "scores.json"), ("--report", "page.html")):
        for path in (tmp_path / "scores.json", tmp_path / "page.html"):
            path.unlink(missing_ok=True)
        refused = sartranslate(*line, option, tmp_path / name)
        assert "was made by someone else meanwhile" in refused.output
        assert (tmp_path / name).read_text() == "theirs"


def test_the_index_of_a_folder_that_is_evaluated_is_never_replaced(
    sartranslate: Run, pairs: Path, tiny_model: Path
) -> None:
    index = pairs / INDEX_NAME
    index.write_text("precious")
    refused = sartranslate("evaluate", "--pairs", pairs, "--model", tiny_model, "--json", index, "--overwrite")
    assert refused.output == f"Error: {index}: is what is evaluated, expected another file name\n"
    assert index.read_text() == "precious"


def test_a_tile_that_is_evaluated_is_never_replaced(sartranslate: Run, pairs: Path, tiny_model: Path) -> None:
    (pairs / "val").mkdir()
    (pairs / "sar").rename(pairs / "val" / "sar")
    (pairs / "optical").rename(pairs / "val" / "optical")
    tile = pairs / "val" / "sar" / "0.tif"
    before = tile.read_bytes()
    refused = sartranslate("evaluate", "--pairs", pairs, "--model", tiny_model, "--report", tile, "--overwrite")
    assert refused.output == f"Error: {tile}: is what is evaluated, expected another file name\n"
    assert tile.read_bytes() == before


def test_an_archive_or_a_product_that_a_scene_lies_in_is_never_replaced(
    sartranslate: Run, rasters: tuple[Path, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, truth, sar = rasters
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(sar, "sar.tif")
    (tmp_path / "S1A.SAFE").mkdir()
    (tmp_path / "S1A.SAFE" / "notes").write_text("precious")
    monkeypatch.chdir(tmp_path)
    line = ("evaluate", "--prediction", out, "--truth", truth, "--overwrite")
    for scene, report in (("/vsizip/a.zip/sar.tif", "a.zip"), ("S1A.SAFE", "S1A.SAFE/notes")):
        before = Path(report).read_bytes()
        refused = sartranslate(*line, "--sar", scene, "--json", report)
        assert refused.output == f"Error: {report}: is what is evaluated, expected another file name\n"
        assert Path(report).read_bytes() == before


def test_a_page_goes_to_no_standard_output(
    sartranslate: Run, rasters: tuple[Path, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("-").write_text("precious")
    refused = sartranslate("evaluate", "--prediction", rasters[0], "--truth", rasters[1], "--report", "-")
    assert refused.output.endswith("- is no file here, and ./- is one: nothing is read or written as a stream\n")
    assert Path("-").read_text() == "precious"


def test_scores_and_page_never_become_one_file(sartranslate: Run, rasters: tuple[Path, ...], tmp_path: Path) -> None:
    file = tmp_path / "both"
    refused = sartranslate(
        "evaluate", "--prediction", rasters[0], "--truth", rasters[1], "--json", file, "--report", file
    )
    assert refused.exit_code == 1
    assert refused.output == f"Error: {file}: is the output itself, expected another file name\n"
    assert not file.exists()


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ((), "expected either --pairs DIR, or --prediction FILE and --truth FILE"),
        (("--pairs", "a", "--prediction", "b", "--truth", "c"), "expected either --pairs DIR, or"),
        (("--pairs", "a", "--truth", "c"), "expected either --pairs DIR, or"),
        (("--prediction", "b"), "expected either --pairs DIR, or"),
        (("--prediction", "b", "--truth", "c", "--split", "val"), "--split is for --pairs"),
        (("--pairs", "a", "--warp"), "--warp is for --prediction"),
        (("--pairs", "a", "--sar", "s.tif"), "--sar is for --prediction"),
        (("--pairs", "a", "--stretch", "1", "2"), "--stretch is for --prediction"),
        (("--pairs", "a", "--subtract-haze"), "--subtract-haze is for --prediction"),
        (("--pairs", "a", "--optical-nodata", 0), "--optical-nodata is for --prediction"),
        (("--prediction", "b", "--truth", "c", "--window", 256), "--window and --overlap go together"),
        (("--prediction", "b", "--truth", "c", "--backend", "torch"), "--backend is for --pairs"),
        (("--prediction", "b", "--truth", "c", "--precision", "float32"), "--precision is for --pairs"),
        (("--prediction", "b", "--truth", "c", "--model", "m"), "--model is for --pairs, or --sar"),
        (("--prediction", "b", "--truth", "c", "--unit", "db"), "--unit is for --pairs, or --sar"),
        (("--prediction", "b", "--truth", "c", "--bidx", 1), "--bidx is for --sar"),
        (("--pairs", "a", "--nodata", 0), "--nodata is for --prediction"),
        (("--pairs", "a", "--band", "VV=v.tif"), "--band is for --prediction"),
        (
            ("--prediction", "b", "--truth", "c", "--sar", "s.tif", "--band", "VV=v.tif"),
            "--sar and --band are both given",
        ),
        (("--pairs", "a", "--overlap", 256), "overlap 256: expected 0 to 255"),
    ],
)
def test_what_does_not_go_together_is_wrong_usage(sartranslate: Run, arguments: tuple[Any, ...], found: str) -> None:
    done = sartranslate("evaluate", *arguments)
    assert done.exit_code == 2
    assert found in done.output


def test_windows_that_a_model_can_not_take_are_wrong_usage(sartranslate: Run, pairs: Path) -> None:
    done = sartranslate("evaluate", "--pairs", pairs, "--window", 100)
    assert done.exit_code == 2
    assert "window 100: the model needs a multiple of" in done.output


def test_an_empty_folder_is_refused_in_one_line(sartranslate: Run, tmp_path: Path) -> None:
    done = sartranslate("evaluate", "--pairs", tmp_path)
    assert done.exit_code == 1
    assert done.output.startswith(f"Error: {tmp_path}: no tiles, expected sar/NAME and optical/NAME")
    assert done.output.count("\n") == 1


def test_bad_pairs_are_left_out_where_that_is_asked_for(sartranslate: Run, tmp_path: Path, tiny_model: Path) -> None:
    for number in range(2):
        ramp_pair(tmp_path, f"{number}.tif", 40, 60 * number)
    (tmp_path / "optical" / "1.tif").unlink()
    arguments = ("evaluate", "--pairs", tmp_path, "--model", tiny_model, "--precision", "float32")
    assert "--skip-bad leaves them out" in sartranslate(*arguments).output
    done = sartranslate(*arguments, "--skip-bad")
    assert done.exit_code == 0, done.output
    assert "Left out: " in done.output
    assert "single tile" in done.output


def test_bands_without_names_are_chosen_by_number(sartranslate: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    sar = rng.gamma(4.4, 1 / 4.4, (2, 128, 128)).astype(np.float32)
    optical = rng.integers(1, 255, (5, 128, 128), dtype=np.uint8)
    write_pair(tmp_path / "many", "a.tif", sar, optical)
    write_pair(tmp_path / "chosen", "a.tif", sar[1:], optical[[4, 2, 0]])
    command = ("evaluate", "--json", "-", "--window", 128, "--overlap", 0, "--pairs")
    expected = json.loads(sartranslate(*command, tmp_path / "chosen").output)["methods"]
    refused = sartranslate(*command, tmp_path / "many").output
    assert "choose with --bidx" in refused
    assert "choose with --rgb" in refused
    found = sartranslate(*command, tmp_path / "many", "--bidx", 2, "--rgb", "5,3,1")
    assert found.exit_code == 0, found.output
    assert json.loads(found.output)["methods"] == expected
