"""What a Dask worker does for a translation: load the model once, and generate windows of scenes that it sees."""

from __future__ import annotations

import pickle
import tempfile
import threading
from contextlib import closing
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy
import rasterio
from distributed import WorkerPlugin, get_worker

from sartranslate import __version__
from sartranslate.errors import BackendError, ClusterError, OptionError, SartranslateError, SceneError
from sartranslate.infer.generation import generated
from sartranslate.infer.planning import PixelPlan
from sartranslate.networks import backend
from sartranslate.runtimes.runtime import FRAMEWORK, RUNTIMES
from sartranslate.runtimes.translator import Choice, Identity, Translator, load_translator
from sartranslate.scenes.reader import block_cache
from sartranslate.storage.file_state import file_states
from sartranslate.streaming.sliding import Batch
from sartranslate.streaming.threads import limit


@dataclass(frozen=True)
class Order:
    """Windows to generate, and by what."""

    plan: PixelPlan
    choice: Choice
    identity: Identity  # that the generator must have


@dataclass(frozen=True)
class Refusal:
    """Why a worker does not fit, or not for this scene, which trying again would not change."""

    text: str
    scene: bool = False


class _NotSeenError(SceneError):
    """A worker does not see the files that the client sees."""


def versions() -> dict[str, str]:
    """Of what reads and scales a scene."""
    return {
        "sartranslate": __version__,
        "numpy": numpy.__version__,
        "rasterio": rasterio.__version__,
        "GDAL": rasterio.__gdal_version__,
    }


class ModelPlugin(WorkerPlugin):
    """Brings a model file to every worker, of which it is loaded at the first task, and takes it away again.

    Its name is that of a run, so that the end of one run takes nothing away from another one.
    """

    idempotent = True

    def __init__(self, path: Path) -> None:
        self._file, self._content = path.name, path.read_bytes()
        self._digest, self._versions = sha256(self._content).hexdigest(), versions()
        self.name = f"sartranslate-{self._digest[:16]}-{uuid4().hex[:8]}"

    def setup(self, worker: Any) -> None:
        limit(worker.state.nthreads)
        self._address = str(worker.address)
        self._one_at_a_time = threading.RLock()  # all threads of a worker are the generator's
        self._translators: dict[Choice, Translator] = {}

    def teardown(self, worker: Any) -> None:
        self._translators.clear()

    def decided(self, choice: Choice) -> tuple[Choice, Identity]:
        """A choice without "auto", as it is best on this worker."""
        with self._one_at_a_time:
            self._check_versions()
            translator = self._translator(choice)
            identity = translator.identity
            resolved = _resolved(choice, identity)
            self._translators = {resolved: translator}  # which tasks will ask for
            return resolved, identity

    def batches(self, packed: bytes) -> list[Batch]:
        """Of a pickled order."""
        with self._one_at_a_time:
            self._check_versions()
            order: Order = pickle.loads(packed)  # noqa: S301  # of the client, whose code runs here anyway
            translator = self._translator(order.choice)
            self._check_identity(translator.identity, order.identity)
            self._check_files(order.plan)
            cache = block_cache(order.plan.scene, order.plan.options.window)
            with cache, closing(generated(order.plan, translator)) as batches:
                return list(batches)

    def named(self, error: SartranslateError) -> SartranslateError:
        return type(error)(f"worker {self._address}: {error}")

    def _translator(self, choice: Choice) -> Translator:
        if choice not in self._translators:
            if choice.backend:
                backend.select(choice.backend)
            self._translators[choice] = self._loaded(choice)
        return self._translators[choice]

    def _loaded(self, choice: Choice) -> Translator:
        try:
            with tempfile.TemporaryDirectory(prefix="sartranslate-") as folder:
                path = Path(folder) / self._file
                path.write_bytes(self._content)
                if sha256(path.read_bytes()).hexdigest() != self._digest:
                    raise ClusterError(f"{self._file}: is not the model that was sent")
                return load_translator(path, choice.precision, choice.samples, runtime=choice.runtime)
        except SartranslateError:
            raise
        except OSError as error:
            raise ClusterError(f"{self._file}: can not be stored there: {error.strerror}") from error

    def _check_versions(self) -> None:
        here = versions()
        for name, wanted in self._versions.items():
            if here[name] != wanted:
                raise ClusterError(f"{name} {here[name]}, expected {wanted} as in this process")

    def _check_identity(self, found: Identity, wanted: Identity) -> None:
        if found != wanted:
            raise ClusterError(f"generates by {found.computed}, expected {wanted.computed} as the others do")

    def _check_files(self, plan: PixelPlan) -> None:
        found = file_states(plan.files)
        for file in plan.files:
            if found[file] != plan.files[file]:
                state = found[file] or "no such file there"
                raise _NotSeenError(f"does not see {file} as this process does ({state}; here {plan.files[file]})")


def decide(name: str, choice: Choice) -> tuple[Choice, Identity] | Refusal:
    """Runs on one worker."""
    plugin = _plugin(name)
    try:
        return plugin.decided(choice)
    except SartranslateError as error:
        return Refusal(str(plugin.named(error)))


def generate(name: str, packed: bytes) -> list[Batch] | Refusal:
    """Batches of the windows of a pickled order; raises what may be otherwise at the next try."""
    plugin = _plugin(name)
    try:
        return plugin.batches(packed)
    except (ClusterError, BackendError, OptionError, _NotSeenError) as error:
        return Refusal(str(plugin.named(error)), isinstance(error, SceneError))
    except SartranslateError as error:
        failure = plugin.named(error)
    raise failure  # out there, without what it comes of: errors of GDAL can not be sent


def _plugin(name: str) -> ModelPlugin:
    plugin: ModelPlugin = get_worker().plugins[name]
    return plugin


def _resolved(choice: Choice, identity: Identity) -> Choice:
    by = identity.runtime.split()[0]
    runtime, framework = (by, None) if by in RUNTIMES else (FRAMEWORK, by)
    return replace(choice, runtime=runtime, backend=framework, precision=identity.precision)
