"""`sartranslate train` as a user meets it: what it takes, what it refuses, and how it is stopped and resumed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import tomlkit
from click.testing import CliRunner, Result
from numpy.typing import NDArray
from safetensors.numpy import load_file

from sartranslate.networks import backend
from sartranslate.rasters.process_wide import quiet
from sartranslate.recipes.presets import PRESETS, preset
from sartranslate.recipes.recipe import flattened
from sartranslate.recipes.recipe_file import find_recipe
from sartranslate.train import training
from sartranslate.train.checkpoint import load_checkpoint, load_position, save_checkpoint
from sartranslate.train.history import read_history
from tests.conftest import save_scene, user_environment
from tests.tile_files import cut_off, noise, save_image, save_side_by_side, write, write_pair

ROOT = Path(__file__).parents[1]
SIZE = 256
TINY = ("--filters", 2, "--discriminator-filters", 2, "--precision", "float32")
ALONE = ("--set", "objective.gan_weight=0")  # without an opponent, which takes long to compile
SMALL_CROPS = ("--architecture", "resnet_6blocks", "--crop", 32)
MIDDLE_CROPS = ("--architecture", "unet_128", "--crop", 128)
EPOCHS = 2  # of the run that is stopped after its first update
# Without normalisation the squares of the logits soon leave the range of numbers.
WITHOUT_NORMS = ("--set", "discriminator.norm=none", "--set", "generator.norm=none")
EXPLODING = ("--gan", "lsgan", *WITHOUT_NORMS, "--set", "discriminator.layers=5", "--learning-rate", 1)
PATIENCE = 120  # seconds, for a process to end
CHANGES = {"objective.l1": 7, "objective.gan": "lsgan"}
LABELS = np.array([[0, 0, 170], [255, 0, 0], [0, 255, 170], [255, 255, 0]], np.uint8)

Run = Callable[..., Result]


def train(*arguments: object) -> Result:
    from cli import main

    return CliRunner().invoke(main, ["train", *map(str, arguments)])


def facade(seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A photo, and its labels as flat colours."""
    labels = LABELS[np.random.default_rng(seed).integers(len(LABELS), size=(8, 8))]
    labels = labels.repeat(SIZE // 8, axis=0).repeat(SIZE // 8, axis=1)
    return (labels // 2 + noise(SIZE, SIZE, seed=seed) // 4 + 20).astype(np.uint8), labels


def save_facades(folder: Path, *, labels_first: bool = False) -> Path:
    """Photo left and labels right, as they are published."""
    for split, seeds in {"train": (1, 2, 3), "val": (4,)}.items():
        for seed in seeds:
            sides = facade(seed)
            save_side_by_side(folder / split / f"{seed}.png", *(sides[::-1] if labels_first else sides))
    return folder


@pytest.fixture(scope="module")
def facades(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_facades(tmp_path_factory.mktemp("data") / "Größe 1" / "facades")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, facades: Path) -> tuple[Path, Result]:
    """The folder of a finished run, and what the command said."""
    run = tmp_path_factory.mktemp("runs") / "run"
    return run, train("--pairs", facades, "--out", run, *TINY, "--epochs", 2)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory, facades: Path) -> tuple[Path, Result]:
    """The folder of a run that Ctrl-C has stopped after its first update, and what the command said."""
    run = tmp_path_factory.mktemp("runs") / "my run"
    with ctrl_c_once_there_is(run / "recipe.toml"):
        return run, train("--pairs", facades, "--out", run, *TINY, *ALONE, "--epochs", EPOCHS)


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few updates are sooner done one by one than compiled."""
    monkeypatch.setattr(backend, "compiled", lambda function: function)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--resume", "r", "--show-recipe"), "--show-recipe is for a new run"),
        (
            ("--filters", 8, "--set", "generator.filters=4", "--show-recipe"),
            "--filters and --set generator.filters",
        ),
        (("--recipe", "", "--show-recipe"), "is an empty text"),
    ],
)
def test_options_that_contradict_each_other_are_refused(arguments: tuple[object, ...], line: str) -> None:
    refused = train(*arguments)
    assert refused.exit_code == 2
    assert line in refused.output


def test_default_is_the_embedded_model_whatever_lies_in_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "default").mkdir()
    monkeypatch.chdir(tmp_path)
    shown = train("--start-from", "default", "--show-recipe")
    assert shown.exit_code == 0, shown.output
    assert 'architecture = "unet_128"' in shown.output


@contextmanager
def ctrl_c_once_there_is(path: Path) -> Iterator[None]:
    ended = threading.Event()

    def press() -> None:
        while not ended.wait(0.002):
            if path.exists():
                os.kill(os.getpid(), signal.SIGINT)
                return

    presser = threading.Thread(target=press)
    presser.start()
    try:
        yield
    finally:
        ended.set()
        presser.join()


def contents(folder: Path) -> dict[str, bytes]:
    """Every file and folder below, hidden ones included."""
    return {
        str(path.relative_to(folder)): b"" if path.is_dir() else path.read_bytes() for path in sorted(folder.rglob("*"))
    }


def same_weights(here: Path, there: Path) -> bool:
    first, second = (load_file(run / "model.safetensors") for run in (here, there))
    return first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)


def assert_refused(result: Result, *messages: str, exit_code: int = 1, begun: bool = False) -> None:
    """One error, which may list files on lines of their own; what has `begun` has told of its pairs."""
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == exit_code, result.output
    assert bool(result.stdout) is begun
    lines = [line for line in result.stderr.splitlines() if line and not line.startswith(("Usage: ", "Try "))]
    assert lines[0].startswith("Error: ")
    assert all(line.startswith("  ") for line in lines[1:])
    for message in messages:
        assert message in result.stderr


# A folder as Isola et al. published theirs.


def test_a_folder_of_facades_trains_unchanged(trained: tuple[Path, Result]) -> None:
    run, result = trained
    assert (result.exit_code, result.stderr) == (0, "")
    assert "3 pairs: bytes of an image" in result.stdout
    assert re.search(r"run: 3 pairs, 6 updates, generator \d.*, l1 0\.\d+, best epoch [12] \(", result.stdout)
    files = {"model.safetensors", "best.safetensors", "checkpoint.safetensors", "recipe.toml", "history.csv"}
    assert {path.name for path in run.iterdir()} == files | {"summary.html", "sheets", "tensorboard"}
    assert [row["updates"] for row in read_history(run / "history.csv")] == [3, 6]


def test_its_model_translates_pictures_of_the_left_kind_with_or_without_a_place(
    trained: tuple[Path, Result], sartranslate: Run, tmp_path: Path
) -> None:
    photo, _ = facade(9)
    nowhere, placed = save_image(tmp_path / "a.png", photo), save_scene(tmp_path / "a.tif", photo)
    pictures = []
    for scene in (nowhere, placed):
        out = tmp_path / f"{scene.suffix[1:]}.tif"
        model = trained[0] / "model.safetensors"
        result = sartranslate(
            "infer", scene, out, "--model", model, "--allow-ungeoreferenced", "--precision", "float32"
        )
        assert result.exit_code == 0, result.output
        assert "band 1, 2, 3 read as bytes of an image" in result.stdout
        with rasterio.open(out) as dataset:
            pictures.append(dataset.read())
    assert pictures[0].shape == (3, SIZE, SIZE)
    assert np.ptp(pictures[0]) > 0
    assert np.array_equal(*pictures)


@pytest.mark.long
def test_from_b_to_a_is_from_a_to_b_of_swapped_halves(trained: tuple[Path, Result], tmp_path: Path) -> None:
    swapped = save_facades(tmp_path / "facades", labels_first=True)
    result = train("--pairs", swapped, "--out", tmp_path / "run", *TINY, "--epochs", 2, "--direction", "BtoA")
    assert result.exit_code == 0, result.output
    assert same_weights(tmp_path / "run", trained[0])


@pytest.mark.long
def test_the_other_direction_of_the_same_folder_is_another_model(
    trained: tuple[Path, Result], facades: Path, tmp_path: Path
) -> None:
    train("--pairs", facades, "--out", tmp_path / "run", *TINY, "--epochs", 2, "--direction", "BtoA")
    assert not same_weights(tmp_path / "run", trained[0])


# Other folders.


@pytest.mark.long
def test_the_split_folder_that_pairs_makes_is_trained_and_validated_on(sartranslate: Run, tmp_path: Path) -> None:
    sartranslate("simulate", tmp_path / "sim", "--pairs", 0, "--scene", 768, 512, "--truth")
    cut = ("--tile", 128, "--block", 1500, "--guard", 40, "--shares", 0.6, 0.3, 0.1)
    images = (tmp_path / "sim" / name for name in ("scene.tif", "scene_optical.tif"))
    made = sartranslate("pairs", *images, tmp_path / "pairs", *cut)
    assert made.exit_code == 0, made.output
    tiles = {split: len(list((tmp_path / "pairs" / split / "sar").iterdir())) for split in ("train", "val")}
    small = (*TINY, *ALONE, *MIDDLE_CROPS, "--epochs", 1, "--batch-size", tiles["train"])
    result = train("--pairs", tmp_path / "pairs", "--out", tmp_path / "run", *small)
    assert result.exit_code == 0, result.output
    assert f"{tiles['train']} pairs: amplitude (uint16 digital numbers)" in result.stdout
    assert f"run: {tiles['train']} pairs, 1 update, " in result.stdout
    assert "val_ssim" in read_history(tmp_path / "run" / "history.csv")[0]
    assert tiles["val"] > 0


def bad_folder(folder: Path) -> Path:
    """Three good pairs, and one of every kind that can not be used."""
    rng = np.random.default_rng(0)

    def add(name: str, **sides: Any) -> tuple[Path, Path]:
        sar = rng.gamma(4, 25, (1, 140, 140)).astype(np.uint16) + 1
        write_pair(folder, name, sides.get("sar", sar), sides.get("rgb", noise(140, 140).transpose(2, 0, 1)))
        return folder / "sar" / name, folder / "optical" / name

    for number in range(3):
        add(f"good{number}.tif")
    add("alone.tif")[1].unlink()
    add("lost.tif")[0].unlink()
    for name in ("cut.tif", "other.png"):
        optical = add(name)[1]
        save_image(optical, noise(200, 200))
        cut_off(optical, 0.5)
    add("narrow.tif", rgb=noise(140, 139).transpose(2, 0, 1))
    add("blank.tif", sar=np.zeros((1, 140, 140), np.uint16))
    add("nothing.tif")[0].write_bytes(b"")
    add("text.tif")[1].write_text("a picture")
    add("small.tif", sar=np.ones((1, 8, 8), np.uint16), rgb=noise(8, 8).transpose(2, 0, 1))
    return folder


BAD = (
    "sar/alone.tif: no partner, expected optical/alone with one of the suffixes",
    "optical/lost.tif: no partner, expected sar/lost with one of the suffixes",
    "optical/cut.tif: can not be read: ",
    "optical/other.png: ",
    "optical/narrow.tif: 140 x 139 pixels, expected those of its partner, 140 x 140 pixels",
    "sar/blank.tif: no pixel is valid on both sides",
    "sar/nothing.tif: can not be read: ",
    "optical/text.tif: can not be read: ",
    "sar/small.tif: 8 x 8 pixels, expected at least 128 x 128",
)


def test_all_that_is_wrong_with_a_folder_is_listed_at_once(tmp_path: Path) -> None:
    folder = bad_folder(tmp_path / "pairs")
    before = contents(tmp_path)
    result = train("--pairs", folder, "--out", tmp_path / "run", *MIDDLE_CROPS)
    assert_refused(result, f"{folder}: {len(BAD)} of {len(BAD) + 3} pairs can not be used; --skip-bad leaves", *BAD)
    named = {re.split(r"[/.]", line)[1] for line in result.stderr.splitlines()[1:]}
    assert named == {re.split(r"[/.]", line)[1] for line in BAD}
    assert contents(tmp_path) == before


@pytest.mark.usefixtures("eager")
def test_the_rest_is_trained_on_when_bad_pairs_are_skipped_and_what_is_left_out_is_said(tmp_path: Path) -> None:
    folder = bad_folder(tmp_path / "pairs")
    small = (*TINY, *ALONE, *MIDDLE_CROPS, "--epochs", 1, "--skip-bad")
    result = train("--pairs", folder, "--out", tmp_path / "run", *small)
    assert (result.exit_code, result.stderr) == (0, "")
    assert f"{tmp_path / 'run'}: 3 pairs, 3 updates" in result.stdout
    for line in BAD:
        assert f"left out: {folder}/{line}" in result.stdout


# Pairs that are refused.


def good_folder(folder: Path, first_column: int = 0, seed: int = 0) -> Path:
    """Three pairs of 40 x 40 pixels side by side on the ground."""
    rng = np.random.default_rng(seed)
    for number in range(3):
        sar = rng.gamma(4, 25, (1, 40, 40)).astype(np.uint16) + 1
        write_pair(
            folder, f"{number}.tif", sar, rng.integers(0, 255, (3, 40, 40), np.uint8), first_column + 40 * number
        )
    return folder


def colourful(folder: Path) -> None:
    save_side_by_side(folder / "1.png", noise(40, 40), noise(40, 40))


def odd_columns(folder: Path) -> None:
    save_image(folder / "1.png", noise(40, 81))


def deep_colours(folder: Path) -> None:
    write(folder / "1.tif", np.random.default_rng(0).integers(0, 9999, (3, 40, 80)).astype(np.uint16))


def shared_ground(folder: Path) -> None:
    good_folder(folder / "train")
    good_folder(folder / "val", first_column=60, seed=1)


def shared_pixels(folder: Path) -> None:
    colourful(folder / "train")
    shutil.copytree(folder / "train", folder / "val")


def only_validation(folder: Path) -> None:
    good_folder(folder / "val")


def bad_validation(folder: Path) -> None:
    good_folder(folder / "train")
    good_folder(folder / "val", first_column=200)
    (folder / "val" / "sar" / "1.tif").unlink()


@pytest.mark.usefixtures("eager")
def test_tiles_of_many_bands_without_names_train_the_same_model_as_those_of_the_bands_that_are_told(
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(0)
    for number, split in enumerate(("train", "train", "val")):
        sar = (10 * np.log10(rng.gamma(4.4, 1 / 4.4, (2, 32, 32))) - 12).astype(np.float32)
        optical = rng.integers(1, 4000, (6, 32, 32), dtype=np.uint16)
        for name, radar, colours in (("many", sar, optical), ("chosen", sar[1:], optical[[3, 2, 1]])):
            write_pair(tmp_path / name / split, f"{number}.tif", radar, colours, columns=40 * number)
    small = (*TINY, *ALONE, *SMALL_CROPS, "--epochs", 1, "--batch-size", 2)
    many = ("--pairs", tmp_path / "many", "--out", tmp_path / "of many", *small)
    assert "sar/0.tif: 2 bands (unnamed, unnamed), the model expects 1 (VH or VV); choose with --bidx" in (
        refused := train(*many).output
    )
    assert "optical/0.tif: 6 bands of uint16, expected grey, or red, green and blue; choose with --rgb" in refused
    done = train(*many, "--bidx", 2, "--rgb", "4,3,2")
    assert done.exit_code == 0, done.output
    assert train("--pairs", tmp_path / "chosen", "--out", tmp_path / "of chosen", *small).exit_code == 0
    weights, expected = (load_file(tmp_path / run / "model.safetensors") for run in ("of many", "of chosen"))
    assert weights.keys() == expected.keys()
    assert all(np.array_equal(weights[name], expected[name]) for name in expected)
    resumed = train("--resume", tmp_path / "of many", "--bidx", 1)
    assert "this run has bidx [2], not [1]" in resumed.output
    assert train("--resume", tmp_path / "of many", "--rgb", "4,3,2").exit_code == 0
    older = tmp_path / "of chosen" / "checkpoint.safetensors"
    arrays, position = load_checkpoint(older)
    position["settings"] = {name: told for name, told in position["settings"].items() if name not in ("bidx", "rgb")}
    save_checkpoint(older, arrays, position)
    resumed = train("--resume", tmp_path / "of chosen", "--rgb", "3,2,1")
    assert "this run has rgb [], not [3, 2, 1]" in resumed.output
    assert train("--resume", tmp_path / "of chosen").exit_code == 0


@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        (Path.mkdir, (), "pairs: no tiles, expected sar/NAME and optical/NAME, or images of two halves"),
        (lambda folder: None, (), "pairs: no such folder, expected sar/NAME and optical/NAME"),
        (only_validation, (), "pairs: no tiles to train on, only val, expected"),
        (good_folder, ("--batch-size", 4), "3 crops of 32 pixels, expected at least a batch of 4"),
        (good_folder, ("--crop", 64), "sar/2.tif: 40 x 40 pixels, expected at least 64 x 64"),
        (good_folder, ("--bands", "VV,VH"), "1 band (unnamed), the model expects 2 (VV, VH); choose with --bidx or"),
        (good_folder, ("--unit", "db"), "told to be decibels"),
        (good_folder, ("--val", "pairs"), "0.tif: for validation, shows the ground of "),
        (shared_ground, (), "which is trained on; pairs of tiles like that: 3, expected none"),
        (shared_pixels, (), "val/1.png: for validation, shows the ground of "),
        (
            bad_validation,
            (),
            "val: 1 of 3 pairs can not be used; --skip-bad leaves them out:\n  optical/1.tif: no partner",
        ),
        (odd_columns, (), "1.png: 81 columns, expected an even number for two images side by side"),
        (deep_colours, (), "1.tif: values of uint16, the model expects bytes (uint8) of an image"),
        (colourful, ("--bands", "VV"), "1.png: 3 bands (a coloured image), the model expects 1"),
        (colourful, ("--bidx", 4), "1.png: bands 4 of 3 bands (unnamed, unnamed, unnamed) told, the model expects 1"),
    ],
)
def test_pairs_that_can_not_be_trained_on_are_refused_before_anything_is_written(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[Path], None],
    arguments: tuple[object, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "pairs")
    before = contents(tmp_path)
    assert_refused(train("--pairs", "pairs", "--out", "new/run", *SMALL_CROPS, *arguments), message)
    assert contents(tmp_path) == before


# Options.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "expected either --out RUN for a new run or --resume RUN"),
        (("--pairs", "pairs"), "expected either --out RUN for a new run or --resume RUN"),
        (("--out", "run", "--resume", "run"), "expected either --out RUN for a new run or --resume RUN"),
        (("--out", "run"), "expected --pairs DIR"),
        (("--out", "run", "--pairs", "file"), "'file' is a file"),
        (("--out", "file", "--pairs", "pairs"), "'file' is a file"),
        (("--resume", "file"), "'file' is a file"),
        (("--recipe", "unknown"), "recipe 'unknown': expected a TOML file or one of sar, sar-finetune, paper"),
        (("--recipe", "none.toml"), "none.toml: can not be read: No such file or directory"),
        (("--recipe", "broken.toml"), "broken.toml: "),
        (("--set", "unknown.l1=1"), "recipe field 'unknown.l1': expected PART.FIELD with a part of generator"),
        (("--set", "objective.l3=1"), "recipe field 'objective.l3': objective has gan, gan_weight, l1, l2"),
        (("--set", "l1=1"), "recipe field 'l1': expected PART.FIELD"),
        (("--set", "objective.l1"), "'objective.l1': expected PART.FIELD=VALUE, such as objective.l1=50"),
        (("--set", "objective.l1=nan"), "l1 nan: expected a number from 0"),
        (("--set", "objective.gan=wgan"), "gan 'wgan': expected one of vanilla"),
        (("--gan", "wgan"), "'wgan' is not one of 'vanilla'"),
        (("--gan", "wgan-gp"), "wgan-gp with discriminator.norm batch"),
        (("--l1-weight", 0, "--set", "objective.gan_weight=0"), "all weights of the losses are 0"),
        (("--epochs", 0), "epochs 0: expected a whole number from 1"),
        (("--batch-size", 0), "batch_size 0: expected a whole number from 1"),
        (("--learning-rate", 1e9), "learning_rate 1000000000.0: expected a number from"),
        (("--crop", 100), "crop 100: unet_256 needs a multiple of 256"),
        (("--crop", 0), "crop 0: expected a whole number from 16"),
        (("--filters", 0), "filters 0: expected a whole number from 1"),
        (("--seed", -1), "seed -1: expected 0 to 4294967295"),
        (("--bands", "VX"), "bands 'VX'"),
        (("--direction", "atob"), "'atob' is not one of 'AtoB', 'BtoA'"),
        (("--precision", "float16"), "'float16' is not one of 'auto', 'float32', 'bfloat16'"),
        (("--architecture", "resnet_6blocks", "--crop", 16), "crop 16: "),
        (("--set", "discriminator.scales=3", "--set", "discriminator.layers=5"), "crop 256: "),
        (("--bands", ""), "bands ''"),
        (("--checkpoint-minutes", 0), "checkpoints every 0.0 minutes and 0 epochs: expected more than 0"),
        (("--checkpoint-epochs", -1), "checkpoints every 10.0 minutes and -1 epochs"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_options_that_do_not_work_are_wrong_usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[object, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    good_folder(tmp_path / "pairs")
    (tmp_path / "file").write_text("")
    (tmp_path / "broken.toml").write_text("epochs = = 3")
    before = contents(tmp_path)
    if not {"--out", "--resume", "--pairs"}.intersection(arguments) and arguments:
        arguments = ("--pairs", "pairs", "--out", "run", *TINY, *arguments)
    assert_refused(train(*arguments), message, exit_code=2)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", PRESETS)
def test_a_recipe_is_shown_with_all_that_changes_it_and_can_be_read_back(tmp_path: Path, name: str) -> None:
    plain = train("--show-recipe", "--recipe", name)
    assert plain.exit_code == 0, plain.output
    changed = train("--show-recipe", "--recipe", name, "--l1-weight", 7, "--set", "objective.gan=lsgan")
    here, there = (flattened(tomlkit.parse(result.stdout).unwrap()) for result in (plain, changed))
    assert {field: there[field] for field in there if there[field] != here[field]} == CHANGES
    file = tmp_path / "mine.toml"
    file.write_text(changed.stdout)
    assert find_recipe(str(file)) == preset(name).with_fields(CHANGES)
    assert train("--show-recipe", "--recipe", file).stdout == changed.stdout


def test_the_recipe_in_the_folder_of_a_run_is_that_of_its_options(trained: tuple[Path, Result]) -> None:
    kept = (trained[0] / "recipe.toml").read_text()
    assert train("--show-recipe", *TINY[:4], "--epochs", 2).stdout == kept


# Where a run exists already.


def test_a_run_is_replaced_only_when_told(stopped: tuple[Path, Result], facades: Path) -> None:
    run, _ = stopped
    before = contents(run)
    result = train("--pairs", facades, "--out", run, *TINY)
    assert_refused(result, f"{run}", "exists already; --overwrite replaces it, --resume goes on with it")
    assert contents(run) == before


@pytest.mark.long
def test_a_run_that_replaces_another_keeps_nothing_of_it_and_what_is_no_run_s(
    trained: tuple[Path, Result], facades: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained[0], run)
    (run / "notes.txt").write_text("mine")
    without_validation = ("--pairs", facades / "train", "--out", run, "--overwrite")
    assert train(*without_validation, *TINY, "--epochs", 1).exit_code == 0
    assert not (run / "best.safetensors").exists()
    assert [path.name for path in (run / "sheets").iterdir()] == ["epoch_0001.png"]
    assert len(read_history(run / "history.csv")) == 1
    assert (run / "notes.txt").read_text() == "mine"


# Stopped and resumed.


def test_ctrl_c_ends_a_run_after_the_present_update_with_a_checkpoint(stopped: tuple[Path, Result]) -> None:
    run, result = stopped
    assert result.exit_code == 128 + signal.SIGINT
    assert result.stderr.startswith(f"{run}: stopped after update 1; go on with sartranslate train --resume ")
    assert result.stderr.count("\n") == 1
    assert load_position(run / "checkpoint.safetensors")["course"]["updates"] == 1
    assert "<td>1, of 1 crop</td>" in (run / "summary.html").read_text()


def test_what_is_said_of_how_to_go_on_can_be_given_to_a_shell(stopped: tuple[Path, Result]) -> None:
    run, result = stopped
    words = shlex.split(result.stderr.partition("go on with ")[2])
    assert words == ["sartranslate", "train", "--resume", str(run)]


def test_a_run_that_is_stopped_within_its_first_epoch_has_no_losses_to_tell(stopped: tuple[Path, Result]) -> None:
    run, result = stopped
    assert result.stdout.splitlines()[-1] == f"{run}: 3 pairs, 1 update"


def test_a_run_that_was_told_to_outlive_its_terminal_does() -> None:
    """As `nohup` tells it."""
    earlier = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        train("--show-recipe")
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, earlier)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("older", [False, pytest.param(True, marks=pytest.mark.long)])
def test_a_stopped_run_is_resumed_to_its_end(stopped: tuple[Path, Result], tmp_path: Path, older: bool) -> None:
    run = tmp_path / "run"
    shutil.copytree(stopped[0], run)
    if older:
        arrays, position = load_checkpoint(run / "checkpoint.safetensors")
        del position["settings"]["arrangement"]
        save_checkpoint(run / "checkpoint.safetensors", arrays, position)
    result = train("--resume", run, *TINY, *ALONE, "--epochs", EPOCHS, "--checkpoint-epochs", 1)
    assert (result.exit_code, result.stderr) == (0, "")
    assert f"{run}: 3 pairs, {3 * EPOCHS} updates" in result.stdout
    assert [row["updates"] for row in read_history(run / "history.csv")] == [3 * n for n in range(1, EPOCHS + 1)]


@pytest.mark.long
def test_a_run_that_another_process_has_gone_on_with_meanwhile_is_left_to_it(
    stopped: tuple[Path, Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    shutil.copytree(stopped[0], run)

    def load_data_as_others_train(*arguments: Any) -> Any:
        loaded = load_data(*arguments)
        arrays, position = load_checkpoint(run / "checkpoint.safetensors")
        position["course"]["updates"] += 1
        save_checkpoint(run / "checkpoint.safetensors", arrays, position)
        return loaded

    load_data = training.load_data
    monkeypatch.setattr(training, "load_data", load_data_as_others_train)
    result = train("--resume", run)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "another process has trained on meanwhile; try again" in result.stderr
    assert load_position(run / "checkpoint.safetensors")["course"]["updates"] == 2


@pytest.mark.long
def test_it_ends_as_without_the_stop(stopped: tuple[Path, Result], facades: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(stopped[0], run)
    train("--resume", run)
    train("--pairs", facades, "--out", tmp_path / "whole", *TINY, *ALONE, "--epochs", EPOCHS)
    assert same_weights(run, tmp_path / "whole")


def change_a_pixel(path: Path) -> None:
    with quiet(), rasterio.open(path) as dataset:
        values = dataset.read()
    values[1, 9, 9] ^= 1
    write(path, values)


def test_a_run_never_replaces_the_model_that_it_starts_from(trained: tuple[Path, Result], facades: Path) -> None:
    run, before = trained[0], contents(trained[0])
    start = run / "model.safetensors"
    result = train("--pairs", facades, "--out", run, "--overwrite", "--start-from", start)
    assert_refused(result, f"{start}: would be replaced by the run that starts from it; expected another folder\n")
    assert contents(run) == before


def test_a_rate_that_falls_by_scores_needs_some(facades: Path, tmp_path: Path) -> None:
    shutil.copytree(facades / "train", tmp_path / "train")
    options = ("--set", "optimisation.schedule=plateau")
    result = train("--pairs", tmp_path / "train", "--out", tmp_path / "run", *TINY, *options)
    message = "schedule 'plateau' without validation pairs to score, expected some or another schedule\n"
    assert_refused(result, message, exit_code=2)


@pytest.mark.long
def test_a_run_of_several_folders_is_resumed_on_them_in_their_order(facades: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 11), ("b", 12)):
        save_side_by_side(tmp_path / name / "1.png", *facade(seed))
    folders = ("--pairs", tmp_path / "a", "--pairs", tmp_path / "b")
    assert train(*folders, "--out", tmp_path / "run", *TINY, *ALONE, "--epochs", 1).exit_code == 0
    result = train("--resume", tmp_path / "run", *folders[2:], *folders[:2])
    assert_refused(result, f"{tmp_path / 'run'}: can not be resumed, the same pairs, but order of pairs changed\n")


@pytest.mark.long
def test_a_run_that_began_with_a_model_is_resumed_with_the_recipe_it_was_begun_with(
    trained: tuple[Path, Result], facades: Path, tmp_path: Path
) -> None:
    recipe = ("--recipe", "sar-finetune", "--set", "discriminator.filters=2", "--precision", "float32", "--epochs", 1)
    start = ("--start-from", trained[0] / "model.safetensors")
    done = train("--pairs", facades, "--out", tmp_path / "run", *start, *recipe)
    assert done.exit_code == 0, done.output
    again = train("--resume", tmp_path / "run", *recipe)
    assert again.exit_code == 0, again.output
    other = train("--resume", tmp_path / "run", "--recipe", "sar-finetune", "--filters", 9)
    assert "generator.filters" in other.output


@pytest.mark.parametrize(
    ("name", "change", "difference"),
    [
        ("train/2.png", change_a_pixel, "other pairs 2.png changed"),
        ("train/2.png", Path.unlink, "other pairs 2.png is gone"),
        ("train/5.png", lambda path: save_side_by_side(path, *facade(5)), "other pairs 5.png is new"),
        ("val/4.png", change_a_pixel, "other pairs validation 4.png changed"),
        ("val/4.png", Path.unlink, "other pairs validation 4.png is gone"),
    ],
)
def test_a_run_is_not_resumed_on_other_pairs(
    stopped: tuple[Path, Result],
    facades: Path,
    tmp_path: Path,
    name: str,
    change: Callable[[Path], object],
    difference: str,
) -> None:
    shutil.copytree(facades, tmp_path / "moved")
    change(tmp_path / "moved" / name)
    before = contents(stopped[0])
    result = train("--resume", stopped[0], "--pairs", tmp_path / "moved")
    assert_refused(result, f"{stopped[0]}: can not be resumed, {difference}\n")
    assert contents(stopped[0]) == before


@pytest.mark.parametrize(
    ("arguments", "difference"),
    [
        (("--epochs", 9), f"recipe.optimisation.epochs {EPOCHS}, not 9"),
        (("--set", "objective.l1=5"), "recipe.objective.l1 100.0, not 5"),
        (("--recipe", "paper", *TINY, "--epochs", EPOCHS), "recipe.generator.test_mode 'stored', not 'own'"),
        (("--seed", 1), "seed 0, not 1"),
        (("--precision", "bfloat16"), "precision 'float32', not 'bfloat16'"),
        (("--direction", "BtoA"), "direction 'AtoB', not 'BtoA'"),
        (("--unit", "db"), "unit None, not 'db'"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_a_run_is_not_resumed_with_other_settings(
    stopped: tuple[Path, Result], arguments: tuple[object, ...], difference: str
) -> None:
    before = contents(stopped[0])
    result = train("--resume", stopped[0], *arguments)
    assert_refused(result, f"{stopped[0]}: can not be resumed, this run has ", difference)
    assert result.stderr.count("\n") == 1
    assert contents(stopped[0]) == before


@pytest.mark.parametrize("told", [("--epochs", EPOCHS), ("--set", f"optimisation.epochs={EPOCHS}")])
def test_a_run_that_its_updates_end_is_not_resumed_as_one_that_its_epochs_end(
    stopped: tuple[Path, Result], tmp_path: Path, told: tuple[object, ...]
) -> None:
    arrays, position = load_checkpoint(stopped[0] / "checkpoint.safetensors")
    position["settings"]["recipe"]["optimisation"]["updates"] = 40_000
    save_checkpoint(tmp_path / "checkpoint.safetensors", arrays, position)
    difference = "recipe.optimisation.updates 40000, not 0; another run can go on from its model, --start-from "
    assert_refused(train("--resume", tmp_path, *told), f"can not be resumed, this run has {difference}")


@pytest.mark.long
def test_a_run_is_not_resumed_on_another_framework(stopped: tuple[Path, Result]) -> None:
    ended = subprocess.run(
        command("--resume", stopped[0], "--backend", "torch"), **PIPES, timeout=PATIENCE, check=False
    )
    difference = f"backend 'tensorflow', not 'torch'; another run can go on from its model, --start-from {stopped[0]}"
    assert ended.stderr == f"Error: {stopped[0]}: can not be resumed, this run has {difference}/model.safetensors\n"
    assert (ended.returncode, ended.stdout) == (1, "")


@pytest.mark.parametrize("arguments", [("--bands", "VV"), ("--val", "elsewhere"), ("--skip-bad",)])
def test_options_that_a_resumed_run_does_not_take_are_refused(
    trained: tuple[Path, Result], tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    shutil.copytree(trained[0], tmp_path / "run")
    assert train("--resume", tmp_path / "run", *arguments).exit_code in (1, 2)


@pytest.mark.long
def test_a_run_whose_validation_pairs_have_moved_is_resumed(facades: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(facades, tmp_path / "here")
    folders = ("--pairs", tmp_path / "here" / "train", "--val", tmp_path / "here" / "val")
    assert train(*folders, "--out", run, *TINY, *ALONE, "--epochs", 1).exit_code == 0
    (tmp_path / "here").rename(tmp_path / "there")
    folders = ("--pairs", tmp_path / "there" / "train", "--val", tmp_path / "there" / "val")
    assert train(*folders, "--resume", run).exit_code == 0


@pytest.mark.parametrize("content", [None, b"", b"no checkpoint"])
def test_a_folder_without_a_checkpoint_is_not_resumed(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "checkpoint.safetensors").write_bytes(content)
    before = contents(tmp_path)
    assert_refused(train("--resume", tmp_path), f"{tmp_path / 'checkpoint.safetensors'}: ", "checkpoint")
    assert contents(tmp_path) == before


def test_a_model_is_no_checkpoint(trained: tuple[Path, Result], tmp_path: Path) -> None:
    shutil.copy(trained[0] / "model.safetensors", tmp_path / "checkpoint.safetensors")
    assert_refused(train("--resume", tmp_path), "a safetensors file, but not a checkpoint of a training run")


# What ends a run against its will.


@pytest.fixture(scope="module")
def exploded(tmp_path_factory: pytest.TempPathFactory, facades: Path) -> tuple[Path, Result]:
    """The folder of a run whose losses have left the range of numbers, and what the command said."""
    run = tmp_path_factory.mktemp("runs") / "run"
    return run, train("--pairs", facades, "--out", run, *TINY, *EXPLODING, "--epochs", 50, "--batch-size", 3)


def test_losses_that_leave_the_numbers_end_a_run_and_keep_its_checkpoint(exploded: tuple[Path, Result]) -> None:
    run, result = exploded
    kept = run / "checkpoint.safetensors"
    found = re.search(r"Error: update (\d+): the (generator|discriminator) loss is not finite", result.stderr)
    assert found, result.output
    assert_refused(result, f", try a lower learning rate; {kept} is the last good checkpoint\n", begun=True)
    assert 1 <= load_position(kept)["course"]["updates"] < int(found[1])
    assert all(np.isfinite(array).all() for array in load_file(kept).values())


@pytest.mark.long
def test_a_run_that_ends_before_its_first_checkpoint_leaves_nothing(facades: Path, tmp_path: Path) -> None:
    options = (*TINY, *EXPLODING, "--learning-rate", 10, "--epochs", 1, "--set", "optimisation.updates=20")
    result = train("--pairs", facades, "--out", tmp_path / "run", *options)
    assert_refused(result, "loss is not finite, try a lower learning rate\n", begun=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_what_is_resumed_from_there_has_the_same_recipe_and_ends_alike(exploded: tuple[Path, Result]) -> None:
    run, result = exploded
    before = (run / "checkpoint.safetensors").read_bytes()
    assert_refused(train("--resume", run), result.stderr, begun=True)
    assert (run / "checkpoint.safetensors").read_bytes() == before


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """Writing more than so many bytes to a file fails inside, as on a full disk."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("eager")
def test_a_disk_that_is_full_leaves_the_checkpoint_before(stopped: tuple[Path, Result], tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(stopped[0], run)
    kept = run / "checkpoint.safetensors"
    before = kept.read_bytes()
    with no_file_beyond(len(before) - 1000):
        result = train("--resume", run, "--checkpoint-epochs", 1)
    assert_refused(result, f"{kept}: can not write the checkpoint: ", "File too large", begun=True)
    assert result.stderr.count("\n") == 1
    assert kept.read_bytes() == before
    assert not [path for path in run.rglob("*") if path.name.endswith(".part")]


def test_a_disk_that_is_full_from_the_start_is_said_in_one_line(facades: Path, tmp_path: Path) -> None:
    with no_file_beyond(500):
        result = train("--pairs", facades, "--out", tmp_path / "run", *TINY, "--epochs", 1)
    assert_refused(result, f"{tmp_path / 'run'}", begun=True)
    assert result.stderr.count("\n") == 1
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith(".part")]


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-c", "from cli import main; main()", "train", *map(str, arguments)]


PIPES: dict[str, Any] = {"cwd": ROOT, "env": user_environment(), "stderr": subprocess.PIPE, "stdout": subprocess.PIPE}
PIPES["text"] = True


@pytest.mark.long
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_process_that_is_asked_to_stop_leaves_what_another_one_finishes(
    facades: Path, tmp_path: Path, number: int, code: int
) -> None:
    run = tmp_path / "run"
    with subprocess.Popen(command("--pairs", facades, "--out", run, *TINY, "--epochs", 40), **PIPES) as process:
        while not (run / "checkpoint.safetensors").exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(number)
        _, errors = process.communicate(timeout=PATIENCE)
    updates = load_position(run / "checkpoint.safetensors")["course"]["updates"]
    said = f"{run}: stopped after update {updates}; go on with sartranslate train --resume {run}\n"
    assert (process.returncode, errors) == (code, said)
    ended = subprocess.run(command("--resume", run), **PIPES, timeout=PATIENCE, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "120 updates" in ended.stdout


@pytest.mark.long
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_second_signal_ends_a_process_at_once_and_leaves_nothing(
    facades: Path, tmp_path: Path, number: int, code: int
) -> None:
    """In the first update, amid the tracing of its graph."""
    run = tmp_path / "run"
    with subprocess.Popen(command("--pairs", facades, "--out", run, *TINY, "--epochs", 40), **PIPES) as process:
        while not (run / "recipe.toml").exists():
            assert process.poll() is None
            time.sleep(0.01)
        while process.poll() is None:
            process.send_signal(number)
            time.sleep(0.1)
        _, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (code, "")
    assert list(tmp_path.iterdir()) == []
