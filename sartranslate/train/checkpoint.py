"""All that a training run needs to go on, in one file: arrays, and a position in words.

A `safetensors` file whose metadata holds the position as JSON; nothing in it is executed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from sartranslate.errors import OutputError, TrainingError
from sartranslate.storage.atomic import replaced_when_whole

FORMAT_VERSION = 1
METADATA_KEY = "sartranslate checkpoint"


def save_checkpoint(path: Path, arrays: Mapping[str, NDArray[Any]], position: Mapping[str, Any]) -> None:
    """Write both to `path`, whole or not at all: what was there before survives a failure.

    Raises `OutputError` when the file can not be written.
    """
    metadata = {METADATA_KEY: json.dumps({"format_version": FORMAT_VERSION, **position})}
    with replaced_when_whole(path) as unfinished:
        try:
            unfinished.touch()
            readers = unfinished.stat().st_mode
            save_file({name: np.asarray(array, order="C") for name, array in arrays.items()}, unfinished, metadata)
            unfinished.chmod(readers)  # safetensors keeps all others out
        except (OSError, SafetensorError) as error:
            raise OutputError(f"{path}: can not write the checkpoint: {error}") from error


def load_position(path: Path) -> dict[str, Any]:
    """The position alone. Raises `TrainingError` if the file is absent, broken or foreign."""
    with _opened(path) as file:
        return _position(path, file.metadata())


def load_checkpoint(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Arrays and position, as they were saved. Raises `TrainingError` if the file is absent, broken or foreign."""
    with _opened(path) as file:
        position = _position(path, file.metadata())
        return {name: file.get_tensor(name) for name in file.keys()}, position  # noqa: SIM118


def _opened(path: Path) -> Any:
    if not path.is_file():
        raise TrainingError(f"{path}: no such checkpoint")
    try:
        return safe_open(path, framework="numpy")
    except (SafetensorError, OSError) as error:
        raise TrainingError(f"{path}: not a readable checkpoint: {error}") from error


def _position(path: Path, metadata: Mapping[str, str] | None) -> dict[str, Any]:
    try:
        position = dict(json.loads((metadata or {})[METADATA_KEY]))
        version = position.pop("format_version")
    except (KeyError, TypeError, ValueError) as error:
        raise TrainingError(f"{path}: a safetensors file, but not a checkpoint of a training run") from error
    if version != FORMAT_VERSION:
        raise TrainingError(f"{path}: checkpoint format {version}, this sartranslate reads {FORMAT_VERSION}")
    return position
