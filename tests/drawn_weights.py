"""Weights of a generator as a model file holds them, for any framework."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sartranslate.networks.topology import variables
from sartranslate.recipes.architecture import GeneratorConfig
from sartranslate.recipes.initialisation import Initialisation, initial_value

CONTRAST = Initialisation("kaiming")


def weights(config: GeneratorConfig, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """Kernels that let contrast through, and statistics and offsets that are not what training begins with."""
    rng = np.random.default_rng(seed)
    drawn = {}
    for path, shape in variables(config).items():
        drawn[path] = np.asarray(initial_value(CONTRAST, path, shape, seed), np.float32)
        if len(shape) == 1:
            drawn[path] = rng.uniform(0.5, 1.5, shape).astype(np.float32)
        elif path.startswith("block"):
            drawn[path] *= 0.5  # else values would double from block to block
    return drawn
