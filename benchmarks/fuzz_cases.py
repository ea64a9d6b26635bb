"""The cases of `fuzz.py`: of each corpus, input files in a folder of their own and the command that reads them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import click
from mutated_areas import draw_area
from mutated_bundles import GENERATORS, base_bundle, mutated_bundle
from mutated_folders import KINDS, mutate_folder, mutate_index, write_tiles
from mutated_tiffs import LAYOUTS, mutated_tiff, write_layout, write_picture
from mutations import case_generator, one_of
from numpy.random import Generator

from cli import main

RUNTIME = ("--runtime", "onnxruntime")
SMALL = ("--window", "32", "--overlap", "8")
LARGE = ("--window", "128", "--overlap", "16")  # a multiple of what all bundles take
CUT = ("--tile", "16", "--block", "200", "--guard", "0")
OUT = "out.tif"
TILES = "tiles"
UNDAMAGED = 0  # number of the case of each corpus that is left whole: what is refused then is no damage


@dataclass(frozen=True)
class Case:
    """A command and what it leaves where it succeeds; it runs in `work`, beside the folder `given`."""

    arguments: tuple[str, ...]
    raster: bool = False  # OUT, and nothing else
    indexed: bool = False  # TILES with an index and tiles
    listed: bool = False  # a refusal goes on with an indented line for each bad file
    checks: bool = False  # by `checking` in place of `main`


@dataclass(frozen=True)
class Bases:
    """Whole files that cases are damaged copies of."""

    folder: Path

    @classmethod
    def written(cls, folder: Path, seed: int) -> Bases:
        folder.mkdir()
        rng = case_generator(seed, "bases", 0)
        for name in LAYOUTS:
            write_layout(folder / f"{name}.tif", name, rng)
        write_picture(folder / "picture.tif", rng)
        for number in range(len(GENERATORS)):
            (folder / f"{number}.safetensors").write_bytes(base_bundle(number, rng))
        for kind in KINDS:
            write_tiles(folder / kind, kind, rng)
        return cls(folder)

    @property
    def model(self) -> str:
        return str(self.folder / "0.safetensors")

    def path(self, name: str) -> Path:
        return self.folder / name

    def copied(self, name: str, target: Path) -> Path:
        return Path(shutil.copy(self.folder / name, target))


@click.group(cls=type(main))
def checking() -> None:
    """What `train` does before it loads a framework, its errors told as the command line tells them."""


@checking.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--skip-bad", is_flag=True)
def check(folder: Path, skip_bad: bool) -> None:
    """Open, check and scale the pairs of a folder, and draw a batch."""
    from sartranslate.recipes.presets import preset
    from sartranslate.train.training_data import DataOptions, load_data

    small = {"generator.architecture": "resnet_6blocks", "discriminator.layers": 1, "optimisation.crop": 16}
    recipe = preset("sar").with_fields({**small, "optimisation.batch_size": 2})
    data = load_data([folder], recipe, 0, DataOptions(skip_bad=skip_bad))
    next(iter(data.crops.epoch(0)))
    click.echo("\n".join(data.notes()))


def scene(rng: Generator, bases: Bases, given: Path, damage: bool) -> Case:
    """A damaged raster: translated mostly, else inspected, cut into pairs, or evaluated."""
    action = one_of(rng, (*["infer"] * 8, "place", "inspect", "pairs", "optical", "evaluate"))
    optical = action in ("optical", "evaluate")
    name = "picture.tif" if optical else f"{one_of(rng, tuple(LAYOUTS))}.tif"
    content = bases.path(name).read_bytes()
    raster = given / "raster.tif"
    raster.write_bytes(mutated_tiff(rng, content) if damage else content)
    other = str(bases.path("uint16 strips.tif" if optical else "picture.tif"))
    if action in ("pairs", "optical"):
        files = (other, str(raster)) if optical else (str(raster), other)
        return Case(("pairs", *files, TILES, *CUT), indexed=True)
    if action == "evaluate":
        truth = str(bases.path("picture.tif"))
        return Case(("evaluate", "--prediction", str(raster), "--truth", truth, *SMALL))
    if action == "inspect":
        return Case(("inspect", str(raster), "--model", bases.model, *SMALL))
    options = ["--allow-ungeoreferenced"] if action == "place" else []
    return Case(("infer", str(raster), OUT, "--model", bases.model, *RUNTIME, *SMALL, *options), raster=True)


def bundle(rng: Generator, bases: Bases, given: Path, damage: bool) -> Case:
    """A damaged model that a small scene is translated with."""
    content = bases.path(f"{int(rng.integers(len(GENERATORS)))}.safetensors").read_bytes()
    model = given / "model.safetensors"
    model.write_bytes(mutated_bundle(rng, content) if damage else content)
    scene = str(bases.path("uint16 strips.tif"))
    if rng.random() < 0.1:
        return Case(("inspect", scene, "--model", str(model), *LARGE))
    return Case(("infer", scene, OUT, "--model", str(model), *RUNTIME, *LARGE), raster=True)


def folder(rng: Generator, bases: Bases, given: Path, damage: bool) -> Case:
    """A damaged folder of tiles that is checked for training, or to whose index tiles are added."""
    work = given.with_name("work")
    if rng.random() < 0.2:
        shutil.copytree(bases.path("splits"), work / TILES)
        if damage:
            mutate_index(rng, work / TILES)
        files = (str(bases.path("uint16 strips.tif")), str(bases.path("picture.tif")))
        return Case(("pairs", *files, TILES, "--tile", "16"), indexed=True)
    tiles = Path(shutil.copytree(bases.path(one_of(rng, KINDS)), given / TILES))
    if damage:
        mutate_folder(rng, tiles)
    skip = ["--skip-bad"] if rng.random() < 0.3 else []
    return Case(("check", str(tiles), *skip), listed=True, checks=True)


def area(rng: Generator, bases: Bases, given: Path, damage: bool) -> Case:
    """A damaged area of interest that a small scene is cut to."""
    layout = one_of(rng, ("uint16 strips", "mask", "points"))
    options = draw_area(rng, given) if damage else []
    scene = str(bases.path(f"{layout}.tif"))
    return Case(("infer", scene, OUT, "--model", bases.model, *RUNTIME, *SMALL, *options), raster=True)


CORPORA: Mapping[str, Callable[[Generator, Bases, Path, bool], Case]] = {
    "scenes": scene,
    "bundles": bundle,
    "folders": folder,
    "areas": area,
}


def make_case(corpus: str, number: int, seed: int, bases: Bases, place: Path) -> Case:
    """Write the files of a case into the new folders `place/given` and `place/work`."""
    given, work = place / "given", place / "work"
    for made in (given, work):
        made.mkdir(parents=True)
    return CORPORA[corpus](case_generator(seed, corpus, number), bases, given, number != UNDAMAGED)
