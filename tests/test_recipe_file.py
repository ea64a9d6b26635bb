"""Recipes as TOML files, whole ones and parts, and single fields as texts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sartranslate.errors import OptionError
from sartranslate.recipes.presets import PRESETS, preset
from sartranslate.recipes.recipe import Recipe
from sartranslate.recipes.recipe_file import find_recipe, parse_changes, read_recipe, to_toml
from tests.recipes import differences

WriteRecipe = Callable[[str], Path]

PARTS = "generator, discriminator, initialisation, objective, optimisation, augmentation, validation"

changed_fields = st.fixed_dictionaries(
    {
        "objective.l1": st.floats(0, 1e6),
        "optimisation.learning_rate": st.floats(1e-12, 10),
        "optimisation.updates": st.integers(0, 10**9),
        "generator.dropout_layers": st.tuples(st.integers(1, 4), st.integers(4, 8)).map(list),
        "augmentation.mirror": st.booleans(),
    }
)


@pytest.fixture
def write_recipe(tmp_path: Path) -> WriteRecipe:
    def write(text: str) -> Path:
        path = tmp_path / "mine.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_comes_back_from_its_text(write_recipe: WriteRecipe, name: str) -> None:
    assert read_recipe(write_recipe(to_toml(preset(name)))) == preset(name)


def test_a_recipe_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('name = "paper"', encoding="utf-8-sig")
    assert find_recipe(str(tmp_path / "mine.toml")) == find_recipe("paper")


@settings(max_examples=30, deadline=None)
@given(name=st.text(st.characters(codec="utf-8")), changes=changed_fields)
def test_any_recipe_comes_back_from_its_text(
    name: str, changes: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    recipe = Recipe(name=name).with_fields(changes)
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(to_toml(recipe).encode())
    assert read_recipe(path) == recipe


@pytest.mark.parametrize("name", PRESETS)
def test_the_text_is_toml_to_other_readers_and_holds_every_field(name: str) -> None:
    tomllib = pytest.importorskip("tomllib")
    expected = preset(name).as_dict()
    expected["generator"]["dropout_layers"] = list(expected["generator"]["dropout_layers"])
    assert tomllib.loads(to_toml(preset(name))) == expected


def test_a_file_takes_what_it_leaves_out_from_the_preset_that_it_names(write_recipe: WriteRecipe) -> None:
    path = write_recipe('name = "mlm"\n[optimisation]\nepochs = 3\n[generator]\ndropout_layers = [2, 2]\n')
    assert differences(preset("mlm"), read_recipe(path)) == [
        "generator.dropout_layers [2, 2], not [1, 3]",
        "optimisation.epochs 3, not 100",
    ]


def test_a_file_that_names_no_preset_changes_the_radar_recipe(write_recipe: WriteRecipe) -> None:
    assert differences(preset("sar"), read_recipe(write_recipe("objective.l1 = 50.0"))) == [
        "objective.l1 50.0, not 100.0"
    ]


def test_an_empty_file_is_the_radar_recipe(write_recipe: WriteRecipe) -> None:
    assert read_recipe(write_recipe("")) == preset("sar")


def test_a_recipe_is_found_by_name_or_by_file(write_recipe: WriteRecipe) -> None:
    assert find_recipe("junyanz") == preset("junyanz")
    assert find_recipe(str(write_recipe('name = "paper"'))) == preset("paper")


def test_what_is_neither_preset_nor_file_is_told_the_presets() -> None:
    with pytest.raises(OptionError, match="recipe 'mlm2': expected a TOML file or one of sar, sar-finetune, paper, "):
        find_recipe("mlm2")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = 3", "name 3: expected a text"),
        ("[name]\nl1 = 3", "name {'l1': 3}: expected a text"),
        ("[optimization]\nepochs = 3", f"recipe part 'optimization': expected tables named {PARTS}"),
        ("[optimization]", f"recipe part 'optimization': expected tables named {PARTS}"),
        ("epochs = 3", f"recipe part 'epochs': expected tables named {PARTS}"),
        ("'generator.filters' = 3", f"recipe part 'generator.filters': expected tables named {PARTS}"),
        ("[optimisation]\nepoch = 3", "recipe field 'optimisation.epoch': optimisation has epochs, updates, "),
        ("[generator.unet]\nfilters = 3", "recipe field 'generator.unet.filters': generator has architecture, "),
        ("generator = 3", f"recipe part 'generator': expected tables named {PARTS}"),
        ("[[generator]]\nfilters = 3", f"recipe part 'generator': expected tables named {PARTS}"),
        ("[generator]\nsource_bands = 2", "recipe field 'generator.source_bands': generator has architecture, "),
        ("[optimisation]\nepochs = '3'", "optimisation: epochs '3': expected a whole number from 1 to 1000000"),
        ("[optimisation]\nepochs = 3.0", "optimisation: epochs 3.0: expected a whole number from 1 to 1000000"),
        (
            "[optimisation]\nlearning_rate = 'fast'",
            "optimisation: learning_rate 'fast': expected a number from 1e-12 to 10",
        ),
        ("[optimisation]\nrecalibrate = 1", "optimisation: recalibrate 1: expected true or false"),
        ("[objective]\ngan = 'wgan'", "objective: gan 'wgan': expected one of vanilla, lsgan, hinge, wgan-gp"),
        ("[objective]\nl1 = nan", "objective: l1 nan: expected a number from 0 to 1e+06"),
        ("[objective]\nl1 = 2020-01-01", "objective: l1 datetime.date(2020, 1, 1): expected a number from 0 to 1e+06"),
        (
            "[generator]\ndropout_layers = 3",
            "generator: dropout_layers 3: expected the first and the last layer, such as 1, 3",
        ),
        (
            "[augmentation]\nresampling = ['bicubic']",
            "augmentation: resampling ['bicubic']: expected one of bicubic, bilinear, nearest",
        ),
        ("[optimisation]\ncrop = 100", "crop 100: unet_256 needs a multiple of 256"),
        ("[optimisation\nepochs = 3", "Unexpected character"),
        ("epochs: 3", "Unexpected character"),
        ("crop = 1\ncrop = 2", 'Key "crop" already exists'),
    ],
)
def test_a_file_that_is_no_recipe_says_in_one_line_which_and_why(
    write_recipe: WriteRecipe, text: str, message: str
) -> None:
    path = write_recipe(text)
    with pytest.raises(OptionError) as caught:
        read_recipe(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("enlarge = '30'", "enlarge '30': expected a whole number from 0 to 8192"),
        ("mirror = 'yes'", "mirror 'yes': expected true or false"),
        ("turns = 1", "turns 1: expected true or false"),
        ("speckle = true", "speckle True: expected a number from 0 to 1"),
        ("gain = '1'", "gain '1': expected a number from 0 to 10"),
    ],
)
def test_an_augmentation_of_a_wrong_type_is_refused(write_recipe: WriteRecipe, line: str, message: str) -> None:
    path = write_recipe(f"[augmentation]\n{line}")
    with pytest.raises(OptionError) as caught:
        read_recipe(path)
    assert str(caught.value) == f"{path}: augmentation: {message}"


def test_a_field_given_twice_in_a_table_is_refused(write_recipe: WriteRecipe) -> None:
    path = write_recipe("[objective]\nl1 = 1.0\nl1 = 2.0")
    with pytest.raises(OptionError, match=r'mine\.toml: .*"l1" already exists'):
        read_recipe(path)


def test_a_file_that_is_absent_says_so(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"none\.toml: can not be read: .*No such file"):
        find_recipe(str(tmp_path / "none.toml"))


def test_a_file_in_another_encoding_says_so(tmp_path: Path) -> None:
    path = tmp_path / "latin.toml"
    path.write_bytes('name = "für Radar"'.encode("latin-1"))
    with pytest.raises(OptionError, match=r"latin\.toml: 'utf-8' codec can't decode byte 0xfc in position 9"):
        read_recipe(path)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("50", 50),
        ("5e-4", 5e-4),
        ("true", True),
        ("[2, 4]", [2, 4]),
        ("lsgan", "lsgan"),
        ('"lsgan"', "lsgan"),
        ("wgan-gp", "wgan-gp"),
        ("  50  ", 50),
        ("True", "True"),
        ("a=b", "a=b"),
    ],
)
def test_a_value_is_toml_or_else_a_text(text: str, value: Any) -> None:
    found = parse_changes([f"objective.l1={text}"])["objective.l1"]
    assert (type(found), found) == (type(value), value)


def test_changes_keep_their_order_and_the_last_of_a_field_counts() -> None:
    changes = parse_changes(["objective.l2=1", "objective.l1=2", "objective.l2 = 3"])
    assert list(changes.items()) == [("objective.l2", 3), ("objective.l1", 2)]


def test_no_changes_are_none() -> None:
    assert parse_changes([]) == {}


@pytest.mark.parametrize("entry", ["objective.l1", "objective.l1=", "=50", " = ", ""])
def test_a_text_without_field_or_value_is_told_how_to_write_it(entry: str) -> None:
    with pytest.raises(OptionError) as caught:
        parse_changes(["objective.gan=lsgan", entry])
    assert str(caught.value) == f"{entry!r}: expected PART.FIELD=VALUE, such as objective.l1=50"


def test_changes_of_a_wrong_type_are_refused_by_the_recipe() -> None:
    with pytest.raises(OptionError, match=r"^objective: l1 'high': expected a number from 0 to 1e\+06$"):
        Recipe().with_fields(parse_changes(["objective.l1=high"]))


def test_other_epochs_in_a_file_take_the_place_of_the_updates_of_its_preset(write_recipe: WriteRecipe) -> None:
    path = write_recipe('name = "tf-tutorial"\n[optimisation]\nepochs = 3')
    assert differences(preset("tf-tutorial"), read_recipe(path)) == [
        "optimisation.epochs 3, not 200",
        "optimisation.updates 0, not 40000",
    ]


def test_a_file_with_a_name_of_its_own_changes_the_radar_recipe_too(write_recipe: WriteRecipe) -> None:
    path = write_recipe('name = "mine"\n[objective]\nl1 = 50.0')
    assert differences(preset("sar"), read_recipe(path)) == ["name 'mine', not 'sar'", "objective.l1 50.0, not 100.0"]
