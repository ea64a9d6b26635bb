"""The spread as a raster beside the picture: same ground, same mask, together or not at all."""

from __future__ import annotations

import os
import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags
from rio_cogeo.cogeo import cog_validate

from sartranslate.backscatter.radiometry import Radiometry
from sartranslate.errors import BackendError, OptionError, OutputError
from sartranslate.infer.inference import translate
from sartranslate.infer.inference_summary import InferenceSummary
from sartranslate.infer.planning import InferenceOptions, plan
from sartranslate.quality.uncertainty import Sampler, Spread
from sartranslate.runtimes.translator import Translator, load_translator
from sartranslate.scenes.area_file import read_area
from tests.conftest import WriteScene, on_grid

FULL_RANGE = Radiometry(low=0, high=100)
HEIGHT, WIDTH = 150, 211
AREA = "POLYGON ((500203 5299888, 501206 5299977, 501824 5299223, 500602 5298704, 500203 5299888))"


def grey(batch: Any) -> Any:
    return np.repeat(batch[..., :1], 3, axis=-1)


def swayed(batch: Any, seeds: Any) -> Any:
    """Differs from sample to sample by the brightness of the pixel, and by the patch around it."""
    around = batch.mean(axis=(1, 2), keepdims=True)
    return grey((batch + around) / 4) * (1 - 2 * (seeds % 2))[:, None, None, None].astype(np.float32)


def swaying(sampler: Sampler = swayed, count: int = 4) -> Translator:
    return Translator(grey, batch_size=5, spread=Spread(sampler, count))


@pytest.fixture
def scene(write_scene: WriteScene) -> Path:
    """Decibels with a hole and an empty corner of a window."""
    values = np.random.default_rng(1).normal(-12, 3, (HEIGHT, WIDTH, 1)).astype(np.float32)
    values[40:55, 70:90] = -99
    values[:64, :64] = -99
    return write_scene("scene.tif", values, nodata=-99)


@pytest.fixture
def options(tmp_path: Path) -> InferenceOptions:
    return InferenceOptions(window=64, overlap=16, unit="db", uncertainty=tmp_path / "spread.tif")


def run(
    scene: Path, options: InferenceOptions, translator: Translator | None = None, radiometry: Radiometry = FULL_RANGE
) -> InferenceSummary:
    return translate(plan(scene, scene.parent / "out.tif", radiometry, options), translator or swaying())


