"""A scene's bands, however many files they come in, and what makes no scene."""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.shutil
import xarray
from affine import Affine
from click.testing import Result
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.warp import transform_bounds

from sartranslate.errors import OptionError, SceneError
from sartranslate.rasters.process_wide import quiet
from sartranslate.scenes.reader import scene_reader
from sartranslate.scenes.scene import Scene, open_scene
from sartranslate.scenes.source import SceneOptions
from sartranslate.streaming.windows import Window
from tests.conftest import TRANSFORM, WriteScene, gcp_pixels, gcp_places, save_gcp_scene, save_scene

SIZE = (60, 80)
ONE = (("VH", "VV"),)
TWO = (("VV",), ("VH",))
FILLING = {"VV": 1, "VH": 2, "HH": 3, "HV": 4}
TIMES = "20201107T052605_20201107T052630_035143_0419E4_3A2C"
PRODUCT = f"S1A_IW_GRDH_1SDV_{TIMES}.SAFE"
DATASET_TIMES = "20201107t052605-20201107t052630-035143-0419e4"
NO_GEOREFERENCE = (
    "no georeference, expected CRS and transform, or ground control points; "
    "--allow-ungeoreferenced goes ahead in pixel coordinates"
)


def filled(*polarisations: str, dtype: str = "uint16") -> NDArray[Any]:
    """A band for each polarisation, filled with its number."""
    return np.broadcast_to(np.array([FILLING[name] for name in polarisations], dtype), (*SIZE, len(polarisations)))


def content(scene: Scene) -> tuple[int, ...]:
    """What the bands are filled with, to be compared with `FILLING`."""
    with scene_reader(scene) as reader:
        values, mask = reader.read(Window(0, 0, scene.height, scene.width))
    assert mask.mean() > 0.5
    (found,) = np.unique(values[mask], axis=0)
    return tuple(found.tolist())


def of_files(**files: Path) -> SceneOptions:
    return SceneOptions(files={name: str(path) for name, path in files.items()})


def refused(message: str, error: type[Exception] = SceneError) -> Any:
    return pytest.raises(error, match=f"^{re.escape(message)}$")


def make_safe(folder: Path, *polarisations: str) -> Path:
    (folder / "measurement").mkdir(parents=True)
    (folder / "manifest.safe").touch()
    for number, name in enumerate(polarisations, 1):
        file = f"s1a-iw-grd-{name.lower()}-{DATASET_TIMES}-{number:03}.tiff"
        save_gcp_scene(folder / "measurement" / file, filled(name))
    return folder


def make_zip(folder: Path) -> Path:
    """The folder in a zip, which alone is left."""
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder.parent))
    shutil.rmtree(folder)
    return path


@pytest.mark.parametrize(("names", "wanted", "found"), [
    (("VV", "VH"), TWO, ("VV", "VH")),
    (("VH", "VV"), TWO, ("VV", "VH")),
    (("VV", "VH"), ONE, ("VH",)),
    (("VV",), ONE, ("VV",)),
    (("HH", "HV", "VV", "VH"), TWO, ("VV", "VH")),
    (("HH", "HV"), None, ("HH", "HV")),
])  # fmt: skip
@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("placed", [False, True])
def test_bands_are_found_in_one_file_and_in_one_for_each_on_a_map_or_by_ground_control_points(
    write_scene: WriteScene,
    write_gcp_scene: WriteScene,
    names: tuple[str, ...],
    wanted: Any,
    found: tuple[str, ...],
    split: bool,
    placed: bool,
) -> None:
    write = write_scene if placed else write_gcp_scene
    if split:
        options = of_files(**{name: write(f"{number}.tif", filled(name)) for number, name in enumerate(names)})
        scene = open_scene(None, wanted, options)
    else:
        scene = open_scene(write("s.tif", filled(*names), names), wanted)
    assert scene.names == found
    assert content(scene) == tuple(FILLING[name] for name in found)
    assert (scene.grid is None) == placed


@pytest.mark.parametrize(("polarisations", "wanted", "found"), [
    (("VV", "VH"), TWO, ("VV", "VH")),
    (("VV", "VH"), ONE, ("VH",)),
    (("VV",), ONE, ("VV",)),
    (("HH", "HV"), (("HV",), ("HH",)), ("HV", "HH")),
])  # fmt: skip
@pytest.mark.parametrize("packed", [False, True])
def test_a_product_is_one_scene_on_a_map_from_folder_and_zip(
    tmp_path: Path, polarisations: tuple[str, ...], wanted: Any, found: tuple[str, ...], packed: bool
) -> None:
    folder = make_safe(tmp_path / PRODUCT, *polarisations)
    scene = open_scene(make_zip(folder) if packed else folder, wanted)
    assert scene.names == found
    assert content(scene) == tuple(FILLING[name] for name in found)
    assert scene.crs == CRS.from_epsg(32632)
    assert scene.transform.a == 10
    assert {path.name for path in tmp_path.iterdir()} == {f"{PRODUCT.removesuffix('.SAFE')}.zip" if packed else PRODUCT}


