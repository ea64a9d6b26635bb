"""Every fault of every pair is found before training, by decoding each tile once."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.crs import CRS

from sartranslate.backscatter.radiometry import IMAGE
from sartranslate.datasets import pair_check
from sartranslate.datasets.pair_check import CheckedPair, PairOptions, check_pairs, in_threads
from sartranslate.datasets.tiles import find_tiles
from sartranslate.errors import OptionError
from sartranslate.scenes.source import STATISTICS_TAG
from tests.tile_files import (
    PLACE,
    RGB,
    SAR,
    cut_off,
    noise,
    placed,
    save_image,
    save_side_by_side,
    write,
    write_pair,
)


def checked(folder: Path, **options: Any) -> list[Any]:
    return list(check_pairs(find_tiles(folder), PairOptions(**options)))


def faults(folder: Path, **options: Any) -> list[str]:
    """All faults as text, with the tile within the folder."""
    bad = [result for result in checked(folder, **options) if not isinstance(result, CheckedPair)]
    return [f"{fault.path.relative_to(folder).as_posix()}: {fault.text}" for result in bad for fault in result]


def no_pixel_seen(folder: Path) -> None:
    write_pair(folder, "a.tif", nodata=7, sar=np.full_like(SAR, 7))


def cut_png(folder: Path) -> None:
    save_image(folder / "sar" / "a.png", noise(60, 60)[..., 0])
    save_image(folder / "optical" / "a.png", noise(60, 60))
    cut_off(folder / "optical" / "a.png", 0.9)


def cut_tiff(folder: Path) -> None:
    write(folder / "sar" / "a.tif", noise(1, 60, 60))
    save_image(folder / "optical" / "a.tif", noise(60, 60))
    cut_off(folder / "optical" / "a.tif", 0.9)


def text_file(folder: Path) -> None:
    write_pair(folder, "a.tif")
    (folder / "sar" / "a.tif").write_text("hello")


def broken_statistics(folder: Path) -> None:
    write_pair(folder, "a.tif")
    with rasterio.open(folder / "sar" / "a.tif", "r+") as tile:
        tile.update_tags(**{STATISTICS_TAG: "null"})


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "size": (lambda f: write_pair(f, "a.tif", SAR[:, :6]), "optical/a.tif: 12 x 10 pixels, expected .* 6 x 10 pixels"),
    "small": (lambda f: write_pair(f, "a.tif", SAR[:, :6], RGB[:, :6]), "sar/a.tif: 6 x 10 pixels, expected .* 8 x 8"),
    "moved": (lambda f: write_pair(f, "a.tif", **placed(1)), "optical/a.tif: lies on other ground, expected"),
    "zone": (lambda f: write_pair(f, "a.tif", crs=CRS.from_epsg(32633)), "optical/a.tif: lies on other ground"),
    "bands": (
        lambda f: write_pair(f, "a.tif", np.concatenate([SAR, SAR])),
        r"sar/a.tif: 2 bands \(unnamed, unnamed\), the model expects 1 \(VH or VV\)",
    ),
    "colours": (lambda f: write_pair(f, "a.tif", RGB), r"sar/a.tif: 3 bands \(a coloured image\), the model expects 1"),
    "complex": (lambda f: write_pair(f, "a.tif", SAR.astype(np.complex64)), "sar/a.tif: complex values"),
    "empty": (no_pixel_seen, "sar/a.tif: no pixel is valid on both sides, expected some"),
    "cut PNG": (cut_png, r"optical/a.png: ends after \d+ bytes, expected a whole PNG"),
    "cut TIFF": (cut_tiff, "optical/a.tif: can not be read: "),
    "text": (text_file, "sar/a.tif: can not be read: .*not recognized"),
    "tag": (broken_statistics, "sar/a.tif: broken statistics of its scene: 'null', expected those that `pairs`"),
    "odd": (lambda f: save_image(f / "a.png", noise(12, 21)), "a.png: 21 columns, expected an even number"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_pair_that_can_not_be_used_is_named_with_what_was_expected(tmp_path: Path, fault: str) -> None:
    make, expected = FAULTS[fault]
    make(tmp_path)
    (found,) = faults(tmp_path, least_side=8)
    assert re.match(expected, found), found


def test_all_that_is_wrong_with_a_pair_is_said(tmp_path: Path) -> None:
    save_image(tmp_path / "sar" / "a.png", noise(60, 60)[..., 0])
    save_image(tmp_path / "optical" / "a.png", noise(50, 60))
    cut_off(tmp_path / "sar" / "a.png", 0.9)
    assert [line.partition(", expected")[0] for line in faults(tmp_path)] == [
        "optical/a.png: 50 x 60 pixels",
        f"sar/a.png: ends after {(tmp_path / 'sar' / 'a.png').stat().st_size} bytes",
    ]


def test_neighbouring_degrees_are_other_ground(tmp_path: Path) -> None:
    """One pixel of such a tile is about 1e-4 of its CRS' units."""
    place = {"crs": CRS.from_epsg(4326), "transform": Affine(1e-4, 0, 10, 0, -1e-4, 50)}
    write(tmp_path / "sar" / "a.tif", SAR, **place)
    write(tmp_path / "optical" / "a.tif", RGB, **{**place, "transform": Affine(1e-4, 0, 10.0001, 0, -1e-4, 50)})
    assert faults(tmp_path) == ["optical/a.tif: lies on other ground, expected that of its partner"]