def read(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Bands (C, H, W) and validity (H, W)."""
    with rasterio.open(path) as dataset:
        return dataset.read(), dataset.dataset_mask() > 0


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_it_lies_on_the_same_ground_with_the_same_mask_and_says_what_it_is(
    scene: Path, options: InferenceOptions, tmp_path: Path
) -> None:
    summary = run(scene, options)
    assert cog_validate(tmp_path / "spread.tif") == (True, [], [])
    with rasterio.open(tmp_path / "out.tif") as picture, rasterio.open(tmp_path / "spread.tif") as spread:
        for aspect in ("crs", "transform", "shape"):
            assert getattr(spread, aspect) == getattr(picture, aspect)
        assert (spread.colorinterp, spread.dtypes, spread.nodata) == ((ColorInterp.gray,), ("uint8",), None)
        assert spread.mask_flag_enums == ([MaskFlags.per_dataset],)
        mask = spread.dataset_mask()
        assert np.array_equal(mask, picture.dataset_mask())
        assert 0 < (mask == 0).sum() < mask.size
        assert not spread.read(1)[mask == 0].any()
        tags, others = spread.tags(), picture.tags()
    told = "4 samples of each window in 4 orientations, contrast 0.87 to 1.17, dropout 0.5"
    assert tags["SARTRANSLATE_SPREAD"] == told
    assert "grey levels" in tags["TIFFTAG_IMAGEDESCRIPTION"]
    assert "not its error" in tags["TIFFTAG_IMAGEDESCRIPTION"]
    assert "SYNTHETIC" not in tags
    assert others["SYNTHETIC"] == "YES"
    assert "SARTRANSLATE_SPREAD" not in others
    for name in ("SOURCE", "MODEL", "SCALING", "WINDOW"):
        assert tags[f"SARTRANSLATE_{name}"] == others[f"SARTRANSLATE_{name}"]
    assert (summary.uncertainty, summary.spread) == (str(tmp_path / "spread.tif"), told)
    assert names(tmp_path) == ["out.tif", "scene.tif", "spread.tif"]


def test_a_large_scene_s_spread_has_overviews(write_scene: WriteScene, options: InferenceOptions) -> None:
    values = np.random.default_rng(1).normal(-12, 3, (600, 700, 1)).astype(np.float32)
    run(write_scene("scene.tif", values), options)
    with rasterio.open(str(options.uncertainty)) as spread:
        assert spread.overviews(1)


@pytest.mark.parametrize(
    "generator", [grey, lambda batch: np.tanh(grey(batch).astype(np.float64))], ids=["float32", "float64"]
)
def test_the_picture_is_the_same_file_with_and_without_it(
    scene: Path, options: InferenceOptions, tmp_path: Path, generator: Callable[[Any], Any]
) -> None:
    run(scene, replace(options, uncertainty=None), Translator(generator, batch_size=5))
    without = (tmp_path / "out.tif").read_bytes()
    run(scene, replace(options, overwrite=True), replace(swaying(), generator=generator))
    assert (tmp_path / "out.tif").read_bytes() == without


def test_a_network_s_picture_is_the_same_file_with_and_without_it(
    write_scene: WriteScene, amplitudes: NDArray[np.uint16], tmp_path: Path, tiny_model: Path
) -> None:
    scene = write_scene("scene.tif", amplitudes)
    translators = load_translator(tiny_model, "float32"), load_translator(tiny_model, "float32", samples=3)
    files = []
    for translator, uncertainty in zip(translators, (None, tmp_path / "spread.tif"), strict=True):
        run(scene, InferenceOptions(uncertainty=uncertainty, overwrite=True), translator, Radiometry())
        files.append((tmp_path / "out.tif").read_bytes())
    assert files[0] == files[1]
    (spread,), mask = read(tmp_path / "spread.tif")
    assert mask.all()
    assert spread.mean() > 1


def test_a_spread_lands_on_the_pixels_that_it_is_of(
    write_scene: WriteScene, options: InferenceOptions, tmp_path: Path
) -> None:
    """Signs and contrasts that change from sample to sample make a spread in proportion to the pixel's own value."""

    def signed(batch: Any, seeds: Any) -> Any:
        return grey(batch) * (1 - 2 * (seeds % 2))[:, None, None, None].astype(np.float32)

    values = np.random.default_rng(2).uniform(-22.5, -2.5, (HEIGHT, WIDTH, 1)).astype(np.float32)
    decibels = Radiometry(scaling="fixed", low=-25, high=0)
    run(write_scene("scene.tif", values), options, swaying(signed), decibels)
    (spread,), _ = read(tmp_path / "spread.tif")
    factors = [sample.contrast * (-1) ** sample.seed for sample in swaying(signed).spread.samples]
    expected = np.abs(values[..., 0] / 12.5 + 1) * 127.5 * np.std(factors, ddof=1)
    assert np.abs(spread - expected).max() <= 0.51


def test_windows_are_blended_and_read_once_for_all_samples(
    scene: Path, options: InferenceOptions, tmp_path: Path
) -> None:
    calls: list[str] = []

    def drawn(batch: Any, seeds: Any) -> Any:
        calls.append("sample")
        return np.full((*batch.shape[:3], 3), 0.1 * (seeds[0] % 2), np.float32)

    def counted(batch: Any) -> Any:
        calls.append("picture")
        return grey(batch)

    summary = run(scene, options, replace(swaying(drawn), generator=counted))
    assert calls == ["picture", *["sample"] * 4] * 3
    assert summary.windows - summary.skipped_windows == 14
    (spread,), mask = read(tmp_path / "spread.tif")
    assert set(spread[mask]) == {round(0.05 * 127.5 * np.sqrt(4 / 3))}


@pytest.mark.parametrize(
    "change", [{"batch_size": 1}, {"batch_size": 100}, {"prefetch": 1}, {"strip_height": 7}, {"strip_height": 1000}]
)
def test_the_file_does_not_depend_on_batches_threads_or_strips(
    scene: Path, options: InferenceOptions, tmp_path: Path, change: dict[str, int]
) -> None:
    run(scene, options)
    before = (tmp_path / "spread.tif").read_bytes()
    run(scene, replace(options, overwrite=True, **change))
    assert (tmp_path / "spread.tif").read_bytes() == before


def assert_cut_out(folder: Path, scene: Path, options: InferenceOptions, area: str) -> None:
    """The spread within an area is the whole scene's, bit for bit."""
    run(scene, options)
    (whole,), valid = read(folder / "spread.tif")
    with rasterio.open(folder / "spread.tif") as dataset:
        transform = dataset.transform
    run(scene, replace(options, overwrite=True, area=read_area(area)))
    (cut,), mask = read(folder / "spread.tif")
    with rasterio.open(folder / "spread.tif") as dataset:
        left, top = on_grid(np.array([dataset.transform.c, dataset.transform.f]), transform)
    part = np.s_[round(top) : round(top) + cut.shape[0], round(left) : round(left) + cut.shape[1]]
    assert 0 < mask.sum() < valid.sum()
    assert valid[part][mask].all()
    assert np.array_equal(cut[mask], whole[part][mask])
    assert np.array_equal(mask, read(folder / "out.tif")[1])


def test_of_an_area_it_is_that_of_the_whole_scene(scene: Path, options: InferenceOptions, tmp_path: Path) -> None:
    assert_cut_out(tmp_path, scene, options, f"SRID=32632;{AREA}")


def test_a_scene_with_ground_control_points_has_it_on_its_map_grid(
    write_gcp_scene: WriteScene, options: InferenceOptions, tmp_path: Path
) -> None:
    values = np.random.default_rng(1).normal(-12, 3, (HEIGHT, WIDTH, 1)).astype(np.float32)
    scene = write_gcp_scene("scene.tif", values)
    area = shapely.box(10.9965, 47.9975, 11.003, 48.002).wkt
    assert_cut_out(tmp_path, scene, options, f"SRID=4326;{area}")


@pytest.mark.parametrize(
    ("compress", "kept"), [("webp", "zstd"), ("jpeg", "zstd"), ("lzw", "lzw"), ("deflate", "deflate")]
)
def test_it_is_written_without_loss(
    scene: Path, options: InferenceOptions, tmp_path: Path, compress: str, kept: str
) -> None:
    run(scene, replace(options, compress="none"))
    exact = read(tmp_path / "spread.tif")
    run(scene, replace(options, compress=compress, overwrite=True))
    with rasterio.open(tmp_path / "spread.tif") as dataset:
        assert dataset.compression.name == kept
    for found, expected in zip(read(tmp_path / "spread.tif"), exact, strict=True):
        assert np.array_equal(found, expected)


@contextmanager
def failing_sampler(folder: Path) -> Iterator[Sampler]:
    calls = []

    def sampler(batch: Any, seeds: Any) -> Any:
        calls.append(1)
        if len(calls) == 7:
            raise BackendError("provoked")
        return swayed(batch, seeds)

    yield sampler


@contextmanager
def sampler_of_no_numbers(folder: Path) -> Iterator[Sampler]:
    yield lambda batch, seeds: grey(batch) * np.float32(np.nan)


@contextmanager
def sampler_of_half_size(folder: Path) -> Iterator[Sampler]:
    yield lambda batch, seeds: grey(batch)[:, ::2, ::2]


@contextmanager
def full_disk(folder: Path) -> Iterator[Sampler]:
    """No file may grow beyond 14 kB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (14_000, before[1]))
    try:
        yield swayed
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    ("fault", "error", "message"),
    [
        (failing_sampler, BackendError, "provoked"),
        (sampler_of_no_numbers, BackendError, "not finite"),
        (sampler_of_half_size, BackendError, r"returned an array of \(5, 32, 32, 1\), expected \(5, 64, 64, 1\)"),
        (full_disk, OutputError, "can not be written"),
    ],
)
def test_a_fault_of_the_spread_leaves_neither_file_and_no_thread(
    scene: Path, options: InferenceOptions, tmp_path: Path, fault: Any, error: type[Exception], message: str
) -> None:
    planned = plan(scene, tmp_path / "out.tif", FULL_RANGE, options)
    with fault(tmp_path) as sampler, pytest.raises(error, match=message):
        translate(planned, replace(swaying(sampler), generator=lambda batch: np.zeros((*batch.shape[:3], 3))))
    assert names(tmp_path) == ["scene.tif"]
    assert [thread.name for thread in threading.enumerate() if thread.name in ("prefetch", "writer")] == []


@pytest.mark.parametrize("name", ["out.tif", "spread.tif"])
def test_where_one_file_appears_during_the_run_it_is_kept_and_the_other_does_not_appear(
    scene: Path, options: InferenceOptions, tmp_path: Path, name: str
) -> None:
    def slow(batch: Any, seeds: Any) -> Any:
        (tmp_path / name).write_text("precious")
        return swayed(batch, seeds)

    with pytest.raises(OutputError, match=f"{name}: was made by someone else meanwhile"):
        run(scene, options, swaying(slow))
    assert (tmp_path / name).read_text() == "precious"
    assert names(tmp_path) == sorted([name, "scene.tif"])


def test_side_files_of_a_replaced_spread_go_with_it(scene: Path, options: InferenceOptions, tmp_path: Path) -> None:
    for name in ("spread.tif", "spread.tif.aux.xml", "spread.tif.ovr"):
        (tmp_path / name).write_text("old")
    run(scene, replace(options, overwrite=True))
    assert names(tmp_path) == ["out.tif", "scene.tif", "spread.tif"]


def test_both_outputs_must_be_free_and_apart_before_anything_is_read(
    scene: Path, options: InferenceOptions, tmp_path: Path
) -> None:
    out, other = tmp_path / "out.tif", tmp_path / "spread.tif"
    (tmp_path / "link.tif").symlink_to(out)
    (tmp_path / "folder").mkdir()
    cases = [
        (out, out, "is the output itself"),
        (out, tmp_path / "folder" / ".." / "out.tif", "is the output itself"),
        (out, tmp_path / "link.tif", "is the output itself"),
        (out, scene, "the scene itself"),
        (out, tmp_path / "folder", "is a folder or a device"),
        (out, tmp_path / "absent" / "spread.tif", "does not exist"),
    ]
    for path, uncertainty, message in cases:
        with pytest.raises(OutputError, match=message):
            plan(scene, path, FULL_RANGE, replace(options, uncertainty=uncertainty, overwrite=True))
    other.write_text("precious")
    with pytest.raises(OutputError, match=r"spread\.tif: exists already"):
        plan(scene, out, FULL_RANGE, options)
    os.link(other, out)
    with pytest.raises(OutputError, match="is the output itself"):
        plan(scene, out, FULL_RANGE, replace(options, overwrite=True))


def test_a_translator_without_samples_is_refused_before_anything_is_written(
    scene: Path, options: InferenceOptions, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match=r"spread\.tif: a translator without samples has no spread"):
        run(scene, options, Translator(grey))
    assert names(tmp_path) == ["scene.tif"]
