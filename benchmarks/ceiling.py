"""What the truth itself would score if it lay a little off, or were blurred: how far any model can get on these pairs.

    python benchmarks/ceiling.py --pairs DIR... [--split val]

Windows of 256 px side by side of all folders together, scored as by `sartranslate evaluate`. The mean colour is the
baseline of that name, fitted on the very windows.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from script import begin

from sartranslate.backscatter.radiometry import to_rgb
from sartranslate.datasets.fixed_windows import windows_to_score
from sartranslate.datasets.split import SPLITS
from sartranslate.evaluate.tile_images import open_evaluated
from sartranslate.quality import metrics
from sartranslate.quality.pyramid import high_frequency_ratio
from sartranslate.quality.wasserstein import sliced_wasserstein

SIZE = 256  # pixels
ALL = 10**6  # windows
SHIFTS = (1, 2, 3, 4)  # pixels, to the right
BLURS = (1, 2, 4, 8)  # pixels, deviation

Pictures = NDArray[np.uint8]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path, nargs="+", required=True)
    parser.add_argument("--split", default="val", choices=SPLITS)
    arguments = parser.parse_args()
    pairs = open_evaluated(arguments.pairs, arguments.split).pairs
    truth = np.stack([to_rgb(window.target) for window in windows_to_score(pairs, SIZE, ALL)])
    print(f"{len(truth)} windows")
    for name, pictures in _variants(truth):
        distance = sliced_wasserstein(pictures, truth, np.random.default_rng(0)).mean
        print(
            f"{name:20s} PSNR {metrics.psnr(pictures, truth):5.2f}  SSIM {metrics.ssim(pictures, truth):.3f}  "
            f"MAE {metrics.mae(pictures, truth):5.2f}  sliced Wasserstein {distance:.3f}  "
            f"high-frequency ratio {high_frequency_ratio(pictures, truth):.3f}",
            flush=True,
        )


def _variants(truth: Pictures) -> Iterator[tuple[str, Pictures]]:
    mean = np.rint(truth.mean(axis=(0, 1, 2))).astype(np.uint8)
    yield "mean colour", np.broadcast_to(mean, truth.shape)
    for pixels in SHIFTS:
        yield f"truth {pixels} px off", np.roll(truth, pixels, axis=2)
    for deviation in BLURS:
        yield f"truth blurred {deviation} px", gaussian_filter(truth, (0, deviation, deviation, 0))


if __name__ == "__main__":
    begin(main)
