"""A batch shared by two devices against the same batch on one, in a process with two logical processors.

In float32 both part as one device parts from itself when the samples of its batches change places: rounding
decides which way weights go that have next to no gradient, because Adam divides by its size. So the equality
of whole courses of training is shown in float64, with Adam's own epsilon; in float32 that of gradients, and of
losses with an epsilon that such gradients do not reach.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sartranslate.networks import backend
from sartranslate.recipes.recipe import Recipe
from tests.test_two_backends import RECIPES, SMALL, batch, differences, side_by_side, widen

UPDATES = 10
CPUS = ("CPU:0", "CPU:1")
NAMES = {"float64": ("sar", "tf-tutorial", "wgan-gp"), "float32": ("sar", "wgan-gp")}
SHARED: dict[str, Any] = {**SMALL, "optimisation.crop": 128, "optimisation.batch_size": 4}
BLUNT = {"optimisation.adam_epsilon": 1e-3}

Results = dict[str, NDArray[Any]]


def train(precision: str, path: str) -> None:
    """Losses, weights, statistics and outputs of one device and of two; for a process of its own.

    Each recipe asks for the two devices anew.
    """
    backend.select("tensorflow")
    import tensorflow as tf

    processor = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * len(CPUS))
    changes = {**SHARED, **({} if precision == "float64" else BLUNT)}
    if precision == "float64":
        widen()
    results: Results = {}
    for name in NAMES[precision]:
        results |= _trained(name, RECIPES[name].with_fields(changes), precision)
    if precision == "float32":
        _refuse(RECIPES["sar"].with_fields({**SHARED, "optimisation.batch_size": 3}))
    np.savez(path, **results)


def _trained(name: str, recipe: Recipe, precision: str) -> Results:
    from sartranslate.train.pix2pix import Pix2Pix
    from sartranslate.train.replicas import Replicas

    trainers = {
        "one": Pix2Pix(recipe, 0, replicas=Replicas(CPUS[:1])),
        "two": Pix2Pix(recipe, 0, replicas=Replicas(CPUS)),
    }
    results: Results = {}
    for devices, gan in trainers.items():
        losses = []
        for number in range(UPDATES):
            source, target, seeds = batch(recipe, number)
            losses.append(list(gan.step(source.astype(precision), target.astype(precision), seeds).values()))
            if not number:
                results |= {f"{name} {devices} first {path}": array for path, array in gan.state().items()}
        gan.settle([batch(recipe, 98)[0].astype(precision)])
        results[f"{name} {devices} losses"] = np.array(losses)
        results[f"{name} {devices} output"] = gan.tested(batch(recipe, 99)[0].astype(precision), training=False).numpy()
        results |= {f"{name} {devices} last {path}": array for path, array in gan.state().items()}
        results |= {f"{name} {devices} tested {v.path}": v.numpy() for v in gan.tested.variables}
    # What was trained by two goes on with one, and the other way round.
    trainers["one"].load_state(trainers["two"].state())
    source, target, seeds = batch(recipe, UPDATES)
    for devices, gan in trainers.items():
        losses = list(gan.step(source.astype(precision), target.astype(precision), seeds).values())
        results[f"{name} {devices} resumed"] = np.array(losses)
    return results


def _refuse(recipe: Recipe) -> None:
    from sartranslate.errors import OptionError
    from sartranslate.train.pix2pix import Pix2Pix
    from sartranslate.train.replicas import Replicas

    with pytest.raises(OptionError, match="batch size 3 on 2 devices"):
        Pix2Pix(recipe, 0, replicas=Replicas(CPUS))


pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Results]:
    folder = tmp_path_factory.mktemp("results")
    paths = {precision: str(folder / f"{precision}.npz") for precision in ("float32", "float64")}
    side_by_side("test_two_devices.train", list(paths.items()))
    return {precision: dict(np.load(path)) for precision, path in paths.items()}


def pairs(results: Results, name: str, kind: str) -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
    """What one device and what two have found, by what follows `kind`."""
    prefix = f"{name} one {kind}"
    found = {key.removeprefix(prefix): key for key in results if key.startswith(prefix)}
    return {rest: (results[key], results[key.replace(" one ", " two ", 1)]) for rest, key in found.items()}


def largest(pairs: dict[str, tuple[NDArray[Any], NDArray[Any]]], *marks: str) -> float:
    """Difference of all arrays whose name has one of the marks in it."""
    found = [differences(*pair).max() for name, pair in pairs.items() if any(mark in name for mark in marks)]
    assert found
    return float(max(found))


@pytest.mark.parametrize("name", NAMES["float64"])
def test_losses_of_two_devices_are_those_of_one(results: dict[str, Results], name: str) -> None:
    one, two = pairs(results["float64"], name, "losses")[""]
    assert len(one) == UPDATES
    assert np.abs(one[-1] - one[0]).min() > 1e-4
    assert differences(one, two).max() < 1e-7


@pytest.mark.parametrize("name", NAMES["float64"])
def test_weights_statistics_and_outputs_of_two_devices_are_those_of_one(results: dict[str, Results], name: str) -> None:
    found = results["float64"]
    assert np.ptp(found[f"{name} one output"]) > 0.1
    assert largest(pairs(found, name, "output"), "") < 1e-6
    assert largest(pairs(found, name, "last "), "generator/", "discriminator/") < 1e-6
    assert largest(pairs(found, name, "tested "), "/") < 1e-6


def test_batch_norm_of_two_devices_stores_the_statistics_of_the_whole_batch(results: dict[str, Results]) -> None:
    for name in ("sar", "tf-tutorial"):
        assert largest(pairs(results["float64"], name, "last "), "moving_") < 1e-7
    assert largest(pairs(results["float32"], "sar", "first "), "moving_") < 1e-5


@pytest.mark.parametrize("name", NAMES["float32"])
def test_the_first_gradients_in_float32_are_the_same_but_for_rounding(results: dict[str, Results], name: str) -> None:
    """Adam's first moments after one update are gradients, all with the same factor."""
    for network in ("generator", "discriminator"):
        moments = [
            pair
            for path, pair in pairs(results["float32"], name, f"first {network}_optimizer/").items()
            if path.endswith("_momentum")
        ]
        scale = max(np.abs(one).max() for one, _ in moments)
        assert max(np.abs(one - two).max() for one, two in moments) < 3e-5 * scale


@pytest.mark.parametrize("name", NAMES["float32"])
def test_losses_and_first_weights_in_float32_agree_where_vanishing_gradients_do_not_count(
    results: dict[str, Results], name: str
) -> None:
    assert largest(pairs(results["float32"], name, "first "), "generator/", "discriminator/") < 1e-6
    assert largest(pairs(results["float32"], name, "losses"), "") < 1e-3


@pytest.mark.parametrize("name", NAMES["float32"])
def test_one_device_goes_on_where_two_have_stopped(results: dict[str, Results], name: str) -> None:
    assert largest(pairs(results["float32"], name, "resumed"), "") < 1e-5
