"""The same computation on both backends, each in a process of its own."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sartranslate.networks.backend import BACKENDS
from tests.conftest import user_environment

ROOT = Path(__file__).parents[1]
BEGINNING = """
import sys
import numpy as np
from sartranslate.networks import backend
backend.select(sys.argv[1])
from keras import ops

given, found = {name: ops.convert_to_tensor(array) for name, array in np.load(sys.argv[2]).items()}, {}
"""
END = """
np.savez(sys.argv[3], **{name: ops.convert_to_numpy(value) for name, value in found.items()})
"""

needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")


def assert_alike(
    folder: Path, script: str, count: int, rtol: float, *, atol: float = 1e-6, **given: NDArray[Any]
) -> None:
    """The script makes as many arrays, called `found`, of those `given` to it, and they agree between backends."""
    np.savez(folder / "given.npz", **given)
    one, other = (_found(folder, f"{BEGINNING}{script}{END}", name) for name in BACKENDS)
    assert len(one) == count
    assert one.keys() == other.keys()
    for name, values in one.items():
        np.testing.assert_allclose(values, other[name], rtol=rtol, atol=atol, err_msg=name)


def _found(folder: Path, script: str, name: str) -> dict[str, NDArray[Any]]:
    out = folder / f"{name}.npz"
    command = [sys.executable, "-c", script, name, str(folder / "given.npz"), str(out)]
    subprocess.run(command, check=True, env=user_environment(), cwd=ROOT)
    return dict(np.load(out))
