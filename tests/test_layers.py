"""Imports point one way: cli -> verbs -> raster layer | keras layer -> numpy layer -> errors."""

import ast
import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
FRAMEWORKS = {"tensorflow", "torch"}


class Layer(NamedTuple):
    packages: tuple[str, ...]  # folders, each of which may import those before it
    below: set[str]  # the layers it may import
    libraries: set[str]  # outside the standard library


LAYERS = {
    "numpy": Layer(("storage", "backscatter", "streaming", "quality", "recipes"), set(), {"numpy", "scipy"}),
    "raster": Layer(
        ("rasters", "scenes", "outputs", "pages", "datasets"),
        {"numpy"},
        {"affine", "numpy", "pyogrio", "pyproj", "rasterio", "scipy", "shapely"},
    ),
    "keras": Layer(("networks", "runtimes"), {"numpy"}, {"keras", "numpy", "safetensors"}),
    "verbs": Layer(
        ("simulate", "exchange", "evaluate", "compare", "train", "infer", "workers"),
        {"numpy", "raster", "keras"},
        {"affine", "numpy", "shapely"},
    ),
}
LAYER_OF = {package: name for name, layer in LAYERS.items() for package in layer.packages}
FOR_ALL = {"__init__", "counts", "errors", "limits", "printable"}  # beside the folders
ABOVE_ALL = {"arrays", "collection", "dataarrays", "translation"}
# Of folders that may know more: these know neither files of rasters nor Keras, nor what does.
PLAIN = {
    *("batching", "deepness", "folding", "steps", "topology", "value_ranges"),
    *("evaluation_page", "landcover", "materials", "noise", "simulator", "speckle"),
    *("board", "course", "history", "inference_summary", "report", "roll_call", "tf_config"),
    *("axis", "chart", "colour_ramp", "longitudes", "page", "png", "scene_list", "split"),
}
HANDED_ON = {"arrays", "dataarrays", "translation"}  # by the package itself, and loaded only when asked for
# A few modules know the frameworks, one module each the other runtimes, the files of TensorBoard, and so on.
EXTRA_LIBRARIES = {
    "arrays": {"affine", "numpy", "rasterio"},
    "autograd": FRAMEWORKS,
    "backend": FRAMEWORKS,
    "board": {"tensorboardX"},
    "cache_folder": {"platformdirs"},
    "census": {"distributed"},
    "checkpoint": {"safetensors"},
    "cluster": {"distributed"},
    "comparison_facts": {"rasterio"},
    "dataarrays": {"numpy", "xarray"},
    "local_workers": {"dask", "distributed"},
    "lock": {"filelock"},
    "onnx_graph": {"onnx"},
    "onnx_runtime": {"onnxruntime"},
    "openvino_runtime": {"openvino"},
    "perceptual": {"lpips", "pytorch_fid"},
    "pix2pix": {"keras"},
    "pool": {"distributed"},
    "quantisation": {"onnx", "onnxruntime"},
    "recipe_file": {"tomlkit"},
    "replicas": {"tensorflow"},
    "tensorflow_export": {"keras", "tensorflow"},
    "tensorflow_graph": {"tensorflow"},
    "torch_file": {"torch"},
    "torch_gpu": {"torch"},
    "torch_graph": {"torch"},
    "update": {"keras"},
    "worker": {"distributed", "rasterio"},
}

PACKAGE = ROOT / "sartranslate"
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent == PACKAGE or path.name != "__init__.py")
PATH_OF = {path.stem: path for path in FILES}
LIBRARY = sorted(PATH_OF)
FOLDER_OF = {module: path.parent.name if path.parent != PACKAGE else "" for module, path in PATH_OF.items()}
COMMANDS = sorted(path.stem for path in (ROOT / "cli").glob("*.py"))