def test_a_product_lies_where_its_points_are(tmp_path: Path) -> None:
    scene = open_scene(make_safe(tmp_path / PRODUCT, "VV", "VH"), TWO)
    places = gcp_places(gcp_pixels(*SIZE), *SIZE)
    west, south, east, north = transform_bounds(scene.crs, CRS.from_epsg(4326), *bounds(scene))
    assert (west, south) == pytest.approx(tuple(places.min(axis=0)), abs=3e-4)
    assert (east, north) == pytest.approx(tuple(places.max(axis=0)), abs=3e-4)


def bounds(scene: Scene) -> tuple[float, float, float, float]:
    left, top, size = scene.transform.c, scene.transform.f, scene.transform.a
    return left, top - size * scene.height, left + size * scene.width, top


def test_a_product_without_measurements_is_refused(tmp_path: Path) -> None:
    folder = make_safe(tmp_path / PRODUCT)
    with refused(f"{folder}: no measurement/*.tiff, expected rasters such as measurement/s1a-iw-grd-vv-*.tiff"):
        open_scene(folder, ONE)


def test_a_product_without_the_polarisation_wanted_is_refused(tmp_path: Path) -> None:
    folder = make_safe(tmp_path / PRODUCT, "HH", "HV")
    with pytest.raises(
        SceneError, match=rf"^{re.escape(f'{folder}: 2 bands (HH, HV), the model expects 1 (VH or VV)')}"
    ):
        open_scene(folder, ONE)


@pytest.mark.parametrize("name", [
    "scene_VH.tif",
    "Sigma0-vh-db.tif",
    f"s1a-iw-grd-vh-{DATASET_TIMES}-002.tiff",
    f"S1A_IW_GRDH_1SDV_{TIMES}_VH.tif",
])  # fmt: skip
def test_the_polarisation_of_a_single_band_is_told_by_the_files_name(write_scene: WriteScene, name: str) -> None:
    scene = open_scene(write_scene(name, filled("VH")), ONE)
    assert scene.names == ("VH",)


def test_a_bands_description_goes_before_the_files_name(write_scene: WriteScene) -> None:
    assert open_scene(write_scene("from_VV.tif", filled("VH"), ("Gamma0_VH",)), ONE).names == ("VH",)


def test_what_is_told_goes_before_description_and_name(write_scene: WriteScene) -> None:
    path = write_scene("from_VV.tif", filled("VH"), ("VV",))
    assert open_scene(None, ONE, of_files(VH=path)).names == ("VH",)


def test_the_name_of_a_file_with_several_bands_tells_none_of_them(write_scene: WriteScene) -> None:
    assert open_scene(write_scene("both_VH.tif", filled("VV", "VH")), TWO).names == (None, None)


@pytest.mark.parametrize("names", [("VH",), ("VV",)])
def test_one_of_two_polarisations_is_refused_with_both_named(write_scene: WriteScene, names: tuple[str, ...]) -> None:
    path = write_scene("s.tif", filled(*names))
    expected = f"1 band ({names[0]}), the model expects 2 (VV, VH)"
    with pytest.raises(SceneError, match=re.escape(f"{path}: {expected}")):
        open_scene(None, TWO, of_files(**{names[0]: path}))
    named = write_scene(f"scene_{names[0]}.tif", filled(*names))
    with pytest.raises(SceneError, match=re.escape(f"{named}: {expected}")):
        open_scene(named, TWO)


def test_a_model_for_one_band_asks_which_of_several_unnamed_ones(write_scene: WriteScene) -> None:
    path = write_scene("s.tif", filled("VV", "VH"))
    with refused(f"{path}: 2 bands (unnamed, unnamed), the model expects 1 (VH or VV); choose with --bidx"):
        open_scene(path, ONE)
    assert content(open_scene(path, ONE, SceneOptions(bands=(1,)))) == (FILLING["VV"],)
    assert content(open_scene(path, ONE, SceneOptions(bands=(2,)))) == (FILLING["VH"],)


