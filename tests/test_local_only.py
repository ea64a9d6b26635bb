"""With --local-only no request leaves this machine, whatever is given and whatever that leads to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio.shutil

from tests.command_process import ROOT, runs
from tests.conftest import save_gcp_scene, save_scene
from tests.faulty_server import Served, served

REFUSED = "is no file of this machine; --local-only allows no other"
UNKNOWN = "; --local-only opens GTiff, VRT, PNG, JPEG, ENVI, EHdr, HFA"

WMS = """<GDAL_WMS><Service name="TMS"><ServerUrl>{}/${{z}}/${{x}}/${{y}}.png</ServerUrl></Service><DataWindow>
<UpperLeftX>-20037508.34</UpperLeftX><UpperLeftY>20037508.34</UpperLeftY><LowerRightX>20037508.34</LowerRightX>
<LowerRightY>-20037508.34</LowerRightY><TileLevel>2</TileLevel><TileCountX>1</TileCountX><TileCountY>1</TileCountY>
<YOrigin>top</YOrigin></DataWindow><Projection>EPSG:3857</Projection><BlockSizeX>256</BlockSizeX>
<BlockSizeY>256</BlockSizeY><BandsCount>1</BandsCount></GDAL_WMS>"""
VRT = """<VRTDataset rasterXSize="300" rasterYSize="280"><VRTRasterBand dataType="UInt16" band="1"><SimpleSource>
<SourceFilename relativeToVRT="{}">{}</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand>
</VRTDataset>"""
IS_MASK = '<Metadata><MDI key="INTERNAL_MASK_FLAGS_1">2</MDI></Metadata>'
OGR_VRT = """<OGRVRTDataSource><OGRVRTLayer name="area"><SrcDataSource>{}</SrcDataSource></OGRVRTLayer>
</OGRVRTDataSource>"""
OVERVIEW = """<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">{}</MDI></Metadata></PAMDataset>"""


def speckle() -> Any:
    rng = np.random.default_rng(5)
    return (100 * np.sqrt(rng.gamma(4.4, 1 / 4.4, (280, 300, 1))) + 1).astype(np.uint16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("local")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Served]:
    (folder / "served").mkdir()
    with served(save_scene(folder / "served" / "far_VH.tif", speckle())) as here:
        yield here


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def remote_scenes(folder: Path, server: Served) -> dict[str, tuple[str | Path, str]]:
    """What leads to the server, and what is said of it."""
    far, made = server.scene, folder / "made"
    with_far = written(made / "far.vrt", VRT.format(0, far))
    archive = f"/vsicurl/{server.address}/far.zip/far.tif"
    connection = f"vrt://{far}"
    in_zip = folder / "scenes.zip"
    with zipfile.ZipFile(in_zip, "w") as opened:
        opened.write(with_far, "far.vrt")
    return {
        "address": (f"{server.address}/{server.name}", REFUSED),
        "vsicurl": (far, REFUSED),
        "streaming": (f"/vsicurl_streaming/{server.address}/{server.name}", REFUSED),
        "bucket": ("/vsis3/bucket/far_VH.tif", REFUSED),
        "swift": ("/vsiswift/bucket/far_VH.tif", REFUSED),
        "cached": (f"/vsicached?file={far}", REFUSED),
        "zip on the server": (f"/vsizip/{archive}", REFUSED),
        "zip in braces": (f"/vsizip/{{/vsicurl/{server.address}/far.zip}}/far.tif", REFUSED),
        "tar": (f"/vsitar/{archive}", REFUSED),
        "part": (f"/vsisubfile/0_1000,{far}", REFUSED),
        "connection": (connection, REFUSED),
        "directory": (f"GTIFF_DIR:1:{far}", REFUSED),
        "Zarr": (f'ZARR:"/vsicurl/{server.address}/far.zarr"', REFUSED),
        "WMS": (WMS.format(server.address).replace("\n", ""), REFUSED),
        "WMS service": (f"WMS:{server.address}/wms", REFUSED),
        "STAC": (f'STACIT:"{server.address}/items.json"', REFUSED),
        "WMS in a file": (written(made / "wms.tif", WMS.format(server.address)), UNKNOWN),
        "VRT": (with_far, f"leads to {far}, which {REFUSED}"),
        "VRT named .tif": (written(made / "vrt.tif", VRT.format(0, far)), f"leads to {far}, which {REFUSED}"),
        "text": (VRT.format(0, far).replace("\n", ""), f"leads to {far}, which {REFUSED}"),
        "nested": (written(made / "nested.vrt", VRT.format(1, "far.vrt")), f"which leads to {far}, which {REFUSED}"),
        "VRT of a WMS": (
            written(made / "of_wms.vrt", VRT.format(0, WMS.format(server.address).replace("<", "&lt;"))),
            f"which {REFUSED}",
        ),
        "entity": (written(made / "entity.vrt", VRT.format(0, f"&#47;{far[1:]}")), f"leads to {far}, which {REFUSED}"),
        "of a VRT in a zip": (
            written(made / "of_zip.vrt", VRT.format(0, f"/vsizip/{in_zip}/far.vrt")),
            "lies in an archive; --local-only allows no virtual raster of such",
        ),
        "VRT in a zip": (f"/vsizip/{in_zip}/far.vrt", "--local-only opens GTiff, PNG"),
        "of itself": (written(made / "self.vrt", VRT.format(1, "self.vrt")), "is a virtual raster of itself"),
        "broken": (written(made / "broken.vrt", VRT.format(0, far)[:-9]), "is a virtual raster in broken XML"),
        "lower case": (
            written(made / "lower.vrt", VRT.format(0, far).replace("SourceFilename", "sourcefilename")),
            f"leads to {far}, which {REFUSED}",
        ),
        "processed": (
            written(
                made / "processed.vrt",
                VRT.format(0, far).replace("<VRTDataset", '<VRTDataset subClass="VRTProcessedDataset"'),
            ),
            "is a virtual raster that processes others",
        ),
        "warped": (
            written(made / "warped.vrt", VRT.format(0, far).replace("SourceFilename", "SourceDataset")),
            f"leads to {far}, which {REFUSED}",
        ),
    }


