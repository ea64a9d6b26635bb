"""The QGIS plugin: what it calls and how, and its three algorithms in a QGIS without a window."""

from __future__ import annotations

import configparser
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from textwrap import dedent
from typing import Any
from zipfile import ZipFile

import numpy as np
import psutil
import pyogrio
import pytest
import rasterio
import shapely
from click.testing import Result
from numpy.typing import NDArray
from package import package
from sartranslate_qgis.child import CancelledError, FailedError, Watch, run
from sartranslate_qgis.program import MAIN, ProgramError, clean_environment, program

from cli import main
from sartranslate import __version__
from sartranslate.rasters.process_wide import quiet
from sartranslate.simulate.simulation import SimulationOptions, simulate
from tests.conftest import WriteScene
from tests.test_qgis import SYSTEM_PYTHON, environment

ROOT = Path(__file__).parents[1]
Run = Callable[..., Result]
Command = Callable[..., subprocess.CompletedProcess[str]]

PLUGIN = "sartranslate_qgis"
AREA = (500_500, 5_298_500, 502_000, 5_299_600)  # within the scene of the tests, west south east north
POLYGONS = (
    "POLYGON ((500500 5298500, 501200 5298500, 501000 5299500, 500500 5298500))",
    "POLYGON ((502000 5297500, 503000 5297500, 503000 5298500, 502000 5297500))",
)


def child(script: str, cancelled: Callable[[list[str]], bool] = lambda lines: False, **options: Any) -> Any:
    """What the script gave, its progress, and its other lines."""
    lines: list[str] = []
    progress: list[float] = []
    watch = Watch(progress.append, lines.append, lambda: cancelled(lines))
    command = [sys.executable, "-c", dedent(script)]
    return run(command, watch, clean_environment(os.environ), **options), progress, lines


def test_lines_and_progress_of_the_program_come_apart_and_its_output_is_returned() -> None:
    output, progress, lines = child("""
        import sys
        print("grün", file=sys.stderr)
        print("progress 1/4\\nprogress 4/4", file=sys.stderr)
        print("progress is good", file=sys.stderr)
        print("ä" * 100_000)
    """)
    assert (progress, lines) == ([25, 100], ["grün", "progress is good"])
    assert output == "ä" * 100_000 + os.linesep


def test_lines_come_while_the_program_runs() -> None:
    """It ends only once its first line has been seen, and would be killed otherwise."""
    with pytest.raises(CancelledError):
        child(
            """
            import sys, time
            print("ready", file=sys.stderr)
            time.sleep(600)
            """,
            cancelled=lambda lines: lines == ["ready"],
        )


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (
            "import sys; print('Usage: x\\nError: scene.tif: no georeference', file=sys.stderr); sys.exit(1)",
            "scene.tif",
        ),
        ("raise ZeroDivisionError('nothing left')", "ended with exit code 1: ZeroDivisionError: nothing left"),
        ("import os; os.kill(os.getpid(), 9)", "ended by signal 9: it said nothing"),
    ],
)
def test_a_program_that_fails_says_why(script: str, message: str) -> None:
    with pytest.raises(FailedError, match=f"^{message}"):
        child(script)


def test_a_program_that_is_missing_is_named() -> None:
    watch = Watch(print, print, lambda: False)
    with pytest.raises(FailedError, match="no/such: can not be started: No such file"):
        run(["/no/such"], watch, {})


def test_a_program_that_does_not_end_when_asked_is_killed_with_all_that_it_has_started() -> None:
    seen: list[str] = []

    def cancelled(lines: list[str]) -> bool:
        nonlocal seen
        seen = lines
        return len(lines) > 0

    with pytest.raises(CancelledError):
        child(
            """
            import signal, subprocess, sys, time
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # and so does what it starts
            other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            print(other.pid, file=sys.stderr)
            time.sleep(600)
            """,
            cancelled,
            patience=0.3,
        )
    assert seen[1:] == ["It had not ended after 0.3 s and was killed."]
    assert ends(int(seen[0]))


def ends(pid: int) -> bool:
    """Whether the process is gone, or about to go."""
    end = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def test_a_program_that_was_asked_to_end_when_its_work_was_done_has_not_been_cancelled() -> None:
    output, _, _ = child(
        """
        import sys, time
        print("all is written", flush=True)
        print("ready", file=sys.stderr)
        time.sleep(600)
        """,
        cancelled=lambda lines: lines == ["ready"],
    )
    assert output.strip() == "all is written"


