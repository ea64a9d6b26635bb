"""Ctrl-C once is a wish, twice an order."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

ROOT = Path(__file__).parents[1]
PATIENCE = 60  # seconds, for a process to end
PREAMBLE = """
import signal, time
from signal import SIGINT, SIGTERM, raise_signal
from cli.interrupt import Interrupt
"""
# Works until it is asked to stop.
WORKER = """
with Interrupt() as interrupt:
    print("ready", flush=True)
    while not interrupt.received():
        time.sleep(0.01)
    print("tidied up")
raise SystemExit(interrupt.exit_code)
"""


def command(script: str) -> list[str]:
    return [sys.executable, "-c", PREAMBLE + dedent(script)]


def run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(script), cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_work_that_is_asked_to_stop_ends_well_with_the_exit_code_that_shells_expect(number: int, code: int) -> None:
    with subprocess.Popen(command(WORKER), cwd=ROOT, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
        worker.send_signal(number)
        rest, _ = worker.communicate(timeout=PATIENCE)
    assert (rest, worker.returncode) == ("tidied up\n", code)


def test_the_first_signal_is_noted_and_the_second_one_raises_as_usual() -> None:
    outcome = run("""
        with Interrupt() as interrupt:
            print(interrupt.received())
            raise_signal(SIGINT)
            print(interrupt.received(), interrupt.exit_code)
            try:
                raise_signal(SIGINT)
            except KeyboardInterrupt:
                print("KeyboardInterrupt")
    """)
    assert outcome.stdout.splitlines() == ["False", "True 130", "KeyboardInterrupt"]
    assert (outcome.returncode, outcome.stderr) == (0, "")


@pytest.mark.parametrize("first", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("second", ["SIGINT", "SIGTERM"])
def test_a_second_signal_that_nobody_catches_ends_the_process_by_that_signal(first: str, second: str) -> None:
    outcome = run(f"""
        with Interrupt():
            raise_signal({first})
            print("goes on", flush=True)
            raise_signal({second})
            print("unreached")
    """)
    assert outcome.stdout == "goes on\n"
    assert outcome.returncode == -signal.Signals[second]


def test_without_a_signal_nothing_is_received_and_handlers_are_those_from_before() -> None:
    outcome = run("""
        mine = lambda number, frame: print("mine", number)
        signal.signal(SIGTERM, mine)
        before = signal.getsignal(SIGINT)
        with Interrupt() as interrupt:
            print(signal.getsignal(SIGINT) is before, signal.getsignal(SIGTERM) is mine)
        print(signal.getsignal(SIGINT) is before, signal.getsignal(SIGTERM) is mine)
        print(interrupt.received(), interrupt.exit_code)
        raise_signal(SIGTERM)
    """)
    assert outcome.stdout.splitlines() == ["False False", "True True", "False 0", f"mine {int(signal.SIGTERM)}"]


def test_handlers_are_those_from_before_after_a_signal_and_after_an_error() -> None:
    outcome = run("""
        before = signal.getsignal(SIGINT), signal.getsignal(SIGTERM)
        try:
            with Interrupt() as interrupt:
                raise_signal(SIGTERM)
                print((signal.getsignal(SIGINT), signal.getsignal(SIGTERM)) == before)
                raise ZeroDivisionError
        except ZeroDivisionError:
            print((signal.getsignal(SIGINT), signal.getsignal(SIGTERM)) == before, interrupt.exit_code)
    """)
    assert outcome.stdout.splitlines() == ["True", "True 143"]


@pytest.mark.parametrize(("ignored", "other", "code"), [("SIGINT", "SIGTERM", 143), ("SIGTERM", "SIGINT", 130)])
def test_a_signal_that_was_ignored_stays_so_inside_and_afterwards(ignored: str, other: str, code: int) -> None:
    """So shells start what runs in the background of a script, as far as Ctrl-C goes."""
    outcome = run(f"""
        signal.signal({ignored}, signal.SIG_IGN)
        with Interrupt() as interrupt:
            raise_signal({ignored})
            print(interrupt.received(), interrupt.exit_code)
            raise_signal({other})
            print(interrupt.received(), interrupt.exit_code)
            raise_signal({ignored})
        raise_signal({ignored})
        print(signal.getsignal({ignored}) is signal.SIG_IGN)
    """)
    assert outcome.stdout.splitlines() == ["False 0", f"True {code}", "True"]
    assert (outcome.returncode, outcome.stderr) == (0, "")
