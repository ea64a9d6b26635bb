"""From a scene on disk to an RGB GeoTIFF, with callables in place of networks."""

from __future__ import annotations

import os
import resource
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

from sartranslate.backscatter.radiometry import Radiometry, to_rgb
from sartranslate.errors import BackendError, OptionError, OutputError, SceneError
from sartranslate.infer import generation, inference
from sartranslate.infer.inference import translate
from sartranslate.infer.planning import InferenceOptions, Plan, plan
from sartranslate.runtimes.translator import Translator, load_translator
from sartranslate.scenes.source import SceneOptions
from sartranslate.streaming.sliding import Generator
from sartranslate.streaming.windows import Window
from tests.conftest import TRANSFORM, UTM, WriteScene, save_scene

FULL_RANGE = Radiometry(low=0, high=100)
SMALL = InferenceOptions(window=64, overlap=16, unit="db")


def grey(batch: NDArray[np.float32]) -> NDArray[np.float32]:
    """The identity, for three output bands."""
    return np.repeat(batch[..., :1], 3, axis=-1)


def run(
    scene: Path,
    out: Path,
    generator: Callable[[Any], Any] = grey,
    options: InferenceOptions = SMALL,
    radiometry: Radiometry = FULL_RANGE,
) -> tuple[NDArray[np.uint8], NDArray[np.bool_], inference.InferenceSummary]:
    """Translate; returns RGB (H, W, 3), validity (H, W) and the summary."""
    summary = translate(plan(scene, out, radiometry, options), Translator(generator, batch_size=5))
    with rasterio.open(out) as dataset:
        return np.moveaxis(dataset.read(), 0, -1), dataset.dataset_mask() > 0, summary


@pytest.fixture
def noise() -> NDArray[np.float32]:
    return np.random.default_rng(1).normal(-12, 3, (150, 211, 1)).astype(np.float32)


def test_the_output_lies_on_the_same_ground_and_says_what_it_is(
    write_scene: WriteScene, noise: NDArray[np.float32], tmp_path: Path
) -> None:
    out = tmp_path / "out.tif"
    _, mask, summary = run(write_scene("scene.tif", noise), out)
    assert mask.all()
    with rasterio.open(out) as dataset:
        assert (dataset.crs, dataset.transform, dataset.shape) == (UTM, TRANSFORM, (150, 211))
        assert dataset.profile["interleave"] == "pixel"
        # GDAL reports these only for photometric RGB.
        assert [band.name for band in dataset.colorinterp] == ["red", "green", "blue"]
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        tags = dataset.tags()
    assert tags["SYNTHETIC"] == "YES"
    assert "not an optical observation" in tags["TIFFTAG_IMAGEDESCRIPTION"]
    assert tags["TIFFTAG_SOFTWARE"].startswith("sartranslate ")
    assert tags["SARTRANSLATE_SOURCE"] == "scene.tif"
    assert tags["SARTRANSLATE_SCALING"] == summary.scaling_text
    assert (summary.windows, summary.skipped_windows) == (15, 0)


def test_the_output_names_its_source_without_folders(noise: NDArray[np.float32], tmp_path: Path) -> None:
    folder = tmp_path / "Los Angeles, CA"
    folder.mkdir()
    run(save_scene(folder / "scene.tif", noise), tmp_path / "out.tif")
    with rasterio.open(tmp_path / "out.tif") as dataset:
        assert dataset.tags()["SARTRANSLATE_SOURCE"] == "scene.tif"


def test_a_fill_value_is_asked_for_and_then_left_out(
    write_scene: WriteScene, noise: NDArray[np.float32], tmp_path: Path
) -> None:
    noise[:60] = -9999
    scene = write_scene("scene.tif", noise)
    with pytest.raises(SceneError, match="--nodata -9999 if that is no data"):
        run(scene, tmp_path / "out.tif")
    _, mask, _ = run(scene, tmp_path / "out.tif", options=replace(SMALL, scene=SceneOptions(nodata=-9999)))
    assert not mask[:60].any()
    assert mask[60:].all()


def test_the_identity_gives_the_scaled_scene_to_the_grey_level(
    write_scene: WriteScene, noise: NDArray[np.float32], tmp_path: Path
) -> None:
    rgb, _, _ = run(write_scene("scene.tif", noise), tmp_path / "out.tif")
    scaled = (noise - noise.min()) / (noise.max() - noise.min()) * 2 - 1
    assert np.abs(rgb.astype(int) - to_rgb(scaled)).max() <= 1
    assert (rgb == to_rgb(scaled)).mean() > 0.999  # a tie may round to either side