def test_an_error_of_who_looks_on_ends_the_program() -> None:
    def fail(lines: list[str]) -> bool:
        if lines:
            raise ZeroDivisionError(lines[0])
        return False

    with pytest.raises(ZeroDivisionError) as error:
        child("import os, sys, time; print(os.getpid(), file=sys.stderr); time.sleep(600)", fail)
    assert ends(int(str(error.value)))


@pytest.mark.parametrize(
    ("setting", "variable", "command"),
    [
        ("/opt/sar/bin/sartranslate", "/other", ["/opt/sar/bin/sartranslate"]),
        (" /opt/sar/bin/python3.12 ", "", ["/opt/sar/bin/python3.12", "-c", MAIN]),
        (r"C:\Program Files\sar\pythonw.exe", "", [r"C:\Program Files\sar\pythonw.exe", "-c", MAIN]),
        ("", "/opt/python-tools/sartranslate", ["/opt/python-tools/sartranslate"]),
        (None, "", ["/usr/bin/sartranslate"]),
        (r'"C:\sar\python.exe"', "", [r"C:\sar\python.exe", "-c", MAIN]),
        ("~no such user/sartranslate", "", ["~no such user/sartranslate"]),
    ],
)
def test_the_setting_goes_before_the_variable_and_that_before_the_path(
    setting: str | None, variable: str, command: list[str]
) -> None:
    assert program(setting, {"SARTRANSLATE": variable}, lambda name: f"/usr/bin/{name}") == command


def test_without_a_program_the_error_says_where_to_name_one() -> None:
    with pytest.raises(ProgramError, match="Settings, Options, Processing, Providers"):
        program("", {}, lambda name: None)


def test_the_program_gets_nothing_that_qgis_has_set_for_itself() -> None:
    given = {
        "PATH": "/bin",
        "PYTHONHOME": "q",
        "__PYVENV_LAUNCHER__": "q",
        "Proj_Lib": "q",
        "QT_QPA_PLATFORM": "q",
        "SARTRANSLATE_RUNTIME": "keras",
    }
    kept = {"PATH": "/bin", "SARTRANSLATE_RUNTIME": "keras", "PYTHONIOENCODING": "utf-8"}
    assert clean_environment(given) == kept


