"""Many scenes one after the other: memory, open files and temporary files do not grow."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from commands import Outcome, done_well

WARM = 50  # scenes until all that is allocated once is there
TEMPORARY = "temporary"
MOST_MB = 20  # growth after that
SIZES = ((300, 200), (256, 256), (100, 500), (520, 310))  # height and width of the scenes, in turn


def soak_library(folder: Path, times: int) -> Outcome:
    """Through the library in this process, with the default model; so many after some that are not counted."""
    from sartranslate.infer.inference import translate
    from sartranslate.infer.planning import InferenceOptions, plan
    from sartranslate.networks import bundle
    from sartranslate.runtimes.translator import load_translator

    outcome, process = Outcome(), psutil.Process()
    scenes = _scenes(folder)
    translator = load_translator(bundle.DEFAULT_MODEL, runtime="onnxruntime")
    radiometry = bundle.describe(bundle.DEFAULT_MODEL).radiometry
    options = InferenceOptions(overwrite=True, batch_size=2)
    warm, files = 0, 0
    with _temporary_files_in(folder / TEMPORARY):
        for number in range(-WARM, times):
            if number == 0:
                warm, files = process.memory_info().rss, process.num_fds()
            translate(plan(scenes[number % len(scenes)], folder / "out.tif", radiometry, options), translator)
    outcome.times = times
    growth = (process.memory_info().rss - warm) / 1e6
    outcome.count("MB of growth", round(growth))
    outcome.check(growth <= MOST_MB, f"{growth:.1f} MB of growth after {WARM} scenes")
    outcome.check(process.num_fds() <= files, f"{process.num_fds() - files} files more are open")
    _check_folders(folder, outcome)
    return outcome


def soak_commands(folder: Path, times: int) -> Outcome:
    """Through the command line: a process each."""
    outcome, scenes = Outcome(), _scenes(folder)
    with _temporary_files_in(folder / TEMPORARY):
        for outcome.times in range(1, times + 1):
            scene = scenes[outcome.times % len(scenes)]
            done_well(["infer", scene, folder / "out.tif", "--overwrite", "--runtime", "onnxruntime"])
    _check_folders(folder, outcome)
    return outcome


@contextmanager
def _temporary_files_in(folder: Path) -> Iterator[None]:
    """Of this process and of its children."""
    folder.mkdir()
    before, tempfile.tempdir = os.environ.get("TMPDIR"), str(folder)
    os.environ["TMPDIR"] = str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = None
        del os.environ["TMPDIR"]
        if before is not None:
            os.environ["TMPDIR"] = before


def _scenes(folder: Path) -> list[Path]:
    paths = []
    for number, (height, width) in enumerate(SIZES):
        place = folder / str(number)
        done_well(["simulate", place, "--pairs", 0, "--scene", width, height, "--seed", number])
        paths.append(place / "scene.tif")
    return paths


def _check_folders(folder: Path, outcome: Outcome) -> None:
    found = {path.name for path in folder.iterdir()}
    left = found - {"out.tif", TEMPORARY, *(str(number) for number in range(len(SIZES)))}
    outcome.check(not left, f"left {left}")
    temporary = [path.name for path in (folder / TEMPORARY).iterdir()]
    outcome.check(not temporary, f"left {temporary} in the folder for temporary files")
