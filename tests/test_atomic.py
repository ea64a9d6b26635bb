"""Files are written whole or not at all, and what is unfinished is removed on every way out."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

from sartranslate.errors import OutputError
from sartranslate.storage.atomic import replaced_when_whole, tidied, tidy_up, write_text, write_whole


def test_what_is_unfinished_is_removed_without_leaving_its_block_the_latest_first(tmp_path: Path) -> None:
    removed: list[str] = []
    with (
        suppress(ZeroDivisionError),
        tidied(lambda: removed.append("first")),
        replaced_when_whole(tmp_path / "file") as unfinished,
        tidied(lambda: removed.append("last")),
    ):
        unfinished.write_text("half")
        tidy_up()
        assert removed == ["last", "first"]
        assert list(tmp_path.iterdir()) == []
        raise ZeroDivisionError


def test_nothing_is_left_to_remove_after_a_block_whatever_ends_it() -> None:
    removed: list[int] = []

    def fail() -> None:
        removed.append(len(removed))
        raise OSError

    with pytest.raises(ZeroDivisionError), tidied(lambda: removed.append(7)):
        raise ZeroDivisionError
    with pytest.raises(OSError), tidied(fail):  # noqa: PT011
        pass
    tidy_up()
    assert removed == [7, 1]


def test_a_text_is_written_as_utf_8_in_place_of_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "summary.html"
    write_text(path, "before")
    write_text(path, "für Radar\n")
    assert path.read_bytes() == "für Radar\n".encode()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_a_folder_is_back_where_the_new_one_does_not_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def fail(*names: Path) -> None:
        raise error

    path = tmp_path / "folder"
    path.mkdir()
    (path / "old").touch()

    def replace_it() -> None:
        with replaced_when_whole(path) as unfinished:
            unfinished.mkdir()
            (unfinished / "new").touch()

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", fail)
        with pytest.raises((KeyboardInterrupt, OutputError)):
            replace_it()
    assert [file.name for file in tmp_path.rglob("*")] == ["folder", "old"]
    replace_it()
    assert [file.name for file in tmp_path.rglob("*")] == ["folder", "new"]


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.safetensors"
    seen = []
    monkeypatch.setattr("os.fsync", lambda file: seen.append((os.fstat(file).st_size, path.exists())))
    write_whole(path, b"weights")
    assert seen == [(7, False)]


def test_a_text_that_can_not_be_written_names_its_file(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"summary\.html: the folder .*run does not exist$"):
        write_text(tmp_path / "run" / "summary.html", "text")
