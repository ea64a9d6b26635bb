"""The rasters of a Sentinel-1 product are found as people have it, and other products are refused by name."""

from __future__ import annotations

import re
import shutil
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st

from sartranslate.errors import SceneError
from sartranslate.rasters.process_wide import quiet
from sartranslate.scenes.sentinel1 import file_polarisation, is_product, measurements, product_polarisations

TIMES = "20201107T052605_20201107T052630_035143_0419E4_3A2C"
DATASET_TIMES = "20201107t052605-20201107t052630-035143-0419e4"
GRD = f"S1A_IW_GRDH_1SDV_{TIMES}.SAFE"
OTHER_GRD = GRD.replace("S1A", "S1B")
EXPECTED = "expected rasters such as measurement/s1a-iw-grd-vv-*.tiff"
FILLING = {"VV": 1, "VH": 2, "HH": 3, "HV": 4}


def measurement(polarisation: str, kind: str = "grd", swath: str = "iw", number: str = "001") -> str:
    return f"s1a-{swath}-{kind}-{polarisation.lower()}-{DATASET_TIMES}-{number}.tiff"


VV, VH = measurement("VV"), measurement("VH", number="002")


def write_tiff(path: Path, value: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {"driver": "GTiff", "height": 4, "width": 5, "count": 1, "dtype": "uint16"}
    with quiet(), rasterio.open(path, "w", **profile) as dataset:
        dataset.write(np.full((1, 4, 5), value, np.uint16))


def write_safe(folder: Path, *names: str) -> Path:
    """A SAFE folder whose rasters are filled with the number of their polarisation."""
    (folder / "measurement").mkdir(parents=True)
    (folder / "annotation").mkdir()
    (folder / "annotation" / VV.replace(".tiff", ".xml")).write_text("<product/>")
    (folder / "manifest.safe").write_text("<xfdu/>")
    for name in names:
        write_tiff(folder / "measurement" / name, FILLING.get(file_polarisation(name) or "", 0))
    return folder


def zip_members(target: Path, members: dict[str, bytes], mode: Literal["w", "a"] = "w") -> Path:
    """A zip whose members keep the names told, which `ZipFile.write` would tidy up."""
    with zipfile.ZipFile(target, mode) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return target


def zip_folder(folder: Path, target: Path, top: str = "", mode: Literal["w", "a"] = "w") -> Path:
    """A zip with the contents of `folder` under `top`; folders have entries of their own, as in real ones."""
    paths = {top + path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*"))}
    members = {f"{name}/": b"" for name, path in paths.items() if path.is_dir()}
    members |= {name: path.read_bytes() for name, path in paths.items() if path.is_file()}
    return zip_members(target, members, mode)


def contents(path: str | Path) -> dict[str, int]:
    """What is read from the rasters found, to be compared with `FILLING`."""
    values = {}
    for name, raster in measurements(path).items():
        with quiet(), rasterio.open(raster) as dataset:
            values[name] = int(dataset.read(1).max())
    return values


def assert_refused(path: str | Path, message: str) -> None:
    with pytest.raises(SceneError, match=f"^{re.escape(f'{path}: {message}')}$"):
        measurements(path)


def test_the_rasters_of_a_folder_are_found_in_a_fixed_order(tmp_path: Path) -> None:
    folder = write_safe(tmp_path / GRD, VH, VV)
    assert is_product(folder)
    assert list(measurements(folder).items()) == [
        ("VV", f"{folder}/measurement/{VV}"),
        ("VH", f"{folder}/measurement/{VH}"),
    ]
    assert contents(folder) == {"VV": 1, "VH": 2}


@pytest.mark.parametrize("ending", ["/", "/manifest.safe"])
def test_a_slash_behind_a_folder_and_its_manifest_name_the_same_product(tmp_path: Path, ending: str) -> None:
    folder = write_safe(tmp_path / GRD, VV, VH)
    assert is_product(f"{folder}{ending}")
    assert measurements(f"{folder}{ending}") == measurements(folder)


@pytest.mark.parametrize("path", ["manifest.safe", ".", "./"])
def test_a_product_is_found_from_within_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.chdir(write_safe(tmp_path / GRD, VV, VH))
    assert is_product(path)
    assert contents(path) == {"VV": 1, "VH": 2}


@pytest.mark.parametrize(
    ("folder", "names", "found"),
    [
        pytest.param(
            GRD.replace(".SAFE", "_COG.SAFE"),
            [VV.replace(".tiff", "-cog.tiff"), VH.replace(".tiff", "-cog.tiff")],
            {"VV": 1, "VH": 2},
            id="cloud optimised",
        ),
        pytest.param("S1A_IW_GRDH_1SDV", ["iw-vh.tiff", "iw-vv.tiff"], {"VV": 1, "VH": 2}, id="short names"),
        pytest.param("renamed", [VV], {"VV": 1}, id="a folder without the suffix"),
        pytest.param("renamed.safe", [VV, f"._{VV}"], {"VV": 1}, id="side files of macOS"),
        pytest.param(
            f"S1C_EW_GRDM_1SDH_{TIMES}.SAFE",
            [f"s1c-ew-grd-hv-{DATASET_TIMES}-002.tiff", f"s1c-ew-grd-hh-{DATASET_TIMES}-001.tiff"],
            {"HH": 3, "HV": 4},
            id="horizontal",
        ),
    ],
)
def test_other_forms_of_a_product_are_read_from_folder_and_zip(
    tmp_path: Path, folder: str, names: list[str], found: dict[str, int]
) -> None:
    safe = write_safe(tmp_path / folder, *names)
    archive = zip_folder(safe, tmp_path / "any.zip", f"{folder}/")
    for path in (safe, archive):
        assert is_product(path)
        assert list(contents(path).items()) == list(found.items())


@pytest.mark.parametrize("name", [f"{GRD}.zip", "my scene.ZIP", "größe.zip", "{1}.zip", "without_suffix", GRD])
@pytest.mark.parametrize("top", [f"{GRD}/", f"wrapped/{GRD}/", f"./{GRD}/", f"{GRD}\\", ""])
def test_a_product_is_read_in_a_zip_of_any_name_and_depth(tmp_path: Path, name: str, top: str) -> None:
    folder = write_safe(tmp_path / "unpacked" / GRD, VV, VH)
    archive = zip_folder(folder, tmp_path / name, top)
    shutil.rmtree(folder)
    assert is_product(archive)
    assert contents(archive) == {"VV": 1, "VH": 2}
    assert {path.name for path in tmp_path.iterdir()} == {name, "unpacked"}


def test_rasters_in_a_zip_are_named_by_their_place_in_it(tmp_path: Path) -> None:
    archive = zip_folder(write_safe(tmp_path / GRD, VV), tmp_path / "scene.zip", f"{GRD}/")
    assert measurements(archive) == {"VV": f"/vsizip/{archive}/{GRD}/measurement/{VV}"}


def test_a_relative_zip_stays_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zip_folder(write_safe(tmp_path / GRD, VV), tmp_path / "scene.zip", f"{GRD}/")
    monkeypatch.chdir(tmp_path)
    assert measurements("scene.zip") == {"VV": f"/vsizip/scene.zip/{GRD}/measurement/{VV}"}


def test_a_relative_zip_may_begin_with_a_brace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zip_folder(write_safe(tmp_path / GRD, VV), tmp_path / "{1}.zip", f"{GRD}/")
    monkeypatch.chdir(tmp_path)
    assert contents("{1}.zip") == {"VV": 1}


def test_the_manifest_or_the_folder_of_rasters_is_enough_to_know_a_product(tmp_path: Path) -> None:
    (tmp_path / "listed").mkdir()
    (tmp_path / "listed" / "manifest.safe").touch()
    write_tiff(tmp_path / "bare" / "measurement" / VV)
    for name in ("listed", "bare"):
        assert is_product(tmp_path / name)
        assert is_product(zip_folder(tmp_path / name, tmp_path / f"{name}.zip", f"{name}/"))


def test_only_the_rasters_right_in_measurement_count(tmp_path: Path) -> None:
    folder = write_safe(tmp_path / GRD, VV, f"old/{VV}", f"old/{VH}")
    assert contents(folder) == {"VV": 1}
    assert contents(zip_folder(folder, tmp_path / "scene.zip", f"{GRD}/")) == {"VV": 1}


@pytest.mark.parametrize("ending", ["", "/", "/wrapped", f"/wrapped/{GRD}", f"/wrapped/{GRD}/manifest.safe"])
@pytest.mark.parametrize("braces", ["{}", "{{{}}}"])
def test_a_place_in_a_zip_names_the_product_at_or_below_it(tmp_path: Path, braces: str, ending: str) -> None:
    archive = zip_folder(write_safe(tmp_path / GRD, VV), tmp_path / "scene.zip", f"wrapped/{GRD}/")
    path = f"/vsizip/{braces.format(archive)}{ending}"
    assert is_product(path)
    assert measurements(path) == measurements(archive)


def test_a_folder_whose_name_ends_as_a_zip_is_no_end_of_the_path_to_one(tmp_path: Path) -> None:
    (tmp_path / "all.zip").mkdir()
    archive = zip_folder(write_safe(tmp_path / GRD, VV), tmp_path / "all.zip" / "scene.zip", f"{GRD}/")
    assert contents(f"/vsizip/{archive}") == {"VV": 1}


def test_a_place_in_a_zip_within_a_product_or_beside_it_is_none(tmp_path: Path) -> None:
    archive = zip_folder(write_safe(tmp_path / GRD, VV), tmp_path / "scene.zip", f"{GRD}/")
    assert not is_product(measurements(archive)["VV"])
    assert not is_product(f"/vsizip/{archive}/{GRD}/measurement")
    assert not is_product(f"/vsizip/{archive}/S1A_IW_GRDH")


def test_one_of_several_products_in_a_zip_is_named_by_its_folder(tmp_path: Path) -> None:
    archive = zip_folder(write_safe(tmp_path / GRD, VV), tmp_path / "scenes.zip", f"{GRD}/")
    zip_folder(write_safe(tmp_path / OTHER_GRD, VH), archive, f"{OTHER_GRD}/", mode="a")
    assert is_product(archive)
    assert_refused(archive, f"2 products ({GRD}, {OTHER_GRD}), expected one: /vsizip/{archive}/{GRD}")
    assert contents(f"/vsizip/{archive}/{OTHER_GRD}") == {"VH": 2}


@pytest.mark.parametrize(
    ("product", "swath", "kind", "found"),
    [
        ("S1A_IW_SLC__1SDV", "iw1", "slc", "a single-look complex product (SLC)"),
        ("S1A_S3_SLC__1SDV", "s3", "slc", "a single-look complex product (SLC)"),
        ("S1A_IW_OCN__2SDV", "iw", "ocn", "an ocean product (OCN)"),
        ("S1A_IW_RAW__0SDV", "iw", "raw-s", "a raw product (RAW)"),
    ],
)
@pytest.mark.parametrize("renamed", [False, True])
def test_a_product_of_another_type_is_refused_by_the_name_of_folder_or_files(
    tmp_path: Path, product: str, swath: str, kind: str, found: str, renamed: bool
) -> None:
    names = [measurement("VV", kind, swath)] if renamed else []
    folder = write_safe(tmp_path / ("renamed.SAFE" if renamed else f"{product}_{TIMES}.SAFE"), *names)
    archive = zip_folder(folder, tmp_path / "scene.zip", f"{folder.name}/")
    for path in (folder, archive):
        assert is_product(path)
        assert_refused(path, f"is {found}, expected ground range detected (GRD)")


def test_the_type_is_also_told_by_the_folder_that_is_worked_in_and_by_the_name_of_a_flat_zip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_safe(tmp_path / f"S1A_IW_OCN__2SDV_{TIMES}.SAFE")
    archive = zip_folder(folder, folder.with_suffix(".zip"))
    message = "is an ocean product (OCN), expected ground range detected (GRD)"
    assert_refused(archive, message)
    monkeypatch.chdir(folder)
    assert_refused(".", message)


def test_the_sub_swaths_of_a_complex_product_are_refused_as_such(tmp_path: Path) -> None:
    names = [measurement("VV", "slc", f"iw{number}") for number in (1, 2, 3)]
    folder = write_safe(tmp_path / f"S1A_IW_SLC__1SSV_{TIMES}.SAFE", *names)
    assert_refused(folder, "is a single-look complex product (SLC), expected ground range detected (GRD)")


def test_two_rasters_of_one_polarisation_are_refused(tmp_path: Path) -> None:
    copy = VV.replace(".tiff", "-cog.tiff")
    folder = write_safe(tmp_path / GRD, VV, copy, VH)
    assert_refused(folder, f"2 measurements of VV ({copy}, {VV}), expected one")


def test_a_product_without_rasters_is_refused(tmp_path: Path) -> None:
    folder = write_safe(tmp_path / GRD)
    archive = zip_folder(folder, tmp_path / "scene.zip", f"{GRD}/")
    for path in (folder, folder / "manifest.safe", archive):
        assert is_product(path)
        assert_refused(path, f"no measurement/*.tiff, {EXPECTED}")
    (folder / "measurement").rmdir()
    assert_refused(folder, f"no measurement/*.tiff, {EXPECTED}")


def test_rasters_without_a_polarisation_in_their_names_are_refused(tmp_path: Path) -> None:
    folder = write_safe(tmp_path / GRD, "a.tiff", "b.tif")
    assert_refused(folder, f"no polarisation in the names a.tiff, b.tif, {EXPECTED}")


@pytest.mark.parametrize(
    "member", [f"../{GRD}/measurement/{VV}", f"{GRD}/../{VV}", f"/{GRD}/measurement/{VV}", f"\x1b\n{GRD}/manifest.safe"]
)
def test_members_that_point_out_of_a_zip_or_would_garble_a_message_are_ignored(tmp_path: Path, member: str) -> None:
    archive = zip_members(tmp_path / "scene.zip", {member: b""})
    assert not is_product(archive)
    assert_refused(archive, "no SAFE folder in the zip, expected one")


def test_the_copies_that_macos_adds_to_a_zip_are_ignored(tmp_path: Path) -> None:
    inner = f"{GRD}/measurement/{VV}"
    archive = zip_members(tmp_path / "scene.zip", {inner: b"", f"__MACOSX/{GRD}/measurement/._{VV}": b""})
    assert measurements(archive) == {"VV": f"/vsizip/{archive}/{inner}"}


def test_what_is_neither_safe_nor_a_zip_of_one_is_no_product(tmp_path: Path) -> None:
    write_tiff(tmp_path / VV)
    (tmp_path / "empty").mkdir()
    raster_in_zip = zip_members(tmp_path / "raster.zip", {VV: (tmp_path / VV).read_bytes()})
    paths: list[str | Path] = [
        tmp_path,
        tmp_path / "empty",
        tmp_path / VV,
        tmp_path / GRD,
        tmp_path / GRD / "manifest.safe",
        raster_in_zip,
        f"/vsizip/{tmp_path / 'absent.zip'}",
        f"/vsizip//vsicurl/https://example.org/{GRD}.zip",
        f"https://example.org/{GRD}.zip",
        f"s3://bucket/{GRD}",
        "",
        "\0",
        f"<VRTDataset>{'x' * 5000}</VRTDataset>",
    ]
    assert [path for path in paths if is_product(path)] == []
    for path in set(paths) - {raster_in_zip}:
        assert_refused(
            path, "is no Sentinel-1 product, expected a SAFE folder, its manifest.safe or a local zip of one"
        )


def test_a_geotiff_with_the_end_of_a_zip_within_is_none(tmp_path: Path) -> None:
    path = tmp_path / f"{GRD}.tif"
    write_tiff(path)
    archive = zip_members(tmp_path / "scene.zip", {f"{GRD}/measurement/{VV}": b""})
    path.write_bytes(path.read_bytes() + archive.read_bytes())
    assert zipfile.is_zipfile(path)
    assert not is_product(path)


@pytest.fixture(scope="module")
def zipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return zip_members(tmp_path_factory.mktemp("zip") / f"{GRD}.zip", {f"{GRD}/measurement/{VV}": bytes(500)})


@settings(max_examples=60, deadline=None)
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_broken_download_is_still_a_product_and_refused_as_unreadable(zipped: Path, share: float) -> None:
    data = zipped.read_bytes()
    broken = zipped.with_name(f"cut_{GRD}.zip")
    broken.write_bytes(data[: int(share * len(data))])
    assert is_product(broken)
    with pytest.raises(
        SceneError, match=rf"^{re.escape(str(broken))}: can not be read as a zip \(.*\), expected a whole"
    ):
        measurements(broken)
    assert not is_product(broken.rename(zipped.with_name("of_no_known_name.zip")))


def test_a_zip_with_names_that_are_no_text_is_refused_as_unreadable(tmp_path: Path) -> None:
    archive = zip_members(tmp_path / f"{GRD}.zip", {"ü": b""})
    archive.write_bytes(archive.read_bytes().replace("ü".encode(), b"\xff\xff"))
    assert is_product(archive)
    with pytest.raises(SceneError, match=r"can not be read as a zip \('utf-8' codec"):
        measurements(archive)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_zip_with_wrong_bytes_raises_nothing_but_scene_errors(zipped: Path, data: st.DataObject) -> None:
    content = bytearray(zipped.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        # The directory is at the end.
        content[-data.draw(st.integers(1, 300))] = data.draw(st.integers(0, 255))
    wrong = zipped.with_name("wrong.zip")
    wrong.write_bytes(content)
    is_product(wrong)
    with suppress(SceneError):
        for path in measurements(wrong).values():
            assert path.startswith(f"/vsizip/{wrong}/")
            assert "/../" not in path


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (GRD, ("VV", "VH")),
        (GRD.replace(".SAFE", "_COG.SAFE"), ("VV", "VH")),
        (f"/data.SAFE/{GRD}.zip", ("VV", "VH")),
        ("S1A_IW_GRDH_1SSV_20201107T052605", ("VV",)),
        ("S1B_EW_GRDM_1SDH_20201107T052605", ("HH", "HV")),
        ("S1C_S6_GRDF_1SSH_20201107T052605", ("HH",)),
        ("S1D_WV_SLC__1SSV_20201107T052605", ("VV",)),
        ("S1A_SM_GRDH_1SVH_20201107T052605", ("VH",)),
        ("S1A_IW_OCN__2SDV_20201107T052605", ("VV", "VH")),
        ("Subset_0_of_S1A_IW_GRDH_1SDV_20201107T052605_Cal.tif", ("VV", "VH")),
        ("s1a_iw_grdh_1sdv_20201107t052605.tif", ("VV", "VH")),
        (VV, ("VV",)),
        (VH, ("VH",)),
        (f"s1d-s3-grd-hh-{DATASET_TIMES}-001-cog.tiff", ("HH",)),
        (f"s1c-iw2-slc-vh-{DATASET_TIMES}-005.tiff", ("VH",)),
        (f"s1a-wv1-slc-vv-{DATASET_TIMES}-001.tiff", ("VV",)),
        (f"s1a-iw-raw-s-vv-{DATASET_TIMES}.dat", ("VV",)),
        ("S1E_IW_GRDH_1SDV_20201107T052605", ()),
        ("XS1A_IW_GRDH_1SDV_20201107T052605", ()),
        ("S1A_S7_GRDH_1SDV_20201107T052605", ()),
        ("S1A_IW_GRDH_1SDVX_20201107T052605", ()),
        ("S1A_IW_20201107T052605_DVP_RTC30_G_gpuned_3A2C", ()),
        ("S2A_MSIL1C_20201107T103251_N0209_R108_T32UPU.SAFE", ()),
        (f"{GRD}/measurement/scene.tiff", ()),
        ("scene_VV.tif", ()),
        ("", ()),
    ],
)
def test_names_in_sentinel_1s_form_tell_the_polarisations(name: str, told: tuple[str, ...]) -> None:
    assert product_polarisations(name) == told


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (VV, "VV"),
        (VV.replace(".tiff", "-cog.tiff"), "VV"),
        (f"/vsizip/hh.zip/{GRD}/measurement/{VH}", "VH"),
        ("S1A_IW_GRDH_1SDV_2020_Sigma0_VH.tif", "VH"),
        ("S1A_IW_GRDH_1SDV_2020_Sigma0.tif", None),
        ("S1A_IW_GRDH_1SDV_2020_Sigma0_VV_VH.tif", None),
        ("S1A_IW_GRDH_1SDV_2020_Sigma0_HH.tif", None),
        ("S1A_IW_GRDH_1SSV_2020_Sigma0.tif", "VV"),
        ("S1A_IW_GRDH_1SSV_2020_Sigma0_VH.tif", None),
        ("S1A_IW_20201107T052605_DVP_RTC30_G_gpuned_3A2C_VH.tif", "VH"),
        ("iw-vh.tiff", "VH"),
        ("scene_VV.tif", "VV"),
        ("VH.tif", "VH"),
        ("hv", "HV"),
        ("vv/scene.tif", None),
        ("VV_VH.tif", None),
        ("savvy.tif", None),
        ("", None),
    ],
)
def test_the_name_of_a_file_tells_the_polarisation_of_its_single_band(name: str, told: str | None) -> None:
    assert file_polarisation(name) == told
