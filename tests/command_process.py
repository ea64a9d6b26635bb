"""Commands in a process of their own, of which a test decides what it may do and finds around it."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.conftest import user_environment

ROOT = Path(__file__).parents[1]
SCRIPT = """
import json, sys
from click.testing import CliRunner
from cli import main
results = {}
for name, arguments in json.load(sys.stdin).items():
    done = CliRunner().invoke(main, arguments)
    results[name] = [done.exit_code, done.stdout, done.stderr, repr(done.exception)]
print(json.dumps(results))
"""


class Run(NamedTuple):
    """What one command came to."""

    code: int
    out: str
    error: str
    exception: str


def obey_permissions() -> None:
    """Let permissions hold for root too, in this process and what it becomes; of Linux."""
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in (1, 2) if os.geteuid() == 0 else ():  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        if libc.prctl(24, capability, 0, 0, 0):  # PR_CAPBSET_DROP
            raise OSError(ctypes.get_errno(), "prctl")


def runs(
    commands: Mapping[str, Sequence[object]],
    *,
    first: str = "",
    within: Sequence[str] = (),
    prepared: Callable[[], None] | None = None,
    **environment: str,
) -> dict[str, Run]:
    """Run one command after the other, by name.

    Python runs the text `first` before, `within` is a program that runs Python, and `prepared` is called in the new
    process before either.
    """
    done = subprocess.run(
        [*within, sys.executable, "-c", f"{first}\n{SCRIPT}"],
        input=json.dumps({name: [str(part) for part in arguments] for name, arguments in commands.items()}),
        env={**user_environment(), "SARTRANSLATE_RUNTIME": "keras", **environment},
        preexec_fn=prepared,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return {name: Run(*result) for name, result in json.loads(done.stdout.splitlines()[-1]).items()}
