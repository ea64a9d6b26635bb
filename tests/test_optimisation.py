"""Learning rates against formulas worked out by hand, and against PyTorch's scheduler."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from sartranslate.errors import OptionError
from sartranslate.recipes.optimisation import SCHEDULES, Optimisation, learning_rate

SCORE_SERIES = 20  # random ones that are compared with PyTorch


def rates(scores: list[float] | None = None, **fields: Any) -> list[float]:
    """Of all epochs, in units of the first one's before any schedule."""
    optimisation = Optimisation(learning_rate=1, **fields)
    scores = scores or []
    return [learning_rate(optimisation, epoch, scores[: epoch - 1]) for epoch in range(1, optimisation.epochs + 1)]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_begins_with_the_learning_rate_itself(schedule: str) -> None:
    assert learning_rate(Optimisation(schedule=schedule), 1) == 2e-4


def test_a_constant_rate_stays() -> None:
    assert rates(schedule="constant", epochs=7) == [1.0] * 7


def test_the_linear_schedule_is_junyanz_rule_for_his_100_and_100_epochs() -> None:
    """His epochs count from 0 and his rule is 1 - max(0, epoch + 1 - 100) / (100 + 1)."""
    expected = [1 - max(0, epoch + 1 - 100) / 101 for epoch in range(200)]
    assert rates(schedule="linear", epochs=200) == pytest.approx(expected, abs=1e-15)


def test_the_linear_schedule_is_full_for_half_of_the_epochs_and_would_reach_zero_after_the_last() -> None:
    factors = rates(schedule="linear", epochs=200)
    assert factors[:100] == [1.0] * 100
    assert np.diff([*factors[99:], 0]) == pytest.approx(-1 / 101)


@pytest.mark.parametrize(("start", "full"), [(0.25, 2), (0.5, 4), (1.0, 8)])
def test_the_fall_begins_after_the_share_of_the_epochs_asked_for(start: float, full: int) -> None:
    factors = rates(schedule="linear", epochs=8, decay_start=start)
    assert [factor == 1 for factor in factors] == [True] * full + [False] * (8 - full)


@pytest.mark.parametrize(("epochs", "full"), [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (199, 100), (200, 100)])
def test_half_of_the_epochs_is_rounded_up_so_that_a_single_one_has_the_full_rate(epochs: int, full: int) -> None:
    factors = rates(schedule="linear", epochs=epochs, decay_start=0.5)
    assert [factor == 1 for factor in factors] == [True] * full + [False] * (epochs - full)


@pytest.mark.parametrize(("epochs", "percent"), [(200, 55), (100, 7), (50, 28)])
def test_a_share_that_is_a_whole_number_of_epochs_is_not_rounded(epochs: int, percent: int) -> None:
    factors = rates(schedule="linear", epochs=epochs, decay_start=percent / 100)
    assert factors.count(1) == epochs * percent // 100


def test_a_fall_from_the_very_start_is_even() -> None:
    assert rates(schedule="linear", epochs=4, decay_start=0.0) == pytest.approx([0.8, 0.6, 0.4, 0.2])


@pytest.mark.parametrize("epochs", range(1, 12))
def test_the_linear_schedule_never_rises_and_never_reaches_zero(epochs: int) -> None:
    factors = rates(schedule="linear", epochs=epochs)
    assert factors == sorted(factors, reverse=True)
    assert factors[-1] > 0


def test_steps_fall_by_their_factor_after_so_many_epochs() -> None:
    factors = rates(schedule="step", epochs=7, step_epochs=3, step_factor=0.5)
    assert factors == [1, 1, 1, 0.5, 0.5, 0.5, 0.25]


def test_by_default_steps_are_junyanz_a_tenth_after_50_epochs() -> None:
    factors = rates(schedule="step", epochs=101)
    assert (factors[49], factors[50], factors[100]) == pytest.approx((1, 0.1, 0.01))


def test_the_cosine_is_half_way_down_in_the_middle_and_would_reach_zero_after_the_last_epoch() -> None:
    expected = [1, (2 + math.sqrt(2)) / 4, 0.5, (2 - math.sqrt(2)) / 4]
    assert rates(schedule="cosine", epochs=4) == pytest.approx(expected)


def test_a_plateau_is_left_after_more_epochs_than_the_patience_without_a_better_score() -> None:
    """The first epoch sets the score; two without a better one are borne, the third makes the rate fall."""
    factors = rates([0.5] * 9, schedule="plateau", epochs=10, patience=2, plateau_factor=0.5)
    assert factors == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25]


