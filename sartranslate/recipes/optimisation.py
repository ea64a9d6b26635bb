"""How the weights move: optimiser, schedule of its learning rate, and averages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sartranslate.errors import OptionError
from sartranslate.limits import check_choices, check_flags, check_numbers, check_whole

SCHEDULES = ("constant", "linear", "step", "plateau", "cosine")
ORDERS = ("alternating", "simultaneous")
LEAST_CROP = 16  # pixels; scores need as many
PLATEAU_THRESHOLD = 0.01  # share by which a score must get better, as in the seeds


@dataclass(frozen=True)
class Optimisation:
    """Adam's constants and what surrounds them; raises `OptionError` for a value out of range.

    With the order "alternating" the discriminator is updated first and judges the generator
    afterwards; with "simultaneous" both follow from one pass.
    """

    epochs: int = 200
    updates: int = 0  # after which training ends, in place of the epochs; 0: the epochs count
    batch_size: int = 1
    crop: int = 256  # pixels, height and width
    learning_rate: float = 2e-4
    beta1: float = 0.5
    beta2: float = 0.999
    adam_epsilon: float = 1e-8
    order: str = "alternating"  # one of ORDERS
    schedule: str = "linear"  # one of SCHEDULES
    decay_start: float = 0.5  # share of the epochs after which "linear" falls
    step_epochs: int = 50  # between the falls of "step"
    step_factor: float = 0.1
    patience: int = 5  # scores in a row, one for each look, of which none is better, before "plateau" falls
    plateau_factor: float = 0.2
    norm_momentum: float = 0.9  # share that stored statistics keep in an update; 0.1 in PyTorch's sense
    average: float = 0.0  # decay per update of a moving average of the generator's weights; 0: none
    average_every: int = 1  # updates between two steps of that average
    recalibrate: bool = False  # batch-norm statistics after each epoch
    frozen_norm: bool = False  # the generator is trained on the batch-norm statistics that it starts with

    def __post_init__(self) -> None:
        check_choices(self, order=ORDERS, schedule=SCHEDULES)
        check_whole(self, updates=(0, 10**9))
        check_whole(self, crop=(LEAST_CROP, 8192))
        whole = {"epochs": 10**9, "batch_size": 4096, "step_epochs": 10**6, "patience": 10**6}
        check_whole(self, **{name: (1, most) for name, most in whole.items()}, average_every=(1, 1000))
        check_numbers(self, learning_rate=(1e-12, 10.0), adam_epsilon=(1e-16, 1.0), decay_start=(0.0, 1.0))
        check_numbers(self, step_factor=(0.0, 1.0), plateau_factor=(0.0, 1.0), norm_momentum=(0.0, 0.9999))
        check_numbers(self, beta1=(0.0, 0.9999), beta2=(0.0, 0.99999), average=(0.0, 0.99999))
        check_flags(self, "recalibrate", "frozen_norm")
        if self.frozen_norm and self.recalibrate:
            raise OptionError("recalibrate with frozen_norm: statistics that are trained on can not be measured anew")

    def planned_updates(self, per_epoch: int) -> int:
        """Of the whole run, of which each epoch has so many."""
        return self.updates or self.epochs * per_epoch


def learning_rate(optimisation: Optimisation, epoch: int, scores: Sequence[float] = ()) -> float:
    """Of one epoch, counted from 1; only "plateau" looks at the `scores` of the epochs before, larger ones better.

    >>> [round(learning_rate(Optimisation(epochs=4, learning_rate=1), epoch), 2) for epoch in (1, 2, 3, 4)]
    [1.0, 1.0, 0.67, 0.33]
    """
    factors = {
        "constant": lambda: 1.0,
        "linear": lambda: _linear(optimisation, epoch),
        "step": lambda: optimisation.step_factor ** ((epoch - 1) // optimisation.step_epochs),
        "plateau": lambda: optimisation.plateau_factor ** _falls(scores, optimisation.patience),
        "cosine": lambda: (1 + math.cos(math.pi * (epoch - 1) / optimisation.epochs)) / 2,
    }
    return float(optimisation.learning_rate * factors[optimisation.schedule]())


def _linear(optimisation: Optimisation, epoch: int) -> float:
    """One at first, then linear towards zero, which would be reached one epoch after the last."""
    constant = math.ceil(round(optimisation.epochs * optimisation.decay_start, 6))  # 200 * 0.55 is a bit too much
    return 1 - max(0, epoch - constant) / (optimisation.epochs - constant + 1)


def _falls(scores: Sequence[float], patience: int) -> int:
    """How often more than `patience` scores in a row have not been better."""
    best, falls, waited = -math.inf, 0, 0
    for score in (score for score in scores if not math.isnan(score)):
        better = best == -math.inf or score > best + PLATEAU_THRESHOLD * abs(best)
        best, waited = (score, 0) if better else (best, waited + 1)
        if waited > patience:
            falls, waited = falls + 1, 0
    return falls
