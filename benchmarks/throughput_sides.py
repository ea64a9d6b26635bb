"""The sides of `infer_throughput.py`, each in a process of its own that waits while another one computes."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

WINDOW, OVERLAP = 256, 64  # pixels
MATRIX = 4096


@dataclass(frozen=True)
class Given:
    """What all sides share."""

    model: Path
    scene: Path
    device: str  # "cpu" or "gpu"


class Ours:
    """The generator in one runtime, and the whole translation by it."""

    def __init__(self, given: Given, runtime: str) -> None:
        if runtime == "keras":
            from sartranslate.networks import backend

            backend.select("torch" if given.device == "gpu" else None)
            if (backend.device() == "CPU") != (given.device == "cpu"):
                raise SystemExit(f"asked for the {given.device}, and ours computes on {backend.device()}")
        self._given, self._runtime = given, runtime
        self._translators: dict[str, Any] = {}

    def bare(self, precision: str, batch: int, calls: int) -> float:
        """Seconds of so many calls with arrays of a batch, compiled before, as many at once as a translation makes."""
        from sartranslate.streaming.prefetch import in_threads

        translator, arrays = self._translator(precision), noise(batch)
        translator.generator(arrays)
        started = time.perf_counter()
        for _ in in_threads(translator.generator, [arrays] * calls, translator.concurrency):
            pass
        return time.perf_counter() - started

    def translate(self, precision: str, batch: int) -> float:
        """Seconds from the first read of the scene to the finished file."""
        from sartranslate.infer.inference import translate
        from sartranslate.infer.planning import InferenceOptions, plan
        from sartranslate.networks import bundle

        translator = self._translator(precision)
        radiometry = bundle.describe(self._given.model).radiometry
        options = InferenceOptions(WINDOW, OVERLAP, batch, overwrite=True)
        started = time.perf_counter()
        translate(plan(self._given.scene, self.out, radiometry, options), translator)
        return time.perf_counter() - started

    def matrix(self, precision: str) -> float:
        """Floating-point operations per second of a large matrix product in the framework."""
        from sartranslate.networks import backend

        if backend.active() == "torch":
            return _torch_matrix(precision, self._given.device)
        import tensorflow as tf

        matrix = tf.cast(tf.random.normal((MATRIX, MATRIX)), precision)
        return _operations_per_second(lambda: tf.matmul(matrix, matrix).numpy())

    @property
    def out(self) -> Path:
        return self._given.scene.with_name("ours.tif")

    def _calibration(self) -> Any:
        from sartranslate.infer.generation import calibration_patches
        from sartranslate.infer.planning import plan
        from sartranslate.networks import bundle

        radiometry = bundle.describe(self._given.model).radiometry
        return calibration_patches(plan(self._given.scene, self.out.with_name("none.tif"), radiometry))

    def _translator(self, precision: str) -> Any:
        from sartranslate.runtimes.translator import load_translator

        if precision not in self._translators:
            self._translators[precision] = load_translator(
                self._given.model, precision, runtime=self._runtime, calibration=self._calibration
            )
        return self._translators[precision]


def _at_once(network: Any, tensor: Any, calls: int) -> float:
    """Seconds of so many calls of a network of PyTorch, a thread of the processor for each of those at once."""
    import torch

    from sartranslate.streaming.prefetch import in_threads

    def call(_: int) -> None:
        torch.set_num_threads(1)
        with torch.inference_mode():
            network(tensor)

    threads = torch.get_num_threads()
    try:
        started = time.perf_counter()
        for _ in in_threads(call, range(calls), threads):
            pass
        return time.perf_counter() - started
    finally:
        torch.set_num_threads(threads)


class Peer:
    """The same network in PyTorch, and MONAI's sliding window."""

    def __init__(self, given: Given) -> None:
        self._given = given
        self._device = "cuda" if given.device == "gpu" else "cpu"
        self._networks: dict[str, Any] = {}

    def bare(self, precision: str, batch: int, calls: int) -> float:
        """Seconds of so many calls with a tensor that is on the device already, in the faster of two ways.

        That is one by one, or as ours are made: as many at once as there are cores, with a thread each.
        """
        import torch

        network, tensor = self._network(precision), self._tensor(noise(batch).transpose(0, 3, 1, 2))
        with torch.inference_mode():
            self._finished(network(tensor))
            started = time.perf_counter()
            for _ in range(calls):
                self._finished(network(tensor))
            one_by_one = time.perf_counter() - started
        return one_by_one if self._device == "cuda" else min(one_by_one, _at_once(network, tensor, calls))

    def translate(self, precision: str, batch: int) -> float:
        """Seconds from the first read of the scene to the written file, with the scaling that ours finds."""
        import rasterio
        import torch
        from monai.inferers import sliding_window_inference

        from sartranslate.backscatter.radiometry import to_rgb
        from sartranslate.infer.planning import plan
        from sartranslate.networks import bundle

        network, radiometry = self._network(precision), bundle.describe(self._given.model).radiometry
        out = self._given.scene.with_name("peer.tif")
        scaling = plan(self._given.scene, out.with_name("none.tif"), radiometry).scaling
        started = time.perf_counter()
        with rasterio.open(self._given.scene) as dataset, torch.inference_mode():
            profile, mask = dataset.profile, dataset.dataset_mask() != 0
            scaled = scaling.apply(np.moveaxis(dataset.read(), 0, -1), mask)
            picture = sliding_window_inference(
                torch.from_numpy(np.moveaxis(scaled, -1, 0)[None]),
                (WINDOW, WINDOW),
                batch,
                network,
                overlap=OVERLAP / WINDOW,
                mode="gaussian",
                sw_device=self._device,
                device=self._device,  # blended where it is computed, which is faster and has room for this scene
            ).cpu()
        kept = {name: profile[name] for name in ("height", "width", "crs", "transform")}
        form = {"tiled": True, "compress": "zstd", "zstd_level": 1, "predictor": 2, "num_threads": "all_cpus"}
        with rasterio.open(out, "w", driver="GTiff", count=3, dtype="uint8", **kept, **form) as dataset:
            dataset.write(to_rgb(picture[0].numpy()))
        return time.perf_counter() - started

    def matrix(self, precision: str) -> float:
        return _torch_matrix(precision, self._given.device)

    def _network(self, precision: str) -> Any:
        import torch
        from torch_pix2pix import UNet, copy_weight

        from sartranslate.networks import bundle

        if precision not in self._networks:
            description, tensors = bundle.read(self._given.model)
            config = description.generator
            network = UNet(0.0, (), config.filters, config.upsampling, len(config.channels))
            for path, array in tensors.items():
                copy_weight(network, path, array)
            dtype = getattr(torch, precision)
            placed = network.eval().to(self._device, dtype, memory_format=torch.channels_last)
            self._networks[precision] = partial(_in_dtype, placed, dtype)
        return self._networks[precision]

    def _tensor(self, array: NDArray[np.float32]) -> Any:
        import torch

        return torch.from_numpy(array).to(self._device, memory_format=torch.channels_last)

    def _finished(self, tensor: Any) -> None:
        if self._device == "cuda":
            tensor.cpu()


