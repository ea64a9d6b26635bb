"""Published recipes of Pix2Pix, with the constants of each implementation, and those made for SAR."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sartranslate.errors import OptionError
from sartranslate.recipes.recipe import Recipe, from_dict

KERAS_NORM = {"norm_epsilon": 1e-3}
SEEDS_JITTER = {"enlarge": 30, "resampling": "bicubic", "mirror": True, "turns": False}

# Isola et al. 2017, section 6, and the authors' Torch code.
PAPER: Mapping[str, Any] = {
    "generator": {"dropout_layers": [1, 3], "test_mode": "own"},
    "optimisation": {"schedule": "constant"},
    "augmentation": {**SEEDS_JITTER, "resampling": "bilinear"},
}
# pytorch-CycleGAN-and-pix2pix: 100 epochs constant and 100 linear to 0.
JUNYANZ: Mapping[str, Any] = {
    "generator": {"dropout_layers": [2, 4], "test_mode": "own"},
    "optimisation": {"schedule": "linear", "epochs": 200, "decay_start": 0.5},
    "augmentation": SEEDS_JITTER,
}
# The Pix2Pix tutorial of TensorFlow.
TF_TUTORIAL: Mapping[str, Any] = {
    "generator": {**KERAS_NORM, "bottleneck_norm": True, "leak": 0.3, "test_mode": "own"},
    "discriminator": {**KERAS_NORM, "leak": 0.3},
    "initialisation": {"scale_deviation": 0.0},
    "objective": {"discriminator_factor": 1.0},
    "optimisation": {
        "updates": 40_000,
        "schedule": "constant",
        "order": "simultaneous",
        "norm_momentum": 0.99,
        "adam_epsilon": 1e-7,
    },
    "augmentation": {**SEEDS_JITTER, "resampling": "nearest"},
}
# The Keras tutorial of machinelearningmastery.com, whose "70 x 70" discriminator sees 142 x 142.
MLM: Mapping[str, Any] = {
    "generator": {**KERAS_NORM, "bias": True, "test_mode": "own"},
    "discriminator": {**KERAS_NORM, "layers": 4, "bias": True, "padding": "same"},
    "initialisation": {"scale_deviation": 0.0},
    "optimisation": {"epochs": 100, "schedule": "constant", "norm_momentum": 0.99, "adam_epsilon": 1e-7},
    "augmentation": {"mirror": False, "turns": False},
}
# The seeds' networks and losses, tested on stored statistics, so that windows of a scene agree with each other;
# a radar image has no up and down, and its speckle and calibration differ from pass to pass.
SAR: Mapping[str, Any] = {
    "optimisation": {"schedule": "linear", "average": 0.999, "average_every": 10, "recalibrate": True},
    "augmentation": {"mirror": True, "turns": True, "speckle": 0.2, "gain": 0.5},
}
# To go on from a generator that knows what is where: on its own batch-norm statistics, so that what is trained is what
# is used, and with a discriminator that can not win, which its spectral norms see to (Miyato et al. 2018).
SAR_FINETUNE: Mapping[str, Any] = {
    "discriminator": {"norm": "none", "spectral_norm": True},
    "objective": {"gan": "hinge", "gan_weight": 5.0},
    "optimisation": {**SAR["optimisation"], "recalibrate": False, "frozen_norm": True},
    "augmentation": SAR["augmentation"],
}
PRESETS = {
    "sar": SAR,
    "sar-finetune": SAR_FINETUNE,
    "paper": PAPER,
    "junyanz": JUNYANZ,
    "tf-tutorial": TF_TUTORIAL,
    "mlm": MLM,
}


def preset(name: str) -> Recipe:
    """The recipe of that name. Raises `OptionError` for an unknown one."""
    if name not in PRESETS:
        raise OptionError(f"recipe {name!r}: expected a TOML file or one of {', '.join(PRESETS)}")
    return from_dict({"name": name, **PRESETS[name]})
