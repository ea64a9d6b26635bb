"""One scene in every form that people have it in gives one picture, on its ground, valid where the scene is."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from click.testing import Result
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp
from scipy.ndimage import distance_transform_edt, gaussian_filter

from sartranslate.backscatter.radiometry import Float, Mask, Radiometry
from sartranslate.errors import SceneError
from sartranslate.infer.inference import translate
from sartranslate.infer.planning import InferenceOptions, plan
from sartranslate.networks.bundle import DEFAULT_MODEL, describe
from sartranslate.runtimes.translator import Translator, load_translator
from sartranslate.scenes.source import SceneOptions
from sartranslate.simulate.simulator import Landscape
from sartranslate.streaming.windows import Window
from tests.conftest import TRANSFORM, UTM, WriteScene

HEIGHT, WIDTH = 150, 200
POWER = Landscape(3).sar(Window(900, 700, HEIGHT, WIDTH), ("VV", "VH"))
HOLE = np.s_[40:60, 120:150]
VALID = np.ones((HEIGHT, WIDTH), bool)
VALID[HOLE] = False
EVERYWHERE = np.ones((HEIGHT, WIDTH), bool)
ROTATED = Affine(8.660254, 5, 500_000, 5, -8.660254, 5_300_000)  # by 30 degrees
SAFE = "S1A_IW_GRDH_1SDV_20201107T052605_20201107T052630_035143_0419E4_3A2C.SAFE"
MEASUREMENT = "s1a-iw-grd-{}-20201107t052605-20201107t052630-035143-0419e4-00{}.tiff"
GAIN = 10_000  # digital numbers of amplitude 1, so fine that their steps do not show
SMALL = InferenceOptions(window=64, overlap=16)
Run = Callable[..., Result]
Picture = tuple[NDArray[np.uint8], Mask]


@dataclass(frozen=True)
class Given:
    """What a user would hand over."""

    scene: Path | None
    options: SceneOptions = field(default_factory=SceneOptions)


Write = Callable[..., Path]


def decibels(power: Float) -> Float:
    return np.asarray(10 * np.log10(power), np.float32)


VH = POWER[..., 1:]
DIGITAL_NUMBERS = np.rint(np.sqrt(POWER) * GAIN).astype(np.uint16)


def with_hole(values: NDArray[Any], nodata: float) -> NDArray[Any]:
    values = values.copy()
    values[HOLE] = nodata
    return values


def points(to_map: Affine) -> list[GroundControlPoint]:
    """In degrees, such that pixels lie where a transform in UTM says."""
    degrees = Transformer.from_crs(UTM.to_wkt(), "EPSG:4326", always_xy=True)
    a, b, c, d, e, f = to_map[:6]
    return [
        GroundControlPoint(row, col, *degrees.transform(a * col + b * row + c, d * col + e * row + f))
        for row in np.linspace(0, HEIGHT, 6)
        for col in np.linspace(0, WIDTH, 8)
    ]


def by_points(to_map: Affine = TRANSFORM) -> dict[str, Any]:
    return {"crs": "EPSG:4326", "gcps": points(to_map), "transform": Affine.identity()}


def stored_scale(write: Write) -> Given:
    path = write("s.tif", with_hole(np.rint(decibels(VH) * 100).astype(np.int16), -32768), nodata=-32768)
    with rasterio.open(path, "r+") as dataset:
        dataset.scales = (0.01,)
    return Given(path)


def stored_offset(write: Write) -> Given:
    """Linear values, whose logarithm is another without the offset."""
    values = np.clip(np.rint(VH * 20_000) + 5000, 0, 65535).astype(np.uint16)
    path = write("s.tif", with_hole(values, 0), nodata=0)
    with rasterio.open(path, "r+") as dataset:
        dataset.scales, dataset.offsets = (1 / 20_000,), (-0.25,)
    return Given(path)


def alpha(write: Write) -> Given:
    path = write("s.tif", np.concatenate([decibels(VH), np.where(VALID, 255, 0)[..., None].astype(np.float32)], -1))
    with rasterio.open(path, "r+") as dataset:
        dataset.colorinterp = (ColorInterp.gray, ColorInterp.alpha)
    return Given(path)


def masked(write: Write, internal: bool) -> Given:
    path = write("s.tif", with_hole(decibels(VH), 7))
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=internal), rasterio.open(path, "r+") as dataset:
        dataset.write_mask(VALID)
    assert path.with_name("s.tif.msk").exists() != internal
    return Given(path)


def two_files(write: Write) -> Given:
    files = {name: str(write(f"{name}.tif", decibels(POWER[..., i, None]))) for i, name in enumerate(("VV", "VH"))}
    return Given(None, SceneOptions(files=files))


def safe(write: Write) -> Given:
    """As the agency delivers it: digital numbers, zeros around, ground control points."""
    first = write("any.tif", np.zeros((1, 1, 1), np.uint8))
    folder = first.parent / SAFE / "measurement"
    folder.mkdir(parents=True)
    (folder.parent / "manifest.safe").write_text("<xfdu/>")
    for index, name in enumerate(("vv", "vh")):
        values = with_hole(DIGITAL_NUMBERS[..., index, None], 0)
        write(f"{SAFE}/measurement/{MEASUREMENT.format(name, index + 1)}", values, **by_points())
    return Given(folder.parent)


def zipped_safe(write: Write) -> Given:
    folder = safe(write).scene
    assert folder is not None
    archive = folder.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w") as file:
        for path in folder.rglob("*"):
            file.write(path, path.relative_to(folder.parent))
    return Given(archive)


def points_and_mask(write: Write) -> Given:
    path = write("s.tif", decibels(VH), **by_points())
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as dataset:
        dataset.write_mask(VALID)
    return Given(path)


def written(values: NDArray[Any], **profile: Any) -> Callable[[Write], Given]:
    return lambda write: Given(write("s.tif", values, **profile))


STRETCHED = np.clip(np.rint((decibels(VH) + 32) * 8), 1, 255).astype(np.uint8)
FORMS = {  # builder, unit, valid pixels, grey levels that it may differ by
    "float32 decibels": (written(decibels(VH)), "db", EVERYWHERE, 0),
    "bytes": (written(with_hole(STRETCHED, 0), nodata=0), "byte", VALID, 3),
    "bytes without nodata": (written(STRETCHED), "byte", EVERYWHERE, 3),
    "digital numbers": (written(with_hole(DIGITAL_NUMBERS[..., 1:], 0), nodata=0), "amplitude", VALID, 1),
    "zero fill": (written(with_hole(DIGITAL_NUMBERS[..., 1:], 0)), "amplitude", VALID, 1),
    "stored scale": (stored_scale, "db", VALID, 1),
    "stored offset": (stored_offset, "power", VALID, 3),
    "power": (written(with_hole(VH, 0), nodata=0), "power", VALID, 1),
    # Floats of amplitude pass for power, in decibels a factor between them: the picture is the same.
    "float64 amplitude": (written(with_hole(np.sqrt(VH.astype(np.float64)), np.nan)), "power", VALID, 1),
    "NaN nodata": (written(with_hole(decibels(VH), np.nan), nodata=np.nan), "db", VALID, 1),
    "offset decibels": (written(with_hole(decibels(VH) + 35, -99), nodata=-99), "db", VALID, 1),
    "uncalibrated power": (written(with_hole(VH * 1000, 0), nodata=0), "power", VALID, 1),
    "alpha": (alpha, "db", VALID, 1),
    "internal mask": (lambda write: masked(write, internal=True), "db", VALID, 1),
    "mask file": (lambda write: masked(write, internal=False), "db", VALID, 1),
    "two bands": (written(decibels(POWER), names=("VV", "VH")), "db", EVERYWHERE, 1),
    "two files": (two_files, "db", EVERYWHERE, 1),
    "rotated": (written(with_hole(decibels(VH), -99), nodata=-99, transform=ROTATED), "db", VALID, 1),
}
REFUSED = {  # builder, and what is said behind the scene's name
    "complex64": (
        written(decibels(VH).astype(np.complex64)),
        "complex values (complex64), expected detected amplitude, power or dB",
    ),
    "complex128": (
        written(decibels(VH).astype(np.complex128)),
        "complex values (complex128), expected detected amplitude, power or dB",
    ),
    "points and a mask": (
        points_and_mask,
        "ground control points and a mask, expected a nodata value in place of the mask",
    ),
    "optical": (
        written(np.repeat(STRETCHED, 3, axis=-1)),
        "3 bands (unnamed, unnamed, unnamed), the model expects 1 (VH or VV); choose with --bidx",
    ),
    "another polarisation": (
        written(decibels(VH), names=("HH",)),
        "1 band (HH), the model expects 1 (VH or VV); choose with --bidx",
    ),
    "on unknown ground": (
        written(decibels(VH), crs=None, transform=Affine.identity()),
        "no georeference, expected CRS and transform, or ground control points; "
        "--allow-ungeoreferenced goes ahead in pixel coordinates",
    ),
}


def same(batch: Float) -> Float:
    """A generator that hands on what it sees."""
    return np.repeat(batch, 3, axis=-1)


def surroundings(batch: Float) -> Float:
    """A generator to whose every pixel the whole patch contributes, filled pixels too."""
    return np.repeat((batch + batch.mean(axis=(1, 2), keepdims=True)) / 2, 3, axis=-1)


def picture(path: Path) -> Picture:
    with rasterio.open(path) as dataset:
        return np.moveaxis(dataset.read(), 0, -1), dataset.dataset_mask() > 0


def difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.int_]:
    return np.abs(one.astype(int) - other)


def reference(write: Write, valid: Mask) -> NDArray[np.uint8]:
    """What comes out where the scene is given as decibels, with or without the hole."""
    path = write("reference.tif", np.where(valid[..., None], decibels(VH), np.float32(np.nan)))
    out = path.with_suffix(".out")
    translate(plan(path, out, Radiometry(), SMALL), Translator(surroundings))
    return picture(out)[0]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_scene_gives_its_picture_on_its_ground(
    write_scene: WriteScene, tmp_path: Path, form: str
) -> None:
    build, unit, valid, levels = FORMS[form]
    given = build(write_scene)
    planned = plan(given.scene, tmp_path / "out.tif", Radiometry(), replace(SMALL, scene=given.options))
    assert planned.scaling.unit == unit
    translate(planned, Translator(surroundings))
    rgb, mask = picture(tmp_path / "out.tif")
    assert np.array_equal(mask, valid)
    assert difference(rgb, reference(write_scene, valid))[valid].max() <= levels
    assert not rgb[~mask].any()
    with rasterio.open(tmp_path / "out.tif") as dataset:
        assert (dataset.crs, dataset.transform) == (UTM, ROTATED if form == "rotated" else TRANSFORM)


@pytest.mark.parametrize("form", REFUSED)
def test_what_can_not_be_translated_is_refused_with_what_was_found(
    write_scene: WriteScene, tmp_path: Path, form: str
) -> None:
    build, message = REFUSED[form]
    given = build(write_scene)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(SceneError) as caught:
        plan(given.scene, tmp_path / "out.tif", Radiometry(), replace(SMALL, scene=given.options))
    assert str(caught.value) == f"{given.scene}: {message}"
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("build", [safe, zipped_safe], ids=["folder", "zip"])
def test_a_product_of_the_agency_comes_out_on_the_map_where_its_points_are(
    write_scene: WriteScene, tmp_path: Path, build: Callable[[Write], Given]
) -> None:
    """Its points say that its pixels are those of the reference, so that a pixel to the side would show."""
    given = build(write_scene)
    translate(plan(given.scene, tmp_path / "out.tif", Radiometry(), SMALL), Translator(same))
    with rasterio.open(tmp_path / "out.tif") as dataset:
        assert (dataset.crs, dataset.res) == (UTM, (10, 10))
        down, right = (TRANSFORM.f - dataset.transform.f) / -10, (TRANSFORM.c - dataset.transform.c) / 10
    rgb, mask = picture(tmp_path / "out.tif")
    part = np.s_[round(down) : round(down) + HEIGHT, round(right) : round(right) + WIDTH]
    assert (down, right) == pytest.approx((round(down), round(right)), abs=1e-6)
    assert max(down, right, rgb.shape[0] - HEIGHT, rgb.shape[1] - WIDTH) <= 2
    assert (mask[part] == VALID).mean() > 0.99
    path = write_scene("plain.tif", with_hole(DIGITAL_NUMBERS[..., 1:], 0))
    translate(plan(path, tmp_path / "plain.out", Radiometry(), SMALL), Translator(same))
    plain, valid = picture(tmp_path / "plain.out")
    both = mask[part] & valid
    assert difference(rgb[part], plain)[both].mean() < 1
    assert difference(np.roll(rgb[part], 1, axis=1), plain)[both].mean() > 10


@pytest.mark.parametrize("to_map", [TRANSFORM, ROTATED], ids=["north up", "rotated"])
@pytest.mark.parametrize("axis", [0, 1])
def test_ground_control_points_put_every_pixel_in_its_place(
    write_scene: WriteScene, tmp_path: Path, to_map: Affine, axis: int
) -> None:
    """A scene whose values are its own rows or columns: each pixel of the picture says where it came from."""
    places = np.indices((HEIGHT, WIDTH), np.float32)[axis][..., None] / 2 + 1
    path = write_scene("s.tif", places, **by_points(to_map))
    steps = Radiometry(scaling="fixed", low=1, high=128.5)
    planned = plan(path, tmp_path / "out.tif", steps, replace(SMALL, unit="db"))
    translate(planned, Translator(same))
    rgb, mask = picture(tmp_path / "out.tif")
    with rasterio.open(tmp_path / "out.tif") as dataset:
        rows, cols = np.nonzero(mask)
        x, y = rasterio.transform.xy(dataset.transform, rows, cols)
    a, b, c, d, e, f = to_map[:6]
    found = np.linalg.solve([[b, a], [e, d]], np.array([x, y]) - np.array([[c], [f]]))[axis] - 0.5
    assert np.abs(rgb[rows, cols, 0] - found).max() <= 1.1  # rounding, and what bilinear weights hold at the rim
    assert mask.sum() == pytest.approx(HEIGHT * WIDTH * abs(to_map.determinant) / 100, rel=0.02)


CALIBRATIONS = {
    "amplitude": np.sqrt(VH),
    "power": VH,
    "decibels": decibels(VH),
    "decibels, offset": decibels(VH) + np.float32(35),
    "decibels, offset below": decibels(VH) - np.float32(61.7),
    "power, calibration factor": VH * np.float32(1000),
    "power, small factor": VH * np.float32(3e-5),
    "amplitude, doubles": np.sqrt(VH.astype(np.float64)) * 417.3,
}


def assert_one_picture_through_the_command_line(run: Run, write: Write, names: list[str], *model: object) -> None:
    pictures = {}
    for number, name in enumerate(names):
        path = write(f"{number}.tif", with_hole(CALIBRATIONS[name], np.nan))
        result = run("infer", path, path.with_suffix(".out"), "-q", "--precision", "float32", *model)
        assert result.output == ""
        pictures[name] = picture(path.with_suffix(".out"))
    rgb, mask = pictures["power"]
    assert np.array_equal(mask, VALID)
    assert np.ptp(rgb[mask]) > 100
    assert {name: int(difference(rgb, other)[mask].max()) for name, (other, _) in pictures.items()} == {
        name: pytest.approx(0, abs=1) for name in names
    }


def test_amplitude_power_and_decibels_with_any_offset_give_one_picture(
    sartranslate: Run, write_scene: WriteScene, tiny_model: Path
) -> None:
    assert_one_picture_through_the_command_line(
        sartranslate, write_scene, list(CALIBRATIONS)[:4], "--model", tiny_model
    )


@pytest.mark.long
def test_the_default_model_makes_one_picture_of_amplitude_power_and_decibels_with_any_offset(
    sartranslate: Run, write_scene: WriteScene
) -> None:
    assert_one_picture_through_the_command_line(sartranslate, write_scene, list(CALIBRATIONS))


SIDE = 576  # pixels, both sides of the scene whose holes are looked at
RIM = 8  # pixels from a hole in which a rim would show
ROWS, COLS = np.mgrid[:SIDE, :SIDE]


def disc_holes() -> Mask:
    centres = [(row, col) for row in range(72, SIDE, 108) for col in range(72, SIDE, 108)]
    return np.asarray(np.min([np.hypot(ROWS - row, COLS - col) for row, col in centres], axis=0) > 20)


def lake_holes() -> Mask:
    relief = gaussian_filter(np.random.default_rng(4).normal(size=(SIDE, SIDE)), 14)
    return np.asarray(relief < np.quantile(relief, 7 / 8))


def slanted_border() -> Mask:
    return np.asarray(COLS > 150 + 0.3 * ROWS)


@pytest.fixture(scope="module")
def default_translator() -> Translator:
    return load_translator(DEFAULT_MODEL, "float32")


@pytest.mark.long
@pytest.mark.parametrize("holes", [disc_holes, lake_holes, slanted_border])
def test_holes_have_no_bright_or_dark_rim_and_less_of_one_than_where_they_are_filled_with_the_mean(
    write_scene: WriteScene, tmp_path: Path, default_translator: Translator, holes: Callable[[], Mask]
) -> None:
    """Mean signed difference to the scene without holes, in grey levels, over the pixels along them."""
    power = Landscape(3).sar(Window(700, 900, SIDE, SIDE))
    mask = holes()
    radiometry = describe(DEFAULT_MODEL).radiometry
    without = plan(write_scene("whole.tif", power), tmp_path / "whole.out", radiometry)
    scene = write_scene("holes.tif", np.where(mask[..., None], power, np.float32(np.nan)))
    translate(without, default_translator)
    whole, _ = picture(tmp_path / "whole.out")
    ring = mask & (distance_transform_edt(mask) <= RIM)

    def bias(fill: str) -> float:
        planned = plan(scene, tmp_path / f"{fill}.out", radiometry)
        translate(replace(planned, scaling=replace(without.scaling, fill=fill)), default_translator)
        rgb, valid = picture(tmp_path / f"{fill}.out")
        assert np.array_equal(valid, mask)
        return float((rgb[ring].astype(int) - whole[ring]).mean())

    mirror, mean = bias("mirror"), bias("mean")
    assert abs(mirror) < min(3, abs(mean))
