"""Where the Keras backends differ in any use: choice, compiled calls, devices, precision; `autograd` has the rest.

`select` should run before anything imports keras; TensorFlow is the default, PyTorch the second.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from sartranslate.errors import BackendError, OptionError
from sartranslate.networks.failures import failure
from sartranslate.streaming import threads

BACKENDS = ("tensorflow", "torch")
PRECISIONS = ("auto", "float32", "bfloat16", "float16")
POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}
ERRORS_ONLY = "3"  # of TensorFlow's log levels
CPU_BATCH, GPU_BATCH = 4, 32  # windows
BFLOAT16_FLAGS = ("amx_bf16", "avx512_bf16")


def select(name: str | None = None) -> str:
    """Make `name` (or `preferred`) the Keras backend; returns its name.

    Raises `BackendError` if it is not installed or another one is already in use.
    """
    name = name or preferred()
    if name not in BACKENDS:
        raise BackendError(f"backend {name!r}: expected one of {', '.join(BACKENDS)}")
    if missing := [package for package in ("keras", name) if importlib.util.find_spec(package) is None]:
        raise BackendError(f"backend {name!r} is not installed: pip install {' '.join(missing)}")
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = name
        with without_notes():
            importlib.import_module("keras")
    if active() != name:
        raise BackendError(f"backend {name!r}: keras already runs on {active()!r} in this process")
    return name


def preferred() -> str:
    """The backend that keras runs on or, before it is imported, $KERAS_BACKEND, or the first one installed."""
    if "keras" in sys.modules:
        return active()
    return os.environ.get("KERAS_BACKEND") or _first_installed()


def active() -> str:
    """Name of the backend that keras runs on."""
    import keras

    return str(keras.backend.backend())


def device() -> str:
    """The device that networks run on, in words: "CPU" or "GPU (name)"."""
    if active() == "torch":
        import torch

        return f"GPU ({torch.cuda.get_device_name()})" if torch.cuda.is_available() else "CPU"
    import tensorflow as tf

    gpus = tf.config.get_visible_devices("GPU")
    if not gpus:
        return "CPU"
    details = tf.config.experimental.get_device_details(gpus[0])
    return f"GPU ({details.get('device_name', gpus[0].name)})"


def resolve_precision(precision: str, *, on_gpu: str = "float16") -> str:
    """Turn "auto" into `on_gpu` on a GPU, bfloat16 on processors with native support, else float32."""
    if precision not in PRECISIONS:
        raise OptionError(f"precision {precision!r}: expected one of {', '.join(PRECISIONS)}")
    if precision != "auto":
        return precision
    if device() != "CPU":
        return on_gpu
    return "bfloat16" if _has_native_bfloat16() else "float32"


@contextmanager
def policy(precision: str) -> Iterator[None]:
    """Networks built inside compute in `precision`; their weights and outputs stay float32."""
    import keras

    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy(POLICIES[precision])
    try:
        yield
    finally:
        keras.config.set_dtype_policy(previous)


def seed(value: int) -> None:
    """Seed everything that draws random numbers in the framework: weights and dropout."""
    import keras

    with without_notes():  # keras seeds TensorFlow wherever it is installed, and loads it for that
        keras.utils.set_random_seed(value)


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` of tensors, as a graph where the backend has graphs: TensorFlow everywhere, PyTorch on GPUs."""
    if active() == "torch":
        gpu = _torch_gpu()
        return gpu.Recorded(function) if gpu else function
    import tensorflow as tf

    return tf.function(function, autograph=False)  # type: ignore[no-any-return]


def input_threads() -> int:
    """Threads that are worth making batches for training: a GPU leaves the processor to them."""
    return 1 if device() == "CPU" else threads.for_input()


def placed(*arrays: NDArray[Any]) -> tuple[Any, ...]:
    """Arrays where `compiled` functions want them: on a GPU of PyTorch, copied while it computes; else as they are."""
    gpu = _torch_gpu()
    return gpu.copied(*arrays) if gpu else arrays


def predictor(model: Any) -> Callable[..., Any]:
    """`model` in inference mode: a compiled call from an array for each of its inputs to a float32 array.

    It uses the weights as they are at each call. The call raises `BackendError` when the framework fails, for
    example out of memory.
    """

    def forward(*inputs: Any) -> Any:
        return model(inputs[0] if len(inputs) == 1 else list(inputs), training=False)

    if active() == "torch":
        import torch

        return on_arrays(torch.inference_mode()(forward))
    import tensorflow as tf

    signature = [tf.TensorSpec(given.shape, given.dtype) for given in model.inputs]
    return on_arrays(tf.function(forward, input_signature=signature))


def on_arrays(compute: Callable[..., Any]) -> Callable[..., Any]:
    """`compute` of tensors as a function of arrays, on the framework's fastest device; failures as `BackendError`."""
    import keras

    def through_keras(*batches: Any) -> Any:
        return keras.ops.convert_to_numpy(compute(*map(keras.ops.convert_to_tensor, batches)))

    gpu = _torch_gpu()
    return guarded(gpu.on_arrays(compute) if gpu else through_keras)


def guarded(call: Callable[..., Any]) -> Callable[..., Any]:
    """The same call of the framework, whose failures are raised as `BackendError`."""

    def predict(*batches: Any) -> Any:
        with failures_named():
            return call(*batches)

    return predict


@contextmanager
def failures_named() -> Iterator[None]:
    """A failure of the framework inside is raised as `BackendError`."""
    try:
        yield
    except _failures() as error:
        raise failure(error) from error


def _failures() -> tuple[type[Exception], ...]:
    if active() == "torch":
        return RuntimeError, MemoryError
    import tensorflow as tf

    return tf.errors.OpError, MemoryError


def default_batch_size() -> int:
    """Windows that are worth one call of a generator on this device."""
    return CPU_BATCH if device() == "CPU" else GPU_BATCH


def concurrency() -> int:
    """Calls of a generator that are worth making at once; in PyTorch each brings threads of its own, too many."""
    return threads.concurrency() if active() == "tensorflow" and device() == "CPU" else 1


def _torch_gpu() -> Any:
    """What keeps a GPU of PyTorch busy; None where another framework or the processor computes."""
    if active() != "torch" or device() == "CPU":
        return None
    from sartranslate.networks import torch_gpu

    return torch_gpu


@contextmanager
def without_notes() -> Iterator[None]:
    """Load TensorFlow inside, or a part of it, without its notes on the processor and absent GPUs.

    They are written to file descriptor 2, some before its log level is in force, and some whatever that is. Whoever
    sets another level gets them.
    """
    if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", ERRORS_ONLY) != ERRORS_ONLY or sys.stderr is None:
        yield
        return
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _first_installed() -> str:
    for name in BACKENDS:
        if importlib.util.find_spec(name) is not None:
            return name
    raise BackendError(f"no backend is installed, expected keras and one of {', '.join(BACKENDS)}")


def _has_native_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 itself; known on Linux only."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="ignore").split()
    except OSError:
        return False
    return any(flag in flags for flag in BFLOAT16_FLAGS)
