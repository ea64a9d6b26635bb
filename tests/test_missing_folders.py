"""A scene is translated where there is no home, no cache folder and no room for temporary files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.command_process import ROOT, obey_permissions, runs
from tests.conftest import save_scene

SCENE = ROOT / "sample_tiles" / "scene.tif"
NOWHERE = "/dev/null/folder"  # which can neither be there nor be made
ALL_NOWHERE = {
    **dict.fromkeys(("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"), NOWHERE),
    **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), NOWHERE),
}
MOUNT = ("unshare", "--map-root-user", "--mount", "sh", "-c")

pytestmark = [pytest.mark.long, pytest.mark.skipif(sys.platform != "linux", reason="of Linux")]


def test_a_scene_is_translated_without_home_cache_and_temporary_folder(tiny_model: Path, tmp_path: Path) -> None:
    scene = save_scene(tmp_path / "scene_VH.tif", np.arange(1, 65537, dtype=np.uint16).reshape(256, 256, 1))
    command = {"infer": ["infer", scene, tmp_path / "rgb.tif", "--model", tiny_model]}
    done = runs(command, **ALL_NOWHERE)["infer"]
    assert (done.code, done.exception, done.error) == (0, "None", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rgb.tif", "scene_VH.tif"]


def test_a_home_that_can_not_be_written_only_makes_the_choice_of_a_runtime_be_measured_again(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o555)
    command = {
        name: ["infer", SCENE, tmp_path / "rgb.tif", "--runtime", "auto", "--overwrite"] for name in ("one", "two")
    }
    done = runs(
        command, prepared=obey_permissions, HOME=str(home), XDG_CACHE_HOME=str(home / ".cache"), TMPDIR=str(home)
    )
    for run in done.values():
        assert (run.code, run.exception) == (0, "None")
        assert run.error.startswith("Measuring the speed of ")
    assert list(home.iterdir()) == []


def test_in_the_place_of_a_full_temporary_folder_another_is_taken(tmp_path: Path) -> None:
    if subprocess.run([*MOUNT, "true"], capture_output=True).returncode:
        pytest.skip("no namespaces")
    full = tmp_path / "full"
    full.mkdir()
    mount = f'mount -t tmpfs -o size=4k none {full} && head -c 4096 /dev/zero >{full}/file && exec "$@"'
    plain = ["infer", SCENE, tmp_path / "rgb.tif"]
    eight = ["infer", SCENE, tmp_path / "int8.tif", "--runtime", "openvino", "--precision", "int8"]
    done = runs({"plain": plain, "int8": eight}, within=[*MOUNT, mount, "sh"], TMPDIR=str(full))
    assert {name: (run.code, run.exception) for name, run in done.items()} == dict.fromkeys(done, (0, "None"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full", "int8.tif", "rgb.tif"]
