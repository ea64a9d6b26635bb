"""Progress bars: on a terminal only, with rate and time left."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def progress_bar(unit: str, *, quiet: bool) -> Iterator[Any]:
    """A tqdm bar on standard error; silent in a pipe or when `quiet`."""
    from tqdm import tqdm

    with tqdm(
        unit=f" {unit}", disable=quiet or not sys.stderr.isatty(), dynamic_ncols=True, smoothing=0.1, leave=False
    ) as bar:
        yield bar
