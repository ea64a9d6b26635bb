"""A batch shared by two devices moves the weights as it does on one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import user_environment

ROOT = Path(__file__).parents[1]

# Two logical devices of one processor have to be made before TensorFlow computes anything.
COMPARE = """
import json
from typing import Any, NamedTuple

from sartranslate import backend

backend.select("tensorflow")
import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from sartranslate.autograd import Replicas
from sartranslate.errors import OptionError
from sartranslate.pix2pix import Pix2Pix
from sartranslate.presets import preset

TINY = {
    "generator.architecture": "unet_128",
    "generator.filters": 8,
    "discriminator.filters": 8,
    "optimisation.batch_size": 4,
    "optimisation.average_every": 1,
}
PENALISED = {"objective.gan": "wgan-gp", "generator.norm": "instance", "discriminator.norm": "instance"}
CASES = [("sar", 1e-8, {}), ("sar", 0.1, {}), ("tf-tutorial", 1e-3, {}), ("junyanz", 1e-3, PENALISED)]
UPDATES = 10


def batch(number):
    # Smooth pictures: of noise every pixel is a kink that rounding may fall on either side of.
    rng = np.random.default_rng(number)
    waves = rng.uniform(-3, 3, (4, 1, 1, 1)) * np.linspace(0, 6, 128)[:, None, None] + rng.uniform(0, 6, (4, 1, 128, 1))
    source = np.sin(waves).astype(np.float32)
    return source, np.concatenate([source, -source, source**2], -1), rng.integers(2**31, size=4).astype(np.int32)


class Outcome(NamedTuple):
    losses: Any
    moments: Any  # of the kernels after the first update: its gradients
    output: Any
    statistics: Any


def run(recipe, devices):
    gan = Pix2Pix(recipe, 0, "float32", Replicas(devices))
    gan.set_learning_rate(recipe.optimisation.learning_rate)
    losses = [list(gan.step(*batch(0)).values())]
    moments = [array for name, array in gan.state().items() if name.endswith("kernel_momentum")]
    losses += [list(gan.step(*batch(number)).values()) for number in range(1, UPDATES)]
    gan.settle([batch(99)[0]])
    statistics = [v.numpy() for v in gan.tested.variables if "moving" in v.path]
    return Outcome(np.array(losses), moments, gan.tested(batch(98)[0], training=False).numpy(), statistics)


def apart(name, epsilon, changes):
    recipe = preset(name).with_fields({**TINY, "optimisation.adam_epsilon": epsilon, **changes})
    one, two = run(recipe, ("CPU:0",)), run(recipe, ("CPU:0", "CPU:1"))
    moments = max(float(np.abs(a - b).max() / np.abs(a).max()) for a, b in zip(one.moments, two.moments))
    outcome = zip([one.output, *one.statistics], [two.output, *two.statistics])
    return {
        "losses": float(np.abs(one.losses - two.losses).max()),
        "moments": moments,
        "outcome": max(float(np.abs(a - b).max()) for a, b in outcome),
    }


found = {f"{name} {epsilon:g}": apart(name, epsilon, changes) for name, epsilon, changes in CASES}
try:
    odd = preset("sar").with_fields({**TINY, "optimisation.batch_size": 3})
    Pix2Pix(odd, 0, "float32", Replicas(("CPU:0", "CPU:1")))
except OptionError as error:
    found["refused"] = str(error)
print(json.dumps(found))
"""


@pytest.mark.long
def test_two_devices_equal_one_at_the_same_batch() -> None:
    """Dropout is on, and batch norm takes its statistics over both devices.

    Adam at first moves each weight by the sign of its gradient alone, and rounding decides that where a gradient is
    about 0. With an epsilon above the gradients it does not, and then the outcome of many updates is the same too.
    """
    done = subprocess.run(
        [sys.executable, "-c", COMPARE], cwd=ROOT, env=user_environment(), check=True, capture_output=True, text=True
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert found.pop("refused") == "batch size 3 on 2 devices: expected a multiple of 2"
    for case, apart in found.items():
        assert apart["losses"] <= 1e-4, (case, apart)
        assert apart["moments"] <= 1e-4, (case, apart)
    assert found["sar 0.1"]["outcome"] <= 1e-4