def test_bands_told_are_of_the_product_in_its_order(tmp_path: Path) -> None:
    folder = make_safe(tmp_path / PRODUCT, "VH", "VV")
    assert content(open_scene(folder, TWO, SceneOptions(bands=(2, 1)))) == (FILLING["VH"], FILLING["VV"])


@pytest.mark.parametrize("told", [(0,), (3,), (1, 3), (-1,)])
def test_bands_that_are_not_there_are_refused(write_scene: WriteScene, told: tuple[int, ...]) -> None:
    path = write_scene("s.tif", filled("VV", "VH"))
    for wanted in (ONE, None):
        with pytest.raises(SceneError, match=rf"^{re.escape(str(path))}: bands .* told"):
            open_scene(path, wanted, SceneOptions(bands=told))


def test_a_file_of_several_bands_is_none_of_a_single_polarisation(write_scene: WriteScene) -> None:
    both, vh = write_scene("both.tif", filled("VV", "VH")), write_scene("vh.tif", filled("VH"))
    with refused(f"{both}: 2 bands, expected one, VV"):
        open_scene(None, TWO, of_files(VV=both, VH=vh))


SHIFTED = Affine(10, 0, 500_010, 0, -10, 5_300_000)
COARSER = Affine(10.01, 0, 500_000, 0, -10.01, 5_300_000)


@pytest.mark.parametrize(("profile", "found"), [
    pytest.param({"crs": CRS.from_epsg(32633)},
                 "{vh} is in EPSG:32633, expected the grid of {vv}, which is in EPSG:32632", id="CRS"),
    pytest.param({"crs": None, "transform": None},
                 "{vh} is in no CRS, expected the grid of {vv}, which is in EPSG:32632", id="no georeference"),
    pytest.param({"transform": SHIFTED}, "{vh} lies on other ground, expected the grid of {vv}", id="a pixel apart"),
    pytest.param({"transform": COARSER}, "{vh} lies on other ground, expected the grid of {vv}", id="resolution"),
])  # fmt: skip
def test_bands_of_different_grids_are_refused(write_scene: WriteScene, profile: dict[str, Any], found: str) -> None:
    vv, vh = write_scene("vv.tif", filled("VV")), write_scene("vh.tif", filled("VH"), **profile)
    with refused(f"{vv}, {vh}: {found.format(vv=vv, vh=vh)}"):
        open_scene(None, TWO, of_files(VV=vv, VH=vh))


def test_bands_of_different_size_are_refused(write_scene: WriteScene) -> None:
    vv, vh = write_scene("vv.tif", filled("VV")), write_scene("vh.tif", filled("VH")[:, :-1])
    with refused(f"{vv}, {vh}: {vh} has 60 x 79 pixels, expected the grid of {vv}, which has 60 x 80"):
        open_scene(None, TWO, of_files(VV=vv, VH=vh))


@pytest.mark.parametrize(("options", "found"), [
    pytest.param({"jump": 0.5}, "has other ground control points, expected the grid of {vv}", id="other places"),
    pytest.param({"kept": slice(0, 200)}, "has other ground control points, expected the grid of {vv}", id="fewer"),
    pytest.param({"crs": CRS.from_epsg(4267)}, "has ground control points in EPSG:4267, expected the grid of {vv}, "
                 "which has them in EPSG:4326", id="CRS"),
])  # fmt: skip
def test_bands_of_other_ground_control_points_are_refused(
    write_gcp_scene: WriteScene, options: dict[str, Any], found: str
) -> None:
    vv, vh = write_gcp_scene("vv.tif", filled("VV")), write_gcp_scene("vh.tif", filled("VH"), **options)
    with refused(f"{vv}, {vh}: {vh} {found.format(vv=vv)}"):
        open_scene(None, TWO, of_files(VV=vv, VH=vh))


def test_a_band_by_points_and_one_on_a_map_are_refused(write_gcp_scene: WriteScene, write_scene: WriteScene) -> None:
    vv, vh = write_gcp_scene("vv.tif", filled("VV")), write_scene("vh.tif", filled("VH"))
    with refused(f"{vv}, {vh}: {vh} is in EPSG:32632, expected the grid of {vv}, which is in none"):
        open_scene(None, TWO, of_files(VV=vv, VH=vh))


def test_a_tenth_of_a_thousandth_of_a_pixel_is_the_same_place(write_scene: WriteScene) -> None:
    nearly = Affine(10, 0, 500_000.001, 0, -10, 5_300_000)
    vv, vh = write_scene("vv.tif", filled("VV")), write_scene("vh.tif", filled("VH"), transform=nearly)
    assert open_scene(None, TWO, of_files(VV=vv, VH=vh)).transform == TRANSFORM


