"""The presets hold the constants of the implementations that they are named after."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sartranslate.errors import OptionError
from sartranslate.recipes.optimisation import learning_rate
from sartranslate.recipes.presets import PRESETS, preset
from sartranslate.recipes.recipe import flattened
from tests.recipes import differences

# Where the implementations differ, and the constants that they are known for: a row a field, a column a preset.
TABLE = """
                               paper     junyanz   tf-tutorial   mlm
initialisation.kind            normal    normal    normal        normal
initialisation.gain            0.02      0.02      0.02          0.02
initialisation.scale_deviation 0.02      0.02      0             0
generator.norm                 batch     batch     batch         batch
generator.norm_epsilon         1e-5      1e-5      1e-3          1e-3
discriminator.norm             batch     batch     batch         batch
discriminator.norm_epsilon     1e-5      1e-5      1e-3          1e-3
optimisation.norm_momentum     0.9       0.9       0.99          0.99
generator.bottleneck_norm      false     false     true          false
generator.leak                 0.2       0.2       0.3           0.2
discriminator.leak             0.2       0.2       0.3           0.2
generator.dropout              0.5       0.5       0.5           0.5
generator.dropout_layers       [1,3]     [2,4]     [1,3]         [1,3]
generator.bias                 false     false     false         true
discriminator.bias             false     false     false         true
discriminator.layers           3         3         3             4
discriminator.padding          one       one       one           same
objective.discriminator_factor 0.5       0.5       1             0.5
optimisation.learning_rate     2e-4      2e-4      2e-4          2e-4
optimisation.beta1             0.5       0.5       0.5           0.5
optimisation.beta2             0.999     0.999     0.999         0.999
optimisation.adam_epsilon      1e-8      1e-8      1e-7          1e-7
optimisation.order             alternating alternating simultaneous alternating
objective.gan                  vanilla   vanilla   vanilla       vanilla
objective.gan_weight           1         1         1             1
objective.l1                   100       100       100           100
optimisation.schedule          constant  linear    constant      constant
optimisation.epochs            200       200       200           100
optimisation.updates           0         0         40000         0
optimisation.batch_size        1         1         1             1
optimisation.crop              256       256       256           256
augmentation.enlarge           30        30        30            0
augmentation.resampling        bilinear  bicubic   nearest       bicubic
augmentation.mirror            true      true      true          false
augmentation.turns             false     false     false         false
augmentation.speckle           0         0         0             0
augmentation.gain              0         0         0             0
generator.test_mode            own       own       own           own
generator.architecture         unet_256  unet_256  unet_256      unet_256
generator.filters              64        64        64            64
generator.upsampling           transpose transpose transpose     transpose
discriminator.filters          64        64        64            64
discriminator.scales           1         1         1             1
discriminator.spectral_norm    false     false     false         false
optimisation.average           0         0         0             0
optimisation.recalibrate       false     false     false         false
"""
HEADER, *ROWS = (line.split() for line in TABLE.strip().splitlines())
PUBLISHED = {
    name: {field: cells[column] for field, *cells in ROWS}  # as text
    for column, name in enumerate(HEADER)
}


def value(cell: str) -> Any:
    """A number, a flag or a list, or else a text."""
    try:
        return json.loads(cell)
    except ValueError:
        return cell


def fields(name: str) -> dict[str, Any]:
    return flattened(preset(name).as_dict())


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_preset_holds_the_published_constants(name: str) -> None:
    published = {field: value(cell) for field, cell in PUBLISHED[name].items()}
    found = fields(name)
    assert {field: found.get(field) for field in published} == published


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_presets_differ_in_nothing_that_the_table_does_not_say(name: str) -> None:
    paper, found = fields("paper"), fields(name)
    differing = {field for field in found if found[field] != paper[field]}
    assert differing <= {"name", *PUBLISHED[name]}


def test_the_paper_and_junyanz_differ_in_dropout_schedule_and_resampling_alone() -> None:
    assert differences(preset("paper"), preset("junyanz")) == [
        "name 'junyanz', not 'paper'",
        "generator.dropout_layers [2, 4], not [1, 3]",
        "optimisation.schedule 'linear', not 'constant'",
        "augmentation.resampling 'bicubic', not 'bilinear'",
    ]


def test_junyanz_trains_100_epochs_at_full_rate_and_100_towards_zero() -> None:
    optimisation = preset("junyanz").optimisation
    rates = [learning_rate(optimisation, epoch) for epoch in range(1, 201)]
    assert rates[:100] == [2e-4] * 100
    assert rates[100:] == pytest.approx([2e-4 * (101 - epoch) / 101 for epoch in range(1, 101)])


@pytest.mark.parametrize(("name", "pixels"), [("paper", 70), ("junyanz", 70), ("tf-tutorial", 70), ("mlm", 142)])
def test_the_discriminators_judge_patches_of_their_published_size(name: str, pixels: int) -> None:
    assert preset(name).discriminator.receptive_field == pixels


def test_the_radar_recipe_is_junyanz_with_the_papers_dropout_and_what_radar_images_want() -> None:
    assert differences(preset("junyanz"), preset("sar")) == [
        "name 'sar', not 'junyanz'",
        "generator.dropout_layers [1, 3], not [2, 4]",
        "generator.test_mode 'stored', not 'own'",
        "optimisation.average 0.999, not 0.0",
        "optimisation.average_every 10, not 1",
        "optimisation.recalibrate True, not False",
        "augmentation.enlarge 0, not 30",
        "augmentation.turns True, not False",
        "augmentation.speckle 0.2, not 0.0",
        "augmentation.gain 0.5, not 0.0",
    ]


def test_fine_tuning_keeps_the_statistics_of_the_generator_and_bounds_the_discriminator() -> None:
    assert differences(preset("sar"), preset("sar-finetune")) == [
        "name 'sar-finetune', not 'sar'",
        "discriminator.norm 'none', not 'batch'",
        "discriminator.spectral_norm True, not False",
        "objective.gan 'hinge', not 'vanilla'",
        "objective.gan_weight 5.0, not 1.0",
        "optimisation.recalibrate False, not True",
        "optimisation.frozen_norm True, not False",
    ]


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_carries_its_own_name(name: str) -> None:
    assert preset(name).name == name


def test_an_unknown_preset_is_told_the_known_ones() -> None:
    with pytest.raises(OptionError) as caught:
        preset("pix2pixhd")
    known = "sar, sar-finetune, paper, junyanz, tf-tutorial, mlm"
    assert str(caught.value) == f"recipe 'pix2pixhd': expected a TOML file or one of {known}"
