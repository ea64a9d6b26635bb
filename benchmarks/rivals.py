"""Two processes that write one output at the same time."""

from __future__ import annotations

from pathlib import Path
from time import sleep

import numpy as np
from commands import Outcome, done_well, ended, started
from kills import train_arguments

IN_USE = "is being written by another process"
TAKEN = "exists already"


def infer_rivals(scene: Path, folder: Path, rng: np.random.Generator, times: int) -> Outcome:
    """Started within a second: one works, and the other one stops, or finds the finished file."""
    outcome, out = Outcome(), folder / "out.tif"
    arguments = ["infer", scene, out, "--runtime", "onnxruntime"]
    _, seconds = done_well(arguments)
    expected = out.read_bytes()
    for outcome.times in range(1, times + 1):
        out.unlink()
        _compete(arguments, rng.uniform(0, seconds), outcome)
        outcome.check(out.read_bytes() == expected, "a mixture")
        outcome.check([path.name for path in folder.iterdir()] == ["out.tif"], "something is left")
    return outcome


def train_rivals(pairs: Path, folder: Path, rng: np.random.Generator, times: int) -> Outcome:
    """The same of two training runs."""
    outcome = Outcome()
    arguments = [*train_arguments(pairs), "--out"]
    _, seconds = done_well([*arguments, folder / "whole"])
    expected = (folder / "whole" / "model.safetensors").read_bytes()
    for outcome.times in range(1, times + 1):
        run = folder / f"run{outcome.times}"
        _compete([*arguments, run], rng.uniform(0, seconds), outcome)
        outcome.check((run / "model.safetensors").read_bytes() == expected, "a mixture")
    return outcome


def _compete(arguments: list[object], delay: float, outcome: Outcome) -> None:
    first = started(*arguments)
    sleep(delay)
    second = started(*arguments)
    errors = [ended(process) for process in (first, second)]
    codes = sorted([first.returncode, second.returncode])
    outcome.check(codes == [0, 1], f"exit codes {codes}: {errors}")
    refused = errors[first.returncode == 0]
    outcome.count("stopped as the other one was at work", IN_USE in refused)
    outcome.check(IN_USE in refused or TAKEN in refused, f"ended for another reason: {refused[-300:]}")
