"""`infer` and `train` killed or asked to stop at some moment, and run again: what is left, and what comes out."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

from commands import Outcome, done_well, stopped

RHYTHM = ("--checkpoint-minutes", "0.02")
CHECKPOINT = "checkpoint.safetensors"
TINY = {
    "generator.architecture": "unet_128",
    "generator.filters": 4,
    "discriminator.filters": 4,
    "optimisation.crop": 128,
    "optimisation.batch_size": 2,
    "optimisation.epochs": 8,
    "validation.windows": 2,
    "validation.examples": 1,
}


class Infer:
    """`infer` of one scene, again and again, in a folder of its own."""

    def __init__(self, folder: Path, scene: Path) -> None:
        self._folder = folder
        self._folder.mkdir()
        self._out = folder / "out.tif"
        self._arguments = ["infer", str(scene), str(self._out), "--runtime", "keras", "--json"]
        self.seconds = done_well(self._arguments)[1]
        self._expected = self._out.read_bytes()
        self._out.unlink()

    def kill(self, seconds: float, outcome: Outcome) -> None:
        """`kill -9` at a moment, and the same command again."""
        stopped(self._arguments, signal.SIGKILL, seconds)
        outcome.check(self._absent_or_whole(), "a part of a file under the final name")
        self._go_on(outcome)

    def ask(self, number: int, seconds: float, outcome: Outcome) -> None:
        """A signal at a moment, and the same command again."""
        code, errors = stopped(self._arguments, number, seconds)
        outcome.check(code in (0, 128 + number), f"exit code {code} {seconds:.2f} s after the start")
        outcome.check("Traceback" not in errors, f"a stack trace: {errors[-300:]}")
        outcome.check(self._absent_or_whole(), "a part of a file under the final name")
        outcome.check(code == 0 or self._noted() > 0 or not self._left(), f"left {self._left()}, with nothing kept")
        self._go_on(outcome)

    def _go_on(self, outcome: Outcome) -> None:
        noted = self._noted()
        resumed = json.loads(done_well([*self._arguments, "--overwrite"])[0])["resumed_rows"]
        outcome.count("gone on with what was kept", resumed > 0)
        outcome.check(resumed == noted, f"{noted} rows noted, {resumed} gone on with")
        outcome.check(self._out.read_bytes() == self._expected, "other bytes than in one go")
        outcome.check(self._left() == ["out.tif"], f"left {self._left()}")
        self._out.unlink()

    def _absent_or_whole(self) -> bool:
        return not self._out.exists() or self._out.read_bytes() == self._expected

    def _noted(self) -> int:
        journal = self._folder / ".out.tif.part" / "journal.json"
        return int(json.loads(journal.read_text())["rows"]) if journal.exists() else 0

    def _left(self) -> list[str]:
        return sorted(path.name for path in self._folder.iterdir())


def train_arguments(pairs: Path) -> list[str]:
    """Of a run of seconds, with many checkpoints."""
    changes = [word for name, value in TINY.items() for word in ("--set", f"{name}={value}")]
    return ["train", "--pairs", str(pairs), *changes, *RHYTHM]


class Train:
    """`train` of a tiny recipe, again and again, in a folder of its own."""

    def __init__(self, folder: Path, pairs: Path) -> None:
        self._folder = folder
        self._arguments = train_arguments(pairs)
        self.seconds = done_well([*self._arguments, "--out", str(folder / "whole")])[1]
        self._run = folder / "run"

    def kill(self, seconds: float, outcome: Outcome) -> None:
        """`kill -9` at a moment, and going on."""
        stopped([*self._arguments, "--out", str(self._run)], signal.SIGKILL, seconds)
        self._go_on(outcome)

    def ask(self, number: int, seconds: float, outcome: Outcome) -> None:
        """A signal at a moment, and going on."""
        code, errors = stopped([*self._arguments, "--out", str(self._run)], number, seconds)
        outcome.check(code in (0, 128 + number), f"exit code {code} {seconds:.2f} s after the start")
        outcome.check("Traceback" not in errors, f"a stack trace: {errors[-300:]}")
        kept = (self._run / CHECKPOINT).exists()
        outcome.check(kept or not self._run.exists(), "a run without a checkpoint")
        self._go_on(outcome)

    def _go_on(self, outcome: Outcome) -> None:
        """From the checkpoint; before the first one, from the beginning."""
        resumed = (self._run / CHECKPOINT).exists()
        outcome.count("gone on with what was kept", resumed)
        anew = [*self._arguments, "--out", str(self._run), "--overwrite"]
        done_well(["train", "--resume", str(self._run), *RHYTHM] if resumed else anew)
        models = [(folder / "model.safetensors").read_bytes() for folder in (self._run, self._folder / "whole")]
        outcome.check(models[0] == models[1], "another model than in one go")
        hidden = [path.name for path in self._run.iterdir() if path.name.startswith(".")]
        outcome.check(not hidden, f"left {hidden}")
        shutil.rmtree(self._run)
