"""What limits many scenes on many workers: a model of cost, parameters measured here, and a simulation that runs it.

    python benchmarks/scale.py                      the parameters below: where the limit moves, and 1,000 scenes
    python benchmarks/scale.py --measure            measures the parameters on this machine, and checks the model
    python benchmarks/scale.py --window-ms 40 --read-mb-s 500      with others

A scene costs its client a plan, a share of its time for each window, and a COG pass; each task of 32 windows costs the
scheduler; each window costs a worker; and reading costs a bandwidth that all workers share. Tasks are given out as
`sartranslate.workers.pool` does: in order, so many ahead, three scenes at once, earlier ones first.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import tempfile
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import NamedTuple

from script import begin, positive
from workers import translator_of, write_scene

from sartranslate.networks import bundle
from sartranslate.runtimes.translator import Choice
from sartranslate.streaming.windows import WindowGrid
from sartranslate.workers.computing import LANES, computing
from sartranslate.workers.pool import AHEAD, TASK_WINDOWS

SENTINEL_1 = (16_700, 25_000)  # rows and columns of a GRD scene in high resolution
HOUR = 3600.0


@dataclass(frozen=True)
class Costs:
    """Of parts of the work, as measured on two cores; see docs/scale.md."""

    window_ms: float = field(default=13.5, metadata={"help": "of a worker, for a window"})
    client_ms: float = field(default=2.0, metadata={"help": "of the client, for a window: received, blended, written"})
    task_ms: float = field(default=1.5, metadata={"help": "of the scheduler, for a task"})
    plan_s: float = field(default=5.0, metadata={"help": "of the client, for a scene, before its first task"})
    finish_ms: float = field(default=26.0, metadata={"help": "of the client, for a megapixel of the COG pass"})
    read_mb_s: float = field(default=1000.0, metadata={"help": "of the storage, for all workers together"})
    pixel_bytes: float = field(default=2.3, metadata={"help": "read for a pixel of a scene, some of them twice"})


class Outcome(NamedTuple):
    """Of a simulation."""

    seconds: float
    busy: dict[str, float]  # shares of the time


class Server:
    """Does one thing after another."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self.free = self.worked = 0.0

    def serve(self, seconds: float, then: Callable[[], None]) -> None:
        self.free = max(self.free, self._simulation.now) + seconds
        self.worked += seconds
        self._simulation.at(self.free, then)


class Scene:
    """Tasks of one scene, on their way."""

    def __init__(self, number: int, tasks: int) -> None:
        self.number, self.tasks = number, tasks
        self.submitted = self.taken = 0
        self.done: set[int] = set()
        self.blending = False


