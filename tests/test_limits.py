"""A field out of its limits is refused in one line that names the field, what it is and what it may be."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pytest

from sartranslate.errors import OptionError
from sartranslate.limits import check_choices, check_flags, check_numbers, check_whole


@dataclass(frozen=True)
class Config:
    value: Any


@pytest.mark.parametrize("value", ["x", "yy"])
def test_a_field_may_be_any_of_its_choices(value: str) -> None:
    check_choices(Config(value), value=("x", "yy"))


@pytest.mark.parametrize("value", ["y", "X", "", None, 1, ["x"], {"x": 1}])
def test_a_field_that_is_none_of_its_choices_is_told_all_of_them(value: Any) -> None:
    with pytest.raises(OptionError) as caught:
        check_choices(Config(value), value=("x", "yy"))
    assert str(caught.value) == f"value {value!r}: expected one of x, yy"


@pytest.mark.parametrize("value", [3, 5, 7])
def test_a_whole_number_may_be_both_ends_of_its_range(value: int) -> None:
    check_whole(Config(value), value=(3, 7))


@pytest.mark.parametrize("value", [2, 8, 5.0, True, "5", None, [5], math.nan])
def test_what_is_no_whole_number_in_its_range_is_told_the_range(value: Any) -> None:
    with pytest.raises(OptionError) as caught:
        check_whole(Config(value), value=(3, 7))
    assert str(caught.value) == f"value {value!r}: expected a whole number from 3 to 7"


def test_a_flag_is_no_whole_number_though_python_counts_it_as_one() -> None:
    with pytest.raises(OptionError, match="value True"):
        check_whole(Config(value=True), value=(0, 1))


@pytest.mark.parametrize("value", [0, 0.0, 1e-9, 0.5, 1, 1.0])
def test_a_number_may_be_both_ends_of_its_range_and_written_without_a_point(value: float) -> None:
    check_numbers(Config(value), value=(0.0, 1.0))


@pytest.mark.parametrize("value", [-1e-9, 1.001, math.nan, math.inf, -math.inf, True, "0.5", None, [0.5], 1j])
def test_what_is_no_finite_number_in_its_range_is_told_the_range(value: Any) -> None:
    with pytest.raises(OptionError) as caught:
        check_numbers(Config(value), value=(0.0, 1.0))
    assert str(caught.value) == f"value {value!r}: expected a number from 0 to 1"


def test_ranges_are_printed_without_digits_that_say_nothing() -> None:
    with pytest.raises(OptionError, match=r"from 1e-12 to 0\.99999$"):
        check_numbers(Config(1.0), value=(1e-12, 0.99999))


@pytest.mark.parametrize("value", [True, False])
def test_a_flag_may_be_true_or_false(value: bool) -> None:
    check_flags(Config(value), "value")


@pytest.mark.parametrize("value", [0, 1, "true", None])
def test_what_only_looks_like_a_flag_is_refused(value: Any) -> None:
    with pytest.raises(OptionError) as caught:
        check_flags(Config(value), "value")
    assert str(caught.value) == f"value {value!r}: expected true or false"


def test_every_field_asked_for_is_checked() -> None:
    @dataclass(frozen=True)
    class Two:
        first: int = 1
        second: int = 9

    with pytest.raises(OptionError, match=r"^second 9"):
        check_whole(Two(), first=(0, 5), second=(0, 5))
