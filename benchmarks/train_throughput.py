"""Images per second of a training update, beside a PyTorch update of the same arithmetic in the same run.

    python benchmarks/train_throughput.py [--rounds 5] [--steps 4] [--batches 1 8] [--json FILE]

Both sides get the same weights and batches, and their first losses without dropout must agree; then they take
turns, each in a process of its own that waits while the other one computes. The recipe is "junyanz": U-Net 256 and
PatchGAN 70 of 64 filters, one band to three, batch norm, alternating updates, Adam. With `--device gpu` the peer, and
ours on `--backend torch`, run on the GPU. Last come the crops per second that one thread makes of simulated tiles of
512 px, with the augmentation of each recipe: what training must not wait for.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from script import begin, positive

SIZE = 256  # pixels
PRECISIONS = ("float32", "bfloat16")  # that both sides compute in
AGREEMENT = 2e-3  # of first losses in float32, relative; 2e-2 in bfloat16
WARM_UP = 2  # steps
CROP_EPOCHS = 10  # of 32 crops
CHECKED = {"generator.dropout": 0.0}


class Case(NamedTuple):
    """What one comparison fixes."""

    batch: int
    precision: str
    backend: str  # of ours
    device: str  # "cpu" or "cuda"


def main() -> None:
    arguments = _parse()
    device = "cuda" if arguments.device == "gpu" else "cpu"
    rows = []
    for precision in arguments.precisions:
        for batch in arguments.batches:
            rows.append(_compare(Case(batch, precision, arguments.backend, device), arguments.rounds, arguments.steps))
            print(_line(rows[-1]), flush=True)
    crops = {name: _crops_per_second(name, arguments.rounds) for name in ("sar", "junyanz")}
    rows.append({"crops_per_second": crops})
    for name, rates in crops.items():
        spread = f"{min(rates):.0f} to {max(rates):.0f}"
        print(f"input of {name}, one thread: {statistics.median(rates):.0f} crops/s ({spread})")
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:  # noqa: PTH123
            json.dump(rows, file, indent=1)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=positive, default=5, help="turns of each side")
    parser.add_argument("--steps", type=positive, default=4, help="updates in a turn")
    parser.add_argument("--batches", type=positive, nargs="+", default=[1, 8])
    parser.add_argument("--precisions", nargs="+", default=[*PRECISIONS], choices=PRECISIONS)
    parser.add_argument("--backend", default="tensorflow", choices=["tensorflow", "torch"])
    parser.add_argument("--device", default="cpu", choices=["cpu", "gpu"])
    parser.add_argument("--json", help="file for the figures")
    return parser.parse_args()


def _compare(case: Case, rounds: int, steps: int) -> dict[str, Any]:
    with _worker(_ours, case) as ours, _worker(_peer, case) as peer:
        first = _ask(ours, ("losses", None))
        second = _ask(peer, ("losses", first["weights"]))
        apart = max(abs(a - b) / max(abs(a), 1e-3) for a, b in zip(first["losses"], second["losses"], strict=True))
        bound = AGREEMENT if case.precision == "float32" else 10 * AGREEMENT
        if apart > bound:
            raise SystemExit(f"{case}: first losses {first['losses']} and {second['losses']} are not the same update")
        for side in (ours, peer):
            _ask(side, ("run", WARM_UP))
        turns = [(_ask(ours, ("run", steps)), _ask(peer, ("run", steps))) for _ in range(rounds)]
    rates = [[case.batch * steps / seconds for seconds in side] for side in zip(*turns, strict=True)]
    ratios = [mine / theirs for mine, theirs in zip(*rates, strict=True)]
    return {**case._asdict(), "ours": rates[0], "peer": rates[1], "ratios": ratios, "losses_apart": apart}


def _line(row: dict[str, Any]) -> str:
    spread = f"{min(row['ratios']):.2f} to {max(row['ratios']):.2f}"
    return (
        f"batch {row['batch']}, {row['precision']}: ours ({row['backend']}) {statistics.median(row['ours']):.2f}, "
        f"PyTorch {statistics.median(row['peer']):.2f} images/s; ratio {statistics.median(row['ratios']):.2f} "
        f"({spread}); first losses apart {row['losses_apart']:.1e}"
    )


@contextmanager
def _worker(target: Any, case: Case) -> Iterator[Connection]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=target, args=(there, case), daemon=True)
    process.start()
    there.close()  # so that the end of a process that fails is seen here
    try:
        yield here
    finally:
        with suppress(BrokenPipeError):  # of a process that has failed, and has said why
            here.send(("end", None))
        process.join()


def _ask(side: Connection, request: tuple[str, Any]) -> Any:
    side.send(request)
    return side.recv()


def noise(count: int) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int32]]:
    """Sources, targets and seeds of a batch of so many crops."""
    rng = np.random.default_rng(0)
    source = rng.uniform(-1, 1, (count, SIZE, SIZE, 1)).astype(np.float32)
    target = rng.uniform(-1, 1, (count, SIZE, SIZE, 3)).astype(np.float32)
    return source, target, np.arange(count, dtype=np.int32)


def _ours(line: Connection, case: Case) -> None:
    from sartranslate.networks import backend

    backend.select(case.backend)
    if (backend.device() == "CPU") != (case.device == "cpu"):
        raise SystemExit(f"ours computes on {backend.device()}, and PyTorch would on {case.device}")
    from sartranslate.recipes.presets import preset
    from sartranslate.train.pix2pix import Pix2Pix

    recipe = preset("junyanz").with_fields({"optimisation.batch_size": case.batch})
    source, target, seeds = noise(case.batch)

    def trainer(changes: dict[str, Any]) -> Pix2Pix:
        made = Pix2Pix(recipe.with_fields(changes), 0, case.precision)
        made.set_learning_rate(recipe.optimisation.learning_rate)
        return made

    def losses(_: None) -> dict[str, Any]:
        checked = trainer(CHECKED)
        weights = {
            f"{name}/{variable.path}": variable.numpy()
            for name, network in checked.networks.items()
            for variable in network.trainable_variables
        }
        first = checked.step(source, target, seeds)
        return {"weights": weights, "losses": [first[name] for name in ("generator", "discriminator", "l1")]}

    timed = trainer({})
    _serve(line, losses, lambda: timed.step(source, target, seeds))


def _peer(line: Connection, case: Case) -> None:
    from torch_pix2pix import Peer

    source, target, _ = noise(case.batch)
    levels = (6, 5, 4)  # decoder layers 2 to 4

    def losses(weights: dict[str, NDArray[Any]]) -> dict[str, Any]:
        checked = Peer(case.precision, case.device, 0.0, levels)
        checked.load(weights)
        return {"losses": checked.step(source, target)}

    timed = Peer(case.precision, case.device, 0.5, levels)
    _serve(line, losses, lambda: timed.step(source, target))


def _serve(line: Connection, losses: Any, step: Any) -> None:
    while (request := line.recv())[0] != "end":
        kind, value = request
        line.send(losses(value) if kind == "losses" else seconds(step, value))


def _crops_per_second(name: str, rounds: int) -> list[float]:
    """So many times, of tiles held in memory, augmented and stacked, while nothing else computes."""
    import tempfile
    from pathlib import Path

    from sartranslate.datasets.crops import CropOptions, Crops
    from sartranslate.datasets.dataset import open_pairs
    from sartranslate.recipes.presets import preset
    from sartranslate.simulate.simulation import SimulationOptions, simulate

    with tempfile.TemporaryDirectory() as folder:
        simulate(Path(folder), SimulationOptions(pairs=8, tile_size=512))
        crops = Crops(open_pairs([Path(folder)]), CropOptions(SIZE, 8, preset(name).augmentation))
        return [round(_crop_rate(crops), 1) for _ in range(rounds)]


def _crop_rate(crops: Any) -> float:
    started = time.perf_counter()
    made = sum(len(batch.source) for epoch in range(CROP_EPOCHS) for batch in crops.epoch(epoch))
    return made / (time.perf_counter() - started)


def seconds(step: Any, count: int) -> float:
    """Of so many calls."""
    started = time.perf_counter()
    for _ in range(count):
        step()
    return time.perf_counter() - started


if __name__ == "__main__":
    begin(main)
