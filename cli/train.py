"""`sartranslate train`."""

from __future__ import annotations

from pathlib import Path

import click

from . import options
from .progress import progress_bar


@click.command()
@click.option(
    "--pairs",
    "folders",
    type=options.FOLDER,
    multiple=True,
    required=True,
    help="Folder from `sartranslate pairs`, or with sar/ and optical/ of the same file stems; may be repeated.",
)
@click.option("--out", "run", type=options.FOLDER, required=True, help="Folder for the model and its history.")
@click.option("--epochs", default=200, show_default=True, help="Passes over all pairs.")
@click.option("--batch-size", default=1, show_default=True, help="Crops in an update.")
@click.option("--filters", default=64, show_default=True, help="Filters of the generator's first layer.")
@click.option("--discriminator-filters", default=64, show_default=True, help="Filters of its opponent's.")
@click.option(
    "--upsampling",
    type=click.Choice(["transpose", "resize"]),
    default="transpose",
    show_default=True,
    help="Transposed convolution as in the paper, or resize + convolution without checkerboards.",
)
@click.option(
    "--bands",
    default="VH|VV",
    show_default=True,
    help="Polarisations of the model's channels: comma between channels, | between alternatives.",
)
@click.option("--learning-rate", default=2e-4, show_default=True, help="Constant, then linear to 0 in the second half.")
@click.option("--l1-weight", default=100.0, show_default=True, help="Weight of the L1 loss.")
@click.option("--seed", default=0, show_default=True, help="Of weights, dropout, order and augmentation.")
@options.unit
@options.precision("float32", "bfloat16")
@options.backend
@options.overwrite
@options.quiet
def train(
    folders: tuple[Path, ...],
    run: Path,
    backend: str | None,
    overwrite: bool,
    quiet: bool,
    bands: str,
    filters: int,
    upsampling: str,
    learning_rate: float,
    l1_weight: float,
    discriminator_filters: int,
    **settings: int | str | None,
) -> None:
    """Fit the Pix2Pix GAN on folders of paired tiles.

    Tiles are scaled as the scene that they were cut out of, loose ones together with those of their folder, and
    all of a folder together where --unit is given. After every epoch RUN/model.safetensors is a model for
    `sartranslate infer --model`.
    """
    from sartranslate import backend as framework

    framework.select(backend)
    from sartranslate import training
    from sartranslate.architecture import GeneratorConfig
    from sartranslate.objective import Objective
    from sartranslate.polarisation import parse_channels
    from sartranslate.radiometry import Radiometry

    channels = parse_channels(bands)
    chosen = training.TrainingOptions(
        generator=GeneratorConfig(source_bands=len(channels), filters=filters, upsampling=upsampling),
        radiometry=Radiometry(bands=channels),
        objective=Objective(learning_rate, l1_weight, discriminator_filters),
        overwrite=overwrite,
        **settings,  # type: ignore[arg-type]
    )
    with progress_bar("updates", quiet=quiet) as bar:

        def watch(progress: training.Progress) -> None:
            bar.total = progress.updates
            bar.set_postfix(epoch=progress.epoch, **progress.losses._asdict(), refresh=False)
            bar.update()

        summary = training.train(list(folders), run, chosen, watch)
    if not quiet:
        for scaling in summary.scalings:
            click.echo(scaling)
        click.echo(f"{summary.model}: {summary.pairs} pairs, {summary.updates} updates, L1 {summary.final_l1:.3f}")
