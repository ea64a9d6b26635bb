"""Lines of progress for other programs: all of it, in order, and only where they are asked for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from numpy.typing import NDArray

from tests.conftest import WriteScene, user_environment

Run = Callable[..., Result]


@pytest.fixture
def scene(write_scene: WriteScene, amplitudes: NDArray[np.uint16]) -> Path:
    return write_scene("scene.tif", amplitudes)


def counts(lines: str) -> list[tuple[int, int]]:
    """Done and total of each line; raises for a line that is no progress."""
    parts = [line.removeprefix("progress ").split("/") for line in lines.splitlines()]
    return [(int(done), int(total)) for done, total in parts]


def test_infer_counts_windows_up_to_the_last_one(
    sartranslate: Run, scene: Path, tmp_path: Path, tiny_model: Path
) -> None:
    options = ("--model", tiny_model, "--window", 256, "--batch-size", 1, "--quiet", "--progress")
    result = sartranslate("infer", scene, tmp_path / "out.tif", *options)
    assert (result.exit_code, result.stdout) == (0, "")
    assert counts(result.stderr) == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_pairs_counts_tiles_up_to_the_last_one_beside_its_summary(
    sartranslate: Run, scene: Path, write_scene: WriteScene, amplitudes: NDArray[np.uint16], tmp_path: Path
) -> None:
    optical = write_scene("optical.tif", np.repeat((amplitudes // 3).astype(np.uint8), 3, axis=2))
    ground = ("--block", 1000, "--guard", 0)
    result = sartranslate("pairs", scene, optical, tmp_path / "pairs", "--tile", 64, *ground, "--progress")
    assert result.exit_code == 0, result.output
    assert "pairs of scene" in result.stdout
    done, totals = zip(*counts(result.stderr), strict=True)
    assert list(done) == sorted(set(done))
    assert set(totals) == {done[-1]}


@pytest.mark.long
def test_a_translation_whose_reader_has_gone_ends_and_leaves_no_output(
    scene: Path, tmp_path: Path, tiny_model: Path
) -> None:
    """So it does not go on behind the back of a program that has crashed."""
    code = "import sys; sys.path.insert(0, '.'); from cli import main; main()"
    options = ["--model", tiny_model, "--overlap", "240", "--batch-size", "1", "--progress"]
    command = [sys.executable, "-c", code, "infer", scene, tmp_path / "out.tif", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=user_environment()) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("progress 1/")
        process.stderr.close()
        assert process.wait(60) == 1
    assert not (tmp_path / "out.tif").exists()
