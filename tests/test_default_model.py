"""The embedded model on the sample scene: a picture in which the kinds of land are told apart."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

from sartranslate.infer.inference import translate
from sartranslate.infer.planning import plan
from sartranslate.networks import bundle
from sartranslate.runtimes.translator import load_translator
from sartranslate.simulate.landcover import METRES_PER_PIXEL
from sartranslate.simulate.materials import Cover
from sartranslate.simulate.simulation import EASTING, NORTHING
from sartranslate.simulate.simulator import Landscape
from sartranslate.streaming.windows import Window

SAMPLE = Path(__file__).parents[1] / "sample_tiles" / "scene.tif"
SAMPLE_SEED = 1
KINDS = {
    "water": (Cover.WATER,),
    "field": (Cover.FIELD,),
    "forest": (Cover.FOREST,),
    "built-up": (Cover.BUILDING, Cover.GARDEN),
}
BLOCK = 12  # pixels, the size at which a town is more than single houses and streets
PURE = 0.6  # share of a block that one kind of land fills; towns need some of it for streets

DISTANCE = 25  # grey levels

Looks = dict[str, NDArray[np.float64]]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Looks, Looks]:
    """What the model makes of the scene, and what the ground looks like.

    Mean RGB and grain (deviation of brightness) of the blocks that one kind of land dominates, (N, 4).
    """
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
    landscape = Landscape(SAMPLE_SEED)
    cover, truth = landscape.cover(place), landscape.optical(place)
    return looks_of(rgb, cover), looks_of(np.asarray(truth, np.float64), cover)


def looks_of(rgb: NDArray[np.float64], cover: NDArray[np.generic]) -> Looks:
    brightness = rgb.mean(axis=-1, keepdims=True)
    grain = np.sqrt(np.maximum(in_blocks(brightness**2) - in_blocks(brightness) ** 2, 0))
    blocks = np.concatenate([in_blocks(rgb), grain], axis=-1)
    shares = {kind: in_blocks(np.isin(cover, covers)[..., None])[..., 0] for kind, covers in KINDS.items()}
    return {kind: blocks[share > PURE] for kind, share in shares.items()}


@pytest.fixture(scope="module")
def looks(both: tuple[Looks, Looks]) -> Looks:
    return both[0]


def in_blocks(values: NDArray[np.generic]) -> NDArray[np.float64]:
    height, width, channels = values.shape[0] // BLOCK, values.shape[1] // BLOCK, values.shape[2]
    cut = values[: height * BLOCK, : width * BLOCK].astype(np.float64)
    return cut.reshape(height, BLOCK, width, BLOCK, channels).mean(axis=(1, 3))


def test_the_embedded_model_is_small_and_says_where_it_comes_from() -> None:
    description = bundle.describe(bundle.DEFAULT_MODEL)
    assert bundle.DEFAULT_MODEL.stat().st_size < 30e6
    assert description.training["updates"] > 1000
    assert description.radiometry.bands == (("VH", "VV"),)


def test_the_card_tells_of_this_model() -> None:
    card = (Path(__file__).parents[1] / "docs" / "default_model.md").read_text(encoding="utf-8")
    told = re.search(r"^\| training \| .* ([\d,]+) updates in all", card, re.MULTILINE)
    assert told
    assert int(told[1].replace(",", "")) == bundle.describe(bundle.DEFAULT_MODEL).training["updates"]


def test_the_four_kinds_of_land_look_nearly_as_different_as_they_are(both: tuple[Looks, Looks]) -> None:
    made, real = ({kind: np.median(values, axis=0) for kind, values in looks.items()} for looks in both)
    for one, other in combinations(KINDS, 2):
        distance, expected = (np.linalg.norm(medians[one] - medians[other]) for medians in (made, real))
        assert distance > 0.75 * expected, (one, other, made, real)


def test_most_of_each_kind_of_land_looks_like_its_kind(looks: Looks) -> None:
    """Fields are the hardest: bare ones come out as grey as a town."""
    medians = np.stack([np.median(looks[kind], axis=0) for kind in KINDS])
    shares = {}
    for number, kind in enumerate(KINDS):
        distances = np.linalg.norm(looks[kind][:, None] - medians, axis=-1)
        shares[kind] = (distances.argmin(axis=1) == number).mean()
    assert min(shares.values()) > 0.6, shares
    assert np.mean(list(shares.values())) > 0.8, shares


def test_the_colours_are_those_a_person_expects(looks: Looks) -> None:
    water, field, forest, built_up = (np.median(looks[kind], axis=0)[:3] for kind in KINDS)
    assert water[2] > water[0]
    assert forest[1] > max(forest[0], forest[2])
    assert np.ptp(built_up) < np.ptp(field)
    assert field.mean() > max(forest.mean(), water.mean()) + DISTANCE


def test_the_colour_of_each_kind_of_land_is_that_of_the_ground(both: tuple[Looks, Looks]) -> None:
    made, real = ({kind: np.median(values, axis=0)[:3] for kind, values in looks.items()} for looks in both)
    for kind in KINDS:
        assert np.linalg.norm(made[kind] - real[kind]) < DISTANCE, (kind, made, real)