def test_the_grid_of_a_band_that_is_not_used_does_not_matter(write_scene: WriteScene) -> None:
    vv, vh = write_scene("vv.tif", filled("VV"), transform=SHIFTED), write_scene("vh.tif", filled("VH"))
    scene = open_scene(None, ONE, of_files(VV=vv, VH=vh))
    assert (scene.names, scene.transform) == (("VH",), TRANSFORM)


@pytest.mark.parametrize("profile", [{"crs": None, "transform": None}, {"transform": None}, {"crs": None}])
def test_a_raster_without_points_and_transform_is_refused(write_scene: WriteScene, profile: dict[str, Any]) -> None:
    path = write_scene("s.tif", filled("VH"), **profile)
    with refused(f"{path}: {NO_GEOREFERENCE}"):
        open_scene(path, ONE)
    with refused(f"{path}: {NO_GEOREFERENCE}"):
        open_scene(path, ONE, SceneOptions(resolution=10.0))


def test_points_without_a_crs_are_refused(write_gcp_scene: WriteScene, tmp_path: Path) -> None:
    with quiet(), rasterio.open(write_gcp_scene("s.tif", filled("VH"))) as dataset:
        rasterio.shutil.copy(dataset, tmp_path / "s.vrt", driver="VRT")
    path = tmp_path / "s.vrt"
    path.write_text(re.sub(r"<GCPList [^>]*>", "<GCPList>", path.read_text()))
    with refused(f"{path}: 210 ground control points without a CRS, expected one that says where they are"):
        open_scene(path, ONE)


@pytest.mark.parametrize(("kept", "found"), [
    (slice(0, 3), "3 ground control points, expected at least 4"),
    (slice(0, 21), "21 ground control points on one line, expected them spread over the scene"),
])  # fmt: skip
def test_too_few_points_are_refused_with_the_files_name(write_gcp_scene: WriteScene, kept: slice, found: str) -> None:
    path = write_gcp_scene("s.tif", filled("VH"), kept=kept)
    with refused(f"{path}: {found}"):
        open_scene(path, ONE)


@pytest.mark.parametrize("options", [{"crs": "EPSG:4326"}, {"resolution": 10.0}, {"gcps": "tps"}])
def test_a_scene_on_a_map_is_put_on_no_other(write_scene: WriteScene, options: dict[str, Any]) -> None:
    path = write_scene("s.tif", filled("VH"))
    message = f"{path}: has a grid of its own; --crs, --resolution and --gcps are for ground control points"
    with refused(message, OptionError):
        open_scene(path, ONE, SceneOptions(**options))


def test_a_transform_goes_before_ground_control_points(write_scene: WriteScene, tmp_path: Path) -> None:
    """As in products that were geocoded and kept their points in a side file."""
    write_scene("s.tif", filled("VH"))
    points = "<GCPList Projection='EPSG:4326'><GCP Id='1' Pixel='0' Line='0' X='1' Y='2'/></GCPList>"
    (tmp_path / "s.vrt").write_text(
        "<VRTDataset rasterXSize='80' rasterYSize='60'><SRS>EPSG:32632</SRS>"
        f"<GeoTransform>500000,10,0,5300000,0,-10</GeoTransform>{points}<VRTRasterBand dataType='UInt16' band='1'>"
        "<SimpleSource><SourceFilename relativeToVRT='1'>s.tif</SourceFilename></SimpleSource></VRTRasterBand>"
        "</VRTDataset>"
    )
    scene = open_scene(tmp_path / "s.vrt", ONE)
    assert (scene.grid, scene.transform) == (None, TRANSFORM)


@pytest.mark.parametrize(("settings", "found"), [
    ({"gcps": "affine"}, "gcps 'affine': expected one of polynomial, tps"),
    ({"files": {"XX": "x.tif"}}, "band 'XX': expected one of VV, VH, HH, HV"),
])  # fmt: skip
def test_options_that_are_none_are_refused(settings: dict[str, Any], found: str) -> None:
    with refused(found, OptionError):
        SceneOptions(**settings)


def test_a_scene_and_files_for_its_bands_are_one_too_many(write_scene: WriteScene) -> None:
    path = write_scene("s.tif", filled("VH"))
    for source, options in ((path, of_files(VH=path)), (None, SceneOptions())):
        with refused("expected a scene, or a file for each band", OptionError):
            open_scene(source, ONE, options)


