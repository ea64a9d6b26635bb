"""The folder of a run comes into being without touching what others have put there."""

from __future__ import annotations

from pathlib import Path

import pytest

from sartranslate.errors import OutputError
from sartranslate.train.run_folder import RunFolder

FILES = ("model", "best", "checkpoint", "recipe", "history", "summary")
PLACES = (
    "model.safetensors",
    "best.safetensors",
    "checkpoint.safetensors",
    "recipe.toml",
    "history.csv",
    "summary.html",
    "sheets/epoch_0001.png",
    "sheets/epoch_0002.png",
    "tensorboard/events.out.tfevents.1700000000.machine.1.0.v2",
)
# What looks like parts of a run, and is none.
FOREIGN = ("notes.txt", "figures/epoch_0001.png", "epoch_0001.png", "sheets/notes.txt", "tensorboard/notes.txt")


def leave_run(folder: RunFolder) -> None:
    """What a run of two epochs leaves."""
    for place in PLACES:
        leave(folder.path / place, f"earlier {place}")


def leave(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def contents(path: Path) -> dict[str, str]:
    """Of all files below, but for the lock."""
    files = (file for file in path.rglob("*") if file.is_file() and file.name != ".lock")
    return {file.relative_to(path).as_posix(): file.read_text() for file in files}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run")


def test_all_files_of_a_run_lie_in_its_folder_under_names_of_their_own(folder: RunFolder) -> None:
    paths = [getattr(folder, name) for name in (*FILES, "board", "sheets")]
    assert {path.parent for path in paths} == {folder.path}
    assert len(set(paths)) == len(paths)
    assert [path.name for path in paths] == [*PLACES[:6], "tensorboard", "sheets"]


def test_sheets_sort_by_epoch(folder: RunFolder) -> None:
    sheets = [folder.sheet(epoch) for epoch in (1, 2, 10, 200, 1000)]
    assert sheets == sorted(sheets)
    assert sheets[0] == folder.path / "sheets" / "epoch_0001.png"


@pytest.mark.parametrize("place", PLACES)
def test_any_file_of_an_earlier_run_is_refused_with_the_ways_out_and_stays(folder: RunFolder, place: str) -> None:
    leave(folder.path / place, "precious")
    with pytest.raises(OutputError) as caught:
        folder.check(overwrite=False)
    there = folder.path / place
    resumed = ", --resume goes on with it" if place == "checkpoint.safetensors" else ""
    assert str(caught.value) == f"{there}: exists already; --overwrite replaces it{resumed}"
    assert contents(folder.path) == {place: "precious"}


def test_with_overwrite_an_earlier_run_is_accepted(folder: RunFolder) -> None:
    leave_run(folder)
    folder.check(overwrite=True)
    assert contents(folder.path) == {place: f"earlier {place}" for place in PLACES}


def test_a_folder_that_is_absent_or_of_others_is_free(folder: RunFolder) -> None:
    folder.check(overwrite=False)
    assert not folder.path.exists()
    for place in FOREIGN:
        leave(folder.path / place, "foreign")
    folder.check(overwrite=False)
    assert contents(folder.path) == dict.fromkeys(FOREIGN, "foreign")


def test_the_folder_is_there_inside_with_all_above_it(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "runs" / "today" / "first")
    with folder.begun(overwrite=True):
        assert contents(tmp_path) == {}
        folder.model.write_text("model")
        folder.make_sheets()
        folder.sheet(1).write_text("sheet")
        folder.checkpoint.write_text("checkpoint")
    assert contents(tmp_path) == {
        "runs/today/first/checkpoint.safetensors": "checkpoint",
        "runs/today/first/model.safetensors": "model",
        "runs/today/first/sheets/epoch_0001.png": "sheet",
    }


def test_what_fails_before_its_first_checkpoint_leaves_nothing(folder: RunFolder) -> None:
    def fail() -> None:
        with folder.begun(overwrite=True):
            folder.recipe.write_text("recipe")
            folder.make_sheets()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not folder.path.exists()


def test_nothing_of_an_earlier_run_is_left(folder: RunFolder) -> None:
    leave_run(folder)
    with folder.begun(overwrite=True):
        assert contents(folder.path) == {}


def test_files_of_others_stay_and_so_they_do_in_the_subfolders(folder: RunFolder) -> None:
    leave_run(folder)
    for place in FOREIGN:
        leave(folder.path / place, "foreign")
    with folder.begun(overwrite=True):
        assert contents(folder.path) == dict.fromkeys(FOREIGN, "foreign")
    assert contents(folder.path) == dict.fromkeys(FOREIGN, "foreign")


def test_sheets_get_a_folder_once_and_those_in_it_stay(folder: RunFolder) -> None:
    folder.path.mkdir()
    for epoch in (1, 2):
        folder.make_sheets()
        folder.sheet(epoch).write_text(f"sheet {epoch}")
    assert contents(folder.path) == {"sheets/epoch_0001.png": "sheet 1", "sheets/epoch_0002.png": "sheet 2"}


def test_a_folder_for_sheets_that_can_not_be_made_is_an_error(folder: RunFolder) -> None:
    with pytest.raises(OutputError, match=f"^{folder.sheets}: can not make the folder: No such file"):
        folder.make_sheets()
    leave(folder.sheets, "foreign")
    with pytest.raises(OutputError, match=f"^{folder.sheets}: can not make the folder: File exists"):
        folder.make_sheets()
    assert contents(folder.path) == {"sheets": "foreign"}


@pytest.mark.parametrize("earlier", [False, True])
def test_folders_that_stay_empty_go_again(folder: RunFolder, earlier: bool) -> None:
    if earlier:
        leave_run(folder)
    with folder.begun(overwrite=True):
        folder.make_sheets()
        folder.board.mkdir(exist_ok=True)
    assert not folder.path.exists()


def test_a_failure_before_the_first_file_leaves_no_folder(folder: RunFolder) -> None:
    with pytest.raises(ZeroDivisionError), folder.begun(overwrite=True):
        raise ZeroDivisionError
    assert not folder.path.exists()


def test_a_failure_after_the_first_file_leaves_that_and_no_empty_folder(folder: RunFolder) -> None:
    def fail_late() -> None:
        with folder.begun(overwrite=True):
            folder.make_sheets()
            folder.board.mkdir()
            folder.checkpoint.write_text("checkpoint")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_late()
    assert [path.name for path in folder.path.iterdir()] == ["checkpoint.safetensors"]


def test_a_failure_leaves_the_files_of_others(folder: RunFolder) -> None:
    folder.path.mkdir()
    (folder.path / "notes.txt").write_text("foreign")
    with pytest.raises(ZeroDivisionError), folder.begun(overwrite=True):
        raise ZeroDivisionError
    assert contents(folder.path) == {"notes.txt": "foreign"}


@pytest.mark.parametrize("below", [".", "run"])
def test_a_folder_that_can_not_be_made_is_an_error(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("foreign")
    folder = RunFolder(tmp_path / "file" / below)
    with pytest.raises(OutputError, match=f"^{folder.path}: can not make the folder: "), folder.begun(overwrite=True):
        pytest.fail("entered")
    assert contents(tmp_path) == {"file": "foreign"}


def test_two_runs_never_share_a_folder(folder: RunFolder) -> None:
    leave_run(folder)
    with folder.held():
        for second in (folder.begun(overwrite=True), RunFolder(folder.path).held()):
            with pytest.raises(OutputError, match=r"run: is being written by another process"), second:
                pass
        assert {place for place in contents(folder.path) if place in PLACES} == set(PLACES)
    with folder.begun(overwrite=True):
        pass


def test_a_run_that_has_come_meanwhile_is_not_replaced_unasked(folder: RunFolder) -> None:
    folder.check(overwrite=False)
    leave_run(folder)
    with pytest.raises(OutputError, match=r"exists already; --overwrite replaces it"), folder.begun(overwrite=False):
        pytest.fail("entered")
    assert {place for place in contents(folder.path) if place in PLACES} == set(PLACES)


def test_what_a_killed_run_was_writing_goes_when_another_one_begins(folder: RunFolder) -> None:
    leave(folder.path / ".checkpoint.safetensors.x1.part" / "checkpoint.safetensors", "half")
    others = ("notes.part", ".out.tif.part/journal.json", ".other.safetensors.x1.part/other.safetensors")
    for place in others:
        leave(folder.path / place, "foreign")
    with folder.held():
        assert contents(folder.path) == dict.fromkeys(others, "foreign")
