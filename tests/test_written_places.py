"""Whatever a scene and what lies beside it say, reading writes nothing, and translating nothing but the output."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from click.testing import Result
from numpy.typing import NDArray
from rasterio.enums import Resampling

from tests.command_process import obey_permissions, runs
from tests.conftest import save_gcp_scene, save_scene

GEOJSON = '{"type": "Polygon", "coordinates": [[[9, 47.82], [9.04, 47.82], [9.04, 47.85], [9, 47.85], [9, 47.82]]]}'
NAME = "S1A_IW_GRDH_1SDV_20201107T052605_20201107T052630_035143_0419E4_3A2C.SAFE"
MANIFEST = """<xfdu:XFDU xmlns:xfdu="urn:ccsds:schema:xfdu:1"><dataObjectSection><dataObject><byteStream>
<fileLocation locatorType="URL" href="../../elsewhere_vh.tif"/>
<fileLocation locatorType="URL" href="{}/absolute_vh.tif"/>
</byteStream></dataObject></dataObjectSection></xfdu:XFDU>"""

STATISTICS = """<PAMDataset><PAMRasterBand band="1"><Metadata><MDI key="STATISTICS_MINIMUM">1</MDI>
<MDI key="STATISTICS_MAXIMUM">300</MDI></Metadata></PAMRasterBand></PAMDataset>"""


def speckle() -> NDArray[np.uint16]:
    rng = np.random.default_rng(5)
    return (100 * np.sqrt(rng.gamma(4.4, 1 / 4.4, (300, 280, 1))) + 1).astype(np.uint16)


def plain(folder: Path) -> Path:
    return save_scene(folder / "scene.tif", speckle())


def with_side_files(folder: Path) -> Path:
    """A mask and overviews in files of their own."""
    scene = plain(folder)
    with rasterio.Env(TIFF_USE_OVR=True, GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(scene, "r+") as dataset:
        dataset.build_overviews([2, 4], Resampling.average)
        dataset.write_mask(np.arange(300 * 280).reshape(300, 280) > 5000)
    assert {"scene.tif.msk", "scene.tif.ovr"} <= {path.name for path in folder.iterdir()}
    return scene


def with_auxiliary_statistics(folder: Path) -> Path:
    (folder / "scene.tif.aux.xml").write_text(STATISTICS, encoding="utf-8")
    return plain(folder)


def virtual(folder: Path) -> Path:
    """A virtual raster whose source lies in another folder."""
    (folder / "deep").mkdir()
    text = folder / "deep" / "scene.vrt"
    rasterio.shutil.copy(plain(folder), text, driver="VRT")
    source = re.compile(r'<SourceFilename relativeToVRT="0"[^>]*>[^<]*<')
    relative = '<SourceFilename relativeToVRT="1">../scene.tif<'
    changed, count = source.subn(relative, text.read_text(encoding="utf-8"))
    assert count == 1
    text.write_text(changed, encoding="utf-8")
    return text


def ground_control_points(folder: Path) -> Path:
    return save_gcp_scene(folder / "scene_VH.tif", speckle())


def product(folder: Path) -> Path:
    """A SAFE folder whose manifest names files elsewhere."""
    safe = folder / "in" / NAME
    (safe / "measurement").mkdir(parents=True)
    save_scene(safe / "measurement" / "s1a-iw-grd-vh-20201107t052605-20201107t052630-035143-0419e4-002.tiff", speckle())
    (safe / "manifest.safe").write_text(MANIFEST.format(folder), encoding="utf-8")
    return safe


def picture(folder: Path) -> Path:
    """In a format that can hold neither CRS nor transform itself."""
    scene = folder / "scene.png"
    rasterio.shutil.copy(plain(folder), scene, driver="PNG", worldfile="YES")
    return scene


KINDS = [plain, with_side_files, with_auxiliary_statistics, virtual, ground_control_points, product, picture]


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file below with its size and when it was written."""
    found = {path: path.stat() for path in folder.rglob("*") if path.is_file()}
    return {str(path.relative_to(folder)): (status.st_size, status.st_mtime_ns) for path, status in found.items()}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_reading_leaves_what_it_reads_alone(
    sartranslate: Callable[..., Result], tiny_model: Path, tmp_path: Path, kind: Callable[[Path], Path]
) -> None:
    scene = kind(tmp_path)
    before = listing(tmp_path)
    said = sartranslate("inspect", scene, "--model", tiny_model)
    assert said.exit_code == 0, said.output
    assert listing(tmp_path) == before
    (tmp_path / "out").mkdir()
    done = sartranslate("infer", scene, tmp_path / "out" / "rgb.tif", "--model", tiny_model)
    assert done.exit_code == 0, done.output
    after = listing(tmp_path)
    assert after.keys() - before.keys() == {"out/rgb.tif"}
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize("name", ["area.geojson", "area.gpkg", "area.shp", "area.fgb"])
def test_an_area_of_interest_is_read_without_a_trace(
    sartranslate: Callable[..., Result], tiny_model: Path, tmp_path: Path, name: str
) -> None:
    import pyogrio.raw
    import shapely

    (tmp_path / "area").mkdir()
    outline = shapely.to_wkb(np.array([shapely.from_geojson(GEOJSON)]))
    pyogrio.raw.write(tmp_path / "area" / name, outline, [], [], geometry_type="Polygon", crs="EPSG:4326")
    scene = plain(tmp_path)
    before = listing(tmp_path)
    done = sartranslate("infer", scene, tmp_path / "rgb.tif", "--aoi", tmp_path / "area" / name, "--model", tiny_model)
    assert done.exit_code == 0, done.output
    assert listing(tmp_path).keys() - before.keys() == {"rgb.tif"}


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="of Linux")
def test_a_scene_in_a_folder_that_can_not_be_written_is_translated(tiny_model: Path, tmp_path: Path) -> None:
    scene = with_side_files(tmp_path)
    (tmp_path / "locked").mkdir()
    for file in tmp_path.glob("scene.tif*"):
        shutil.move(file, tmp_path / "locked")
    scene = tmp_path / "locked" / "scene.tif"
    scene.parent.chmod(0o555)
    command = {"infer": ["infer", scene, tmp_path / "rgb.tif", "--model", tiny_model]}
    first = f"import os; assert not os.access({str(scene.parent)!r}, os.W_OK)"
    try:
        done = runs(command, first=first, prepared=obey_permissions)["infer"]
    finally:
        scene.parent.chmod(0o755)
    assert (done.code, done.exception) == (0, "None")
    assert (tmp_path / "rgb.tif").exists()
