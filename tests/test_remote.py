"""A scene on a server that fails is read whole, or the run ends soon with one line and leaves nothing behind."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from click.testing import Result

from sartranslate.rasters.raster import opened_raster
from sartranslate.rasters.remote import PATIENCE
from sartranslate.scenes.sampling import sample_scene, spread_windows
from sartranslate.scenes.scene import open_scene
from tests.conftest import save_gcp_scene, save_scene
from tests.faulty_server import CUT, ERROR, HANG, NO_RANGES, Fault, Served, served

SIZE = 512
MIDDLE = SIZE * SIZE  # byte, of two in a pixel
TALL, STRIP = 4096, 8  # rows; sampled windows lie farther apart than a strip is high
AT_OPENING = 1  # requests
BOUND = 30.0  # seconds for what takes few with the patience below


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """Half a megabyte in blocks, so that GDAL asks for it part by part."""
    rng = np.random.default_rng(5)
    values = (100 * np.sqrt(rng.gamma(4.4, 1 / 4.4, (SIZE, SIZE, 1))) + 1).astype(np.uint16)
    return save_scene(tmp_path / "scene_VH.tif", values, tiled=True, blockxsize=128, blockysize=128)


@pytest.fixture(autouse=True)
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GDAL_HTTP_TIMEOUT", "1")


@pytest.fixture
def translate(sartranslate: Callable[..., Result], tiny_model: Path, tmp_path: Path) -> Callable[[str], Result]:
    """Translate a scene to out/rgb.tif."""
    (tmp_path / "out").mkdir()

    def run(scene: str) -> Result:
        return sartranslate("infer", scene, tmp_path / "out" / "rgb.tif", "--model", tiny_model, "--overwrite")

    return run


def left_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.mark.parametrize("kind", [ERROR, pytest.param(CUT, marks=pytest.mark.long)])
def test_a_server_that_fails_twice_delays_a_translation_and_changes_no_byte(
    scene: Path, translate: Callable[[str], Result], tmp_path: Path, kind: str
) -> None:
    out = tmp_path / "out" / "rgb.tif"
    assert translate(str(scene)).exit_code == 0
    expected = out.read_bytes()
    with served(scene) as well:
        assert translate(well.scene).exit_code == 0
    with served(scene, Fault(kind, first=MIDDLE, times=2)) as failing:
        assert translate(failing.scene).exit_code == 0
    assert out.read_bytes() == expected
    assert failing.count() >= well.count() + 2


@pytest.mark.parametrize(
    "kind", [ERROR, pytest.param(CUT, marks=pytest.mark.long), pytest.param(HANG, marks=pytest.mark.long)]
)
def test_a_server_that_fails_in_the_middle_of_a_translation_ends_it_with_the_scene_and_the_rows(
    translate: Callable[[str], Result], tmp_path: Path, kind: str
) -> None:
    rng = np.random.default_rng(5)  # tall enough that sampling leaves something to be asked for
    scene = save_scene(tmp_path / "tall_VH.tif", rng.integers(1, 200, (TALL, 256, 1), np.uint16), blockysize=STRIP)
    with served(scene) as well:
        sample_scene(open_scene(well.scene, None))
    started = time.monotonic()
    with served(scene, Fault(kind, after=well.count() + AT_OPENING)) as failing:
        done = translate(failing.scene)
    assert time.monotonic() - started < BOUND
    assert failing.count() > well.count() + AT_OPENING
    assert done.exit_code == 1
    line = rf"Error: {re.escape(failing.scene)}: can not be read in rows \d+ to \d+: Request for [\d-]+ failed.*\n"
    assert re.fullmatch(line, done.stderr)
    assert left_in(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("fault", "path", "reason"),
    [
        (Fault(ERROR), "scene_VH.tif", "not recognized"),
        (Fault(CUT), "scene_VH.tif", "in rows 0 to 63: "),
        pytest.param(Fault(HANG), "scene_VH.tif", "in rows 0 to 63: ", marks=pytest.mark.long),
        (Fault(NO_RANGES), "scene_VH.tif", "Range downloading not supported by this server!"),
        (Fault(), "other_VH.tif", "HTTP response code: 404"),
    ],
)
def test_a_scene_that_a_server_does_not_give_is_refused_in_one_line(
    scene: Path, translate: Callable[[str], Result], tmp_path: Path, fault: Fault, path: str, reason: str
) -> None:
    with served(scene, fault) as failing:
        address = f"/vsicurl/{failing.address}/{path}"
        done = translate(address)
    assert done.exit_code == 1
    assert re.fullmatch(rf"Error: {re.escape(address)}: can not be read.*({reason}).*\n", done.stderr)
    assert left_in(tmp_path / "out") == []


def test_a_server_that_is_not_there_is_said_in_one_line(translate: Callable[[str], Result], tmp_path: Path) -> None:
    done = translate("/vsicurl/http://127.0.0.1:1/scene.tif")
    assert done.exit_code == 1
    assert re.fullmatch(r"Error: .*/scene\.tif: can not be read: .*Failed to connect.*\n", done.stderr)
    assert left_in(tmp_path / "out") == []


def test_a_scene_with_a_truncated_tail_is_refused_with_the_rows(
    scene: Path, translate: Callable[[str], Result], tmp_path: Path
) -> None:
    scene.write_bytes(scene.read_bytes()[: MIDDLE + MIDDLE // 2])
    done = translate(str(scene))
    assert done.exit_code == 1
    line = rf"Error: {re.escape(str(scene))}: can not be read in rows \d+ to \d+: .*IReadBlock failed.*\n"
    assert re.fullmatch(line, done.stderr)
    assert left_in(tmp_path / "out") == []


def test_a_scene_that_is_damaged_where_nothing_was_sampled_ends_a_translation_with_the_rows(
    translate: Callable[[str], Result], tmp_path: Path
) -> None:
    rng = np.random.default_rng(5)
    values = (100 * rng.random((TALL, 64, 1)) + 1).astype(np.uint16)
    scene = save_scene(tmp_path / "tall_VH.tif", values, compress="deflate", blockysize=STRIP)
    sampled = {row for window in spread_windows(TALL, 64) for row in range(*window.rows.indices(TALL))}
    strip = next(n for n in range(TALL // STRIP // 2, TALL) if not sampled & {n * STRIP, n * STRIP + STRIP - 1})
    with rasterio.open(scene) as dataset:
        offset = int(dataset.get_tag_item(f"BLOCK_OFFSET_0_{strip}", "TIFF", bidx=1))
    with scene.open("r+b") as file:
        file.seek(offset)
        file.write(bytes(64))
    done = translate(str(scene))
    assert done.exit_code == 1
    found = re.fullmatch(r"Error: .*tall_VH\.tif: can not be read in rows (\d+) to (\d+): .*\n", done.stderr)
    assert found
    assert int(found[1]) <= strip * STRIP <= int(found[2])
    assert left_in(tmp_path / "out") == []


def header_retries(server: Served) -> int:
    """How often a header that is answered 500 is asked for again."""
    with pytest.raises(ValueError, match="not recognized"), opened_raster(server.scene):
        pass
    return server.count() - 1


def test_what_the_user_sets_goes_before_our_patience(scene: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GDAL_HTTP_MAX_RETRY", raising=False)
    with served(scene, Fault(ERROR)) as ours:
        assert header_retries(ours) == int(PATIENCE["GDAL_HTTP_MAX_RETRY"])
    monkeypatch.setenv("GDAL_HTTP_MAX_RETRY", "1")
    with served(scene, Fault(ERROR)) as theirs:
        assert header_retries(theirs) == 1


def test_a_scene_placed_by_points_is_read_by_ranges_however_its_address_is_written(
    translate: Callable[[str], Result], tmp_path: Path
) -> None:
    rng = np.random.default_rng(5)
    values = (100 * np.sqrt(rng.gamma(4.4, 1 / 4.4, (SIZE, SIZE, 1))) + 1).astype(np.uint16)
    scene = save_gcp_scene(tmp_path / "points_VH.tif", values, tiled=True, blockxsize=128, blockysize=128)
    out = tmp_path / "out" / "rgb.tif"
    assert translate(str(scene)).exit_code == 0
    expected = out.read_bytes()
    with served(scene) as server:
        done = translate(server.scene.removeprefix("/vsicurl/"))
        assert done.exit_code == 0, done.output
        sizes = [size for _, _, size in map(json.loads, server.log.read_text().splitlines())]
    assert out.read_bytes() == expected
    assert max(sizes) < scene.stat().st_size
