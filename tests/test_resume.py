"""A translation that is interrupted goes on where it stopped, to the same bytes, or says why it does not."""

from __future__ import annotations

import json
import os
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sartranslate.backscatter.radiometry import Float, Radiometry
from sartranslate.errors import OutputError, SceneError
from sartranslate.infer.inference import translate
from sartranslate.infer.inference_summary import InferenceSummary
from sartranslate.infer.planning import InferenceOptions, plan
from sartranslate.quality.uncertainty import Spread
from sartranslate.runtimes.translator import Translator
from sartranslate.scenes.area_file import bbox_area
from sartranslate.storage.working_folder import WorkingFolder, working_folder
from sartranslate.streaming.sliding import Tally
from tests.conftest import WriteScene

HEIGHT, WIDTH, WINDOWS = 600, 300, 78  # 13 rows of 6
OPTIONS = InferenceOptions(window=64, overlap=16, note_seconds=0)
AREA = bbox_area(500_400, 5_294_500, 502_500, 5_299_000, "EPSG:32632")
JOURNAL, STRIPS = "journal.json", "strips"


class Interruption(BaseException):
    """As a signal would be."""


class Counted:
    """The identity in three colours, and how many windows it was given."""

    def __init__(self) -> None:
        self.windows = 0

    def __call__(self, batch: Float) -> Float:
        self.windows += len(batch)
        return np.repeat(batch, 3, axis=-1)


@pytest.fixture
def scene(write_scene: WriteScene) -> Path:
    values = np.random.default_rng(3).gamma(4, 25, (HEIGHT, WIDTH, 1)).astype(np.float32) + 1
    values[200:420, 40:200] = -1
    return write_scene("scene.tif", values, nodata=-1)


def run(
    scene: Path,
    out: Path,
    options: InferenceOptions = OPTIONS,
    generator: Callable[[Float], Float] | None = None,
    digest: str | None = "model",
    stop: int = 10 * WINDOWS,
    told: list[str] | None = None,
) -> InferenceSummary:
    """Translate, and be interrupted once `stop` windows are done."""

    def watch(tally: Tally, windows: int) -> None:
        if tally.windows >= stop:
            raise Interruption

    generator = generator or Counted()
    spread = Spread(lambda batch, seeds: np.repeat(batch, 3, axis=-1) * np.float32(0.9), 4, 0.0)
    translator = Translator(generator, batch_size=2, digest=digest, spread=spread)
    tell = told.append if told is not None else lambda line: None
    return translate(plan(scene, out, Radiometry(), options), translator, watch, tell)


def interrupted(scene: Path, out: Path, options: InferenceOptions = OPTIONS, stop: int = 45) -> list[str]:
    told: list[str] = []
    with pytest.raises(Interruption):
        run(scene, out, options, stop=stop, told=told)
    return told


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("stop", [20, 45, WINDOWS - 1])
def test_a_resumed_run_ends_with_the_bytes_of_one_in_one_go_and_repeats_little(
    scene: Path, tmp_path: Path, stop: int
) -> None:
    run(scene, tmp_path / "whole.tif")
    told = interrupted(scene, tmp_path / "out.tif", stop=stop)
    assert left(tmp_path) == [".out.tif.part", "scene.tif", "whole.tif"]
    assert told == [f"Kept what is finished, {told[0].split()[4]} rows: the same command goes on with them"]
    generator = Counted()
    summary = run(scene, tmp_path / "out.tif", generator=generator)
    assert (tmp_path / "out.tif").read_bytes() == (tmp_path / "whole.tif").read_bytes()
    assert summary.resumed_rows > 0
    assert summary.windows == WINDOWS
    assert generator.windows <= WINDOWS - stop + 5 * 6  # rows of windows begun, waiting or not noted yet
    assert left(tmp_path) == ["out.tif", "scene.tif", "whole.tif"]


def test_so_does_one_that_was_interrupted_again_and_again(scene: Path, tmp_path: Path) -> None:
    run(scene, tmp_path / "whole.tif")
    done = [interrupted(scene, tmp_path / "out.tif", stop=stop)[-1] for stop in (20, 45, 70)]
    assert len(set(done)) == 3
    run(scene, tmp_path / "out.tif")
    assert (tmp_path / "out.tif").read_bytes() == (tmp_path / "whole.tif").read_bytes()


