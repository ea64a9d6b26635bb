"""What a translation takes beside its generator where that computes elsewhere, as on a GPU.

The generator is a stand-in: it waits so many milliseconds for each window, without a processor, and returns a smooth
picture. So what a fast card leaves to the processor can be measured without one.

    python benchmarks/host_share.py [--size 6000] [--batches 4 32] [--milliseconds 0.65] [--rounds 5]

Seconds are medians over rounds, with the lowest and the highest in brackets; batch sizes take turns.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from script import begin, positive

from sartranslate.backscatter.radiometry import Float, Radiometry
from sartranslate.infer.inference import translate
from sartranslate.infer.planning import InferenceOptions, plan
from sartranslate.runtimes.translator import Translator
from sartranslate.simulate.simulation import SimulationOptions, simulate

WINDOW = 256  # pixels
PERIOD = 40  # pixels, of the picture's waves


def main() -> None:
    arguments = _parse()
    with tempfile.TemporaryDirectory() as folder:
        simulate(Path(folder), SimulationOptions(pairs=0, scene=(arguments.size, arguments.size)))
        scene = Path(folder) / "scene.tif"
        rounds = [
            {batch: _translated(scene, batch, arguments.milliseconds / 1000) for batch in arguments.batches}
            for _ in range(arguments.rounds)
        ]
    for batch in arguments.batches:
        _print(batch, [found[batch] for found in rounds])


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=positive, default=6000, help="height and width of the scene")
    parser.add_argument("--batches", type=positive, nargs="+", default=[4, 32])
    parser.add_argument("--milliseconds", type=float, default=0.65, help="of the generator, for a window")
    parser.add_argument("--rounds", type=positive, default=5)
    return parser.parse_args()


def _translated(scene: Path, batch: int, seconds: float) -> dict[str, float]:
    """Seconds of the parts of a translation."""
    times = [time.perf_counter()]
    planned = plan(scene, scene.with_name("out.tif"), Radiometry(), InferenceOptions(batch_size=batch, overwrite=True))
    times.append(time.perf_counter())
    last = times[-1]

    def watch(tally: object, windows: int) -> None:
        nonlocal last
        last = time.perf_counter()

    translate(planned, Translator(_waiting(batch, seconds), batch_size=batch), watch)
    times += [last, time.perf_counter()]
    planning, windows, rest = np.diff(times)
    return {"planning": planning, "windows": windows, "rest": rest, "generator": seconds * len(planned.windows)}


def _waiting(batch: int, seconds: float) -> Callable[[Float], Float]:
    """A generator of the same picture always."""
    wave = np.sin(np.arange(WINDOW, dtype=np.float32) * (2 * np.pi / PERIOD))
    picture = np.broadcast_to((wave[:, None] * wave)[..., None], (batch, WINDOW, WINDOW, 3))

    def generate(patches: Float) -> Float:
        time.sleep(seconds * len(patches))
        return picture[: len(patches)].copy()

    return generate


def _print(batch: int, found: Sequence[Mapping[str, float]]) -> None:
    parts = {name: [one[name] for one in found] for name in found[0]}
    told = (f"{name} {statistics.median(s):.2f} s ({min(s):.2f} to {max(s):.2f})" for name, s in parts.items())
    print(f"batch {batch}: {', '.join(told)}")


if __name__ == "__main__":
    begin(main)
