"""Updates that a GPU replays beside the same ones called from Python by Keras: their losses, and how long they take.

    python benchmarks/recorded_updates.py [--filters 24] [--batches 8 16 32] [--updates 20]

Recipe `sar-finetune` with SSIM and feature matching, PyTorch. Losses of five updates are compared in float32; they
should be equal, as the kernels are the same.
"""

from __future__ import annotations

import argparse
from functools import partial

from script import begin, positive
from train_throughput import noise, seconds

from sartranslate.networks import backend

backend.select("torch")

from sartranslate.recipes.presets import preset  # noqa: E402
from sartranslate.recipes.recipe import Recipe  # noqa: E402
from sartranslate.train.pix2pix import Pix2Pix  # noqa: E402

COMPARED = 5  # updates
WARM_UP = 3
CALLED = 4  # updates that are timed without a recording
TERMS = {"generator.upsampling": "resize", "objective.ssim": 5.0, "objective.feature_matching": 5.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--filters", type=positive, default=24)
    parser.add_argument("--batches", type=positive, nargs="+", default=[8, 16, 32])
    parser.add_argument("--updates", type=positive, default=20)
    arguments = parser.parse_args()
    if backend.device() == "CPU":
        raise SystemExit("no GPU: updates are recorded on GPUs alone")
    print(backend.device())
    recipes = {size: _recipe(arguments.filters, size) for size in arguments.batches}
    _compare(recipes[min(arguments.batches)])
    for size, recipe in recipes.items():
        for precision in ("float32", "bfloat16"):
            replayed = _milliseconds(_trainer(recipe, precision), size, arguments.updates)
            called = _milliseconds(_called(recipe, precision), size, CALLED)
            print(f"batch {size}, {precision}: {replayed:.1f} ms, called from Python {called:.1f} ms", flush=True)


def _recipe(filters: int, batch: int) -> Recipe:
    sizes = {"generator.filters": filters, "discriminator.filters": filters, "optimisation.batch_size": batch}
    return preset("sar-finetune").with_fields({**TERMS, **sizes})


def _compare(recipe: Recipe) -> None:
    replayed, called = _trainer(recipe, "float32"), _called(recipe, "float32")
    batch = noise(recipe.optimisation.batch_size)
    for update in range(COMPARED):
        one, other = replayed.step(*backend.placed(*batch)), called.step(*batch)
        apart = max(abs(one[name] - other[name]) for name in one)
        print(f"update {update + 1}: losses apart {apart:.1e}", flush=True)


def _trainer(recipe: Recipe, precision: str) -> Pix2Pix:
    trainer = Pix2Pix(recipe, 0, precision)
    trainer.set_learning_rate(recipe.optimisation.learning_rate)
    return trainer


def _called(recipe: Recipe, precision: str) -> Pix2Pix:
    """A trainer that records nothing."""
    compiled = backend.compiled
    backend.compiled = lambda function: function
    try:
        return _trainer(recipe, precision)
    finally:
        backend.compiled = compiled


def _milliseconds(trainer: Pix2Pix, count: int, updates: int) -> float:
    """Of an update, which reads the losses and so waits for the GPU."""
    batch = backend.placed(*noise(count))
    step = partial(trainer.step, *batch)
    seconds(step, WARM_UP)
    return 1000 * seconds(step, updates) / updates


if __name__ == "__main__":
    begin(main)
