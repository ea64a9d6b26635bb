"""Where a run stands: counted update by update, and the same after a checkpoint."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sartranslate.errors import TrainingError
from sartranslate.train.course import Course

losses = st.dictionaries(st.sampled_from(["generator", "discriminator", "l1"]), st.floats(allow_nan=False))
FIELDS = ("epoch", "batch", "updates", "sums", "seconds", "history", "best_epoch", "best_score")
steps = st.lists(st.one_of(losses, st.none()), max_size=12)  # None ends an epoch


def after(steps: list[dict[str, float] | None]) -> Course:
    course = Course()
    for step in steps:
        if step is None:
            course.end_epoch({"epoch": course.epoch, **course.sums})
        else:
            course.add(step)
    return course


def test_a_run_begins_in_its_first_epoch_with_nothing_done() -> None:
    course = Course()
    assert (course.epoch, course.batch, course.updates, course.history) == (1, 0, 0, [])


def test_losses_are_averaged_over_the_updates_of_the_epoch() -> None:
    course = after([{"l1": 1.0, "generator": 4.0}, {"l1": 2.0, "generator": 8.0}])
    assert course.means() == {"l1": 1.5, "generator": 6.0}


def test_an_epoch_without_updates_has_no_means() -> None:
    assert Course().means() == {}


def test_a_new_epoch_counts_its_own_batches_and_losses_and_all_updates() -> None:
    course = after([{"l1": 1.0}, {"l1": 3.0}, None, {"l1": 10.0}])
    assert (course.epoch, course.batch, course.updates) == (2, 1, 3)
    assert course.means() == {"l1": 10.0}


def test_the_latest_losses_are_those_of_the_last_finished_epoch() -> None:
    course = after([{"l1": 1.0}])
    assert course.latest(["l1"]) == {}
    course.end_epoch({"epoch": 1, "l1": 1.0, "generator": 7.0})
    course.end_epoch({"epoch": 2, "l1": 0.5, "generator": 8.0})
    course.add({"l1": 9.0})
    assert course.latest(["generator", "l1"]) == {"generator": 8.0, "l1": 0.5}


def test_the_history_keeps_its_rows_whatever_becomes_of_what_they_were_made_from() -> None:
    course, row = Course(), {"epoch": 1.0, "l1": 0.5}
    course.end_epoch(row)
    row["l1"] = 9.0
    assert course.history == [{"epoch": 1.0, "l1": 0.5}]


def test_two_runs_share_nothing() -> None:
    first, second = Course(), Course()
    first.add({"l1": 1.0})
    first.end_epoch({})
    assert second == Course()


@given(steps=steps, more=steps)
def test_a_run_goes_on_from_json_as_if_it_had_not_stopped(
    steps: list[dict[str, float] | None], more: list[dict[str, float] | None]
) -> None:
    resumed = Course.from_dict(json.loads(json.dumps(after(steps).as_dict())))
    for course in (whole := after(steps), resumed):
        for step in more:
            if step is None:
                course.end_epoch(course.means())
            else:
                course.add(step)
    assert resumed == whole


def test_a_dictionary_is_a_picture_of_its_moment() -> None:
    course = after([{"l1": 1.0}, None])
    content = course.as_dict()
    course.add({"l1": 5.0})
    course.end_epoch({})
    assert Course.from_dict(content) == after([{"l1": 1.0}, None])


def test_the_best_epoch_is_kept() -> None:
    course = Course(best_epoch=3, best_score=0.75)
    assert Course.from_dict(json.loads(json.dumps(course.as_dict()))) == course


@pytest.mark.parametrize("content", [[("epoch", 1)], "epoch", None, 3])
def test_what_is_no_course_is_refused_with_what_was_found_and_what_a_course_has(content: Any) -> None:
    with pytest.raises(TrainingError) as caught:
        Course.from_dict(content)
    assert str(caught.value) == f"broken position of a training run: {content!r}, expected {', '.join(FIELDS)}"


def test_a_field_that_a_course_has_not_is_refused_by_name() -> None:
    with pytest.raises(TrainingError, match=f"^broken position of a training run: step, expected {', '.join(FIELDS)}$"):
        Course.from_dict({**Course().as_dict(), "step": 1})


@pytest.mark.parametrize("missing", FIELDS)
def test_a_field_that_is_missing_is_refused_rather_than_begun_anew(missing: str) -> None:
    content = Course(epoch=4, batch=1, updates=31).as_dict()
    del content[missing]
    with pytest.raises(TrainingError, match=f"^broken position of a training run: {missing}, expected"):
        Course.from_dict(content)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epoch", "4"),
        ("epoch", 4.0),
        ("epoch", None),
        ("batch", True),
        ("updates", None),
        ("sums", [1.0]),
        ("seconds", "0"),
        ("history", {"l1": 1.0}),
        ("best_epoch", 1.0),
        ("best_score", "0.5"),
    ],
)
def test_a_field_of_a_wrong_type_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(TrainingError) as caught:
        Course.from_dict({**Course().as_dict(), field: value})
    assert str(caught.value) == f"broken position of a training run: {field} {value!r}"
