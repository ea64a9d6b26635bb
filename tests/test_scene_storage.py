"""Ways to store a scene: none changes a pixel of its picture, and what lies far away is read as little as can be."""

from __future__ import annotations

import shutil
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine
from click.testing import Result
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.enums import Resampling

from sartranslate.backscatter.radiometry import Float, Radiometry
from sartranslate.errors import SceneError
from sartranslate.infer.inference import translate
from sartranslate.infer.planning import InferenceOptions, plan
from sartranslate.runtimes.translator import Translator
from sartranslate.scenes.area_file import bbox_area
from tests.conftest import TRANSFORM, UTM, WriteScene

Run = Callable[..., Result]
SMALL = InferenceOptions(window=64, overlap=16)
LONG_SHAPE = (64, 65536)  # so long that a sample of it is little
TURNED = Affine(6, 8, 500_000, 8, -6, 5_300_000)
SOUTH_UP = Affine(10, 0, 500_000, 0, 10, 5_300_000)
DEGREES = Affine(1e-4, 0, 9, 0, -1e-4, 47)

LAYOUTS: dict[str, dict[str, Any]] = {
    "one strip": {"blockysize": 150},
    "strips of one row": {"blockysize": 1},
    "one block": {"tiled": True, "blockxsize": 256, "blockysize": 256},
    "tiles": {"tiled": True, "blockxsize": 32, "blockysize": 48},
    "BigTIFF": {"bigtiff": "YES"},
    "big-endian": {"endianness": "BIG"},
    "deflate with predictor": {"compress": "deflate", "predictor": 2},
    "zstd in one block": {"compress": "zstd", "tiled": True, "blockxsize": 256, "blockysize": 256},
    "another format": {"driver": "ENVI"},
    "south up": {"transform": SOUTH_UP},
    "rotated": {"transform": TURNED},
    "degrees": {"crs": CRS.from_epsg(4326), "transform": DEGREES},
}


def surroundings(batch: Float) -> Float:
    """A generator to whose every pixel the whole patch contributes."""
    return np.repeat((batch + batch.mean(axis=(1, 2), keepdims=True)) / 2, 3, axis=-1)


def picture(scene: str | Path, out: Path, options: InferenceOptions = SMALL) -> tuple[Any, Any, Affine]:
    """RGB and mask (4, H, W), and where they lie."""
    translate(plan(scene, out, Radiometry(), replace(options, overwrite=True)), Translator(surroundings))
    with rasterio.open(out) as dataset:
        return np.concatenate([dataset.read(), dataset.dataset_mask()[None]]), dataset.crs, dataset.transform


@pytest.fixture
def values() -> NDArray[np.uint16]:
    """Digital numbers with a hole of zeros."""
    values = np.random.default_rng(5).gamma(4.4, 25, (150, 211, 1)).astype(np.uint16) + 1
    values[30:50, 60:90] = 0
    return values


@pytest.fixture
def plain(write_scene: WriteScene, values: NDArray[np.uint16], tmp_path: Path) -> Any:
    return picture(write_scene("plain.tif", values, nodata=0), tmp_path / "plain.out")[0]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_layout_of_a_file_changes_a_pixel_and_each_keeps_its_ground(
    write_scene: WriteScene, values: NDArray[np.uint16], plain: Any, tmp_path: Path, layout: str
) -> None:
    profile = LAYOUTS[layout]
    name = "scene.img" if profile.get("driver") == "ENVI" else "scene.tif"
    found, crs, transform = picture(write_scene(name, values, nodata=0, **profile), tmp_path / "out.tif")
    assert np.array_equal(found, plain)
    assert (crs, transform) == (profile.get("crs", UTM), profile.get("transform", TRANSFORM))


