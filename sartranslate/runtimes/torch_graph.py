"""A folded generator in PyTorch: kernels laid out once, channels last, in its own precision."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn import functional

from sartranslate.backscatter.radiometry import Float
from sartranslate.runtimes import steps
from sartranslate.runtimes.framework_results import FrameworkResults, exact_convolutions
from sartranslate.runtimes.steps import Convolve, Folded


def graph(folded: Folded, precision: str) -> Callable[..., Any]:
    """A call from float32 (N, H, W, bands), and seeds (N,) if it takes any, to float32, on the device they are on."""
    dtype = getattr(torch, precision)
    exact = exact_convolutions(folded, precision)
    constants: dict[tuple[int, Any, Any], Any] = {}

    def compute(source: Any, seeds: Any = None) -> Any:
        results = _Results(dtype, exact, seeds, constants)
        return steps.evaluate(folded, source, results).float()

    return torch.inference_mode()(compute)  # type: ignore[no-any-return]


class _Results(FrameworkResults):
    """As (N, C, H, W) they are what PyTorch calls channels last, which its convolutions keep."""

    float32 = torch.float32

    def __init__(
        self, dtype: Any, exact: Sequence[Convolve], seeds: Any, constants: dict[tuple[int, Any, Any], Any]
    ) -> None:
        super().__init__(dtype, exact, seeds)
        self._constants = constants

    def convolve(self, step: steps.Convolve, x: Any) -> Any:
        kernel, bias = (self._constant(values, self._dtype_of(step), x.device) for values in (step.kernel, step.bias))
        before, behind = step.padding
        x = x.to(kernel.dtype).permute(0, 3, 1, 2)
        if before != behind:
            x = functional.pad(x, (before, behind, before, behind))
            before = 0
        return functional.conv2d(x, kernel, bias, step.stride, before).permute(0, 2, 3, 1)

    def shuffle(self, step: steps.Shuffle, x: Any) -> Any:
        before, behind = step.border
        count, height, width, channels = x.shape
        x = x.reshape(count, height, width, 2, 2, channels // 4).permute(0, 1, 3, 2, 4, 5)
        x = x.reshape(count, 2 * height, 2 * width, channels // 4)
        return x[:, before : 2 * height - behind, before : 2 * width - behind]

    def standardise(self, step: steps.Standardise, x: Any) -> Any:
        x = x.float()  # sums over a patch overflow in half precision
        variance, mean = torch.var_mean(x, (1, 2), correction=0, keepdim=True)
        scale, offset = (self._constant(values, torch.float32, x.device) for values in (step.scale, step.offset))
        return ((x - mean) * torch.rsqrt(variance + step.epsilon) * scale + offset).to(self._dtype)

    def join(self, first: Any, second: Any) -> Any:
        return torch.cat([first.to(self._dtype), second.to(self._dtype)], -1)

    def tanh(self, x: Any) -> Any:
        return torch.tanh(x.float())

    def relu(self, x: Any) -> Any:
        return functional.relu(x)

    def leaky_relu(self, x: Any, slope: float) -> Any:
        return functional.leaky_relu(x, slope)

    def _constant(self, values: Float, dtype: Any, device: Any) -> Any:
        """An array on the device, a kernel as PyTorch lays it out; brought there once."""
        key = (id(values), dtype, device)
        if key not in self._constants:
            constant = torch.from_numpy(values).to(dtype)
            if values.ndim == 4:
                constant = constant.permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)
            self._constants[key] = constant.to(device)
        return self._constants[key]
