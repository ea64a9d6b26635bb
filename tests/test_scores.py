"""Scores come out as JSON that any reader takes, whatever their values are."""

from __future__ import annotations

import json
import math

import pytest

from sartranslate.errors import OptionError
from sartranslate.quality.scores import BEST, METRICS, Evaluation, ImageScores, MethodScores, Score

EVALUATION = Evaluation(
    "model",
    {"Tiles": "2"},
    (MethodScores("model", {"psnr": Score(math.inf, 12.5, math.inf), "mae": Score(3.0)}),),
    (ImageScores("tile", {"psnr": math.inf, "mae": 0.0}),),
    ("a note",),
)


def test_each_score_is_an_object_of_its_value_and_the_ends_of_its_interval() -> None:
    scores = EVALUATION.as_dict()["methods"][0]["scores"]
    assert scores["psnr"] == {"value": "inf", "low": 12.5, "high": "inf"}
    assert scores["mae"] == {"value": 3.0, "low": None, "high": None}


def test_json_holds_no_number_that_json_does_not_know_and_everything_else() -> None:
    found = json.loads(json.dumps(EVALUATION.as_dict(), allow_nan=False))
    assert float(found["images"][0]["scores"]["psnr"]) == math.inf
    assert (found["subject"], found["facts"]) == ("model", {"Tiles": "2"})
    assert found["notes"] == ["a note"]


def test_a_score_that_nobody_knows_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(OptionError, match="score 'beauty': expected psnr, ssim, mae"):
        MethodScores("model", {"beauty": Score(1)})


def test_every_score_says_which_way_it_gets_better() -> None:
    assert {metric.best for metric in METRICS.values()} == set(BEST)
