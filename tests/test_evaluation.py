"""Evaluations of generators whose pictures are known, on tiny GeoTIFFs: the protocol can not flatter."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sartranslate.backscatter.radiometry import IMAGE, Float, Radiometry
from sartranslate.datasets.pair_check import PairOptions
from sartranslate.errors import OutputError, PairsError
from sartranslate.evaluate.contact_sheets import contact_sheets
from sartranslate.evaluate.evaluation import SEEN, evaluate_pairs, evaluate_rasters
from sartranslate.evaluate.evaluation_page import evaluation_page
from sartranslate.evaluate.raster_images import RasterOptions, open_raster_images
from sartranslate.evaluate.tile_images import Translation, open_evaluated
from sartranslate.outputs.output import check_report
from sartranslate.quality.baselines import LOOKUP, MEAN_COLOUR, SAR_AS_GREY
from sartranslate.quality.metrics import mae, psnr
from sartranslate.quality.scores import Evaluation
from tests.conftest import save_scene
from tests.textures import TRUTH, textures
from tests.tile_files import placed, write

COLOURS = PairOptions(IMAGE)
PICTURES = ("psnr", "ssim", "mae", "spectral_angle", "sliced_wasserstein", "high_frequency_ratio")


def identity(batch: Float) -> Float:
    return batch


def flat(batch: Float) -> Float:
    return np.full_like(batch, 0.2)


def save_pair(folder: Path, name: str, source: Any, target: Any, column: int, **profile: Any) -> None:
    for side, image, options in (("sar", source, {}), ("optical", target, profile)):
        write(folder / side / f"{name}.tif", np.moveaxis(image, -1, 0), **placed(column), **options)


@pytest.fixture
def twins(tmp_path: Path) -> Path:
    """Six pairs whose sides are the same picture, so that a perfect generator is the identity."""
    for number, image in enumerate(TRUTH):
        save_pair(tmp_path / "twins", str(number), image, image, 1000 * number)
    return tmp_path / "twins"


def evaluated(folder: Path, generator: Any, split: str | None = None, **told: int) -> Evaluation:
    pairs = open_evaluated([folder], split, COLOURS)
    return evaluate_pairs(pairs, Translation(generator, **told), "model")[0]


def scores(evaluation: Evaluation, method: str = "model") -> dict[str, Any]:
    (found,) = [each.scores for each in evaluation.methods if each.name == method]
    return dict(found)


def test_a_perfect_generator_has_perfect_scores_and_valid_json(twins: Path) -> None:
    found = evaluated(twins, identity)
    values = {name: score.value for name, score in scores(found).items()}
    assert values["mae"] == values["sliced_wasserstein"] == 0
    assert values["spectral_angle"] == 0
    assert values["ssim"] == pytest.approx(1)
    assert values["high_frequency_ratio"] == 1
    assert values["psnr"] == math.inf
    assert values["identity_collapse"] == 1  # of a source that is the truth itself
    text = json.dumps(found.as_dict(), allow_nan=False)
    assert json.loads(text)["methods"][0]["scores"]["psnr"] == {"value": "inf", "low": "inf", "high": "inf"}


def test_the_subject_comes_first_then_the_baselines(twins: Path) -> None:
    names = [method.name for method in evaluated(twins, flat).methods]
    assert names == ["model", MEAN_COLOUR, SAR_AS_GREY, LOOKUP]


def test_a_flat_generator_is_worse_than_the_mean_colour_and_both_have_no_detail(twins: Path) -> None:
    found = evaluated(twins, flat)
    model, mean = scores(found), scores(found, MEAN_COLOUR)
    assert model["psnr"].value < mean["psnr"].value
    assert model["high_frequency_ratio"].value == pytest.approx(0, abs=1e-9)
    assert mean["high_frequency_ratio"].value == pytest.approx(0, abs=1e-9)
    assert model["psnr"].value == pytest.approx(psnr(np.full_like(TRUTH, 153), TRUTH))


def test_a_generator_that_copies_its_input_is_told_by_its_collapse_ratio(tmp_path: Path) -> None:
    for number in range(3):
        save_pair(tmp_path, str(number), TRUTH[number][..., [0, 0, 0]], TRUTH[5 - number], 1000 * number)
    assert scores(evaluated(tmp_path, identity))["identity_collapse"].value == 0
    assert scores(evaluated(tmp_path, flat))["identity_collapse"].value > 0.5


def test_every_image_counts_once_whatever_its_size(tmp_path: Path) -> None:
    large, small = textures(1, 96)[0], TRUTH[0]
    for number, image in enumerate((large, small)):
        save_pair(tmp_path, str(number), image, image, 1000 * number)
    wanted = np.mean([mae(np.full_like(image, 153), image) for image in (large, small)])
    assert scores(evaluated(tmp_path, flat))["mae"].value == pytest.approx(wanted)


def test_invalid_pixels_change_nothing(tmp_path: Path) -> None:
    found = []
    for name, nothing in (("zero", 0), ("white", 255)):
        for number in range(2):
            target = TRUTH[number].clip(1, 254)
            target[:, 40:] = nothing
            save_pair(tmp_path / name, str(number), TRUTH[number], target, 1000 * number, nodata=nothing)
        found.append(evaluated(tmp_path / name, identity))
    assert found[0].methods == found[1].methods
    assert scores(found[0])["mae"].value < 0.01


@pytest.mark.long
def test_intervals_hold_their_values_and_a_model_is_compared_on_the_same_draws(twins: Path) -> None:
    for name, score in scores(evaluated(twins, flat)).items():
        assert score.low <= score.value <= score.high, name
    assert evaluated(twins, flat) == evaluated(twins, flat)


def test_a_single_tile_has_no_interval_and_a_note_says_so(tmp_path: Path) -> None:
    save_pair(tmp_path, "0", TRUTH[0], TRUTH[0], 0)
    found = evaluated(tmp_path, flat)
    assert all(score.low is None for score in scores(found).values())
    assert any("single tile" in note for note in found.notes)


def test_images_without_enough_valid_pixels_are_left_out_and_counted(twins: Path) -> None:
    target = np.zeros_like(TRUTH[0])
    target[:8] = 9
    save_pair(twins, "empty", TRUTH[0], target, 9000, nodata=0)
    found = evaluated(twins, identity)
    assert any("1 of 7 images have no 11 x 11 valid pixels" in note for note in found.notes)
    assert [image.name for image in found.images] == list("012345")


def test_nothing_but_slivers_is_refused(tmp_path: Path) -> None:
    target = np.zeros_like(TRUTH[0])
    target[:8] = 9
    save_pair(tmp_path, "0", TRUTH[0], target, 0, nodata=0)
    with pytest.raises(PairsError, match=f"{tmp_path}: no image has 11 x 11 valid pixels in one piece"):
        evaluated(tmp_path, identity)


@pytest.mark.long
def test_pairs_that_may_have_been_trained_on_are_said_to_flatter(twins: Path) -> None:
    assert SEEN in evaluated(twins, flat).notes
    (twins / "test").mkdir()
    for side in ("sar", "optical"):
        (twins / side).rename(twins / "test" / side)
    found = evaluated(twins, flat)
    assert SEEN not in found.notes
    assert found.facts["Pairs"] == f"{twins}, test part"


@pytest.mark.long
def test_tiles_larger_than_a_window_have_a_seam_score_and_others_a_note(twins: Path) -> None:
    calls = iter(range(10_000))

    def patchy(batch: Float) -> Float:
        return np.stack([np.clip(patch + next(calls) % 5 / 4 - 0.5, -1, 1) for patch in batch])

    smooth, rough = (scores(evaluated(twins, generator, window=32, overlap=0)) for generator in (identity, patchy))
    assert smooth["seam"].value == pytest.approx(1, abs=0.1)
    assert rough["seam"].low > 1.2
    assert any("no tile is larger" in note for note in evaluated(twins, identity).notes)
    assert "seam" not in scores(evaluated(twins, identity))


def test_what_is_watched_ends_when_all_images_are_done(twins: Path) -> None:
    seen: list[tuple[int, int]] = []
    pairs = open_evaluated([twins], None, COLOURS)
    evaluate_pairs(pairs, Translation(identity), "model", lambda *progress: seen.append(progress))
    assert seen == [(number, 6) for number in range(1, 7)]


@pytest.fixture
def large() -> NDArray[np.uint8]:
    return textures(1, 300)[0]


def rasters(prediction: Path, truth: Path, sar: Path | None = None, **told: Any) -> Evaluation:
    return evaluate_rasters(open_raster_images(prediction, truth, sar, Radiometry(), RasterOptions(**told)))


def test_a_translated_scene_scores_as_the_same_tile_of_a_folder(tmp_path: Path, large: NDArray[np.uint8]) -> None:
    fake = np.roll(large, 5, axis=1)
    save_pair(tmp_path / "pairs", "0", fake, large, 0)
    wanted = scores(evaluated(tmp_path / "pairs", identity))
    paths = [save_scene(tmp_path / name, image) for name, image in (("out.tif", fake), ("optical.tif", large))]
    found = scores(rasters(*paths), "out.tif")
    for name in PICTURES:
        assert found[name].value == pytest.approx(wanted[name].value, rel=1e-3), name


def test_a_scene_is_one_tile_and_has_no_intervals(tmp_path: Path, large: NDArray[np.uint8]) -> None:
    path = save_scene(tmp_path / "out.tif", large)
    found = rasters(path, path)
    assert scores(found, "out.tif")["psnr"].value == math.inf
    assert all(score.low is None for score in scores(found, "out.tif").values())
    assert any("single tile and are not independent" in note for note in found.notes)


def test_a_score_of_a_single_tile_among_others_says_that_it_has_no_interval(tmp_path: Path) -> None:
    for number, image in enumerate((textures(1, 280)[0], *TRUTH[:2])):
        save_pair(tmp_path / "mixed", str(number), image, image, 1000 * number)
    found = evaluated(tmp_path / "mixed", identity)
    without = {name for name, score in scores(found).items() if score.low is None}
    assert without == {"sliced_wasserstein", "seam"}
    told = [note for note in found.notes if note.endswith("lies in a single tile: no interval.")]
    assert [note.split(":")[0] for note in told] == ["Sliced Wasserstein distance", "Seam score"]


def test_without_the_radar_scene_there_is_the_mean_colour_alone(tmp_path: Path, large: NDArray[np.uint8]) -> None:
    out, truth = (save_scene(tmp_path / name, image) for name, image in (("o.tif", large), ("t.tif", large[::-1])))
    found = rasters(out, truth)
    assert [method.name for method in found.methods] == ["o.tif", MEAN_COLOUR]
    assert "identity_collapse" not in scores(found, "o.tif")
    with_sar = rasters(out, truth, save_scene(tmp_path / "sar.tif", large[..., :1]))
    assert [method.name for method in with_sar.methods] == ["o.tif", MEAN_COLOUR, SAR_AS_GREY, LOOKUP]
    assert "identity_collapse" in scores(with_sar, "o.tif")


def test_seams_need_to_know_the_windows(tmp_path: Path, large: NDArray[np.uint8]) -> None:
    path = save_scene(tmp_path / "out.tif", large)
    unknown, known = rasters(path, path), rasters(path, path, windows=(128, 32))
    assert any("--window and --overlap do" in note for note in unknown.notes)
    assert scores(known, "out.tif")["seam"].value == pytest.approx(1, abs=0.1)


def test_rasters_without_a_common_valid_pixel_are_refused(tmp_path: Path, large: NDArray[np.uint8]) -> None:
    left, right = large.clip(1, 255), large.clip(1, 255)
    left[:, :150], right[:, 150:] = 0, 0
    paths = [save_scene(tmp_path / name, image, nodata=0) for name, image in (("a.tif", left), ("b.tif", right))]
    with pytest.raises(PairsError, match=r"a.tif and .*b.tif: no pixel is valid on both sides, expected some"):
        rasters(*paths)


def test_a_page_with_its_sheets_can_be_made_of_an_evaluation(twins: Path) -> None:
    found, images = evaluate_pairs(open_evaluated([twins], None, COLOURS), Translation(flat), "model")
    page = evaluation_page(found, contact_sheets(images, found.images))
    assert page.count("data:image/png;base64") == 3
    assert MEAN_COLOUR in page


def test_reports_replace_nothing_unless_told_to(tmp_path: Path) -> None:
    report, read = tmp_path / "report.html", tmp_path / "out.tif"
    check_report(report, [read], overwrite=False)
    for path in (report, read):
        path.touch()
    check_report(report, [read], overwrite=True)
    for path, overwrite, found in (
        (report, False, "exists already; --overwrite replaces it"),
        (read, True, "is what is evaluated"),
        (tmp_path, True, "is a folder"),
        (tmp_path / "no" / "r.html", True, "does not exist"),
    ):
        with pytest.raises(OutputError, match=found):
            check_report(path, [read], overwrite=overwrite)
