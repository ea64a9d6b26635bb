"""Runs from a folder of pairs to models: what they leave, and that an interruption changes nothing."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from sartranslate.errors import OptionError, OutputError, PairsError, TrainingError
from sartranslate.networks import backend, bundle
from sartranslate.recipes.presets import preset
from sartranslate.recipes.recipe_file import read_recipe
from sartranslate.simulate.simulation import SimulationOptions, simulate
from sartranslate.train.history import read_history
from tests.conftest import user_environment

backend.select("tensorflow")

from sartranslate.train.checkpoint import load_position  # noqa: E402
from sartranslate.train.pix2pix import Pix2Pix  # noqa: E402
from sartranslate.train.session import Hooks, Progress, Rhythm, TrainingSummary  # noqa: E402
from sartranslate.train.training import TrainingOptions, resume, train  # noqa: E402
from sartranslate.train.training_data import DataOptions  # noqa: E402

ROOT = Path(__file__).parents[1]
TINY: dict[str, Any] = {
    "generator.filters": 2,
    "generator.architecture": "unet_128",
    "discriminator.filters": 2,
    "optimisation.crop": 128,
    "optimisation.batch_size": 8,
    "optimisation.epochs": 2,
    "optimisation.average_every": 1,
    "validation.windows": 2,
    "validation.examples": 1,
}
OPTIONS = TrainingOptions(preset("sar").with_fields(TINY), precision="float32")


@pytest.fixture(scope="module", autouse=True)
def eager() -> Iterator[None]:
    """A few updates are sooner done one by one than compiled, but in processes of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backend, "compiled", lambda function: function)
        yield


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four training pairs and a validation pair of another landscape."""
    folder = tmp_path_factory.mktemp("pairs")
    simulate(folder / "train", SimulationOptions(pairs=4, tile_size=256))
    simulate(folder / "val", SimulationOptions(pairs=1, tile_size=256, seed=9))
    # Simulated landscapes all lie on the same ground, so those to validate with go without a place.
    for side in ("sar", "optical"):
        for tile in (folder / "val" / side).iterdir():
            without_place(tile)
    return folder


def without_place(tile: Path) -> None:
    import rasterio
    from affine import Affine

    from sartranslate.rasters.process_wide import quiet

    with quiet(), rasterio.open(tile) as dataset:
        values, profile = dataset.read(), {**dataset.profile, "crs": None, "transform": Affine.identity()}
    with quiet(), rasterio.open(tile, "w", **profile) as dataset:
        dataset.write(values)


@pytest.fixture(scope="module")
def finished(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainingSummary, list[Progress]]:
    watched: list[Progress] = []
    return train([pairs], tmp_path_factory.mktemp("runs") / "run", OPTIONS, Hooks(watch=watched.append)), watched


def stopping_after(updates: int) -> Hooks:
    seen: list[Progress] = []
    return Hooks(watch=seen.append, stop=lambda: len(seen) == updates)


def checkpoint_of(run: Path) -> dict[str, np.ndarray]:
    return load_file(run / "checkpoint.safetensors")


def assert_same_state(first: Path, second: Path) -> None:
    one, other = checkpoint_of(first), checkpoint_of(second)
    assert one.keys() == other.keys()
    assert [name for name in one if not np.array_equal(one[name], other[name])] == []


def test_a_run_counts_epochs_and_updates(finished: tuple[TrainingSummary, list[Progress]]) -> None:
    summary, watched = finished
    assert (summary.finished, summary.pairs, summary.updates) == (True, 4, 4)
    assert [(p.epoch, p.update, p.epochs, p.updates) for p in watched] == [
        (1 + update // 2, 1 + update, 2, 4) for update in range(4)
    ]


def test_the_history_holds_mean_losses_and_validation_scores(finished: tuple[TrainingSummary, list[Progress]]) -> None:
    summary, watched = finished
    with (summary.run / "history.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["l1"]) for row in rows] == pytest.approx(
        [np.mean([p.losses["l1"] for p in watched[first : first + 2]]) for first in (0, 2)]
    )
    assert [float(row["updates"]) for row in rows] == [2, 4]
    assert all(0 < float(row["val_mae"]) < 255 for row in rows)


def test_the_best_epoch_is_the_one_with_the_best_score(finished: tuple[TrainingSummary, list[Progress]]) -> None:
    summary, _ = finished
    with (summary.run / "history.csv").open(encoding="utf-8") as file:
        scores = [float(row["val_ssim"]) for row in csv.DictReader(file)]
    assert summary.best_score == max(scores)
    assert summary.best_epoch == 1 + int(np.argmax(scores))
    described = bundle.describe(summary.run / "best.safetensors").training
    assert described["scores"]["val_ssim"] == summary.best_score


def test_the_model_knows_how_it_was_made(finished: tuple[TrainingSummary, list[Progress]]) -> None:
    summary, _ = finished
    description = bundle.load(summary.run / "model.safetensors").description
    assert description.generator == OPTIONS.recipe.generator
    assert description.training["scores"].keys() == {"val_ssim", "val_psnr", "val_mae", "val_sliced_wasserstein"}
    assert description.training["recipe"] == OPTIONS.recipe.as_dict()
    assert (description.training["epochs"], description.training["updates"]) == (2, 4)
    assert read_recipe(summary.run / "recipe.toml") == OPTIONS.recipe


def test_a_run_leaves_a_sheet_an_epoch_events_and_a_summary(finished: tuple[TrainingSummary, list[Progress]]) -> None:
    summary, _ = finished
    assert [file.name for file in sorted((summary.run / "sheets").iterdir())] == ["epoch_0001.png", "epoch_0002.png"]
    assert len(list((summary.run / "tensorboard").iterdir())) == 1
    page = (summary.run / "summary.html").read_text(encoding="utf-8")
    assert "finished" in page
    assert page.count("data:image/png;base64,") >= 1
    assert [file for file in summary.run.rglob("*") if ".part" in file.name] == []


@pytest.mark.long
def test_a_run_that_was_stopped_within_an_epoch_ends_with_the_same_weights(
    pairs: Path, tmp_path: Path, finished: tuple[TrainingSummary, list[Progress]]
) -> None:
    stopped = train([pairs], tmp_path / "run", OPTIONS, stopping_after(1))
    assert (stopped.finished, stopped.updates) == (False, 1)
    resumed = resume(tmp_path / "run")
    assert resumed.updates == 4
    assert_same_state(tmp_path / "run", finished[0].run)
    models = [(run / "model.safetensors").read_bytes() for run in (tmp_path / "run", finished[0].run)]
    assert models[0] == models[1]
    assert dict(resumed.losses) == dict(finished[0].losses)


def test_a_finished_run_has_nothing_left_to_do(
    finished: tuple[TrainingSummary, list[Progress]],
) -> None:
    before = checkpoint_of(finished[0].run)
    again = resume(finished[0].run)
    assert (again.finished, again.updates) == (True, 4)
    assert all(np.array_equal(before[name], array) for name, array in checkpoint_of(finished[0].run).items())


@pytest.mark.parametrize(
    ("wanted", "difference"),
    [
        ({"recipe.objective.l1": 50}, r"recipe\.objective\.l1 100\.0, not 50"),
        ({"seed": 3}, "seed 0, not 3"),
        ({"precision": "bfloat16"}, "precision 'float32', not 'bfloat16'"),
    ],
)
def test_other_settings_are_refused_by_name(
    finished: tuple[TrainingSummary, list[Progress]], wanted: dict[str, Any], difference: str
) -> None:
    with pytest.raises(TrainingError, match=f"can not be resumed, this run has {difference}"):
        resume(finished[0].run, wanted=wanted)


def test_other_pairs_are_refused_by_name(
    pairs: Path, tmp_path: Path, finished: tuple[TrainingSummary, list[Progress]]
) -> None:
    simulate(tmp_path / "other" / "train", SimulationOptions(pairs=4, tile_size=256, seed=5))
    with pytest.raises(TrainingError, match=r"other pairs optical/.* changed"):
        resume(finished[0].run, [tmp_path / "other"])


def test_an_edited_recipe_of_a_run_is_refused(finished: tuple[TrainingSummary, list[Progress]], tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished[0].run, tmp_path / "run"))
    file = run / "recipe.toml"
    file.write_text(file.read_text(encoding="utf-8").replace("epochs = 2\n", "epochs = 12\n"), encoding="utf-8")
    with pytest.raises(TrainingError, match=r"recipe\.toml was edited: this run has optimisation\.epochs 2, not 12"):
        resume(run)


def test_pairs_that_have_moved_are_found_there_the_next_time(
    pairs: Path, tmp_path: Path, finished: tuple[TrainingSummary, list[Progress]]
) -> None:
    run = Path(shutil.copytree(finished[0].run, tmp_path / "run"))
    moved = Path(shutil.copytree(pairs, tmp_path / "moved"))
    resume(run, [moved])
    assert load_position(run / "checkpoint.safetensors")["settings"]["folders"] == [str(pairs)]  # it had ended
    stopped = tmp_path / "stopped"
    train([pairs], stopped, OPTIONS, stopping_after(1))
    resume(stopped, [moved], hooks=stopping_after(1))
    shutil.rmtree(moved / "val" / "sar")
    with pytest.raises(PairsError, match=f"{moved}/val"):
        resume(stopped)


def test_several_folders_that_were_renamed_are_the_same_pairs(pairs: Path, tmp_path: Path) -> None:
    for name in ("a", "b", "new_a", "new_b"):
        shutil.copytree(pairs / "train", tmp_path / name / "train")
    train([tmp_path / "a", tmp_path / "b"], tmp_path / "run", OPTIONS, stopping_after(1))
    renamed = [tmp_path / "new_a", tmp_path / "new_b"]
    assert resume(tmp_path / "run", renamed, hooks=stopping_after(1)).updates == 2
    assert resume(tmp_path / "run", hooks=stopping_after(1)).updates == 3


def test_a_run_goes_on_with_checkpoints_as_often_as_it_was_begun(pairs: Path, tmp_path: Path) -> None:
    options = replace(OPTIONS, checkpoints=Rhythm(epochs=1))
    train([pairs], tmp_path / "run", options, stopping_after(1))
    resume(tmp_path / "run", hooks=stopping_after(1))
    kept = load_position(tmp_path / "run" / "checkpoint.safetensors")["settings"]["checkpoints"]
    assert kept == {"minutes": 10.0, "epochs": 1}


def test_the_best_model_since_the_checkpoint_of_a_run_that_was_killed_stays_until_another_one_is_better(
    pairs: Path, tmp_path: Path, finished: tuple[TrainingSummary, list[Progress]]
) -> None:
    run = tmp_path / "run"
    train([pairs], run, OPTIONS, stopping_after(1))
    found = bundle.load(finished[0].run / "best.safetensors")
    better = {**found.description.training, "epochs": 2, "scores": {"val_ssim": 0.99}}
    bundle.save(run / "best.safetensors", replace(found, description=replace(found.description, training=better)))
    before = (run / "best.safetensors").read_bytes()
    summary = resume(run)
    assert (summary.best_epoch, summary.best_score) == (2, 0.99)
    assert (run / "best.safetensors").read_bytes() == before


def test_what_is_assumed_of_pairs_is_told_before_the_first_update(pairs: Path, tmp_path: Path) -> None:
    told: list[object] = []
    hooks = Hooks(watch=told.append, noted=lambda lines: told.append(list(lines)), stop=lambda: True)
    summary = train([pairs], tmp_path / "run", OPTIONS, hooks)
    assert told[0] == list(summary.notes)
    assert len(told) == 2


def test_the_direction_of_images_side_by_side_is_refused_for_pairs_of_two_files(pairs: Path, tmp_path: Path) -> None:
    options = replace(OPTIONS, data=DataOptions(direction="BtoA"))
    with pytest.raises(OptionError, match="direction BtoA: of images side by side"):
        train([pairs], tmp_path / "run", options)


def test_an_earlier_run_is_not_overwritten_unasked(pairs: Path, tmp_path: Path) -> None:
    model = tmp_path / "model.safetensors"
    model.write_text("precious")
    with pytest.raises(OutputError, match="exists already; --overwrite"):
        train([pairs], tmp_path, OPTIONS)
    assert model.read_text() == "precious"


@pytest.mark.long
def test_a_number_of_updates_ends_a_run_within_an_epoch(pairs: Path, tmp_path: Path) -> None:
    recipe = OPTIONS.recipe.with_fields({"optimisation.updates": 3})
    summary = train([pairs], tmp_path / "run", replace(OPTIONS, recipe=recipe))
    assert (summary.finished, summary.updates) == (True, 3)


@pytest.mark.long
def test_epochs_between_two_looks_have_losses_alone_and_the_last_one_is_always_looked_at(
    pairs: Path, tmp_path: Path
) -> None:
    recipe = OPTIONS.recipe.with_fields({"validation.every": 2, "optimisation.epochs": 3})
    summary = train([pairs], tmp_path / "run", replace(OPTIONS, recipe=recipe))
    rows = read_history(summary.run / "history.csv")
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert all(row["l1"] > 0 for row in rows)
    assert [row["epoch"] for row in rows if "val_ssim" in row] == [2, 3]
    assert sorted(file.name for file in (summary.run / "sheets").iterdir()) == [
        f"epoch_{epoch:04}.png" for epoch in (2, 3)
    ]
    assert summary.best_epoch in (2, 3)
    assert bundle.describe(summary.run / "model.safetensors").training["epochs"] == 3
    assert "Epoch 3, the " in (summary.run / "summary.html").read_text(encoding="utf-8")


@pytest.mark.long
def test_losses_that_are_not_finite_stop_the_run_and_keep_the_last_checkpoint(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss is lost in the second epoch; the first one has left a checkpoint."""
    step = Pix2Pix.step

    def lost(self: Pix2Pix, *batch: Any) -> dict[str, float]:
        losses = step(self, *batch)
        return {**losses, "l1": float("nan")} if self.state()["updates"][0] == 3 else losses

    monkeypatch.setattr(Pix2Pix, "step", lost)
    kept = r"update 3: the l1 loss is not finite, try a lower learning rate; .*checkpoint.safetensors is the last good"
    with pytest.raises(TrainingError, match=kept):
        train([pairs], tmp_path / "run", OPTIONS)
    assert checkpoint_of(tmp_path / "run")["updates"][0] == 2


