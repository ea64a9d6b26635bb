"""The simulation of many scenes on many workers, where its outcome can be told by hand."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

SHAPE = (2000, 3000)  # 11 x 16 windows, six tasks


@pytest.fixture
def scale(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    import scale

    yield scale
    for name in ("scale", "workers"):
        sys.modules.pop(name, None)


def test_one_worker_takes_the_time_of_its_windows_and_of_what_comes_before_and_after(scale: Any) -> None:
    costs = scale.Costs(window_ms=100, client_ms=0, task_ms=0, plan_s=3, finish_ms=1000, read_mb_s=1e9)
    outcome = scale.Simulation(costs, SHAPE, 1, 1).run()
    assert outcome.seconds == pytest.approx(3 + 176 * 0.1 + 6)


def test_with_more_workers_than_the_client_can_serve_its_time_counts(scale: Any) -> None:
    costs = scale.Costs(window_ms=100, client_ms=50, task_ms=0, plan_s=0, finish_ms=0, read_mb_s=1e9)
    outcome = scale.Simulation(costs, SHAPE, 10, 100).run()
    assert outcome.seconds == pytest.approx(10 * 176 * 0.05, rel=0.05)
    assert outcome.busy["client"] > 0.95 > 0.1 > outcome.busy["workers"]


def test_storage_that_all_share_is_a_limit_as_well(scale: Any) -> None:
    costs = scale.Costs(window_ms=1, client_ms=0, task_ms=0, plan_s=0, finish_ms=0, read_mb_s=1, pixel_bytes=1)
    assert scale.Simulation(costs, SHAPE, 5, 20).run().seconds == pytest.approx(5 * 6, rel=0.05)
