"""The item beside a translation: valid STAC that tells what the raster tells, there whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import pytest
import rasterio
import shapely
from affine import Affine
from click.testing import Result
from pystac.extensions.projection import ProjectionExtension
from pystac.stac_object import STACObjectType
from pystac.validation.stac_validator import JsonSchemaSTACValidator
from rasterio.crs import CRS

from sartranslate.backscatter.radiometry import Radiometry
from sartranslate.errors import BackendError, OptionError, OutputError, SceneError
from sartranslate.infer.inference import translate
from sartranslate.infer.inference_summary import InferenceSummary
from sartranslate.infer.planning import InferenceOptions, plan
from sartranslate.outputs.stac import reference
from sartranslate.quality.uncertainty import Spread
from sartranslate.runtimes.translator import Translator
from sartranslate.scenes.area_file import bbox_area
from sartranslate.scenes.footprint import scene_footprint
from sartranslate.scenes.scene import open_scene
from sartranslate.scenes.source import SceneOptions
from tests.conftest import TRANSFORM, WriteScene

Run = Callable[..., Result]
STAC = InferenceOptions(window=64, overlap=16, unit="db", stac=True)
DECIBELS = np.random.default_rng(1).normal(-12, 3, (90, 110, 1)).astype(np.float32)
NAMED = "S1A_IW_GRDH_1SDV_20201107T052605_20201107T052631_035143_0419E4_3A2C_VH.tif"


def grey(batch: Any) -> Any:
    return np.repeat(batch[..., :1], 3, axis=-1)


def run(scene: Path | None, out: Path, options: InferenceOptions = STAC, generator: Any = grey) -> InferenceSummary:
    spread = Spread(lambda batch, seeds: grey(batch), 2)
    return translate(plan(scene, out, Radiometry(), options), Translator(generator, spread=spread))


def item_of(scene: Path, options: InferenceOptions = STAC) -> dict[str, Any]:
    """The item of a translation, valid by the schemas of STAC's core."""
    summary = run(scene, scene.with_name("out.tif"), options)
    assert summary.stac == str(scene.with_name("out.json"))
    content: dict[str, Any] = json.loads(Path(summary.stac).read_text())
    core = {**content, "stac_extensions": []}
    JsonSchemaSTACValidator().validate_core(core, STACObjectType.ITEM, "1.1.0", summary.stac)
    return content


def test_it_tells_where_the_raster_lies_and_leads_to_it(write_scene: WriteScene) -> None:
    scene = write_scene("scene.tif", DECIBELS)
    item_of(scene)
    item = pystac.Item.from_file(str(scene.with_name("out.json")))
    asset = item.assets["visual"]
    assert (item.id, asset.roles) == ("out", ["data", "visual"])
    assert asset.media_type == pystac.MediaType.COG
    projection = ProjectionExtension.ext(item)
    with rasterio.open(str(asset.get_absolute_href())) as raster:
        assert projection.code == raster.crs.to_string() == "EPSG:32632"
        assert projection.shape == [*raster.shape]
        assert projection.transform == [*raster.transform[:6]]
        assert projection.bbox == [*raster.bounds]
    outline = scene_footprint(open_scene(scene, None))
    assert item.geometry is not None
    assert shapely.geometry.shape(item.geometry).equals(outline)
    assert item.bbox == [*outline.bounds]


def test_it_tells_that_the_picture_is_synthetic_and_how_it_was_made_as_its_tags_do(write_scene: WriteScene) -> None:
    scene = write_scene("scene.tif", DECIBELS)
    properties = item_of(scene)["properties"]
    with rasterio.open(scene.with_name("out.tif")) as raster:
        tags = raster.tags()
    assert properties["sartranslate:synthetic"] is True
    for name in ("MODEL", "SCALING", "COMPUTED", "SOURCE", "WINDOW"):
        assert properties[f"sartranslate:{name.lower()}"] == tags[f"SARTRANSLATE_{name}"]
    assert properties["description"] == tags["TIFFTAG_IMAGEDESCRIPTION"]
    (software,) = properties["processing:software"].items()
    assert " ".join(software) == tags["TIFFTAG_SOFTWARE"]
    assert properties["processing:level"] == "L4"
    assert "RGB made from SAR backscatter (scene.tif, " in properties["processing:lineage"]


