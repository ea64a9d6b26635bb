"""Pictures of a comparison show the same ground, pixel by pixel, or it is refused with what does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from numpy.typing import NDArray

from sartranslate.backscatter.radiometry import Radiometry, to_rgb
from sartranslate.compare.comparison import Comparison, ComparisonOptions, open_comparison
from sartranslate.compare.comparison_pictures import as_webp, draw, ramp_top
from sartranslate.errors import OptionError, PairsError, SartranslateError, SceneError
from sartranslate.pages.colour_ramp import coloured
from sartranslate.rasters.raster import moved
from sartranslate.scenes.scene import open_scene
from sartranslate.scenes.source import SceneOptions
from sartranslate.streaming.windows import Window
from tests.conftest import TRANSFORM, WriteScene
from tests.tile_files import noise

HEIGHT, WIDTH = 300, 420
PART = Window(20, 30, 100, 160)
TRANSLATION, TRUTH = noise(HEIGHT, WIDTH, seed=1), noise(HEIGHT, WIDTH, seed=2)
LEVELS = noise(HEIGHT, WIDTH, 1, seed=3)


@pytest.fixture
def scene(write_scene: WriteScene, amplitudes: NDArray[np.uint16]) -> Path:
    return write_scene("scene.tif", amplitudes, ("VH",))


@pytest.fixture
def translation(write_scene: WriteScene) -> Path:
    return write_scene("out.tif", TRANSLATION)


def opened(scene: Path, translation: Path, /, **told: Any) -> Comparison:
    return open_comparison(scene, translation, Radiometry(), ComparisonOptions(**told))


def pictures(comparison: Comparison) -> dict[str, NDArray[np.uint8]]:
    return {layer.name: layer.picture for layer in draw(comparison).layers}


def opaque(colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.concatenate([colours, np.full_like(colours[..., :1], 255)], axis=-1)


def test_a_small_scene_is_shown_pixel_by_pixel(
    scene: Path, translation: Path, amplitudes: NDArray[np.uint16], write_scene: WriteScene
) -> None:
    truth, spread = write_scene("truth.tif", TRUTH), write_scene("spread.tif", LEVELS)
    comparison = opened(scene, translation, truth=truth, uncertainty=spread)
    found = draw(comparison)
    shown = {layer.name: layer.picture for layer in found.layers}
    scaled = comparison.scaling.scaled(amplitudes, np.ones((HEIGHT, WIDTH), bool))
    assert list(shown) == ["SAR", "Translation", "Truth", "Uncertainty"]
    np.testing.assert_array_equal(shown["SAR"], opaque(to_rgb(scaled.repeat(3, axis=-1))))
    np.testing.assert_array_equal(shown["Translation"], opaque(TRANSLATION))
    np.testing.assert_array_equal(shown["Truth"], opaque(TRUTH))
    np.testing.assert_array_equal(shown["Uncertainty"], opaque(coloured(LEVELS[..., 0], found.ramp_top)))


def test_a_large_scene_is_shown_by_means(scene: Path, translation: Path, amplitudes: NDArray[np.uint16]) -> None:
    comparison = opened(scene, translation, size=105)
    shown = pictures(comparison)
    blocks = TRANSLATION.reshape(75, 4, 105, 4, 3).mean(axis=(1, 3))
    scaled = comparison.scaling.scaled(amplitudes, np.ones((HEIGHT, WIDTH), bool))
    assert comparison.reduction.step == 4
    np.testing.assert_array_equal(shown["Translation"], opaque(np.rint(blocks).astype(np.uint8)))
    means = scaled.reshape(75, 4, 105, 4).mean(axis=(1, 3), dtype=np.float64)
    assert abs(shown["SAR"][..., 0].astype(float) - (means + 1) * 127.5).max() <= 0.51


def test_of_a_part_of_a_scene_that_part_is_shown_scaled_as_the_whole(
    scene: Path, translation: Path, write_scene: WriteScene
) -> None:
    cut = write_scene("part.tif", TRANSLATION[PART.rows, PART.cols], transform=moved(TRANSFORM, PART))
    truth, spread = write_scene("truth.tif", TRUTH), write_scene("spread.tif", LEVELS)
    told = {"truth": truth, "uncertainty": spread}
    whole, part = pictures(opened(scene, translation, **told)), pictures(opened(scene, cut, **told))
    for name in ("SAR", "Translation", "Truth"):
        np.testing.assert_array_equal(part[name], whole[name][PART.rows, PART.cols])
    assert part["Uncertainty"].shape == (PART.height, PART.width, 4)


def test_what_is_invalid_is_transparent_in_its_own_layer_alone(
    write_scene: WriteScene, translation: Path, amplitudes: NDArray[np.uint16]
) -> None:
    amplitudes[:50, :60] = 0
    spoilt = write_scene("holes.tif", amplitudes, ("VH",), nodata=0)
    shown = pictures(opened(spoilt, translation))
    assert (shown["SAR"][:50, :60, 3] == 0).all()
    assert (shown["SAR"][..., 3] == 0).sum() == 50 * 60
    assert (shown["Translation"][..., 3] == 255).all()


def test_two_bands_are_shown_in_colours(write_scene: WriteScene, translation: Path) -> None:
    values = np.random.default_rng(1).gamma(4.4, 100, (HEIGHT, WIDTH, 2)).astype(np.uint16) + 1
    both = write_scene("both.tif", values, ("VV", "VH"))
    comparison = open_comparison(both, translation, Radiometry(bands=(("VV",), ("VH",))))
    sar = pictures(comparison)["SAR"]
    np.testing.assert_array_equal(
        sar[..., 0], to_rgb(comparison.scaling.scaled(values, np.ones((HEIGHT, WIDTH), bool)))[..., 0]
    )
    assert (sar[..., 0] != sar[..., 1]).any()


def test_a_scene_that_had_to_be_warped_lies_on_the_grid_of_its_translation(
    write_gcp_scene: WriteScene, write_scene: WriteScene, amplitudes: NDArray[np.uint16]
) -> None:
    scene = write_gcp_scene("grd.tif", amplitudes, ("VH",))
    grid = open_scene(scene, None)
    size = grid.height, grid.width
    out = write_scene("warped.tif", noise(*size), crs=grid.crs, transform=grid.transform)
    shown = pictures(opened(scene, out))
    assert shown["SAR"].shape == (*size, 4)
    assert 0.5 < (shown["SAR"][..., 3] > 0).mean() < 1  # it is turned on its grid


@pytest.mark.parametrize(
    ("profile", "reason"),
    [
        ({"transform": moved(TRANSFORM, Window(0, 5, 1, 1))}, r"scene.tif: 300 x 420 pixels of 10 x -10 from 500000"),
        ({"transform": Affine(10, 0, 500_005, 0, -10, 5_300_000)}, r"expected the grid of .*out.tif, .* from 500005"),
        ({"crs": "EPSG:32633"}, r"in EPSG:32632, expected .* in EPSG:32633; a translation may be a part of its scene"),
    ],
)
def test_a_translation_of_other_ground_is_refused(
    scene: Path, write_scene: WriteScene, profile: dict[str, Any], reason: str
) -> None:
    with pytest.raises(PairsError, match=reason):
        opened(scene, write_scene("out.tif", TRANSLATION, **profile))


def test_a_truth_on_another_grid_is_refused_or_warped(scene: Path, translation: Path, write_scene: WriteScene) -> None:
    shifted = write_scene("truth.tif", TRUTH, transform=Affine(10, 0, 499_995, 0, -10, 5_300_000))
    with pytest.raises(PairsError, match=r"truth.tif: .* from 499995, .*expected the grid of .*; --warp puts it there"):
        opened(scene, translation, truth=shifted)
    assert pictures(opened(scene, translation, truth=shifted, warp=True))["Truth"].shape == (HEIGHT, WIDTH, 4)


def test_rasters_of_another_kind_are_refused(scene: Path, translation: Path, write_scene: WriteScene) -> None:
    broken = scene.with_name("broken.tif")
    broken.write_bytes(b"II*\0nothing")
    cases: list[tuple[Path, dict[str, Any], type[SartranslateError], str]] = [
        (write_scene("grey.tif", LEVELS), {}, PairsError, "grey.tif: 1 band of uint8, expected 3"),
        (translation, {"uncertainty": translation}, PairsError, "out.tif: 3 bands, expected one of grey levels"),
        (broken, {}, SceneError, "broken.tif: can not be read"),
        (translation, {"truth": broken}, SceneError, "broken.tif: can not be read"),
    ]
    for out, told, error, reason in cases:
        with pytest.raises(error, match=reason):
            opened(scene, out, **told)


@pytest.mark.parametrize("size", [63, 8193])
def test_a_size_that_no_browser_or_no_eye_can_use_is_refused(size: int) -> None:
    with pytest.raises(OptionError, match=f"size {size}: expected 64 to 8192 pixels"):
        ComparisonOptions(size=size)


def test_without_a_pixel_that_all_have_there_is_nothing_to_compare(
    write_scene: WriteScene, amplitudes: NDArray[np.uint16]
) -> None:
    left, right = amplitudes.copy(), TRANSLATION.copy()
    left[:, 200:], right[:, :200] = 0, 0
    scene, out = write_scene("left.tif", left, ("VH",), nodata=0), write_scene("right.tif", right, nodata=0)
    with pytest.raises(PairsError, match=r"right.tif: no pixel that is valid in all of SAR, Translation"):
        draw(opened(scene, out))


def test_a_scene_in_pixel_coordinates_is_compared_where_that_is_allowed(
    write_scene: WriteScene, amplitudes: NDArray[np.uint16]
) -> None:
    nowhere = {"crs": None, "transform": Affine.identity()}
    scene = write_scene("plain.tif", amplitudes, ("VH",), **nowhere)
    out = write_scene("out.tif", TRANSLATION, **nowhere)
    with pytest.raises(SceneError, match="no georeference"):
        opened(scene, out)
    allowed = opened(scene, out, scene=SceneOptions(allow_ungeoreferenced=True))
    assert set(pictures(allowed)) == {"SAR", "Translation"}
    with pytest.raises(PairsError, match=r"out.tif: no georeference, expected one to put .*placed.tif on$"):
        opened(scene, out, scene=SceneOptions(allow_ungeoreferenced=True), truth=write_scene("placed.tif", TRUTH))


def test_a_picture_of_speckle_at_full_size_stays_below_two_megabytes() -> None:
    grey = np.clip(128 + 40 * np.log(np.random.default_rng(0).gamma(4.4, 1 / 4.4, (500, 500, 1))), 0, 255)
    content = as_webp(opaque(grey.astype(np.uint8).repeat(3, axis=-1)))
    assert content[:4] == b"RIFF"
    assert len(content) * 16 < 2e6  # of 2000 x 2000 pixels


@pytest.mark.parametrize(("high", "top"), [(0, 5), (5, 5), (6, 10), (90, 90)])
def test_the_ramp_ends_at_a_round_number_above_nearly_all_levels(high: float, top: float) -> None:
    assert ramp_top(np.full(1000, high)) == top


def test_strips_are_counted_and_whoever_watches_may_stop(scene: Path, translation: Path) -> None:
    told: list[tuple[int, int]] = []
    draw(opened(scene, translation, truth=translation), lambda done, planned: told.append((done, planned)))
    assert told == [(done, 6) for done in range(1, 7)]  # two strips each of three layers

    def stop(done: int, planned: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw(opened(scene, translation), stop)
