"""FID and LPIPS, by the packages of their authors, where these and their weights are present; nothing is downloaded.

FID: Heusel et al. 2017 (NeurIPS), by pytorch_fid. LPIPS: Zhang et al. 2018 (CVPR), by lpips with AlexNet. Both look at
pictures through networks trained on photographs of everyday things. Neither is ever approximated.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sartranslate.pages.sheet import encoded
from sartranslate.quality.bootstrap import Resamples
from sartranslate.quality.scores import Score
from sartranslate.storage.atomic import write_whole

FID_WEIGHTS = "pt_inception-2015-12-05-6726825d.pth"
LPIPS_WEIGHTS = "alexnet-owt-7be5be79.pth"
FEATURES = 2048  # of Inception's last pooling, of which FID is made
BATCH = 32  # pictures
LEAST_SIDE = 32  # pixels, of a picture that AlexNet can look at
TRUTH = "truth"  # folder of the true pictures


class Perceptual:
    """Takes the pictures of all methods, image by image; has what scores can be had, and notes on others."""

    def __init__(self, folder: Path, set_size: tuple[int, int], least_side: int) -> None:
        """`folder` is an empty one, for the pictures of one size that FID is of; no picture has a shorter side."""
        self._folder, self._set_size = folder, set_size
        self.notes: list[str] = []
        self._fid = self._available("FID", "pytorch_fid", FID_WEIGHTS, _fid)
        small = least_side < LEAST_SIDE
        self._lpips = None if small else self._available("LPIPS", "lpips", LPIPS_WEIGHTS, _lpips)
        if small:
            self.notes.append(f"LPIPS: expected images of at least {LEAST_SIDE} x {LEAST_SIDE} pixels.")
        self._distances: dict[str, list[float]] = {}
        self._pictures = 0

    def add(self, names: Sequence[str], stack: NDArray[Any]) -> None:
        """Pictures of these methods and the truth, (H, W, 3 x (methods + 1)) levels, valid everywhere."""
        *pictures, truth = np.split(np.rint(stack).astype(np.uint8), len(names) + 1, axis=-1)
        if self._lpips:
            for name, picture in zip(names, pictures, strict=True):
                self._distances.setdefault(name, []).append(self._lpips(picture, truth))
        if self._fid and truth.shape[:2] == self._set_size:
            for folder, picture in zip((*map(str, range(len(names))), TRUTH), (*pictures, truth), strict=True):
                (self._folder / folder).mkdir(exist_ok=True)
                write_whole(self._folder / folder / f"{self._pictures}.png", encoded(picture))
            self._pictures += 1

    def scores(self, names: Sequence[str], resamples: Resamples) -> Mapping[str, dict[str, Score]]:
        """By method, then by names of METRICS. FID has no interval."""
        found: dict[str, dict[str, Score]] = {name: {} for name in names}
        for number, name in enumerate(names):
            if self._fid and self._pictures > 1:
                paths = [str(self._folder / str(number)), str(self._folder / TRUTH)]
                found[name]["fid"] = Score(self._fid(paths, min(BATCH, self._pictures)))
            if self._lpips:
                found[name]["lpips"] = resamples.mean(self._distances[name])
        if self._fid and self._pictures > 1:
            self.notes.append(
                f"FID: of {self._pictures} images. It is biased upwards the more the fewer images there are: compare "
                "only values of as many."
            )
        elif self._fid:
            self.notes.append("FID: expected at least two images of one size.")
        return found

    def _available(self, label: str, package: str, weights: str, load: Callable[[], Callable[..., float]]) -> Any:
        file = weights_folder() / weights
        try:
            loaded = load() if file.is_file() else None
        except ImportError:
            self.notes.append(f"{label}: the package {package} is not installed.")
            return None
        if loaded is None:
            self.notes.append(
                f"{label}: {file}, the weights that {package} takes, is not there, and nothing is downloaded."
            )
        return loaded


def weights_folder() -> Path:
    """Where PyTorch keeps weights that have been downloaded."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(os.environ.get("TORCH_HOME", os.path.join(cache, "torch"))).expanduser() / "hub" / "checkpoints"


def _fid() -> Callable[[Sequence[str], int], float]:
    from pytorch_fid.fid_score import calculate_fid_given_paths

    def distance(paths: Sequence[str], batch: int) -> float:
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):  # it tells of its progress
            return float(calculate_fid_given_paths(list(paths), batch, "cpu", FEATURES))

    return distance


def _lpips() -> Callable[[NDArray[np.uint8], NDArray[np.uint8]], float]:
    from lpips import LPIPS, im2tensor

    network = LPIPS(net="alex", verbose=False)
    return lambda picture, truth: float(network(im2tensor(picture), im2tensor(truth)).item())