def test_a_constant_comes_out_constant_up_to_the_corners(
    write_scene: WriteScene, noise: NDArray[np.float32], tmp_path: Path
) -> None:
    rgb, _, _ = run(
        write_scene("scene.tif", noise), tmp_path / "out.tif", lambda batch: np.full((*batch.shape[:3], 3), 0.3)
    )
    assert (rgb == to_rgb(0.3)).all()


@pytest.mark.parametrize("axis", [0, 1])
def test_a_coordinate_raster_lands_where_it_came_from(write_scene: WriteScene, tmp_path: Path, axis: int) -> None:
    coordinates = np.indices((256, 256), np.float32)[axis][..., None] - 300
    rgb, _, _ = run(write_scene("scene.tif", coordinates), tmp_path / "out.tif")
    assert np.array_equal(rgb[..., 0], np.indices((256, 256))[axis])


@pytest.mark.parametrize("shape", [(1, 1), (5, 300), (63, 64), (64, 64), (65, 64), (127, 131)])
def test_scenes_of_any_size_come_out_whole(write_scene: WriteScene, tmp_path: Path, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    values = rng.uniform(-20, -5, (*shape, 1)).astype(np.float32)
    radiometry = Radiometry(scaling="fixed", low=-25, high=0)
    rgb, mask, _ = run(write_scene("scene.tif", values), tmp_path / "out.tif", radiometry=radiometry)
    assert mask.all()
    assert np.abs(rgb[..., :1].astype(int) - to_rgb(values / 12.5 + 1)).max() <= 1


def test_nodata_stays_nodata_and_empty_windows_are_skipped(
    write_scene: WriteScene, noise: NDArray[np.float32], tmp_path: Path
) -> None:
    noise[:115, :115] = -99
    noise[120, 200] = np.nan
    seen = []

    def count(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        seen.extend(patch.tobytes() for patch in batch)
        assert np.isfinite(batch).all()
        return grey(batch)

    rgb, mask, summary = run(write_scene("scene.tif", noise, nodata=-99), tmp_path / "out.tif", count)
    assert np.array_equal(mask, (noise[..., 0] != -99) & np.isfinite(noise[..., 0]))
    assert (rgb[~mask] == 0).all()
    assert (summary.windows, summary.skipped_windows, len(set(seen))) == (15, 4, 11)


def test_skipping_empty_windows_changes_no_valid_pixel(
    write_scene: WriteScene, noise: NDArray[np.float32], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that feeds the empty windows to the generator too is the reference."""
    noise[:115, :115] = -99
    scene = write_scene("scene.tif", noise, nodata=-99)
    skipping, mask, _ = run(scene, tmp_path / "skipping.tif")

    def unskipped(planned: Plan) -> Any:
        for patch in original(planned):
            yield patch._replace(mask=np.ones_like(patch.mask))

    original = generation._patches
    monkeypatch.setattr(generation, "_patches", unskipped)
    feeding, _, summary = run(scene, tmp_path / "feeding.tif")
    assert summary.skipped_windows == 0
    assert np.array_equal(skipping[mask], feeding[mask])


@pytest.mark.parametrize(
    "change", [{"batch_size": 1}, {"batch_size": 100}, {"prefetch": 1}, {"strip_height": 7}, {"strip_height": 1000}]
)
def test_the_file_does_not_depend_on_batches_threads_or_strips(
    write_scene: WriteScene, noise: NDArray[np.float32], tmp_path: Path, change: dict[str, int]
) -> None:
    scene = write_scene("scene.tif", noise)
    run(scene, tmp_path / "a.tif")
    run(scene, tmp_path / "b.tif", options=replace(SMALL, **change))
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


@contextmanager
def failing_generator(scene: Path) -> Iterator[Generator]:
    calls = []

    def generator(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        calls.append(1)
        if len(calls) == 3:
            raise BackendError("provoked")
        return grey(batch)

    yield generator


@contextmanager
def full_disk(scene: Path) -> Iterator[Generator]:
    """No file may grow beyond 20 kB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        yield grey
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def truncated_scene(scene: Path) -> Iterator[Generator]:
    """The file gets shorter once it has been sampled."""
    whole = scene.read_bytes()
    scene.write_bytes(whole[: len(whole) // 2])
    yield grey


@pytest.mark.parametrize(
    ("fault", "error"), [(failing_generator, BackendError), (full_disk, OutputError), (truncated_scene, SceneError)]
)
def test_a_fault_in_the_middle_leaves_no_file_and_no_thread(
    write_scene: WriteScene,
    noise: NDArray[np.float32],
    tmp_path: Path,
    fault: Callable[[Path], AbstractContextManager[Generator]],
    error: type[Exception],
) -> None:
    scene = write_scene("scene.tif", noise)
    out = tmp_path / "out.tif"
    out.write_text("precious")
    planned = plan(scene, out, FULL_RANGE, replace(SMALL, overwrite=True))
    with fault(scene) as generator, pytest.raises(error):
        translate(planned, Translator(generator, batch_size=2))
    assert out.read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.tif", "scene.tif"]
    assert [thread.name for thread in threading.enumerate() if thread.name in ("prefetch", "writer")] == []


def test_a_watcher_sees_the_windows_go_by_up_to_the_last(
    write_scene: WriteScene, noise: NDArray[np.float32], tmp_path: Path
) -> None:
    noise[:115, :115] = -99
    planned = plan(write_scene("scene.tif", noise, nodata=-99), tmp_path / "out.tif", FULL_RANGE, SMALL)
    seen = []
    translate(planned, Translator(grey, batch_size=4), lambda tally, windows: seen.append((tally.windows, windows)))
    assert seen[-1] == (15, 15)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert len(seen) == 4  # one more for so many empty windows in a row


class Counted(tuple[Window, ...]):
    """Windows that know how many of them have been taken."""

    taken = 0

    def __iter__(self) -> Iterator[Window]:
        for window in super().__iter__():
            self.taken += 1
            yield window


def test_while_a_large_batch_is_computed_the_next_two_are_read(write_scene: WriteScene, tmp_path: Path) -> None:
    scene = write_scene("scene.tif", np.random.default_rng(1).normal(-12, 3, (400, 500, 1)).astype(np.float32))
    planned = plan(scene, tmp_path / "out.tif", FULL_RANGE, SMALL)
    windows, seen = Counted(planned.windows), []

    def patient(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        wanted, waited_until = 20 * (len(seen) + 3), time.monotonic() + 10
        while windows.taken < min(wanted, len(windows)) and time.monotonic() < waited_until:
            time.sleep(0.005)
        seen.append(windows.taken)
        return grey(batch)

    list(generation.generated(replace(planned, windows=windows), Translator(patient, batch_size=20)))
    assert all(taken >= wanted for taken, wanted in zip(seen[:2], [60, 80], strict=True))


def test_windows_must_fit_the_model(write_scene: WriteScene, noise: NDArray[np.float32], tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="window 64: the model needs a multiple of 256"):
        plan(write_scene("scene.tif", noise), tmp_path / "out.tif", FULL_RANGE, SMALL, size_multiple=256)


def test_a_source_of_a_virtual_scene_is_not_overwritten(
    write_scene: WriteScene, noise: NDArray[np.float32], tmp_path: Path
) -> None:
    source = write_scene("scene.tif", noise)
    rasterio.shutil.copy(source, tmp_path / "scene.vrt", driver="VRT")
    with pytest.raises(OutputError, match="part of"):
        plan(tmp_path / "scene.vrt", source, FULL_RANGE, replace(SMALL, overwrite=True))


@pytest.mark.parametrize("name", ["strips.tif", "cog.tif", "scene"])
def test_any_file_name_will_do_for_the_output(
    write_scene: WriteScene, noise: NDArray[np.float32], tmp_path: Path, name: str
) -> None:
    """No working file has a name that an output could have, and a name may begin like the scene's."""
    (tmp_path / name).write_text("old")
    rgb, mask, _ = run(write_scene("scene.tif", noise), tmp_path / name, options=replace(SMALL, overwrite=True))
    assert mask.all()
    assert np.ptp(rgb) > 200
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "scene.tif"])


def test_the_archive_of_the_scene_is_not_overwritten(
    write_scene: WriteScene, noise: NDArray[np.float32], tmp_path: Path
) -> None:
    archive = tmp_path / "scene.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(write_scene("scene.tif", noise), "scene.tif")
    with pytest.raises(OutputError, match="part of"):
        plan(f"/vsizip/{archive}/scene.tif", archive, FULL_RANGE, replace(SMALL, overwrite=True))


def test_sources_of_sources_are_not_overwritten(
    write_scene: WriteScene, noise: NDArray[np.float32], tmp_path: Path
) -> None:
    source = write_scene("scene.tif", noise)
    rasterio.shutil.copy(source, tmp_path / "inner.vrt", driver="VRT")
    inner = (tmp_path / "inner.vrt").read_text()
    (tmp_path / "outer.vrt").write_text(inner.replace(">scene.tif<", ">inner.vrt<"))
    with pytest.raises(OutputError, match="part of"):
        plan(tmp_path / "outer.vrt", source, FULL_RANGE, replace(SMALL, overwrite=True))


def test_side_files_of_the_replaced_raster_go_with_it(
    write_scene: WriteScene, noise: NDArray[np.float32], tmp_path: Path
) -> None:
    """GDAL would take georeference, nodata and overviews from them."""
    (tmp_path / "out.tif").write_text("old")
    for suffix in (".aux.xml", ".ovr", ".msk"):
        (tmp_path / f"out.tif{suffix}").write_text("old")
    run(write_scene("scene.tif", noise), tmp_path / "out.tif", options=replace(SMALL, overwrite=True))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.tif", "scene.tif"]


def test_an_output_that_appears_during_the_run_is_kept(
    write_scene: WriteScene, noise: NDArray[np.float32], tmp_path: Path
) -> None:
    out = tmp_path / "out.tif"

    def slow(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        out.write_text("precious")
        return grey(batch)

    with pytest.raises(OutputError, match="meanwhile"):
        run(write_scene("scene.tif", noise), out, slow)
    assert out.read_text() == "precious"


def test_a_link_keeps_pointing_to_the_replaced_file(
    write_scene: WriteScene, noise: NDArray[np.float32], tmp_path: Path
) -> None:
    (tmp_path / "real").mkdir()
    target, link = tmp_path / "real" / "out.tif", tmp_path / "link.tif"
    target.write_text("old")
    link.symlink_to(target)
    run(write_scene("scene.tif", noise), link, options=replace(SMALL, overwrite=True))
    assert link.is_symlink()
    assert target.read_bytes()[:2] == b"II"


def test_a_pipe_is_no_output(write_scene: WriteScene, noise: NDArray[np.float32], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "out.tif")
    with pytest.raises(OutputError, match="is a folder or a device"):
        plan(write_scene("scene.tif", noise), tmp_path / "out.tif", FULL_RANGE, replace(SMALL, overwrite=True))


def test_a_crs_that_geotiff_can_not_hold_is_refused(
    write_scene: WriteScene, noise: NDArray[np.float32], tmp_path: Path
) -> None:
    rotated_pole = "+proj=ob_tran +o_proj=longlat +o_lon_p=0 +o_lat_p=40 +lon_0=10 +datum=WGS84"
    source = write_scene("source.tif", noise)
    rasterio.shutil.copy(source, tmp_path / "scene.vrt", driver="VRT")
    text = (tmp_path / "scene.vrt").read_text()
    wkt = rasterio.crs.CRS.from_string(rotated_pole).to_wkt()
    start, end = text.index("<SRS"), text.index("</SRS>")
    (tmp_path / "scene.vrt").write_text(f"{text[:start]}<SRS>{wkt}{text[end:]}")
    with pytest.raises(OutputError, match="GeoTIFF can not hold the scene's CRS"):
        plan(tmp_path / "scene.vrt", tmp_path / "out.tif", FULL_RANGE, SMALL)  # before any work
    assert not (tmp_path / "out.tif").exists()


def test_a_bundle_translates_as_its_network_does(
    write_scene: WriteScene, amplitudes: NDArray[np.uint16], tmp_path: Path, tiny_model: Path
) -> None:
    from sartranslate.networks import bundle

    values = amplitudes[:256, :256]
    scene = write_scene("scene.tif", values)
    planned = plan(scene, tmp_path / "out.tif", Radiometry())
    translate(planned, load_translator(tiny_model, "float32"))
    source = planned.scaling.apply(values, np.ones(values.shape[:2], bool))
    expected = to_rgb(bundle.load(tiny_model).model(source[None], training=False).numpy()[0])
    with rasterio.open(tmp_path / "out.tif") as dataset:
        assert np.abs(np.moveaxis(dataset.read(), 0, -1).astype(int) - expected).max() <= 1
    assert np.ptp(expected) > 100
