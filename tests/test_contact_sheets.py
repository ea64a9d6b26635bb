"""Contact sheets show the best, the middling and the worst images, each beside its truth."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np
import pytest
from rasterio.io import MemoryFile

from sartranslate.backscatter.radiometry import from_rgb
from sartranslate.evaluate.contact_sheets import ROWS, contact_sheets
from sartranslate.pages.page import SheetFigure
from sartranslate.pages.sheet import GAP
from sartranslate.quality.scores import ImageScores
from sartranslate.quality.scoring import Picture, Place, Sample
from sartranslate.rasters.process_wide import quiet
from sartranslate.streaming.windows import Window
from tests.textures import TRUTH

SIZE = 64


class Shelf:
    """Images each of which is predicted as flat as its number."""

    def __init__(self, count: int, *, sar: bool = True, small: int = 0) -> None:
        sizes = [SIZE] * count + [20] * small
        self.places = [Place(f"image {n}", n, Window(0, 0, size, size)) for n, size in enumerate(sizes)]
        self._sar = sar

    def translated(self, wanted: Collection[str] | None = None) -> Iterator[tuple[Sample, Picture]]:
        for number, place in enumerate(self.places):
            if wanted is None or place.name in wanted:
                height, width = place.size
                truth, mask = TRUTH[number % 6, :height, :width], np.ones(place.size, bool)
                mask[0, 0] = False
                source = from_rgb(truth[..., :1]) if self._sar else None
                yield Sample(place, truth, mask, source), np.full_like(truth, number)

    def scores(self) -> list[ImageScores]:
        """The larger the number of an image the better."""
        return [ImageScores(place.name, {"mae": 100.0 - number}) for number, place in enumerate(self.places)]


def pictures(figure: SheetFigure) -> np.ndarray:
    """(rows, 3, SIZE, SIZE, 3) the pictures of a sheet."""
    with quiet(), MemoryFile(figure.png) as file, file.open() as dataset:
        image = np.moveaxis(dataset.read(), 0, -1)
    step = SIZE + GAP
    rows = range(0, len(image), step)
    return np.stack([[image[row:, col:][:SIZE, :SIZE] for col in (0, step, 2 * step)] for row in rows])


def shown(figure: SheetFigure) -> list[int]:
    """Numbers of the images of a sheet from top to bottom."""
    return [int(row[1][5, 5, 0]) for row in pictures(figure)]


def test_the_best_the_middling_and_the_worst_are_shown_in_this_order() -> None:
    shelf = Shelf(20)
    best, median, worst = contact_sheets(shelf, shelf.scores())
    assert shown(best) == [19, 18, 17, 16]
    assert shown(median) == [11, 10, 9, 8]
    assert shown(worst) == [0, 1, 2, 3]
    assert best.caption.startswith("Best of 20 by MAE in grey levels, from the top: image 19: 81.0; image 18: 82.0")
    assert best.columns == ("SAR", "prediction", "truth")


@pytest.mark.parametrize(("count", "rows"), [(3, 1), (5, 1), (6, 2), (11, 3), (12, 4), (100, ROWS)])
def test_no_image_is_shown_twice(count: int, rows: int) -> None:
    shelf = Shelf(count)
    found = [shown(figure) for figure in contact_sheets(shelf, shelf.scores())]
    assert [len(numbers) for numbers in found] == [rows] * 3
    assert len({number for numbers in found for number in numbers}) == 3 * rows


@pytest.mark.parametrize("count", [1, 2])
def test_very_few_images_share_a_sheet(count: int) -> None:
    shelf = Shelf(count)
    (figure,) = contact_sheets(shelf, shelf.scores())
    assert len(shown(figure)) == count
    assert figure.caption.startswith(f"All of {count} by MAE")


def test_each_row_is_sar_prediction_and_truth_and_invalid_pixels_are_black() -> None:
    shelf = Shelf(1)
    (figure,) = contact_sheets(shelf, shelf.scores())
    sar, prediction, truth = pictures(figure)[0]
    assert (sar == TRUTH[0, ..., :1]).all()
    assert (truth[1:] == TRUTH[0, 1:]).all()
    assert (prediction == 0).all()
    assert (truth[0, 0] == 0).all()


def test_without_sar_its_column_is_grey_and_says_so() -> None:
    shelf = Shelf(1, sar=False)
    (figure,) = contact_sheets(shelf, shelf.scores())
    assert figure.columns == ("no SAR given", "prediction", "truth")
    assert (pictures(figure)[0][0] == 128).all()


def test_images_of_another_size_than_most_are_left_out() -> None:
    shelf = Shelf(3, small=2)
    found = contact_sheets(shelf, shelf.scores())
    assert [shown(figure) for figure in found] == [[2], [1], [0]]
    assert found[0].caption.startswith("Best of 3")
