"""Commands in processes of their own, and what many runs of them had in common."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

COMMAND = [sys.executable, "-c", "from cli import main; main()"]
ROOT = Path(__file__).parents[1]
PATIENCE = 600  # seconds, for a command to end


@dataclass
class Outcome:
    """Of a fault that was provoked many times; what should not have happened names the time it did."""

    times: int = 0
    faults: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)  # of what may happen or not

    def check(self, holds: bool, fault: str) -> None:
        if not holds:
            self.faults.append(f"number {self.times}: {fault}")

    def count(self, what: str, times: int = 1) -> None:
        self.counts[what] = self.counts.get(what, 0) + times


def run(*arguments: object, before: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """The command with these arguments, and with such as `taskset` before it."""
    line = [*before, *COMMAND, *map(str, arguments)]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)


def started(*arguments: object) -> subprocess.Popen[str]:
    """The same, not waited for."""
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def stopped(arguments: Sequence[object], number: int, seconds: float) -> tuple[int, str]:
    """Exit code, as a shell has it, and errors of a command that is sent a signal after so many seconds.

    It may have ended before, and a signal that comes as the interpreter itself ends has its usual effect.
    """
    with started(*arguments) as process:
        time.sleep(seconds)
        process.send_signal(number)
        errors = ended(process)
        return process.returncode if process.returncode >= 0 else 128 - process.returncode, errors


def ended(process: subprocess.Popen[str]) -> str:
    """What a process has said on standard error by its end; one that does not end is killed, and says so."""
    try:
        return process.communicate(timeout=PATIENCE)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        return f"{process.communicate()[1]} had to be killed after {PATIENCE} s"


def done_well(arguments: Sequence[object], before: Sequence[str] = ()) -> tuple[str, float]:
    """What a command says, and the seconds that it takes; raises `RuntimeError` where it fails."""
    begun = time.monotonic()
    done = run(*arguments, before=before)
    if done.returncode:
        raise RuntimeError(f"{arguments}: ended with {done.returncode}: {done.stderr[-500:]}")
    return done.stdout, time.monotonic() - begun
