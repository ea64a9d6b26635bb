"""A trained generator in one file, with all that is needed to apply it.

A bundle is a `safetensors` file whose metadata holds a description as JSON: format version,
architecture, radiometry, and where the training came from. Loading rebuilds the network from the
description; nothing in the file is executed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as serialize

from sartranslate import __version__
from sartranslate.backscatter.radiometry import Radiometry
from sartranslate.errors import BundleError, OptionError, OutputError
from sartranslate.networks.topology import variables
from sartranslate.printable import printable
from sartranslate.recipes.architecture import GeneratorConfig
from sartranslate.storage.atomic import replaced_when_whole
from sartranslate.storage.digest import checksum

if TYPE_CHECKING:
    import keras

FORMAT_VERSION = 1
METADATA_KEY = "sartranslate"
CHECKSUM_KEY = "sha256"  # of the tensors; files of earlier versions have none
STORAGES = ("float16", "float32")
LARGEST_HEADER = 4 * 2**20  # bytes; that of a large generator has 30,000
LONGEST_NAME = 200  # characters
LONGEST_REASON = 300  # characters of what a file holds that an error repeats
FLOATS = ("F16", "F32", "F64")  # as safetensors calls what NumPy reads
EMBEDDED = "default"  # the model that needs no file
DEFAULT_MODEL = Path(__file__).parents[1] / "models" / "default.safetensors"


@dataclass(frozen=True)
class Description:
    """What a bundle says about its weights."""

    name: str
    generator: GeneratorConfig
    radiometry: Radiometry
    training: Mapping[str, Any] = field(default_factory=dict)  # provenance, for people
    checksum: Any = field(default=None, compare=False)  # of the tensors, once they are read; before, as the file has it


@dataclass(frozen=True)
class Bundle:
    """A rebuilt generator and its description."""

    description: Description
    model: keras.Model


def save(path: Path, bundle: Bundle, storage: str = "float16") -> None:
    """Write the bundle to `path` as `save_variables` does."""
    variables = {variable.path: np.asarray(variable.numpy()) for variable in _stored_variables(bundle.model)}
    save_variables(path, bundle.description, variables, storage)


def save_variables(
    path: Path,
    description: Description,
    variables: Mapping[str, NDArray[Any]],
    storage: str = "float16",
    *,
    overwrite: bool = True,
) -> None:
    """Write a description and its generator's variables, by path, to `path`, whole or not at all.

    With `storage` "float16" the kernels are rounded to half precision; biases and batch-norm
    statistics stay float32. Raises `OutputError` when the file can not be written, or is there and `overwrite` off.
    """
    if storage not in STORAGES:
        raise OptionError(f"storage {storage!r}: expected one of {', '.join(STORAGES)}")
    tensors = _tensors(variables, storage)
    content = {**_to_json(description), CHECKSUM_KEY: checksum(tensors)}
    with replaced_when_whole(path, overwrite=overwrite) as unfinished:
        try:
            unfinished.write_bytes(serialize(tensors, {METADATA_KEY: json.dumps(content, sort_keys=True)}))
        except OSError as error:
            raise OutputError(f"{path}: can not write the model: {error}") from error


def load(path: Path, precision: str = "float32", *, sampling: bool = False) -> Bundle:
    """Rebuild the generator stored in `path`, computing in `precision`; for `sampling`, it takes source and seeds.

    Raises `BundleError` if the file is absent, broken, foreign or of another format version, or its
    tensors do not fit the architecture it declares or are not those that were saved.
    """
    from sartranslate.networks import backend
    from sartranslate.networks.generators import build_generator

    description, tensors = read(path)
    with backend.policy(precision):
        model = build_generator(description.generator, sampling=sampling)
    for variable in _stored_variables(model):
        variable.assign(tensors[variable.path])
    return Bundle(description, model)


def located(model: str | os.PathLike[str] | None) -> Path:
    """The file of a model: of none, or of the name "default", the embedded one."""
    return DEFAULT_MODEL if model in (None, EMBEDDED) else Path(model)


def describe(path: Path) -> Description:
    """The description in `path` alone. Raises `BundleError` as `load` does."""
    with _opened(path) as file:
        return _from_json(path, file)


def read(path: Path) -> tuple[Description, dict[str, NDArray[np.float32]]]:
    """What is stored in `path`: its description, and variables by path as `topology.variables` has them.

    No framework is needed. Raises `BundleError` as `load` does, and before it reads tensors that do not fit.
    """
    with _opened(path) as file:
        description = _from_json(path, file)
        expected = variables(description.generator)
        if missing := sorted(expected.keys() ^ set(file.keys())):
            raise _refusal(path, f"tensor {missing[0][:LONGEST_NAME]!r} does not fit the declared architecture")
        stored = {name: _tensor(path, file, name, shape) for name, shape in expected.items()}
        description = _checked(path, description, checksum(stored))
        return description, {name: np.asarray(stored.pop(name), np.float32) for name in expected}


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    if not path.is_file():
        raise BundleError(f"{path}: no such model file")
    try:
        with path.open("rb") as start:
            header = int.from_bytes(start.read(8), "little")
        if header > LARGEST_HEADER:
            raise SafetensorError(f"a header of {header} bytes, expected at most {LARGEST_HEADER}")
        with safe_open(path, framework="numpy") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise _refusal(path, f"not a readable safetensors file: {error}") from error


def _checked(path: Path, description: Description, found: str) -> Description:
    told = description.checksum
    if told is not None and told != found:
        raise BundleError(f"{path}: the tensors have changed since they were saved (SHA-256), expected {told}")
    return replace(description, checksum=found)


def _tensor(path: Path, file: Any, name: str, shape: tuple[int, ...]) -> NDArray[Any]:
    declared = file.get_slice(name)
    found, kind = tuple(declared.get_shape()), declared.get_dtype()
    if found != shape or kind not in FLOATS:
        raise _refusal(path, f"tensor {name!r}: expected float {shape}, found {kind} {found}")
    array: NDArray[Any] = file.get_tensor(name)
    if not np.isfinite(np.asarray(array, np.float32)).all():
        raise BundleError(f"{path}: tensor {name!r} holds values that are not finite")
    return array


def _from_json(path: Path, file: Any) -> Description:
    text = (file.metadata() or {}).get(METADATA_KEY)
    if text is None:
        raise BundleError(f"{path}: a safetensors file, but not a sartranslate model")
    try:
        content = json.loads(text)
        version = content["format_version"]
        if version != FORMAT_VERSION:
            raise _refusal(path, f"model format {version!r}, this sartranslate reads {FORMAT_VERSION}")
        description = Description(
            name=printable(str(content["name"])[:LONGEST_NAME]),
            generator=GeneratorConfig(**content["generator"]),
            radiometry=Radiometry.from_dict(content["radiometry"]),
            training=dict(content["training"]),
            checksum=content.get(CHECKSUM_KEY),
        )
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        if isinstance(error, BundleError):
            raise
        raise _refusal(path, f"broken model description: {error!r}") from error
    if len(description.radiometry.bands) != description.generator.source_bands:
        raise BundleError(
            f"{path}: {description.generator.source_bands} source bands, "
            f"but polarisations for {len(description.radiometry.bands)}"
        )
    return description


def _refusal(path: Path, text: str) -> BundleError:
    """In one line of limited length, whatever the file holds."""
    return BundleError(f"{path}: {printable(text[:LONGEST_REASON])}")


def _to_json(description: Description) -> dict[str, Any]:
    return {
        "format_version": FORMAT_VERSION,
        "software": f"sartranslate {__version__}",
        "name": description.name,
        "generator": description.generator.as_dict(),
        "radiometry": description.radiometry.as_dict(),
        "training": dict(description.training),
    }


def _tensors(variables: Mapping[str, NDArray[Any]], storage: str) -> dict[str, NDArray[Any]]:
    kernel_dtype = np.dtype(storage)
    return {
        name: np.ascontiguousarray(array.astype(kernel_dtype if array.ndim > 1 else np.float32))
        for name, array in variables.items()
    }


def _stored_variables(model: keras.Model) -> list[Any]:
    """Weights and batch-norm statistics, but not the state of dropout's random generator."""
    return [variable for variable in model.variables if "seed_generator" not in variable.path]