def noise(batch: int) -> NDArray[np.float32]:
    """A batch of windows in [-1, 1]."""
    return np.random.default_rng(0).uniform(-1, 1, (batch, WINDOW, WINDOW, 1)).astype(np.float32)


@contextmanager
def side(kind: Any, *arguments: Any) -> Iterator[Any]:
    """A side in a process of its own: a function that calls a method of it by name."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, kind, arguments), daemon=True)
    process.start()
    there.close()  # so that the death of the process ends a wait for its answer

    def ask(method: str, *values: Any) -> Any:
        here.send((method, values))
        answer = here.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer

    try:
        yield ask
    finally:
        with suppress(BrokenPipeError):  # of a process that has failed
            here.send(None)
        process.join()


def _serve(line: Any, kind: Any, arguments: tuple[Any, ...]) -> None:
    try:
        served = kind(*arguments)
    except (Exception, SystemExit) as error:
        line.recv()
        line.send(OSError(str(error)))  # there is no such device
        return
    while (request := line.recv()) is not None:
        method, values = request
        try:
            line.send(getattr(served, method)(*values))
        except Exception as error:
            line.send(error)


def _in_dtype(network: Any, dtype: Any, batch: Any) -> Any:
    return network(batch.to(dtype)).float()


def _torch_matrix(precision: str, device: str) -> float:
    import torch

    matrix = torch.randn(MATRIX, MATRIX).to("cuda" if device == "gpu" else "cpu", getattr(torch, precision))
    return _operations_per_second(lambda: (matrix @ matrix)[0, 0].item())


def _operations_per_second(multiply: Any, trials: int = 3) -> float:
    seconds = []
    for _ in range(trials):
        started = time.perf_counter()
        multiply()
        seconds.append(time.perf_counter() - started)
    return float(2 * MATRIX**3 / min(seconds))
