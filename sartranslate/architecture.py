"""What it takes to rebuild a generator, apart from its weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sartranslate.errors import OptionError

UPSAMPLINGS = ("transpose", "resize")
DOWNSAMPLINGS = 8  # of the U-Net 256: 256 pixels become 1
MAX_FILTER_FACTOR = 8  # channels stop growing at 8 times the base filters


@dataclass(frozen=True)
class GeneratorConfig:
    """What it takes to rebuild a generator: stored in the bundle, validated here.

    Raises `OptionError` for a value out of range.
    """

    architecture: str = "unet_256"
    source_bands: int = 1
    target_bands: int = 3
    filters: int = 64  # of the outermost layer
    upsampling: str = "transpose"  # or "resize": nearest neighbour, then a convolution

    def __post_init__(self) -> None:
        if self.architecture != "unet_256":
            raise OptionError(f"architecture {self.architecture!r}: expected 'unet_256'")
        if self.upsampling not in UPSAMPLINGS:
            raise OptionError(f"upsampling {self.upsampling!r}: expected one of {', '.join(UPSAMPLINGS)}")
        limits = {"source_bands": 64, "target_bands": 64, "filters": 512}
        for name, most in limits.items():
            value = getattr(self, name)
            if type(value) is not int or not 1 <= value <= most:
                raise OptionError(f"{name} {value!r}: expected a whole number from 1 to {most}")

    @property
    def size_multiple(self) -> int:
        """Window height and width must be multiples of this many pixels."""
        return 1 << DOWNSAMPLINGS

    @property
    def channels(self) -> list[int]:
        """Of the encoder, from the outermost layer to the bottleneck."""
        return [self.filters * min(2**level, MAX_FILTER_FACTOR) for level in range(DOWNSAMPLINGS)]

    def operations(self, window: int) -> float:
        """Floating-point operations for one window of so many pixels a side: two for each weight at each pixel."""
        channels = self.channels
        inputs = [self.source_bands, *channels]
        total = 0.0
        for level, filters in enumerate(channels):
            coarse, fine = (window / 2 ** (level + 1)) ** 2, (window / 2**level) ** 2
            joined = filters * (1 if level == DOWNSAMPLINGS - 1 else 2)
            outputs = channels[level - 1] if level else self.target_bands
            decoder = 16 * coarse if self.upsampling == "transpose" else 9 * fine
            total += 2 * (16 * inputs[level] * filters * coarse + joined * outputs * decoder)
        return total

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
