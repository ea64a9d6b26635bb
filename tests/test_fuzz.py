"""Damaged files end in a result or one line, and what finds that out does not pass over what it looks for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import user_environment

ROOT = Path(__file__).parents[1]
FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked")
# In one process of their own: a worker of the tests has threads, beside which nothing can be forked.
PROBES = """
import json, os, sys, tempfile, time
sys.path[:0] = ["benchmarks", "."]
import click
from pathlib import Path
import fuzz, fuzz_verdict
from fuzz_cases import Case
from forked import run_forked

@click.command()
@click.argument("what")
def probe(what):
    exec(what)

def found(what, folder):
    work = Path(folder, "work")
    work.mkdir()
    case, before = Case((what,), raster=what.startswith("'raster'")), fuzz_verdict._tree(work)
    ended = run_forked(probe, (what,), work, 1.0, fuzz_verdict.ADDRESSES)
    return [*fuzz_verdict._ending(ended, case), *fuzz_verdict._left(ended, case, work, before)]

for what in json.load(sys.stdin):
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps([what, found(what, folder)]))
"""
BAD = {
    "raise ValueError('x')": "traceback",
    "os.abort()": "killed by signal 6",
    "time.sleep(60)": "time",
    "import threading; threading.Thread(target=time.sleep, args=(60,)).start(); print('x')": "time",
    "b'x' * 500_000_000; print('x')": "memory",
    "raise click.ClickException('out of memory')": "memory",
    "bytearray(8 << 30)": "traceback",
    "raise click.ClickException('a\\nb')": "unclear lines",
    "raise click.ClickException('')": "unclear lines",
    "raise click.ClickException('x' * 2000)": "unclear lines",
    "os.write(2, b'libtiff says'); raise click.ClickException('no')": "unclear lines",
    "print('x', file=sys.stderr)": "unclear lines",
    "open('rest', 'w').close(); raise click.ClickException('no')": "files left",
    "pass": "no words, or files",
    "'raster'; print('done')": "unreadable output",
    "'raster'; open('out.tif.aux.xml', 'w').close(); print('done')": "files beside the output",
}
GOOD = (
    "print('Warning: large', file=sys.stderr); print('done')",
    "raise click.ClickException('scene.tif: no georeference')",
)


@pytest.fixture(scope="module")
def probed() -> dict[str, list[str]]:
    """The defects that are seen in commands that do what is said of them."""
    run = {"cwd": ROOT, "env": user_environment(), "capture_output": True, "text": True, "check": True}
    done = subprocess.run([sys.executable, "-c", PROBES], input=json.dumps([*BAD, *GOOD]), **run)  # type: ignore[call-overload]
    return dict(json.loads(line) for line in done.stdout.splitlines())


def fuzzed(folder: Path, seed: int, **sizes: int) -> dict[str, list[dict[str, Any]]]:
    """The cases of each corpus, none of which is a defect."""
    report = folder / "report.json"
    options = [text for name, size in sizes.items() for text in (f"--{name}", str(size))]
    command = [sys.executable, "benchmarks/fuzz.py", *options, "--seed", str(seed), "--json", str(report)]
    done = subprocess.run(command, cwd=ROOT, env=user_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    cases = json.loads(report.read_text())["cases"]
    return {name: [case for case in cases if case["corpus"] == name] for name in sizes}


@pytest.mark.long
@FORKS
def test_damaged_files_end_in_a_result_or_one_line(tmp_path: Path) -> None:
    sizes = {"scenes": 20, "bundles": 20, "folders": 10, "areas": 10}
    for name, cases in fuzzed(tmp_path, 1, **sizes).items():
        assert len(cases) == sizes[name]
        assert {case["succeeded"] for case in cases} == {True, False}


@FORKS
@pytest.mark.long
def test_many_damaged_files_end_in_a_result_or_one_line(tmp_path: Path) -> None:
    fuzzed(tmp_path, 2, scenes=500, bundles=300, folders=150, areas=150)


@pytest.mark.long
@FORKS
@pytest.mark.parametrize("what", BAD)
def test_what_is_looked_for_is_found(probed: dict[str, list[str]], what: str) -> None:
    assert any(kind.startswith(BAD[what]) for kind in probed[what])


@pytest.mark.long
@FORKS
@pytest.mark.parametrize("what", GOOD)
def test_a_result_with_a_warning_and_a_refusal_in_one_line_are_no_defects(
    probed: dict[str, list[str]], what: str
) -> None:
    assert probed[what] == []
