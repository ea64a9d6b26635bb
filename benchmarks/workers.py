"""Windows per second by Dask workers of this machine, beside one process with the same cores, and what they cost.

    python benchmarks/workers.py [--workers 2] [--size 6000] [--rounds 3] [--runtime keras] [--model FILE] [--json FILE]
    python benchmarks/workers.py --heights 2000 4000 8000 [--width 6000]

The first translates one scene by one process and by the workers in turns, from the first window to the finished COG,
models being loaded before. What a window costs is processor time of all processes, which other work on the machine
hardly changes. The second is the largest resident memory of the client while it blends and writes scenes of one width
and growing height.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import rasterio
from affine import Affine
from rasterio.windows import Window
from script import begin, positive

from sartranslate.infer.inference_summary import InferenceSummary
from sartranslate.infer.planning import InferenceOptions, plan
from sartranslate.networks import bundle
from sartranslate.runtimes.translator import Choice
from sartranslate.workers.computing import Computing, computing

ROWS = 512  # written at once
MEGABYTE = 1e6


def main() -> None:
    arguments = _parse()
    with tempfile.TemporaryDirectory() as name:
        measure = _memory if arguments.heights else _throughput
        results = measure(arguments, Path(name))
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1), encoding="utf-8")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=positive, default=2)
    parser.add_argument("--size", type=positive, default=6000, help="height and width of the scene in pixels")
    parser.add_argument("--rounds", type=positive, default=3)
    parser.add_argument("--runtime", default="keras")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--model", type=Path, default=bundle.DEFAULT_MODEL)
    parser.add_argument("--heights", type=positive, nargs="+", help="of scenes in pixels, for the client's memory")
    parser.add_argument("--width", type=positive, default=6000, help="of those in pixels")
    parser.add_argument("--json", type=Path, help="also write all results here")
    return parser.parse_args()


def write_scene(path: Path, height: int, width: int) -> Path:
    """Speckle, in tiles and not compressed."""
    rng = np.random.default_rng(0)
    profile = {"driver": "GTiff", "count": 1, "dtype": "uint16", "crs": "EPSG:32632", "tiled": True}
    place = {"height": height, "width": width, "transform": Affine(10, 0, 500_000, 0, -10, 5_300_000)}
    with rasterio.open(path, "w", **profile, **place) as dataset:
        for row in range(0, height, ROWS):
            rows = min(ROWS, height - row)
            values = (100 * np.sqrt(rng.gamma(4.4, 1 / 4.4, (rows, width))) + 1).astype(np.uint16)
            dataset.write(values, 1, window=Window(0, row, width, rows))
        dataset.set_band_description(1, "VH")
    return path


Translate = Callable[..., InferenceSummary]


def translator_of(model: Path, scene: Path, out: Path) -> Translate:
    """Translates a scene by what it is called with, again at each call; something may watch it."""
    planned = plan(scene, out, bundle.describe(model).radiometry, InferenceOptions(overwrite=True, resume=False))

    def translate(computer: Computing, watch: Callable[[], None] = lambda: None) -> InferenceSummary:
        return computer.translate(planned, lambda tally, windows: watch(), lambda line: None)

    return translate


def _throughput(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    model, choice = arguments.model, Choice(arguments.runtime, arguments.precision)
    scene = write_scene(folder / "scene.tif", arguments.size, arguments.size)
    small = write_scene(folder / "small.tif", 2000, 2000)
    rates: dict[str, list[float]] = {"one process": [], "workers": []}
    costs: dict[str, list[float]] = {"one process": [], "workers": [], "client": []}
    with ExitStack() as stack:
        computers = {
            "one process": stack.enter_context(computing(model, choice)),
            "workers": stack.enter_context(computing(model, choice, arguments.workers)),
        }
        for computer in computers.values():
            translator_of(model, small, folder / "small_out.tif")(computer)
        for _ in range(arguments.rounds):
            for name, computer in computers.items():
                here, all_of_them = time.process_time(), _processor_seconds()
                summary = translator_of(model, scene, folder / "out.tif")(computer)
                rates[name].append(summary.windows / summary.seconds)
                costs[name].append((_processor_seconds() - all_of_them) / summary.windows)
                if name == "workers":
                    costs["client"].append((time.process_time() - here) / summary.windows)
    for name, values in rates.items():
        print(f"{name:<12} {statistics.median(values):6.1f} windows/s [{min(values):.1f} to {max(values):.1f}]")
    print(f"ratio        {statistics.median(rates['workers']) / statistics.median(rates['one process']):6.2f}")
    cost = {name: 1e3 * statistics.median(values) for name, values in costs.items()}
    print(
        f"a window     {cost['one process']:.1f} ms of processor time by one process, {cost['workers']:.1f} by workers"
    )
    print(f"             of which {cost['client']:.1f} of the client")
    return {"rates": rates, "costs_s": costs, "workers": arguments.workers}


def _processor_seconds() -> float:
    """Of this process and those that it has started."""
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def _memory(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    model, choice = arguments.model, Choice(arguments.runtime, arguments.precision)
    peaks = {}
    with computing(model, choice, arguments.workers) as computer:
        for height in sorted(arguments.heights):
            scene = write_scene(folder / "scene.tif", height, arguments.width)
            translate = translator_of(model, scene, folder / "out.tif")
            peaks[height] = _peak(lambda translate=translate: translate(computer)) / MEGABYTE  # type: ignore[misc]
            print(f"{arguments.width} x {height} px: client at most {peaks[height]:.0f} MB", flush=True)
    return {"width": arguments.width, "peaks_mb": peaks}


def _peak(work: Callable[[], object]) -> float:
    """Bytes of this process at most while it works."""
    process, ended, sizes = psutil.Process(), threading.Event(), [0]

    def watch() -> None:
        while not ended.wait(0.05):
            sizes.append(process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        work()
    finally:
        ended.set()
        watcher.join()
    return float(max(sizes))


if __name__ == "__main__":
    begin(main)
