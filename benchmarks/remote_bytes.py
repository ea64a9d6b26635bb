"""How many bytes a translation reads from a server, beside what its scene needs.

    python benchmarks/remote_bytes.py

Needed are, once each, the stored blocks that windows or the sampling for the scaling touch.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine
from rasterio.control import GroundControlPoint

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from sartranslate.backscatter.radiometry import Radiometry  # noqa: E402
from sartranslate.infer.generation import _patches  # noqa: E402
from sartranslate.infer.planning import InferenceOptions, plan_pixels  # noqa: E402
from sartranslate.rasters.process_wide import quiet  # noqa: E402
from sartranslate.scenes.area_file import bbox_area  # noqa: E402
from sartranslate.scenes.reader import block_cache  # noqa: E402
from sartranslate.scenes.sampling import spread_windows  # noqa: E402
from sartranslate.scenes.scene import open_scene  # noqa: E402
from sartranslate.streaming.windows import Window  # noqa: E402
from tests.faulty_server import Served, served  # noqa: E402

SIDE = 4096  # pixels
CRS_CODE = "EPSG:32632"
TRANSFORM = Affine(10, 0, 500_000, 0, -10, 5_300_000)
POINTS = 8  # along each side
KINDS: Mapping[str, dict[str, Any]] = {
    "COG, deflate, 512 px blocks, overviews": {"driver": "COG", "compress": "deflate", "blocksize": 512},
    "striped GeoTIFF, one row a strip": {"driver": "GTiff", "blockysize": 1},
    "striped GeoTIFF, LZW, 16 rows a strip": {"driver": "GTiff", "blockysize": 16, "compress": "lzw"},
    "tiled GeoTIFF, deflate, 512 px blocks": {
        "driver": "GTiff", "tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate"
    },
    "tiled GeoTIFF, 128 px blocks": {"driver": "GTiff", "tiled": True, "blockxsize": 128, "blockysize": 128},
}  # fmt: skip


class Reading(NamedTuple):
    """Of one translation."""

    needed: int  # bytes
    sent: int  # bytes
    requests: int

    @property
    def ratio(self) -> float:
        return self.sent / self.needed


def made(path: Path, profile: Mapping[str, Any], side: int = SIDE, *, points: bool = False) -> Path:
    """Speckle on 10 m pixels, placed by ground control points or by a transform."""
    rng = np.random.default_rng(5)
    values = (100 * np.sqrt(rng.gamma(4.4, 1 / 4.4, (1, side, side))) + 1).astype(np.uint16)
    place = {} if points else {"crs": CRS_CODE, "transform": TRANSFORM}
    plain = {"driver": "GTiff", "height": side, "width": side, "count": 1, "dtype": "uint16", **place}
    cog = profile["driver"] == "COG"
    with tempfile.TemporaryDirectory() as folder:
        first = Path(folder) / "plain.tif" if cog else path
        with quiet(), rasterio.open(first, "w", **{**plain, **({} if cog else profile)}) as dataset:
            dataset.write(values)
            if points:
                dataset.gcps = _points(side), rasterio.CRS.from_user_input(CRS_CODE)
        if cog:
            rasterio.shutil.copy(first, path, **profile)
    return path


def _points(side: int) -> list[GroundControlPoint]:
    """On the same ground, at the crossings of a grid."""
    offsets = np.linspace(0, side, POINTS)
    east, north, size = TRANSFORM.c, TRANSFORM.f, TRANSFORM.a
    return [GroundControlPoint(row, col, east + size * col, north - size * row) for row in offsets for col in offsets]


def reading(file: Path, share: float = 1.0) -> Reading:
    """Read what a translation of the middle `share` of both sides of a scene on a server reads."""
    with served(file) as server:
        windows = read(server, share)
        return Reading(stored(file, windows), server.sent, len(server.requests))


def read(server: Served, share: float) -> list[Window]:
    """All windows that are read, those for the scaling too."""
    scene = open_scene(server.scene, None)
    left, margin = scene.transform.c, (1 - share) / 2
    sides = (scene.width * 10 * margin, scene.width * 10 * (1 - margin))
    box = (left + sides[0], scene.transform.f - sides[1], left + sides[1], scene.transform.f - sides[0])
    area = None if share == 1 else bbox_area(*box, crs=CRS_CODE)
    options = InferenceOptions(area=area)
    plan = plan_pixels(scene, Radiometry(), options)
    with block_cache(scene, options.window):
        for _ in _patches(plan):
            pass
    return [*spread_windows(scene.height, scene.width), *plan.windows]


def stored(file: Path, windows: Iterable[Window]) -> int:
    """Bytes of the blocks under the windows."""
    with rasterio.open(file) as dataset:
        rows, cols = dataset.block_shapes[0]
        blocks = {
            (col, row)
            for window in windows
            for row in range(window.row_off // rows, -(-window.rows.stop // rows))
            for col in range(window.col_off // cols, -(-window.cols.stop // cols))
        }
        sizes = [dataset.get_tag_item(f"BLOCK_SIZE_{col}_{row}", "TIFF", bidx=1) for col, row in blocks]
    return sum(int(size) for size in sizes if size)  # a warped scene can be a pixel larger than its file


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    print(
        f"| {SIDE} x {SIDE} px | part | needed, MB | read, MB | read / needed | requests |\n|---|---|---|---|---|---|"
    )
    for name, profile in KINDS.items():
        with tempfile.TemporaryDirectory() as folder:
            file = made(Path(folder) / "scene_VH.tif", profile)
            for part, share in (("whole", 1.0), ("a quarter of each side", 0.25)):
                _print(name, part, reading(file, share))
            file = made(Path(folder) / "points_VH.tif", profile, points=True)
            _print(name, "whole, by ground control points", reading(file))


def _print(name: str, part: str, found: Reading) -> None:
    needed, sent = found.needed / 1e6, found.sent / 1e6
    print(f"| {name} | {part} | {needed:.1f} | {sent:.1f} | {found.ratio:.3f} | {found.requests} |")


if __name__ == "__main__":
    main()
