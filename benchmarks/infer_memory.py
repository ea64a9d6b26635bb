"""Peak memory of `translate` does not grow with the height of a scene.

Simulates two scenes of equal width, translates each several times, in processes of their own and with a
cheap callable in place of a network, and prints the peak resident memory above what the imports need.

    python benchmarks/infer_memory.py [--width 20000] [--heights 2000 8000] [--runs 3] [--gcps]

With --gcps the scenes lie askew and have ground control points only; the growth is then printed, not judged,
since the rows that a row of the map grid runs across are cached.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from script import begin, positive

MEGABYTE = 1e6
LIMIT_MB = 700
LIMIT_GROWTH = 5  # percent
TURN = 12  # degrees
PIXEL = 10  # metres


def main() -> None:
    arguments = _parse()
    if arguments.child:
        print(json.dumps(_measure(Path(arguments.child))))
        return
    peaks = []
    for height in arguments.heights:
        with tempfile.TemporaryDirectory() as folder:
            scene = _simulate(Path(folder), arguments.width, height)
            if arguments.gcps:
                _leave_only_points(scene)
            runs = [_in_child(scene) for _ in range(arguments.runs)]
        above = sorted(run["above_baseline_mb"] for run in runs)
        peaks.append(statistics.median(above))
        print(f"{arguments.width} x {height} px: {json.dumps(runs[0])}")
        print(f"  above the baseline: median {peaks[-1]:.0f} MB, {above[0]:.0f} to {above[-1]:.0f} MB")
    growth = 100 * (peaks[-1] / peaks[0] - 1)
    print(f"growth from the first to the last: {growth:+.1f} %")
    if not arguments.gcps and (max(peaks) > LIMIT_MB or growth > LIMIT_GROWTH):
        sys.exit(f"expected at most {LIMIT_MB} MB and {LIMIT_GROWTH} %")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=positive, default=20_000)
    parser.add_argument("--heights", type=positive, nargs="+", default=[2_000, 8_000])
    parser.add_argument("--runs", type=positive, default=3)
    parser.add_argument("--gcps", action="store_true")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser.parse_args()


def _simulate(folder: Path, width: int, height: int) -> Path:
    from sartranslate.simulate.simulation import SimulationOptions, simulate

    simulate(folder, SimulationOptions(pairs=0, scene=(height, width), nodata_rim=200))
    return folder / "scene.tif"


def _leave_only_points(path: Path) -> None:
    """Take the transform off a scene and give it a 10 x 21 grid of points, turned as a Sentinel-1 pass is."""
    import numpy as np
    import rasterio
    from rasterio.control import GroundControlPoint

    turn = np.radians(TURN)
    with rasterio.open(path, "r+") as scene:
        left, top, crs = scene.transform.c, scene.transform.f, scene.crs
        points = [
            GroundControlPoint(
                row,
                col,
                left + PIXEL * (col * np.cos(turn) - row * np.sin(turn)),
                top - PIXEL * (col * np.sin(turn) + row * np.cos(turn)),
            )
            for row in np.linspace(0, scene.height, 10)
            for col in np.linspace(0, scene.width, 21)
        ]
        scene.transform = rasterio.Affine.identity()
        scene.gcps = (points, crs)


def _in_child(scene: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--child", str(scene)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return {name: float(value) for name, value in json.loads(output).items()}


def _measure(scene: Path) -> dict[str, float]:
    import numpy as np
    import psutil

    from sartranslate.backscatter.radiometry import Radiometry
    from sartranslate.infer.inference import translate
    from sartranslate.infer.planning import InferenceOptions, plan
    from sartranslate.runtimes.translator import Translator

    baseline = psutil.Process().memory_info().rss
    generator = Translator(lambda batch: np.repeat(batch, 3, axis=-1))
    options = InferenceOptions(overwrite=True)
    summary = translate(plan(scene, scene.with_name("out.tif"), Radiometry(), options), generator)
    peak = _peak_resident_bytes()
    return {
        "import_baseline_mb": round(baseline / MEGABYTE, 1),
        "above_baseline_mb": round((peak - baseline) / MEGABYTE, 1),
        "windows": summary.windows,
        "skipped_windows": summary.skipped_windows,
        "seconds": summary.seconds,
    }


def _peak_resident_bytes() -> int:
    """Of this process alone: `getrusage` would include what its parent held when it was forked (Linux)."""
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))


if __name__ == "__main__":
    begin(main)
