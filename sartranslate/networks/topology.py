"""Generators of Pix2Pix as lists of layers, apart from any framework: U-Nets, the encoder-decoder, residual networks.

The U-Nets are layer for layer those of Isola et al. 2017, "Image-to-Image Translation with Conditional
Adversarial Networks", arXiv 1611.07004v3, section 6.1, with the constants of the authors' Torch code; the
encoder-decoder is theirs without skips. The residual networks are those of Johnson et al. 2016, "Perceptual
Losses for Real-Time Style Transfer and Super-Resolution", as CycleGAN's authors offer them beside the U-Nets.
"""

from __future__ import annotations

from typing import NamedTuple

from sartranslate.recipes.architecture import RESNET_HALVINGS, RESNETS, UNETS, GeneratorConfig

SOURCE, TARGET = "source", "target"
UNET_KERNEL, RESIZED_KERNEL = 4, 3  # pixels
RESNET_KERNEL, RESNET_END_KERNEL = 3, 7
FOLDED_KERNEL = 4  # of every layer that enlarges


class Convolution(NamedTuple):
    """By a square kernel; the variables are kernel and, if any, bias."""

    size: int  # pixels
    channels_in: int
    filters: int
    stride: int = 1
    bias: bool = True
    upsampling: str | None = None  # one of UPSAMPLINGS doubles height and width, in the place of the stride
    padded: bool = True  # by zeros, so that the stride alone decides the size

    @property
    def kernel_shape(self) -> tuple[int, int, int, int]:
        """As Keras has it: of transposed ones with channels out before channels in."""
        channels = self.channels_in, self.filters
        first, second = reversed(channels) if self.upsampling == "transpose" else channels
        return self.size, self.size, first, second

    @property
    def folded_size(self) -> int:
        """Of the kernel that `folding` makes of it."""
        return FOLDED_KERNEL if self.upsampling else self.size


class Normalise(NamedTuple):
    """To mean 0 and variance 1, in the way that the configuration says."""

    channels: int


class LeakyReLU(NamedTuple):
    """Values below zero, times a slope."""

    slope: float


class ReLU(NamedTuple):
    """Values below zero become zero."""


class Tanh(NamedTuple):
    """Into (-1, 1), in float32."""


class Dropout(NamedTuple):
    """Which values follows from the layer's name and a sample's seed."""

    rate: float


class Reflect(NamedTuple):
    """Mirrored outwards at the border."""

    pixels: int


class Join(NamedTuple):
    """The channels of two layers behind each other."""


class Add(NamedTuple):
    """The sum of two layers."""


Operation = Convolution | Normalise | LeakyReLU | ReLU | Tanh | Dropout | Reflect | Join | Add


class Layer(NamedTuple):
    """An operation on the outputs of earlier layers, by name; `SOURCE` is the network's input."""

    name: str
    operation: Operation
    inputs: tuple[str, ...]


def layers(config: GeneratorConfig) -> tuple[Layer, ...]:
    """All layers in an order in which they can be computed; the last one is `TARGET`."""
    drawn = _Drawing(config)
    drawn.unet() if config.architecture in UNETS else drawn.resnet()
    return tuple(drawn.layers)


def variables(config: GeneratorConfig) -> dict[str, tuple[int, ...]]:
    """Shapes of a generator's variables by path, as model files hold them: statistics only where it has stored ones."""
    shapes: dict[str, tuple[int, ...]] = {}
    stored = ("moving_mean", "moving_variance") if config.test_mode == "stored" else ()
    for name, operation, _ in layers(config):
        if isinstance(operation, Convolution):
            shapes[f"{name}/kernel"] = operation.kernel_shape
            if operation.bias:
                shapes[f"{name}/bias"] = (operation.filters,)
        elif isinstance(operation, Normalise) and config.norm == "batch":
            shapes |= {f"{name}/{part}": (operation.channels,) for part in ("gamma", "beta", *stored)}
    return shapes


def operations(config: GeneratorConfig, window: int, *, folded: bool = False) -> float:
    """Floating-point operations for one window of so many pixels a side: two for each weight at each pixel.

    Those of the layers, or of what `folding` makes of them.
    """
    sides, total = {SOURCE: float(window)}, 0.0
    for name, operation, inputs in layers(config):
        side = sides[inputs[0]]
        if isinstance(operation, Convolution):
            side = 2 * side if operation.upsampling else side / operation.stride
            size, computed = operation.size, side / 2 if operation.upsampling == "transpose" else side
            if operation.upsampling and folded:
                size, computed = operation.folded_size, side / 2
            total += 2 * (size * computed) ** 2 * operation.channels_in * operation.filters
        sides[name] = side
    return total


def folded_weights(config: GeneratorConfig) -> int:
    """How many numbers are in the kernels of what `folding` makes of a generator."""
    convolutions = [operation for _, operation, _ in layers(config) if isinstance(operation, Convolution)]
    return sum(each.folded_size**2 * each.channels_in * each.filters for each in convolutions)