def test_of_an_area_it_has_the_bounds_of_the_cut(write_scene: WriteScene) -> None:
    scene = write_scene("scene.tif", DECIBELS)
    box = (500_205, 5_299_300, 500_800, 5_299_700)
    item = item_of(scene, replace(STAC, area=bbox_area(*box, crs="EPSG:32632")))
    with rasterio.open(scene.with_name("out.tif")) as raster:
        assert item["properties"]["proj:bbox"] == [*raster.bounds]
        assert item["properties"]["proj:shape"] == [*raster.shape] == [40, 59]
    assert shapely.geometry.shape(item["geometry"]).bounds == tuple(item["bbox"])
    assert scene_footprint(open_scene(scene, None)).contains(shapely.box(*item["bbox"]))


def test_across_the_antimeridian_west_is_east_of_east_and_the_geometry_is_cut(write_scene: WriteScene) -> None:
    place = Affine(0.001, 0, 179.95, 0, -0.001, -16)
    item = item_of(write_scene("scene.tif", DECIBELS, crs=CRS.from_epsg(4326), transform=place))
    west, south, east, north = item["bbox"]
    assert [west, south, east, north] == pytest.approx([179.95, -16.09, -179.94, -16])
    assert item["geometry"]["type"] == "MultiPolygon"
    assert shapely.geometry.shape(item["geometry"]).area == pytest.approx(0.09 * 0.11)


def test_a_scene_placed_by_points_has_its_own_outline_and_not_that_of_its_grid(write_gcp_scene: WriteScene) -> None:
    scene = write_gcp_scene("scene.tif", DECIBELS, nodata=-99)
    item = item_of(scene)
    outline = shapely.geometry.shape(item["geometry"])
    assert outline.area < 0.8 * shapely.box(*item["bbox"]).area
    assert outline.equals(scene_footprint(open_scene(scene, None)))


def test_a_crs_without_a_code_is_told_as_text(write_scene: WriteScene) -> None:
    crs = CRS.from_string("+proj=laea +lat_0=47 +lon_0=8 +ellps=GRS80 +units=m")
    properties = item_of(write_scene("scene.tif", DECIBELS, crs=crs))["properties"]
    assert properties["proj:code"] is None
    assert CRS.from_wkt(properties["proj:wkt2"]) == crs


def test_the_time_is_that_in_the_name_of_a_sentinel_1_scene(write_scene: WriteScene) -> None:
    properties = item_of(write_scene(NAMED, DECIBELS))["properties"]
    assert properties["start_datetime"] == "2020-11-07T05:26:05Z"
    assert properties["datetime"] == "2020-11-07T05:26:18Z"
    assert properties["end_datetime"] == "2020-11-07T05:26:31Z"
    assert properties["sartranslate:datetime"] == "told by the name of the scene"


def test_the_time_is_that_of_the_file_and_not_of_a_folder_that_is_named_after_another_one(
    write_scene: WriteScene, tmp_path: Path
) -> None:
    folder = tmp_path / NAMED.replace("20201107", "20191010").removesuffix(".tif")
    folder.mkdir()
    scene = write_scene(NAMED, DECIBELS).rename(folder / NAMED)
    assert item_of(scene)["properties"]["start_datetime"] == "2020-11-07T05:26:05Z"


@pytest.mark.parametrize(
    ("domain", "tag", "text"),
    [
        (None, "TIFFTAG_DATETIME", "2021:03:04 05:06:07"),
        ("IMAGERY", "ACQUISITIONDATETIME", "2021-03-04T05:06:07.123Z"),
        ("IMAGERY", "ACQUISITIONDATETIME", "2021-03-04T07:36:07+02:30"),
    ],
)
def test_else_the_time_is_that_of_a_tag(write_scene: WriteScene, domain: str | None, tag: str, text: str) -> None:
    scene = write_scene("scene.tif", DECIBELS)
    with rasterio.open(scene, "r+") as raster:
        raster.update_tags(ns=domain, **{tag: text})
    properties = item_of(scene)["properties"]
    assert properties["datetime"] == "2021-03-04T05:06:07Z"
    assert properties["sartranslate:datetime"] == f"told by the tag {tag} of the scene"
    assert "start_datetime" not in properties


