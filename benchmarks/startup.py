"""Seconds that `sartranslate --help` takes, and `sartranslate infer` of a small scene beside what it needs to load.

    python benchmarks/startup.py [--runs 20] [--infers 7]

The second comparison is with a process that imports TensorFlow and Keras and loads the default model; both take turns.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from script import begin, positive

SIZE = 512  # pixels, height and width of the scene
BARE = """
from sartranslate.networks import backend, bundle
backend.select("tensorflow")
import tensorflow
bundle.load(bundle.DEFAULT_MODEL, backend.resolve_precision("auto"))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=positive, default=20)
    parser.add_argument("--infers", type=positive, default=7)
    arguments = parser.parse_args()
    command = shutil.which("sartranslate")
    if command is None:
        sys.exit("sartranslate is not on the PATH: pip install .")
    _timed([command, "--help"])  # brings the files into memory
    print(_line("sartranslate --help", [_timed([command, "--help"]) for _ in range(arguments.runs)]))
    _compare_infer(command, arguments.infers)


def _compare_infer(command: str, runs: int) -> None:
    bare, small = [sys.executable, "-c", BARE], ["simulate", "--pairs", "0", "--scene", str(SIZE), str(SIZE)]
    with tempfile.TemporaryDirectory() as folder:
        _timed([command, *small, folder])
        infer = [command, "infer", str(Path(folder) / "scene.tif"), str(Path(folder) / "out.tif"), "--overwrite"]
        infer += ["--runtime", "keras"]
        for each in (bare, infer):
            _timed(each)
        pairs = [(_timed(bare), _timed(infer)) for _ in range(runs)]
    bares, infers = zip(*pairs, strict=True)
    print(_line("TensorFlow, Keras and the model", bares))
    print(_line(f"sartranslate infer of {SIZE} x {SIZE} px", infers))
    print(_line("the second by the first", [whole / part for part, whole in pairs], ""))


def _line(what: str, found: Sequence[float], unit: str = " s") -> str:
    return f"{what}: median {statistics.median(found):.3f}{unit}, {min(found):.3f} to {max(found):.3f}{unit}"


def _timed(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


if __name__ == "__main__":
    begin(main)
