"""A generator and what has to be known to apply it, from a bundle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sartranslate.backscatter.radiometry import Float
from sartranslate.errors import BackendError, OptionError
from sartranslate.networks import bundle
from sartranslate.networks.backend import BACKENDS
from sartranslate.quality.uncertainty import Spread
from sartranslate.runtimes import runtime_choice
from sartranslate.runtimes.batching import within_memory
from sartranslate.runtimes.folding import fold
from sartranslate.runtimes.runtime import AUTO, FRAMEWORK, INT8, installed, load
from sartranslate.storage.digest import text_digest
from sartranslate.streaming.sliding import Generator


@dataclass(frozen=True)
class Choice:
    """How a generator runs: as asked for, or as it was decided."""

    runtime: str = AUTO
    precision: str = AUTO
    backend: str | None = None  # of Keras
    samples: int | None = None  # of a spread; None: there is none


@dataclass(frozen=True)
class Identity:
    """What is told of a generator, wherever it runs."""

    batch_size: int  # patches in a call, where the options leave it open
    model: str
    device: str
    precision: str
    runtime: str
    sampled: str | None  # what a spread is over; None: it has none
    digest: str | None  # of all that is stored of the generator; None: unknown

    @property
    def computed(self) -> str:
        """By what, for people."""
        return f"{self.runtime} on {self.device} in {self.precision}"


@dataclass(frozen=True)
class Translator:
    """A generator and what has to be known to apply it."""

    generator: Generator
    batch_size: int = 8  # patches in a call, where the options leave it open
    concurrency: int = 1  # calls at once
    model: str = "callable"
    device: str = "CPU"
    precision: str = "float32"
    runtime: str = "callable"
    spread: Spread | None = None  # of samples of the generator; None: it can not be told
    digest: str | None = None  # of all that is stored of the generator; None: unknown

    @property
    def identity(self) -> Identity:
        sampled = self.spread.describe() if self.spread else None
        return Identity(self.batch_size, self.model, self.device, self.precision, self.runtime, sampled, self.digest)


def model_digest(path: Path) -> str:
    """What `load_translator` has as digest, without loading. Raises `BundleError` for an unusable file."""
    description, _ = bundle.read(path)
    return text_digest(description)


def load_translator(
    path: Path,
    precision: str = AUTO,
    samples: int | None = None,
    *,
    runtime: str = FRAMEWORK,
    tell: Callable[[str], None] = lambda line: None,
    calibration: Callable[[], Float] | None = None,
) -> Translator:
    """The generator of a bundle, folded, in a runtime ("auto": the fastest), with a spread over `samples` if any.

    `tell` is told a line where runtimes are measured first, and where a batch has to be halved;
    `calibration` gives patches of the scene, for precision "int8" alone. Raises
    `BundleError` for an unusable file, `BackendError` for a runtime that is absent or can not run the generator,
    `OptionError` for a precision or a number of samples that it does not have.
    """
    description, tensors = bundle.read(path)
    folded = fold(description.generator, tensors)
    if samples is not None or folded.dropout > 0:
        _check_can_drop(runtime, precision)
        runtime = FRAMEWORK
    if runtime == AUTO:
        engine = runtime_choice.load_fastest(folded, precision, tell, calibration)
    else:
        engine = load(runtime, folded, precision, calibration)
    spread = None
    if samples is not None:
        sampler = fold(description.generator, tensors, sampling=True)
        spread = Spread(within_memory(load(runtime, sampler, precision).generator, tell), samples, sampler.dropout)
    return Translator(
        generator=within_memory(engine.generator, tell),
        batch_size=engine.batch_size,
        concurrency=engine.concurrency,
        model=f"{description.name} ({path.name})",
        device=engine.device,
        precision=engine.precision,
        runtime=engine.runtime,
        spread=spread,
        digest=text_digest(description),
    )


def _check_can_drop(runtime: str, precision: str) -> None:
    """Samples for an uncertainty, and models in test mode "own", drop values, which one runtime can."""
    if runtime not in (AUTO, FRAMEWORK):
        raise BackendError(
            f"runtime {runtime!r} can not drop values, as samples and models with dropout in use need it: expected "
            f"{FRAMEWORK!r}"
        )
    if precision == INT8:
        raise OptionError(f"precision {INT8!r} can not drop values as samples need it: expected another precision")
    if not installed(FRAMEWORK):
        raise BackendError(f"samples need values dropped, which only {FRAMEWORK!r} does: pip install {BACKENDS[0]}")