@pytest.mark.parametrize("interleave", ["band", "pixel"])
@pytest.mark.parametrize("tiled", [True, False])
def test_neither_does_the_order_of_bands(
    write_scene: WriteScene, values: NDArray[np.uint16], plain: Any, tmp_path: Path, interleave: str, tiled: bool
) -> None:
    both = np.concatenate([values[::-1] * 2 + 1, values], axis=-1)
    blocks = {"tiled": True, "blockxsize": 64, "blockysize": 64} if tiled else {}
    path = write_scene("s.tif", both, names=("VV", "VH"), nodata=0, interleave=interleave, **blocks)
    assert np.array_equal(picture(path, tmp_path / "out.tif")[0], plain)


def test_overviews_are_not_looked_at(
    write_scene: WriteScene, values: NDArray[np.uint16], plain: Any, tmp_path: Path
) -> None:
    path = write_scene("s.tif", values, nodata=0)
    with rasterio.open(path, "r+") as dataset:
        dataset.build_overviews([2, 4], Resampling.average)
    assert np.array_equal(picture(path, tmp_path / "out.tif")[0], plain)


def test_blocks_that_a_sparse_file_leaves_out_are_a_hole(
    write_scene: WriteScene, values: NDArray[np.uint16], tmp_path: Path
) -> None:
    values[:64, :128] = 0
    blocks = {"tiled": True, "blockxsize": 64, "blockysize": 64, "sparse_ok": True}
    sparse, dense = write_scene("sparse.tif", values, nodata=0, **blocks), write_scene("dense.tif", values, nodata=0)
    found = picture(sparse, tmp_path / "sparse.out")[0]
    assert np.array_equal(found, picture(dense, tmp_path / "dense.out")[0])
    assert not found[3, :64, :128].any()


