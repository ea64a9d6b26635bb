"""Two processes on this machine that train as two machines do, against one process with the same batches.

With Adam's own epsilon weights part that have next to no gradient, see `test_two_devices`; hence a larger one here.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file

from sartranslate.train.history import read_history
from tests.conftest import user_environment
from tests.test_roll_call import free_port

ROOT = Path(__file__).parents[1]
SETTINGS = (
    *("--pairs", str(ROOT / "sample_tiles"), "--precision", "float32", "--batch-size", "4", "--epochs", "2", "-q"),
    *("--set", "generator.architecture=unet_128", "--set", "generator.filters=4", "--set", "discriminator.filters=4"),
    *("--set", "optimisation.crop=128", "--set", "optimisation.adam_epsilon=1e-3"),
)
CHECKPOINTS = ("--checkpoint-minutes", "0.0001")  # after every update
SLOWLY = """
import time
from sartranslate.networks import backend
backend.select("tensorflow")
from sartranslate.train import pix2pix
step = pix2pix.Pix2Pix.step
def slow(self, *batch):
    time.sleep(0.3)
    return step(self, *batch)
pix2pix.Pix2Pix.step = slow
"""
START = "import sys; from cli import main; main(sys.argv[1:])"
BOUND = 120.0  # seconds, for what takes twenty on two busy cores

pytestmark = pytest.mark.long


def worker(index: int | None, ports: tuple[int, int], *arguments: str, first: str = "") -> subprocess.Popen[str]:
    """`sartranslate train` as one of two workers, or by itself."""
    environment = {**user_environment(), "TF_CPP_MIN_LOG_LEVEL": "3"}
    if index is not None:
        addresses = [f"127.0.0.1:{port}" for port in ports]
        task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        environment["TF_CONFIG"] = json.dumps(task)
    command = [sys.executable, "-c", first + START, "train", *arguments]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def both(*arguments: str, second: tuple[str, ...] | None = None, first: str = "") -> list[subprocess.Popen[str]]:
    ports = free_port(), free_port()
    given = arguments, arguments if second is None else second
    return [worker(index, ports, *given[index], first=first) for index in range(2)]


def ended(processes: list[subprocess.Popen[str]]) -> list[tuple[int, str]]:
    """Exit code and last words of each."""
    try:
        said = [process.communicate(timeout=BOUND)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(process.returncode, text) for process, text in zip(processes, said, strict=True)]


def wait_for(path: Path) -> None:
    until = time.monotonic() + BOUND
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert path.exists()


def state(run: Path) -> dict[str, NDArray[Any]]:
    return load_file(run / "checkpoint.safetensors")


def apart(first: Path, second: Path) -> float:
    """Of weights and statistics of both networks."""
    one, other = state(first), state(second)
    assert one.keys() == other.keys()
    names = [name for name in one if name.startswith(("generator/", "discriminator/"))]
    return max(float(np.abs(one[name] - other[name]).max()) for name in names)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def uninterrupted(folder: Path) -> Path:
    """A run of two workers."""
    assert ended(both("--out", str(folder / "two"), *SETTINGS)) == [(0, ""), (0, "")]
    return folder / "two"


def test_two_workers_train_as_one_process(folder: Path) -> None:
    short = ("--set", "optimisation.updates=6")
    one, two = folder / "one", folder / "short"
    assert ended([worker(None, (0, 0), "--out", str(one), *SETTINGS, *short)]) == [(0, "")]
    assert ended(both("--out", str(two), *SETTINGS, *short)) == [(0, "")] * 2
    assert state(one)["updates"][0] == 6
    assert apart(one, two) < 1e-4
    losses = [{name: row[name] for name in ("generator", "discriminator", "l1")} for row in map(only_row, (one, two))]
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)
    assert [path.name for path in sorted(one.iterdir())] == [path.name for path in sorted(two.iterdir())]


def only_row(run: Path) -> dict[str, float]:
    (row,) = read_history(run / "history.csv")
    return row


@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_worker_ends_the_other_one_and_both_resume_to_the_same_weights(
    folder: Path, uninterrupted: Path, victim: int
) -> None:
    run = folder / f"killed{victim}"
    started = both("--out", str(run), *SETTINGS, *CHECKPOINTS, first=SLOWLY)
    wait_for(run / "checkpoint.safetensors")
    started[victim].kill()
    code, said = ended(started)[1 - victim]
    assert code == 1
    assert re.fullmatch(r"Error: another worker is gone \(.+\); start all of them again, with --resume .*\n", said)
    assert 0 < state(run)["updates"][0] < state(uninterrupted)["updates"][0]
    assert ended(both("--resume", str(run), "-q")) == [(0, "")] * 2
    assert apart(run, uninterrupted) == 0


def test_a_signal_to_one_worker_stops_both_after_the_same_update(folder: Path, uninterrupted: Path) -> None:
    run = folder / "signalled"
    started = both("--out", str(run), *SETTINGS, *CHECKPOINTS, first=SLOWLY)
    wait_for(run / "checkpoint.safetensors")
    started[1].send_signal(signal.SIGTERM)
    (code, said), (signalled, other) = ended(started)
    assert (code, signalled) == (1, 128 + signal.SIGTERM)
    assert said == other
    assert "stopped after update" in said
    assert ended(both("--resume", str(run), "-q")) == [(0, "")] * 2
    assert apart(run, uninterrupted) == 0


def test_what_keeps_workers_from_training_together_is_one_line_for_both(folder: Path) -> None:
    run = folder / "never"
    differing = both("--out", str(run), *SETTINGS, second=("--out", str(run), *SETTINGS, "--seed", "3"))
    odd = both("--out", str(run), *SETTINGS, "--batch-size", "3")
    alone = [worker(1, (free_port(), free_port()), "--out", str(run), *SETTINGS, "--wait", "1")]
    torch = [worker(0, (free_port(), free_port()), "--out", str(run), *SETTINGS, "--backend", "torch")]
    for code, said in ended(differing):
        assert (code, said.count("\n")) == (1, 1)
        assert "worker 1" in said
        assert said.endswith(" is about to do something else than worker 0: seed 3, not 0\n")
    for code, said in ended(odd):
        assert (code, said) == (2, "Error: batch size 3 on 2 devices of 2 workers: expected a multiple of 2\n")
    ((code, said),) = ended(alone)
    assert code == 1
    assert re.fullmatch(r"Error: worker 0 \(\S+\) has not come in time, or can not be reached\n", said)
    ((code, said),) = ended(torch)
    assert (code, said.count("\n")) == (1, 1)
    assert "torch trains in one process" in said or "is not installed" in said
    assert not run.exists()


def test_a_worker_that_does_not_see_the_run_can_not_resume(folder: Path) -> None:
    ((code, said),) = ended([worker(1, (free_port(), free_port()), "--resume", str(folder / "elsewhere"))])
    assert code == 1
    assert said.endswith("checkpoint.safetensors: no such checkpoint\n")
