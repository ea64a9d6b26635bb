"""A recipe is its fields by name: changed, compared, turned into plain values and back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sartranslate.errors import OptionError
from sartranslate.recipes.architecture import DiscriminatorConfig, GeneratorConfig
from sartranslate.recipes.objective import Objective
from sartranslate.recipes.optimisation import Optimisation
from sartranslate.recipes.presets import PRESETS, preset
from sartranslate.recipes.recipe import PARTS, SCORES, Recipe, Validation, flattened, from_dict
from tests.recipes import differences

# A value other than the default for every field of a recipe; the parts go together.
OTHER = {
    "generator.architecture": "unet_128",
    "generator.filters": 16,
    "generator.upsampling": "resize",
    "generator.norm": "instance",
    "generator.norm_epsilon": 1e-4,
    "generator.bottleneck_norm": True,
    "generator.leak": 0.1,
    "generator.bias": True,
    "generator.dropout": 0.25,
    "generator.dropout_layers": [2, 4],
    "generator.test_mode": "own",
    "discriminator.layers": 2,
    "discriminator.scales": 2,
    "discriminator.detail": 4,
    "discriminator.filters": 32,
    "discriminator.norm": "instance",
    "discriminator.norm_epsilon": 1e-4,
    "discriminator.spectral_norm": True,
    "discriminator.leak": 0.1,
    "discriminator.bias": True,
    "discriminator.padding": "same",
    "initialisation.kind": "kaiming",
    "initialisation.gain": 0.1,
    "initialisation.scale_deviation": 0.0,
    "objective.gan": "wgan-gp",
    "objective.gan_weight": 2.0,
    "objective.l1": 50.0,
    "objective.l2": 1.0,
    "objective.ssim": 1.0,
    "objective.focal_frequency": 1.0,
    "objective.feature_matching": 10.0,
    "objective.shift": 4,
    "objective.discriminator_factor": 1.0,
    "objective.gradient_penalty": 5.0,
    "optimisation.epochs": 30,
    "optimisation.updates": 1000,
    "optimisation.batch_size": 4,
    "optimisation.crop": 512,
    "optimisation.learning_rate": 1e-3,
    "optimisation.beta1": 0.9,
    "optimisation.beta2": 0.99,
    "optimisation.adam_epsilon": 1e-7,
    "optimisation.order": "simultaneous",
    "optimisation.schedule": "plateau",
    "optimisation.decay_start": 0.2,
    "optimisation.step_epochs": 10,
    "optimisation.step_factor": 0.5,
    "optimisation.patience": 3,
    "optimisation.plateau_factor": 0.5,
    "optimisation.norm_momentum": 0.99,
    "optimisation.average": 0.99,
    "optimisation.average_every": 5,
    "optimisation.recalibrate": True,
    "augmentation.enlarge": 30,
    "augmentation.resampling": "nearest",
    "augmentation.mirror": False,
    "augmentation.turns": False,
    "augmentation.speckle": 0.5,
    "augmentation.speckle_share": 0.75,
    "augmentation.gain": 1.0,
    "validation.score": "psnr",
    "validation.windows": 10,
    "validation.examples": 2,
    "validation.every": 3,
}


ALONE = {"optimisation.frozen_norm": True}  # does not go together with some of those


def test_the_fields_of_this_test_are_all_that_there_are() -> None:
    assert {*OTHER, *ALONE, "name"} == flattened(Recipe().as_dict()).keys()


def test_every_field_can_be_changed_by_its_name() -> None:
    changed = {**flattened(Recipe().as_dict()), **OTHER}
    assert flattened(Recipe().with_fields(OTHER).as_dict()) == changed


@pytest.mark.parametrize(
    ("path", "value"), [(path, value) for path, value in {**OTHER, **ALONE}.items() if value != "wgan-gp"]
)
def test_changing_one_field_leaves_all_others(path: str, value: Any) -> None:
    changed = flattened(Recipe().with_fields({path: value}).as_dict())
    assert changed == {**flattened(Recipe().as_dict()), path: value}


def test_other_epochs_take_the_place_of_updates() -> None:
    """Otherwise the updates would go on deciding when training ends."""
    assert differences(preset("tf-tutorial"), preset("tf-tutorial").with_fields({"optimisation.epochs": 3})) == [
        "optimisation.epochs 3, not 200",
        "optimisation.updates 0, not 40000",
    ]


@pytest.mark.parametrize("order", [1, -1])
def test_epochs_and_updates_that_are_given_both_are_kept_both_in_either_order(order: int) -> None:
    changes = [("optimisation.epochs", 3), ("optimisation.updates", 50)]
    optimisation = preset("tf-tutorial").with_fields(dict(changes[::order])).optimisation
    assert (optimisation.epochs, optimisation.updates) == (3, 50)


def test_a_change_of_anything_else_keeps_the_updates() -> None:
    changed = preset("tf-tutorial").with_fields({"optimisation.batch_size": 4, "objective.l1": 1.0})
    assert changed.optimisation.updates == 40_000


def test_a_recipe_without_a_name_bears_none_of_a_preset() -> None:
    assert Recipe().name == from_dict({}).name == "plain"
    assert "plain" not in PRESETS


def test_a_change_leaves_the_recipe_that_it_starts_from() -> None:
    recipe = preset("mlm")
    recipe.with_fields({"objective.l1": 1.0})
    assert recipe == preset("mlm")


@pytest.mark.parametrize("name", PRESETS)
def test_a_recipe_comes_back_from_its_dictionary_and_from_json(name: str) -> None:
    content = preset(name).as_dict()
    assert from_dict(content) == preset(name)
    assert from_dict(json.loads(json.dumps(content))) == preset(name)


def test_bands_are_left_to_the_pairs() -> None:
    recipe = Recipe(generator=GeneratorConfig(source_bands=2, target_bands=1))
    assert recipe.as_dict() == Recipe().as_dict()
    with pytest.raises(OptionError, match=r"recipe field 'generator\.source_bands': generator has architecture, "):
        recipe.with_fields({"generator.source_bands": 3})


def test_a_change_of_another_part_keeps_the_bands() -> None:
    recipe = Recipe(generator=GeneratorConfig(source_bands=2)).with_fields({"generator.filters": 8})
    assert recipe.generator.source_bands == 2


def test_a_part_of_a_dictionary_goes_over_a_base() -> None:
    recipe = from_dict({"name": "mine", "objective": {"l1": 10.0}}, preset("tf-tutorial"))
    assert differences(preset("tf-tutorial"), recipe) == [
        "name 'mine', not 'tf-tutorial'",
        "objective.l1 10.0, not 100.0",
    ]


def test_recipes_of_equal_fields_have_no_differences() -> None:
    assert differences(preset("junyanz"), from_dict(preset("junyanz").as_dict())) == []


def test_a_difference_names_the_field_its_value_and_what_it_is_not() -> None:
    longer = Recipe(optimisation=Optimisation(epochs=300))
    assert differences(Recipe(), longer) == ["optimisation.epochs 300, not 200"]
    assert differences(longer, Recipe()) == ["optimisation.epochs 200, not 300"]


@pytest.mark.parametrize(
    "path", ["epochs", "optimization.epochs", "", ".epochs", "name", "Optimisation.epochs", "recipe.objective.l1"]
)
def test_an_unknown_part_is_told_the_known_ones(path: str) -> None:
    with pytest.raises(OptionError) as caught:
        Recipe().with_fields({path: 1})
    assert str(caught.value) == f"recipe field {path!r}: expected PART.FIELD with a part of {', '.join(PARTS)}"


@pytest.mark.parametrize("path", ["validation.scores", "validation", "validation.", "validation.score.name"])
def test_an_unknown_field_is_told_the_known_ones(path: str) -> None:
    with pytest.raises(OptionError) as caught:
        Recipe().with_fields({path: 1})
    assert str(caught.value) == f"recipe field {path!r}: validation has score, windows, examples, every"


@pytest.mark.parametrize(
    ("part", "content"),
    [("generator", 3), ("generator", [{"filters": 3}]), ("optimization", {"epochs": 3}), ("epochs", 3), ("Name", "x")],
)
def test_a_dictionary_with_other_than_tables_of_the_parts_is_told_the_parts(part: str, content: Any) -> None:
    with pytest.raises(OptionError) as caught:
        from_dict({"objective": {"l1": 1.0}, part: content})
    assert str(caught.value) == f"recipe part {part!r}: expected tables named {', '.join(PARTS)}"


@pytest.mark.parametrize("name", ["l1", "unknown"])
def test_a_table_in_place_of_a_field_is_refused_even_where_it_is_empty(name: str) -> None:
    with pytest.raises(OptionError, match=name):
        from_dict({"objective": {name: {}}})


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("generator.filters", 0, "filters 0: expected a whole number from 1 to 512"),
        ("discriminator.padding", "two", "padding 'two': expected one of one, same"),
        ("initialisation.kind", "he", "kind 'he': expected one of normal, xavier, kaiming, orthogonal"),
        ("objective.l1", -1, "l1 -1: expected a number from 0 to 1e+06"),
        ("optimisation.crop", 15, "crop 15: expected a whole number from 16 to 8192"),
        ("augmentation.mirror", 1, "mirror 1: expected true or false"),
        ("validation.score", "fid", "score 'fid': expected one of ssim, psnr, mae, sliced_wasserstein"),
    ],
)
def test_a_field_out_of_range_says_of_which_part_it_is(path: str, value: Any, message: str) -> None:
    """Names such as "filters" or "leak" are those of two parts."""
    with pytest.raises(OptionError) as caught:
        Recipe().with_fields({path: value})
    assert str(caught.value) == f"{path.partition('.')[0]}: {message}"


@pytest.mark.parametrize("crop", [16, 128, 255, 300])
def test_a_crop_that_the_generator_can_not_halve_often_enough_is_refused(crop: int) -> None:
    with pytest.raises(OptionError, match=f"^crop {crop}: unet_256 needs a multiple of 256$"):
        Recipe(optimisation=Optimisation(crop=crop))


def test_a_smaller_crop_fits_a_generator_with_fewer_halvings() -> None:
    recipe = Recipe(GeneratorConfig("unet_128").architecture, GeneratorConfig("unet_128"))
    assert recipe.with_fields({"optimisation.crop": 384}).optimisation.crop == 384


def test_changes_that_fit_only_together_may_be_made_together() -> None:
    changes = {"optimisation.crop": 128, "generator.architecture": "unet_128"}
    assert Recipe().with_fields(changes).optimisation.crop == 128


def test_a_gradient_penalty_is_of_single_samples_and_so_refuses_batch_norm() -> None:
    with pytest.raises(OptionError, match=r"wgan-gp with discriminator\.norm batch.*use instance"):
        Recipe(objective=Objective(gan="wgan-gp"))


@pytest.mark.parametrize("norm", ["instance", "none"])
def test_a_gradient_penalty_goes_with_norms_of_single_samples(norm: str) -> None:
    recipe = Recipe(objective=Objective(gan="wgan-gp"), discriminator=DiscriminatorConfig(norm=norm))
    assert recipe.objective.gan == "wgan-gp"


def test_a_game_that_is_not_played_goes_with_batch_norm() -> None:
    recipe = Recipe(objective=Objective(gan="wgan-gp", gan_weight=0))
    assert recipe.discriminator.norm == "batch"


@pytest.mark.parametrize("gan", ["vanilla", "lsgan", "hinge"])
def test_other_games_go_with_batch_norm(gan: str) -> None:
    assert Recipe(objective=Objective(gan=gan)).discriminator.norm == "batch"


def test_a_shift_needs_a_crop_with_room_for_it() -> None:
    small = Optimisation(crop=64), GeneratorConfig("resnet_6blocks"), DiscriminatorConfig(layers=1)
    with pytest.raises(OptionError, match=r"^crop 64: a shift of 4 needs at least 72$"):
        Recipe("small", small[1], small[2], objective=Objective(shift=4), optimisation=small[0])


@pytest.mark.parametrize("changes", [{"generator.norm": "instance"}, {"generator.test_mode": "own"}])
def test_statistics_are_frozen_where_they_are_stored_and_used(changes: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=r"^optimisation\.frozen_norm: expected batch norm"):
        Recipe().with_fields({"optimisation.frozen_norm": True, **changes})


def test_frozen_statistics_are_not_recalibrated() -> None:
    with pytest.raises(OptionError, match="recalibrate with frozen_norm"):
        preset("sar").with_fields({"optimisation.frozen_norm": True})


def test_scores_to_choose_the_best_by_are_told() -> None:
    with pytest.raises(OptionError, match=f"^score 'fid': expected one of {', '.join(SCORES)}$"):
        Validation(score="fid")


@pytest.mark.parametrize(("field", "value"), [("windows", 0), ("windows", 1.5), ("examples", 0), ("examples", 65)])
def test_validation_out_of_range_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(OptionError, match=f"^{field} {value}: expected a whole number"):
        Validation(**{field: value})


def test_nested_tables_become_one_with_tuples_as_lists() -> None:
    assert flattened({"a": {"b": {"c": (1, 2)}}, "d": "x"}) == {"a.b.c": [1, 2], "d": "x"}
