"""Disks that are full before `infer` or `train` has written all of its files: in memory, in a mount of our own.

Is a program, too, which `full_disks` starts under `unshare`, since only there anyone may mount a disk.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np
from commands import Outcome, done_well, run
from kills import CHECKPOINT, train_arguments
from script import positive

ROOMY = 2**30  # bytes


def full_disks(command: str, given: Path, seed: int, times: int) -> Outcome:
    """`command` on a disk that gets full, so many times, each at another moment of its work."""
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", sys.executable, __file__, command, given, str(seed), str(times)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"can not mount disks, or worse: {done.stderr[-500:]}")
    return Outcome(**json.loads(done.stdout))


def _infer(scene: Path, rng: np.random.Generator, times: int) -> Outcome:
    outcome, arguments = Outcome(), ["infer", scene, "--runtime", "onnxruntime"]
    with _disk() as disk:
        done_well([*arguments, disk / "out.tif"])
        expected = (disk / "out.tif").read_bytes()
        largest = _most(scene) + len(expected)
        for outcome.times in range(1, times + 1):
            out = disk / "out.tif"
            out.unlink(missing_ok=True)
            _resize(disk, int(rng.uniform(0.02, 0.98) * largest))
            _refused(run(*arguments, out), outcome)
            outcome.check(not out.exists(), "a part of a file under the final name")
            outcome.count("kept what was finished", any(disk.iterdir()))
            _resize(disk, ROOMY)
            done_well([*arguments, out])
            outcome.check(out.read_bytes() == expected, "other bytes than on a roomy disk")
            outcome.check([path.name for path in disk.iterdir()] == ["out.tif"], "something is left")
    return outcome


def _train(pairs: Path, rng: np.random.Generator, times: int) -> Outcome:
    outcome, arguments = Outcome(), train_arguments(pairs)
    with _disk() as disk:
        done_well([*arguments, "--out", disk / "whole"])
        expected = (disk / "whole" / "model.safetensors").read_bytes()
        largest = sum(path.stat().st_size for path in disk.rglob("*") if path.is_file())
        shutil.rmtree(disk / "whole")
        for outcome.times in range(1, times + 1):
            _resize(disk, int(rng.uniform(0.05, 0.95) * largest))
            _refused(run(*arguments, "--out", disk / "run"), outcome)
            resumed = (disk / "run" / CHECKPOINT).exists()
            outcome.count("kept a checkpoint", resumed)
            outcome.check(resumed or not any(disk.iterdir()), "something is left, and no checkpoint")
            _resize(disk, ROOMY)
            done_well(["train", "--resume", disk / "run"] if resumed else [*arguments, "--out", disk / "run"])
            outcome.check((disk / "run" / "model.safetensors").read_bytes() == expected, "another model")
            shutil.rmtree(disk / "run")
    return outcome


def _refused(done: subprocess.CompletedProcess[str], outcome: Outcome) -> None:
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    outcome.check(done.returncode == 1 and len(errors) == 1, f"ended with {done.returncode}: {done.stderr[-300:]}")
    outcome.check("Traceback" not in done.stderr, f"a stack trace: {done.stderr[-300:]}")


def _most(scene: Path) -> int:
    """Bytes that the strips of a scene take, about: RGB and mask, and overviews."""
    import rasterio

    with rasterio.open(scene) as dataset:
        return int(dataset.width * dataset.height * 4 * 4 / 3)


@contextmanager
def _disk() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["mount", "-t", "tmpfs", "none", folder], check=True)
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True)


def _resize(disk: Path, size: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", disk], check=True)


COMMANDS: dict[str, Callable[[Path, np.random.Generator, int], Outcome]] = {"infer": _infer, "train": _train}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("given", type=Path, help="scene, or folder of pairs")
    parser.add_argument("seed", type=int)
    parser.add_argument("times", type=positive)
    told = parser.parse_args()
    print(json.dumps(asdict(COMMANDS[told.command](told.given, np.random.default_rng(told.seed), told.times))))
