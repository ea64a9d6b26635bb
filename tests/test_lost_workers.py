"""Workers that are killed, stopped or do not fit: the same bytes from those that are left, or one clear line."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from sartranslate.backscatter.radiometry import Radiometry
from sartranslate.errors import ClusterError, SceneError
from sartranslate.infer.planning import InferenceOptions, Plan, plan
from sartranslate.runtimes.translator import Choice
from sartranslate.streaming.sliding import Tally
from sartranslate.workers import pool
from sartranslate.workers.census import Patience
from sartranslate.workers.cluster import worker_pool
from sartranslate.workers.computing import Here, There
from tests.conftest import WriteScene
from tests.dask_processes import Cluster, cluster, stop

pytestmark = pytest.mark.long
CHOICE = Choice("onnxruntime", "float32")
PATIENCE = Patience(silence=5, first=60, least=4)
RADIOMETRY = Radiometry(bands=(("VH", "VV"),))
TASK = 4  # windows


@pytest.fixture
def planned(write_scene: WriteScene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.setattr(pool, "TASK_WINDOWS", TASK)
    values = np.random.default_rng(3).gamma(4, 25, (1900, 1500, 1)).astype(np.float32) + 1
    values[200:900, 40:800] = -1
    return plan(
        write_scene("scene.tif", values, nodata=-1),
        tmp_path / "out.tif",
        RADIOMETRY,
        InferenceOptions(batch_size=TASK, note_seconds=0),
    )


def pool_at(
    processes: Cluster, model: Path, patience: Patience = PATIENCE, tell: Callable[[str], None] = lambda line: None
) -> AbstractContextManager[pool.Pool]:
    return worker_pool(model, CHOICE, scheduler=processes.address, patience=patience, tell=tell)


def alone(planned: Plan, model: Path) -> bytes:
    Here(model, CHOICE).translate(planned, lambda tally, windows: None, lambda line: None)
    content = planned.out.read_bytes()
    planned.out.unlink()
    return content


def test_one_worker_killed_and_one_stopped_in_mid_run_change_no_byte(
    planned: Plan, tiny_model: Path, tmp_path: Path
) -> None:
    expected = alone(planned, tiny_model)
    told: list[str] = []
    with cluster(tmp_path, 3, seconds=0.2) as processes:
        left = [lambda: os.kill(processes.workers[0].pid, signal.SIGKILL), lambda: stop(processes.workers[1])]

        def watch(tally: Tally, windows: int) -> None:
            if left and tally.windows >= windows // 4:
                left.pop()()

        with pool_at(processes, tiny_model, tell=told.append) as workers:
            There(workers).translate(planned, watch, told.append)
            repeated = workers.repeated
        computed = Counter(processes.computed())
    assert planned.out.read_bytes() == expected
    assert repeated > 0
    assert told[-1] == f"1 worker lost; {repeated} windows given to another one, too"
    assert len(computed) == len(planned.windows)
    lost = pool.AHEAD * TASK  # windows that a killed worker may have begun
    assert sum(computed.values()) <= len(planned.windows) + repeated + lost


def test_without_any_worker_the_command_ends_after_a_while_and_what_is_finished_is_gone_on_with(
    planned: Plan, tiny_model: Path, tmp_path: Path
) -> None:
    expected = alone(planned, tiny_model)
    told: list[str] = []

    def translate(processes: Cluster, kill: bool) -> None:
        def watch(tally: Tally, windows: int) -> None:
            if kill and tally.windows >= windows // 2:
                for process in processes.workers:
                    process.kill()

        with pool_at(processes, tiny_model) as workers:
            summary = There(workers).translate(planned, watch, told.append)
            assert summary.resumed_rows > 0

    with cluster(tmp_path, 2, seconds=0.3) as processes, pytest.raises(ClusterError, match="2 workers are lost"):
        translate(processes, kill=True)
    assert not planned.out.exists()
    assert told[-1].startswith("Kept what is finished")
    with cluster(tmp_path, 1) as processes:
        translate(processes, kill=False)
    assert planned.out.read_bytes() == expected


def test_a_scheduler_that_is_killed_ends_the_run_with_a_line_and_what_is_finished_is_kept(
    planned: Plan, tiny_model: Path, tmp_path: Path
) -> None:
    told: list[str] = []
    with cluster(tmp_path, 2, seconds=0.3) as processes:

        def watch(tally: Tally, windows: int) -> None:
            if tally.windows >= windows // 2:
                processes.scheduler.kill()

        line = rf"scheduler {processes.address}: (the connection to it was lost|has not answered for 5 s)"
        with pytest.raises(ClusterError, match=line), pool_at(processes, tiny_model) as workers:
            There(workers).translate(planned, watch, told.append)
    assert not planned.out.exists()
    assert told[-1].startswith("Kept what is finished")


def test_a_worker_that_does_not_see_the_scene_is_named(planned: Plan, tiny_model: Path, tmp_path: Path) -> None:
    with cluster(tmp_path, 1) as processes, pool_at(processes, tiny_model) as workers:
        Path(planned.scene.path).rename(tmp_path / "elsewhere.tif")
        with pytest.raises(SceneError, match=r"worker tcp://\S+: does not see \S+scene.tif .*no such file there"):
            There(workers).translate(planned, lambda tally, windows: None, lambda line: None)
    assert not planned.out.exists()


def test_a_worker_with_another_version_is_named(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sartranslate\nsartranslate.__version__ = '0.0.1'\n")
    paths = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[1])])
    with cluster(tmp_path, 1, environment={"PYTHONPATH": paths}) as processes:
        line = r"worker tcp://\S+: sartranslate 0.0.1, expected \S+ as in this process"
        with pytest.raises(ClusterError, match=line), pool_at(processes, tiny_model):
            pass


def test_a_worker_without_sartranslate_is_named(tiny_model: Path, tmp_path: Path) -> None:
    hidden = "import sys\nsys.modules['sartranslate'] = None\n"
    (tmp_path / "sitecustomize.py").write_text(hidden)
    with cluster(tmp_path, 1, environment={"PYTHONPATH": str(tmp_path)}, preloaded=False) as processes:
        line = r"worker tcp://\S+: sartranslate is not installed there"
        with pytest.raises(ClusterError, match=line), pool_at(processes, tiny_model):
            pass


def test_a_scheduler_without_workers_is_told(tiny_model: Path, tmp_path: Path) -> None:
    with cluster(tmp_path, 0) as processes:
        line = rf"scheduler {processes.address}: has no workers, .*within 3 s"
        with pytest.raises(ClusterError, match=line), pool_at(processes, tiny_model, Patience(silence=3)):
            pass
