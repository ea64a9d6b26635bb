"""The folder of a run comes into being without touching what others have put there."""

from __future__ import annotations

from pathlib import Path

import pytest

from sartranslate.errors import OutputError
from sartranslate.run_folder import RunFolder, write_text

FILES = ("model", "best", "checkpoint", "recipe", "history", "summary")


def leave_run(folder: RunFolder) -> None:
    """What a run of two epochs leaves."""
    folder.sheets.mkdir(parents=True)
    folder.board.mkdir()
    for name in FILES:
        getattr(folder, name).write_text(f"earlier {name}")
    for epoch in (1, 2):
        folder.sheet(epoch).write_text("earlier sheet")
    (folder.board / "events.out.tfevents.1700000000.machine.1.0.v2").write_text("earlier events")


def contents(path: Path) -> dict[str, str]:
    """Of all files below."""
    return {file.relative_to(path).as_posix(): file.read_text() for file in path.rglob("*") if file.is_file()}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run")


def test_all_files_of_a_run_lie_in_its_folder_under_names_of_their_own(folder: RunFolder) -> None:
    paths = [getattr(folder, name) for name in (*FILES, "board", "sheets")]
    assert {path.parent for path in paths} == {folder.path}
    assert len(set(paths)) == len(paths)


def test_sheets_sort_by_epoch(folder: RunFolder) -> None:
    sheets = [folder.sheet(epoch) for epoch in (1, 2, 10, 200, 1000)]
    assert sheets == sorted(sheets)
    assert sheets[0] == folder.path / "sheets" / "epoch_0001.png"


@pytest.mark.parametrize("name", ["model", "checkpoint"])
def test_an_earlier_run_is_refused_with_both_ways_out_and_stays(folder: RunFolder, name: str) -> None:
    folder.path.mkdir()
    getattr(folder, name).write_text("precious")
    with pytest.raises(OutputError) as caught:
        folder.check(overwrite=False)
    there = getattr(folder, name)
    assert str(caught.value) == f"{there}: exists already; --overwrite replaces it, --resume goes on with it"
    assert contents(folder.path) == {there.name: "precious"}


@pytest.mark.xfail(strict=True, reason="RunFolder.check looks at model and checkpoint alone")
@pytest.mark.parametrize("name", ["best", "recipe", "history", "summary"])
def test_what_else_a_run_would_replace_is_refused_too(folder: RunFolder, name: str) -> None:
    folder.path.mkdir()
    getattr(folder, name).write_text("precious")
    with pytest.raises(OutputError, match="exists already"):
        folder.check(overwrite=False)


def test_with_overwrite_an_earlier_run_is_accepted(folder: RunFolder) -> None:
    leave_run(folder)
    folder.check(overwrite=True)
    assert len(contents(folder.path)) == len(FILES) + 3


def test_a_folder_that_is_absent_or_of_others_is_free(folder: RunFolder) -> None:
    folder.check(overwrite=False)
    folder.path.mkdir()
    (folder.path / "notes.txt").write_text("foreign")
    folder.check(overwrite=False)
    assert contents(folder.path) == {"notes.txt": "foreign"}


def test_the_folder_is_there_inside_with_all_above_it(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "runs" / "today" / "first")
    with folder.begun():
        folder.model.write_text("model")
        folder.sheet(1).write_text("sheet")
    assert contents(tmp_path) == {
        "runs/today/first/model.safetensors": "model",
        "runs/today/first/sheets/epoch_0001.png": "sheet",
    }


def test_nothing_of_an_earlier_run_is_left(folder: RunFolder) -> None:
    leave_run(folder)
    with folder.begun():
        assert contents(folder.path) == {}


def test_a_file_of_others_stays(folder: RunFolder) -> None:
    leave_run(folder)
    (folder.path / "notes.txt").write_text("foreign")
    (folder.path / "figures").mkdir()
    (folder.path / "figures" / "epoch_0001.png").write_text("foreign")
    with folder.begun():
        assert contents(folder.path) == {"notes.txt": "foreign", "figures/epoch_0001.png": "foreign"}


@pytest.mark.xfail(strict=True, reason="RunFolder removes both subfolders with all that is in them")
@pytest.mark.parametrize("place", ["sheets", "board"])
def test_a_file_of_others_stays_in_the_subfolders_too(folder: RunFolder, place: str) -> None:
    leave_run(folder)
    notes = getattr(folder, place) / "notes.txt"
    notes.write_text("foreign")
    with folder.begun():
        assert contents(folder.path) == {notes.relative_to(folder.path).as_posix(): "foreign"}


def test_a_failure_before_the_first_file_leaves_no_folder(folder: RunFolder) -> None:
    with pytest.raises(ZeroDivisionError), folder.begun():
        raise ZeroDivisionError
    assert not folder.path.exists()


def test_a_failure_after_the_first_file_leaves_that_and_no_empty_folder(folder: RunFolder) -> None:
    def fail_late() -> None:
        with folder.begun():
            folder.checkpoint.write_text("checkpoint")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_late()
    assert [path.name for path in folder.path.iterdir()] == ["checkpoint.safetensors"]


def test_a_failure_leaves_the_files_of_others(folder: RunFolder) -> None:
    folder.path.mkdir()
    (folder.path / "notes.txt").write_text("foreign")
    with pytest.raises(ZeroDivisionError), folder.begun():
        raise ZeroDivisionError
    assert contents(folder.path) == {"notes.txt": "foreign"}


@pytest.mark.parametrize("below", [".", "run"])
def test_a_folder_that_can_not_be_made_is_an_error(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("foreign")
    folder = RunFolder(tmp_path / "file" / below)
    with pytest.raises(OutputError, match=f"^{folder.path}: can not make the folder: "), folder.begun():
        pytest.fail("entered")
    assert contents(tmp_path) == {"file": "foreign"}


def test_a_text_is_written_as_utf_8_in_place_of_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "summary.html"
    write_text(path, "before")
    write_text(path, "für Radar\n")
    assert path.read_bytes() == "für Radar\n".encode()
    assert list(tmp_path.iterdir()) == [path]


def test_a_text_that_can_not_be_written_names_its_file(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"summary\.html: the folder .*run does not exist$"):
        write_text(tmp_path / "run" / "summary.html", "text")
