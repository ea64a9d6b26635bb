"""`sartranslate infer --workers N`: the same bytes from processes that never outlive the command."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
from click.testing import Result
from distributed.security import Security

from sartranslate.workers import local_workers as starting
from sartranslate.workers.local_workers import local_workers
from tests.conftest import WriteScene, user_environment

pytestmark = pytest.mark.long
Run = Callable[..., Result]
ROOT = Path(__file__).parents[1]
ENDED_WITHIN = 30  # seconds


@pytest.fixture
def scene(write_scene: WriteScene) -> Path:
    values = np.random.default_rng(3).gamma(4, 25, (2500, 2500, 1)).astype(np.float32) + 1
    values[300:900, 40:1200] = -1
    return write_scene("scene.tif", values, nodata=-1)


@pytest.mark.parametrize("runtime", ["keras", "onnxruntime", "openvino"])
def test_a_scene_has_the_same_bytes_from_two_workers_and_from_one_process(
    scene: Path, tiny_model: Path, tmp_path: Path, sartranslate: Run, runtime: str
) -> None:
    options = ["--model", tiny_model, "--runtime", runtime]
    assert sartranslate("infer", scene, tmp_path / "one.tif", *options).exit_code == 0
    result = sartranslate("infer", scene, tmp_path / "two.tif", *options, "--workers", 2)
    assert result.exit_code == 0, result.output
    assert result.stderr.startswith("2 workers at tls://127.0.0.1:")
    assert len(result.stderr.splitlines()) == 1
    assert (tmp_path / "one.tif").read_bytes() == (tmp_path / "two.tif").read_bytes()


def test_a_picture_with_its_spread_has_the_same_bytes_from_a_worker(
    scene: Path, tiny_model: Path, tmp_path: Path, sartranslate: Run
) -> None:
    for name, workers in (("one", []), ("two", ["--workers", 1])):
        outputs = [tmp_path / f"{name}.tif", "--uncertainty", tmp_path / f"{name}_spread.tif"]
        options = ["--uncertainty-samples", 2, "--model", tiny_model, "--bbox", 9, 47.7, 9.1, 47.9]
        assert sartranslate("infer", scene, *outputs, *options, *workers).exit_code == 0
    for kind in ("", "_spread"):
        assert (tmp_path / f"one{kind}.tif").read_bytes() == (tmp_path / f"two{kind}.tif").read_bytes()


def test_scenes_at_once_have_the_same_bytes_as_one_by_one(
    write_scene: WriteScene, tiny_model: Path, tmp_path: Path, sartranslate: Run
) -> None:
    rng = np.random.default_rng(2)
    scenes = [
        write_scene(f"{number}.tif", rng.gamma(4, 25, (700, 500 + 50 * number, 1)).astype(np.float32) + 1)
        for number in range(6)
    ]
    scenes[2].write_bytes(b"nothing")
    options = ["--model", tiny_model, "--runtime", "onnxruntime"]
    for name, workers in (("one", []), ("two", ["--workers", 2])):
        result = sartranslate("infer", *scenes, "--out-dir", tmp_path / name, *options, *workers)
        assert (result.exit_code, result.stdout.splitlines()[-1]) == (1, "5 done, 0 skipped, 1 failed")
    for out in (tmp_path / "one").iterdir():
        assert out.read_bytes() == (tmp_path / "two" / out.name).read_bytes()


def test_schedulers_of_two_commands_at_once_take_a_free_port_each_and_serve_nothing_without_a_key() -> None:
    with local_workers(0, lambda: None) as first, local_workers(0, lambda: None) as second:
        ports = {
            client.run_on_scheduler(lambda dask_scheduler: dask_scheduler.http_server.port)
            for client in (first, second)
        }
        assert len(ports - {8787}) == 2
        for port, path in itertools.product(ports, ("info/main/workers.html", "json/counts.json", "metrics")):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}")


def test_a_worker_listens_on_the_loopback_interface_alone_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with local_workers(1, lambda: None) as client:
        processes = [psutil.Process(), *psutil.Process().children()]
        listening = [socket.laddr for process in processes for socket in process.net_connections() if not socket.raddr]
        assert len(listening) >= 3
        assert {address.ip for address in listening} == {"127.0.0.1"}
        (port,) = client.run(lambda dask_worker: dask_worker.http_server.port).values()
        for path in ("health", "metrics"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}")
        (folder,) = tmp_path.iterdir()
        assert not {file.name for file in folder.iterdir()} & set(starting.KEYS)
    assert list(tmp_path.iterdir()) == []


def test_a_module_in_the_current_folder_is_not_run_by_a_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "click.py").write_text("raise RuntimeError('a module of strangers')")
    monkeypatch.chdir(tmp_path)
    with local_workers(1, lambda: None) as client:
        assert len(client.nthreads()) == 1


def test_a_worker_whose_scheduler_is_gone_before_it_comes_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting, "STARTED_WITHIN", 2)
    command = starting._command("tls://127.0.0.1:9", Security.temporary(), tmp_path)
    with starting._start(command, tmp_path, 0, 1) as process:
        assert process.wait(ENDED_WITHIN) != 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_no_worker_outlives_the_command_however_that_ends(
    scene: Path, tiny_model: Path, tmp_path: Path, number: int, code: int
) -> None:
    arguments = ["infer", scene, tmp_path / "out.tif", "--model", tiny_model, "--workers", 2, "--progress"]
    command = [sys.executable, "-c", "from cli import main; main()", *map(str, arguments)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env=user_environment()) as process:
        assert process.stderr is not None
        assert next(line for line in process.stderr if line.startswith("progress"))
        workers = psutil.Process(process.pid).children(recursive=True)
        assert len(workers) == 2
        process.send_signal(number)
        rest = process.stderr.read()
        assert process.wait(ENDED_WITHIN) == code
    _, alive = psutil.wait_procs(workers, ENDED_WITHIN)
    assert alive == []
    assert "Traceback" not in rest
    if code > 0:
        assert not (tmp_path / "out.tif").exists()
