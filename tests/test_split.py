"""A split by place keeps its guard everywhere on the globe, its shares, and its draws."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod

from sartranslate.datasets.split import SPLITS, PlaceSplit
from sartranslate.errors import OptionError
from sartranslate.scenes.longitudes import Degrees

LIGHT = settings(max_examples=100, deadline=None)
EARTH = Geod(ellps="WGS84")

latitudes = st.floats(-90, 90) | st.sampled_from([-90.0, -89.999, -60.0, 0.0, 60.0, 89.99, 90.0])
longitudes = st.floats(-180, 180) | st.sampled_from([-180.0, -179.999, 0.0, 179.999, 180.0])
azimuths = st.floats(0, 360)


def circle(longitude: float, latitude: float, azimuth: float, radius: float) -> Degrees:
    """A round outline of this radius (metres) that begins at a place and lies to that side of it."""
    x, y, back = EARTH.fwd(longitude, latitude, azimuth, radius)
    turns = back + np.linspace(0, 360, 32, endpoint=False)
    around = EARTH.fwd(np.full(32, x), np.full(32, y), turns, np.full(32, radius))
    ring = np.stack(around[:2], axis=-1)
    ring[0] = longitude, latitude
    return ring


def square(longitude: float, latitude: float, size: float = 0.01) -> Degrees:
    return np.array([(0, 0), (1, 0), (1, 1), (0, 1)]) * size + (longitude, latitude)


def scattered(count: int) -> np.ndarray:
    """(count, 2) longitudes and latitudes evenly over the globe."""
    rng = np.random.default_rng(8)
    return np.stack([rng.uniform(-180, 180, count), np.degrees(np.arcsin(rng.uniform(-1, 1, count)))], axis=-1)


@st.composite
def splits(draw: Any) -> PlaceSplit:
    block = draw(st.sampled_from([1000.0, 10_000.0, 77_777.0]))
    return PlaceSplit(draw(st.integers(0, 2**63 - 1)), block, draw(st.floats(0, 0.5)) * block, (0.4, 0.3, 0.3))


@LIGHT
@given(splits(), longitudes, latitudes, azimuths, azimuths, azimuths, st.floats(0, 0.999), st.floats(0.001, 0.3))
def test_outlines_nearer_than_the_guard_are_never_of_different_splits(
    split: PlaceSplit, x: float, y: float, toward: float, side: float, other: float, share: float, size: float
) -> None:
    x2, y2, _ = EARTH.fwd(x, y, toward, share * split.guard)
    here = split.of(circle(x, y, side, size * split.block))
    there = split.of(circle(x2, y2, other, 0.3 * size * split.block))
    assert here is None or there is None or here == there


@pytest.mark.parametrize("azimuth", [0, 90])
def test_not_even_places_just_nearer_than_the_guard_are_of_different_splits(azimuth: int) -> None:
    split = PlaceSplit(block=1000, guard=400, shares=(0.4, 0.3, 0.3))
    for x, y in scattered(1500):
        x2, y2, _ = EARTH.fwd(x, y, azimuth, 0.9999 * split.guard)
        here, there = split.of(np.array([(x, y)])), split.of(np.array([(x2, y2)]))
        assert here is None or there is None or here == there


@pytest.mark.parametrize(("longitude", "latitude"), [(12, 48), (179.9, 0), (-30, 85), (0, -89.8)])
def test_neighbours_all_around_keep_the_guard_and_no_much_wider_one(longitude: float, latitude: float) -> None:
    split = PlaceSplit(seed=1, block=2000, guard=300, shares=(0.4, 0.3, 0.3))
    radii, turns = np.meshgrid(np.arange(1, 25) * 150.0, np.arange(0, 360, 10.0))
    places = EARTH.fwd(*(np.full(radii.size, value) for value in (longitude, latitude)), turns.ravel(), radii.ravel())
    drawn = [(x, y, split.of(np.array([(x, y)]))) for x, y, _ in zip(*places, strict=True)]
    kept = [place for place in drawn if place[2]]
    distances = [EARTH.inv(a[0], a[1], b[0], b[1])[2] for a, b in itertools.combinations(kept[::2], 2) if a[2] != b[2]]
    assert 300 <= min(distances) < 400
    assert len(kept) > len(drawn) / 2


@LIGHT
@given(splits(), longitudes, latitudes, azimuths)
def test_the_split_of_an_outline_does_not_depend_on_where_it_begins_or_how_often_it_is_asked(
    split: PlaceSplit, x: float, y: float, side: float
) -> None:
    ring = circle(x, y, side, 0.1 * split.block)
    again = PlaceSplit(split.seed, split.block, split.guard, split.shares)
    assert split.of(ring) == again.of(ring) == split.of(ring[::-1])
    assert split.of(ring) == split.of(np.concatenate([ring, ring[:1]]))


def test_the_draws_are_those_of_all_platforms_and_releases() -> None:
    """Tiles of earlier runs must keep their split."""
    places = [(7.0, 46.0), (7.3, 46.1), (7.6, 46.2), (-120.0, 38.0), (151.0, -33.0), (10.0, 78.0), (0.0, -89.99)]
    split = PlaceSplit(seed=3, guard=0, shares=(0.4, 0.3, 0.3))
    assert [split.of(np.array([place])) for place in places] == [
        "test",
        "train",
        "test",
        "val",
        "train",
        "val",
        "train",
    ]


@pytest.mark.parametrize("shares", [(0.7, 0.15, 0.15), (0.5, 0.5, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)])
def test_the_splits_get_about_their_shares_of_the_globe(shares: tuple[float, float, float]) -> None:
    split = PlaceSplit(seed=11, guard=0, shares=shares)
    counts = Counter(split.of(place[None]) for place in scattered(2500))
    assert [counts[name] / 2500 for name in SPLITS] == pytest.approx(shares, abs=0.03)
    assert {name for name, share in zip(SPLITS, shares, strict=True) if share == 0} & set(counts) == set()


def test_another_seed_draws_another_split() -> None:
    places = scattered(1000)
    drawn = [[PlaceSplit(seed, guard=0, shares=(0.4, 0.3, 0.3)).of(place[None]) for place in places] for seed in (0, 1)]
    same = np.mean([a == b for a, b in zip(*drawn, strict=True)])
    assert same == pytest.approx(0.4**2 + 0.3**2 + 0.3**2, abs=0.05)


@pytest.mark.parametrize("latitude", [0.0, -45.0, 80.0])
def test_blocks_are_about_as_wide_and_high_as_told(latitude: float) -> None:
    """Half the borders between blocks are borders between two even splits."""
    split = PlaceSplit(seed=2, block=10_000, guard=0, shares=(0.5, 0.5, 0.0))
    east = np.linspace(-30, 30, round(2500 * np.cos(np.radians(latitude))))
    along = [split.of(np.array([(x, latitude + 0.01)])) for x in east]
    north = np.arange(-30, 30, 0.024)
    up = [split.of(np.array([(latitude / 2, y)])) for y in north]
    for drawn, degrees in ((along, 60 * np.cos(np.radians(latitude))), (up, 60.0)):
        borders = sum(a != b for a, b in itertools.pairwise(drawn))
        assert degrees * 111_320 / (2 * borders) == pytest.approx(10_000, rel=0.2)


def test_an_outline_across_the_antimeridian_lies_in_the_blocks_on_both_its_sides_only() -> None:
    split = PlaceSplit(guard=0, shares=(0.5, 0.5, 0.0))
    for latitude in np.arange(-80, 80, 1.7):
        across = np.array(
            [(x, latitude + y) for x, y in ((179.999, 0), (-179.999, 0), (-179.999, 0.001), (179.999, 0.001))]
        )
        sides = {split.of(across[i : i + 1]) for i in range(4)}
        assert split.of(across) == (sides.pop() if len(sides) == 1 else None)


def test_an_outline_may_write_its_longitudes_from_0_to_360() -> None:
    split = PlaceSplit(shares=(0.4, 0.3, 0.3))
    drawn = [(split.of(square(x, 20)), split.of(square(x + 360, 20))) for x in np.arange(-179, 0, 0.77)]
    assert all(a == b for a, b in drawn)
    assert len({a for a, _ in drawn}) == 4


@pytest.mark.parametrize("pole", [-90, 90])
def test_an_outline_around_a_pole_lies_in_all_blocks_there(pole: int) -> None:
    ring = circle(0, pole, 0, 4000)
    ring[:, 0] = np.linspace(-170, 170, 32)
    ring[:, 1] = np.sign(pole) * 89.95
    inside = [np.array([(x, np.sign(pole) * 89.97)]) for x in np.linspace(-180, 180, 50)]
    for seed in range(40):
        split = PlaceSplit(seed, 3000, 0, (0.8, 0.2, 0.0))
        around = split.of(ring)
        assert around is None or {split.of(place) for place in inside} == {around}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": -1}, "seed -1: expected 0 to 9223372036854775807"),
        ({"block": 5.0}, "block 5.0: expected at least 100 metres"),
        ({"block": float("nan")}, "block nan: expected at least 100 metres"),
        ({"block": float("inf")}, "block inf: expected at least 100 metres"),
        ({"guard": -1.0}, r"guard -1.0: expected 0 to less than the block \(10000.0\), in metres"),
        ({"guard": 10_000.0}, r"guard 10000.0: expected 0 to less than the block \(10000.0\), in metres"),
        (
            {"shares": (1.2, -0.2, 0.0)},
            r"shares \(1.2, -0.2, 0.0\): expected three of at least 0, for train, val, test",
        ),
        ({"shares": (0.5, 0.5)}, r"shares \(0.5, 0.5\): expected three of at least 0, for train, val, test"),
        ({"shares": (0.5, 0.2, 0.1)}, r"shares \(0.5, 0.2, 0.1\): their sum is 0.8, expected 1"),
    ],
)
def test_an_option_out_of_range_is_refused_with_the_range(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        PlaceSplit(**options)


def test_an_outline_that_touches_the_antimeridian_is_the_same_from_both_sides() -> None:
    split = PlaceSplit(seed=1, block=77_777.0, guard=0, shares=(0.4, 0.3, 0.3))
    ring = circle(180.0, 31.25, 84.5, 7_777.7)
    assert split.of(ring) == split.of(ring[::-1]) == split.of(np.roll(ring, 1, axis=0))