def test_the_zip_is_the_same_each_time_and_holds_the_licence_and_no_leftovers(tmp_path: Path) -> None:
    package(tmp_path / "one.zip")
    package(tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with ZipFile(tmp_path / "one.zip") as archive:
        names = archive.namelist()
        assert archive.read(f"{PLUGIN}/LICENSE") == (ROOT / "LICENSE").read_bytes()
    files = [path.relative_to(ROOT / "qgis") for path in (ROOT / "qgis" / PLUGIN).rglob("*") if path.is_file()]
    wanted = {path.as_posix() for path in files if path.parent.name != "__pycache__"}
    assert set(names) == wanted | {f"{PLUGIN}/LICENSE"}


def test_the_metadata_has_what_the_plugin_site_asks_for_and_the_version_of_the_package() -> None:
    metadata = configparser.ConfigParser()
    metadata.read(ROOT / "qgis" / PLUGIN / "metadata.txt", encoding="utf-8")
    general = metadata["general"]
    needed = ("name", "qgisMinimumVersion", "description", "about", "author", "email", "repository", "tracker")
    assert all(general[name] for name in needed)
    assert (general["version"], general["hasProcessingProvider"]) == (__version__, "yes")
    assert (ROOT / "qgis" / PLUGIN / general["icon"]).is_file()


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh profile of QGIS with the plugin from its zip."""
    if not shutil.which("qgis_process.bin"):
        pytest.skip("no qgis_process.bin (Debian: apt-get install qgis)")
    folder = tmp_path_factory.mktemp("profile")
    package(folder / "plugin.zip")
    with ZipFile(folder / "plugin.zip") as archive:
        archive.extractall(folder / "profiles" / "default" / "python" / "plugins")
    write_settings(folder)
    write_program(folder / "sartranslate")
    return folder


def write_settings(profile: Path, **processing: str) -> None:
    """The plugin is switched on, and layers have the names that algorithms give them."""
    file = profile / "profiles" / "default" / "QGIS" / "QGIS3.ini"
    file.parent.mkdir(exist_ok=True)
    processing = {"PREFER_FILENAME_AS_LAYER_NAME": "false", **processing}
    lines = [f"Configuration\\{name}={value}" for name, value in processing.items()]
    file.write_text("\n".join(["[PythonPlugins]", f"{PLUGIN}=true", "[Processing]", *lines, ""]))


def write_program(path: Path) -> None:
    """The command line of this checkout as an installed command, which keeps what is finished however fast it was."""
    lines = [
        f"#!{sys.executable}",
        "import sys",
        f"sys.path.insert(0, {str(ROOT)!r})",
        "from cli import main",
        "from sartranslate.storage.journal import Journal",
        "Journal.worthwhile = True",
        "main()",
    ]
    path.write_text("\n".join(lines))
    path.chmod(0o755)


def called(profile: Path, *command: object) -> subprocess.CompletedProcess[str]:
    words = list(map(str, command))
    return subprocess.run(words, env=settings(profile), capture_output=True, text=True, timeout=300, cwd=profile)


def settings(profile: Path) -> dict[str, str]:
    """Without the tests' own environment on the path: QGIS would take its Python's library for that of the system."""
    own = {
        "PATH": "/usr/bin:/bin",
        "QGIS_CUSTOM_CONFIG_PATH": str(profile),
        "SARTRANSLATE": str(profile / "sartranslate"),
    }
    return environment(QT_QPA_PLATFORM="offscreen", **own)


@pytest.fixture
def process(profile: Path) -> Command:
    """Run an algorithm by `qgis_process`."""

    def runs(algorithm: str, **parameters: object) -> subprocess.CompletedProcess[str]:
        return called(profile, *run_command(algorithm, **parameters))

    return runs


def run_command(algorithm: str, **parameters: object) -> list[str]:
    values = [f"{name}={value}" for name, value in parameters.items()]
    return ["qgis_process.bin", "--json", "run", f"sartranslate:{algorithm}", "--", *values]


@pytest.fixture
def desktop(profile: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Run an algorithm as the window of QGIS does, with results loaded, and cancel it where `enough` is done.

    In the same session, a run with other values may go `before`.
    """

    def runs(
        algorithm: str, enough: float = 101, before: dict[str, object] | None = None, **parameters: object
    ) -> dict[str, Any]:
        images = tmp_path / "images"
        images.mkdir(exist_ok=True)
        script, name = Path(__file__).with_name("qgis_plugin_run.py"), f"sartranslate:{algorithm}"
        text = json.dumps([parameters | before, parameters] if before else parameters, default=str)
        done = called(profile, SYSTEM_PYTHON, script, name, text, images, str(enough))
        assert done.returncode == 0, done.stderr
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    return runs


@pytest.fixture
def scene(write_scene: WriteScene, amplitudes: NDArray[np.uint16]) -> Path:
    return write_scene("scene.tif", amplitudes, names=("VH",))


def test_the_zip_installs_and_gives_three_algorithms(profile: Path) -> None:
    listed = called(profile, "qgis_process.bin", "list")
    for entry in ("translate\tTranslate SAR to RGB", "inspect\tInspect SAR scene", "pairs\tMake training pairs"):
        assert f"sartranslate:{entry}\n" in listed.stdout


OPTIONS = """
import json, sys
sys.path += [{processing!r}, {plugins!r}]
from sartranslate_qgis.inspect_scene import InspectScene
from sartranslate_qgis.training_pairs import TrainingPairs
from sartranslate_qgis.translate import Translate
found = {{}}
for algorithm in (Translate(), InspectScene(), TrainingPairs()):
    algorithm.initAlgorithm()
    passed = [definition.metadata().get("option") for definition in algorithm.parameterDefinitions()]
    found[algorithm.name()] = [option for option in passed if option]
print(json.dumps(found))
"""


@pytest.mark.long
def test_every_parameter_is_an_option_that_the_command_has(profile: Path) -> None:
    plugins = profile / "profiles" / "default" / "python" / "plugins"
    script = OPTIONS.format(processing="/usr/share/qgis/python/plugins", plugins=str(plugins))
    listed = json.loads(called(profile, SYSTEM_PYTHON, "-c", script).stdout)
    commands = {"translate": "infer", "inspect": "inspect", "pairs": "pairs"}
    assert listed.keys() == commands.keys()
    for algorithm, options in listed.items():
        known = {
            text
            for option in main.commands[commands[algorithm]].params
            for text in (*option.opts, *option.secondary_opts)
        }
        assert len(options) >= 6
        assert set(options) <= known


def extent(bounds: tuple[float, ...]) -> str:
    west, south, east, north = bounds
    return f"{west},{east},{south},{north} [EPSG:32632]"


@pytest.mark.long
def test_translate_writes_the_bytes_of_the_command_line(
    profile: Path, process: Command, sartranslate: Run, scene: Path, tmp_path: Path, tiny_model: Path
) -> None:
    options = {"COMPRESS": "deflate", "UNIT": "power", "PRECISION": "float32"}
    out, spread = tmp_path / "out.tif", tmp_path / "spread.tif"
    names = {"SCENE": scene, "OUTPUT": out, "UNCERTAINTY": spread, "MODEL": tiny_model}
    relative = {name: os.path.relpath(path, profile) for name, path in names.items()}
    done = process("translate", EXTENT=extent(AREA), **relative, **options)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert "linear backscatter (as told)" in report["results"]["SUMMARY"]
    expected = [tmp_path / "expected.tif", tmp_path / "expected_spread.tif"]
    words = [word for name, value in options.items() for word in (f"--{name.lower()}", value)]
    box = ("--bbox", *AREA, "--aoi-crs", "EPSG:32632")
    command = ("infer", scene, expected[0], "--uncertainty", expected[1], "--model", tiny_model, *words, *box)
    assert sartranslate(*command).exit_code == 0
    assert [out.read_bytes(), spread.read_bytes()] == [path.read_bytes() for path in expected]
    style = ROOT / "qgis" / PLUGIN / "styles" / "uncertainty.qml"
    assert spread.with_suffix(".qml").read_bytes() == style.read_bytes()
    assert not out.with_suffix(".qml").exists()


@pytest.mark.long
def test_results_are_loaded_with_name_and_style_and_progress_is_shown(
    desktop: Callable[..., dict[str, Any]], scene: Path, tiny_model: Path
) -> None:
    out = scene.with_name("out.tif")
    outputs = {"OUTPUT": out, "UNCERTAINTY": "TEMPORARY_OUTPUT"}
    report = desktop("translate", SCENE=scene, BATCH=1, MODEL=tiny_model, **outputs)
    assert report["error"] is None
    assert report["progress"][:4] == [25, 50, 75, 100]
    rgb, spread = report["layers"]
    assert (rgb["name"], spread["name"]) == ("scene, synthetic RGB", "scene, uncertainty")
    assert (rgb["renderer"], spread["renderer"]) == ("multibandcolor", "singlebandpseudocolor")
    assert spread["legend"][-1] == "0 grey levels .. 64 grey levels or more"
    with quiet(), rasterio.open(rgb["image"]) as shown, rasterio.open(out) as file:
        np.testing.assert_array_equal(shown.read([1, 2, 3]), file.read())
    assert "windows" in report["log"]


@pytest.mark.long
def test_a_second_run_in_a_session_that_replaces_what_is_loaded_shows_what_is_there_now(
    desktop: Callable[..., dict[str, Any]], scene: Path, tiny_model: Path
) -> None:
    out = scene.with_name("out.tif")
    other = {"EXTENT": extent((502_000, 5_297_500, 503_000, 5_298_500))}
    report = desktop("translate", SCENE=scene, MODEL=tiny_model, OUTPUT=out, EXTENT=extent(AREA), before=other)
    assert report["error"] is None
    (layer,) = report["layers"]
    assert (layer["name"], layer["renderer"]) == ("scene, synthetic RGB", "multibandcolor")
    with quiet(), rasterio.open(layer["image"]) as shown, rasterio.open(out) as file:
        valid = file.dataset_mask() > 0
        np.testing.assert_array_equal(shown.read([1, 2, 3])[:, valid], file.read()[:, valid])


MODEL = """
import json, os, sys
sys.path.insert(0, {tests!r})
from qgis_plugin_run import started
application, plugin = started()
import processing
from qgis.core import (QgsProcessingContext, QgsProcessingFeedback, QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm, QgsProcessingModelChildParameterSource, QgsProcessingModelOutput, QgsProject)
model = QgsProcessingModelAlgorithm("two", "tests")
for name in ("one", "other"):
    step = QgsProcessingModelChildAlgorithm("sartranslate:translate")
    step.setChildId(name)
    for parameter, value in json.loads({values!r}).items():
        step.addParameterSources(parameter, [QgsProcessingModelChildParameterSource.fromStaticValue(value)])
    output = QgsProcessingModelOutput(f"Picture {{name}}")
    output.setChildId(name)
    output.setChildOutputName("OUTPUT")
    step.setModelOutputs({{output.name(): output}})
    model.addChildAlgorithm(step)
model.initAlgorithm()
context, feedback = QgsProcessingContext(), QgsProcessingFeedback(False)
context.setProject(QgsProject.instance())
outputs = {{each.name(): "TEMPORARY_OUTPUT" for each in model.destinationParameterDefinitions()}}
try:
    processing.runAndLoadResults(model, outputs, feedback, context)
    layers = QgsProject.instance().mapLayers().values()
    print(json.dumps(sorted((layer.name(), layer.renderer().type()) for layer in layers)))
except Exception as error:
    print(json.dumps(str(error) + feedback.textLog()))
del context  # and with it all that it owns
QgsProject.instance().clear()
plugin.unload()
application.exitQgis()
"""


def run_model(profile: Path, **values: object) -> Any:
    """Of two steps that are the same translation: names and renderers of their layers, or the error and the log."""
    script = MODEL.format(tests=str(Path(__file__).parent), values=json.dumps(values, default=str))
    done = called(profile, SYSTEM_PYTHON, "-c", script)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.long
def test_two_results_of_a_model_keep_the_names_that_it_gives_them(profile: Path, scene: Path, tiny_model: Path) -> None:
    layers = run_model(profile, SCENE=str(scene), MODEL=tiny_model, EXTENT=extent(AREA))
    assert layers == [["Picture one", "multibandcolor"], ["Picture other", "multibandcolor"]]


@pytest.mark.long
def test_two_areas_are_refused_in_a_model_too(profile: Path, scene: Path, tiny_model: Path, tmp_path: Path) -> None:
    area = write_polygons(tmp_path / "area.gpkg")
    error = run_model(profile, SCENE=str(scene), MODEL=tiny_model, EXTENT=extent(AREA), AREA=str(area))
    assert "An extent and a polygon layer are both given" in error


@pytest.mark.long
def test_a_crs_that_is_set_in_qgis_alone_is_refused(desktop: Callable[..., dict[str, Any]], scene: Path) -> None:
    layer = {"provider": "gdal", "source": str(scene), "name": "scene", "crs": "EPSG:32633"}
    report = desktop("translate", SCENE=layer, OUTPUT="TEMPORARY_OUTPUT")
    assert "scene: its CRS is set in QGIS alone" in report["error"]


@pytest.mark.long
def test_the_style_of_an_uncertainty_is_not_laid_beside_another_raster_of_that_name(
    process: Command, scene: Path, tiny_model: Path, tmp_path: Path
) -> None:
    outputs = {"OUTPUT": tmp_path / "out.tif", "UNCERTAINTY": tmp_path / "out.tiff"}
    done = process("translate", SCENE=scene, MODEL=tiny_model, EXTENT=extent(AREA), **outputs)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "out.qml").exists()


