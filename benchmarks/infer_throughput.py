"""Windows per second of a translation, beside its parts and beside what people would use instead, in one run.

    python benchmarks/infer_throughput.py [--filters 64 | --model FILE] [--size 6000] [--rounds 3] [--device gpu]
        [--precisions bfloat16 float32] [--seconds 3]

All sides have the same U-Net with the same weights, and take turns, each in a process of its own that waits while
another one computes:

(a) the bare generator: calls with a batch in memory, arrays in and arrays out, as many at once as in (b);
(b) the whole translation of a simulated scene, from the first read to the finished COG, without loading the model;
(c) the peer: the network in PyTorch, channels last, under MONAI's sliding window (256 px, overlap 0.25, gaussian)
    between a rasterio read and a rasterio write, and bare;
(d) ONNX Runtime and OpenVINO, bare;
(e) a large matrix product in the same precision, the best of TensorFlow's and PyTorch's.

Whole translations by ours take the batch that the command takes, the peer's that whose bare calls were fastest. Rates
are medians over rounds, with the lowest and the highest in brackets.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from script import begin, positive
from throughput_sides import OVERLAP, WINDOW, Given, Ours, Peer, side

from sartranslate.networks.backend import CPU_BATCH, GPU_BATCH

RUNTIMES = ("keras", "onnxruntime", "openvino")
PRECISIONS = ("float32", "bfloat16", "float16", "int8")
PEER = "PyTorch"
WITH = {"bfloat16": ("keras", "openvino", PEER), "int8": ("onnxruntime", "openvino")}  # float32: all
BATCHES = {"cpu": (4, 8, 16), "gpu": (8, 16, 32, 64)}
LEAST_CALLS = 6  # or the last ones are alone
SIMULATED = 2048  # pixels; more take longer than all that is measured on a GPU
SECONDS = 3.0
Ask = Callable[..., Any]


class Contest(NamedTuple):
    """Sides that take turns."""

    sides: dict[str, Ask]
    windows: int  # of the scene
    operations: float  # of a window, multiplications and additions, of ours
    peer_operations: float  # of the same network as it is described
    rounds: int
    folder: Path
    our_batch: int  # of a translation
    batches: tuple[int, ...]  # of bare calls
    seconds: float  # of bare calls in a turn, about


def main() -> None:
    arguments = _parse()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        model = arguments.model or _untrained(folder, arguments.filters)
        given = Given(model, _simulated(folder, arguments.size), arguments.device)
        names = RUNTIMES if arguments.device == "cpu" else RUNTIMES[:1]
        sides = {name: stack.enter_context(side(Ours, given, name)) for name in names}
        sides[PEER] = stack.enter_context(side(Peer, given))
        our_batch = CPU_BATCH if arguments.device == "cpu" else GPU_BATCH
        batches = BATCHES[arguments.device]
        work = _work(model, arguments.size)
        contest = Contest(sides, *work, arguments.rounds, folder, our_batch, batches, arguments.seconds)
        print(f"{contest.operations / 1e9:.2f} GFLOP a window, {contest.windows} windows", flush=True)
        results = {precision: _compared(contest, precision) for precision in arguments.precisions}
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1), encoding="utf-8")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--filters", type=positive, default=64, help="of an untrained network")
    parser.add_argument("--model", type=Path, help="a U-Net of one band, in the place of an untrained one")
    parser.add_argument("--size", type=positive, default=6000, help="height and width of the scene")
    parser.add_argument("--rounds", type=positive, default=3)
    parser.add_argument("--precisions", nargs="+", default=["bfloat16", "float32"], choices=PRECISIONS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of bare calls in a turn, about; 0.5 on a GPU")
    parser.add_argument("--device", default="cpu", choices=["cpu", "gpu"])
    parser.add_argument("--json", type=Path, help="file for the figures")
    return parser.parse_args()


def _untrained(folder: Path, filters: int) -> Path:
    """The U-Net 256 with weights that let contrast through."""
    path = folder / "model.safetensors"
    with side(Untrained) as ask:
        ask("save", path, filters)
    return path


class Untrained:
    """Needs the framework, which this process should not hold."""

    def save(self, path: Path, filters: int) -> None:
        from sartranslate.backscatter.radiometry import Radiometry
        from sartranslate.networks import backend, bundle
        from sartranslate.recipes.architecture import GeneratorConfig

        backend.select()
        from sartranslate.networks.blocks import initialise
        from sartranslate.networks.generators import build_generator
        from sartranslate.recipes.initialisation import Initialisation

        config = GeneratorConfig(filters=filters)
        model = build_generator(config)
        initialise(model, Initialisation("kaiming"), 0)
        bundle.save(path, bundle.Bundle(bundle.Description("untrained", config, Radiometry()), model), "float32")


def _simulated(folder: Path, size: int) -> Path:
    """A landscape, mirrored until it fills the scene."""
    import rasterio

    from sartranslate.simulate.simulation import SimulationOptions, simulate

    pixels = min(size, SIMULATED)
    simulate(folder, SimulationOptions(pairs=0, scene=(pixels, pixels)))
    scene = folder / "scene.tif"
    with rasterio.open(scene) as dataset:
        values, profile = dataset.read(), {**dataset.profile, "height": size, "width": size}
    with rasterio.open(scene, "w", **profile) as dataset:
        dataset.write(np.pad(values, [(0, 0), (0, size - pixels), (0, size - pixels)], "symmetric"))
    return scene


def _work(model: Path, size: int) -> tuple[int, float, float]:
    from sartranslate.networks import bundle
    from sartranslate.networks.topology import operations
    from sartranslate.streaming.windows import WindowGrid

    config = bundle.describe(model).generator
    ours, peer = (operations(config, WINDOW, folded=folded) for folded in (True, False))
    return len(WindowGrid(size, size, WINDOW, OVERLAP)), ours, peer


def _compared(contest: Contest, precision: str) -> dict[str, Any]:
    names = [name for name in contest.sides if name in WITH.get(precision, (*RUNTIMES, PEER))]
    bare: dict[str, dict[int, list[float]]] = {name: {batch: [] for batch in contest.batches} for name in names}
    matrix: list[float] = []
    for _ in range(contest.rounds):
        if precision != "int8":  # neither framework has one
            matrix.append(max(contest.sides[name]("matrix", precision) for name in (PEER, "keras")))
        for batch in contest.batches:
            for name in names:
                bare[name][batch].append(_bare_rate(contest.sides[name], precision, batch, contest.seconds))
    _print_bare(precision, contest, bare, matrix)
    best = dict.fromkeys(names, contest.our_batch)
    if PEER in names:
        best[PEER] = max(contest.batches, key=lambda batch: statistics.median(bare[PEER][batch]))
    ours = next(name for name in names if name != "onnxruntime")
    whole: dict[str, list[float]] = {name: [] for name in (ours, PEER) if name in names}
    beside: list[float] = []  # bare rates of ours in the same minutes
    for _ in range(contest.rounds):
        before = _bare_rate(contest.sides[ours], precision, best[ours], 2 * contest.seconds)
        for name, rates in whole.items():
            rates.append(contest.windows / contest.sides[name]("translate", precision, best[name]))
            if name == ours:
                after = _bare_rate(contest.sides[ours], precision, best[ours], 2 * contest.seconds)
                beside.append((before + after) / 2)
    apart = _apart(contest.folder) if PEER in names else {}
    result = {"apart": apart, "bare": bare, "batch": best, "whole": whole, "bare beside": beside, "matrix": matrix}
    _print_whole(result)
    return result


def _bare_rate(ask: Ask, precision: str, batch: int, seconds: float) -> float:
    """Windows per second of calls that take about so long."""
    once = ask("bare", precision, batch, 1)
    calls = max(LEAST_CALLS, round(seconds / once))
    return float(batch * calls / ask("bare", precision, batch, calls))


def _print_bare(precision: str, contest: Contest, bare: dict[str, dict[int, list[float]]], matrix: list[float]) -> None:
    limit = statistics.median(matrix) if matrix else None
    print(f"\n{precision}" + (f": matrix product {limit / 1e9:.0f} GFLOP/s {_spread(matrix, 1e-9)}" if limit else ""))
    for name, rates in bare.items():
        operations = contest.peer_operations if name == PEER else contest.operations
        for batch, found in rates.items():
            share = statistics.median(found) * operations / limit if limit else None
            print(f"  {name} bare, batch {batch}: {_rate(found)}" + (f", {share:.2f} of the product" if share else ""))
    sys.stdout.flush()


def _print_whole(result: dict[str, Any]) -> None:
    for name, found in result["whole"].items():
        print(f"  {name} whole, batch {result['batch'][name]}: {_rate(found)}")
    ours = next(iter(result["whole"]))
    print(f"  b / a: {_ratio(result['whole'][ours], result['bare beside'])}")
    if PEER in result["whole"]:
        print(f"  b / c: {_ratio(result['whole'][ours], result['whole'][PEER])}")
        best = {name: max(map(statistics.median, rates.values())) for name, rates in result["bare"].items()}
        print(f"  grey levels between the pictures, whose weights in overlaps differ: {result['apart']}")
        print("  bare / bare PyTorch: " + ", ".join(f"{name} {rate / best[PEER]:.2f}" for name, rate in best.items()))
    sys.stdout.flush()


def _rate(found: list[float]) -> str:
    return f"{statistics.median(found):.4g} windows/s {_spread(found)}"


def _spread(found: list[float], factor: float = 1.0) -> str:
    return f"({factor * min(found):.4g} to {factor * max(found):.4g})"


def _ratio(above: list[float], below: list[float]) -> str:
    ratios = [one / other for one, other in zip(above, below, strict=True)]
    return f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"


def _apart(folder: Path) -> dict[str, float]:
    """Grey levels between the pictures of both sides, whose weights in overlaps differ."""
    import rasterio

    with rasterio.open(folder / "ours.tif") as ours, rasterio.open(folder / "peer.tif") as peer:
        apart = np.abs(ours.read().astype(np.int16) - peer.read())
    return {name: float(np.quantile(apart, share)) for name, share in (("median", 0.5), ("90 %", 0.9), ("99 %", 0.99))}


if __name__ == "__main__":
    begin(main)
