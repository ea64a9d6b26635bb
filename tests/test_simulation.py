"""Simulated files are georeferenced, pair up, and are cut from one plane."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner

from cli.simulate import simulate as command
from sartranslate.errors import OptionError, OutputError
from sartranslate.rasters.geotiff import RasterProfile, write_blocks
from sartranslate.simulate import simulation
from sartranslate.simulate.places import find_tile
from sartranslate.simulate.simulation import EASTING, NORTHING, SimulationOptions, simulate, to_unit, transform_at
from sartranslate.simulate.simulator import Landscape
from sartranslate.streaming.windows import Window


def read(path: Path) -> tuple[Any, Any, tuple[str | None, ...]]:
    with rasterio.open(path) as raster:
        return np.moveaxis(raster.read(), 0, -1), raster.profile, raster.descriptions


def place_of(profile: dict[str, Any]) -> Window:
    row = round((NORTHING - profile["transform"].f) / 10)
    col = round((profile["transform"].c - EASTING) / 10)
    return Window(row, col, profile["height"], profile["width"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("simulated")
    simulate(made, SimulationOptions(pairs=3, tile_size=96, scene=(150, 200), truth=True, seed=5))
    return made


def test_tiles_pair_up_to_the_pixel_in_utm(folder: Path) -> None:
    names = sorted(path.name for path in (folder / "sar").iterdir())
    assert names == sorted(path.name for path in (folder / "optical").iterdir())
    assert len(names) == 3
    for name in names:
        _, source, descriptions = read(folder / "sar" / name)
        target = read(folder / "optical" / name)[1]
        assert source["transform"] == target["transform"]
        assert source["crs"] == target["crs"] == "EPSG:32632"
        assert descriptions == ("VH",)
        assert (source["dtype"], source["nodata"], target["dtype"]) == ("uint16", 0, "uint8")


def test_every_file_holds_what_the_plane_shows_at_its_place(folder: Path) -> None:
    plane = Landscape(5)
    for path in [*folder.glob("sar/*"), folder / "scene.tif"]:
        values, profile, _ = read(path)
        np.testing.assert_array_equal(values, to_unit(plane.sar(place_of(profile)), "amplitude"))
    for path in [*folder.glob("optical/*"), folder / "scene_optical.tif"]:
        values, profile, _ = read(path)
        np.testing.assert_array_equal(values, plane.optical(place_of(profile)))


def test_no_two_places_overlap(folder: Path) -> None:
    seen: set[tuple[int, int]] = set()
    for path in [*folder.glob("sar/*"), folder / "scene.tif"]:
        row, col, height, width = place_of(read(path)[1])
        pixels = {(row + r, col + c) for r in range(height) for c in range(width)}
        assert not pixels & seen
        seen |= pixels


def test_tiles_hold_a_mix_of_land_covers(folder: Path) -> None:
    plane = Landscape(5)
    for path in folder.glob("sar/*"):
        cover = plane.cover(place_of(read(path)[1]))
        assert np.count_nonzero(np.bincount(cover.ravel()) / cover.size >= 0.03) >= 3


def test_amplitudes_are_digital_numbers_of_land_and_water(folder: Path) -> None:
    values = read(folder / "scene.tif")[0]
    assert values.min() >= 1
    assert 60 < np.median(values) < 400


def test_a_scene_streamed_in_blocks_equals_one_made_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulation, "BLOCK", 64)
    simulate(tmp_path, SimulationOptions(pairs=0, scene=(130, 150), seed=2))
    values, profile, _ = read(tmp_path / "scene.tif")
    np.testing.assert_array_equal(values, to_unit(Landscape(2).sar(place_of(profile)), "amplitude"))


@pytest.mark.parametrize("unit", ["amplitude", "db"])
def test_the_nodata_rim_is_nodata_and_only_a_rim(tmp_path: Path, unit: simulation.Unit) -> None:
    simulate(tmp_path, SimulationOptions(pairs=0, scene=(160, 200), nodata_rim=20, unit=unit))
    with rasterio.open(tmp_path / "scene.tif") as raster:
        valid = raster.read_masks(1) > 0
    assert valid[20:-20, 20:-20].all()
    assert 0.5 < (~valid).sum() / (valid.size - 120 * 160) < 0.8
    assert not valid[0].any()
    assert len({int(row.argmax()) for row in valid[30:-30]}) > 5  # slanted, not a frame


def test_units_agree() -> None:
    power = Landscape(1).sar(Window(0, 0, 50, 50))
    amplitude = to_unit(power, "amplitude")
    assert np.abs(amplitude / 1000.0 - np.sqrt(power)).max() <= 0.00051
    np.testing.assert_allclose(10 ** (to_unit(power, "db") / 10), power, rtol=1e-4)


def test_two_polarisations_become_two_described_bands(tmp_path: Path) -> None:
    options = SimulationOptions(pairs=1, tile_size=64, polarisations=("VV", "VH"), unit="power")
    simulate(tmp_path, options)
    values, profile, descriptions = read(tmp_path / "sar" / "tile_000.tif")
    assert descriptions == ("VV", "VH")
    np.testing.assert_array_equal(values, Landscape(0).sar(place_of(profile), ("VV", "VH")))


def test_a_used_folder_is_refused_and_overwriting_leaves_no_stale_tile_and_no_foreign_file_harmed(
    tmp_path: Path,
) -> None:
    simulate(tmp_path, SimulationOptions(pairs=2, tile_size=32))
    foreign = tmp_path / "sar" / "mine.txt"
    foreign.write_text("kept")
    with pytest.raises(OutputError, match="tile_000"):
        simulate(tmp_path, SimulationOptions(pairs=1, tile_size=32))
    simulate(tmp_path, SimulationOptions(pairs=1, tile_size=32, overwrite=True))
    assert [path.name for path in tmp_path.glob("*/*.tif")] == ["tile_000.tif"] * 2
    assert foreign.read_text() == "kept"


def test_a_failing_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "raster.tif"
    path.write_text("old")
    profile = RasterProfile(64, 64, 1, "uint8", "EPSG:32632", transform_at(Window(0, 0, 64, 64)))

    def blocks() -> Iterator[tuple[Window, Any]]:
        yield Window(0, 0, 32, 64), np.zeros((32, 64, 1), np.uint8)
        raise RuntimeError("no more blocks")

    with pytest.raises(RuntimeError):
        write_blocks(path, profile, blocks())
    assert [entry.read_text() for entry in tmp_path.iterdir()] == ["old"]


def test_a_folder_that_can_not_be_made_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="can not be written"):
        simulate(tmp_path / "file" / "below", SimulationOptions(pairs=1, tile_size=32))


@pytest.mark.parametrize(
    "wrong",
    [
        {"pairs": -1},
        {"tile_size": 8},
        {"scene": (0, 5)},
        {"nodata_rim": -1},
        {"scene": (300, 200), "nodata_rim": 100},
        {"unit": "volts"},
        {"polarisations": ("HH",)},
        {"looks": 0.0},
    ],
)
def test_options_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="expected"):
        SimulationOptions(**wrong)


def test_the_command_takes_width_before_height_and_both_polarisations_at_once(tmp_path: Path) -> None:
    words = [str(tmp_path), "--pairs", "0", "--scene", "70", "40", "--polarisation", "vv,VH", "--unit", "db"]
    result = CliRunner().invoke(command, words, catch_exceptions=False)
    assert result.output == f"{tmp_path}: 0 pairs and scene.tif\n"
    values, profile, descriptions = read(tmp_path / "scene.tif")
    assert values.shape == (40, 70, 2)
    assert (descriptions, profile["dtype"]) == (("VV", "VH"), "float32")


@pytest.mark.parametrize(("speckle", "least", "most"), [("white", -0.05, 0.05), ("correlated", 0.6, 0.85)])
def test_the_command_writes_the_speckle_that_it_is_told(
    tmp_path: Path, speckle: str, least: float, most: float
) -> None:
    arguments = ["--pairs", "0", "--scene", "120", "120", "--unit", "power", "--speckle", speckle]
    done = CliRunner().invoke(command, [str(tmp_path), *arguments])
    assert done.exit_code == 0, done.output
    values, profile, _ = read(tmp_path / "scene.tif")
    noise = values[..., 0] / Landscape(0).sigma0(place_of(profile))[..., 0] - 1
    assert least < (noise[:, 1:] * noise[:, :-1]).mean() / noise.var() < most


def test_a_tile_that_finds_no_room_beside_the_scene_is_refused() -> None:
    with pytest.raises(OptionError, match="no place found"):
        find_tile(Landscape(0), np.random.default_rng(0), 16, [Window(-20_000, -20_000, 40_000, 40_000)])