@pytest.mark.parametrize("name", ["scene.tif", NAMED.replace("20201107", "20201340")])
def test_else_it_is_that_of_the_translation_and_that_is_said(write_scene: WriteScene, name: str) -> None:
    scene = write_scene(name, DECIBELS)
    with rasterio.open(scene, "r+") as raster:
        raster.update_tags(TIFFTAG_DATETIME="0000:00:00 00:00:00")
    before = datetime.now(timezone.utc).replace(microsecond=0)
    properties = item_of(scene)["properties"]
    assert before <= datetime.fromisoformat(properties["datetime"].replace("Z", "+00:00")) <= datetime.now(timezone.utc)
    assert properties["created"] == properties["datetime"]
    assert "time of the translation" in properties["sartranslate:datetime"]


def test_an_uncertainty_is_an_asset_too(write_scene: WriteScene, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    scene = write_scene("scene.tif", DECIBELS)
    assets = item_of(scene, replace(STAC, uncertainty=tmp_path / "more" / "spread.tif"))["assets"]
    assert {name: asset["href"] for name, asset in assets.items()} == {
        "visual": "./out.tif",
        "uncertainty": "./more/spread.tif",
    }
    assert assets["uncertainty"]["roles"] == ["data", "uncertainty"]
    assert [band["name"] for band in assets["visual"]["bands"]] == ["red", "green", "blue"]


def test_it_leads_back_to_the_scene_from_where_it_lies(
    write_scene: WriteScene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_scene("scene.tif", DECIBELS)
    (tmp_path / "made").mkdir()
    monkeypatch.chdir(tmp_path)
    run(Path("scene.tif"), Path("made/out.tif"))
    (link,) = json.loads(Path("made/out.json").read_text())["links"]
    assert link == {"rel": "derived_from", "href": "../scene.tif"}
    both = SceneOptions({"VV": "scene.tif", "VH": str(tmp_path / "scene.tif")})
    run(None, Path("both.tif"), replace(STAC, scene=both))
    links = json.loads(Path("both.json").read_text())["links"]
    assert [link["href"] for link in links] == ["./scene.tif", str(tmp_path / "scene.tif")]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("https://example.com/a/scene.tif", "https://example.com/a/scene.tif"),
        ("/vsicurl/https://example.com:8080/scene.tif?sig=secret#x", "https://example.com:8080/scene.tif"),
        ("/vsis3/bucket/scene.tif", "s3://bucket/scene.tif"),
        ("https://me:secret@example.com/scene.tif", "https://example.com/scene.tif"),
        ("/vsizip//data/a.zip/scene.tif", "/vsizip//data/a.zip/scene.tif"),
        ("/data/scene.tif", "/data/scene.tif"),
        ("/data/a#1?.tif", "/data/a%231%3F.tif"),
        ("a b.tif", "../a%20b.tif"),
        ('NETCDF:"/data/a b.nc":VV', 'NETCDF:"/data/a b.nc":VV'),
        ("/vsizip/{/vsicurl?use_head=no&url=https%3A%2F%2Fh%2Fa.zip%3Fsig%3DX}/b.tif", "/vsizip/{/vsicurl?}/b.tif"),
    ],
)
def test_addresses_stay_addresses_without_what_could_be_a_key(source: str, expected: str) -> None:
    assert reference(source, Path("made")) == expected


def test_a_scene_without_a_georeference_is_wrong_usage_before_any_work(
    write_scene: WriteScene, sartranslate: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*arguments: Any, **options: Any) -> Any:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr("sartranslate.workers.computing.load_translator", never)
    scene = write_scene("scene.tif", DECIBELS, crs=None, transform=None)
    done = sartranslate("infer", scene, tmp_path / "out.tif", "--stac", "--allow-ungeoreferenced")
    assert done.exit_code == 2
    assert done.output == f"Error: {scene}: no georeference, which a STAC item needs\n"
    assert [path.name for path in tmp_path.iterdir()] == ["scene.tif"]


