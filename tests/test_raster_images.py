"""A translation lies beside its truth pixel by pixel, or is refused with what is different."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS

from sartranslate.backscatter.distribution import resolve_scaling
from sartranslate.backscatter.radiometry import Radiometry, to_rgb
from sartranslate.errors import OptionError, PairsError, SartranslateError, SceneError
from sartranslate.evaluate.raster_images import RasterImages, RasterOptions, open_raster_images
from sartranslate.quality.seams import Borders, SeamSums, TranslatedRegion
from sartranslate.scenes.optical import OpticalOptions
from sartranslate.scenes.sampling import sample_scene
from sartranslate.scenes.scene import open_scene
from sartranslate.streaming.windows import Window, WindowGrid
from tests.conftest import TRANSFORM, UTM, WriteScene, save_scene
from tests.tile_files import noise

HEIGHT, WIDTH = 300, 420
VALID = np.ones((HEIGHT, WIDTH), bool)
PREDICTION, TRUTH = noise(HEIGHT, WIDTH, seed=1), noise(HEIGHT, WIDTH, seed=2)
SAR = noise(HEIGHT, WIDTH, 1, seed=3)


@pytest.fixture
def prediction(write_scene: WriteScene) -> Path:
    return write_scene("out.tif", PREDICTION)


@pytest.fixture
def truth(write_scene: WriteScene) -> Path:
    return write_scene("optical.tif", TRUTH)


def opened(prediction: Path, truth: Path, sar: Path | None = None, **told: Any) -> RasterImages:
    return open_raster_images(prediction, truth, sar, Radiometry(), RasterOptions(**told))


def whole(images: RasterImages) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.bool_]]:
    """Prediction, truth and mask put together from all images."""
    fake, real, mask = np.zeros_like(PREDICTION), np.zeros_like(PREDICTION), np.zeros((HEIGHT, WIDTH), bool)
    for sample, picture in images.translated():
        place = sample.place.window.rows, sample.place.window.cols
        fake[place], real[place], mask[place] = picture, sample.truth, sample.mask
    return fake, real, mask


def test_images_of_rasters_on_one_grid_are_their_pixels_bit_for_bit(prediction: Path, truth: Path) -> None:
    fake, real, mask = whole(opened(prediction, truth))
    assert (fake == PREDICTION).all()
    assert (real == TRUTH).all()
    assert mask.all()


def test_images_are_windows_of_256_pixels_and_all_of_one_tile(prediction: Path, truth: Path) -> None:
    places = opened(prediction, truth).places
    assert {place.size for place in places} == {(256, 256)}
    assert {place.tile for place in places} == {0}
    assert [place.name for place in places][-1] == f"row {HEIGHT - 256}, column {WIDTH - 256}"


def test_what_is_invalid_in_any_raster_does_not_count(write_scene: WriteScene) -> None:
    images = [PREDICTION.copy(), TRUTH.copy(), SAR.copy()]
    for number, image in enumerate(images):
        image[100 * number : 100 * number + 50] = 0
    paths = [write_scene(f"{number}.tif", image, nodata=0) for number, image in enumerate(images)]
    assert (whole(opened(*paths))[2] == (np.arange(HEIGHT) % 100 >= 50)[:, None]).all()


def test_a_prediction_shows_nothing_only_where_all_its_colours_are_nodata(write_scene: WriteScene, truth: Path) -> None:
    picture = PREDICTION.clip(1)
    picture[:100, :, 1] = 0
    picture[100:150] = 0
    mask = whole(opened(write_scene("picture.tif", picture, nodata=0), truth))[2]
    assert mask[:100].all()
    assert not mask[100:150].any()


def test_the_radar_is_scaled_as_a_whole_scene(prediction: Path, truth: Path, write_scene: WriteScene) -> None:
    sar = write_scene("sar.tif", SAR)
    low, high = np.percentile(SAR, (1, 99))
    wanted = to_rgb(((SAR[..., 0] - low) / (high - low) * 2 - 1).clip(-1, 1))
    for sample in opened(prediction, truth, sar).samples():
        assert sample.grey is not None
        place = sample.place.window.rows, sample.place.window.cols
        assert np.abs(sample.grey.astype(int) - wanted[place]).max() <= 1


def test_wanted_images_alone_are_read(prediction: Path, truth: Path) -> None:
    images = opened(prediction, truth)
    (found,) = images.translated({images.places[2].name})
    assert found[0].place == images.places[2]


@pytest.mark.parametrize(
    ("profile", "found"),
    [
        ({"transform": Affine(10, 0, 500_050, 0, -10, 5_300_000)}, "from 500050, 5300000 in EPSG:32632"),
        ({"transform": Affine(5, 0, 500_000, 0, -5, 5_300_000)}, "300 x 420 pixels of 5 x -5 from"),
        ({"crs": CRS.from_epsg(32633)}, "in EPSG:32633"),
    ],
)
def test_a_truth_on_another_grid_is_refused_with_both_grids_and_a_way_out(
    prediction: Path, write_scene: WriteScene, profile: dict[str, Any], found: str
) -> None:
    truth = write_scene("other.tif", TRUTH, **profile)
    with pytest.raises(PairsError) as caught:
        opened(prediction, truth)
    text = str(caught.value)
    assert text.startswith(f"{truth}: ")
    assert found in text
    wanted = "300 x 420 pixels of 10 x -10 from 500000, 5300000 in EPSG:32632"
    assert text.endswith(f"expected the grid of {prediction}, {wanted}; --warp puts it there")


def test_a_truth_of_another_size_is_refused(prediction: Path, write_scene: WriteScene) -> None:
    with pytest.raises(PairsError, match=r"200 x 420 pixels of .*, expected the grid of .*, 300 x 420 pixels of"):
        opened(prediction, write_scene("other.tif", TRUTH[:200]))


def test_a_truth_that_covers_more_is_warped_onto_the_prediction(prediction: Path, write_scene: WriteScene) -> None:
    around = np.pad(TRUTH, ((7, 3), (4, 9), (0, 0)), constant_values=9)
    left, top = TRANSFORM.c - 4 * 10, TRANSFORM.f + 7 * 10
    truth = write_scene("larger.tif", around, transform=Affine(10, 0, left, 0, -10, top))
    _, real, mask = whole(opened(prediction, truth, warp=True))
    assert mask.all()
    assert (real == TRUTH).all()


def test_a_radar_scene_on_another_grid_is_refused(prediction: Path, truth: Path, write_scene: WriteScene) -> None:
    with pytest.raises(PairsError, match=r"sar.tif: 299 x 420 pixels .*, expected the grid of .*out.tif"):
        opened(prediction, truth, write_scene("sar.tif", SAR[1:]))


def test_a_prediction_of_a_part_lies_on_its_own_part_of_the_whole_scene(
    prediction: Path, truth: Path, write_scene: WriteScene
) -> None:
    around = np.pad(SAR, ((7, 3), (4, 9), (0, 0)), constant_values=250)
    left, top = TRANSFORM.c - 4 * 10, TRANSFORM.f + 7 * 10
    scene = write_scene("whole.tif", around, transform=Affine(10, 0, left, 0, -10, top))
    images = opened(prediction, truth, scene)
    assert images.sar is not None
    assert images.sar.corner == (7, 4)
    scaling = resolve_scaling(Radiometry(), sample_scene(open_scene(scene, Radiometry().bands)).T)
    expected = scaling.apply(SAR.astype(np.float32), np.ones(SAR.shape[:2], bool))
    for sample in images.samples():
        window = sample.place.window
        assert sample.source is not None
        np.testing.assert_array_equal(sample.source, expected[window.rows, window.cols])


def test_a_prediction_between_the_pixels_of_the_radar_scene_is_refused(
    prediction: Path, truth: Path, write_scene: WriteScene
) -> None:
    around = np.pad(SAR, ((7, 3), (4, 9), (0, 0)))
    left, top = TRANSFORM.c - 4 * 10 - 5, TRANSFORM.f + 7 * 10
    with pytest.raises(PairsError, match=r"of --sar a prediction may be a part$"):
        opened(prediction, truth, write_scene("whole.tif", around, transform=Affine(10, 0, left, 0, -10, top)))


def test_a_prediction_that_reaches_beyond_the_radar_scene_is_refused(
    prediction: Path, truth: Path, write_scene: WriteScene
) -> None:
    narrow = np.pad(SAR, ((7, 3), (4, 0), (0, 0)))[:, :-1]
    left, top = TRANSFORM.c - 4 * 10, TRANSFORM.f + 7 * 10
    with pytest.raises(PairsError, match=r"310 x 423 pixels .*; of --sar a prediction may be a part$"):
        opened(prediction, truth, write_scene("whole.tif", narrow, transform=Affine(10, 0, left, 0, -10, top)))


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (PREDICTION[..., :1], "1 band of uint8"),
        (np.concatenate([PREDICTION, PREDICTION], axis=-1), "6 bands of uint8"),
        (PREDICTION.astype(np.uint16), "3 bands of uint16"),
    ],
)
def test_a_prediction_that_is_no_rgb_is_refused(
    write_scene: WriteScene, truth: Path, values: NDArray[Any], found: str
) -> None:
    with pytest.raises(PairsError, match=f"out.tif: {found}, expected 3 bands of uint8: red, green and blue"):
        opened(write_scene("out.tif", values), truth)


def test_a_truth_with_another_number_of_bands_is_refused_unless_they_are_chosen(
    prediction: Path, write_scene: WriteScene
) -> None:
    four = np.concatenate([TRUTH[..., ::-1], TRUTH[..., :1]], axis=-1)
    truth = write_scene("four.tif", four, photometric="minisblack", alpha="no")
    with pytest.raises(SceneError, match=r"four.tif: 4 bands, expected red, green and blue; choose with --rgb"):
        opened(prediction, truth)
    assert (whole(opened(prediction, truth, optical=OpticalOptions(rgb=(3, 2, 1))))[1] == TRUTH).all()


def test_a_truth_that_is_not_bytes_is_stretched_as_told(prediction: Path, write_scene: WriteScene) -> None:
    truth = write_scene("reflectance.tif", TRUTH.astype(np.uint16) * 10)
    assert (whole(opened(prediction, truth, optical=OpticalOptions(stretch=(0, 2550))))[1] == TRUTH).all()


@pytest.mark.parametrize("place", [{"crs": None}, {"transform": None}])
def test_a_prediction_that_lies_nowhere_is_refused(tmp_path: Path, truth: Path, place: dict[str, None]) -> None:
    with pytest.raises(SartranslateError, match=r"out.tif: no georeference, expected CRS and transform"):
        opened(save_scene(tmp_path / "out.tif", PREDICTION, **place), truth)


def with_tag(path: Path, text: str) -> Path:
    import rasterio

    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(SARTRANSLATE_WINDOW=text)
    return path


def test_windows_are_those_that_the_prediction_tells_unless_others_are_told(prediction: Path, truth: Path) -> None:
    assert opened(prediction, truth).windows is None
    with_tag(prediction, "128, overlap 32")
    assert opened(prediction, truth).windows == TranslatedRegion.whole(WindowGrid(HEIGHT, WIDTH, 128, 32))
    told = TranslatedRegion.whole(WindowGrid(HEIGHT, WIDTH, 256, 64))
    assert opened(prediction, truth, windows=(256, 64)).windows == told


def test_windows_of_a_part_of_a_scene_count_from_the_corner_of_the_scene(prediction: Path, truth: Path) -> None:
    with_tag(prediction, "128, overlap 0, from row 100, column 20 of 1000 x 440")
    images = opened(prediction, truth)
    assert images.windows == TranslatedRegion(WindowGrid(1000, 440, 128, 0), Window(100, 20, HEIGHT, WIDTH))
    sums = SeamSums(Borders([28, 156, 284], [108, 236, 292, 364]))
    sums.add(PREDICTION, VALID)
    assert images.seams()[0].score == pytest.approx(sums.score)


def test_a_prediction_that_is_larger_than_its_tag_has_room_for_is_refused(prediction: Path, truth: Path) -> None:
    with_tag(prediction, text := "128, overlap 0, from row 100, column 21 of 1000 x 440")
    with pytest.raises(PairsError, match=rf"{prediction}: 300 x 420 pixels, .* has room for, {text}; --window and"):
        opened(prediction, truth)
    assert opened(prediction, truth, windows=(128, 0)).windows


def test_the_seam_score_is_that_of_the_whole_raster(prediction: Path, truth: Path) -> None:
    sums = SeamSums(TranslatedRegion.whole(WindowGrid(HEIGHT, WIDTH, 128, 32)).borders)
    sums.add(PREDICTION, VALID)
    found = opened(prediction, truth, windows=(128, 32)).seams()[0]
    assert found.score == pytest.approx(sums.score)
    assert opened(prediction, truth, windows=(512, 64)).seams() == {}
    assert opened(prediction, truth).seams() == {}


def test_the_grid_of_a_prediction_is_that_of_its_scene(prediction: Path, truth: Path) -> None:
    assert opened(prediction, truth).prediction == open_scene(prediction, None)
    assert opened(prediction, truth).prediction.crs == UTM


def test_windows_that_can_not_be_are_refused(prediction: Path, truth: Path) -> None:
    with pytest.raises(OptionError, match="overlap 128: expected 0 to 127"):
        opened(prediction, truth, windows=(128, 128))
