"""Shares of a batch: on the devices of this machine, and on several machines.

Both are TensorFlow's distributions; on PyTorch there is one device.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache, cached_property
from typing import Any

from sartranslate.errors import BackendError, OptionError
from sartranslate.networks import backend
from sartranslate.train.tf_config import Cluster, cluster_of

Step = Callable[..., tuple[Any, ...]]  # of tensors, to scalars


def workers() -> Cluster | None:
    """The machines that TF_CONFIG names. Raises `OptionError`, and `BackendError` where the backend knows no others."""
    cluster = cluster_of(os.environ)
    if cluster and backend.active() != "tensorflow":
        raise BackendError(f"TF_CONFIG names {cluster.count} workers: {backend.active()} trains in one process, "
                           "expected --backend tensorflow")  # fmt: skip
    return cluster


def devices_here() -> int:
    """How many devices of this machine share a batch where nobody says."""
    return max(1, len(_gpus()))


class Replicas:
    """The devices that share each batch: all GPUs of this machine, or one device; with a cluster, those of each worker.

    `devices` names others, such as ("CPU:0", "CPU:1"). Raises `BackendError` where the framework can not
    share a batch between them, or the workers of the cluster can not be connected.
    """

    def __init__(self, devices: Sequence[str] = (), cluster: Cluster | None = None) -> None:
        devices = tuple(devices) or _gpus()
        self._cluster = cluster
        self._here = max(1, len(devices))  # on this machine
        self.count = self._here * (cluster.count if cluster else 1)
        self._strategy: Any = None
        if cluster:
            self._strategy = _connected(cluster)
        elif self.count > 1:
            if backend.active() != "tensorflow":
                raise BackendError(f"{self.count} devices on {backend.active()}, expected one, or tensorflow")
            self._strategy = _mirrored(devices)

    @property
    def chief(self) -> bool:
        """Whether this process is the one that writes."""
        return self._cluster is None or self._cluster.chief

    @property
    def share(self) -> tuple[int, int]:
        """Which part of each batch this process reads, from 0, and of how many."""
        return (self._cluster.index, self._cluster.count) if self._cluster else (0, 1)

    def scope(self) -> AbstractContextManager[Any]:
        """Variables made inside exist on every device."""
        return self._strategy.scope() if self._strategy else nullcontext()

    def check(self, batch_size: int) -> None:
        """Raises `OptionError` for a batch that can not be shared evenly."""
        if batch_size % self.count:
            machines = f" of {self._cluster.count} workers" if self._cluster else ""
            raise OptionError(
                f"batch size {batch_size} on {self.count} devices{machines}: expected a multiple of {self.count}"
            )

    def compiled(self, step: Step) -> Step:
        """`step` on a share of this process' part of the batch on each device; its scalars are sums over all devices.

        With a cluster, raises `BackendError` once another worker is gone.
        """
        if not self._strategy:
            return backend.compiled(step)
        import tensorflow as tf

        def shared(*batch: Any) -> tuple[Any, ...]:
            share = tf.shape(batch[0])[0] // self._here

            def on_device() -> tuple[Any, ...]:
                first = self._device() * share
                return step(*(values[first : first + share] for values in batch))

            scalars = self._strategy.run(on_device)
            return tuple(self._strategy.reduce("SUM", scalar, axis=None) for scalar in scalars)

        return self._guarded(backend.compiled(shared))

    def any(self, told: bool) -> bool:
        """Whether any worker is told so; all get the same answer, once all have asked."""
        return self._total(float(told)) > 0

    def of_chief(self, value: float) -> float:
        """The chief's value, once all workers have asked."""
        return self._total(value if self.chief else 0.0)

    def _total(self, value: float) -> float:
        if not self._cluster:
            return value
        return float(self._summed(value))

    @cached_property
    def _summed(self) -> Callable[[float], Any]:
        import tensorflow as tf

        def summed(value: Any) -> Any:
            def once() -> Any:
                return tf.where(self._device() == 0, value, tf.zeros_like(value))

            return self._strategy.reduce("SUM", self._strategy.run(once), axis=None)

        compiled = self._guarded(backend.compiled(summed))
        return lambda value: compiled(tf.constant(value, tf.float64))

    def _device(self) -> Any:
        """Number of the present device on this machine."""
        import tensorflow as tf

        number = tf.distribute.get_replica_context().replica_id_in_sync_group
        return number - self.share[0] * self._here

    def _guarded(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """With errors that a lost worker causes in one line."""
        if not self._cluster:
            return call
        import tensorflow as tf

        gone = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.InternalError,
                tf.errors.FailedPreconditionError, tf.errors.DeadlineExceededError)  # fmt: skip

        def guarded(*given: Any) -> Any:
            try:
                return call(*given)
            except gone as error:
                raise BackendError(f"another worker is gone ({_reason(error)}); start all of them again, "
                                   "with --resume from the last checkpoint") from error  # fmt: skip

        return guarded


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [number for number, line in enumerate(lines) if "aborted by" in line or "unhealthy" in line]
    if not told:
        return lines[0] if lines else type(error).__name__
    found = lines[told[0]].partition("aborted by:")[2].strip() or lines[told[0]]
    return f"{found} {lines[told[0] + 1]}" if found.endswith(":") and told[0] + 1 < len(lines) else found


@cache
def _mirrored(devices: tuple[str, ...]) -> Any:
    """One for the whole process: TensorFlow takes the messages of a second one for those of the first."""
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(devices)


@cache
def _connected(cluster: Cluster) -> Any:
    """The same, of all workers."""
    import tensorflow as tf

    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    except (tf.errors.OpError, RuntimeError, ValueError) as error:
        raise BackendError(f"{cluster.name(cluster.index)}: can not connect: {_reason(error)}") from error
    if threading.current_thread() is threading.main_thread():
        # TensorFlow takes this signal for itself, and then does nothing.
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))
    return strategy


def _gpus() -> tuple[str, ...]:
    if backend.active() == "torch":
        return ()
    import tensorflow as tf

    return tuple(gpu.name.removeprefix("/physical_device:") for gpu in tf.config.list_physical_devices("GPU"))