def test_files_for_bands_are_translated_from_the_command_line(
    write_gcp_scene: WriteScene, tmp_path: Path, tiny_two_band_model: Path, sartranslate: Callable[..., Result]
) -> None:
    noise = np.random.default_rng(4).gamma(4, 30, (*SIZE, 2)).astype(np.uint16) + 1
    files = {name: write_gcp_scene(f"{name}.tif", noise[..., [band]]) for band, name in enumerate(("VV", "VH"))}
    told = [text for name, path in files.items() for text in ("--band", f"{name}={path}")]
    out = tmp_path / "out.tif"
    done = sartranslate("infer", *told, out, "--model", tiny_two_band_model, "--resolution", 20, "--crs", "EPSG:32633")
    assert done.exit_code == 0, done.output
    with rasterio.open(out) as dataset:
        assert (dataset.crs, dataset.transform.a) == (CRS.from_epsg(32633), 20)
        assert dataset.dataset_mask().mean() > 100
    done = sartranslate("infer", *told[2:], tmp_path / "one.tif", "--model", tiny_two_band_model)
    assert done.exit_code == 1
    assert f"{files['VH']}: 1 band (VH), the model expects 2 (VV, VH)" in done.output
    assert not (tmp_path / "one.tif").exists()


def test_bands_are_counted_from_file_to_file(tmp_path: Path) -> None:
    hh, hv = (save_scene(tmp_path / f"{name}.tif", filled(name)) for name in ("HH", "HV"))
    scene = open_scene(None, ONE, SceneOptions(files={"HH": str(hh), "HV": str(hv)}, bands=(2,)))
    assert content(scene) == (FILLING["HV"],)
    assert [band.number for band in scene.bands] == [2]


def test_a_scene_is_called_by_its_file_whatever_its_folders_are_called(tmp_path: Path) -> None:
    folder = tmp_path / "Los Angeles, CA"
    folder.mkdir()
    assert open_scene(save_scene(folder / "VH.tif", filled("VH")), ONE).title == "VH.tif"
    files = of_files(**{name: save_scene(folder / f"{name}.tif", filled(name)) for name in ("VV", "VH")})
    assert open_scene(None, TWO, files).title == "VV.tif, VH.tif"


def test_four_polarisations_of_bytes_have_no_alpha(tmp_path: Path) -> None:
    names = ("VV", "VH", "HH", "HV")
    path = tmp_path / "scene.tif"
    profile = {"dtype": "uint8", "count": 4, "height": 20, "width": 30, "crs": "EPSG:32632", "transform": TRANSFORM}
    with rasterio.open(path, "w", driver="GTiff", **profile) as dataset:
        assert dataset.colorinterp[3].name == "alpha"
        dataset.write(np.zeros((4, 20, 30), np.uint8))
        dataset.descriptions = names
    scene = open_scene(path, [[name] for name in names])
    assert scene.names == names
    with scene_reader(scene) as reader:
        assert reader.read(Window(0, 0, 20, 30))[1].all()


def test_files_by_polarisation_may_be_paths(write_scene: WriteScene) -> None:
    path = write_scene("scene_VH.tif", np.ones((20, 30, 1), np.uint16))
    assert open_scene(None, None, SceneOptions({"VH": path})).title == "scene_VH.tif"  # type: ignore[dict-item]


def test_a_file_that_has_parts_and_no_bands_tells_them(tmp_path: Path, sartranslate: Callable[..., Result]) -> None:
    path = tmp_path / "two.nc"
    xarray.Dataset({name: (("y", "x"), np.ones((20, 30), np.float32)) for name in ("VV", "VH")}).to_netcdf(path)
    done = sartranslate("inspect", path)
    assert done.exit_code == 1
    assert done.output.startswith(f"Error: {path}: no bands, expected one of its parts: ")
    assert ":VV" in done.output
    assert ":VH" in done.output


def test_virtual_rasters_that_lead_to_each_other_are_files_like_others(tmp_path: Path) -> None:
    one, other = tmp_path / "one.vrt", tmp_path / "other.vrt"
    save_scene(tmp_path / "scene.tif", np.ones((20, 30, 1), np.uint16))
    rasterio.shutil.copy(tmp_path / "scene.tif", one, driver="VRT")
    other.write_text(one.read_text().replace("scene.tif", "one.vrt"))
    assert {Path(file).name for file in open_scene(other, None).files} == {"other.vrt", "one.vrt", "scene.tif"}
    one.write_text(one.read_text().replace("scene.tif", "other.vrt"))
    assert {Path(file).name for file in open_scene(other, None).files} == {"other.vrt", "one.vrt"}