@pytest.mark.parametrize("rule", ["mask", "alpha", "nodata"])
def test_a_pair_is_valid_where_both_sides_are(tmp_path: Path, rule: str) -> None:
    seen = np.ones((12, 10), bool)
    seen[:4] = False
    rgb, profile = np.where(seen, RGB | 1, 0), {"nodata": 0} if rule == "nodata" else {}
    if rule == "alpha":
        rgb, profile = np.concatenate([rgb, seen[None] * np.uint8(255)]), {"photometric": "RGB", "alpha": "YES"}
    write(tmp_path / "sar" / "a.tif", np.where(np.arange(10) < 2, 0, SAR + 1), **PLACE, nodata=0)
    write(tmp_path / "optical" / "a.tif", rgb.astype(np.uint8), **PLACE, **profile)
    if rule == "mask":
        with rasterio.open(tmp_path / "optical" / "a.tif", "r+") as dataset:
            dataset.write_mask(seen)
    (pair,) = checked(tmp_path)
    assert np.array_equal(pair.pixels.mask, seen & (np.arange(10) >= 2))


def test_a_coloured_source_is_for_a_model_of_images_alone(tmp_path: Path) -> None:
    labels, photo = noise(12, 10, seed=1), noise(12, 10, seed=2)
    save_side_by_side(tmp_path / "a.png", labels, photo)
    assert len(faults(tmp_path)) == 1
    for direction, source, target in (("AtoB", labels, photo), ("BtoA", photo, labels)):
        (pair,) = checked(tmp_path, radiometry=IMAGE, direction=direction)
        assert np.array_equal(pair.pixels.source, source)
        assert np.array_equal(pair.pixels.target, target)
        assert pair.scaling.ranges == ((0, 255),) * 3


def test_a_model_of_images_wants_bytes(tmp_path: Path) -> None:
    write_pair(tmp_path, "a.tif", RGB.astype(np.uint16))
    expected = "sar/a.tif: values of uint16, the model expects bytes (uint8) of an image"
    assert faults(tmp_path, radiometry=IMAGE) == [expected]


def test_fingerprints_tell_files_by_their_pixels_and_statistics(tmp_path: Path) -> None:
    write_pair(tmp_path, "a.tif")
    (before,) = checked(tmp_path)
    assert list(before.digests) == ["sar/a.tif", "optical/a.tif"]
    write(tmp_path / "optical" / "a.tif", RGB + 1, **PLACE)
    (after,) = checked(tmp_path)
    assert {name for name in after.digests if after.digests[name] != before.digests[name]} == {"optical/a.tif"}


def test_results_keep_the_order_of_the_items_and_few_wait() -> None:
    begun: list[int] = []

    def items() -> Iterator[int]:
        for item in range(40):
            begun.append(item)
            yield item

    results = in_threads(lambda item: -item, items(), 2)
    assert next(results) == 0
    assert len(begun) <= 6
    assert list(results) == [-item for item in range(1, 40)]


def test_an_error_in_a_thread_is_raised_and_no_thread_is_left() -> None:
    threads = threading.active_count()
    with pytest.raises(ZeroDivisionError):
        list(in_threads(lambda item: 1 // item, [1, 0, 1], 2))
    results = in_threads(str, range(100), 2)
    next(results)
    results.close()
    assert threading.active_count() == threads


@pytest.mark.parametrize("options", [{"direction": "A"}, {"least_side": 0}, {"memory": -1}])
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="expected"):
        PairOptions(**options)


@pytest.mark.parametrize(("limit", "expected"), [("40000000\n", 10_000_000), ("max\n", None)])
def test_tiles_take_a_quarter_of_what_a_container_may_have(
    limit: str, expected: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "memory.max").write_text(limit)
    monkeypatch.setattr(pair_check, "CONTAINER_LIMITS", ())
    machine = pair_check.default_memory()
    monkeypatch.setattr(pair_check, "CONTAINER_LIMITS", (tmp_path / "absent", tmp_path / "memory.max"))
    assert pair_check.default_memory() == (expected or machine)
