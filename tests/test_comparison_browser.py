"""In a browser the page of a comparison is swiped, zoomed and read by pointer, finger and key, and asks for nothing."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page, expect, sync_playwright
from pyproj import Transformer
from rasterio.io import MemoryFile

from sartranslate.backscatter.radiometry import Radiometry
from sartranslate.compare.comparing import compare
from sartranslate.compare.comparison import ComparisonOptions
from sartranslate.rasters.process_wide import quiet
from tests.conftest import TRANSFORM, save_scene

CHROMIUM = shutil.which("chromium")
HEIGHT, WIDTH = 300, 420  # of the scene
STEP = 3  # pixels of the scene in one of the page
RED, BLUE, GREEN = (200, 30, 30), (30, 30, 200), (30, 180, 30)
VIEWPORT = {"width": 1000, "height": 700}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 780},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The translation is red above blue, the truth green, the SAR grey; nothing of the truth's right edge is valid."""
    folder = tmp_path_factory.mktemp("browser")
    speckle = 100 * np.sqrt(np.random.default_rng(5).gamma(4.4, 1 / 4.4, (HEIGHT, WIDTH, 1))) + 1
    translation = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    translation[: HEIGHT // 2], translation[HEIGHT // 2 :] = RED, BLUE
    truth = np.full((HEIGHT, WIDTH, 3), GREEN, np.uint8)
    truth[:, -60:] = 0
    scene = save_scene(folder / "scene.tif", speckle.astype(np.uint16), ("VH",))
    out = save_scene(folder / "out.tif", translation)
    told = ComparisonOptions(
        truth=save_scene(folder / "truth.tif", truth, nodata=0),
        uncertainty=save_scene(folder / "spread.tif", np.full((HEIGHT, WIDTH, 1), 40, np.uint8)),
        size=WIDTH // STEP,
    )
    compare(scene, out, folder / "page.html", Radiometry(), told)
    return folder / "page.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Opened:
    """The page in a browser, and all that it asked for or complained of."""

    page: Page
    requests: list[str]
    complaints: list[str]

    def image(self) -> NDArray[np.uint8]:
        """(H, W, 3) of the window, in its pixels."""
        self.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        with quiet(), MemoryFile(self.page.screenshot()) as file, file.open() as picture:
            return np.moveaxis(picture.read([1, 2, 3]), 0, -1)

    def colour(self, row: float, col: float) -> tuple[int, ...]:
        """What is seen of a place of the scene, once it all fits."""
        x, y = self.at(row, col)
        image = self.image()
        return tuple(int(level) for level in image[round(y), round(x)])

    def at(self, row: float, col: float) -> tuple[float, float]:
        """Where a place of the scene is in the window while all of it fits: in the middle, as large as it can be."""
        box = self.stage
        scale = min(box["width"] / WIDTH, box["height"] / HEIGHT)
        left, top = (box["width"] - WIDTH * scale) / 2, (box["height"] - HEIGHT * scale) / 2
        return box["x"] + left + col * scale, box["y"] + top + row * scale

    @property
    def stage(self) -> dict[str, float]:
        return self.page.locator("#stage").bounding_box()

    def text(self, name: str) -> str:
        self.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        return str(self.page.locator(f"#{name}").text_content())

    def pixel(self) -> tuple[int, int]:
        """Row and column that are told."""
        row, col = re.findall(r"\d+", self.text("pixel"))
        return int(row), int(col)

    @property
    def split(self) -> int:
        return int(self.page.locator("#divider").get_attribute("aria-valuenow"))


def opening(browser: Browser, page_file: Path, **context: Any) -> Opened:
    page = browser.new_context(**({"viewport": VIEWPORT} | context)).new_page()
    opened = Opened(page, [], [])
    page.on("request", lambda request: opened.requests.append(request.url))
    page.on("console", lambda message: opened.complaints.append(message.text))
    page.on("pageerror", lambda error: opened.complaints.append(str(error)))
    page.goto(page_file.as_uri())
    page.wait_for_selector("#stage:not([aria-busy])")
    return opened


@pytest.fixture
def opened(browser: Browser, page_file: Path) -> Iterator[Opened]:
    opened = opening(browser, page_file)
    yield opened
    assert opened.requests == [page_file.as_uri()]
    assert opened.complaints == []
    opened.page.context.close()


def near(colour: tuple[int, ...], expected: tuple[int, ...]) -> bool:
    return bool(np.abs(np.subtract(colour, expected)).max() < 12)


def grey(colour: tuple[int, ...]) -> bool:
    return max(colour) - min(colour) < 8


def test_the_divider_is_dragged_over_pictures_that_come_with_the_page(opened: Opened) -> None:
    x, y = opened.at(100, WIDTH / 2)
    assert grey(opened.colour(50, 50))
    assert near(opened.colour(50, 300), RED)
    assert near(opened.colour(250, 300), BLUE)
    opened.page.mouse.move(x, y)
    opened.page.mouse.down()
    opened.page.mouse.move(opened.at(100, 360)[0], y, steps=4)
    opened.page.mouse.up()
    assert grey(opened.colour(50, 300))
    assert near(opened.colour(50, 400), RED)


@pytest.mark.long
@pytest.mark.parametrize(("row", "col"), [(0, 0), (123, 317), (HEIGHT - 1, WIDTH - 1)])
def test_coordinates_are_those_of_the_middle_of_the_pixel_under_the_pointer(opened: Opened, row: int, col: int) -> None:
    opened.page.mouse.move(*opened.at(row + 0.5, col + 0.5))
    x, y = TRANSFORM.c + 10 * (col + 0.5), TRANSFORM.f - 10 * (row + 0.5)
    longitude, latitude = Transformer.from_crs("EPSG:32632", "EPSG:4326", always_xy=True).transform(x, y)
    assert opened.pixel() == (row, col)
    assert opened.text("map") == f"x {x:.1f}, y {y:.1f} (EPSG:32632)"
    north, east = re.fullmatch(r"([\d.]+)° N, ([\d.]+)° E", opened.text("degrees")).groups()
    assert abs(float(north) - latitude) < 1e-6
    assert abs(float(east) - longitude) < 1e-6


@pytest.mark.long
def test_the_wheel_zooms_around_the_pixel_under_the_pointer(opened: Opened) -> None:
    opened.page.mouse.move(*opened.at(90.5, 130.5))
    before, bar = opened.pixel(), opened.text("scale")
    for _ in range(4):
        opened.page.mouse.wheel(0, -200)
        assert opened.pixel() == before == (90, 130)
    assert (bar, opened.text("scale")) == ("500 m", "100 m")
    left, top = (side + 40 for side in opened.at(90.5, 130.5))
    opened.page.mouse.move(left, top)
    assert 0 < opened.pixel()[0] - 90 < 20  # fewer pixels lie between than before


@pytest.mark.long
def test_the_scale_bar_is_as_long_as_it_says(opened: Opened) -> None:
    box = opened.stage
    scale = min(box["width"] / WIDTH, box["height"] / HEIGHT)
    assert opened.text("scale") == "500 m"
    assert opened.page.locator("#scale i").bounding_box()["width"] == pytest.approx(50 * scale, abs=1)


@pytest.mark.long
def test_the_picture_is_dragged_and_can_not_be_lost(opened: Opened) -> None:
    opened.page.keyboard.press("+")
    start = opened.page.locator("#canvas").bounding_box()
    x, y = start["x"] + 200, start["y"] + 100
    opened.page.mouse.move(x, y)
    before = opened.pixel()
    opened.page.mouse.down()
    opened.page.mouse.move(x + 60, y + 30, steps=3)
    assert opened.pixel() == before
    opened.page.mouse.move(x + 5000, y + 5000)
    opened.page.mouse.up()
    opened.page.mouse.move(1, 1)  # outside: what is told is the middle
    assert opened.text("pixel") == "middle: row 0, column 0"


@pytest.mark.long
def test_keys_move_the_divider_zoom_and_choose(opened: Opened) -> None:
    press = opened.page.keyboard.press
    assert opened.split == 50
    for keys, split in (("ArrowLeft", 48), ("PageUp", 58), ("ArrowRight", 60), ("Home", 0), ("End", 100)):
        press(keys)
        assert opened.split == split
    press("2")
    assert opened.text("left-name") == "Translation (synthetic)"
    assert near(opened.colour(50, 200), RED)
    bar = opened.text("scale")
    press("+")
    press("+")
    assert opened.text("scale") != bar
    press("Shift+ArrowDown")
    assert opened.pixel() != (150, 210)
    press("0")
    assert (opened.text("scale"), opened.pixel()) == (bar, (150, 210))


@pytest.mark.long
def test_on_another_screen_of_another_density_the_picture_fits_its_divider(opened: Opened) -> None:
    emulation = opened.page.context.new_cdp_session(opened.page)
    size = {"width": VIEWPORT["width"], "height": VIEWPORT["height"], "mobile": False}
    for ratio in (2, 1, 3):
        emulation.send("Emulation.setDeviceMetricsOverride", {**size, "deviceScaleFactor": ratio})
        opened.page.keyboard.press("x")
        expect(opened.page.locator("canvas")).to_have_js_property("width", round(opened.stage["width"] * ratio))
        assert opened.pixel() == (150, 210)


@pytest.mark.long
def test_without_num_lock_the_number_pad_is_arrows(opened: Opened) -> None:
    send = "(keys) => document.body.dispatchEvent(new KeyboardEvent('keydown', { ...keys, bubbles: true }))"
    names = opened.text("left-name"), opened.text("right-name")
    opened.page.evaluate(send, {"key": "ArrowLeft", "code": "Numpad4"})
    assert (opened.split, opened.text("left-name"), opened.text("right-name")) == (48, *names)
    opened.page.evaluate(send, {"key": "3", "code": "Numpad3"})
    assert opened.text("left-name") == "Truth"


@pytest.mark.long
def test_what_a_keyboard_types_counts_before_where_its_key_is(opened: Opened) -> None:
    send = "(keys) => document.body.dispatchEvent(new KeyboardEvent('keydown', { ...keys, bubbles: true }))"
    names, bar = (opened.text("left-name"), opened.text("right-name")), opened.text("scale")
    for _ in range(2):
        opened.page.evaluate(send, {"key": "+", "code": "Digit1", "shiftKey": True})  # Swiss
    assert opened.text("scale") != bar
    for _ in range(2):
        opened.page.evaluate(send, {"key": "-", "code": "Digit6"})  # French
    assert opened.text("scale") == bar
    assert (opened.text("left-name"), opened.text("right-name")) == names
    opened.page.evaluate(send, {"key": '"', "code": "Digit3"})  # French, without Shift
    assert opened.text("left-name") == "Truth"


@pytest.mark.long
def test_a_picture_that_is_damaged_is_told(browser: Browser, page_file: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "page.html"
    text = page_file.read_text(encoding="utf-8")
    damaged.write_text(text.replace("data:image/webp;base64,UklG", "data:image/webp;base64,AAAA", 1), encoding="utf-8")
    opened = opening(browser, damaged)
    assert opened.page.locator("#failure").is_visible()
    assert opened.text("left-name") == "SAR"
    assert near(opened.colour(50, 300), RED)
    assert opened.complaints == []
    opened.page.context.close()


@pytest.mark.long
def test_on_paper_the_picture_keeps_its_shape(opened: Opened) -> None:
    before = opened.page.locator("canvas").bounding_box()
    opened.page.emulate_media(media="print")
    opened.page.set_viewport_size({"width": 500, "height": 700})
    canvas = opened.page.locator("canvas").bounding_box()
    assert canvas["width"] / canvas["height"] == pytest.approx(before["width"] / before["height"], rel=0.01)
    assert not opened.page.locator(".tools").is_visible()


@pytest.mark.long
def test_any_two_pictures_lie_beside_each_other(opened: Opened) -> None:
    opened.page.keyboard.press("3")
    opened.page.keyboard.press("Shift+Digit4")
    assert (opened.text("left-name"), opened.text("right-name")) == ("Truth", "Uncertainty")
    assert near(opened.colour(50, 50), GREEN)
    assert near(opened.colour(50, 300), (253, 231, 37))  # as much as any pixel has: the end of the ramp
    assert opened.page.locator("#legend").is_visible()
    opened.page.keyboard.press("x")
    assert near(opened.colour(50, 300), GREEN)
    opened.page.locator("#left").select_option("SAR")
    assert grey(opened.colour(50, 50))
    assert not opened.page.locator("#legend").is_visible()
    opened.page.locator("#right").select_option("SAR")  # is on the left: they change places
    assert (opened.text("left-name"), opened.text("right-name")) == ("Truth", "SAR")


@pytest.mark.long
def test_what_is_invalid_shows_the_background(opened: Opened) -> None:
    opened.page.keyboard.press("Shift+Digit3")
    image = opened.image()
    x, y = (round(side) for side in opened.at(100, WIDTH - 30))
    corner = opened.stage
    background = image[round(corner["y"]) + 60, round(corner["x"]) + 3]
    assert near(tuple(image[y, x]), tuple(background))


@pytest.mark.long
@pytest.mark.parametrize("key", ["h", "?"])
def test_keys_are_told_and_wait_while_they_are(opened: Opened, key: str) -> None:
    dialog = opened.page.locator("dialog")
    opened.page.keyboard.press(key)
    assert dialog.is_visible()
    opened.page.keyboard.press("ArrowLeft")
    assert opened.split == 50
    opened.page.keyboard.press(key)
    assert not dialog.is_visible()


@pytest.mark.long
def test_the_divider_is_a_slider_that_shows_its_focus(opened: Opened) -> None:
    divider = opened.page.get_by_role("slider", name="Divider")
    before = opened.image()
    while not divider.evaluate("(element) => element === document.activeElement"):
        opened.page.keyboard.press("Tab")
    x, y = opened.at(HEIGHT / 2, WIDTH / 2)
    around = np.s_[round(y) - 30 : round(y) + 30, round(x) - 30 : round(x) + 30]
    assert (opened.image()[around] != before[around]).any()
    opened.page.keyboard.press("ArrowRight")
    assert divider.get_attribute("aria-valuetext") == "52 % SAR, Translation (synthetic) beyond"


@pytest.mark.long
def test_on_a_phone_all_fits_and_two_fingers_zoom(browser: Browser, page_file: Path) -> None:
    opened = opening(browser, page_file, **PHONE)
    page = opened.page
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    stage = opened.stage
    assert stage["width"] == 390
    assert stage["height"] > 390
    middle = stage["x"] + 195, stage["y"] + stage["height"] / 2
    before = opened.text("scale")
    touch = page.context.new_cdp_session(page)
    for apart, kind in ((20, "touchStart"), (60, "touchMove"), (100, "touchMove"), (None, "touchEnd")):
        y = middle[1] - 100
        points = [{"x": middle[0] - 80 + side * apart, "y": y, "id": side} for side in (-1, 1)] if apart else []
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    assert (before, opened.text("scale")) == ("1 km", "200 m")
    page.touchscreen.tap(*middle)
    tapped = opened.text("pixel")
    assert tapped.startswith("row ")
    page.touchscreen.tap(middle[0] + 50, middle[1])
    assert opened.text("pixel").startswith("row ")
    assert opened.text("pixel") != tapped
    assert opened.complaints == []
    page.context.close()


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_legible_in_both_colour_schemes(browser: Browser, page_file: Path, scheme: str) -> None:
    opened = opening(browser, page_file, color_scheme=scheme)
    colours = opened.page.evaluate(
        "(({ color, backgroundColor }) => [color, backgroundColor])(getComputedStyle(document.body))"
    )
    ink, paper = (np.mean([int(level) for level in re.findall(r"\d+", colour)[:3]]) for colour in colours)
    assert (ink < 60 < 200 < paper) if scheme == "light" else (paper < 60 < 200 < ink)
    opened.page.context.close()
