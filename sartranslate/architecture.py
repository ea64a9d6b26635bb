"""What it takes to rebuild a generator, apart from its weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sartranslate.errors import OptionError

UPSAMPLINGS = ("transpose", "resize")
DOWNSAMPLINGS = 8  # of the U-Net 256: 256 pixels become 1


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

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
