"""Does every damaged file end in a result or in one clear line? Thousands of them, through the real command line.

    python benchmarks/fuzz.py [--scenes 2000 --bundles 2000 --folders 500 --areas 500] [--seed 0] [--json FILE]
    python benchmarks/fuzz.py --only scenes:123 --keep FOLDER

Cases are drawn from the seed: copies of whole GeoTIFFs, models, folders of tiles and areas of interest with damage to
their headers, tags, block offsets, sizes, types, JSON, names and bytes. Each runs in a child of its own and is a defect
unless it ends

* within 20 s, with less than 400 MB resident at any time, imports included, and less than 4 GiB of addresses,
* with exit status 0, a whole output and nothing on standard error but lines that begin with `Warning: `, or
* with another one and one line on standard error, `Error: ...`; of a folder of tiles, an indented line for each file,
  of libtiff one more line is let pass, which it writes by itself at offsets beyond 2**63, and which are counted,
* without a traceback and without a file that was not there before, the output alone excepted.

Number 0 of each corpus is not damaged and has to succeed.
"""

from __future__ import annotations

import os

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", TF_CPP_MIN_LOG_LEVEL="3")
os.environ["PROJ_DEBUG"] = "0"  # as the command line sets it, but before this process begins with PROJ

import argparse
import importlib
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the command line of this checkout

import onnx  # noqa: F401  # that children need not import it; onnxruntime begins a thread, which must not be forked
from fuzz_cases import CORPORA, Bases
from fuzz_verdict import LIBTIFF, Verdict, judged

PRELOADED = (  # so that each child need not load them
    "sartranslate.datasets.pairing",
    "sartranslate.evaluate.evaluation",
    "sartranslate.evaluate.raster_images",
    "sartranslate.infer.inference",
    "sartranslate.infer.inspection",
    "sartranslate.runtimes.onnx_graph",
    "sartranslate.runtimes.translator",
    "sartranslate.train.training_data",
)
for name in PRELOADED:
    importlib.import_module(name)

SIZES = {"scenes": 2000, "bundles": 2000, "folders": 500, "areas": 500}
SHOWN = 300  # characters of standard error
HEADS = ("cases", "succeeded", "refused", "defects", "slowest s", "peak MB")


def run() -> None:
    arguments = _parse()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        verdicts = list(_judged(arguments, Path(scratch)))
    for line in _table(verdicts):
        print(line)
    print(f"{len(verdicts)} cases in {time.monotonic() - started:.0f} s, seed {arguments.seed}")
    if arguments.json:
        cases = [{"name": verdict.name, **verdict._asdict()} for verdict in verdicts]
        arguments.json.write_text(json.dumps({"seed": arguments.seed, "cases": cases}, indent=1))
    sys.exit(any(verdict.kinds for verdict in verdicts))


def _judged(arguments: argparse.Namespace, scratch: Path) -> Iterator[Verdict]:
    """What became of each case in turn; defects are told at once."""
    bases = Bases.written(scratch / "bases", arguments.seed)
    place = scratch / "case"
    for corpus, number in _wanted(arguments):
        verdict = judged(corpus, number, arguments.seed, bases, place)
        if verdict.kinds or arguments.only:
            _tell(verdict)
        if arguments.keep:
            shutil.copytree(place, arguments.keep / f"{corpus}-{number}", symlinks=True)
        shutil.rmtree(place)
        yield verdict


def _wanted(arguments: argparse.Namespace) -> Iterator[tuple[str, int]]:
    for name in arguments.only or ():
        corpus, _, number = name.partition(":")
        yield corpus, int(number)
    for corpus in () if arguments.only else CORPORA:
        yield from ((corpus, number) for number in range(getattr(arguments, corpus)))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for corpus, size in SIZES.items():
        parser.add_argument(f"--{corpus}", type=int, default=size)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", nargs="+", metavar="CORPUS:NUMBER")
    parser.add_argument("--keep", type=Path, help="Copy the files of each case into this folder.")
    return parser.parse_args()


def _tell(verdict: Verdict) -> None:
    kinds = ", ".join(verdict.kinds) or ("succeeded" if verdict.succeeded else "refused")
    spent = f"{verdict.seconds:.2f} s, {verdict.peak / 1e6:.0f} MB"
    print(f"{verdict.name}: {kinds}; {spent}; {verdict.error[-SHOWN:]!r}", flush=True)


def _table(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """A line for each corpus, then one for each kind of defect."""
    yield "".join([" " * 8, *(f"{head:>11}" for head in HEADS)])
    for corpus in CORPORA:
        if own := [verdict for verdict in verdicts if verdict.corpus == corpus]:
            yield "".join([f"{corpus:8}", *(f"{number:11g}" for number in _row(own))])
    kinds = Counter(f"{verdict.corpus}: {kind}" for verdict in verdicts for kind in verdict.kinds)
    yield from (f"{count} times {kind}" for kind, count in kinds.most_common())
    yield f"{sum(LIBTIFF in verdict.error for verdict in verdicts)} times a line of libtiff's own"


def _row(verdicts: Sequence[Verdict]) -> tuple[float, ...]:
    """The numbers of `HEADS`."""
    good = [verdict for verdict in verdicts if not verdict.kinds]
    succeeded = sum(verdict.succeeded for verdict in good)
    slowest, peak = (max(numbers) for numbers in zip(*((each.seconds, each.peak) for each in verdicts), strict=True))
    counts = len(verdicts), succeeded, len(good) - succeeded, len(verdicts) - len(good)
    return (*counts, round(slowest, 1), round(peak / 1e6))


if __name__ == "__main__":
    run()