def test_so_do_an_area_of_interest_and_a_spread_beside_the_picture(scene: Path, tmp_path: Path) -> None:
    for name in ("whole", "out"):
        options = replace(OPTIONS, area=AREA, uncertainty=tmp_path / f"{name}_spread.tif")
        if name == "out":
            interrupted(scene, tmp_path / "out.tif", options)
        summary = run(scene, tmp_path / f"{name}.tif", options)
    assert summary.resumed_rows > 0
    for kind in (".tif", "_spread.tif"):
        assert (tmp_path / f"out{kind}").read_bytes() == (tmp_path / f"whole{kind}").read_bytes()
    assert not [name for name in left(tmp_path) if name.startswith(".")]


def looked_at(scene: Path, maximum: int) -> None:
    """As QGIS leaves it beside what it shows, when it likes."""
    statistics = f'<Metadata><MDI key="STATISTICS_MAXIMUM">{maximum}</MDI></Metadata>'
    beside = scene.with_name(f"{scene.name}.aux.xml")
    beside.write_text(f'<PAMDataset><PAMRasterBand band="1">{statistics}</PAMRasterBand></PAMDataset>')


def test_a_scene_that_is_looked_at_between_and_during_runs_has_not_changed(scene: Path, tmp_path: Path) -> None:
    interrupted(scene, tmp_path / "out.tif")
    looked_at(scene, 200)

    def look(batch: Float) -> Float:
        looked_at(scene, 30_000)
        return np.repeat(batch, 3, axis=-1)

    assert run(scene, tmp_path / "out.tif", generator=look).resumed_rows > 0


def test_batches_of_another_size_and_another_compression_go_on_as_well(scene: Path, tmp_path: Path) -> None:
    run(scene, tmp_path / "whole.tif", replace(OPTIONS, compress="lzw"))
    interrupted(scene, tmp_path / "out.tif")
    assert run(scene, tmp_path / "out.tif", replace(OPTIONS, compress="lzw", batch_size=5)).resumed_rows > 0
    assert (tmp_path / "out.tif").read_bytes() == (tmp_path / "whole.tif").read_bytes()


def touched(scene: Path) -> None:
    os.utime(scene, (1, 1))


@pytest.mark.parametrize(
    ("change", "options", "digest", "named"),
    [
        (touched, OPTIONS, "model", "scene changed"),
        (None, replace(OPTIONS, overlap=32), "model", "--window or --overlap changed"),
        (None, replace(OPTIONS, unit="amplitude"), "model", "scaling changed"),
        (None, OPTIONS, "another", "model changed"),
        (None, replace(OPTIONS, area=AREA), "model",
         "area of interest changed"),
    ],
)  # fmt: skip
def test_another_job_starts_over_and_says_what_differs(
    scene: Path,
    tmp_path: Path,
    change: Callable[[Path], None] | None,
    options: InferenceOptions,
    digest: str,
    named: str,
) -> None:
    interrupted(scene, tmp_path / "out.tif")
    if change:
        change(scene)
    told: list[str] = []
    summary = run(scene, tmp_path / "out.tif", options, digest=digest, told=told)
    assert told == [f"Starting over, for the interrupted run was another one: {named}"]
    assert summary.resumed_rows == 0
    run(scene, tmp_path / "whole.tif", options, digest=digest)
    assert (tmp_path / "out.tif").read_bytes() == (tmp_path / "whole.tif").read_bytes()


def test_a_spread_that_another_job_has_begun_meanwhile_is_not_gone_on_with(
    scene: Path, write_scene: WriteScene, tmp_path: Path
) -> None:
    other = write_scene("other.tif", np.random.default_rng(4).gamma(4, 25, (HEIGHT, WIDTH, 1)).astype(np.float32) + 1)
    options = replace(OPTIONS, uncertainty=tmp_path / "spread.tif")
    interrupted(scene, tmp_path / "out.tif", options)
    interrupted(other, tmp_path / "other_out.tif", options)
    told: list[str] = []
    assert run(scene, tmp_path / "out.tif", options, told=told).resumed_rows == 0
    assert told[0].startswith("Starting over, for the interrupted run was another one: ")
    run(scene, tmp_path / "whole.tif", replace(options, uncertainty=tmp_path / "whole_spread.tif"))
    assert (tmp_path / "spread.tif").read_bytes() == (tmp_path / "whole_spread.tif").read_bytes()


