"""The page of a comparison holds all it shows, allows nothing else, and is written whole or not at all."""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from shutil import copy
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine
from click.testing import Result
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.io import MemoryFile

from sartranslate.backscatter.radiometry import Radiometry
from sartranslate.compare.comparing import compare
from sartranslate.compare.comparison import ComparisonOptions, open_comparison
from sartranslate.compare.comparison_page import ASSETS, comparison_page
from sartranslate.compare.comparison_pictures import draw
from sartranslate.errors import OutputError
from sartranslate.networks.bundle import DEFAULT_MODEL
from sartranslate.pages.page import SYNTHETIC
from sartranslate.rasters.process_wide import quiet
from sartranslate.rasters.raster import moved
from sartranslate.scenes.source import SceneOptions
from sartranslate.streaming.windows import Window
from tests.conftest import TRANSFORM, WriteScene
from tests.html_page import Page
from tests.tile_files import noise

HEIGHT, WIDTH = 300, 420
HOSTILE = "</script><script>alert(1)</script>"
INLINE = (("style", "style"), ('script type="module"', "script"))
NOWHERE = {"crs": None, "transform": Affine.identity()}
Run = Callable[..., Result]


@pytest.fixture
def scene(write_scene: WriteScene, amplitudes: NDArray[np.uint16]) -> Path:
    return write_scene("scene.tif", amplitudes, ("VH",))


@pytest.fixture
def out(write_scene: WriteScene) -> Path:
    return write_scene("out.tif", noise(HEIGHT, WIDTH, seed=1))


def tagged(path: Path, **tags: str) -> Path:
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(**tags)
    return path


def html(scene: Path, out: Path, /, **told: Any) -> str:
    comparison = open_comparison(scene, out, Radiometry(), ComparisonOptions(**told))
    return comparison_page(comparison, draw(comparison))


def facts(text: str) -> dict[str, Any]:
    found = re.findall(r'<script type="application/json" id="facts">(.*?)</script>', text, re.DOTALL)
    assert len(found) == 1
    return dict(json.loads(found[0]))


def told(text: str) -> dict[str, str]:
    """The table of what is shown."""
    return dict(re.findall(r'<th scope="row">([A-Z]\w+)</th><td>(.*?)</td>', text))


def test_a_page_holds_its_pictures_and_says_that_they_are_synthetic(scene: Path, out: Path) -> None:
    page = Page(html(scene, out))
    assert page.text("h1") == page.text("title") == ["scene.tif, translated"]
    assert page.text("p")[1].startswith(SYNTHETIC)
    assert page.text("option") == ["SAR", "Translation (synthetic)"] * 2
    assert [image["alt"] for image in page.all("img")] == ["SAR", "Translation (synthetic)"]


def test_pictures_are_those_of_the_layers(write_scene: WriteScene, amplitudes: NDArray[np.uint16]) -> None:
    amplitudes[:64, :64] = 0
    colours = np.stack(np.broadcast_arrays(*np.ogrid[:HEIGHT, :WIDTH], 99), axis=-1) % 256 // 4 * 3
    scene = write_scene("scene.tif", amplitudes, ("VH",), nodata=0)
    out = write_scene("out.tif", colours.astype(np.uint8))
    sar, translation = (decoded(str(image["src"])) for image in Page(html(scene, out)).all("img"))
    assert (sar[..., 3] == 0).sum() == 64 * 64
    assert (sar[:64, :64, 3] == 0).all()
    assert abs(translation.astype(float) - colours).mean() < 4  # coded with loss


def decoded(source: str) -> NDArray[np.uint8]:
    header, content = source.split(",")
    assert header == "data:image/webp;base64"
    with quiet(), MemoryFile(b64decode(content)) as file, file.open() as picture:
        return np.moveaxis(picture.read(), 0, -1)


def test_nothing_may_run_or_load_but_what_the_policy_names(scene: Path, out: Path) -> None:
    text = html(scene, out)
    page = Page(text)
    (policy,) = [meta["content"] for meta in page.all("meta") if meta.get("http-equiv")]
    inline = [re.findall(f"<{tag}>(.*?)</{end}>", text, re.DOTALL) for tag, end in INLINE]
    style, script = (b64encode(sha256(content.encode()).digest()).decode() for (content,) in inline)
    assert policy == f"default-src 'none'; img-src data:; style-src 'sha256-{style}'; script-src 'sha256-{script}'"
    names = {name for _, attributes in page.elements for name in attributes}
    assert not [name for name in names if name == "style" or name.startswith("on")]
    assert not re.search("https?:", text)


def test_every_named_element_exists_once(scene: Path, out: Path) -> None:
    page = Page(html(scene, out))
    names = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(names) == len(set(names))
    sought = set(re.findall(r'find\("([^"]+)"\)', (ASSETS / "compare.js").read_text(encoding="utf-8")))
    assert sought - {*names} == {"legend"}  # only an uncertainty has one


