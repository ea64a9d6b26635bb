"""Make a folder of training pairs, split by place, from a SAR scene and an optical image of the same ground."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import shapely

from sartranslate.backscatter.distribution import SceneStatistics, measure
from sartranslate.datasets.cutting import CuttingOptions, ScenePair, cut
from sartranslate.datasets.split import SPLITS
from sartranslate.datasets.tile_index import TileRecord, read_index, write_index
from sartranslate.datasets.tile_spacing import audit
from sartranslate.datasets.tiles import INDEX_NAME, SIDES
from sartranslate.errors import OptionError, OutputError, PairsError, SceneError
from sartranslate.rasters.address import public, unsigned
from sartranslate.rasters.geotiff import write_errors
from sartranslate.rasters.raster import named_errors
from sartranslate.rasters.remote import is_remote
from sartranslate.scenes.footprint import scene_footprint, whole_footprint
from sartranslate.scenes.optical import Optical, OpticalOptions, open_optical
from sartranslate.scenes.reader import block_cache
from sartranslate.scenes.sampling import sample_bands
from sartranslate.scenes.scene import Scene, open_scene
from sartranslate.scenes.source import SceneOptions
from sartranslate.scenes.stretch import Stretch
from sartranslate.storage.digest import text_digest

LONGEST_NAME = 150  # characters, which those of tiles begin with


@dataclass(frozen=True)
class PairingOptions:
    """What is read, and what becomes of it."""

    cutting: CuttingOptions = field(default_factory=CuttingOptions)
    scene: SceneOptions = field(default_factory=SceneOptions)
    unit: str | None = None  # of the SAR values; None: guessed
    optical: OpticalOptions = field(default_factory=OpticalOptions)
    name: str | None = None  # that the tiles' names begin with; None: the scene's
    overwrite: bool = False  # tiles of an earlier run with this name

    def __post_init__(self) -> None:
        if self.name is not None and _plain(self.name) != self.name:
            raise OptionError(f"name {self.name!r}: expected letters, digits, _, - and dots, such as Berlin_2024")


@dataclass(frozen=True)
class PairingSummary:
    """What was cut, fit for JSON."""

    folder: str
    name: str
    tiles: dict[str, int]  # by split
    dropped: dict[str, int]  # by reason
    unit: str  # of the SAR values
    reason: str  # why this unit was assumed
    stretch: Stretch | None  # optical values that became 0 and 255
    optical_nodata: float | None  # that was taken for no data where nothing declares it

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def make_pairs(
    sar: str | os.PathLike[str] | None,
    optical: str | os.PathLike[str],
    folder: Path,
    options: PairingOptions | None = None,
    watch: Callable[[int, int], None] = lambda done, planned: None,
) -> PairingSummary:
    """Add the pairs of one scene to `folder`: SPLIT/sar and SPLIT/optical for train, val and test, and an index.

    Tiles of different splits, those of earlier scenes included, lie at least the guard apart: their
    split is drawn by place, and audited. Raises `SceneError`, `OptionError`, `PairsError` or
    `OutputError`; the folder is then what it was. `watch` is told tiles looked at and in all.
    """
    options = options or PairingOptions()
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is a file, expected a folder")
    scene, image = open_scene(sar, None, options.scene), open_optical(optical, options.optical)
    name = options.name or _stem(scene.files[0] if sar is None else os.fspath(sar))
    if len(name) > LONGEST_NAME:
        raise OptionError(f"name {name}: {len(name)} characters, expected at most {LONGEST_NAME}; --name tells another")
    old, others = _index(folder, name, options)
    _check_size(scene, options.cutting.tile)
    _check_overlap(scene, image)
    scene = _polarised(scene, options)
    statistics = _measure(scene, options)
    with _working_folder(folder) as unfinished:
        records, dropped = cut(ScenePair(scene, image, statistics, name), options.cutting, unfinished, watch)
        if not records:
            reasons = ", ".join(f"{count} {reason}" for reason, count in dropped.items())
            raise PairsError(f"{folder}: no tile of {name} is left: {reasons}")
        old, others = _index(folder, name, options)
        audit([*others, *records])
        write_index(unfinished / INDEX_NAME, [*others, *records])
        _move_in(unfinished, folder, old, records)
    counts = Counter(record.split for record in records)
    tiles = {split: counts[split] for split in SPLITS}
    read_as = statistics.unit, statistics.reason, image.stretch, image.nodata
    return PairingSummary(str(folder), name, tiles, dict(dropped), *read_as)


def _stem(path: str) -> str:
    """A name for tiles from the path of a scene: of a product, its own."""
    parts = [part for part in re.split(r"[/\\]", public(path)) if part and part.lower() != "manifest.safe"]
    stem = parts[-1].rpartition(".")[0] or parts[-1]
    asked = unsigned(path).partition("?")[2] if is_remote(path) else ""  # may tell scenes apart, and may be long
    return _plain(f"{stem}_{text_digest(asked)}" if asked else stem)


def _plain(name: str) -> str:
    """A name that makes file names which are not hidden and lie in no other folder."""
    return re.sub(r"[^\w.-]+", "_", name).lstrip(".") or "_"


def _polarised(scene: Scene, options: PairingOptions) -> Scene:
    """Without bands that are no backscatter, such as the angle of incidence, where others have a polarisation."""
    named = [channel for channel, band in enumerate(scene.bands) if band.name]
    return scene.only(named) if named and not options.scene.bands else scene


def _measure(scene: Scene, options: PairingOptions) -> SceneStatistics:
    """Band by band, as a model that takes one of them sees the scene."""
    with block_cache(scene, options.cutting.tile):
        samples = sample_bands(scene)
    with named_errors(scene.path):
        return measure(samples, options.unit, scene.stored)


def _index(folder: Path, name: str, options: PairingOptions) -> tuple[list[TileRecord], list[TileRecord]]:
    """The records of an earlier run with this name, and all others; checks that this run goes with them."""
    path, edits = folder / INDEX_NAME, folder / f"{INDEX_NAME}-wal"
    if edits.exists() and edits.stat().st_size:  # SQLite would apply them to the index that takes the place of this one
        raise OutputError(f"{path}: is being edited in another program, such as QGIS, expected it saved and closed")
    records = read_index(path) if path.exists() else []
    old, others = ([record for record in records if (record.scene == name) is same] for same in (True, False))
    split = options.cutting.split
    for record in others:
        before = (record.seed, record.block, record.guard, record.shares)
        if before != (split.seed, split.block, split.guard, split.shares_text):
            raise OptionError(
                f"{path}: split with seed {record.seed}, blocks of {record.block:g} m, a guard of {record.guard:g} m "
                f"and shares {record.shares}, expected the same for further scenes"
            )
    if old and not options.overwrite:
        raise OutputError(f"{path}: tiles of {name} are there already; --overwrite replaces them, --name renames these")
    return old, others


def _check_size(scene: Scene, tile: int) -> None:
    if min(scene.height, scene.width) < tile:
        raise SceneError(
            f"{scene.path}: {scene.height} x {scene.width} pixels, expected at least a tile of {tile} x {tile}"
        )


def _check_overlap(scene: Scene, image: Optical) -> None:
    with named_errors(scene.path):
        ground = scene_footprint(scene)
    with named_errors(image.path):
        seen = whole_footprint(image)
    if not shapely.intersects(ground, seen):
        places = [f"{path} covers {_extent(ground)}" for path, ground in ((scene.path, ground), (image.path, seen))]
        raise SceneError(f"SAR and optical do not overlap: {', '.join(places)}, expected the same ground")


def _extent(ground: Any) -> str:
    west, south, east, north = ground.bounds
    return f"{west:.3f}..{east:.3f} E, {south:.3f}..{north:.3f} N"


@contextmanager
def _working_folder(folder: Path) -> Iterator[Path]:
    """A hidden folder in `folder`, which is made; what was made goes, as far as it is empty at the end."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    with write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=".pairs.", suffix=".part", dir=folder))
    try:
        yield unfinished
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
        for place in missing:
            if not any(place.iterdir()):
                place.rmdir()


def _move_in(unfinished: Path, folder: Path, old: list[TileRecord], records: list[TileRecord]) -> None:
    """Put finished tiles in the place of those of an earlier run, the index last; after an error all is as it was."""
    leaving = {file for record in old for file in _files(record)}
    coming = [file for record in records for file in _files(record)]
    if taken := [file for file in coming if file not in leaving and (folder / file).exists()]:
        raise OutputError(f"{folder / taken[0]}: is not in the index, expected no such file")
    with write_errors(folder), ExitStack() as undo:
        for file in leaving:
            if (folder / file).exists():
                _move(folder / file, unfinished / "old" / file, undo)
        for file in coming:
            _move(unfinished / file, folder / file, undo)
        (unfinished / INDEX_NAME).replace(folder / INDEX_NAME)
        undo.pop_all()


def _move(source: Path, target: Path, undo: ExitStack) -> None:
    for parent in reversed(target.parents):
        if not parent.exists():
            parent.mkdir()
            undo.callback(parent.rmdir)
    source.replace(target)
    undo.callback(target.replace, source)


def _files(record: TileRecord) -> list[Path]:
    return [Path(record.split, side, f"{record.name}.tif") for side in SIDES]
