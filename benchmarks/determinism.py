"""The same picture from any batch size and number of threads, byte by byte."""

from __future__ import annotations

from itertools import product
from pathlib import Path

from commands import Outcome, done_well

WAYS = {
    "keras": ("float32", "bfloat16"),
    "onnxruntime": ("float32", "int8"),
    "openvino": ("float32", "bfloat16", "int8"),
}
BATCHES = (1, 3, 8)
PROCESSORS = ("0", "0,1")


def repeat(scene: Path, folder: Path, times: int) -> Outcome:
    """Each runtime in each precision, with all batch sizes on one processor and on two, so many times."""
    outcome = Outcome()
    for runtime, precisions in WAYS.items():
        for precision in precisions:
            pictures = set()
            for _, batch, processors in product(range(times), BATCHES, PROCESSORS):
                outcome.times += 1
                arguments = ["infer", scene, folder / "out.tif", "--overwrite", "--runtime", runtime]
                arguments += ["--precision", precision, "--batch-size", batch]
                done_well(arguments, before=("taskset", "--cpu-list", processors))
                pictures.add((folder / "out.tif").read_bytes())
            outcome.check(len(pictures) == 1, f"{len(pictures)} pictures by {runtime} in {precision}")
    return outcome
