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


@pytest.mark.parametrize("first", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize(("second", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_the_first_signal_is_noted_and_the_second_one_ends_the_process_at_once(
    first: str, second: str, code: int
) -> None:
    """Without an exception, which the C++ of a framework could lose or change on its way."""
    outcome = run(f"""
        with Interrupt() as interrupt:
            print(interrupt.received())
            raise_signal({first})
            print(interrupt.received(), interrupt.exit_code == 128 + {first}, flush=True)
            try:
                raise_signal({second})
            except BaseException:
                print("caught", flush=True)
            finally:
                print("left", flush=True)
    """)
    assert outcome.stdout.splitlines() == ["False", "True True"]
    assert (outcome.returncode, outcome.stderr) == (code, "")


def test_a_process_that_ends_at_once_leaves_no_unfinished_file_and_no_run_without_a_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "whole").write_text("before")
    outcome = run(f"""
        from pathlib import Path
        from sartranslate.storage.atomic import replaced_when_whole
        from sartranslate.train.run_folder import RunFolder

        folder = RunFolder(Path({str(tmp_path)!r}) / "run")
        whole = folder.path.parent / "whole"
        parts = replaced_when_whole(whole), replaced_when_whole(folder.path / "model.safetensors")
        with Interrupt(), folder.begun(overwrite=True), parts[0] as one, parts[1] as other:
            folder.recipe.write_text("recipe")
            for unfinished in (one, other):
                unfinished.write_text("half")
            print(len(list(folder.path.iterdir())), flush=True)  # the lock, too
            raise_signal(SIGINT)
            raise_signal(SIGINT)
    """)
    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (130, "3\n", "")
    assert [path.name for path in tmp_path.iterdir()] == ["whole"]
    assert (tmp_path / "whole").read_text() == "before"


def test_a_third_signal_does_not_keep_the_second_one_from_tidying_up(tmp_path: Path) -> None:
    outcome = run(f"""
        from pathlib import Path
        from sartranslate.storage.atomic import tidied

        def tidy():
            raise_signal(SIGINT)
            raise_signal(SIGTERM)
            Path({str(tmp_path)!r}, "tidy").touch()

        with Interrupt(), tidied(tidy):
            raise_signal(SIGINT)
            raise_signal(SIGINT)
    """)
    assert (outcome.returncode, outcome.stderr) == (130, "")
    assert (tmp_path / "tidy").exists()


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


def test_after_a_signal_and_an_error_handlers_are_those_from_before() -> None:
    outcome = run("""
        before = signal.getsignal(SIGINT), signal.getsignal(SIGTERM)
        try:
            with Interrupt() as interrupt:
                raise_signal(SIGTERM)
                raise ZeroDivisionError
        except ZeroDivisionError:
            print((signal.getsignal(SIGINT), signal.getsignal(SIGTERM)) == before, interrupt.exit_code)
    """)
    assert outcome.stdout.splitlines() == ["True 143"]


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


def test_a_signal_of_which_an_import_makes_another_error_ends_the_command_all_the_same() -> None:
    outcome = run("""
        from cli import main

        @main.command("load")
        def load():
            try:
                raise_signal(SIGTERM)
            except BaseException:
                raise ImportError("initialization failed")

        main(["load"])
    """)
    assert (outcome.returncode, outcome.stderr) == (143, "")
