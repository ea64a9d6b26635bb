"""Faults on purpose: how each is provoked, how many times, and what came of it.

    python benchmarks/faults.py [--seed 0] [--times N] [--only "kill -9 in infer" ...] [--json FILE]

Ends with 1 where an outcome is not what docs/reliability.md promises, and says which.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
from commands import Outcome, done_well
from determinism import repeat
from full_disks import full_disks
from kills import Infer, Train
from rivals import infer_rivals, train_rivals
from script import begin, positive
from soak import soak_commands, soak_library

BEGUN = 0.5  # seconds, after which a command and not yet its interpreter answers a signal
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Fault(NamedTuple):
    """What provokes it so many times, in a folder of its own."""

    provoke: Callable[[Path, np.random.Generator, int], Outcome]
    times: int


def main() -> None:
    arguments = _parse()
    outcomes = {}
    for name in arguments.only or FAULTS:
        begun = time.monotonic()
        times = arguments.times or FAULTS[name].times
        outcomes[name] = _provoked(FAULTS[name], arguments.seed, times)
        print(_lines(name, outcomes[name], time.monotonic() - begun), flush=True)
        if arguments.json:
            content = {name: asdict(outcome) for name, outcome in outcomes.items()}
            arguments.json.write_text(json.dumps(content, indent=1))
    if any(outcome.faults for outcome in outcomes.values()):
        sys.exit("not all is as promised")


def _provoked(fault: Fault, seed: int, times: int) -> Outcome:
    """What can not even be provoked is a fault, too."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            return fault.provoke(Path(folder), np.random.default_rng(seed), times)
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            return Outcome(faults=[str(error)])


def kill_infer(folder: Path, rng: np.random.Generator, times: int) -> Outcome:
    return _kill(Infer(folder / "infer", _scene(folder)), rng, times)


def ask_infer(folder: Path, rng: np.random.Generator, times: int) -> Outcome:
    return _ask(Infer(folder / "infer", _scene(folder)), rng, times)


def kill_train(folder: Path, rng: np.random.Generator, times: int) -> Outcome:
    return _kill(Train(folder, _pairs(folder)), rng, times)


def ask_train(folder: Path, rng: np.random.Generator, times: int) -> Outcome:
    return _ask(Train(folder, _pairs(folder)), rng, times)


def _kill(command: Infer | Train, rng: np.random.Generator, times: int) -> Outcome:
    outcome = Outcome()
    for outcome.times in range(1, times + 1):
        command.kill(rng.uniform(0, command.seconds), outcome)
    return outcome


def _ask(command: Infer | Train, rng: np.random.Generator, times: int) -> Outcome:
    outcome = Outcome()
    for outcome.times in range(1, times + 1):
        command.ask(SIGNALS[outcome.times % 2], rng.uniform(BEGUN, command.seconds), outcome)
    return outcome


def fill_infer(folder: Path, rng: np.random.Generator, times: int) -> Outcome:
    return full_disks("infer", _scene(folder, 3000), int(rng.integers(2**31)), times)


def fill_train(folder: Path, rng: np.random.Generator, times: int) -> Outcome:
    return full_disks("train", _pairs(folder), int(rng.integers(2**31)), times)


def compete_infer(folder: Path, rng: np.random.Generator, times: int) -> Outcome:
    (folder / "out").mkdir()
    return infer_rivals(_scene(folder, 2000), folder / "out", rng, times)


def vary(folder: Path, rng: np.random.Generator, times: int) -> Outcome:
    return repeat(_scene(folder, 700), folder, times)


def compete_train(folder: Path, rng: np.random.Generator, times: int) -> Outcome:
    return train_rivals(_pairs(folder), folder, rng, times)


def _scene(folder: Path, side: int = 5000) -> Path:
    """Of so many pixels both ways: as it is, large enough for notes of what is finished to be taken."""
    done_well(["simulate", folder / "simulated", "--pairs", 0, "--scene", side, side])
    return folder / "simulated" / "scene.tif"


def _pairs(folder: Path) -> Path:
    done_well(["simulate", folder / "pairs", "--pairs", 6, "--tile-size", 128])
    return folder / "pairs"


FAULTS: Mapping[str, Fault] = {
    "kill -9 in infer": Fault(kill_infer, 40),
    "kill -9 in train": Fault(kill_train, 20),
    "SIGINT, SIGTERM in infer": Fault(ask_infer, 20),
    "SIGINT, SIGTERM in train": Fault(ask_train, 20),
    "full disk in infer": Fault(fill_infer, 30),
    "full disk in train": Fault(fill_train, 15),
    "two infer at once": Fault(compete_infer, 20),
    "two train at once": Fault(compete_train, 10),
    "batch sizes and threads": Fault(vary, 1),
    "many scenes in one process": Fault(lambda folder, rng, times: soak_library(folder, times), 500),
    "many scenes in a process each": Fault(lambda folder, rng, times: soak_commands(folder, times), 50),
}


def _lines(name: str, outcome: Outcome, seconds: float) -> str:
    counts = "".join(f", {times} {what}" for what, times in outcome.counts.items())
    line = f"{name}: {outcome.times} times in {seconds:.0f} s, {len(outcome.faults)} faults{counts}"
    return "\n    ".join([line, *outcome.faults])


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--times", type=positive, help="that each fault is provoked, in place of as many as are documented"
    )
    parser.add_argument("--only", nargs="+", choices=FAULTS, metavar="FAULT", help=", ".join(FAULTS))
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    begin(main)
