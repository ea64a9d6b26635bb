"""Imports point one way: cli -> verbs -> raster layer | keras layer -> numpy layer -> errors."""

import ast
import json
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
FRAMEWORKS = {"tensorflow", "torch"}


class Layer(NamedTuple):
    modules: set[str]
    below: set[str]  # the layers it may import, besides itself
    packages: set[str]  # outside the standard library


LAYERS = {
    "errors": Layer({"__init__", "errors"}, set(), set()),
    "numpy": Layer(
        {
            "architecture",
            "atomic",
            "augmentation",
            "baselines",
            "batching",
            "blend",
            "board",
            "bootstrap",
            "chart",
            "colour_ramp",
            "coregistration",
            "course",
            "counts",
            "deepness",
            "digest",
            "evaluation_page",
            "file_state",
            "fill",
            "folding",
            "history",
            "inference_summary",
            "initialisation",
            "journal",
            "landcover",
            "limits",
            "lock",
            "longitudes",
            "materials",
            "metrics",
            "noise",
            "objective",
            "optimisation",
            "overviews",
            "page",
            "png",
            "polarisation",
            "prefetch",
            "presets",
            "printable",
            "pyramid",
            "radiometry",
            "recipe",
            "recipe_file",
            "reduction",
            "report",
            "resample",
            "roll_call",
            "scaling",
            "scene_list",
            "scores",
            "scoring",
            "seams",
            "simulator",
            "sliding",
            "split",
            "steps",
            "tf_config",
            "threads",
            "topology",
            "uncertainty",
            "units",
            "value_ranges",
            "wasserstein",
            "windows",
            "working_folder",
        },
        {"errors"},
        {"numpy", "scipy"},
    ),
    "raster": Layer(
        {
            "acquisition",
            "aoi",
            "area_file",
            "block_store",
            "cog",
            "cog_profile",
            "comparison",
            "comparison_facts",
            "comparison_page",
            "comparison_pictures",
            "contact_sheets",
            "crops",
            "cutting",
            "dataset",
            "delivery",
            "fixed_windows",
            "footprint",
            "geolocation",
            "geotiff",
            "ground_check",
            "groundcontrol",
            "layout",
            "local_only",
            "mosaic",
            "optical",
            "output",
            "pair_check",
            "pairs",
            "perceptual",
            "pixel_grid",
            "product",
            "raster",
            "raster_images",
            "raster_limits",
            "reader",
            "remote",
            "sampling",
            "scene",
            "sentinel1",
            "sheet",
            "sides",
            "source",
            "stac",
            "strips",
            "tile_images",
            "tile_index",
            "tile_spacing",
            "tiles",
            "utm",
            "vrt",
            "warped",
        },
        {"errors", "numpy"},
        {"affine", "numpy", "pyogrio", "pyproj", "rasterio", "scipy", "shapely"},
    ),
    "keras": Layer(
        {
            "adversarial",
            "autograd",
            "backend",
            "blocks",
            "bundle",
            "checkpoint",
            "discriminators",
            "dropout",
            "framework_results",
            "generators",
            "onnx_graph",
            "onnx_runtime",
            "openvino_runtime",
            "peer_weights",
            "pix2pix",
            "quantisation",
            "reconstruction",
            "replicas",
            "runtime",
            "runtime_choice",
            "telemetry",
            "tensorflow_export",
            "tensorflow_graph",
            "torch_file",
            "torch_gpu",
            "torch_graph",
            "translator",
            "update",
        },
        {"errors", "numpy"},
        {"keras", "numpy", "safetensors"},
    ),
    "verbs": Layer(
        {
            "arrays",
            "census",
            "cluster",
            "collection",
            "comparing",
            "computing",
            "dataarrays",
            "estimate",
            "evaluation",
            "export",
            "generation",
            "inference",
            "inspection",
            "job",
            "local_workers",
            "pairing",
            "planning",
            "pool",
            "record",
            "run_folder",
            "session",
            "simulation",
            "training",
            "training_data",
            "translation",
            "validation",
            "weight_import",
            "worker",
        },
        {"errors", "numpy", "raster", "keras"},
        {"affine", "numpy", "shapely"},
    ),
}
HANDED_ON = {"arrays", "dataarrays", "translation"}  # by the package itself, and loaded only when asked for
LAYER_OF = {module: name for name, layer in LAYERS.items() for module in layer.modules}
# A few modules know the frameworks, one module each the other runtimes, the files of TensorBoard, and so on.
EXTRA_PACKAGES = {
    "arrays": {"rasterio"},
    "autograd": FRAMEWORKS,
    "backend": FRAMEWORKS,
    "board": {"tensorboardX"},
    "census": {"distributed"},
    "cluster": {"distributed"},
    "dataarrays": {"xarray"},
    "delivery": {"platformdirs"},
    "perceptual": {"lpips", "pytorch_fid"},
    "onnx_graph": {"onnx"},
    "onnx_runtime": {"onnxruntime"},
    "local_workers": {"distributed"},
    "lock": {"filelock"},
    "openvino_runtime": {"openvino"},
    "pool": {"distributed"},
    "quantisation": {"onnx", "onnxruntime"},
    "recipe_file": {"tomlkit"},
    "replicas": {"tensorflow"},
    "runtime_choice": {"platformdirs"},
    "tensorflow_export": {"tensorflow"},
    "tensorflow_graph": {"tensorflow"},
    "torch_file": {"torch"},
    "torch_gpu": {"torch"},
    "torch_graph": {"torch"},
    "worker": {"distributed", "rasterio"},
}

