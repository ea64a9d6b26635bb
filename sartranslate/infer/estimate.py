"""What a translation will take, told before the framework is loaded."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from sartranslate.networks import topology
from sartranslate.networks.backend import CPU_BATCH
from sartranslate.recipes.architecture import GeneratorConfig
from sartranslate.scenes.reader import cache_bytes
from sartranslate.scenes.scene import Scene
from sartranslate.streaming.threads import concurrency
from sartranslate.streaming.windows import WindowGrid

# Of TensorFlow's peak in float32; see docs/measurements.md
FRAMEWORK_BYTES = 700 * 2**20  # of a process that is ready
ACTIVATIONS = 2.5  # arrays of window x window x filters that are alive at once, for each window of a batch
COPIES = 7  # of the folded weights, as they become constants of a graph
BLEND_BYTES = 3 * 4 + 1  # of a pixel: three channels' sums and a mask
EFFICIENCY = 0.6  # of the processor's rate in large matrix products; see docs/measurements.md
MATRIX = 1024
TRIALS = 3


@dataclass(frozen=True)
class Estimate:
    """Of one translation on this machine's processor, in float32."""

    operations: float  # floating-point, of all windows
    seconds: float
    memory_bytes: int


def estimate(scene: Scene, grid: WindowGrid, generator: GeneratorConfig) -> Estimate:
    """Measure how fast matrices are multiplied here, and count what there is to do; windows without data count too."""
    operations = len(grid) * topology.operations(generator, grid.size, folded=True)
    blend = min(grid.size, scene.height) * scene.width * BLEND_BYTES
    activations = int(CPU_BATCH * concurrency() * grid.size**2 * generator.filters * 4 * ACTIVATIONS)
    weights = COPIES * 4 * topology.folded_weights(generator)
    memory = FRAMEWORK_BYTES + weights + activations + blend + cache_bytes(scene, grid.size)
    return Estimate(operations, operations / (EFFICIENCY * _matrix_rate()), memory)


def _matrix_rate() -> float:
    """Floating-point operations per second of a float32 matrix product, the best of a few."""
    matrix = np.ones((MATRIX, MATRIX), np.float32)
    seconds = []
    for _ in range(TRIALS):
        started = time.perf_counter()
        np.matmul(matrix, matrix)
        seconds.append(time.perf_counter() - started)
    return 2 * MATRIX**3 / min(seconds)