class Simulation:
    """Scenes of one size, by workers of one kind and one client."""

    def __init__(self, costs: Costs, shape: tuple[int, int], scenes: int, workers: int) -> None:
        self.now = 0.0
        self._costs, self._workers = costs, workers
        self._windows = len(WindowGrid(*shape))
        self._megapixels = shape[0] * shape[1] / 1e6
        self._left = deque(range(scenes))
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._client, self._scheduler, self._reads = Server(self), Server(self), Server(self)
        self._idle = workers
        self._ready: list[tuple[int, int, Scene]] = []
        self._computed = 0.0

    def run(self) -> Outcome:
        for _ in range(LANES):
            self._next_scene()
        while self._events:
            self.now, _, happens = heapq.heappop(self._events)
            happens()
        busy = {
            "workers": self._computed / self._workers,
            "client": self._client.worked,
            "scheduler": self._scheduler.worked,
            "reads": self._reads.worked,
        }
        return Outcome(self.now, {name: worked / self.now for name, worked in busy.items()})

    def at(self, when: float, happens: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._order), happens))

    def _next_scene(self) -> None:
        if self._left:
            scene = Scene(self._left.popleft(), -(-self._windows // TASK_WINDOWS))
            self.at(self.now + self._costs.plan_s, lambda: self._submit(scene))

    def _submit(self, scene: Scene) -> None:
        while scene.submitted < min(scene.tasks, scene.taken + AHEAD * (1 + self._workers)):
            task = scene.submitted
            scene.submitted += 1
            self._scheduler.serve(self._costs.task_ms / 1e3, lambda task=task: self._offer(scene, task))  # type: ignore[misc]

    def _offer(self, scene: Scene, task: int) -> None:
        heapq.heappush(self._ready, (scene.number, task, scene))
        self._give()

    def _give(self) -> None:
        while self._idle and self._ready:
            _, task, scene = heapq.heappop(self._ready)
            self._idle -= 1
            megabytes = self._megapixels * self._costs.pixel_bytes / scene.tasks
            self._reads.serve(megabytes / self._costs.read_mb_s, lambda s=scene, t=task: self._compute(s, t))  # type: ignore[misc]

    def _compute(self, scene: Scene, task: int) -> None:
        seconds = self._windows / scene.tasks * self._costs.window_ms / 1e3
        self._computed += seconds
        self.at(self.now + seconds, lambda: self._back(scene, task))

    def _back(self, scene: Scene, task: int) -> None:
        self._idle += 1
        scene.done.add(task)
        self._give()
        self._blend(scene)

    def _blend(self, scene: Scene) -> None:
        if not scene.blending and scene.taken in scene.done:
            scene.blending = True
            seconds = self._windows / scene.tasks * self._costs.client_ms / 1e3
            self._client.serve(seconds, lambda: self._taken(scene))

    def _taken(self, scene: Scene) -> None:
        scene.blending = False
        scene.taken += 1
        if scene.taken == scene.tasks:
            self.at(self.now + self._megapixels * self._costs.finish_ms / 1e3, self._next_scene)
            return
        self._submit(scene)
        self._blend(scene)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--size", type=positive, default=4000, help="of the scene to measure on, in pixels")
    for each in fields(Costs):
        parser.add_argument(
            f"--{each.name.replace('_', '-')}", type=float, default=each.default, help=each.metadata["help"]
        )
    arguments = parser.parse_args()
    if arguments.measure:
        _check(arguments.size)
        return
    costs = Costs(**{each.name: getattr(arguments, each.name) for each in fields(Costs)})
    print(costs)
    _sweep(costs)
    _thousand(costs)


def _sweep(costs: Costs) -> None:
    print("20 Sentinel-1 scenes of 25,000 x 16,700 px, one client")
    print("workers  scenes/h  busy: workers  client  scheduler  reads")
    for workers in (1, 2, 5, 10, 20, 50, 100):
        _row(f"{workers:7}", Simulation(costs, SENTINEL_1, 20, workers).run(), 20)


def _thousand(costs: Costs) -> None:
    print("1,000 of them on 100 workers\nclients  scenes/h  busy: workers  client  scheduler  reads   hours")
    for clients in (1, 2, 5, 10, 20):
        share = replace(costs, read_mb_s=costs.read_mb_s / clients, task_ms=costs.task_ms * clients)
        outcome = Simulation(share, SENTINEL_1, 1000 // clients, 100 // clients).run()
        _row(f"{clients:7}", outcome, 1000, f"{outcome.seconds / HOUR:8.1f}")


def _row(first: str, outcome: Outcome, scenes: int, last: str = "") -> None:
    busy = outcome.busy
    rate = scenes * HOUR / outcome.seconds
    shares = "  ".join(f"{busy[name]:{width}.0%}" for name, width in zip(busy, (13, 6, 9, 5), strict=True))
    print(f"{first}  {rate:8.1f}  {shares}{last}", flush=True)


def _check(size: int) -> None:
    """The model beside runs on this machine: its parameters are those of one worker."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scene = write_scene(folder / "scene.tif", size, size)
        small = write_scene(folder / "small.tif", 1500, 1500)
        measured = {workers: _run(scene, small, folder, workers) for workers in (1, 2)}
    costs = _fitted(measured[1], size)
    print(costs)
    for workers, run in measured.items():
        predicted = Simulation(replace(costs, plan_s=0), (size, size), 1, workers).run().seconds
        print(f"{workers} worker(s): {run.seconds:.1f} s measured, {predicted:.1f} s by the model")


class Run(NamedTuple):
    """One scene by so many workers."""

    seconds: float
    finish: float  # from the last window on
    client: float  # processor seconds until then
    windows: int
    plan: float


def _run(scene: Path, small: Path, folder: Path, workers: int) -> Run:
    model = bundle.DEFAULT_MODEL
    with computing(model, Choice("keras"), workers) as computer:
        translator_of(model, small, folder / "small_out.tif")(computer)
        begun = time.monotonic()
        translate = translator_of(model, scene, folder / "out.tif")
        planned = time.monotonic() - begun
        client, last = time.process_time(), [0.0, 0.0]

        def watch() -> None:
            last[:] = time.monotonic(), time.process_time()

        summary = translate(computer, watch)
        return Run(summary.seconds, time.monotonic() - last[0], last[1] - client, summary.windows, planned)


def _fitted(run: Run, size: int) -> Costs:
    return replace(
        Costs(),
        window_ms=1e3 * (run.seconds - run.finish) / run.windows,
        client_ms=1e3 * run.client / run.windows,
        plan_s=run.plan,
        finish_ms=1e3 * run.finish / (size**2 / 1e6),
    )


if __name__ == "__main__":
    begin(main)