@pytest.mark.parametrize("digest", ["another", None])
def test_rows_of_a_job_that_was_killed_before_its_first_note_are_not_those_of_the_job_before(
    scene: Path, tmp_path: Path, digest: str | None
) -> None:
    run(scene, tmp_path / "whole.tif")
    interrupted(scene, tmp_path / "out.tif")
    folder, killed = tmp_path / ".out.tif.part", tmp_path / "killed"

    def inverted(batch: Float) -> Float:
        if not killed.exists() and (folder / STRIPS / "0.mask").stat().st_size > 100 * WIDTH:
            shutil.copytree(folder, killed)
        return np.repeat(-batch, 3, axis=-1)

    run(scene, tmp_path / "out.tif", replace(OPTIONS, note_seconds=100), generator=inverted, digest=digest)
    (tmp_path / "out.tif").unlink()
    killed.rename(folder)
    assert run(scene, tmp_path / "out.tif").resumed_rows == 0
    assert (tmp_path / "out.tif").read_bytes() == (tmp_path / "whole.tif").read_bytes()


def test_no_resume_starts_over(scene: Path, tmp_path: Path) -> None:
    interrupted(scene, tmp_path / "out.tif")
    told: list[str] = []
    assert run(scene, tmp_path / "out.tif", replace(OPTIONS, resume=False), told=told).resumed_rows == 0
    assert told == []


def test_a_generator_that_nothing_is_known_of_is_never_gone_on_with(scene: Path, tmp_path: Path) -> None:
    with pytest.raises(Interruption):
        run(scene, tmp_path / "out.tif", digest=None, stop=45)
    assert left(tmp_path) == ["scene.tif"]


def test_what_took_no_longer_than_a_note_leaves_nothing(scene: Path, tmp_path: Path) -> None:
    assert interrupted(scene, tmp_path / "out.tif", InferenceOptions(window=64, overlap=16)) == []
    assert left(tmp_path) == ["scene.tif"]


def shortened(folder: Path) -> None:
    """As after a power cut, when the disk has less than the journal says."""
    for file, size in (("0.band2", 250 * WIDTH + 7), ("0.mask", 300 * WIDTH)):
        with (folder / STRIPS / file).open("r+b") as opened:
            opened.truncate(size)


def without_overviews(folder: Path) -> None:
    for file in (folder / STRIPS).iterdir():
        if not file.name.startswith("0."):
            file.unlink()


def broken(text: str) -> Callable[[Path], None]:
    def break_journal(folder: Path) -> None:
        (folder / JOURNAL).write_text(text)

    return break_journal


@pytest.mark.parametrize(
    ("damage", "rows"),
    [
        (shortened, 250),
        (without_overviews, None),
        (broken(""), 0),
        (broken('{"format_version": 9, "job": {}, "rows": 300}'), 0),
        (broken('{"format_version": 1, "job": 3, "rows": 300}'), 0),
        (broken('{"format_version": 1, "job": {}, "rows": -5}'), 0),
    ],
)
def test_damage_to_what_was_left_costs_time_and_nothing_else(
    scene: Path, tmp_path: Path, damage: Callable[[Path], None], rows: int | None
) -> None:
    run(scene, tmp_path / "whole.tif")
    interrupted(scene, tmp_path / "out.tif", stop=WINDOWS - 1)
    damage(tmp_path / ".out.tif.part")
    summary = run(scene, tmp_path / "out.tif")
    assert summary.resumed_rows == rows or (rows is None and summary.resumed_rows > 300)
    assert (tmp_path / "out.tif").read_bytes() == (tmp_path / "whole.tif").read_bytes()