def test_a_better_score_starts_the_waiting_anew() -> None:
    scores = [0.5, 0.5, 0.5, 0.6, 0.6, 0.6, 0.6]
    assert rates(scores, schedule="plateau", epochs=8, patience=2, plateau_factor=0.5) == [1] * 7 + [0.5]


@pytest.mark.parametrize(("second", "factor"), [(0.504, 0.2), (0.506, 1.0)])
def test_a_score_is_better_only_by_more_than_a_hundredth(second: float, factor: float) -> None:
    optimisation = Optimisation(schedule="plateau", learning_rate=1, patience=1)
    assert learning_rate(optimisation, 4, [0.5, second, 0.5]) == pytest.approx(factor)


@pytest.mark.parametrize(("second", "factor"), [(-9.95, 0.2), (-9.85, 1.0), (-10.05, 0.2)])
def test_of_scores_below_zero_the_one_nearer_to_zero_is_better(second: float, factor: float) -> None:
    optimisation = Optimisation(schedule="plateau", learning_rate=1, patience=1)
    assert learning_rate(optimisation, 4, [-10.0, second, -10.0]) == pytest.approx(factor)


@pytest.mark.parametrize("place", [0, 1, 4, 9])
def test_an_epoch_whose_score_is_no_number_is_neither_better_nor_waited_through(place: int) -> None:
    optimisation = Optimisation(schedule="plateau", learning_rate=1, patience=2, plateau_factor=0.5)
    scores = [0.5, 0.6, 0.6, 0.6, 0.6, 0.7, 0.7, 0.7, 0.7]
    holed = [*scores[:place], math.nan, math.nan, math.nan, *scores[place:]]
    assert learning_rate(optimisation, len(holed) + 1, holed) == 0.25
    assert learning_rate(optimisation, len(scores) + 1, scores) == 0.25


def test_an_infinite_score_is_beaten_by_any_other_or_by_none() -> None:
    falls = {"schedule": "plateau", "patience": 1, "plateau_factor": 0.5, "epochs": 5}
    assert rates([-math.inf, 0.5, -math.inf, 0.6], **falls) == [1, 1, 1, 1, 1]
    assert rates([math.inf, 0.5, math.inf, 0.6], **falls) == [1, 1, 1, 0.5, 0.5]


def test_without_scores_a_plateau_can_not_be_seen() -> None:
    assert rates([], schedule="plateau", epochs=20) == [1.0] * 20


@pytest.mark.parametrize("schedule", sorted(set(SCHEDULES) - {"plateau"}))
def test_only_the_plateau_looks_at_scores(schedule: str) -> None:
    assert rates([0.5] * 20, schedule=schedule, epochs=20) == rates([], schedule=schedule, epochs=20)


@pytest.mark.long
def test_plateaus_are_those_of_pytorch() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    for _ in range(SCORE_SERIES):
        scores = (0.5 + np.cumsum(rng.normal(0, 0.01, 100)) / 4).tolist()
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        reference = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, mode="max", factor=0.2, threshold=0.01, patience=5, eps=0
        )
        expected = [1.0]
        for score in scores:
            reference.step(score)
            expected.append(optimizer.param_groups[0]["lr"])
        assert expected[-1] < 1
        assert rates(scores, schedule="plateau", epochs=101) == pytest.approx(expected)


def test_a_run_is_as_long_as_its_epochs() -> None:
    assert Optimisation(epochs=200).planned_updates(per_epoch=7) == 1400


def test_a_number_of_updates_takes_the_place_of_the_epochs() -> None:
    assert Optimisation(epochs=200, updates=40_000).planned_updates(per_epoch=7) == 40_000


def test_the_smallest_crop_is_as_large_as_scores_need() -> None:
    assert Optimisation(crop=16).crop == 16


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 0),
        ("epochs", 2.5),
        ("updates", -1),
        ("batch_size", 0),
        ("crop", 0),
        ("crop", 15),
        ("learning_rate", 0.0),
        ("learning_rate", math.nan),
        ("beta1", 1.0),
        ("beta2", 1.0),
        ("adam_epsilon", 0.0),
        ("order", "together"),
        ("schedule", "exponential"),
        ("decay_start", 1.1),
        ("step_epochs", 0),
        ("step_factor", 1.5),
        ("patience", 0),
        ("plateau_factor", -0.1),
        ("norm_momentum", 1.0),
        ("average", 1.0),
        ("average_every", 0),
        ("recalibrate", 1),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(OptionError, match=f"^{field} {value!r}: expected "):
        Optimisation(**{field: value})