LIBRARY = sorted(path.stem for path in (ROOT / "sartranslate").glob("*.py"))
COMMANDS = sorted(path.stem for path in (ROOT / "cli").glob("*.py"))


@cache
def tree(folder: str, module: str) -> ast.Module:
    return ast.parse((ROOT / folder / f"{module}.py").read_text(encoding="utf-8"))


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
    found = {part[1] if part[1] in LIBRARY else "__init__" for part in parts if part[0] == "sartranslate"}
    return found - HANDED_ON if module == "__init__" else found


def foreign(folder: str, module: str) -> set[str]:
    """Packages outside the standard library and the project."""
    return {name.split(".")[0] for name in imported(folder, module)} - set(sys.stdlib_module_names) - {"sartranslate"}


def test_every_module_of_the_library_is_placed_in_exactly_one_layer() -> None:
    placed = [module for layer in LAYERS.values() for module in layer.modules]
    assert sorted(placed) == LIBRARY, "place a new module in LAYERS, above in this file"


def test_the_library_has_no_subfolders_that_escape_these_rules() -> None:
    assert [str(path) for path in (ROOT / "sartranslate").glob("*/**/*.py")] == []
    assert [str(path) for path in (ROOT / "cli").glob("*/**/*.py")] == []


@pytest.mark.parametrize("module", LIBRARY)
def test_a_module_imports_only_from_its_own_layer_and_those_below(module: str) -> None:
    layer = LAYER_OF[module]
    allowed = LAYERS[layer].below | {layer}
    upward = {name for name in own(module) if LAYER_OF[name] not in allowed}
    assert upward == set()


@pytest.mark.parametrize("module", LIBRARY)
def test_a_module_imports_only_the_packages_of_its_layer(module: str) -> None:
    allowed = LAYERS[LAYER_OF[module]].packages | EXTRA_PACKAGES.get(module, set())
    assert foreign("sartranslate", module) - allowed == set()


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


@pytest.mark.parametrize("module", LIBRARY)
def test_the_library_neither_prints_nor_exits_nor_knows_click(module: str) -> None:
    nodes = list(ast.walk(tree("sartranslate", module)))
    called = {node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert called & {"print", "input", "exit", "quit"} == set()
    assert foreign("sartranslate", module) & {"click", "tqdm", "cli"} == set()


@pytest.mark.parametrize("module", LIBRARY)
def test_the_library_imports_itself_absolutely(module: str) -> None:
    nodes = ast.walk(tree("sartranslate", module))
    assert [node.lineno for node in nodes if isinstance(node, ast.ImportFrom) and node.level] == []


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


# What each layer may load when its modules are imported, looked at from outside: what an import hides shows here.
@pytest.mark.parametrize(
    ("layer", "absent"),
    [
        ("numpy", {*FRAMEWORKS, "keras", "rasterio", "affine", "pyogrio", "shapely", "pyproj"}),
        ("raster", {*FRAMEWORKS, "keras", "safetensors"}),
    ],
)
def test_importing_a_whole_layer_loads_nothing_of_those_beside_and_above(layer: str, absent: set[str]) -> None:
    imports = "\n".join(f"import sartranslate.{module}" for module in sorted(LAYERS[layer].modules))
    script = f"import json, sys\n{imports}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    names = set(json.loads(done.stdout))
    assert {name.split(".")[0] for name in names} & absent == set()
    above = {
        f"sartranslate.{module}" for name in {"raster", "keras", "verbs"} - {layer} for module in LAYERS[name].modules
    }
    assert names & above == set()


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
    script = "import sys, sartranslate.inference, sartranslate.simulation\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {name.split(".")[0] for name in done.stdout.split()} & {*FRAMEWORKS, "keras"} == set()
