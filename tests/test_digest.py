"""Fingerprints: the same for the same values, another one for any change."""

from __future__ import annotations

import numpy as np
import pytest

from sartranslate.storage.digest import differences, digest

VALUES = np.arange(24, dtype=np.uint16).reshape(2, 3, 4)


def test_a_digest_knows_values_and_no_memory_layout() -> None:
    expected = digest(VALUES, text="a")
    assert expected == digest(np.asfortranarray(VALUES), text="a") == digest(VALUES.astype(">u2"), text="a")
    assert len(expected) == 16


@pytest.mark.parametrize(
    "other",
    [
        [VALUES.reshape(3, 2, 4)],
        [VALUES.astype(np.int16)],
        [np.where(VALUES == 7, 8, VALUES).astype(np.uint16)],
        [VALUES, VALUES],
        [VALUES[:1], VALUES[1:]],
    ],
)
def test_any_change_makes_another_digest(other: list[np.ndarray]) -> None:
    assert digest(*other) != digest(VALUES)
    assert digest(VALUES, text="a") != digest(VALUES)


def test_the_same_data_have_no_differences() -> None:
    assert differences({"a": "1", "b": "2"}, {"b": "2", "a": "1"}) == []
