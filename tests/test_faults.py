"""Faults that take processes of their own, a few times each; `benchmarks/faults.py` provokes them many times."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import user_environment

ROOT = Path(__file__).parents[1]


@pytest.mark.long
@pytest.mark.parametrize(
    ("fault", "times"),
    [
        ("kill -9 in infer", 3),
        ("kill -9 in train", 2),
        ("SIGINT, SIGTERM in infer", 2),
        ("SIGINT, SIGTERM in train", 2),
        ("two infer at once", 2),
        ("two train at once", 1),
        ("many scenes in one process", 100),
        ("many scenes in a process each", 5),
    ],
)
def test_a_fault_loses_nothing_and_leaves_nothing_half_written(fault: str, times: int, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    line = [sys.executable, "benchmarks/faults.py", "--only", fault, "--times", str(times), "--json", str(report)]
    done = subprocess.run(line, cwd=ROOT, env=user_environment(), capture_output=True, text=True, check=False)
    outcome = json.loads(report.read_text())[fault]
    assert (outcome["faults"], outcome["times"], done.returncode) == ([], times, 0), done.stderr
