"""The page of an evaluation shows every score, marks the best by its own rule, and asks for nothing else."""

from __future__ import annotations

import math
import re
from base64 import b64decode
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sartranslate.evaluate.evaluation_page import RANKED, evaluation_page
from sartranslate.pages.page import SYNTHETIC, SheetFigure
from sartranslate.quality.scores import METRICS, Evaluation, ImageScores, MethodScores, Score
from tests.html_page import Page

HOSTILE = "</title><script>alert(1)</script><img src='http://example.org/x' onerror=\"x\">&amp;"
PNG = bytes(range(256))
MODEL = {
    "psnr": Score(16.02, 15.5, 16.5),
    "ssim": Score(0.2671, 0.25, 0.28),
    "mae": Score(28.2, 27.1, 29.5),
    "spectral_angle": Score(0.1242, 0.12, 0.13),
    "sliced_wasserstein": Score(0.312),
    "high_frequency_ratio": Score(0.94, 0.9, 0.98),
    "identity_collapse": Score(1.82, 1.75, 1.9),
    "seam": Score(1.012, 1.006, 1.018),
    "fid": Score(92.5),
    "lpips": Score(0.431),
}
GREY = {
    "psnr": Score(11.2, 10.9, 11.5),
    "ssim": Score(0.31, 0.30, 0.32),
    "mae": Score(61.0, 58.0, 64.0),
    "high_frequency_ratio": Score(1.05, 1.0, 1.1),
}
IMAGES = tuple(
    ImageScores(f"tile {number}", {"psnr": 10 + number / 8, "ssim": number / 64, "mae": 80.0 - number})
    for number in range(50)
)
FULL = Evaluation(
    subject="coast.safetensors",
    facts={"pairs": "50", "seed": "0"},
    methods=(MethodScores("coast.safetensors", MODEL), MethodScores("SAR as grey", GREY)),
    images=IMAGES,
    notes=("FID is absent", "no seam score"),
)
SHEETS = [SheetFigure(f"the {kind} tiles", PNG) for kind in ("best", "median", "worst")]


def of_methods(*methods: dict[str, float]) -> str:
    named = [
        MethodScores(f"method {number}", {name: Score(value) for name, value in scores.items()})
        for number, scores in enumerate(methods)
    ]
    return evaluation_page(Evaluation("model", {}, tuple(named), ()), [])


def of_images(name: str, values: Sequence[float | None]) -> str:
    scores = [{} if value is None else {name: value} for value in values]
    images = [ImageScores(f"tile {number}", known) for number, known in enumerate(scores)]
    return evaluation_page(Evaluation("model", {}, (), tuple(images)), [])


def tables(html: str) -> list[list[str]]:
    """Of each table of scores the rows, as HTML."""
    return [body.split("</tr>")[:-1] for body in re.findall("<tbody>(.*?)</tbody>", html, re.DOTALL)]


def names(rows: Sequence[str]) -> list[str]:
    return [re.findall('<th scope="row">([^<]*)', row)[0] for row in rows]


def drawn(html: str) -> list[int]:
    """How many images each bar stands for."""
    return [int(number) for number in re.findall(r'<rect class="bar"[^>]*><title>[^<]*: (\d+)</title>', html)]


def summaries(html: str) -> list[str]:
    return [str(svg["aria-label"]) for svg in Page(html).all("svg")]


def test_a_full_evaluation_has_all_its_sections() -> None:
    page = Page(evaluation_page(FULL, SHEETS))
    assert page.text("h1") == ["Evaluation of coast.safetensors"]
    assert page.text("h2") == [
        "Key facts",
        "Scores",
        "Notes",
        "Examples",
        "Spread over the images",
        "Best and worst images",
    ]
    assert SYNTHETIC in page.text("p")
    assert {"FID is absent", "no seam score"} <= set(page.text("li"))
    assert {"50", "0"} <= set(page.text("td"))


def test_without_facts_methods_images_notes_and_sheets_there_is_the_head_alone() -> None:
    page = Page(evaluation_page(Evaluation("model", {}, (), ()), []))
    assert page.text("h1") == ["Evaluation of model"]
    assert page.text("h2") == []
    assert page.all("table") == page.all("figure") == []


