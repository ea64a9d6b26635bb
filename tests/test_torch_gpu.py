"""Steps of training that PyTorch records: each call must do what the step itself does, to the last bit.

Here on a processor, where a recording is run kernel by kernel; `benchmarks/recorded_updates.py` looks at the replays of
a GPU.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.both_backends import ROOT, needs_torch
from tests.conftest import user_environment

pytestmark = [needs_torch, pytest.mark.long]
BEGINNING = """
import sys
import numpy as np
from sartranslate.networks import backend
backend.select("torch")
import torch
from sartranslate.train.pix2pix import Pix2Pix
from sartranslate.recipes.presets import preset
from sartranslate.networks.torch_gpu import Recorded
"""
TRAINING = """
SMALL = {"generator.filters": 3, "discriminator.filters": 3, "optimisation.batch_size": 2}
recipe = preset(sys.argv[1]).with_fields({**SMALL, **eval(sys.argv[2])})
plain, recorded = Pix2Pix(recipe, 0), Pix2Pix(recipe, 0)
calls = []

def counted(step):
    def call(*inputs):
        calls.append(step)
        return step(*inputs)
    return Recorded(call)

recorded._compiled_update = counted(recorded._update)
recorded._compiled_average = counted(recorded._move_average)
recorded._compiled_statistics = counted(lambda source: recorded.tested(source, training=True))
rng = np.random.default_rng(0)
for update in range(4):
    source, target = (rng.uniform(-1, 1, (2, 256, 256, bands)).astype(np.float32) for bands in (1, 3))
    seeds = rng.integers(0, 2**31, 2).astype(np.int32)
    losses = []
    for trainer in (plain, recorded):
        trainer.set_learning_rate(0.01 / (1 + update))
        losses.append(trainer.step(source, target, seeds))
    assert losses[0] == losses[1], (update, losses)
sources = [rng.uniform(-1, 1, (3, 256, 256, 1)).astype(np.float32) for _ in range(2)]
for trainer in (plain, recorded):
    trainer.settle(sources)
assert len(calls) == len(set(calls)), "a step was called again after it had been recorded"
expected, found = plain.state(), recorded.state()
assert all(np.array_equal(array, found[name]) for name, array in expected.items())
pairs = zip(plain.tested.variables, recorded.tested.variables, strict=True)
assert all(np.array_equal(one.numpy(), other.numpy()) for one, other in pairs)
"""
STEPS = """
total = torch.nn.Parameter(torch.zeros(()), requires_grad=False)
calls = []

def step(values):
    calls.append(values.shape)
    total.copy_(total + values.sum() * torch.as_tensor(np.float32(0.5)))
    return total * 2, (values + 1,)

recorded = Recorded(step)
for values in (torch.ones(2), torch.ones(2) * 3, torch.ones(3), torch.ones(2)):
    before = total.item()
    doubled, (more,) = recorded(values)
    assert total.item() == before + values.sum().item() / 2
    assert doubled.item() == 2 * total.item()
    assert torch.equal(more, values + 1)
assert calls == [(2,), (3,)], calls
assert Recorded(lambda values: None)(torch.ones(1)) is None
"""


def run(script: str, *arguments: object) -> None:
    command = [sys.executable, "-c", BEGINNING + script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=user_environment(), cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_a_recorded_step_changes_variables_at_each_call_and_is_recorded_once_for_each_shape() -> None:
    run(STEPS)


def test_recorded_training_is_training() -> None:
    changes = {"generator.architecture": "unet_128", "optimisation.average_every": 1, "objective.ssim": 1.0}
    run(TRAINING, "sar-finetune", changes)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("sar", {"optimisation.average_every": 1}),
        ("junyanz", {}),
        ("tf-tutorial", {}),
        ("mlm", {}),
        ("sar", {"objective.gan": "wgan-gp", "discriminator.norm": "none"}),
        ("sar", {"objective.gan_weight": 0.0, "objective.l2": 1.0, "objective.focal_frequency": 1.0}),
        (
            "sar",
            {"generator.architecture": "resnet_6blocks", "discriminator.scales": 2, "objective.feature_matching": 1.0},
        ),
        ("sar", {"objective.shift": 2, "optimisation.order": "simultaneous", "discriminator.norm": "instance"}),
    ],
)
def test_every_kind_of_training_can_be_recorded(name: str, changes: dict[str, object]) -> None:
    run(TRAINING, name, changes)
