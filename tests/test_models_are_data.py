"""Loading a model or a checkpoint runs nothing that lies in the file."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sartranslate.networks import bundle
from sartranslate.train.checkpoint import load_checkpoint, save_checkpoint

ROOT = Path(__file__).parents[1]
MODULES = sorted([*(ROOT / "sartranslate").rglob("*.py"), *(ROOT / "cli").rglob("*.py")])
UNPACKERS = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "yaml"}
ALLOWED = {
    "torch_file": {"torch.load"},
    # A worker's orders: from the client whose code Dask runs there anyway, after their versions were found to be alike.
    "pool": {"pickle"},
    "worker": {"pickle"},
}
CALLS = {"eval", "exec", "compile", "load_model", "deserialize_keras_object", "load_weights", "allow_pickle"}
RUNNING = ("exec", "compile", "marshal.loads", "marshal.load", "pickle.find_class", "code.__new__", "os.system")
SPAWNING = ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.fork")


class Watch:
    """Notes what Python reports of code that is run, between two points of a test."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._on = False
        sys.addaudithook(self._note)  # for good: hooks can not be removed

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._on and event in (*RUNNING, *SPAWNING):
            self.seen.append(event)

    @contextmanager
    def on(self) -> Iterator[None]:
        self.seen.clear()
        self._on = True
        try:
            yield
        finally:
            self._on = False


@pytest.fixture(scope="module")
def watch() -> Watch:
    return Watch()


def test_the_watch_sees_code_that_is_run(watch: Watch) -> None:
    import pickle

    with watch.on():
        assert eval("1 + 1") == 2
        pickle.loads(pickle.dumps(Path))
    assert {"compile", "exec", "pickle.find_class"} <= set(watch.seen)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "checkpoint.safetensors"
    save_checkpoint(path, {"weight": np.arange(3.0)}, {"settings": {"backend": "__import__('os').abort()"}})
    return path


@pytest.mark.parametrize("load", [bundle.describe, bundle.read, bundle.load], ids=lambda load: load.__name__)
def test_loading_a_model_runs_no_code(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch, watch: Watch, load: Callable[[Path], object]
) -> None:
    import keras

    load(tiny_model)  # imports what it needs, which runs code

    def refused(*arguments: object, **options: object) -> None:
        raise AssertionError("an object is built from a description of Keras")

    monkeypatch.setattr(keras.saving, "deserialize_keras_object", refused)
    monkeypatch.setattr(keras.saving, "load_model", refused)
    monkeypatch.setattr(keras.Model, "from_config", refused)
    monkeypatch.setattr(keras.layers.Layer, "from_config", refused)
    with watch.on():
        load(tiny_model)
    assert watch.seen == []


def test_loading_a_checkpoint_runs_no_code(checkpoint: Path, watch: Watch) -> None:
    load_checkpoint(checkpoint)
    with watch.on():
        arrays, position = load_checkpoint(checkpoint)
    assert watch.seen == []
    assert position == {"settings": {"backend": "__import__('os').abort()"}}
    assert arrays["weight"].tolist() == [0, 1, 2]


def names(tree: ast.AST) -> Iterator[str]:
    """Modules that are imported, and names of what is called and of the options given."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (part for alias in node.names for part in alias.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            yield from [*(node.module or "").split("."), *(alias.name for alias in node.names)]
        elif isinstance(node, ast.Call):
            yield from (keyword.arg or "" for keyword in node.keywords)
            if isinstance(node.func, ast.Name):
                yield node.func.id
            elif isinstance(node.func, ast.Attribute) and ast.unparse(node.func) != "re.compile":
                yield node.func.attr
                yield ast.unparse(node.func)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_no_module_unpacks_objects_or_runs_texts(path: Path) -> None:
    found = set(names(ast.parse(path.read_text(encoding="utf-8"))))
    assert found & (UNPACKERS | CALLS | {"torch.load", "np.load", "numpy.load"}) == ALLOWED.get(path.stem, set())


def test_files_of_torch_are_read_as_weights_only() -> None:
    """That nothing of a malicious one runs is tested where there is a PyTorch, in test_import_weights."""
    source = (ROOT / "sartranslate" / "exchange" / "torch_file.py").read_text(encoding="utf-8")
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    (call,) = [call for call in calls if ast.unparse(call.func) == "torch.load"]
    assert "weights_only=True" in [ast.unparse(keyword) for keyword in call.keywords]


@pytest.mark.parametrize(
    "text", ["import pickle", "from joblib import load", "eval(x)", "torch.load(f)", "np.load(f, allow_pickle=True)"]
)
def test_what_is_looked_for_is_found(text: str) -> None:
    assert set(names(ast.parse(text))) & (UNPACKERS | CALLS | {"torch.load"})
