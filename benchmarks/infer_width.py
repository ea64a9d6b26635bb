"""The cost of a pixel does not depend on the width of the scene.

Simulates scenes of the same height and different widths, translates them in turn with the default model, and prints
seconds per megapixel.

    python benchmarks/infer_width.py [--widths 2000 6000 20000] [--height 6000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from script import begin, positive

from sartranslate.infer.inference import translate
from sartranslate.infer.planning import InferenceOptions, plan
from sartranslate.networks import bundle
from sartranslate.runtimes.translator import Translator, load_translator
from sartranslate.simulate.simulation import SimulationOptions, simulate


def main() -> None:
    arguments = _parse()
    translator = load_translator(bundle.DEFAULT_MODEL)
    with tempfile.TemporaryDirectory() as folder:
        scenes = {}
        for width in arguments.widths:
            place = Path(folder) / str(width)
            simulate(place, SimulationOptions(pairs=0, scene=(arguments.height, width)))
            scenes[width] = place / "scene.tif"
        _translated(scenes[arguments.widths[0]], translator)  # compiles the generator
        rounds = [
            {width: _translated(scene, translator) for width, scene in scenes.items()} for _ in range(arguments.rounds)
        ]
    _print(rounds, arguments.widths)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--widths", type=positive, nargs="+", default=[2_000, 6_000, 20_000])
    parser.add_argument("--height", type=positive, default=6_000)
    parser.add_argument("--rounds", type=positive, default=3)
    return parser.parse_args()


def _translated(scene: Path, translator: Translator) -> tuple[float, float]:
    """Seconds per megapixel, and windows per megapixel: narrow scenes have more overlap at their borders."""
    radiometry = bundle.describe(bundle.DEFAULT_MODEL).radiometry
    planned = plan(scene, scene.with_name("out.tif"), radiometry, InferenceOptions(overwrite=True))
    summary = translate(planned, translator)
    megapixels = summary.width * summary.height / 1e6
    return summary.seconds / megapixels, summary.windows / megapixels


def _print(rounds: Sequence[Mapping[int, tuple[float, float]]], widths: Sequence[int]) -> None:
    first = widths[0]
    for width in widths:
        seconds = [found[width][0] for found in rounds]
        ratios = [found[width][0] / found[first][0] for found in rounds]
        print(
            f"{width} px: {statistics.median(seconds):.3f} s per megapixel ({min(seconds):.3f} to {max(seconds):.3f}), "
            f"{rounds[0][width][1]:.1f} windows per megapixel, "
            f"{1000 * statistics.median(seconds) / rounds[0][width][1]:.2f} ms per window, "
            f"{statistics.median(ratios):.3f} of that at {first} px ({min(ratios):.3f} to {max(ratios):.3f})"
        )


if __name__ == "__main__":
    begin(main)
