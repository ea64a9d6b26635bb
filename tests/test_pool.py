"""Windows from the workers of a Dask cluster, in their order: here the workers are threads of this process."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from distributed import Client, LocalCluster
from distributed.protocol.pickle import dumps as error_pickle_dumps
from distributed.protocol.pickle import loads as error_pickle_loads

from sartranslate.backscatter.radiometry import Radiometry
from sartranslate.errors import BackendError, ClusterError, SceneError
from sartranslate.infer.planning import InferenceOptions, Plan, plan
from sartranslate.runtimes.translator import Choice
from sartranslate.streaming import threads
from sartranslate.streaming.sliding import Tally
from sartranslate.streaming.windows import Window
from sartranslate.workers import cluster, pool, worker
from sartranslate.workers.census import Patience
from sartranslate.workers.cluster import worker_pool
from sartranslate.workers.computing import Here, There
from tests.conftest import WriteScene

CHOICE = Choice("onnxruntime", "float32")
OURS = {"census", "prefetch", "writer", "ask"}  # threads
PATIENCE = Patience(silence=10, first=60)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    options = {"processes": False, "protocol": "tcp://", "silence_logs": 50}
    no_page = {"dashboard_address": ":0", "scheduler_kwargs": {"dashboard": False}}
    with LocalCluster(n_workers=2, threads_per_worker=1, **options, **no_page) as found:
        yield found.scheduler_address


@pytest.fixture(autouse=True)
def unlimited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers set the threads of their process, which is this one."""
    monkeypatch.setattr(worker, "limit", lambda count: None)
    monkeypatch.setattr(pool, "TASK_WINDOWS", 2)


@pytest.fixture
def planned(write_scene: WriteScene, tmp_path: Path) -> Plan:
    values = np.random.default_rng(3).gamma(4, 25, (700, 600, 1)).astype(np.float32) + 1
    values[:500, :400] = -1
    options = InferenceOptions(overlap=32, overwrite=True, batch_size=2)
    return plan(
        write_scene("scene.tif", values, nodata=-1), tmp_path / "out.tif", Radiometry(bands=(("VH", "VV"),)), options
    )


def translated(
    planned: Plan,
    model: Path,
    address: str,
    watch: Any = lambda tally, windows: None,
    patience: Patience = PATIENCE,
) -> list[str]:
    """What was told."""
    told: list[str] = []
    with worker_pool(model, CHOICE, scheduler=address, patience=patience, tell=told.append) as workers:
        There(workers).translate(planned, watch, told.append)
    return told


def test_the_bytes_are_those_of_one_process_and_no_thread_is_left(
    planned: Plan, tiny_model: Path, address: str
) -> None:
    Here(tiny_model, CHOICE).translate(planned, lambda tally, windows: None, lambda line: None)
    expected = planned.out.read_bytes()
    tallies: list[tuple[int, int]] = []

    def watch(tally: Tally, windows: int) -> None:
        tallies.append((tally.windows, tally.skipped))

    told = translated(planned, tiny_model, address, watch)
    assert planned.out.read_bytes() == expected
    assert tallies[-1] == (len(planned.windows), 2)
    assert len(told) == 1
    assert told[0].startswith(f"2 workers at {address}: onnxruntime ")
    assert not {thread.name for thread in threading.enumerate()} & OURS