def stored_as(kind: str, path: Path) -> str:
    """The scene in something else, which GDAL reads it from."""
    folder = path.parent
    if kind in ("vrt", "vrt of a vrt"):
        rasterio.shutil.copy(path, folder / "inner.vrt", driver="VRT")
        shutil.copy(folder / "inner.vrt", folder / "outer.vrt")
        (folder / "outer.vrt").write_text((folder / "inner.vrt").read_text().replace(">scene.tif<", ">inner.vrt<"))
        return str(folder / ("inner.vrt" if kind == "vrt" else "outer.vrt"))
    if kind == "zip":
        with zipfile.ZipFile(folder / "a b.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(path, "in/scene.tif")
        return f"/vsizip/{folder}/a b.zip/in/scene.tif"
    if kind == "zip as a URL":
        with zipfile.ZipFile(folder / "scene.zip", "w") as archive:
            archive.write(path, "scene.tif")
        return f"zip://{folder}/scene.zip!scene.tif"
    if kind == "tar":
        with tarfile.open(folder / "scene.tar", "w") as tar:
            tar.add(path, "scene.tif")
        return f"/vsitar/{folder}/scene.tar/scene.tif"
    if kind == "cloud-optimised":
        rasterio.shutil.copy(path, folder / "cog.tif", driver="COG", blocksize=128)
        return str(folder / "cog.tif")
    named = folder / "größe 1 (a).TIFF"
    shutil.copy(path, named)
    return str(named)


@pytest.mark.parametrize("kind", ["vrt", "vrt of a vrt", "zip", "zip as a URL", "tar", "cloud-optimised", "any name"])
def test_no_container_of_a_file_changes_a_pixel(
    write_scene: WriteScene, values: NDArray[np.uint16], plain: Any, tmp_path: Path, kind: str
) -> None:
    scene = stored_as(kind, write_scene("scene.tif", values, nodata=0))
    found, *ground = picture(scene, tmp_path / "out.tif")
    assert np.array_equal(found, plain)
    assert ground == [UTM, TRANSFORM]


class Server(ThreadingHTTPServer):
    """Serves files by ranges, as object stores do, and counts what it sends."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder
        self.sent = 0  # bytes of files
        self.fails_after = 10**9  # bytes
        self.status = 200  # of every answer

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits until its headers are acknowledged

    def do_GET(self) -> None:
        self.answer(body=True)

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def answer(self, body: bool) -> None:
        path = self.server.folder / self.path.lstrip("/")
        status = 503 if self.server.sent > self.server.fails_after else self.server.status
        if status != 200 or not path.is_file():
            self.begin(status if status != 200 else 404, 0)
            return
        size = path.stat().st_size
        told = self.headers.get("Range")
        first, last = 0, size - 1
        if told:
            start, end = told.removeprefix("bytes=").split("-")
            first, last = int(start), min(int(end or last), last)
        self.begin(206 if told else 200, last + 1 - first, f"bytes {first}-{last}/{size}" if told else None)
        if body:
            with path.open("rb") as file:
                file.seek(first)
                self.wfile.write(file.read(last + 1 - first))
            self.server.sent += last + 1 - first

    def begin(self, status: int, length: int, content_range: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(length))
        if content_range:
            self.send_header("Content-Range", content_range)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server of the test's folder, whose files GDAL forgets when it closes them."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    monkeypatch.setenv("GDAL_DISABLE_READDIR_ON_OPEN", "EMPTY_DIR")
    monkeypatch.setenv("CPL_VSIL_CURL_NON_CACHED", "/vsicurl/http://127.0.0.1")
    with Server(tmp_path) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("prefix", ["/vsicurl/", ""])
@pytest.mark.parametrize("profile", [{}, {"tiled": True, "blockxsize": 64, "blockysize": 64, "compress": "deflate"}])
def test_a_scene_on_a_server_gives_the_same_picture(
    write_scene: WriteScene,
    values: NDArray[np.uint16],
    plain: Any,
    tmp_path: Path,
    server: Server,
    prefix: str,
    profile: dict[str, Any],
) -> None:
    write_scene("scene.tif", values, nodata=0, **profile)
    found, *ground = picture(f"{prefix}{server.url}/scene.tif", tmp_path / "out.tif")
    assert np.array_equal(found, plain)
    assert ground == [UTM, TRANSFORM]
    assert server.sent > 0


@pytest.fixture
def long_scene(write_scene: WriteScene, server: Server) -> Path:
    """A long tiled scene of random bytes, which no compression would make shorter."""
    values = np.random.default_rng(1).integers(1, 255, (*LONG_SHAPE, 1), np.uint8)
    return write_scene("long.tif", values, tiled=True, blockxsize=64, blockysize=64)


def test_of_a_scene_on_a_server_an_area_reads_little(long_scene: Path, tmp_path: Path, server: Server) -> None:
    """The sample that the whole scene's scaling comes from, and the windows that the area touches."""
    area = bbox_area(580_000, 5_299_000, 580_600, 5_299_500, "EPSG:32632")
    chosen = replace(SMALL, area=area, unit="byte")
    planned = plan(f"/vsicurl/{server.url}/long.tif", tmp_path / "remote.out", Radiometry(), chosen)
    sampled, server.sent = server.sent, 0
    translate(planned, Translator(surroundings))
    size = long_scene.stat().st_size
    assert 0 < server.sent < size / 20
    assert 0 < sampled < size / 3
    picture(long_scene, tmp_path / "local.out", chosen)
    assert (tmp_path / "remote.out").read_bytes() == (tmp_path / "local.out").read_bytes()


@pytest.mark.parametrize("status", [200, 403, 500, 503])
def test_a_server_without_the_scene_is_told_in_one_line(
    sartranslate: Run, tiny_model: Path, tmp_path: Path, server: Server, status: int
) -> None:
    server.status = status
    scene = f"/vsicurl/{server.url}/absent.tif"
    result = sartranslate("infer", scene, tmp_path / "out.tif", "--model", tiny_model)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: {scene}: can not be read: ")
    assert str(404 if status == 200 else status) in result.stderr
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_fails_in_the_middle_leaves_no_output(long_scene: Path, tmp_path: Path, server: Server) -> None:
    scene = f"/vsicurl/{server.url}/long.tif"
    planned = plan(scene, tmp_path / "out.tif", Radiometry(), replace(SMALL, unit="byte"))
    server.sent, server.fails_after = 0, long_scene.stat().st_size // 2
    with pytest.raises(SceneError, match=f"^{scene}: can not be read in rows ") as caught:
        translate(planned, Translator(surroundings))
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["long.tif"]