def test_the_script_knows_the_grid(scene: Path, out: Path) -> None:
    known = facts(html(scene, out, size=105))
    assert (known["height"], known["width"], known["step"]) == (HEIGHT, WIDTH, 4)
    assert known["transform"] == list(TRANSFORM)[:6]
    assert known["crs"] == "EPSG:32632"
    assert known["metres"] == pytest.approx(10, rel=1e-3)
    assert (known["mapDigits"], known["degreeDigits"]) == (1, 7)


@pytest.mark.parametrize(
    ("size", "sentence"),
    [
        (2000, "1 px here = 1 px of the scene."),
        (105, "1 px here = 4 px of the scene: the mean of those that are valid in a block of 4 x 4."),
    ],
)
def test_the_size_of_a_pixel_is_said(scene: Path, out: Path, size: int, sentence: str) -> None:
    assert Page(html(scene, out, size=size)).text("p")[1] == f"{SYNTHETIC} {sentence}"


def test_it_is_told_where_the_pictures_come_from(scene: Path, out: Path) -> None:
    tags = {"SARTRANSLATE_MODEL": "coast", "SARTRANSLATE_COMPUTED": "by keras", "SARTRANSLATE_SOURCE": "scene.tif"}
    text = html(scene, tagged(out, **tags))
    assert told(text)["Translation"] == "out.tif, coast, computed by keras"
    assert told(text)["SAR"].startswith("band 1 (VH) read as amplitude (uint16 digital numbers), ")
    assert "warnings" not in {attributes.get("class") for attributes in Page(text).all("section")}


@pytest.mark.parametrize(
    ("tags", "warning"),
    [
        ({}, "out.tif has no tags of sartranslate: nothing says how it was made."),
        ({"SARTRANSLATE_SOURCE": "coast.tif"}, "out.tif was made of coast.tif, and SAR is scene.tif here."),
        ({"SARTRANSLATE_SCALING": "decibels, -25..0"}, "out.tif was made of SAR read as decibels, -25..0; here it is "),
    ],
)
def test_what_does_not_fit_is_a_warning(scene: Path, out: Path, tags: dict[str, str], warning: str) -> None:
    told = {"SARTRANSLATE_MODEL": "coast", **tags} if tags else {}
    (found,) = Page(html(scene, tagged(out, **told))).text("li")
    assert found.startswith(warning)


@pytest.mark.parametrize(
    ("tags", "warning"),
    [
        ({}, "spread.tif has no tags of an uncertainty of sartranslate: nothing says what its values are."),
        ({"SARTRANSLATE_SPREAD": "8 samples", "SARTRANSLATE_MODEL": "coast"}, ""),
        (
            {"SARTRANSLATE_SPREAD": "8 samples", "SARTRANSLATE_MODEL": "woods"},
            "spread.tif is of woods, and out.tif of coast.",
        ),
        (
            {"SARTRANSLATE_SPREAD": "8 samples", "SARTRANSLATE_SOURCE": "other.tif"},
            "spread.tif is of other.tif, and out.tif of scene.tif.",
        ),
    ],
)
def test_an_uncertainty_that_is_of_something_else_is_a_warning(
    scene: Path, out: Path, write_scene: WriteScene, tags: dict[str, str], warning: str
) -> None:
    made = tagged(out, SARTRANSLATE_MODEL="coast", SARTRANSLATE_SOURCE="scene.tif")
    spread = tagged(write_scene("spread.tif", noise(HEIGHT, WIDTH, 1)), **tags)
    assert Page(html(scene, made, uncertainty=spread)).text("li") == ([warning] if warning else [])


def test_without_a_script_nothing_is_shown_that_needs_one(scene: Path, out: Path, write_scene: WriteScene) -> None:
    spread = write_scene("spread.tif", noise(HEIGHT, WIDTH, 1))
    page = Page(html(scene, out, uncertainty=spread))
    hidden = {
        attributes.get("id") or attributes.get("class")
        for name in ("div", "span")
        for attributes in page.all(name)
        if "hidden" in attributes
    }
    assert {"tools", "left-name", "right-name", "divider", "scale", "legend", "failure"} <= hidden


def test_a_part_says_where_it_lies_in_its_scene(scene: Path, write_scene: WriteScene) -> None:
    window = Window(20, 30, 100, 160)
    part = write_scene("part.tif", noise(100, 160), transform=moved(TRANSFORM, window))
    text = html(scene, part)
    assert told(text)["Scene"] == "scene.tif, of its 300 x 420 pixels (rows x columns) those from row 20, column 30 on"
    assert facts(text)["transform"] == [10, 0, 500_300, 0, -10, 5_299_800]


def test_pixel_coordinates_are_all_that_a_scene_without_georeference_has(
    write_scene: WriteScene, amplitudes: NDArray[np.uint16]
) -> None:
    scene, out = write_scene("a.tif", amplitudes, **NOWHERE), write_scene("b.tif", noise(HEIGHT, WIDTH), **NOWHERE)
    text = html(scene, out, scene=SceneOptions(allow_ungeoreferenced=True))
    assert [facts(text)[name] for name in ("crs", "nodes", "metres", "degreeDigits")] == [None] * 4
    assert told(text)["Coordinates"] == "row and column of the translation, counted from 0"


