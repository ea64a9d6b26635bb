"""How long `sartranslate --help` takes to answer: median and spread of whole processes.

python benchmarks/startup.py [--runs 20]
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import time


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    runs = parser.parse_args().runs
    command = shutil.which("sartranslate")
    if command is None:
        sys.exit("sartranslate is not on the PATH: pip install .")
    _timed(command)  # brings the files into memory
    seconds = sorted(_timed(command) for _ in range(runs))
    print(f"sartranslate --help: median {statistics.median(seconds):.3f} s, {seconds[0]:.3f} to {seconds[-1]:.3f} s")


def _timed(command: str) -> float:
    started = time.perf_counter()
    subprocess.run([command, "--help"], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
