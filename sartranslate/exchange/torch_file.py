"""Tensors in files of PyTorch, read without running what such files may hold beside them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sartranslate.errors import BackendError, BundleError

HALF = 2  # bytes of a number


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
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other kinds of files, which are refused
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a broken file may raise anything
        raise BundleError(f"{path}: not weights of PyTorch, or more than weights, which may run code") from error
    if not isinstance(state, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in state.values()):
        raise BundleError(f"{path}: not a state dict, expected tensors by name")
    return {str(name): _as_array(tensor, f"{path}: {name}") for name, tensor in state.items()}


def _as_array(tensor: Any, name: str) -> NDArray[Any]:
    """In float32. Raises `BundleError` for a tensor of another kind, or values that float32 does not have."""
    import torch

    plain = tensor.layout is torch.strided and tensor.device.type == "cpu" and not tensor.is_quantized
    if not plain or tensor.dtype.is_complex or (tensor.is_floating_point() and tensor.element_size() < HALF):
        raise BundleError(f"{name} is a tensor of {tensor.dtype}, {tensor.layout}, expected whole float32 or the like")
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise BundleError(f"{name} claims {tensor.numel()} values, which are not in the file")
    values = tensor.detach().float()
    if not torch.isfinite(values).all():
        raise BundleError(f"{name} has values that are not finite")
    return np.asarray(values.numpy(force=True))
