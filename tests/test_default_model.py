"""The embedded model on the sample scene: a picture in which the kinds of land are told apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

from sartranslate import bundle
from sartranslate.inference import load_translator, plan, translate
from sartranslate.landcover import METRES_PER_PIXEL
from sartranslate.materials import Cover
from sartranslate.simulation import EASTING, NORTHING
from sartranslate.simulator import Landscape
from sartranslate.windows import Window

SAMPLE = Path(__file__).parents[1] / "sample_tiles" / "scene.tif"
SAMPLE_SEED = 1
KINDS = (Cover.WATER, Cover.FIELD, Cover.FOREST, Cover.BUILDING)
BLOCK = 12  # pixels, the size at which a town is more than single houses and streets
PURE = 0.5  # share of a block that one kind of land fills; buildings leave room for streets and gardens


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> dict[Cover, NDArray[np.float64]]:
    """Mean RGB of the translation, (N, 3), in the blocks that one kind of land dominates."""
    out = tmp_path_factory.mktemp("sample") / "out.tif"
    description = bundle.describe(bundle.DEFAULT_MODEL)
    translate(plan(SAMPLE, out, description.radiometry), load_translator(bundle.DEFAULT_MODEL))
    with rasterio.open(out) as dataset:
        rgb = np.moveaxis(dataset.read(), 0, -1).astype(np.float64)
        place = Window(
            round((NORTHING - dataset.transform.f) / METRES_PER_PIXEL),
            round((dataset.transform.c - EASTING) / METRES_PER_PIXEL),
            *dataset.shape,
        )
    cover = Landscape(SAMPLE_SEED).cover(place)
    means = in_blocks(rgb)
    return {kind: means[in_blocks((cover == kind)[..., None])[..., 0] > PURE] for kind in KINDS}


def in_blocks(values: NDArray[np.generic]) -> NDArray[np.float64]:
    height, width, channels = values.shape[0] // BLOCK, values.shape[1] // BLOCK, values.shape[2]
    cut = values[: height * BLOCK, : width * BLOCK].astype(np.float64)
    return cut.reshape(height, BLOCK, width, BLOCK, channels).mean(axis=(1, 3))


def test_the_embedded_model_is_small_and_says_where_it_comes_from() -> None:
    description = bundle.describe(bundle.DEFAULT_MODEL)
    assert bundle.DEFAULT_MODEL.stat().st_size < 30e6
    assert description.training["updates"] > 1000
    assert description.radiometry.bands == (("VH", "VV"),)


def test_the_four_kinds_of_land_have_colours_of_their_own(colours: dict[Cover, NDArray[np.float64]]) -> None:
    medians = {kind: np.median(values, axis=0) for kind, values in colours.items()}
    for one in KINDS:
        for other in KINDS[KINDS.index(one) + 1 :]:
            assert np.linalg.norm(medians[one] - medians[other]) > 25, (one, other, medians)


def test_most_of_each_kind_of_land_is_nearest_to_its_own_colour(colours: dict[Cover, NDArray[np.float64]]) -> None:
    medians = np.stack([np.median(colours[kind], axis=0) for kind in KINDS])
    for number, kind in enumerate(KINDS):
        distances = np.linalg.norm(colours[kind][:, None] - medians, axis=-1)
        share = (distances.argmin(axis=1) == number).mean()
        assert share > 0.75, (kind, share)


def test_the_colours_are_those_a_person_expects(colours: dict[Cover, NDArray[np.float64]]) -> None:
    water, field, forest, _ = (np.median(colours[kind], axis=0) for kind in KINDS)
    assert water[2] > water[0]
    assert forest[1] > max(forest[0], forest[2])
    assert field.mean() > forest.mean() > water.mean() - 20
