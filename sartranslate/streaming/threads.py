"""How many threads a process that computes one of several shares of a machine may take."""

from __future__ import annotations

import os

VARIABLE = "SARTRANSLATE_THREADS"  # for what has to be told in its own call
CONCURRENCY = 4  # each call holds a batch
MOST_FOR_INPUT = 8  # Python runs in one of them at a time
VARIABLES = (VARIABLE, "TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def environment(threads: int) -> dict[str, str]:
    """What makes a process take so many, set before it loads any framework."""
    return {**dict.fromkeys(VARIABLES, str(threads)), "TF_NUM_INTEROP_THREADS": "1"}


def limit(threads: int) -> None:
    """The same for this process, where nobody has said otherwise."""
    for name, value in environment(threads).items():
        os.environ.setdefault(name, value)


def limited() -> int | None:
    """The threads that this process may take; None: as many as there are cores."""
    text = os.environ.get(VARIABLE, "")
    return int(text) if text.isdecimal() and int(text) > 0 else None


def cores() -> int:
    """Those of the machine that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def available() -> int:
    """The threads that are worth starting here."""
    return limited() or cores()


def for_input() -> int:
    """Threads that are worth reading a local scene with, or making batches beside a GPU."""
    return min(MOST_FOR_INPUT, available())


def share(processes: int) -> int:
    """Threads for each of so many processes on this machine, at least one."""
    return max(1, cores() // processes)


def concurrency() -> int:
    """Calls of a generator that are worth making at once on the processor.

    One alone leaves cores idle: between its steps, and where reading, blending and writing keep one of them.
    """
    return CONCURRENCY if available() > 1 else 1