def test_a_task_that_is_not_back_is_given_to_another_worker_too(
    planned: Plan, tiny_model: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Here(tiny_model, CHOICE).translate(planned, lambda tally, windows: None, lambda line: None)
    expected, held, released = planned.out.read_bytes(), threading.Event(), threading.Event()
    batches = worker.ModelPlugin.batches

    def hanging(self: worker.ModelPlugin, packed: bytes) -> Any:
        if not held.is_set():
            held.set()
            released.wait(60)
        return batches(self, packed)

    monkeypatch.setattr(worker.ModelPlugin, "batches", hanging)
    try:
        told = translated(planned, tiny_model, address, patience=replace(PATIENCE, least=0.3, factor=1))
    finally:
        released.set()
    assert planned.out.read_bytes() == expected
    assert "given to another one, too" in told[-1]


def test_what_fails_in_a_worker_is_told_with_its_name_and_leaves_nothing(
    planned: Plan, tiny_model: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(self: worker.ModelPlugin, packed: bytes) -> Any:
        raise SceneError("can not be read")

    monkeypatch.setattr(worker.ModelPlugin, "batches", failing)
    with pytest.raises(SceneError, match=r"^worker tcp://\S+: can not be read$"):
        translated(planned, tiny_model, address)

    def broken(self: worker.ModelPlugin, packed: bytes) -> Any:
        raise KeyError("x")

    monkeypatch.setattr(worker.ModelPlugin, "batches", broken)
    with pytest.raises(BackendError, match=r"^windows from row 0, column 0 on: KeyError: 'x'$"):
        translated(planned, tiny_model, address)
    assert [path.name for path in planned.out.parent.iterdir()] == ["scene.tif"]


def test_a_worker_that_reads_or_computes_otherwise_is_refused(
    planned: Plan, tiny_model: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = worker.versions()
    answers = iter([versions])
    with monkeypatch.context() as patched:
        patched.setattr(worker, "versions", lambda: next(answers, {**versions, "GDAL": "1.0"}))
        with pytest.raises(ClusterError, match=r"worker tcp://\S+: GDAL 1.0, expected \S+ as in this process"):
            translated(planned, tiny_model, address)
    identity = worker.Translator.identity
    found = iter(["CPU"])
    changed = property(lambda self: worker.replace(identity.fget(self), device=next(found, "GPU")))  # type: ignore[attr-defined]
    monkeypatch.setattr(worker.Translator, "identity", changed)
    line = (
        r"generates by onnxruntime \S+ on GPU in float32, expected onnxruntime \S+ on CPU in float32 as the others do"
    )
    with pytest.raises(ClusterError, match=line):
        translated(planned, tiny_model, address)


def test_stopping_cancels_what_waits(planned: Plan, tiny_model: Path, address: str) -> None:
    def stop(tally: Tally, windows: int) -> None:
        raise SystemExit(130)

    with pytest.raises(SystemExit):
        translated(planned, tiny_model, address, stop)
    assert not planned.out.exists()


def test_a_scene_that_is_given_up_leaves_no_task_to_the_cluster(planned: Plan, tiny_model: Path, address: str) -> None:
    with worker_pool(tiny_model, CHOICE, scheduler=address, patience=PATIENCE) as workers:
        batches = workers.generate(planned)
        next(batches)
        assert left(workers._client)
        batches.close()
        until = time.monotonic() + 30
        while left(workers._client) and time.monotonic() < until:
            time.sleep(0.1)
        assert left(workers._client) == 0


def left(client: Client) -> int:
    """Tasks that the scheduler knows."""
    return int(client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)))


def test_only_tasks_that_a_worker_holds_are_late(tiny_model: Path) -> None:
    """Others wait for their turn, such as those of a second scene."""
    submitted: list[Any] = []
    holders = {"a": frozenset({"held"})}
    census: Any = SimpleNamespace(
        patience=PATIENCE, workers=frozenset("ab"), holders=lambda keys: holders, check=lambda: None
    )
    client: Any = SimpleNamespace(submit=lambda *task, **how: submitted.append(how["workers"]))
    here: Any = None
    workers = pool.Pool(client, "name", CHOICE, here, census)
    held, waiting = (pool.Task((Window(0, 0, 8, 8),), b"", 0, [SimpleNamespace(key=key)]) for key in ("held", "later"))
    workers._give_again([held, waiting])
    assert submitted == [["b"]]
    assert workers.repeated == 1
    assert waiting.given > 0
    workers.close()


def test_a_model_that_no_worker_can_load_is_told_in_one_line(
    planned: Plan, tiny_model: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: worker.ModelPlugin, choice: Choice) -> Any:
        raise ImportError("libcuda.so.1: no such file")

    monkeypatch.setattr(worker.ModelPlugin, "decided", broken)
    with pytest.raises(
        ClusterError, match=r"^no worker can load the model: ImportError: libcuda\.so\.1: no such file$"
    ):
        translated(planned, tiny_model, address)


def test_what_a_worker_raises_of_gdal_can_be_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    class Unsendable(Exception):
        def __init__(self, number: int, text: str) -> None:
            super().__init__(text)

    def failing(packed: bytes) -> Any:
        try:
            raise Unsendable(4, "no such file")
        except Unsendable as error:
            raise SceneError("can not be read") from error

    plugin = SimpleNamespace(batches=failing, named=lambda error: type(error)(f"worker a: {error}"))
    monkeypatch.setattr(worker, "_plugin", lambda name: plugin)
    with pytest.raises(SceneError) as raised:
        worker.generate("name", b"")
    sent = error_pickle_loads(error_pickle_dumps(raised.value))
    assert (type(sent), str(sent)) == (SceneError, "worker a: can not be read")


def test_what_is_no_scheduler_is_told_in_time(tiny_model: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        for there, line in [
            (f"tcp://127.0.0.1:{port}", "no answer within 1 s, expected a running Dask scheduler"),
            ("nonsense", "missing port"),
            ("what://127.0.0.1:1", "unknown address scheme"),
        ]:
            found = worker_pool(tiny_model, CHOICE, scheduler=there, patience=Patience(scheduler=1))
            with pytest.raises(ClusterError, match=rf"scheduler {there}: .*{line}"), found:
                pass


def test_a_worker_is_no_scheduler(tiny_model: Path, address: str) -> None:
    with cluster.Client(address, set_as_default=False) as client:
        one = next(iter(client.nthreads()))
    line = rf"scheduler {one}: is a worker, expected a running Dask scheduler"
    with pytest.raises(ClusterError, match=line), worker_pool(tiny_model, CHOICE, scheduler=one):
        pass


def test_processes_share_the_cores_and_are_told_so_before_they_load_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(8)), raising=False)
    assert [threads.share(processes) for processes in (1, 3, 8, 20)] == [8, 2, 1, 1]
    told = threads.environment(2)
    assert {told[name] for name in threads.VARIABLES} == {"2"}
    monkeypatch.delenv(threads.VARIABLE, raising=False)
    assert threads.limited() is None
    monkeypatch.setenv(threads.VARIABLE, "2")
    assert threads.limited() == 2
