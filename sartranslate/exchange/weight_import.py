"""Generators that others have trained, as models of ours."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from sartranslate.backscatter.radiometry import IMAGE, Radiometry
from sartranslate.errors import BundleError
from sartranslate.exchange.peer_weights import generator_of
from sartranslate.exchange.torch_file import read_state
from sartranslate.networks import bundle
from sartranslate.networks.bundle import Description
from sartranslate.outputs.output import check_report
from sartranslate.runtimes.folding import fold

CHANNELS = {1: (("VH", "VV"),), 2: (("VV",), ("VH",)), 3: IMAGE.bands}  # by number, where nobody says


@dataclass(frozen=True)
class ImportOptions:
    """What weights do not say."""

    scaling: str = "image"  # one of SCALINGS: pytorch-CycleGAN-and-pix2pix is fed with bytes
    low: float = 0.0  # becomes -1, see `Radiometry`
    high: float = 255.0
    bands: tuple[tuple[str, ...], ...] | None = None  # polarisations of the channels; None: by their number
    test_mode: str = "stored"  # one of TEST_MODES
    dropout: bool = True  # a U-Net has been trained with it; of a ResNet the tensors tell
    overwrite: bool = False


def import_weights(weights: Path, out: Path, options: ImportOptions | None = None) -> Description:
    """Write the generator with this state dict of PyTorch to `out`, as a model; kernels stay float32.

    Raises `BundleError` for a file that holds no generator of pytorch-CycleGAN-and-pix2pix or one with other bands,
    `OptionError` for a scaling that can not be, `OutputError` where `out` exists or can not be written, and
    `BackendError` without PyTorch.
    """
    options = options or ImportOptions()
    check_report(out, [weights], "imported", overwrite=options.overwrite)
    state = read_state(weights)
    try:
        config, variables = generator_of(state, options.test_mode)
        config = config if options.dropout else replace(config, dropout=0.0)
        radiometry = _radiometry(config.source_bands, options)
        fold(config, variables)  # which refuses what can not be computed with
    except BundleError as error:
        raise BundleError(f"{weights}: {error}") from error
    provenance = {"imported": weights.name, "from": "pytorch-CycleGAN-and-pix2pix"}
    description = Description(weights.stem, config, radiometry, provenance)
    bundle.save_variables(out, description, variables, storage="float32", overwrite=options.overwrite)
    return description


def _radiometry(channels: int, options: ImportOptions) -> Radiometry:
    bands = options.bands or CHANNELS.get(channels)
    if bands is None or len(bands) != channels:
        told = f"{len(options.bands)} told" if options.bands else "none told"
        raise BundleError(f"the generator takes {channels} channels, but polarisations: {told}; expected --bands")
    return replace(IMAGE, bands=bands, scaling=options.scaling, low=options.low, high=options.high)
