"""Every pair decoded once, so that all that is wrong with a folder is known before anything is trained on it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from sartranslate.backscatter.distribution import TOLD, SceneStatistics, resolve_scaling
from sartranslate.backscatter.radiometry import Mask, Radiometry
from sartranslate.backscatter.scaling import SceneScaling
from sartranslate.datasets.sides import LEFT, RIGHT, Image, Radar, Side, open_image, open_radar
from sartranslate.datasets.tiles import Fault, FoundTiles, PairFiles
from sartranslate.errors import OptionError, PairsError, SceneError
from sartranslate.scenes.source import shift
from sartranslate.storage.digest import digest
from sartranslate.streaming.prefetch import in_threads
from sartranslate.streaming.threads import cores

DIRECTIONS = ("AtoB", "BtoA")
SAME_GROUND = 0.1  # pixels that the corners of two tiles may be apart
SAMPLED_PIXELS = 2**23  # of all tiles of a folder, about, for its statistics
MOST_THREADS = 4
FALLBACK_MEMORY = 2 * 2**30  # bytes
PLAIN = "="  # of digests
CONTAINER_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
MEMORY_SHARE = 4  # one part in so many of the machine's memory

Item = TypeVar("Item")
Result = TypeVar("Result")


def default_memory() -> int:
    """Bytes that decoded tiles may take where nobody says: a quarter of what this process may have."""
    try:
        there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return FALLBACK_MEMORY
    return min([there, *_container_limits()]) // MEMORY_SHARE


def _container_limits() -> Iterator[int]:
    """Bytes that a container on Linux may have, where it has a limit."""
    for file in CONTAINER_LIMITS:
        with suppress(OSError, ValueError):  # absent, or "max"
            yield int(file.read_text(encoding="ascii"))


@dataclass(frozen=True)
class PairOptions:
    """How folders of pairs are read, and what is expected of them; raises `OptionError` for a value out of range."""

    radiometry: Radiometry = field(default_factory=Radiometry)
    unit: str | None = None  # of the SAR values; None: decided folder by folder
    direction: str = "AtoB"  # of images side by side: one of DIRECTIONS, the source first; A is the left half
    skip_bad: bool = False  # leave out pairs that can not be used
    least_side: int = 1  # pixels that both sides of a tile need
    memory: int = field(default_factory=default_memory)  # bytes of decoded tiles that are held
    bands: tuple[int, ...] = ()  # of SAR tiles, 1-based; empty: by name
    bands_option: str = "--bidx"  # that errors advise where these do not fit
    rgb: tuple[int, ...] = ()  # red, green and blue band of images, 1-based; empty: by colour or name

    def __post_init__(self) -> None:
        if self.direction not in DIRECTIONS:
            raise OptionError(f"direction {self.direction!r}: expected one of {', '.join(DIRECTIONS)}")
        if self.least_side < 1 or self.memory < 0:
            raise OptionError(f"least side {self.least_side}, memory {self.memory}: expected at least 1 and 0")

    def halves(self, files: PairFiles) -> tuple[int | None, int | None]:
        """Which half of its file each side is, None for all of it."""
        if not files.side_by_side:
            return None, None
        return (LEFT, RIGHT) if self.direction == "AtoB" else (RIGHT, LEFT)


class Pixels(NamedTuple):
    """A decoded pair, values as they are stored."""

    source: NDArray[Any]  # (H, W, channels)
    target: NDArray[Any]  # (H, W, 3)
    mask: Mask  # (H, W), valid on both sides


@dataclass(frozen=True)
class CheckedPair:
    """A pair that can be used, and what was learnt when it was decoded."""

    source: Side
    target: Image
    pixels: Pixels | None  # None: dropped
    scaling: SceneScaling | None  # of the scene that it was cut out of; None: it knows of none
    source_sample: NDArray[Any] | None  # (N, channels) valid values, rows evenly spread; None: it has a scaling
    target_sample: NDArray[Any] | None  # (N, 3), the same; None: bytes, which are not stretched
    digests: dict[str, str]  # of its files, by name in the folder


def check_pairs(found: FoundTiles, options: PairOptions) -> Iterator[CheckedPair | tuple[Fault, ...]]:
    """Each pair of a folder in its order, decoded some pairs ahead if there are cores, or all that is wrong with it."""

    def check(files: PairFiles) -> CheckedPair | tuple[Fault, ...]:
        return check_pair(files, found, options)

    return in_threads(check, found.pairs, min(cores(), MOST_THREADS))


def check_pair(files: PairFiles, found: FoundTiles, options: PairOptions) -> CheckedPair | tuple[Fault, ...]:
    """Open, compare and decode both sides of a pair of a folder."""
    faults: list[Fault] = []
    here, there = options.halves(files)
    source = _tried(files.source, faults, lambda: _open_source(files.source, options, here))
    target = _tried(files.target, faults, lambda: open_image(files.target, there, options.rgb))
    if source and target:
        faults += _misfits(source, target, options)
    seen, truth = (side and _tried(side.path, faults, side.read_whole) for side in (source, target))
    if source and target and seen and truth and not faults:
        scaling = _tried(files.source, faults, lambda: _own_scaling(source, seen[0], options))
        pixels = Pixels(seen[0], truth[0], seen[1] & truth[1])
        if not pixels.mask.any():
            faults.append(Fault(files.source, "no pixel is valid on both sides, expected some"))
        if not faults:
            return CheckedPair(
                source,
                target,
                pixels,
                scaling,
                source_sample=None if scaling else _sample(*seen, found.count),
                target_sample=None if target.dtype == "uint8" else _sample(*truth, found.count),
                digests=_digests(files, found.root, _digest(*seen, source.statistics), _digest(*truth)),
            )
    return tuple(dict.fromkeys(faults))


def _tried(path: Path, faults: list[Fault], work: Callable[[], Result]) -> Result | None:
    """What `work` returns; an error becomes a fault of the file."""
    try:
        return work()
    except (SceneError, PairsError) as error:
        faults.append(Fault(path, str(error).replace(f"{path}: ", "")))
    return None


def _open_source(path: Path, options: PairOptions, half: int | None) -> Side:
    if options.radiometry.is_colour:
        if options.bands:
            raise OptionError("--bidx is for SAR, and the model takes colours, which --rgb tells")
        return open_image(path, half, options.rgb)
    return open_radar(path, options.radiometry.bands, half, options.bands, options.bands_option)


def _misfits(source: Side, target: Image, options: PairOptions) -> Iterator[Fault]:
    """What keeps two sides from being a pair."""
    size, other = f"{source.height} x {source.width} pixels", f"{target.height} x {target.width} pixels"
    if size != other:
        yield Fault(target.path, f"{other}, expected those of its partner, {size}")
    elif min(source.height, source.width) < options.least_side:
        yield Fault(source.path, f"{size}, expected at least {options.least_side} x {options.least_side}")
    placed = source.crs is not None and target.crs is not None  # a PNG knows of no place
    if size == other and placed and not _on_same_ground(source, target):
        yield Fault(target.path, "lies on other ground, expected that of its partner")


def _on_same_ground(source: Side, target: Image) -> bool:
    apart = shift(source.transform, target.transform, source.height, source.width)
    return bool(source.crs == target.crs and apart <= SAME_GROUND)


def _own_scaling(source: Side, values: NDArray[Any], options: PairOptions) -> SceneScaling | None:
    """The scaling that a tile has whatever the others of its folder are like."""
    if options.radiometry.scaling == "image":
        return resolve_scaling(options.radiometry, [*values.reshape(-1, values.shape[-1]).T], options.unit)
    if not isinstance(source, Radar) or source.statistics is None:
        return None
    statistics = SceneStatistics.from_json(source.statistics)
    if options.unit not in (None, statistics.unit):
        return None
    if options.unit:
        statistics = replace(statistics, reason=TOLD)
    return statistics.resolve(options.radiometry, [band.number for band in source.scene.bands])


def _sample(values: NDArray[Any], mask: Mask, tiles: int) -> NDArray[Any]:
    """(N, C) valid values of whole rows, in scan order, as many as come to each of so many tiles."""
    step = min(-(-mask.size * tiles // SAMPLED_PIXELS), len(mask))
    return values[::step][mask[::step]]


def _digest(values: NDArray[Any], mask: Mask, text: str | None = None) -> str:
    """Of one side, marked where it is all of one colour, as many tiles may be."""
    found, valid = digest(values, np.packbits(mask), text=text or ""), values[mask]
    return f"{PLAIN}{found}" if (valid == valid[:1]).all() else found


def _digests(files: PairFiles, root: Path, source: str, target: str) -> dict[str, str]:
    names = [path.relative_to(root).as_posix() for path in files]
    return {names[0]: source + target} if files.side_by_side else dict(zip(names, (source, target), strict=True))