@pytest.mark.long
def test_selected_polygons_are_the_area_of_interest(
    desktop: Callable[..., dict[str, Any]], sartranslate: Run, scene: Path, tmp_path: Path, tiny_model: Path
) -> None:
    area = write_polygons(tmp_path / "area.gpkg")
    selection = {"layer": str(area), "select": [1, len(POLYGONS) + 1]}
    report = desktop("translate", SCENE=scene, AREA=selection, MODEL=tiny_model, OUTPUT=tmp_path / "out.tif")
    assert report["error"] is None
    expected = tmp_path / "expected.tif"
    wkt = ("--aoi", POLYGONS[0], "--aoi-crs", "EPSG:32632")
    assert sartranslate("infer", scene, expected, "--model", tiny_model, *wkt).exit_code == 0
    assert (tmp_path / "out.tif").read_bytes() == expected.read_bytes()


def write_polygons(path: Path, crs: str | None = "EPSG:32632", texts: Sequence[str] = POLYGONS) -> Path:
    """And a feature without geometry, which is no polygon."""
    geometries = np.array([*(shapely.to_wkb(shapely.from_wkt(text)) for text in texts), None], dtype=object)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "'crs' was not provided")
        pyogrio.raw.write(path, geometries, [], [], geometry_type="Polygon", crs=crs)
    return path


