"""What an objective trains towards, and which ones it refuses."""

from __future__ import annotations

import math
from typing import Any

import pytest

from sartranslate.errors import OptionError
from sartranslate.recipes.objective import GAN_LOSSES, RECONSTRUCTIONS, Objective


def test_the_default_is_the_papers_a_gan_with_l1() -> None:
    objective = Objective()
    assert (objective.gan, objective.gan_weight, objective.discriminator_factor) == ("vanilla", 1, 0.5)
    assert objective.reconstructions == {"l1": 100}


def test_only_terms_with_a_weight_are_computed() -> None:
    assert Objective(l1=0, l2=2, ssim=0.5).reconstructions == {"l2": 2, "ssim": 0.5}


@pytest.mark.parametrize("name", RECONSTRUCTIONS)
def test_every_reconstruction_is_a_field_that_puts_it_to_use(name: str) -> None:
    weights: dict[str, Any] = {"l1": 0.0, name: 3.0}
    assert Objective(**weights).reconstructions == {name: 3.0}


def test_a_gan_without_reconstruction_is_a_recipe_too() -> None:
    assert Objective(l1=0).reconstructions == {}


def test_reconstruction_without_a_gan_is_a_recipe_too() -> None:
    assert Objective(gan_weight=0).reconstructions == {"l1": 100}


def test_a_shift_without_l1_is_refused() -> None:
    with pytest.raises(OptionError, match=r"^shift 4 without l1"):
        Objective(l1=0, l2=100, shift=4)


def test_weights_that_are_all_zero_leave_nothing_to_train_towards() -> None:
    with pytest.raises(OptionError, match="all weights of the losses are 0"):
        Objective(gan_weight=0, l1=0)


def test_features_can_not_match_those_of_a_discriminator_that_is_not_there() -> None:
    with pytest.raises(OptionError, match="feature_matching without gan_weight"):
        Objective(gan_weight=0, feature_matching=10)


def test_an_unknown_gan_is_told_the_known_ones() -> None:
    with pytest.raises(OptionError, match=f"^gan 'lsgan2': expected one of {', '.join(GAN_LOSSES)}$"):
        Objective(gan="lsgan2")


@pytest.mark.parametrize("name", ["gan_weight", *RECONSTRUCTIONS, "gradient_penalty", "discriminator_factor"])
@pytest.mark.parametrize("value", [-1e-9, math.nan, math.inf, "1", True])
def test_a_weight_is_a_finite_number_that_is_not_negative(name: str, value: Any) -> None:
    with pytest.raises(OptionError, match=f"^{name} .*: expected a number from 0 to "):
        Objective(**{name: value})