def test_a_scene_that_lies_nowhere_on_the_globe_is_refused_before_any_work(
    write_scene: WriteScene, tmp_path: Path
) -> None:
    off = Affine(10, 0, 9e9, 0, -10, 9e9)
    with pytest.raises(SceneError, match="has no longitude and latitude"):
        plan(write_scene("scene.tif", DECIBELS, transform=off), tmp_path / "out.tif", Radiometry(), STAC)


def test_its_place_must_be_free_and_none_of_what_is_read(write_scene: WriteScene, tmp_path: Path) -> None:
    scene, out, item = write_scene("scene.tif", DECIBELS), tmp_path / "out.tif", tmp_path / "out.json"
    over = replace(STAC, overwrite=True)
    with pytest.raises(OutputError, match=r"out\.json: is the output itself"):
        plan(scene, item, Radiometry(), STAC)
    with pytest.raises(OutputError, match=r"out\.json: is the output itself"):
        plan(scene, out, Radiometry(), replace(STAC, uncertainty=item))
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(OutputError, match=r"model\.json: is the model"):
        plan(scene, tmp_path / "model.tif", Radiometry(), replace(over, keep=(tmp_path / "model.json",)))
    item.write_text("precious")
    with pytest.raises(OutputError, match=r"out\.json: exists already"):
        plan(scene, out, Radiometry(), STAC)
    item.unlink()
    os.link(scene, item)
    with pytest.raises(OutputError, match=r"out\.json: is \(part of\) the scene itself"):
        plan(scene, out, Radiometry(), over)


def test_one_that_is_there_is_replaced_only_when_that_is_asked_for(write_scene: WriteScene, tmp_path: Path) -> None:
    scene = write_scene("scene.tif", DECIBELS)
    (tmp_path / "out.json").write_text("old")
    run(scene, tmp_path / "out.tif", replace(STAC, stac=False))
    assert (tmp_path / "out.json").read_text() == "old"
    assert item_of(scene, replace(STAC, overwrite=True))["id"] == "out"


def test_where_it_can_not_be_written_one_line_says_so_and_the_picture_is_whole(
    write_scene: WriteScene, tmp_path: Path
) -> None:
    def slow(batch: Any) -> Any:
        (tmp_path / "out.json").write_text("precious")
        return grey(batch)

    with pytest.raises(OutputError, match=r"out\.json: was made by .*; .*out\.tif is whole") as raised:
        run(write_scene("scene.tif", DECIBELS), tmp_path / "out.tif", generator=slow)
    assert "\n" not in str(raised.value)
    assert (tmp_path / "out.json").read_text() == "precious"
    with rasterio.open(tmp_path / "out.tif") as raster:
        assert raster.transform == TRANSFORM
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.json", "out.tif", "scene.tif"]


def test_a_fault_leaves_neither_picture_nor_item(write_scene: WriteScene, tmp_path: Path) -> None:
    def failing(batch: Any) -> Any:
        raise BackendError("provoked")

    with pytest.raises(BackendError, match="provoked"):
        run(write_scene("scene.tif", DECIBELS), tmp_path / "out.tif", generator=failing)
    assert [path.name for path in tmp_path.iterdir()] == ["scene.tif"]


def test_wrong_usage_is_an_option_error_from_python_too(write_scene: WriteScene, tmp_path: Path) -> None:
    scene = write_scene("scene.tif", DECIBELS, crs=None, transform=None)
    lost = replace(STAC, scene=SceneOptions(allow_ungeoreferenced=True))
    with pytest.raises(OptionError, match="no georeference, which a STAC item needs"):
        plan(scene, tmp_path / "out.tif", Radiometry(), lost)


def test_names_of_outputs_are_escaped_in_references(write_scene: WriteScene, tmp_path: Path) -> None:
    write_scene("scene.tif", DECIBELS)
    run(tmp_path / "scene.tif", tmp_path / "a#b 10:00.tif")
    assert json.loads((tmp_path / "a#b 10:00.json").read_text())["assets"]["visual"]["href"] == "./a%23b%2010:00.tif"