@cache
def tree(folder: str, module: str) -> ast.Module:
    path = PATH_OF[module] if folder == "sartranslate" else ROOT / folder / f"{module}.py"
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(folder: str, module: str) -> list[str]:
    """Dotted names of all absolute imports, those within functions and for type checkers too."""
    names: list[str] = []
    for node in ast.walk(tree(folder, module)):
        if isinstance(node, ast.Import):
            names.extend(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.extend(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def own(module: str) -> set[str]:
    """Modules of the library that a module of the library imports; of the package itself, but what it hands on."""
    parts = [name.split(".") for name in imported("sartranslate", module)]
    found = {_module(part) for part in parts if part[0] == "sartranslate"}
    return found - HANDED_ON if module == "__init__" else found


def _module(parts: list[str]) -> str:
    """That of a dotted name, which may go on with what is in it; a folder alone is none."""
    found = next((part for part in parts[1:3] if part in PATH_OF), None)
    assert found or parts[1] not in LAYER_OF, parts
    return found or "__init__"


def foreign(folder: str, module: str) -> set[str]:
    """Packages outside the standard library and the project."""
    return {name.split(".")[0] for name in imported(folder, module)} - set(sys.stdlib_module_names) - {"sartranslate"}


def test_every_module_lies_in_a_folder_of_a_layer_or_is_one_of_the_few_beside_them() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if any(path.glob("*.py"))}
    assert folders == set(LAYER_OF), "place a new folder in LAYERS, above in this file"
    assert {module for module, folder in FOLDER_OF.items() if not folder} == FOR_ALL | ABOVE_ALL


def test_a_module_is_called_like_no_other_and_like_no_folder() -> None:
    assert len(PATH_OF) == len(FILES)
    assert set(PATH_OF) & set(LAYER_OF) == set()


def test_folders_have_no_folders_that_escape_these_rules() -> None:
    assert [str(path) for path in PACKAGE.glob("*/*/**/*.py")] == []
    assert [str(path) for path in (ROOT / "cli").glob("*/**/*.py")] == []


def test_what_stands_for_a_folder_is_its_docstring_alone() -> None:
    stand_ins = [PACKAGE / folder / "__init__.py" for folder in LAYER_OF]
    bodies = [ast.parse(path.read_text(encoding="utf-8")).body for path in stand_ins]
    assert [len(body) for body in bodies] == [1] * len(LAYER_OF)
    assert all(ast.get_docstring(ast.Module(body, [])) for body in bodies)


def reachable(folder: str) -> set[str]:
    """Folders that one may import: itself, those before it in its layer, and those of the layers below."""
    layer = LAYERS[LAYER_OF[folder]]
    beside = layer.packages[: layer.packages.index(folder) + 1]
    return {*beside, *(package for name in layer.below for package in LAYERS[name].packages)}


def offenders(modules: Iterable[str], wrong: Callable[[str], set[str]]) -> dict[str, set[str]]:
    """What is wrong with each module that something is wrong with."""
    return {module: found for module in modules if (found := wrong(module))}


def test_modules_import_only_from_their_own_folder_and_those_below() -> None:
    def upward(module: str) -> set[str]:
        folder = FOLDER_OF[module]
        return {name for name in own(module) - FOR_ALL if not folder or FOLDER_OF[name] not in reachable(folder)}

    assert offenders(set(LIBRARY) - ABOVE_ALL, upward) == {}


def test_modules_import_only_the_libraries_of_their_layer() -> None:
    def further(module: str) -> set[str]:
        folder = FOLDER_OF[module]
        allowed = LAYERS[LAYER_OF[folder]].libraries if folder else set()
        return foreign("sartranslate", module) - allowed - EXTRA_LIBRARIES.get(module, set())

    assert offenders(LIBRARY, further) == {}


def test_plain_modules_know_neither_rasters_nor_keras() -> None:
    def others(module: str) -> set[str]:
        within = {name for name in own(module) - FOR_ALL - PLAIN if LAYER_OF[FOLDER_OF[name]] != "numpy"}
        return within | foreign("sartranslate", module) - {"numpy", "scipy"} - EXTRA_LIBRARIES.get(module, set())

    assert offenders(PLAIN, others) == {}


def test_no_modules_import_each_other_in_a_circle() -> None:
    order = list(TopologicalSorter({module: own(module) for module in LIBRARY}).static_order())
    assert sorted(order) == LIBRARY


@pytest.mark.parametrize("framework", sorted(FRAMEWORKS))
def test_a_framework_is_imported_in_few_modules_only_and_for_its_own_files(framework: str) -> None:
    own = {"torch": ["torch_file", "torch_gpu"], "tensorflow": ["replicas", "tensorflow_export"]}
    expected = sorted(["autograd", "backend", *own[framework], f"{framework}_graph"])
    assert [module for module in LIBRARY if framework in foreign("sartranslate", module)] == expected
    assert [module for module in COMMANDS if framework in foreign("cli", module)] == []


def test_only_what_looks_for_packages_imports_by_a_computed_name() -> None:
    places = {
        (folder, module) for folder, modules in (("sartranslate", LIBRARY), ("cli", COMMANDS)) for module in modules
    }
    hidden = {
        place
        for place in places
        if any(name.split(".")[0] == "importlib" for name in imported(*place))
        or any(isinstance(node, ast.Name) and node.id == "__import__" for node in ast.walk(tree(*place)))
    }
    assert hidden == {("sartranslate", "backend"), ("sartranslate", "runtime")}


def test_the_library_neither_prints_nor_exits_nor_knows_click() -> None:
    def talk(module: str) -> set[str]:
        nodes = list(ast.walk(tree("sartranslate", module)))
        called = {node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
        return called & {"print", "input", "exit", "quit"} | foreign("sartranslate", module) & {"click", "tqdm", "cli"}

    assert offenders(LIBRARY, talk) == {}


def test_the_library_imports_itself_absolutely() -> None:
    def relative(module: str) -> set[str]:
        nodes = ast.walk(tree("sartranslate", module))
        return {ast.unparse(node) for node in nodes if isinstance(node, ast.ImportFrom) and node.level}

    assert offenders(LIBRARY, relative) == {}


@pytest.mark.parametrize("module", COMMANDS)
def test_the_command_line_imports_its_own_modules_relatively_and_the_library_absolutely(module: str) -> None:
    assert foreign("cli", module) <= {"click", "tqdm"}
    nodes = [node for node in ast.walk(tree("cli", module)) if isinstance(node, ast.ImportFrom) and node.level]
    named = {node.module or alias.name for node in nodes for alias in node.names}
    assert {node.level for node in nodes} <= {1}
    assert named <= set(COMMANDS)


@pytest.mark.parametrize("module", COMMANDS)
def test_the_command_line_imports_nothing_heavy_before_a_command_runs(module: str) -> None:
    """At the top of a module only click, the errors and the version; for type checkers anything."""
    names: list[str] = []
    for node in tree("cli", module).body:
        if isinstance(node, ast.Import):
            names.extend(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.append(str(node.module))
    outside = {name for name in names if name.split(".")[0] not in sys.stdlib_module_names}
    assert outside <= {"click", "sartranslate", "sartranslate.errors"}


HELP = """
import json, sys
import cli
try:
    cli.main({arguments})
except SystemExit as end:
    assert not end.code, end.code
sys.stderr.write(json.dumps(sorted({{name.split(".")[0] for name in sys.modules}})))
"""


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["infer", "--help"], ["train", "--help"]])
def test_help_and_version_load_no_framework_and_no_numbers(arguments: list[str]) -> None:
    script = HELP.format(arguments=arguments)
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stderr))
    assert done.stdout.startswith(("Usage:", "sartranslate"))
    assert {"cli", "click", "sartranslate"} <= loaded
    assert loaded & {*FRAMEWORKS, "jax", "keras", "numpy", "rasterio", "safetensors", "shapely", "tqdm"} == set()


