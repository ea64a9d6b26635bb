"""No command connects to anything where nothing that it is given lies elsewhere."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.command_process import ROOT, runs
from tests.conftest import save_scene
from tests.faulty_server import Served, served

SCENE = ROOT / "sample_tiles" / "scene.tif"

# Notes what Python itself asks of the network, and refuses it. Sockets of this machine's own files are none.
HOOK = """
import socket, sys
def refuse(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.connect", "socket.sendto"):
        if not (event in ("socket.connect", "socket.sendto") and arguments[0].family == socket.AF_UNIX):
            with open({log!r}, "a") as log:
                print(event, arguments, file=log)
            raise OSError("no network")
sys.addaudithook(refuse)
"""
NAMES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Served]:
    """Through which curl in GDAL and PROJ connects to wherever it wants, and which notes it."""
    with served(save_scene(tmp_path / "far.tif", np.ones((8, 8, 1), np.uint8))) as server:
        yield server


def through(proxy: Served) -> dict[str, str]:
    return {**dict.fromkeys(NAMES, proxy.address), "no_proxy": "", "NO_PROXY": ""}


def commands(folder: Path, model: Path) -> dict[str, list[object]]:
    scene = save_scene(folder / "scene_VH.tif", np.arange(1, 65537, dtype=np.uint16).reshape(256, 256, 1))
    area = folder / "area.geojson"
    ring = [[9.001, 47.83], [9.02, 47.83], [9.02, 47.85], [9.001, 47.83]]
    area.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}), encoding="utf-8")
    return {
        "simulate": ["simulate", folder / "made", "--pairs", 2],
        "inspect": ["inspect", scene],
        "infer": ["infer", scene, folder / "rgb.tif", "--aoi", area, "--model", model],
    }


def more_commands(folder: Path) -> dict[str, list[object]]:
    tiny = ["--filters", 2, "--discriminator-filters", 2, "--epochs", 1]
    return {
        "OpenVINO": ["infer", SCENE, folder / "openvino.tif", "--runtime", "openvino"],
        "ONNX Runtime": ["infer", SCENE, folder / "onnx.tif", "--runtime", "onnxruntime"],
        "train": ["train", "--pairs", folder / "made", "--out", folder / "run", *tiny],
    }


@pytest.mark.long
def test_no_command_connects_to_anything(tmp_path: Path, tiny_model: Path, proxy: Served) -> None:
    done = runs(commands(tmp_path, tiny_model), first=HOOK.format(log=str(tmp_path / "log")), **through(proxy))
    assert {name: (run.code, run.exception) for name, run in done.items()} == dict.fromkeys(done, (0, "None"))
    assert not (tmp_path / "log").exists()
    assert proxy.requests == []


@pytest.mark.long
def test_neither_does_training_nor_another_runtime(tmp_path: Path, tiny_model: Path, proxy: Served) -> None:
    every = {**commands(tmp_path, tiny_model), **more_commands(tmp_path)}
    done = runs(every, first=HOOK.format(log=str(tmp_path / "log")), **through(proxy))
    assert {name: (run.code, run.exception) for name, run in done.items()} == dict.fromkeys(done, (0, "None"))
    assert not (tmp_path / "log").exists()
    assert proxy.requests == []


def test_connections_would_have_been_seen(tmp_path: Path, proxy: Served) -> None:
    far = {"far": ["inspect", "/vsicurl/http://somewhere.invalid/scene.tif"]}
    connecting = "import contextlib\nwith contextlib.suppress(OSError): socket.create_connection(('127.0.0.1', 9))"
    done = runs(far, first=HOOK.format(log=str(tmp_path / "log")) + connecting, **through(proxy))
    assert done["far"].code == 1
    assert ("HEAD", "http://somewhere.invalid/scene.tif") in proxy.requests
    assert "socket.getaddrinfo" in (tmp_path / "log").read_text(encoding="utf-8")


def test_importing_the_other_runtimes_tells_nobody(tmp_path: Path) -> None:
    script = (
        HOOK.format(log=str(tmp_path / "log"))
        + """
from sartranslate.runtimes.runtime import _loading
with _loading("openvino"):
    import openvino
with _loading("onnxruntime"):
    import onnxruntime
import os
assert sys.modules["openvino_telemetry"] is None and os.environ["ORT_DISABLE_TELEMETRY"] == "1"
"""
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)
    assert not (tmp_path / "log").exists()


NAMESPACE = ("unshare", "--map-root-user", "--net")


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="of Linux")
def test_all_of_it_works_where_there_is_no_network(tmp_path: Path, tiny_model: Path) -> None:
    if subprocess.run([*NAMESPACE, "true"], capture_output=True).returncode:
        pytest.skip("no namespaces")
    done = runs({**commands(tmp_path, tiny_model), **more_commands(tmp_path)}, within=NAMESPACE)
    assert {name: (run.code, run.exception) for name, run in done.items()} == dict.fromkeys(done, (0, "None"))
