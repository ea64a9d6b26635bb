"""Event files hold what TensorBoard wants to read; a later file overrules what earlier ones hold of later steps."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sartranslate.errors import OutputError
from sartranslate.train.board import PREFIX, Board

ROOT = Path(__file__).parents[1]
START = 1  # SessionLog.START
PNG = b"\x89PNG\r\n\x1a\nnot looked at"


def events(folder: Path) -> list[list[Any]]:
    """The events of each file, in the order that TensorBoard reads them: by name."""
    return [list(records(file)) for file in sorted(folder.glob("*tfevents*"))]


def records(file: Path) -> Iterator[Any]:
    """TFRecord: length, its checksum, the bytes, their checksum."""
    # Not before a board has: by itself the package loads PyTorch.
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.record_writer import masked_crc32c

    content = file.read_bytes()
    while content:
        length, _ = struct.unpack_from("<QI", content)
        data, (checksum,) = content[12 : 12 + length], struct.unpack_from("<I", content, 12 + length)
        assert masked_crc32c(data) == checksum
        yield Event.FromString(data)
        content = content[16 + length :]


def scalars(folder: Path) -> list[tuple[int, str, float]]:
    """Step, name and value of all that is shown: a start takes away what was there from its step on."""
    shown: list[tuple[int, str, float]] = []
    for event in (event for file in events(folder) for event in file):
        if event.session_log.status == START:
            shown = [point for point in shown if point[0] < event.step]
        shown += [(event.step, value.tag, value.simple_value) for value in event.summary.value]
    return shown


def test_scalars_come_back_under_their_step_and_name(tmp_path: Path) -> None:
    with Board(tmp_path) as board:
        board.scalars(1, {"loss/l1": 0.5, "val_ssim": 0.25})
        board.scalars(2, {"loss/l1": 0.375})
    assert scalars(tmp_path) == [(1, "loss/l1", 0.5), (1, "val_ssim", 0.25), (2, "loss/l1", 0.375)]


def test_numbers_of_numpy_are_numbers(tmp_path: Path) -> None:
    with Board(tmp_path) as board:
        board.scalars(1, {"l1": np.float32(0.5)})  # type: ignore[dict-item]
    assert scalars(tmp_path) == [(1, "l1", 0.5)]


def test_what_was_not_measured_has_no_point(tmp_path: Path) -> None:
    with Board(tmp_path) as board:
        board.scalars(1, {"l1": 0.5, "val_ssim": None})
    assert scalars(tmp_path) == [(1, "l1", 0.5)]


def test_a_picture_comes_back_with_its_size_and_its_bytes(tmp_path: Path) -> None:
    with Board(tmp_path) as board:
        board.image(7, "validation", PNG, height=20, width=30)
    event = events(tmp_path)[0][-1]
    (value,) = event.summary.value
    assert (event.step, value.tag) == (7, "validation")
    assert (value.image.height, value.image.width, value.image.colorspace) == (20, 30, 3)
    assert value.image.encoded_image_string == PNG


def test_a_file_begins_with_its_format_and_the_first_step_to_come(tmp_path: Path) -> None:
    with Board(tmp_path, first_step=12):
        pass
    ((form, start),) = events(tmp_path)
    assert form.file_version == "brain.Event:2"
    assert (start.step, start.session_log.status) == (12, START)


def test_steps_that_a_resumed_run_does_again_show_once(tmp_path: Path) -> None:
    with Board(tmp_path) as board:
        for step in (1, 2, 3):
            board.scalars(step, {"l1": 1.0})
    with Board(tmp_path, first_step=3) as board:
        board.scalars(3, {"l1": 2.0})
    assert scalars(tmp_path) == [(1, "l1", 1.0), (2, "l1", 1.0), (3, "l1", 2.0)]


def test_a_new_run_in_the_same_folder_starts_afresh(tmp_path: Path) -> None:
    for value in (1.0, 2.0):
        with Board(tmp_path) as board:
            board.scalars(1, {"l1": value})
    assert scalars(tmp_path) == [(1, "l1", 2.0)]


def test_a_file_is_read_after_those_before_it_even_when_the_clock_goes_back(tmp_path: Path) -> None:
    earlier = tmp_path / f"{PREFIX}9999999997.elsewhere"
    earlier.touch()
    for _ in range(2):
        with Board(tmp_path):
            pass
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names[0] == earlier.name
    assert [len(file) for file in events(tmp_path)] == [0, 2, 2]


def test_a_step_can_be_looked_at_while_the_run_goes_on(tmp_path: Path) -> None:
    with Board(tmp_path) as board:
        board.scalars(1, {"l1": 0.5})
        assert scalars(tmp_path) == [(1, "l1", 0.5)]


def test_the_folder_is_made_and_named_by_no_machine(tmp_path: Path) -> None:
    with Board(tmp_path / "run" / "events"):
        pass
    (file,) = (tmp_path / "run" / "events").iterdir()
    assert file.name.startswith(PREFIX)
    assert os.uname().nodename not in file.name


def test_a_folder_that_can_not_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "events").touch()
    with pytest.raises(OutputError, match="events: can not be written: File exists"), Board(tmp_path / "events"):
        pass


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_an_error_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sartranslate.train.board._next_file", lambda folder: Path("/dev/full"))
    with pytest.raises(OutputError, match="can not be written: No space left on device"), Board(tmp_path):
        pass


QUIET = """
import sys
from pathlib import Path
from sartranslate.train.board import Board
with Board(Path(sys.argv[1])) as board:
    board.scalars(1, {"l1": 0.5})
print(*sys.modules)
"""
LOADED = """
import sys, types
loaded = sys.modules["torch"] = types.SimpleNamespace(Tensor=float)
from pathlib import Path
from sartranslate.train.board import Board
with Board(Path(sys.argv[1])):
    print(sys.modules["torch"] is loaded)
"""


def run(script: str, folder: Path) -> str:
    command = [sys.executable, "-W", "error", "-c", script, str(folder)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_no_framework_is_loaded_for_it_nor_kept_from_being_loaded_later(tmp_path: Path) -> None:
    loaded = {name.partition(".")[0] for name in run(QUIET, tmp_path).split()}
    assert "tensorboardX" in loaded
    assert loaded & {"torch", "tensorflow", "keras", "PIL"} == set()


def test_a_framework_that_is_there_stays_there(tmp_path: Path) -> None:
    assert run(LOADED, tmp_path) == "True\n"
