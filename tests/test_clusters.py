"""The recipes of docs/clusters.md say what the programs that they call know; the container runs as an ordinary user."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click import Command

from sartranslate.train.tf_config import cluster_of

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "clusters.md").read_text(encoding="utf-8")
CONTAINER = (ROOT / "containers" / "Containerfile").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def script(mark: str) -> str:
    (found,) = [block for block in blocks("shell") if mark in block]
    return found


def stand_in(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)


def run(text: str, folder: Path, **environment: str) -> str:
    """Standard output of a script with stand-ins in place of what it calls."""
    programs, activate = folder / "programs", folder / "activate"
    activate.write_text("")
    text = text.replace("/shared/sartranslate/bin/activate", str(activate)).replace("/shared/", f"{folder}/")
    path = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", **environment}
    return subprocess.run(["bash", "-c", text], env=path, cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("text", [*blocks("sh"), *blocks("shell")])
def test_shell_scripts_are_shell(text: str) -> None:
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)


def test_the_slurm_script_gives_each_task_its_place_in_tf_config(tmp_path: Path) -> None:
    stand_in(tmp_path / "programs", "scontrol", "echo node07; echo node09")
    stand_in(tmp_path / "programs", "srun", 'shift; for SLURM_PROCID in 0 1; do export SLURM_PROCID; "$@"; done')
    stand_in(tmp_path / "programs", "sartranslate", 'echo "$TF_CONFIG"; echo "$@"')
    said = run(script("sartrain"), tmp_path, SLURM_JOB_NODELIST="node[07,09]", SLURM_JOB_ID="41").splitlines()
    found = [cluster_of({"TF_CONFIG": line}) for line in said[::2]]
    assert [(c.addresses, c.index) for c in found if c] == [(("node07:20041", "node09:20041"), n) for n in (0, 1)]
    begun = f"train --pairs {tmp_path}/tiles --out {tmp_path}/runs/first --overwrite --batch-size 8 --quiet"
    assert said[1::2] == [begun, begun]
    (tmp_path / "runs" / "first").mkdir(parents=True)
    (tmp_path / "runs" / "first" / "checkpoint.safetensors").touch()
    said = run(script("sartrain"), tmp_path, SLURM_JOB_NODELIST="node[07,09]", SLURM_JOB_ID="41").splitlines()
    assert said[1] == f"train --resume {tmp_path}/runs/first --quiet"


def test_the_job_array_takes_a_scene_each_and_skips_what_is_there(tmp_path: Path) -> None:
    stand_in(tmp_path / "programs", "srun", 'exec "$@"')
    stand_in(tmp_path / "programs", "sartranslate", 'echo "$@"')
    (tmp_path / "scenes.txt").write_text("/data/a.tif\ns3://bucket/b.tif\n")
    (tmp_path / "rgb").mkdir()
    array = script("--array")
    assert run(array, tmp_path, SLURM_ARRAY_TASK_ID="2") == f"infer s3://bucket/b.tif {tmp_path}/rgb/b.tif --quiet\n"
    assert run(array, tmp_path, SLURM_ARRAY_TASK_ID="3") == ""
    (tmp_path / "rgb" / "b.tif").touch()
    assert run(array, tmp_path, SLURM_ARRAY_TASK_ID="2") == ""


def test_commands_have_the_options_that_they_are_given() -> None:
    from cli import main

    given = re.findall(r"sartranslate (infer|train) ([^\n]*)", "\n".join([*blocks("shell"), *blocks("yaml")]))
    assert len(given) == 5
    for name, arguments in given:
        command = main.commands[name]
        assert set(re.findall(r"(?<=\s)--[a-z-]+", f" {arguments}")) <= options(command), arguments


def options(command: Command) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts}


def calls(tree: ast.AST) -> Iterator[tuple[str, set[str]]]:
    """Names of what is called, and of keywords."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id, {str(keyword.arg) for keyword in node.keywords}


@pytest.mark.long
@pytest.mark.parametrize(
    ("package", "bases"),
    [
        ("dask_jobqueue", {"SLURMCluster": ["JobQueueCluster", "slurm.SLURMJob", "core.Job"]}),
        ("dask_kubernetes.operator", {"KubeCluster": ["KubeCluster"], "make_cluster_spec": ["make_cluster_spec"]}),
    ],
)
def test_python_is_python_and_names_what_is_there(package: str, bases: dict[str, list[str]]) -> None:
    (tree,) = [ast.parse(text) for text in blocks("python") if f"from {package} " in text]
    found = {name: keywords for name, keywords in calls(tree) if name in bases}
    assert found.keys() == bases.keys()
    module = pytest.importorskip(package)
    for name, places in bases.items():
        known = {keyword for place in places for keyword in inspect.signature(attribute(module, place)).parameters}
        assert found[name] <= known


def attribute(module: object, place: str) -> object:
    folder, _, name = place.rpartition(".")
    owner = importlib.import_module(f"dask_jobqueue.{folder}") if folder else module
    if name == "JobQueueCluster":
        owner = importlib.import_module("dask_jobqueue.core")
    return getattr(owner, name)


def test_kubernetes_objects_are_restricted_and_give_each_pod_its_place(tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml")
    objects = [item for text in blocks("yaml") for item in yaml.safe_load_all(text)]
    assert [item["kind"] for item in objects] == ["Job", "Service", "Job"]
    for job in (objects[0], objects[2]):
        pod = job["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    stand_in(tmp_path / "programs", "sartranslate", 'echo "$TF_CONFIG"')
    (text,) = container["args"]
    found = cluster_of({"TF_CONFIG": run(text, tmp_path, JOB_COMPLETION_INDEX="1")})
    assert found
    assert (found.index, found.count) == (1, objects[2]["spec"]["completions"])
    assert objects[1]["metadata"]["name"] == pod["subdomain"]


def test_the_container_runs_as_an_ordinary_user_with_extras_that_there_are() -> None:
    lines = re.sub(r"\\\n\s*", "", CONTAINER).splitlines()
    instructions = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    last = max(number for number, (name, _) in enumerate(instructions) if name == "FROM")
    final = instructions[last:]
    (user,) = [value for name, value in final if name == "USER"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    order = [name for name, _ in final]
    assert order.index("USER") > max(order.index("RUN"), order.index("COPY"))
    assert ["ENTRYPOINT", '["sartranslate"]'] in final
    installs = [value for name, value in instructions if name == "RUN" and "pip install" in value]
    assert installs
    assert all("--no-cache-dir" in value for value in installs)
    extras = re.findall(r"\[([\w,]+)\]", " ".join(installs))
    known = re.findall(r'^        "(\w+)": \[', (ROOT / "setup.py").read_text(encoding="utf-8"), re.MULTILINE)
    assert extras
    assert {name for found in extras for name in found.split(",")} <= set(known)
    copied = {source for name, value in instructions if name == "COPY" and "--from" not in value
              for source in value.split()[:-1]}  # fmt: skip
    assert all((ROOT / source).exists() for source in copied)