def beside(folder: Path, server: Served) -> dict[str, Path]:
    """Scenes that are fine, with something beside them that leads to the server."""
    folder = Path(tempfile.mkdtemp(dir=folder))  # rasterio would delete what leads to a file that is written anew
    scenes = {}
    for suffix, text in (
        (".msk", VRT.format(0, server.scene).replace("<VRTRasterBand", f"{IS_MASK}<VRTRasterBand")),
        (".ovr", WMS.format(server.address)),
        (".aux.xml", OVERVIEW.format(server.scene)),
    ):
        scenes[suffix] = save_scene(folder / f"beside{suffix[:4]}_VH.tif", speckle())
        written(scenes[suffix].with_name(scenes[suffix].name + suffix), text)
    return scenes


def areas(folder: Path, server: Served) -> dict[str, tuple[str | Path, str]]:
    link = json.dumps({"type": "FeatureCollection", "features": [], "links": [{"rel": "next", "href": server.address}]})
    return {
        "address": (f"{server.address}/area.geojson", REFUSED),
        "vsicurl": (f"/vsicurl/{server.address}/area.geojson", REFUSED),
        "service": (f"WFS:{server.address}/wfs", REFUSED),
        "OGR VRT": (written(folder / "area.vrt", OGR_VRT.format(f"{server.address}/area.geojson")), "can not be read"),
        "link": (written(folder / "link.geojson", link), "no features"),
    }


