"""The peer of `train_throughput.py` and `infer_throughput.py`: Pix2Pix in plain PyTorch, in its fastest layout."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from torch import Tensor, nn

from sartranslate.exchange.peer_weights import PARTS

LEVELS, FILTERS = 8, 64
CRITIC = ((64, 2), (128, 2), (256, 2), (512, 1))  # filters and stride
L1_WEIGHT = 100.0


class UNet(nn.Module):  # type: ignore[misc]
    """A U-Net of so many levels, one band to three; "resize" enlarges by nearest neighbour before a convolution."""

    def __init__(
        self,
        dropout: float,
        dropout_levels: tuple[int, ...],
        filters: int = FILTERS,
        upsampling: str = "transpose",
        levels: int = LEVELS,
    ) -> None:
        super().__init__()
        widths = [filters * min(2**level, 8) for level in range(levels)]
        inputs, outputs = (1, *widths[:-1]), (3, *widths[:-1])
        self.last = last = levels - 1
        self.down = nn.ModuleList(nn.Conv2d(i, o, 4, 2, 1, bias=False) for i, o in zip(inputs, widths, strict=True))
        self.down_norm = nn.ModuleList(
            nn.BatchNorm2d(o) if 0 < level < last else nn.Identity() for level, o in enumerate(widths)
        )
        self.up = nn.ModuleList(
            _upsampling(upsampling, i * (1 if level == last else 2), o, bias=level == 0)
            for level, (i, o) in enumerate(zip(widths, outputs, strict=True))
        )
        self.up_norm = nn.ModuleList(nn.BatchNorm2d(o) if level else nn.Identity() for level, o in enumerate(outputs))
        self.dropout, self.dropout_levels = dropout, dropout_levels

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for level, (convolution, norm) in enumerate(zip(self.down, self.down_norm, strict=True)):
            x = norm(convolution(F.leaky_relu(x, 0.2) if level else x))
            skips.append(x)
        skips.pop()
        for level in range(self.last, 0, -1):
            x = self.up_norm[level](self.up[level](F.relu(x)))
            if self.dropout and level in self.dropout_levels:
                x = F.dropout(x, self.dropout)
            x = torch.cat([skips.pop(), x], 1)
        return torch.tanh(self.up[0](F.relu(x)))


class PatchGan(nn.Module):  # type: ignore[misc]
    """The 70 x 70 PatchGAN of four bands in all."""

    def __init__(self) -> None:
        super().__init__()
        inputs = (4, *(filters for filters, _ in CRITIC[:-1]))
        self.patch = nn.ModuleList(
            nn.Conv2d(i, filters, 4, stride, 1, bias=level == 0)
            for level, (i, (filters, stride)) in enumerate(zip(inputs, CRITIC, strict=True))
        )
        self.patch_norm = nn.ModuleList(
            nn.BatchNorm2d(filters) if level else nn.Identity() for level, (filters, _) in enumerate(CRITIC)
        )
        self.logits = nn.Conv2d(CRITIC[-1][0], 1, 4, 1, 1)

    def forward(self, source: Tensor, picture: Tensor) -> Tensor:
        x = torch.cat([source, picture], 1)
        for convolution, norm in zip(self.patch, self.patch_norm, strict=True):
            x = F.leaky_relu(norm(convolution(x)), 0.2)
        logits: Tensor = self.logits(x)
        return logits


class Peer:
    """Both networks, fused Adam, channels last, autocast; the discriminator is updated first."""

    def __init__(self, precision: str, device: str, dropout: float, dropout_levels: tuple[int, ...]) -> None:
        self.device, self.precision = device, precision
        self.generator = self._placed(UNet(dropout, dropout_levels))
        self.discriminator = self._placed(PatchGan())
        options: dict[str, Any] = {"lr": 2e-4, "betas": (0.5, 0.999), "fused": True}
        self._generator_adam = torch.optim.Adam(self.generator.parameters(), **options)
        self._discriminator_adam = torch.optim.Adam(self.discriminator.parameters(), **options)

    def step(self, source: NDArray[np.float32], target: NDArray[np.float32]) -> tuple[float, float, float]:
        """One update on (N, H, W, bands) and (N, H, W, 3); the generator's, the discriminator's and the L1 loss."""
        x, y = self._tensor(source), self._tensor(target)
        with self._autocast():
            fake = self.generator(x)
        fake = fake.float()
        self._train(self.discriminator, True)
        real, false = self._judge(x, y), self._judge(x, fake.detach())
        judged = 0.5 * (_entropy(real, 1.0) + _entropy(false, 0.0))
        self._move(self._discriminator_adam, judged)
        self._train(self.discriminator, False)
        fooling, l1 = _entropy(self._judge(x, fake), 1.0), (fake - y).abs().mean()
        self._move(self._generator_adam, fooling + L1_WEIGHT * l1)
        return fooling.item(), judged.item(), l1.item()

    def load(self, weights: Mapping[str, NDArray[Any]]) -> None:
        """Take over kernels, biases, scales and offsets from their names in Keras."""
        for name, array in weights.items():
            network, path = name.split("/", 1)
            copy_weight(getattr(self, network), path, array)

    def _judge(self, source: Tensor, picture: Tensor) -> Tensor:
        with self._autocast():
            logits = self.discriminator(source, picture)
        return logits.float()

    def _autocast(self) -> AbstractContextManager[Any]:
        autocast: AbstractContextManager[Any] = torch.autocast(
            self.device, torch.bfloat16, enabled=self.precision == "bfloat16"
        )
        return autocast

    def _placed(self, network: nn.Module) -> Any:
        return network.to(self.device, memory_format=torch.channels_last)

    def _tensor(self, images: NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(images).to(self.device).permute(0, 3, 1, 2)

    @staticmethod
    def _train(network: nn.Module, wanted: bool) -> None:
        for parameter in network.parameters():
            parameter.requires_grad_(wanted)

    @staticmethod
    def _move(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def copy_weight(network: nn.Module, path: str, array: NDArray[Any]) -> None:
    """Into the variable that Keras calls by `path`, such as "down3_norm/gamma"."""
    layer, kind = path.split("/")
    stem, _, norm = layer.partition("_")
    name = stem.rstrip("0123456789")
    found = getattr(network, f"{name}_norm" if norm else name)
    found = found[int(stem[len(name) :])] if stem != name else found
    found = found[-1] if isinstance(found, nn.Sequential) else found
    # (h, w, in, out) of a convolution and (h, w, out, in) of a transposed one become the last two first.
    values = torch.from_numpy(array.transpose(3, 2, 0, 1) if array.ndim == 4 else array)
    with torch.no_grad():
        getattr(found, PARTS[kind]).copy_(values)


def _upsampling(kind: str, inputs: int, outputs: int, *, bias: bool) -> nn.Module:
    if kind == "resize":
        return nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(inputs, outputs, 3, 1, 1, bias=bias))
    return nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=bias)


def _entropy(logits: Tensor, label: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))
