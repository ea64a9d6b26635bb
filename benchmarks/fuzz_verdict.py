"""What is wrong with how a case of `fuzz.py` ended."""

from __future__ import annotations

from collections.abc import Iterator
from os import walk
from pathlib import Path
from typing import NamedTuple

import rasterio
from forked import Ended, run_forked
from fuzz_cases import OUT, TILES, UNDAMAGED, Bases, Case, checking, make_case
from mutated_folders import INDEX

from cli import main
from sartranslate.datasets.tile_index import read_index
from sartranslate.errors import SartranslateError

SECONDS = 20.0  # that a case may take
RESIDENT = 400e6  # bytes
ADDRESSES = 4 * 2**30  # bytes
LIBTIFF = "_tiffSeekProc: Invalid argument."  # it writes this by itself, past all handlers, at offsets beyond 2**63
MEMORY_WORDS = ("out of memory", "annot allocate", "emory allocation", "bad_alloc")
LONGEST_LINE = 1000  # characters, of what is clear

Tree = dict[str, object]


class Verdict(NamedTuple):
    """What became of a case."""

    corpus: str
    number: int
    succeeded: bool
    kinds: tuple[str, ...]  # of defects; empty: none
    seconds: float
    peak: int  # bytes
    error: str

    @property
    def name(self) -> str:
        return f"{self.corpus}:{self.number}"


def judged(corpus: str, number: int, seed: int, bases: Bases, place: Path) -> Verdict:
    """Make a case in the new folder `place`, run it, and say what is wrong with how it ended."""
    case = make_case(corpus, number, seed, bases, place)
    work = place / "work"
    given, before = _tree(place / "given"), _tree(work)
    command = checking if case.checks else main
    ended = run_forked(command, case.arguments, work, SECONDS, ADDRESSES)
    kinds = [*_ending(ended, case), *_left(ended, case, work, before)]
    if _tree(place / "given") != given:
        kinds.append("input changed")
    if number == UNDAMAGED and ended.code:
        kinds.append("undamaged, but refused")
    return Verdict(corpus, number, ended.code == 0, tuple(kinds), ended.seconds, ended.peak, ended.err)


def _ending(ended: Ended, case: Case) -> Iterator[str]:
    """Defects of the process and of what it said."""
    if ended.timed_out:
        yield "time"
    elif ended.code < 0:
        yield f"killed by signal {-ended.code}"
    if ended.peak > RESIDENT or any(word in ended.err for word in MEMORY_WORDS):
        yield "memory"
    if "Traceback" in ended.err:
        yield "traceback"
    elif ended.code >= 0 and not _is_clear(ended, case):
        yield "unclear lines"


def _is_clear(ended: Ended, case: Case) -> bool:
    # A terminal shows a line for each of these, as `splitlines` counts them.
    lines = [line for line in ended.err.splitlines() if not line.startswith("Warning: ") and line != LIBTIFF]
    if ended.code == 0:
        return not lines
    if any(len(line) > LONGEST_LINE for line in lines):
        return False
    more = [line for line in lines[1:] if not (case.listed and line.startswith("  "))]
    return bool(lines) and lines[0].startswith("Error: ") and len(lines[0]) > len("Error: ") and not more


def _left(ended: Ended, case: Case, work: Path, before: Tree) -> Iterator[str]:
    """Defects of the files where the command ran."""
    after = _tree(work)
    if ended.code:
        if after != before:
            yield "files left"
        return
    try:
        if case.raster:
            _read_raster(work / OUT)
        if case.indexed:
            read_index(work / TILES / INDEX)
    except (SartranslateError, rasterio.errors.RasterioError) as error:
        yield f"unreadable output: {error}"
    new = after.keys() - before.keys()
    if case.raster and new != {OUT}:
        yield "files beside the output"
    if not (case.raster or case.indexed) and (new or not ended.out.strip()):
        yield "no words, or files"
    if any(Path(name).name.startswith(".") for name in new):
        yield "hidden files"


def _read_raster(path: Path) -> None:
    with rasterio.open(path) as dataset:
        dataset.read()
        dataset.dataset_mask()


def _tree(folder: Path) -> Tree:
    """Names below a folder with the content of files and the targets of links."""
    found: Tree = {}
    for place, folders, files in walk(folder):
        for name in (*folders, *files):
            path = Path(place, name)
            key = str(path.relative_to(folder))
            if path.is_symlink():
                found[key] = path.readlink()
            else:
                found[key] = path.read_bytes() if path.is_file() else None
    return found
