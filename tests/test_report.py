"""A report is one valid page that shows the run, whatever its names and values, and asks for nothing else."""

from __future__ import annotations

import math
import re
from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sartranslate.pages.page import SYNTHETIC, SheetFigure
from sartranslate.train.report import EPOCHS_SHOWN, RunFacts, report
from tests.html_page import Page

HOSTILE = "</title><script>alert(1)</script><img src='http://example.org/x' onerror=\"x\">&amp;"
PNG = bytes(range(256))
HISTORY = [{"epoch": float(e), "generator": 1 + e / 10, "l1": 1 / e, "val_ssim": e / 100} for e in range(1, 31)]
FULL = RunFacts(
    title="Coast, VV and VH",
    facts={"pairs": "1200", "best": "epoch 28"},
    recipe={"epochs": "30", "seed": "0"},
    history=[{**row, "learning_rate": 2e-4} for row in HISTORY],
    best_epoch=28,
    sheets=[SheetFigure("Epoch 30", PNG)],
    warnings=["no validation pairs"],
)


def headings(run: RunFacts) -> list[str]:
    return Page(report(run)).text("h2")


def cells(run: RunFacts) -> list[list[str]]:
    """The table of epochs as texts, without its head."""
    body = report(run).partition("<tbody>")[2].partition("</tbody>")[0]
    return [re.findall("<td>([^<]*)</td>", row) for row in body.split("</tr>")[:-1]]


def test_a_full_run_has_all_its_sections() -> None:
    assert headings(FULL) == ["Warnings", "Key facts", "Examples", "Learning curves", "Epochs", "Recipe"]


def test_a_run_of_which_nothing_is_known_is_a_page_that_says_so() -> None:
    page = Page(report(RunFacts("run")))
    assert page.text("h2") == ["Epochs"]
    assert "None was finished." in page.text("p")


def test_the_page_declares_what_it_is() -> None:
    html = report(FULL)
    page = Page(html)
    assert html.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert {"charset": "utf-8"} in page.all("meta")
    assert page.text("title") == page.text("h1") == ["Coast, VV and VH"]
    assert SYNTHETIC in page.text("p")


def test_nothing_is_asked_of_a_network_and_nothing_is_executed() -> None:
    page = Page(report(FULL))
    tags = {tag for tag, _ in page.elements}
    assert tags & {"script", "link", "iframe", "object", "embed", "base", "a"} == set()
    sources = [value for _, attributes in page.elements for name in ("src", "href") if (value := attributes.get(name))]
    assert len(sources) == 1
    assert sources[0].startswith("data:image/png;base64,")
    assert not re.search(r"url\(|@import|https?:", report(FULL))


def test_the_browser_is_told_to_load_nothing_either() -> None:
    policies = [meta["content"] for meta in Page(report(FULL)).all("meta") if "http-equiv" in meta]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]


def test_hostile_names_are_shown_as_they_are() -> None:
    run = RunFacts(
        title=HOSTILE,
        facts={HOSTILE: HOSTILE},
        recipe={HOSTILE: HOSTILE},
        history=[{HOSTILE: 1.0, f"val_{HOSTILE}": 2.0}],
        sheets=[SheetFigure(HOSTILE, PNG)],
        warnings=[HOSTILE],
    )
    page = Page(report(run))
    assert page.all("script") == []
    assert len(page.all("img")) == 1
    for tag in ("title", "h1", "li", "td", "figcaption"):
        assert HOSTILE in page.text(tag)


def test_a_name_that_is_no_text_can_still_be_written() -> None:
    assert "<td>scene_?.tif</td>" in report(RunFacts("run", facts={"scene": "scene_\udcff.tif"})).encode().decode()


def test_a_sheet_is_within_the_page_with_a_caption_and_words_for_who_can_not_see_it() -> None:
    page = Page(report(FULL))
    (image,) = page.all("img")
    assert b64decode(str(image["src"]).partition(",")[2]) == PNG
    assert image["alt"] == "Epoch 30: examples row by row, each as SAR, prediction and truth"
    assert "Epoch 30" in page.text("figcaption")
    assert page.text("span") == ["SAR", "prediction", "truth"]


def test_losses_share_a_chart_and_each_score_has_its_own() -> None:
    page = Page(report(FULL))
    names = [str(svg["aria-label"]) for svg in page.all("svg") if svg.get("role") == "img"]
    assert names == [
        "Losses by epoch: generator: 1.1 to 4; L1: 1 to 0.03333",
        "SSIM, validation by epoch: 0.01 to 0.3",
        "Learning rate by epoch: 0.0002 to 0.0002",
    ]
    assert page.text("li") == [
        "no validation pairs",
        "generator: 1.1 to 4",
        "L1: 1 to 0.03333",
        "0.01 to 0.3",
        "0.0002 to 0.0002",
    ]


def test_scores_of_some_epochs_make_an_unbroken_curve() -> None:
    history = [{"epoch": e, "val_ssim": e / 10 if e % 5 == 0 else None} for e in range(1, 16)]
    (path,) = re.findall(r'class="line s0" d="(M[^"H]*)"', report(RunFacts("run", history=history)))
    assert path.count("M") == 1
    assert path.count("L") == 2


def test_the_table_holds_the_last_epochs_folded_away() -> None:
    rows = cells(FULL)
    assert [row[0] for row in rows] == [str(epoch) for epoch in range(31 - EPOCHS_SHOWN, 31)]
    page = Page(report(FULL))
    assert page.all("details") == [{}]
    assert page.text("summary") == ["The last 20 of 30"]


def test_the_best_epoch_is_marked_in_the_table_and_in_every_chart() -> None:
    html = report(FULL)
    assert re.findall(r'<tr class="best" title="best epoch"><td>(\d+)', html) == ["28"]
    assert html.count('class="mark"') == 3


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        (3, "3"),
        (240000.0, "240000"),
        (12273.6, "12274"),
        (0.123456, "0.1235"),
        (1e300, "1e+300"),
    ],
)
def test_any_number_is_shown_in_few_characters(value: float | None, shown: str) -> None:
    assert cells(RunFacts("run", history=[{"epoch": 1, "l1": value}])) == [["1", shown]]


def test_epochs_that_are_not_numbered_are_counted() -> None:
    run = RunFacts(
        "run", history=[{"l1": 1.0}, {"epoch": None, "l1": 2.0}, {"epoch": math.nan, "l1": 3.0}], best_epoch=2
    )
    assert re.findall('<tr class="best" title="best epoch"><td>([^<]*)', report(run)) == ["2"]


names = st.sampled_from(["epoch", "learning_rate", "l1", "generator", "val_ssim"]) | st.text(max_size=5)
numbers = st.none() | st.floats() | st.integers(0, 2**40)
histories = st.lists(st.dictionaries(names, numbers, max_size=4), max_size=6)


@given(history=histories, text=st.text(max_size=9), best=st.none() | st.integers(-1, 9))
def test_any_run_makes_a_page_with_balanced_tags(
    history: list[dict[str, float | None]], text: str, best: int | None
) -> None:
    run = RunFacts(text, {text: text}, {text: text}, history, best, [SheetFigure(text, PNG)], [text])
    page = Page(report(run))
    assert len(page.all("main")) == 1
    assert {tag for tag, _ in page.elements} & {"script", "link"} == set()
