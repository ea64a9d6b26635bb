"""How far a training run has come: its position in the data, and what the epochs so far have brought."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sartranslate.errors import TrainingError

KINDS = {"best_epoch": (int, type(None)), "best_score": (float, type(None)), "seconds": (int, float)}


@dataclass
class Course:
    """Everything of a run that is no weight and changes as it goes on; kept in checkpoints as JSON."""

    epoch: int = 1  # the present one
    batch: int = 0  # updates in it so far
    updates: int = 0  # over all epochs
    sums: dict[str, float] = field(default_factory=dict)  # of the losses in this epoch
    seconds: float = 0.0  # spent on the run, until the latest checkpoint or epoch
    history: list[dict[str, float]] = field(default_factory=list)  # finished epochs
    best_epoch: int | None = None
    best_score: float | None = None

    def add(self, losses: Mapping[str, float]) -> None:
        """Count one update."""
        for name, loss in losses.items():
            self.sums[name] = self.sums.get(name, 0.0) + loss
        self.batch += 1
        self.updates += 1

    def means(self) -> dict[str, float]:
        """Of the losses of this epoch so far."""
        return {name: total / self.batch for name, total in self.sums.items()}

    def latest(self, names: Sequence[str]) -> dict[str, float]:
        """Mean losses of those names in the latest finished epoch; empty before the first one's end."""
        return {name: self.history[-1][name] for name in names} if self.history else {}

    def end_epoch(self, row: Mapping[str, float]) -> None:
        """Go on to the next epoch; `row` is what the history keeps of this one."""
        self.history.append(dict(row))
        self.epoch, self.batch, self.sums = self.epoch + 1, 0, {}

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Course:
        """Raises `TrainingError` for what `as_dict` has not made."""
        fresh = asdict(cls())
        if not isinstance(content, Mapping) or content.keys() != fresh.keys():
            odd = sorted(content.keys() ^ fresh.keys()) if isinstance(content, Mapping) else [repr(content)]
            raise TrainingError(f"broken position of a training run: {', '.join(odd)}, expected {', '.join(fresh)}")
        for name, value in fresh.items():
            kinds = KINDS.get(name, (type(value),))
            if type(content[name]) not in kinds:
                raise TrainingError(f"broken position of a training run: {name} {content[name]!r}")
        return cls(**content)