def test_options_out_of_range_are_refused() -> None:
    with pytest.raises(OptionError, match="precision float16"):
        TrainingOptions(precision="float16")
    with pytest.raises(OptionError, match="seed -1"):
        TrainingOptions(seed=-1)
    with pytest.raises(OptionError, match=r"other workers waited for 0\.0 seconds: expected more than 0"):
        TrainingOptions(patience=0.0)
    with pytest.raises(OptionError, match="more than 0 minutes"):
        Rhythm(minutes=0)


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-c", "from cli import main; main()", "train", *map(str, arguments)]


def run_command(*arguments: object) -> None:
    subprocess.run(command(*arguments), cwd=ROOT, env=user_environment(), check=True, capture_output=True)


def killed_when(ready: Callable[[], bool], *arguments: object) -> None:
    """Start the command and `kill -9` it as soon as `ready`."""
    process = subprocess.Popen(
        command(*arguments), cwd=ROOT, env=user_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not ready() and process.poll() is None:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "ended before it was killed"


def lines_of(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines()) if path.exists() else 0


@pytest.mark.long
@pytest.mark.parametrize("framework", ["tensorflow", "torch"])
def test_two_epochs_a_kill_and_two_epochs_give_the_weights_of_four(framework: str, pairs: Path, tmp_path: Path) -> None:
    if framework == "torch":
        pytest.importorskip("torch")
    fields = {**TINY, "optimisation.epochs": 4}
    changes = [word for name, value in fields.items() for word in ("--set", f"{name}={value}")]
    options = ["--pairs", pairs, "--backend", framework, *changes, "--seed", 4]
    run_command(*options, "--out", tmp_path / "whole")
    killed = tmp_path / "killed"
    killed_when(lambda: lines_of(killed / "history.csv") == 3, *options, "--out", killed)
    run_command("--resume", killed)
    assert_same_state(killed, tmp_path / "whole")
    models = [(run / "model.safetensors").read_bytes() for run in (killed, tmp_path / "whole")]
    assert models[0] == models[1]


@pytest.mark.long
def test_kills_between_any_updates_change_nothing(pairs: Path, tmp_path: Path) -> None:
    """With a checkpoint after each update, three kills at other moments of the run."""
    fields = {**TINY, "optimisation.batch_size": 2}
    changes = [word for name, value in fields.items() for word in ("--set", f"{name}={value}")]
    options = ["--pairs", pairs, *changes, "--checkpoint-minutes", 1e-6]
    run_command(*options, "--out", tmp_path / "whole")
    killed = tmp_path / "killed"
    checkpoint = killed / "checkpoint.safetensors"
    start = [*options, "--out", killed]
    for _ in range(3):
        written = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        replaced: list[int] = []

        def seen_thrice(written: int = written, replaced: list[int] = replaced) -> bool:
            if checkpoint.exists() and (now := checkpoint.stat().st_mtime_ns) not in (written, *replaced):
                replaced.append(now)
            return len(replaced) >= 3

        killed_when(seen_thrice, *start)
        start = ["--resume", killed, "--checkpoint-minutes", 1e-6]
    run_command("--resume", killed)
    assert_same_state(killed, tmp_path / "whole")


@pytest.mark.long
def test_a_validation_folder_can_be_named(pairs: Path, tmp_path: Path) -> None:
    data = DataOptions(validation=(pairs / "val",))
    summary = train([pairs / "train"], tmp_path / "run", replace(OPTIONS, data=data))
    assert summary.best_epoch in (1, 2)