def test_nothing_is_asked_of_a_server_and_what_would_have_been_is_named(folder: Path, server: Served) -> None:
    scenes, areas_, fine = remote_scenes(folder, server), areas(folder, server), beside(folder, server)
    near = save_scene(folder / "near_VH.tif", speckle())
    inspect = {f"scene: {name}": ["inspect", scene, "--local-only"] for name, (scene, _) in scenes.items()}
    aoi = {
        f"area: {name}": ["infer", near, folder / "out.tif", "--local-only", "--aoi", area]
        for name, (area, _) in areas_.items()
    }
    said = {f"beside: {name}": ["inspect", scene, "--local-only"] for name, scene in fine.items()}
    other = {
        "optical image": ["pairs", near, server.scene, folder / "pairs", "--local-only"],
        "prediction": ["evaluate", "--prediction", server.scene, "--truth", near, "--local-only"],
    }
    done = runs({**inspect, **aoi, **said, **other}, AWS_NO_SIGN_REQUEST="YES", AWS_S3_ENDPOINT=server.address[7:],
                AWS_HTTPS="NO", AWS_VIRTUAL_HOSTING="FALSE", SWIFT_STORAGE_URL=server.address,
                SWIFT_AUTH_TOKEN="token")  # fmt: skip
    assert server.requests == []
    for kind, expected in (("scene", scenes), ("area", areas_)):
        for name, (_, line) in expected.items():
            run = done[f"{kind}: {name}"]
            assert (run.code, run.error.startswith("Error: ")) == (1, True), (name, run)
            assert line in run.error, name
            assert run.error.count("\n") == 1 or name == "VRT of a WMS", name
    assert [done[name].code for name in said] == [1, 0, 0]  # a mask is read, overviews are not
    for name in other:
        assert done[name].error.endswith(f"{server.name}: {REFUSED}\n")
    assert not (folder / "out.tif").exists()


@pytest.mark.long
def test_without_it_the_same_things_do_ask_the_server(folder: Path, server: Served) -> None:
    """Else the test above would prove nothing."""
    scenes, areas_ = remote_scenes(folder, server), areas(folder, server)
    near = save_scene(folder / "near_VH.tif", speckle())
    silent = []
    for name in ("address", "vsicurl", "streaming", "WMS service", "VRT", "nested", "VRT in a zip", "VRT of a WMS"):
        before = len(server.requests)
        runs({name: ["inspect", scenes[name][0]]})
        silent += [name] if len(server.requests) == before else []
    for name, scene in beside(folder, server).items():
        before = len(server.requests)
        runs({name: ["inspect", scene]})
        silent += [name] if len(server.requests) == before else []
    for name in ("address", "OGR VRT"):
        before = len(server.requests)
        runs({name: ["infer", near, folder / "out.tif", "--aoi", areas_[name][0]]})
        silent += [name] if len(server.requests) == before else []
    assert silent == [".ovr"]  # which is opened only where something is read at a lower resolution


@pytest.mark.long
def test_local_scenes_of_every_kind_are_inspected_and_cut(folder: Path, tiny_model: Path) -> None:
    near = save_scene(folder / "near_VH.tif", speckle())
    points = save_gcp_scene(folder / "points_VH.tif", speckle())
    rasterio.shutil.copy(near, folder / "near.vrt", driver="VRT")
    with zipfile.ZipFile(folder / "near.zip", "w") as opened:
        opened.write(near, "near_VH.tif")
    cases = {
        "plain": near,
        "points": points,
        "virtual": folder / "near.vrt",
        "zip": f"/vsizip/{folder}/near.zip/near_VH.tif",
    }
    commands = {name: ["inspect", scene, "--model", tiny_model] for name, scene in cases.items()}
    image = save_scene(folder / "image.tif", np.repeat(speckle() // 4, 3, axis=2).astype(np.uint8))
    commands["pairs"] = ["pairs", near, image, folder / "pairs", "--tile", 128, "--shares", 1, 0, 0, "-q"]
    done = runs(commands, SARTRANSLATE_LOCAL_ONLY="1")
    assert {name: (run.code, run.error) for name, run in done.items()} == dict.fromkeys(commands, (0, ""))


@pytest.mark.long
def test_a_local_scene_is_warped_and_translated(folder: Path, tiny_model: Path) -> None:
    points = save_gcp_scene(folder / "warped_VH.tif", speckle())
    command = {"infer": ["infer", points, folder / "points.tif", "--model", tiny_model, "--json"]}
    done = runs(command, SARTRANSLATE_LOCAL_ONLY="1")["infer"]
    assert json.loads(done.out)["windows"] > 0


def test_what_is_loaded_already_is_not_taken_for_restricted() -> None:
    script = """
import rasterio
rasterio.Env().__enter__()
from sartranslate.rasters.local_only import drivers_for, restrict
restrict()
drivers_for("scene.tif")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, env=dict(os.environ)
    )
    assert "OptionError: only local files: GDAL has loaded" in done.stderr