@pytest.mark.long
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"SCENE": "plain.tif"}, "plain.tif: no georeference"),
        ({"EXTENT": extent((0, 0, 10, 10))}, "the area is within longitude 4.5113"),
        ({"EXTENT": extent(AREA), "AREA": "area.gpkg"}, "An extent and a polygon layer are both given"),
        ({"AREA": "lost.shp"}, "lost: a layer without CRS; set one in its properties"),
        ({"AREA": "empty.gpkg"}, "empty: no polygons, or none that is selected"),
        ({"NODATA": "none"}, "NODATA 'none': expected a number"),
        ({"OVERLAP": 256}, "overlap 256"),
        ({"OUTPUT": "scene.tif"}, "is (part of) the scene itself"),
    ],
)
def test_what_can_not_be_translated_is_refused_in_the_words_of_the_command_line(
    process: Command, scene: Path, write_scene: WriteScene, tiny_model: Path, changes: dict[str, Any], message: str
) -> None:
    folder = scene.parent
    write_scene("plain.tif", np.ones((300, 300, 1), np.uint16), crs=None, transform=None)
    write_polygons(folder / "area.gpkg")
    write_polygons(folder / "lost.shp", crs=None)
    write_polygons(folder / "empty.gpkg", texts=())
    given = {"SCENE": "scene.tif", "OUTPUT": "out.tif", "MODEL": tiny_model, **changes}
    files = ("SCENE", "OUTPUT", "AREA")
    done = process("translate", **{name: folder / value if name in files else value for name, value in given.items()})
    assert done.returncode != 0
    assert message in done.stderr
    assert not (folder / "out.tif").exists()


