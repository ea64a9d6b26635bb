"""A short run from a folder of pairs to a model that `infer` can use."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sartranslate import backend, bundle
from sartranslate.architecture import GeneratorConfig
from sartranslate.errors import OptionError, OutputError
from sartranslate.objective import Objective
from sartranslate.simulation import SimulationOptions, simulate

backend.select("tensorflow")

from sartranslate.training import Progress, TrainingOptions, decay, train  # noqa: E402

TINY = TrainingOptions(
    epochs=2,
    batch_size=2,
    precision="float32",
    generator=GeneratorConfig(filters=2),
    objective=Objective(discriminator_filters=2),
)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    simulate(folder, SimulationOptions(pairs=4, tile_size=256))
    return folder


def test_a_run_leaves_a_model_a_history_and_its_provenance(pairs: Path, tmp_path: Path) -> None:
    watched: list[Progress] = []
    summary = train([pairs], tmp_path / "run", TINY, watched.append)
    description = bundle.load(summary.model).description
    assert description.generator == TINY.generator
    assert description.radiometry == TINY.radiometry
    assert description.training["updates"] == summary.updates == 4
    assert [(progress.epoch, progress.update, progress.updates) for progress in watched] == [
        (1, 1, 4),
        (1, 2, 4),
        (2, 3, 4),
        (2, 4, 4),
    ]
    with (tmp_path / "run" / "history.csv").open(encoding="utf-8") as file:
        history = list(csv.DictReader(file))
    assert float(history[1]["l1"]) == pytest.approx(np.mean([p.losses.l1 for p in watched[2:]]))
    assert "amplitude (uint16 digital numbers)" in summary.scalings[0]


@pytest.mark.long
def test_the_same_seed_gives_the_same_model(pairs: Path, tmp_path: Path) -> None:
    options = replace(TINY, epochs=1, batch_size=4)
    runs = [train([pairs], tmp_path / name, options).model.read_bytes() for name in ("a", "b")]
    assert runs[0] == runs[1]


def test_an_earlier_model_is_not_overwritten_unasked(pairs: Path, tmp_path: Path) -> None:
    model = tmp_path / "model.safetensors"
    model.write_text("precious")
    with pytest.raises(OutputError, match="exists already; --overwrite"):
        train([pairs], tmp_path, TINY)
    assert model.read_text() == "precious"


def test_the_learning_rate_is_constant_then_falls_to_zero() -> None:
    factors = [decay(epoch, 200) for epoch in range(1, 202)]
    assert factors[:100] == [1.0] * 100
    assert factors[-1] == pytest.approx(0)
    assert np.diff(factors[100:]) == pytest.approx(-1 / 101)


@pytest.mark.parametrize("options", [{"epochs": 0}, {"crop": 200}, {"precision": "float16"}])
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        TrainingOptions(**options)