class _Drawing:
    """Each method appends layers and returns the name of the last one."""

    def __init__(self, config: GeneratorConfig) -> None:
        self.config = config
        self.layers: list[Layer] = []
        self.bias = config.bias or config.norm != "batch"  # batch norm makes it superfluous

    def unet(self) -> None:
        channels = self.config.channels
        x, count, skips = SOURCE, self.config.source_bands, []
        for level, filters in enumerate(channels):
            x = self._encode(x, count, filters, level)
            count = filters
            skips.append(x)
        skips.pop()
        for level in reversed(range(1, len(channels))):
            x = self._decode(x, count, channels[level - 1], level)
            count = channels[level - 1]
            if self.config.skips:
                x = self._add(f"skip{level}", Join(), skips.pop(), x)
                count *= 2
        x = self._add("up0_relu", ReLU(), x)
        self._tanh(self._upsample(x, count, self.config.target_bands, "up0", UNET_KERNEL, bias=True))

    def resnet(self) -> None:
        config, filters = self.config, self.config.filters
        x = self._reflected(SOURCE, config.source_bands, filters, RESNET_END_KERNEL, "start", bias=self.bias)
        x = self._activate(x, filters, "start")
        for level in range(1, RESNET_HALVINGS + 1):
            operation = Convolution(RESNET_KERNEL, filters, 2 * filters, 2, bias=self.bias)
            x, filters = (
                self._activate(self._add(f"down{level}", operation, x), 2 * filters, f"down{level}"),
                2 * filters,
            )
        for number in range(1, RESNETS[config.architecture] + 1):
            x = self._residual(x, filters, f"block{number}")
        for level in reversed(range(RESNET_HALVINGS)):
            x = self._upsample(x, filters, filters // 2, f"up{level}", RESNET_KERNEL, bias=self.bias)
            filters //= 2
            x = self._activate(x, filters, f"up{level}")
        self._tanh(self._reflected(x, filters, config.target_bands, RESNET_END_KERNEL, "end", bias=True))

    def _add(self, name: str, operation: Operation, *inputs: str) -> str:
        self.layers.append(Layer(name, operation, inputs))
        return name

    def _encode(self, x: str, count: int, filters: int, level: int) -> str:
        name = f"down{level}"
        outermost, bottleneck = level == 0, level == len(self.config.channels) - 1
        if not outermost:
            x = self._add(f"{name}_leaky", LeakyReLU(self.config.leak), x)
        x = self._add(name, Convolution(UNET_KERNEL, count, filters, 2, bias=self.bias), x)
        # Normalising the bottleneck's single pixel would erase it at batch size 1 (the paper's erratum).
        plain = outermost or (bottleneck and not self.config.bottleneck_norm)
        return x if plain else self._normalise(x, filters, name)

    def _decode(self, x: str, count: int, filters: int, level: int) -> str:
        name = f"up{level}"
        x = self._add(f"{name}_relu", ReLU(), x)
        x = self._normalise(self._upsample(x, count, filters, name, UNET_KERNEL, bias=self.bias), filters, name)
        first, last = self.config.dropout_layers
        number = len(self.config.channels) - level  # from the innermost layer on
        return self._drop(x, name) if first <= number <= last else x

    def _residual(self, x: str, filters: int, name: str) -> str:
        first, second = f"{name}a", f"{name}b"
        y = self._reflected(x, filters, filters, RESNET_KERNEL, first, bias=self.bias)
        y = self._drop(self._activate(y, filters, first), first)
        y = self._reflected(y, filters, filters, RESNET_KERNEL, second, bias=self.bias)
        return self._add(f"{name}_sum", Add(), x, self._normalise(y, filters, second))

    def _activate(self, x: str, filters: int, name: str) -> str:
        return self._add(f"{name}_relu", ReLU(), self._normalise(x, filters, name))

    def _normalise(self, x: str, filters: int, name: str) -> str:
        return x if self.config.norm == "none" else self._add(f"{name}_norm", Normalise(filters), x)

    def _drop(self, x: str, name: str) -> str:
        return self._add(f"{name}_dropout", Dropout(self.config.dropout), x) if self.config.dropout else x

    def _upsample(self, x: str, count: int, filters: int, name: str, size: int, *, bias: bool) -> str:
        """Twice as high and wide; `size` is the transposed convolution's."""
        size = RESIZED_KERNEL if self.config.upsampling == "resize" else size
        return self._add(name, Convolution(size, count, filters, bias=bias, upsampling=self.config.upsampling), x)

    def _reflected(self, x: str, count: int, filters: int, size: int, name: str, *, bias: bool) -> str:
        """A convolution that finds the picture mirrored at its borders."""
        x = self._add(f"{name}_pad", Reflect(size // 2), x)
        return self._add(name, Convolution(size, count, filters, bias=bias, padded=False), x)

    def _tanh(self, x: str) -> str:
        return self._add(TARGET, Tanh(), x)
