"""What runs a folded generator: the deep-learning framework, ONNX Runtime or OpenVINO, behind one callable.

Only the chosen one is imported. ONNX Runtime and OpenVINO need neither Keras nor a framework.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sartranslate.backscatter.radiometry import Float
from sartranslate.errors import BackendError, OptionError, SartranslateError
from sartranslate.networks import backend
from sartranslate.networks.backend import BACKENDS, CPU_BATCH
from sartranslate.runtimes.steps import Folded
from sartranslate.runtimes.telemetry import silence

FRAMEWORK = "keras"  # on one of its backends
RUNTIMES: Mapping[str, tuple[str, ...]] = {  # by name, the packages that each needs
    FRAMEWORK: ("keras",),
    "onnxruntime": ("onnx", "onnxruntime"),
    "openvino": ("onnx", "openvino"),
}
AUTO = "auto"
INT8 = "int8"  # the one precision that is never chosen by itself


@dataclass(frozen=True)
class Engine:
    """A generator ready to run: float32 (N, H, W, bands), and seeds (N,) if it takes any, to (N, H, W, colours)."""

    generator: Callable[..., Any]
    batch_size: int  # windows in a call
    concurrency: int  # calls that are worth making at once
    device: str
    precision: str
    runtime: str  # name and version, for people


def installed(name: str) -> bool:
    """Whether all packages of a runtime are there; none is imported."""
    if name == FRAMEWORK and not any(map(_present, BACKENDS)):
        return False
    return all(map(_present, RUNTIMES[name]))


def check_runtime(name: str) -> None:
    """Raises `BackendError` with what to install for a runtime that is not there, or the names there are."""
    if name not in RUNTIMES:
        raise BackendError(f"runtime {name!r}: expected one of {', '.join((AUTO, *RUNTIMES))}")
    if not installed(name):
        hint = BACKENDS[0] if name == FRAMEWORK else " ".join(RUNTIMES[name])
        raise BackendError(f"runtime {name!r} is not installed: pip install {hint}")


def load(name: str, folded: Folded, precision: str = "auto", calibration: Callable[[], Float] | None = None) -> Engine:
    """The generator in a runtime, on the fastest device that it has.

    For "int8", `calibration` gives (N, H, W, bands) patches of the scene. Raises `BackendError` for a runtime that
    is not installed or can not run this generator, `OptionError` for a precision that it does not have here, or
    in which the picture would be too far off.
    """
    check_runtime(name)
    if name == FRAMEWORK:
        return _load_keras(folded, precision)
    with _loading(name):
        from sartranslate.runtimes.onnx_graph import onnx_model

        if name == "onnxruntime":
            from sartranslate.runtimes import onnx_runtime as module
        else:
            from sartranslate.runtimes import openvino_runtime as module  # type: ignore[no-redef]
    precision = _resolved(name, precision, module.precisions())
    model = onnx_model(folded)
    if precision == INT8:
        generator = _in_eight_bits(model, module.generator, calibration)
    else:
        generator = module.generator(model, precision)
    return Engine(generator, CPU_BATCH, module.concurrency(), "CPU", precision, f"{name} {_version(name)}".strip())


def versions() -> dict[str, str]:
    """Of all packages that are there and that a rate depends on; none is imported."""
    packages = {*BACKENDS, *(package for needed in RUNTIMES.values() for package in needed)}
    return {package: _version(package) for package in sorted(packages) if _present(package)}


def gpu_libraries() -> list[str]:
    """Of those that come as packages; without them a framework leaves a GPU alone."""
    found = importlib.util.find_spec("nvidia")
    folders = map(Path, found.submodule_search_locations or ()) if found else ()
    return sorted({library.name for folder in folders if folder.is_dir() for library in folder.iterdir()})


def _in_eight_bits(
    model: bytes, run: Callable[[bytes, str], Callable[..., Any]], calibration: Callable[[], Float] | None
) -> Callable[..., Any]:
    if calibration is None:
        raise OptionError(f"precision {INT8!r} without a scene to measure ranges on, expected another one")
    if not installed("onnxruntime"):
        raise BackendError(
            f"precision {INT8!r} is measured by onnxruntime: pip install {' '.join(RUNTIMES['onnxruntime'])}"
        )
    with _loading("onnxruntime"):
        from sartranslate.runtimes.quantisation import check_quantised, quantised
    patches = calibration()
    generator = run(quantised(model, patches), INT8)
    check_quantised(run(model, "float32"), generator, patches)
    return generator


def _load_keras(folded: Folded, precision: str) -> Engine:
    if precision == INT8:
        raise OptionError(f"precision {INT8!r}: {FRAMEWORK} has it not, expected runtime onnxruntime or openvino")
    with _loading(FRAMEWORK):
        backend.select()
    precision = backend.resolve_precision(precision)
    batch_size, device = backend.default_batch_size(), backend.device()
    name = f"{backend.active()} {_version(backend.active())}".strip()
    return Engine(_graph(folded, precision), batch_size, backend.concurrency(), device, precision, name)


def _graph(folded: Folded, precision: str) -> Callable[..., Any]:
    with backend.failures_named():
        if backend.active() == "torch":
            from sartranslate.runtimes import torch_graph

            return backend.on_arrays(torch_graph.graph(folded, precision))
        from sartranslate.runtimes import tensorflow_graph

        return backend.guarded(tensorflow_graph.graph(folded, precision))


def _resolved(name: str, precision: str, possible: tuple[str, ...]) -> str:
    """The first of the possible ones for "auto"."""
    if precision == "auto":
        return possible[0]
    if precision not in possible:
        raise OptionError(f"precision {precision!r}: {name} has {' and '.join(possible)} on this processor")
    return precision


@contextmanager
def _loading(name: str) -> Iterator[None]:
    """A package that is there may be broken, or not fit the others; none tells anyone that it is used."""
    silence()
    try:
        yield
    except SartranslateError:
        raise
    except Exception as error:  # such as that a package is of another version than those that were built for it
        lines = str(error).splitlines() or [type(error).__name__]
        raise BackendError(f"runtime {name!r} can not be loaded: {lines[0]}") from error


def _present(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _version(package: str) -> str:
    """Of the distribution that has the package, which may go by another name, such as tensorflow-cpu."""
    with suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(package)
    distributions = importlib.metadata.packages_distributions().get(package, [])
    return importlib.metadata.version(distributions[0]) if distributions else ""
