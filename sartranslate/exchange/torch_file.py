"""Tensors in files of PyTorch, read without running what such files may hold beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from sartranslate.errors import BackendError, BundleError


def read_state(path: Path) -> dict[str, NDArray[Any]]:
    """The tensors of a state dict by name.

    Raises `BundleError` for a file that holds anything else, `BackendError` where PyTorch is not installed.
    """
    try:
        import torch
    except ModuleNotFoundError as error:
        raise BackendError("files of PyTorch are read by it: pip install torch") from error
    if not path.is_file():
        raise BundleError(f"{path}: no such file")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a broken file may raise anything
        raise BundleError(f"{path}: not weights of PyTorch, or more than weights, which may run code") from error
    if not isinstance(state, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in state.values()):
        raise BundleError(f"{path}: not a state dict, expected tensors by name")
    for name, tensor in state.items():
        if not torch.isfinite(tensor).all():
            raise BundleError(f"{path}: {name} has values that are not finite")
    return {str(name): tensor.detach().float().numpy() for name, tensor in state.items()}
