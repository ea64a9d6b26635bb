"""What the networks are trained towards."""

from __future__ import annotations

from dataclasses import dataclass

from sartranslate.errors import OptionError
from sartranslate.limits import check_choices, check_numbers, check_whole

GAN_LOSSES = ("vanilla", "lsgan", "hinge", "wgan-gp")
RECONSTRUCTIONS = ("l1", "l2", "ssim", "focal_frequency", "feature_matching")
MOST_WEIGHT = 1e6
MOST_SHIFT = 16  # pixels
SHIFT_BLOCK = 64  # pixels, the least height and width of a block that has a shift of its own


@dataclass(frozen=True)
class Objective:
    """Weights of the generator's losses, and the discriminator's: by default the paper's.

    Raises `OptionError` for a value out of range, or where nothing is left to train towards.
    """

    gan: str = "vanilla"  # one of GAN_LOSSES
    gan_weight: float = 1.0  # 0 leaves the discriminator out
    l1: float = 100.0
    l2: float = 0.0
    ssim: float = 0.0  # of 1 - SSIM
    focal_frequency: float = 0.0  # Jiang et al. 2021
    feature_matching: float = 0.0  # of the discriminator's features (pix2pixHD)
    shift: int = 0  # pixels by which target and picture may lie off each other in "l1", block by block; 0: exact
    discriminator_factor: float = 0.5  # of the discriminator's loss, which slows it
    gradient_penalty: float = 10.0  # of wgan-gp

    def __post_init__(self) -> None:
        check_choices(self, gan=GAN_LOSSES)
        check_whole(self, shift=(0, MOST_SHIFT))
        weights = dict.fromkeys(("gan_weight", *RECONSTRUCTIONS, "gradient_penalty"), (0.0, MOST_WEIGHT))
        check_numbers(self, **weights, discriminator_factor=(0.0, 10.0))
        if not self.gan_weight and not any(self.reconstructions.values()):
            raise OptionError("all weights of the losses are 0: nothing to train towards")
        if self.shift and not self.l1:
            raise OptionError(f"shift {self.shift} without l1, which is all that it is for")
        if self.feature_matching and not self.gan_weight:
            raise OptionError("feature_matching without gan_weight: there is no discriminator whose features match")

    @property
    def reconstructions(self) -> dict[str, float]:
        """The terms in use beside the adversarial one, with their weights."""
        return {name: getattr(self, name) for name in RECONSTRUCTIONS if getattr(self, name)}
