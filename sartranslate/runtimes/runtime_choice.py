"""The fastest runtime here for a generator: measured once, then known from a file in the user's cache folder.

Machines that share a home have a part of it each, as have processes with other numbers of threads.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import numpy as np

from sartranslate import __version__
from sartranslate.backscatter.radiometry import Float
from sartranslate.errors import BackendError, OptionError, OutputError
from sartranslate.networks.backend import preferred
from sartranslate.runtimes.batching import within_memory
from sartranslate.runtimes.runtime import FRAMEWORK, INT8, RUNTIMES, Engine, gpu_libraries, installed, load, versions
from sartranslate.runtimes.steps import Folded
from sartranslate.storage.atomic import write_text
from sartranslate.storage.cache_folder import cache_folder
from sartranslate.storage.digest import text_digest
from sartranslate.streaming.prefetch import in_threads
from sartranslate.streaming.threads import VARIABLES, cores

TRIALS = 3  # timed, after a call that is not
CALLS = 2  # of each of those that a translation makes at once, in a trial
WINDOW = 256  # pixels
ADVANTAGE = 1.1  # that another runtime must have over the framework: rates are off by about as much
EIGHT_BITS = ("openvino", "onnxruntime")  # the faster one first
FILE_NAME = "runtimes.json"
MACHINES = "machines"  # in it
MOST_MACHINES = 32
GPU_VARIABLES = ("CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH")

log = logging.getLogger(__name__)


def load_fastest(
    folded: Folded,
    precision: str,
    tell: Callable[[str], None] = lambda line: None,
    calibration: Callable[[], Float] | None = None,
) -> Engine:
    """The generator in the runtime that has the highest rate here, in `precision` or what "auto" is in each.

    What can not run the generator, or not in this precision, is left out. `tell` is told that rates are measured,
    which takes seconds, what they are, and what is left out for which reason. Of "int8", nothing is measured.
    Raises `BackendError` where nothing is left.
    """
    names = [name for name in RUNTIMES if installed(name)]
    if precision == INT8:
        names = [name for name in EIGHT_BITS if name in names][:1] or names
    if not names:
        raise BackendError(f"no runtime is installed, expected one of {', '.join(RUNTIMES)}")
    if len(names) == 1:
        return load(names[0], folded, precision, calibration)
    machine, question = text_digest(_machine()), _question(folded, precision)
    choices = _kept().get(machine, {})
    if choices.get(question) in names:
        try:
            return load(choices[question], folded, precision)
        except BackendError as error:
            tell(f"{choices[question]}, the fastest until now, left out: {error}")
    tell(f"Measuring the speed of {', '.join(names)} here, once")
    found, final = _measured(names, folded, precision, tell)
    if not found:
        raise BackendError(f"precision {precision!r}: none of {', '.join(names)} can run this generator in it")
    tell(", ".join(f"{name} {rate:.3g} windows/s in {engine.precision}" for name, (engine, rate) in found.items()))
    choice = fastest({name: rate for name, (_, rate) in found.items()})
    if final:
        _remember(machine, {**choices, question: choice})
    return found[choice][0]


def fastest(rates: Mapping[str, float]) -> str:
    """The name with the highest rate; the framework, where that is hardly lower.

    >>> fastest({"keras": 30.0, "openvino": 31.0}), fastest({"keras": 30.0, "openvino": 60.0})
    ('keras', 'openvino')
    """
    best = max(rates, key=lambda name: rates[name])
    return FRAMEWORK if rates.get(FRAMEWORK, 0.0) * ADVANTAGE >= rates[best] else best


def _measured(
    names: Sequence[str], folded: Folded, precision: str, tell: Callable[[str], None]
) -> tuple[dict[str, tuple[Engine, float]], bool]:
    """Those that run, and how fast; and whether no other has failed by what may pass, such as memory others have."""
    found: dict[str, tuple[Engine, float]] = {}
    final = True
    for name in names:
        try:
            engine = load(name, folded, precision)
            found[name] = engine, _rate(engine, folded.source_bands)
        except (OptionError, BackendError) as error:
            tell(f"{name} left out: {error}")
            final &= isinstance(error, OptionError)
    return found, final


def _rate(engine: Engine, bands: int) -> float:
    """Windows per second, the best of a few trials: others may use the machine, too."""
    batch = np.random.default_rng(0).uniform(-1, 1, (engine.batch_size, WINDOW, WINDOW, bands)).astype(np.float32)
    generator = within_memory(engine.generator)
    generator(batch)
    seconds = []
    for _ in range(TRIALS):
        started = time.perf_counter()
        calls = list(in_threads(generator, [batch] * CALLS * engine.concurrency, engine.concurrency))
        seconds.append(time.perf_counter() - started)
    return len(calls) * len(batch) / min(seconds)


def _machine() -> dict[str, object]:
    """What a rate depends on beside the generator; choices made under another one are void."""
    return {
        "software": __version__,
        "versions": versions(),
        "framework": preferred() if installed(FRAMEWORK) else None,
        "processor": _processor(),
        "processors": cores(),
        "threads": [os.environ.get(variable) for variable in VARIABLES],
        "gpu": [Path("/dev/nvidiactl").exists(), *map(os.environ.get, GPU_VARIABLES), gpu_libraries()],
    }


def _processor() -> str:
    """Model and instructions where Linux tells them."""
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
        told = sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))})
        return sha256("\n".join(told).encode()).hexdigest()
    return platform.processor()


def _question(folded: Folded, precision: str) -> str:
    """The same for generators that take the same work."""
    steps = [[type(step).__name__, *(np.shape(part) or part for part in step)] for step in folded.steps]
    return f"{precision} {sha256(repr(steps).encode()).hexdigest()}"


def _kept() -> dict[str, dict[str, str]]:
    """Choices of each machine, the latest last; none where the file is absent or broken."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        machines = dict(json.loads((cache_folder() / FILE_NAME).read_text(encoding="utf-8"))[MACHINES])
        return {
            machine: {str(question): str(choice) for question, choice in dict(choices).items()}
            for machine, choices in machines.items()
        }
    return {}


def _remember(machine: str, choices: dict[str, str]) -> None:
    """Where nothing can be written, the next run measures again."""
    try:
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        others = [(other, known) for other, known in _kept().items() if other != machine]
        machines = dict([*others, (machine, choices)][-MOST_MACHINES:])
        write_text(folder / FILE_NAME, json.dumps({MACHINES: machines}, indent=1))
    except (OSError, OutputError) as error:
        log.info("choice of a runtime not kept: %s", error)
