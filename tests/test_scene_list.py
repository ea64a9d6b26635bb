"""Scenes of a text file or a STAC collection, each with an output of its own name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sartranslate.errors import OptionError
from sartranslate.scenes.scene_list import check_names, collected, entry, listed


def items(path: Path, *items: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    return path


def test_a_list_has_a_scene_a_line_relative_to_it_without_comments(tmp_path: Path) -> None:
    text = '\ufeff# scenes\n\n a.tif \r\nsub/b.SAFE/\n/data/c.tif\nhttps://example.com/d.tif?key=1\nNETCDF:"/data/e.nc":VV\nS1:f.tif\n'
    file = tmp_path / "list.txt"
    file.write_bytes(text.encode())
    (tmp_path / "S1:f.tif").touch()
    entries = listed(file)
    assert [each.source for each in entries] == [
        str(tmp_path / "a.tif"),
        str(tmp_path / "sub" / "b.SAFE"),
        "/data/c.tif",
        "https://example.com/d.tif?key=1",
        'NETCDF:"/data/e.nc":VV',
        str(tmp_path / "S1:f.tif"),
    ]
    assert [each.name for each in entries] == ["a", "b", "c", "d", "e_VV", "S1:f"]


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", "a.tif\n".encode("utf-16-le"), None])
def test_a_list_that_is_no_text_is_refused(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "list.txt"
    if content:
        file.write_bytes(content)
    with pytest.raises(OptionError, match=r"list.txt: (is no text|can not be read)"):
        listed(file)


def test_items_have_one_data_asset_or_one_for_each_polarisation(tmp_path: Path) -> None:
    data = {"roles": ["data"]}
    file = items(
        tmp_path / "items.json",
        {"id": "one", "assets": {"a": {**data, "href": "one.tif"}, "thumbnail": {"href": "one.png"}}},
        {
            "id": "t/w o",
            "assets": {"b1": {**data, "href": "v.tif", "sar:polarizations": ["VV"]}, "vh": {**data, "href": "h.tif"}},
        },
        {"id": "bare", "assets": {"vv": {"href": "https://example.com/vv.tif"}, "other": {"href": "x.xml"}}},
    )
    one, two, bare = collected(file)
    assert (one.name, one.source, one.files) == ("one", str(tmp_path / "one.tif"), None)
    assert (two.title, two.name) == ("t/w o", "t_w_o")
    assert two.files == {"VV": str(tmp_path / "v.tif"), "VH": str(tmp_path / "h.tif")}
    assert bare.source == "https://example.com/vv.tif"


def test_an_item_that_does_not_tell_its_files_is_a_problem_of_its_own(tmp_path: Path) -> None:
    data = {"roles": ["data"], "href": "a.tif"}
    file = items(tmp_path / "items.json", {"id": "a"}, {"id": "b", "assets": {"x": data, "y": data}}, {})
    assert [each.problem for each in collected(file)] == [
        "a: no asset with the role 'data' and an address",
        "b: 2 data assets, expected one for each polarisation",
        "item 3: no asset with the role 'data' and an address",
    ]


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"type": "Feature"}', '{"type": "FeatureCollection", "features": [1]}']
)
def test_what_is_no_collection_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "items.json"
    file.write_text(content)
    with pytest.raises(OptionError, match="expected a STAC ItemCollection"):
        collected(file)


def test_a_list_in_a_linked_folder_leads_on_from_where_that_folder_is(tmp_path: Path) -> None:
    lists = tmp_path / "real" / "lists"
    lists.mkdir(parents=True)
    (tmp_path / "link").symlink_to(lists)
    (lists / "list.txt").write_text("../a.tif\n")
    (found,) = listed(tmp_path / "link" / "list.txt")
    assert Path(str(found.source)).resolve() == tmp_path / "real" / "a.tif"


def test_an_item_names_a_file_with_escapes_or_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "my scene.tif").touch()
    (tmp_path / "50%25.tif").touch()
    files = ("my%20scene.tif", "50%25.tif")
    found = collected(items(tmp_path / "items.json", *({"id": f, "assets": {"VV": {"href": f}}} for f in files)))
    assert [each.source for each in found] == [str(tmp_path / name) for name in ("my scene.tif", "50%25.tif")]


def test_a_collection_that_is_not_there_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"items\.json: can not be read: No such file"):
        collected(tmp_path / "items.json")


@pytest.mark.parametrize("source", [".", "../S1A.SAFE", "manifest.safe", "../S1A.SAFE/manifest.safe"])
def test_an_output_is_named_after_the_product_one_is_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    (tmp_path / "S1A.SAFE").mkdir()
    monkeypatch.chdir(tmp_path / "S1A.SAFE")
    assert entry(source).name == "S1A"


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("NETCDF:multi.nc:Band1", "multi_Band1"),
        ('NETCDF:"/data/a.b.nc":sigma0 vv', "a.b_sigma0_vv"),
        ("NETCDF:multi.nc:sigma0.vv", "multi_sigma0.vv"),
        ('HDF5:"x.h5"://science/VV', "x_science_VV"),
        ("GTIFF_DIR:2:scenes/a.tif", "a_2"),
        ('NETCDF:"https://host/dir/x.nc?sig=ab.cd&key=secret":VV', "x_VV"),
        ("NETCDF:/vsicurl/https://host/dir/x.nc:VV", "x_VV"),
        ("SENTINEL1_CALIB:SIGMA0:in/S1A_X.SAFE/manifest.safe:IW_VV:AMPLITUDE", "S1A_X_SIGMA0_IW_VV_AMPLITUDE"),
        ("S3://bucket/a.tif", "a"),
    ],
)
def test_a_part_of_a_file_is_named_after_both(source: str, name: str) -> None:
    assert entry(source).name == name


def test_two_outputs_of_one_name_are_refused_whatever_their_case() -> None:
    with pytest.raises(OptionError, match=r"x/A.tif and y/a.zip: both would become a.tif"):
        check_names([entry("x/A.tif"), entry("b.tif"), entry("y/a.zip")])
    with pytest.raises(OptionError, match="no scenes"):
        check_names([])


def test_a_scene_for_a_process_elsewhere_is_absolute_unless_it_is_an_address() -> None:
    assert entry("a.tif").absolute().source == str(Path.cwd() / "a.tif")
    assert entry("s3://bucket/a.tif").absolute().source == "s3://bucket/a.tif"
    assert entry('NETCDF:"/data/e.nc":VV').absolute().source == 'NETCDF:"/data/e.nc":VV'
