"""What it takes to rebuild the networks, apart from their weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sartranslate.errors import OptionError
from sartranslate.limits import check_choices, check_flags, check_numbers, check_whole

UNETS = {"unet_256": 8, "unet_128": 7, "encoder_decoder": 8}  # times that the size is halved
RESNETS = {"resnet_6blocks": 6, "resnet_9blocks": 9}  # residual blocks
ARCHITECTURES = (*UNETS, *RESNETS)
UPSAMPLINGS = ("transpose", "resize")
NORMS = ("batch", "instance", "none")
TEST_MODES = ("stored", "own")
PADDINGS = ("one", "same")
MAX_FILTER_FACTOR = 8  # channels stop growing at 8 times the base filters
RESNET_HALVINGS = 2
DECIDING_VARIABLES = (
    "architecture",
    "source_bands",
    "target_bands",
    "filters",
    "upsampling",
    "norm",
    "bottleneck_norm",
    "bias",
)
RECEPTIVE_FIELDS = (1, 16, 34, 70, 142, 286)  # pixels, by number of layers


@dataclass(frozen=True)
class GeneratorConfig:
    """What it takes to rebuild a generator: stored in the bundle, validated here.

    Raises `OptionError` for a value out of range.
    """

    architecture: str = "unet_256"  # one of ARCHITECTURES
    source_bands: int = 1
    target_bands: int = 3
    filters: int = 64  # of the outermost layer
    upsampling: str = "transpose"  # or "resize": nearest neighbour, then a convolution
    norm: str = "batch"  # one of NORMS
    norm_epsilon: float = 1e-5
    bottleneck_norm: bool = False  # also on the innermost layer of a U-Net
    leak: float = 0.2  # slope of the U-Net's encoder below zero
    bias: bool = False  # under batch normalisation, which takes it away again
    dropout: float = 0.5
    dropout_layers: tuple[int, int] = (1, 3)  # of a U-Net's decoder, first and last, 1 the innermost; else all blocks
    test_mode: str = "stored"  # statistics and no dropout; "own": dropout, and the statistics of each patch

    def __post_init__(self) -> None:
        check_choices(self, architecture=ARCHITECTURES, upsampling=UPSAMPLINGS, norm=NORMS, test_mode=TEST_MODES)
        check_whole(self, source_bands=(1, 64), target_bands=(1, 64), filters=(1, 512))
        check_numbers(self, norm_epsilon=(1e-8, 1.0), leak=(0.0, 1.0), dropout=(0.0, 0.95))
        check_flags(self, "bottleneck_norm", "bias")
        if self.bottleneck_norm and not self.skips:
            raise OptionError("bottleneck_norm of an encoder_decoder: a single normalised pixel says nothing")
        object.__setattr__(self, "dropout_layers", _layer_range(self.dropout_layers))

    @property
    def size_multiple(self) -> int:
        """Window height and width must be multiples of this many pixels."""
        return 1 << UNETS.get(self.architecture, RESNET_HALVINGS)

    @property
    def skips(self) -> bool:
        """Whether the encoder's layers are joined to the decoder's."""
        return self.architecture != "encoder_decoder"

    @property
    def channels(self) -> list[int]:
        """Of a U-Net's encoder, from the outermost layer to the bottleneck."""
        return [self.filters * min(2**level, MAX_FILTER_FACTOR) for level in range(UNETS[self.architecture])]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def deciding_variables(self) -> dict[str, Any]:
        """The fields that decide about the variables of a generator: those of equal ones fit each other."""
        return {name: getattr(self, name) for name in DECIDING_VARIABLES}


@dataclass(frozen=True)
class DiscriminatorConfig:
    """What it takes to build a PatchGAN discriminator; raises `OptionError` for a value out of range."""

    layers: int = 3  # strided ones: 3 judges patches of 70 x 70 pixels; 0 single pixels
    scales: int = 1  # discriminators of halved pictures beside the first one (pix2pixHD)
    detail: int = 0  # pixels that means reach which pictures are judged without; 0: judged as they are
    filters: int = 64  # of the first layer
    norm: str = "batch"  # one of NORMS
    norm_epsilon: float = 1e-5
    spectral_norm: bool = False  # of the kernels (Miyato et al. 2018)
    leak: float = 0.2
    bias: bool = False  # under batch normalisation
    padding: str = "one"  # pixel around the layers without stride; "same": as much as keeps the size

    def __post_init__(self) -> None:
        check_choices(self, norm=NORMS, padding=PADDINGS)
        check_whole(self, layers=(0, len(RECEPTIVE_FIELDS) - 1), scales=(1, 3), detail=(0, 64), filters=(1, 512))
        check_numbers(self, norm_epsilon=(1e-8, 1.0), leak=(0.0, 1.0))
        check_flags(self, "spectral_norm", "bias")

    @property
    def receptive_field(self) -> int:
        """Height and width of the patch that one logit judges, in pixels of the finest scale."""
        return RECEPTIVE_FIELDS[self.layers]

    @property
    def least_size(self) -> int:
        """Height and width in pixels of a picture that leaves a logit of the coarsest scale."""
        left = 3 if self.layers and self.padding == "one" else 1  # before the two convolutions without stride
        return left << (self.layers + self.scales - 1)


def _layer_range(value: Any) -> tuple[int, int]:
    """A tuple again of what JSON and TOML keep as a list."""
    try:
        first, last = value
    except (TypeError, ValueError):
        first = last = None
    if type(first) is not int or type(last) is not int or not 1 <= first <= last <= max(UNETS.values()):
        raise OptionError(f"dropout_layers {value!r}: expected the first and the last layer, such as 1, 3")
    return first, last
