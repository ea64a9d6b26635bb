"""Variants of a training run beside each other: each trained and scored once for every seed, then shown as a table.

What is finished in the folder of runs is not repeated, so a benchmark can be interrupted and go on.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

Train = Callable[[Path], None]  # leaves a finished run in a folder
Score = Callable[[Path], Mapping[str, float]]  # of the model of a finished run
WHICH = ("out", "seeds", "variants", "table")  # of the arguments: what is trained and shown, and not how


def result(arguments: argparse.Namespace, variant: str, seed: int, train: Train, score: Score) -> None:
    """Have the scores of one variant and seed in their file; there is a new run where that is missing.

    Runs with other arguments, which would be shown beside each other as if they were alike, end the benchmark.
    """
    place = Path(arguments.out) / f"{variant.replace(' ', '_')}_{seed}"
    file, told = place / "result.json", place / "arguments.json"
    asked = json.dumps({name: str(value) for name, value in vars(arguments).items() if name not in WHICH})
    place.mkdir(parents=True, exist_ok=True)
    finished = file.exists() or (place / "summary.html").exists()
    if finished and not told.exists():
        raise SystemExit(f"{place}: does not tell how it was made; choose another --out")
    if not told.exists():
        told.write_text(asked, encoding="utf-8")
    elif told.read_text(encoding="utf-8") != asked:
        raise SystemExit(f"{place}: made with {told.read_text(encoding='utf-8')}, not {asked}; choose another --out")
    if file.exists():
        return
    if not finished:
        train(place)
    scores = {**score(place / "model.safetensors"), "seed": seed, "variant": variant}
    file.write_text(json.dumps(scores), encoding="utf-8")
    print(json.dumps(scores), flush=True)


def print_table(out: Path, variants: Sequence[str], columns: Sequence[str]) -> None:
    """A line for each variant that has results: means over seeds, with the smallest and the largest."""
    results = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(out.glob("*/result.json"))]
    print("| variant | seeds | updates | " + " | ".join(columns) + " |")
    print("|---" * (3 + len(columns)) + "|")
    for name in variants:
        found = [result for result in results if result["variant"] == name]
        if found:
            cells = [_cell([result[column] for result in found]) for column in columns]
            print(f"| {name} | {len(found)} | {found[0]['updates']} | " + " | ".join(cells) + " |")


def _cell(values: Sequence[float]) -> str:
    digits = max(0, 2 - math.floor(math.log10(max(abs(statistics.mean(values)), 1e-6))))
    mean, low, high = (f"{value:.{digits}f}" for value in (statistics.mean(values), min(values), max(values)))
    return f"{mean} ({low} to {high})" if len(values) > 1 else mean
