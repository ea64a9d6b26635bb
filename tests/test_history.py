"""A history comes back from its file bit for bit, and a file that is none says so."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sartranslate.errors import OutputError
from sartranslate.train.history import columns, read_history, write_history

names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
values = st.none() | st.floats(allow_nan=False) | st.integers(0, 2**40)
rows = st.lists(st.dictionaries(names, values, min_size=1), max_size=5)


@given(rows=rows)
def test_rows_come_back_bit_for_bit_without_what_was_not_measured(
    rows: list[dict[str, float | None]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    write_history(path, rows)
    assert read_history(path) == [{name: row[name] for name in row if row[name] is not None} for row in rows]


def test_the_file_is_a_table_that_a_spreadsheet_opens(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    write_history(path, [{"epoch": 1, "l1": 0.1}, {"epoch": 2, "l1": None, "val_ssim": 0.25}])
    assert path.read_text(encoding="utf-8").splitlines() == ["epoch,l1,val_ssim", "1,0.1,", "2,,0.25"]


def test_losses_that_left_the_numbers_come_back_as_such(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    write_history(path, [{"l1": math.nan, "generator": math.inf}])
    (row,) = read_history(path)
    assert math.isnan(row["l1"])
    assert row["generator"] == math.inf


def test_numbers_of_numpy_keep_all_their_digits(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    single, double = np.float32(0.1), np.float64(2) / 3
    write_history(path, [{"single": single, "double": double}])  # type: ignore[dict-item]
    assert read_history(path) == [{"single": 0.10000000149011612, "double": 2 / 3}]


def test_columns_are_all_names_in_order_of_first_appearance() -> None:
    assert columns([{"epoch": 1, "z": 1}, {"epoch": 2, "a": 1, "z": 2}]) == ["epoch", "z", "a"]


def test_a_new_history_takes_the_place_of_the_old_one_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    write_history(path, [{"epoch": 1}])
    write_history(path, [{"epoch": 1}, {"epoch": 2}])
    assert read_history(path) == [{"epoch": 1}, {"epoch": 2}]
    assert list(tmp_path.iterdir()) == [path]


def test_a_history_that_can_not_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    write_history(path, [{"epoch": 1}])
    with pytest.raises(ValueError, match="could not convert"):
        write_history(path, [{"epoch": "two"}])  # type: ignore[dict-item]
    assert read_history(path) == [{"epoch": 1}]


def test_a_folder_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="does not exist"):
        write_history(tmp_path / "run" / "history.csv", [])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"epoch,l1\n1,0.5\n2\n", "history.csv: line 3: 1 values, expected 2$"),
        (b"epoch,l1\n1,low\n", "history.csv: line 2: could not convert string to float: 'low', expected numbers$"),
        (b'epoch,l1\n1,"0.5\n', "history.csv: is no history of a training run: "),
        (b"\xff\xfe\x00", "history.csv: is no history of a training run: "),
    ],
)
def test_a_file_that_is_no_history_says_where(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_bytes(content)
    with pytest.raises(OutputError, match=message):
        read_history(path)


def test_a_history_that_is_absent_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"history\.csv: can not be read: No such file"):
        read_history(tmp_path / "history.csv")