def test_nothing_is_asked_of_a_network_and_nothing_is_executed() -> None:
    html = evaluation_page(FULL, SHEETS)
    page = Page(html)
    assert {tag for tag, _ in page.elements} & {"script", "link", "iframe", "object", "embed", "base", "a"} == set()
    sources = [value for _, attributes in page.elements for name in ("src", "href") if (value := attributes.get(name))]
    assert [source.partition(",")[0] for source in sources] == ["data:image/png;base64"] * 3
    assert not re.search(r"url\(|@import|https?:", html)
    policies = [meta["content"] for meta in page.all("meta") if "http-equiv" in meta]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]


def test_every_score_of_every_method_is_there_with_its_interval() -> None:
    model, grey = tables(evaluation_page(FULL, []))[0]
    assert names([model, grey]) == ["coast.safetensors", "SAR as grey"]
    assert re.findall("<td[^>]*>([^<]*)", model) == [
        *("16.02", "0.2671", "28.20", "0.1242", "0.3120", "0.9400", "1.820", "1.012", "92.50", "0.4310"),
    ]
    assert re.findall("<small>([^<]*)", model) == [
        "15.50 to 16.50",
        "0.2500 to 0.2800",
        "27.10 to 29.50",
        "0.1200 to 0.1300",
        "0.9000 to 0.9800",
        "1.750 to 1.900",
        "1.006 to 1.018",
    ]
    assert re.findall("<td[^>]*>([^<]*)", grey)[3:] == ["–", "–", "1.050", "–", "–", "–", "–"]


def test_the_head_of_a_score_says_its_unit_and_which_way_it_gets_better() -> None:
    html = of_methods({"seam": 1.0, "mae": 3.0, "psnr": 20.0})
    heads = re.findall('<th scope="col">([^<]*)<small>([^<]*)</small>', html)
    assert heads == [
        ("PSNR", "dB, higher is better"),
        ("MAE", "grey levels, lower is better"),
        ("seam score", "best at 1"),
    ]


@pytest.mark.parametrize(
    ("name", "values", "best"),
    [
        ("psnr", [16.0, 18.0, 17.0], [1]),
        ("mae", [30.0, 20.0, 25.0], [1]),
        ("seam", [1.3, 0.9, 1.2], [1]),
        ("seam", [1.3, 0.5, 1.2], [2]),
        ("psnr", [16.0, math.inf, 17.0], [1]),
        ("seam", [math.inf, 4.0, math.nan], []),
        ("mae", [math.nan, 25.0, 20.0], [2]),
        ("ssim", [0.5, 0.5, 0.25], [0, 1]),
        ("ssim", [math.nan, math.nan, 0.25], []),
        ("ssim", [0.5], []),
    ],
)
def test_the_best_of_several_is_marked_by_the_rule_of_its_score(
    name: str, values: list[float], best: list[int]
) -> None:
    (rows,) = tables(of_methods(*({name: value} for value in values)))
    assert [number for number, row in enumerate(rows) if '<td class="best" title="best">' in row] == best


def test_scores_have_a_best_each() -> None:
    model, grey = tables(evaluation_page(FULL, []))[0]
    assert re.findall('<td class="best" title="best">([^<]*)', model) == ["16.02", "28.20"]
    assert re.findall('<td class="best" title="best">([^<]*)', grey) == ["0.3100", "1.050"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (math.inf, "∞"),
        (-math.inf, "−∞"),
        (math.nan, "–"),
        (0.0, "0"),
        (1.0, "1.000"),
        (-0.25, "-0.2500"),
        (0.0625, "0.0625"),
        (3e-4, "0.0003"),
        (999.96, "1000"),
        (12273.6, "12274"),
        (1e-9, "1e-09"),
    ],
)
def test_any_value_is_shown_in_few_characters(value: float, shown: str) -> None:
    ((row,),) = tables(of_methods({"identity_collapse": value}))
    assert re.findall("<td>([^<]*)</td>", row) == [shown]


def test_the_page_explains_only_the_marks_it_has() -> None:
    bold, below = "The best value of a score is bold.", "Below a value is its 95 % interval."
    assert f"{bold} {below}" in Page(evaluation_page(FULL, [])).text("p")
    assert bold in Page(of_methods({"psnr": 1.0}, {"psnr": 2.0})).text("p")
    assert Page(of_methods({"psnr": 1.0})).text("p") == [SYNTHETIC]


def test_a_sheet_is_within_the_page_with_the_names_of_its_columns() -> None:
    page = Page(evaluation_page(FULL, [SheetFigure("the best", PNG, ("prediction", "truth"))]))
    (image,) = page.all("img")
    assert b64decode(str(image["src"]).partition(",")[2]) == PNG
    assert image["alt"] == "the best: examples row by row, each as prediction and truth"
    assert page.text("span") == ["prediction", "truth"]