@pytest.mark.long
def test_a_layer_that_is_no_file_of_gdal_is_refused(desktop: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    wms = {"provider": "wms", "source": "type=xyz&url=file:///none/{z}/{x}/{y}.png&zmax=1&zmin=0", "name": "tiles"}
    report = desktop("translate", SCENE=wms, OUTPUT=tmp_path / "out.tif")
    assert "tiles: a layer of wms, expected a raster file that GDAL reads" in report["error"]


@pytest.mark.long
def test_without_sartranslate_the_error_says_where_to_name_it(profile: Path, scene: Path, tmp_path: Path) -> None:
    command = (
        f"SARTRANSLATE= PATH=/usr/bin:/bin qgis_process.bin run sartranslate:inspect -- SCENE={scene} OUTPUT=x.html"
    )
    done = called(profile, "bash", "-c", command)
    assert done.returncode != 0
    assert "sartranslate was not found. Under Settings" in done.stderr


@pytest.mark.long
def test_a_python_without_sartranslate_is_told_apart(profile: Path, scene: Path) -> None:
    command = f"SARTRANSLATE={SYSTEM_PYTHON} qgis_process.bin run sartranslate:inspect -- SCENE={scene} OUTPUT=x.html"
    done = called(profile, "bash", "-c", command)
    assert done.returncode != 0
    assert "No module named 'sartranslate'. Under Settings" in done.stderr


@pytest.mark.long
def test_the_setting_of_processing_names_the_program(profile: Path, scene: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(profile, tmp_path / "profile"))
    program = (other / "sartranslate").rename(other / "another name")
    write_settings(other, SARTRANSLATE_PROGRAM=str(program))
    done = called(other, *run_command("inspect", SCENE=scene, OUTPUT=tmp_path / "page.html"))
    assert done.returncode == 0, done.stderr
    assert f"'{program}' inspect {scene}" in json.loads(done.stdout)["log"]["info"][0]


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_qgis_that_ends_takes_the_program_with_it(profile: Path, tmp_path: Path, number: signal.Signals) -> None:
    simulate(tmp_path, SimulationOptions(pairs=0, scene=(1500, 700)))
    out, spread = tmp_path / "out.tif", tmp_path / "spread.tif"
    command = run_command("translate", SCENE=tmp_path / "scene.tif", OUTPUT=out, UNCERTAINTY=spread, BATCH=1)
    command.remove("--json")  # with which QGIS 3.22 does not hear an interrupt
    with subprocess.Popen(command, env=settings(profile), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as qgis:
        while not (tmp_path / ".out.tif.part" / "strips").exists():
            assert qgis.poll() is None
            time.sleep(0.05)
        programs = psutil.Process(qgis.pid).children(recursive=True)
        qgis.send_signal(number)
        qgis.communicate(timeout=90)
    assert len(programs) == 1
    assert ends(programs[0].pid)
    assert qgis.returncode != 0
    assert not out.exists()


@pytest.mark.long
def test_a_cancelled_translation_ends_and_the_next_one_goes_on(
    desktop: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    simulate(tmp_path, SimulationOptions(pairs=0, scene=(1500, 700)))
    out = tmp_path / "out.tif"
    task = {"SCENE": tmp_path / "scene.tif", "OUTPUT": out, "UNCERTAINTY": tmp_path / "spread.tif", "BATCH": 1}
    cancelled = desktop("translate", enough=60, **task)
    assert "Cancelled; sartranslate has ended." in cancelled["error"]
    assert "the same command goes on with them" in cancelled["log"]
    assert cancelled["progress"][-1] < 100
    assert not any(str(out) in " ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"]))
    assert not out.exists()
    again = desktop("translate", **task)
    assert again["progress"][0] > 40
    assert "rows by an earlier run" in again["results"]["SUMMARY"]
    assert out.exists()


@pytest.mark.long
def test_inspect_gives_a_page_and_numbers(process: Command, scene: Path, tmp_path: Path) -> None:
    page, numbers = tmp_path / "page.html", tmp_path / "numbers.json"
    done = process("inspect", SCENE=scene, OUTPUT=page, JSON=numbers, BANDS=1, UNIT="power")
    assert done.returncode == 0, done.stderr
    report = json.loads(numbers.read_text())
    assert (report["width"], report["height"], report["unit"]) == (420, 300, "power")
    assert "<td>420 x 300 px</td>" in page.read_text()


@pytest.mark.long
def test_a_report_and_its_numbers_in_one_file_are_refused(process: Command, scene: Path, tmp_path: Path) -> None:
    done = process("inspect", SCENE=scene, OUTPUT=tmp_path / "page.html", JSON=tmp_path / "page.html", BANDS=1)
    assert "named for the report and for its numbers" in done.stderr
    assert not (tmp_path / "page.html").exists()


@pytest.mark.long
def test_a_report_that_can_not_be_written_is_said_in_one_line(process: Command, scene: Path, tmp_path: Path) -> None:
    done = process("inspect", SCENE=scene, OUTPUT=tmp_path / "nowhere" / "page.html", BANDS=1)
    assert done.returncode != 0
    assert "nowhere/page.html: No such file or directory" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.long
def test_pairs_are_made_and_their_index_is_loaded_by_split(
    desktop: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    simulate(tmp_path, SimulationOptions(pairs=0, scene=(900, 1200), truth=True))
    options = {"TILE": 64, "BLOCK": 1000, "GUARD": 0, "TRAIN": 0.5, "VAL": 0.25, "TEST": 0.25}
    folder = tmp_path / "region"
    report = desktop(
        "pairs", SAR=tmp_path / "scene.tif", OPTICAL=tmp_path / "scene_optical.tif", OUTPUT=folder, **options
    )
    assert report["error"] is None
    assert report["progress"][-1] == 100
    (index,) = report["layers"]
    assert (index["name"], index["renderer"]) == ("region, training pairs", "categorizedSymbol")
    assert index["legend"][-3:] == ["training", "validation", "test"]
    assert len(list(folder.glob("train/sar/*.tif"))) > len(list(folder.glob("test/sar/*.tif"))) > 0
    names = {"SAR": tmp_path / "scene.tif", "OPTICAL": tmp_path / "scene_optical.tif", "OUTPUT": folder}
    assert desktop("pairs", LOAD_INDEX=False, OVERWRITE=True, **names, **options)["layers"] == []