def test_names_from_files_are_text_and_nothing_else(write_scene: WriteScene, amplitudes: NDArray[np.uint16]) -> None:
    local = {"crs": CRS.from_wkt(f'LOCAL_CS["{HOSTILE}",UNIT["metre",1]]')}
    scene, out = write_scene("a&<b>.tif", amplitudes, **local), write_scene("b.tif", noise(HEIGHT, WIDTH), **local)
    text = html(scene, tagged(out, SARTRANSLATE_MODEL=HOSTILE, SARTRANSLATE_SOURCE=HOSTILE))
    page = Page(text)
    assert page.text("h1") == ["a&<b>.tif, translated"]
    assert [script["type"] for script in page.all("script")] == ["application/json", "module"]
    assert facts(text)["crs"] == HOSTILE
    assert facts(text)["nodes"] is None
    assert told(text)["Coordinates"].endswith("counted from 0; x, y of the middle of that pixel")
    assert "The grid has no longitudes and latitudes." in page.text("li")


def test_one_line_says_what_was_written(sartranslate: Run, scene: Path, out: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = sartranslate("compare", scene, out, page, "--size", 105)
    megabytes = page.stat().st_size / 1e6
    assert done.output == (
        f"{page}: SAR, Translation; 420 x 300 px of the scene, 1 px of the page = 4 of them, {megabytes:.1f} MB\n"
    )
    again = sartranslate("compare", scene, out, page, "--overwrite", "--json")
    assert json.loads(again.output)["bytes"] == page.stat().st_size


def test_bands_are_files_as_of_infer(sartranslate: Run, scene: Path, out: Path, tmp_path: Path) -> None:
    done = sartranslate("compare", "--band", f"VV={scene}", out, tmp_path / "page.html")
    assert done.exit_code == 0
    assert told((tmp_path / "page.html").read_text())["SAR"].startswith("band 1 (VV)")


def test_what_is_there_is_kept_unless_it_may_be_replaced(
    sartranslate: Run, scene: Path, out: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    page.write_text("precious")
    refused = sartranslate("compare", scene, out, page)
    assert (refused.exit_code, refused.output) == (1, f"Error: {page}: exists already; --overwrite replaces it\n")
    assert page.read_text() == "precious"
    truth, model = copy(out, tmp_path / "truth.tif"), copy(DEFAULT_MODEL, tmp_path / "model.safetensors")
    before = {path: path.read_bytes() for path in (scene, out, truth, model)}
    for path in before:
        spoilt = sartranslate("compare", scene, out, path, "--truth", truth, "--model", model, "--overwrite")
        assert spoilt.exit_code == 1
        assert re.search("is what is compared|part of. the scene", spoilt.output)
    assert {path: path.read_bytes() for path in before} == before


def test_what_a_virtual_raster_is_made_of_is_never_replaced(
    sartranslate: Run, scene: Path, out: Path, tmp_path: Path
) -> None:
    truth, virtual = copy(out, tmp_path / "truth.tif"), {}
    for path in (out, truth):
        virtual[path] = path.with_suffix(".vrt")
        rasterio.shutil.copy(path, virtual[path], driver="VRT")
    before = {path: path.read_bytes() for path in virtual}
    for path in virtual:
        spoilt = sartranslate("compare", scene, virtual[out], path, "--truth", virtual[truth], "--overwrite")
        assert spoilt.output == f"Error: {path}: is what is compared, expected another file name\n"
    assert {path: path.read_bytes() for path in virtual} == before


def test_a_page_that_someone_else_has_made_meanwhile_is_kept(scene: Path, out: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"

    def write(done: int, planned: int) -> None:
        page.write_text("theirs")

    with pytest.raises(OutputError, match="was made by someone else meanwhile"):
        compare(scene, out, page, Radiometry(), watch=write)
    assert page.read_text() == "theirs"
    assert {path.name for path in tmp_path.iterdir()} == {"scene.tif", "out.tif", "page.html"}


def test_what_goes_wrong_is_one_line_and_leaves_no_page(
    sartranslate: Run, scene: Path, out: Path, tmp_path: Path, write_scene: WriteScene
) -> None:
    page, small = tmp_path / "page.html", write_scene("small.tif", noise(100, 100))
    for arguments in (
        (scene, scene, page),
        (small, out, page),
        (scene, out, page, "--truth", small),
        (scene, out, tmp_path / "missing" / "page.html"),
        (scene, tmp_path / "missing.tif", page),
        (scene, out, page, "--bidx", 2),
    ):
        failed = sartranslate("compare", *arguments)
        assert failed.exit_code == 1
        assert failed.output.startswith("Error: ")
        assert failed.output.count("\n") == 1
    assert not page.exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    assert sartranslate("compare", scene, out, page, "--size", 10).exit_code == 2
    useless = sartranslate("compare", scene, out, page, "--subtract-haze")
    assert (useless.exit_code, "are for --truth" in useless.output) == (2, True)
