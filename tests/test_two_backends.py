"""TensorFlow and PyTorch train alike and see alike."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sartranslate.bundle import DEFAULT_MODEL
from tests.conftest import user_environment

ROOT = Path(__file__).parents[1]

COMPUTE = """
import sys
from pathlib import Path
from sartranslate import backend

backend.select(sys.argv[1])
import numpy as np
from sartranslate import bundle
from sartranslate.crops import CropOptions, Crops
from sartranslate.dataset import open_pairs
from sartranslate.pix2pix import Pix2Pix
from sartranslate.presets import preset

SMALL = {"generator.filters": 8, "discriminator.filters": 8, "optimisation.batch_size": 2}
found = {}
for name in ("sar", "tf-tutorial"):
    recipe = preset(name).with_fields(SMALL)
    crops = Crops(open_pairs([Path("sample_tiles")]), CropOptions(256, 2, recipe.augmentation))
    gan = Pix2Pix(recipe, 0)
    gan.set_learning_rate(recipe.optimisation.learning_rate)
    batches = [batch for epoch in range(1, 5) for batch in crops.epoch(epoch)][:20]
    found[name] = np.array([list(gan.step(*batch).values()) for batch in batches])
predict = backend.predictor(bundle.load(Path(sys.argv[2])).model)
found["output"] = predict(np.concatenate([batch.source for batch in batches[:2]]))
np.savez(sys.argv[3], **found)
"""


@pytest.mark.long
@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")
def test_both_backends_have_the_same_first_losses_and_the_same_output(tmp_path: Path) -> None:
    """Twenty updates in float32 on the sample tiles, dropout on; and what the default model makes of some of them."""
    results = []
    for framework in ("tensorflow", "torch"):
        path = tmp_path / f"{framework}.npz"
        command = [sys.executable, "-c", COMPUTE, framework, str(DEFAULT_MODEL), str(path)]
        subprocess.run(command, cwd=ROOT, env=user_environment(), check=True, capture_output=True)
        results.append(np.load(path))
    one, other = results
    for name in ("sar", "tf-tutorial"):
        assert one[name].shape == (20, 3)
        np.testing.assert_allclose(one[name], other[name], atol=1e-3)
    np.testing.assert_allclose(one["output"], other["output"], atol=1e-4)