@pytest.mark.parametrize("rows", [10**6, "many"])
def test_a_journal_that_knows_of_more_rows_than_there_are_is_not_believed(
    scene: Path, tmp_path: Path, rows: object
) -> None:
    run(scene, tmp_path / "whole.tif")
    interrupted(scene, tmp_path / "out.tif")
    journal = tmp_path / ".out.tif.part" / JOURNAL
    journal.write_text(json.dumps({**json.loads(journal.read_text()), "rows": rows}))
    assert run(scene, tmp_path / "out.tif").resumed_rows < HEIGHT
    assert (tmp_path / "out.tif").read_bytes() == (tmp_path / "whole.tif").read_bytes()


def test_of_two_at_once_one_stops_and_the_other_is_not_disturbed(scene: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.tif"
    refused: list[str] = []

    def second(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        if not refused:
            with pytest.raises(OutputError) as error:
                run(scene, out, replace(OPTIONS, overwrite=True))
            refused.append(str(error.value))
        return np.repeat(batch, 3, axis=-1)

    run(scene, out, generator=second)
    run(scene, tmp_path / "whole.tif")
    assert refused == [f"{out}: is being written by another process; try again when it has ended"]
    assert out.read_bytes() == (tmp_path / "whole.tif").read_bytes()


def test_the_output_of_one_is_not_the_uncertainty_of_another(scene: Path, tmp_path: Path) -> None:
    with working_folder(tmp_path / "spread.tif"), pytest.raises(OutputError, match=r"spread\.tif: is being written"):
        run(scene, tmp_path / "out.tif", replace(OPTIONS, uncertainty=tmp_path / "spread.tif"))
    assert left(tmp_path) == ["scene.tif"]


def test_a_picture_is_on_the_disk_before_it_has_its_name(
    scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, seen = tmp_path / "out.tif", []
    monkeypatch.setattr("os.fsync", lambda file: seen.append((os.fstat(file).st_size, out.exists())))
    run(scene, out, replace(OPTIONS, note_seconds=100))
    assert seen == [(out.stat().st_size, False)]


def test_a_folder_that_was_left_after_the_output_had_its_name_goes(scene: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.tif"
    run(scene, out)
    folder = WorkingFolder(out)
    folder.strips.mkdir(parents=True)
    folder.ended.touch()
    with pytest.raises(OutputError, match="exists already"):
        run(scene, out)
    assert left(tmp_path) == ["out.tif", "scene.tif"]


def test_a_scene_that_changes_while_it_is_read_gives_no_picture(scene: Path, tmp_path: Path) -> None:
    def write_over(batch: Float) -> Float:
        touched(scene)
        return np.repeat(batch, 3, axis=-1)

    with pytest.raises(SceneError, match=r"scene\.tif: has changed while it was read"):
        run(scene, tmp_path / "out.tif", generator=write_over)
    assert not (tmp_path / "out.tif").exists()
    told: list[str] = []
    run(scene, tmp_path / "out.tif", told=told)
    assert told == ["Starting over, for the interrupted run was another one: scene changed"]


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """As on a disk that gets full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(("size", "rows"), [(300 * WIDTH, 300), (HEIGHT * WIDTH * 3, HEIGHT)])
def test_a_disk_that_gets_full_costs_nothing_that_was_written(
    scene: Path, tmp_path: Path, size: int, rows: int
) -> None:
    """Amid the strips, and amid the copy of all of them: noise is larger when compressed, with its overviews."""
    run(scene, tmp_path / "whole.tif")
    assert (tmp_path / "whole.tif").stat().st_size > size
    with no_file_beyond(size), pytest.raises(OutputError, match=r"out\.tif: can not be written"):
        run(scene, tmp_path / "out.tif")
    assert left(tmp_path) == [".out.tif.part", "scene.tif", "whole.tif"]
    summary = run(scene, tmp_path / "out.tif")
    assert rows - 16 <= summary.resumed_rows <= rows
    assert (tmp_path / "out.tif").read_bytes() == (tmp_path / "whole.tif").read_bytes()


def test_the_lock_is_the_last_that_goes(tmp_path: Path) -> None:
    """Without it, another process could be inside before this one has left."""
    with working_folder(tmp_path / "out.tif") as folder:
        (folder.path / JOURNAL).write_text("{}")
        folder.leave()
        assert list(folder.path.iterdir()) == [folder.lock]
    assert list(tmp_path.iterdir()) == []