@given(values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60))
def test_every_image_is_counted_in_one_bar_of_a_histogram(values: list[float]) -> None:
    assert sum(drawn(of_images("ssim", values))) == len(values)


def test_scores_of_each_image_have_a_histogram_each_that_is_told_in_words_too() -> None:
    assert summaries(evaluation_page(FULL, [])) == [
        "PSNR: 50 images from 10.00 to 16.12; median 13.06",
        "SSIM: 50 images from 0 to 0.7656; median 0.3828",
        "MAE: 50 images from 31.00 to 80.00; median 55.50",
    ]
    assert ">PSNR, dB</text>" in evaluation_page(FULL, [])


def test_images_that_a_histogram_can_not_show_are_counted_in_words() -> None:
    html = of_images("psnr", [20.0, math.inf, 22.0, None, math.nan])
    assert sum(drawn(html)) == 2
    assert summaries(html) == ["PSNR: 3 images from 20.00 to ∞; median 22.00; 1 infinite, not drawn; 2 without a value"]
    assert {"1 infinite, not drawn", "2 without a value"} <= set(Page(html).text("li"))


def test_the_best_and_the_worst_images_are_folded_away_none_of_them_in_both() -> None:
    html = evaluation_page(FULL, [])
    _, best, worst = tables(html)
    assert names(best) == [f"tile {number}" for number in range(49, 49 - RANKED, -1)]
    assert names(worst) == [f"tile {number}" for number in range(RANKED)]
    page = Page(html)
    assert page.all("details") == [{}, {}]
    assert page.text("summary") == ["The 20 best of 50 images", "The 20 worst, worst first"]


@pytest.mark.parametrize(
    ("images", "told"),
    [
        (1, ["1 image, best first"]),
        (RANKED, ["20 images, best first"]),
        (RANKED + 2, ["The 20 best of 22 images", "The 2 worst, worst first"]),
    ],
)
def test_few_images_are_all_listed_once(images: int, told: list[str]) -> None:
    html = of_images("mae", [float(number) for number in range(images)])
    assert Page(html).text("summary") == told
    assert sorted(name for rows in tables(html) for name in names(rows)) == sorted(f"tile {n}" for n in range(images))


def test_an_image_without_the_score_that_ranks_is_in_neither_table_and_the_page_says_so() -> None:
    html = of_images("mae", [2.0, None, 1.0, math.nan])
    assert names(tables(html)[0]) == ["tile 2", "tile 0"]
    assert "By MAE, which 2 images lack." in Page(html).text("p")
    assert tables(of_images("ssim", [1.0])) == []


def test_hostile_names_are_shown_as_they_are() -> None:
    evaluation = Evaluation(
        HOSTILE,
        {HOSTILE: HOSTILE},
        (MethodScores(HOSTILE, MODEL),),
        (ImageScores(HOSTILE, {"mae": 1.0}),),
        (HOSTILE,),
    )
    page = Page(evaluation_page(evaluation, [SheetFigure(HOSTILE, PNG, (HOSTILE, HOSTILE))]))
    assert page.all("script") == []
    assert len(page.all("img")) == 1
    assert f"Evaluation of {HOSTILE}" in page.text("h1")
    assert page.text("th").count(HOSTILE) == 3
    for tag in ("td", "li", "span", "figcaption"):
        assert HOSTILE in page.text(tag)


scores = st.dictionaries(st.sampled_from(list(METRICS)), st.floats(), max_size=4)
intervals = st.builds(Score, st.floats(), st.none() | st.floats(), st.none() | st.floats())
methods = st.builds(MethodScores, st.text(max_size=5), st.dictionaries(st.sampled_from(list(METRICS)), intervals))


@given(methods=st.lists(methods, max_size=3), images=st.lists(scores, max_size=30), text=st.text(max_size=9))
def test_any_evaluation_makes_a_page_with_balanced_tags(
    methods: list[MethodScores], images: list[dict[str, float]], text: str
) -> None:
    named = tuple(ImageScores(text, values) for values in images)
    page = Page(evaluation_page(Evaluation(text, {text: text}, tuple(methods), named, (text,)), SHEETS))
    assert len(page.all("main")) == 1
    assert {tag for tag, _ in page.elements} & {"script", "link"} == set()