def modules_of(layer: str) -> list[str]:
    """Full names."""
    return [f"sartranslate.{folder}.{name}" for name, folder in FOLDER_OF.items() if folder in LAYERS[layer].packages]


# What each layer may load when its modules are imported, looked at from outside: what an import hides shows here.
@pytest.mark.parametrize(
    ("layer", "absent"),
    [
        ("numpy", {*FRAMEWORKS, "keras", "rasterio", "affine", "pyogrio", "shapely", "pyproj"}),
        ("raster", {*FRAMEWORKS, "keras", "safetensors"}),
    ],
)
def test_importing_a_whole_layer_loads_nothing_of_those_beside_and_above(layer: str, absent: set[str]) -> None:
    imports = "\n".join(f"import {name}" for name in modules_of(layer))
    script = f"import json, sys\n{imports}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    names = set(json.loads(done.stdout))
    assert {name.split(".")[0] for name in names} & absent == set()
    assert names & {name for other in {"raster", "keras", "verbs"} - {layer} for name in modules_of(other)} == set()


def test_the_package_alone_loads_nothing_outside_the_standard_library() -> None:
    script = "import sys; before = set(sys.modules); import sartranslate; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert loaded - set(sys.stdlib_module_names) == {"sartranslate"}


def test_what_the_package_hands_on_loads_no_framework_and_no_xarray_before_it_is_called() -> None:
    script = "import sys; from sartranslate import translate, translate_array, translate_dataarray; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {name.split(".")[0] for name in done.stdout.split()} & {*FRAMEWORKS, "keras", "xarray"} == set()


def test_the_verbs_load_no_framework_until_they_need_one() -> None:
    script = "import sys, sartranslate.infer.inference, sartranslate.simulate.simulation\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {name.split(".")[0] for name in done.stdout.split()} & {*FRAMEWORKS, "keras"} == set()
