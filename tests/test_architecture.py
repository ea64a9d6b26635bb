"""What configurations of the networks refuse, and what is known of a network before it is built."""

from __future__ import annotations

import json

import pytest

from sartranslate.errors import OptionError
from sartranslate.recipes.architecture import ARCHITECTURES, DiscriminatorConfig, GeneratorConfig


@pytest.mark.parametrize(
    "field",
    [
        {"architecture": "vgg"},
        {"source_bands": 1.5},
        {"source_bands": 0},
        {"target_bands": 65},
        {"target_bands": True},
        {"filters": 0},
        {"filters": 513},
        {"upsampling": "bilinear"},
        {"norm": "layer"},
        {"norm": None},
        {"norm_epsilon": 0.0},
        {"norm_epsilon": float("nan")},
        {"bottleneck_norm": 1},
        {"leak": -0.1},
        {"leak": "0.2"},
        {"bias": None},
        {"dropout": 1.0},
        {"dropout": True},
        {"dropout_layers": (0, 3)},
        {"dropout_layers": (3, 2)},
        {"dropout_layers": (1, 9)},
        {"dropout_layers": (1, 2, 3)},
        {"dropout_layers": (1, 2.0)},
        {"dropout_layers": 3},
        {"test_mode": "dropout"},
    ],
    ids=str,
)
def test_a_generator_out_of_range_is_refused(field: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=next(iter(field))):
        GeneratorConfig(**field)


@pytest.mark.parametrize(
    "field",
    [
        {"layers": 6},
        {"layers": -1},
        {"layers": False},
        {"scales": 0},
        {"scales": 4},
        {"detail": -1},
        {"detail": 65},
        {"filters": 0},
        {"filters": 64.0},
        {"norm": "spectral"},
        {"norm_epsilon": 2.0},
        {"spectral_norm": "yes"},
        {"leak": 1.5},
        {"bias": 0},
        {"padding": "valid"},
    ],
    ids=str,
)
def test_a_discriminator_out_of_range_is_refused(field: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=next(iter(field))):
        DiscriminatorConfig(**field)


def test_a_generator_survives_json() -> None:
    """JSON and TOML have no tuples: lists are taken for them, and give an equal, hashable configuration."""
    config = GeneratorConfig("resnet_9blocks", 2, 1, 8, norm="instance", dropout_layers=(2, 4), test_mode="own")
    read = GeneratorConfig(**json.loads(json.dumps(config.as_dict())))
    assert read == config
    assert hash(read) == hash(config)
    assert read.dropout_layers == (2, 4)


def test_a_description_written_before_there_was_a_choice_means_the_default() -> None:
    old = {"architecture": "unet_256", "source_bands": 2, "target_bands": 3, "filters": 64, "upsampling": "resize"}
    config = GeneratorConfig(**old)
    assert config == GeneratorConfig(source_bands=2, upsampling="resize")
    assert (config.norm, config.dropout_layers, config.test_mode) == ("batch", (1, 3), "stored")


def test_a_window_is_halved_as_often_as_the_architecture_does() -> None:
    multiples = {name: GeneratorConfig(name).size_multiple for name in ARCHITECTURES}
    assert multiples == {
        "unet_256": 256,
        "unet_128": 128,
        "encoder_decoder": 256,
        "resnet_6blocks": 4,
        "resnet_9blocks": 4,
    }


def test_channels_stop_growing_at_eight_times_the_first() -> None:
    assert GeneratorConfig(filters=4).channels == [4, 8, 16, 32, 32, 32, 32, 32]
    assert GeneratorConfig("unet_128", filters=4).channels == [4, 8, 16, 32, 32, 32, 32]


def test_only_the_encoder_decoder_has_no_skips() -> None:
    assert [name for name in ARCHITECTURES if not GeneratorConfig(name).skips] == ["encoder_decoder"]


def test_the_receptive_field_doubles_with_each_layer() -> None:
    fields = [DiscriminatorConfig(layers=layers).receptive_field for layers in range(6)]
    assert fields == [1, 16, 34, 70, 142, 286]
