"""What the networks are trained towards, and how fast."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sartranslate.errors import OptionError


@dataclass(frozen=True)
class Objective:
    """The optimisation recipe: by default the paper's, with averaged generator weights.

    Raises `OptionError` for a value out of range.
    """

    learning_rate: float = 2e-4
    l1_weight: float = 100.0
    discriminator_filters: int = 64
    average: float = 0.999  # decay of the moving average of the generator's weights, per update

    def __post_init__(self) -> None:
        if not 0 < self.learning_rate < math.inf:
            raise OptionError(f"learning rate {self.learning_rate}: expected a number above 0")
        if not 0 <= self.l1_weight < math.inf:
            raise OptionError(f"L1 weight {self.l1_weight}: expected 0 or more")
        if not 1 <= self.discriminator_filters <= 512:
            raise OptionError(f"discriminator filters {self.discriminator_filters}: expected 1 to 512")
        if not 0 <= self.average < 1:
            raise OptionError(f"average {self.average}: expected 0 or more and less than 1")
