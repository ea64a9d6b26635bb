"""How long `sartranslate inspect` takes beyond reading its samples: medians of whole processes.

python benchmarks/inspect_time.py SCENE... [--runs 5]
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from script import begin, positive

from sartranslate.scenes.reader import block_cache
from sartranslate.scenes.sampling import survey
from sartranslate.scenes.scene import open_scene
from sartranslate.scenes.source import SceneOptions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes", nargs="+")
    parser.add_argument("--runs", type=positive, default=5)
    arguments = parser.parse_args()
    command = shutil.which("sartranslate")
    if command is None:
        sys.exit("sartranslate is not on the PATH: pip install .")
    beyond = [_report(command, scene, arguments.runs) for scene in arguments.scenes]
    print(f"{len(beyond)} scenes, beyond reading: median {statistics.median(beyond):.2f} s, most {max(beyond):.2f} s")


def _report(command: str, scene: str, runs: int) -> float:
    whole = _median(lambda: subprocess.run([command, "inspect", scene], check=True, stdout=subprocess.DEVNULL), runs)
    reading = _median(lambda: _read(scene), runs)
    print(f"{scene.rsplit('/', 1)[-1]}: {whole:.2f} s, of which reading {reading:.2f} s")
    return whole - reading


def _median(call: Callable[[], object], runs: int) -> float:
    seconds = []
    for _ in range(runs):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def _read(path: str) -> None:
    scene = open_scene(path, None, SceneOptions(allow_ungeoreferenced=True))
    with block_cache(scene, 256):
        survey(scene)


if __name__ == "__main__":
    begin(main)
