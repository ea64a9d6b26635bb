"""Options that several commands share, and checks that need no library."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from .path_types import ANY, MODEL
from .progress import LINES

if TYPE_CHECKING:
    from sartranslate.scenes.area_file import Area

Command = Callable[..., Any]
Decorator = Callable[[Command], Command]
Box = tuple[float, float, float, float]

WINDOW, OVERLAP = 256, 64  # pixels, of a translation where nobody says


def precision(*choices: str) -> Decorator:
    """`--precision`, with what the command can compute in."""
    return click.option(
        "--precision",
        type=click.Choice(["auto", *choices]),
        default="auto",
        show_default=True,
        help="Arithmetic of the networks; auto takes what the device is fast at.",
    )


def _note_lines(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    ctx.meta[LINES] = value


backend: Decorator = click.option(
    "--backend",
    type=click.Choice(["tensorflow", "torch"]),
    help="Deep-learning framework.  [default: $KERAS_BACKEND, or tensorflow if installed]",
)
unit: Decorator = click.option(
    "--unit",
    type=click.Choice(["db", "power", "amplitude", "byte"]),
    help="What the SAR values are.  [default: decided by type and distribution, and said]",
)
quiet: Decorator = click.option("-q", "--quiet", is_flag=True, help="No progress bar and no summary line.")
progress: Decorator = click.option(
    "--progress",
    is_flag=True,
    expose_value=False,
    callback=_note_lines,
    help="For programs: lines such as `progress 12/961` on standard error, with --quiet as well.",
)
overwrite: Decorator = click.option("--overwrite", is_flag=True, help="Replace what exists.")
model: Decorator = click.option(
    "--model",
    type=MODEL,
    metavar="default|FILE",
    help="A model from `sartranslate train`.  [default: the embedded one]",
)
window: Decorator = click.option(
    "--window", default=WINDOW, show_default=True, help="Height and width of a window in pixels."
)
overlap: Decorator = click.option(
    "--overlap", default=OVERLAP, show_default=True, help="Pixels shared and blended by neighbouring windows."
)
direction: Decorator = click.option(
    "--direction", type=click.Choice(["AtoB", "BtoA"]), help="Of side-by-side images, A on the left.  [default: AtoB]"
)
skip_bad: Decorator = click.option("--skip-bad", is_flag=True, help="Leave out pairs that can not be used.")


def _keep_local(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        from sartranslate.rasters.local_only import restrict

        restrict()


local_only: Decorator = click.option(
    "--local-only",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_keep_local,
    envvar="SARTRANSLATE_LOCAL_ONLY",
    show_envvar=True,
    help="Open files of this machine only, whatever a file leads to.",
)


def warp(raster: str) -> Decorator:
    """`--warp`, for a truth that does not lie on the pixels of a raster of that name."""
    return click.option("--warp", is_flag=True, help=f"Put --truth on the grid of {raster}.")


def paths(*names: str, otherwise: str = "") -> Decorator:
    """Positional arguments, of which the first, the scene, is left out where `--band` names its files."""
    return click.argument("paths", nargs=-1, type=ANY, metavar=" ".join([f"[{names[0]}]", *names[1:]]) + otherwise)


def split_paths(paths: tuple[str, ...], named: bool, *names: str) -> tuple[str | None, ...]:
    """The scene, or None where `named` files stand for it, and the other arguments."""
    expected = names[1:] if named else names
    if named and len(paths) == len(names):
        raise click.UsageError(f"{names[0]} and --band are both given, expected one of them")
    if len(paths) != len(expected):
        instead = "" if named else f", or --band for each file in place of {names[0]}"
        count = f"{len(paths)} argument{'' if len(paths) == 1 else 's'}"
        raise click.UsageError(f"{count}, expected {' '.join(expected)}{instead}")
    return (None, *paths) if named else paths


def _files(ctx: click.Context, param: click.Parameter, entries: tuple[str, ...]) -> dict[str, str]:
    files = {}
    for entry in entries:
        name, _, path = entry.partition("=")
        if not path or name.upper() in files:
            raise click.BadParameter(f"{entry!r}: expected a file for each polarisation once, such as VV=vv.tif")
        files[name.upper()] = path
    return files


def _band(place: str) -> Decorator:
    """`--band`, in place of the argument or option that is the scene elsewhere."""
    return click.option(
        "--band",
        "files",
        metavar="POL=FILE",
        multiple=True,
        callback=_files,
        help=f"A single-band file of the scene, in place of {place}; repeat for VV and VH.",
    )


_SCENE_OPTIONS: list[Decorator] = [
    click.option(
        "--bidx",
        "bands",
        type=int,
        multiple=True,
        help="Band to use, from 1; repeat in the order wanted.  [default: by name]",
    ),
    click.option("--nodata", type=float, help="Value that means no data.  [default: as the file says]"),
    click.option("--crs", help="Of the grid for a scene with ground control points only.  [default: its UTM zone]"),
    click.option("--resolution", type=float, help="Of that grid, in units of its CRS.  [default: the scene's]"),
    click.option(
        "--gcps",
        type=click.Choice(["polynomial", "tps"]),
        help="How ground control points place a scene: third order, or thin-plate spline.  [default: by fit]",
    ),
    click.option("--allow-ungeoreferenced", is_flag=True, help="Go ahead in pixel coordinates if there is no CRS."),
    local_only,
]
_AREA_OPTIONS: list[Decorator] = [
    click.option(
        "--aoi",
        type=click.Path(),
        metavar="FILE|WKT",
        help="Polygon that the output is cut to: any vector file, or text.",
    ),
    click.option("--aoi-crs", help="CRS of the area.  [default: as its file says; of a box: longitude, latitude]"),
    click.option("--bbox", type=(float, float, float, float), metavar="W S E N", help="The same for a box."),
]


def scene_in(place: str) -> Decorator:
    """What a user says of the scene that an argument or option names, gathered into one argument `scene`."""

    def with_scene(command: Command) -> Command:
        @wraps(command)
        def gathered(**settings: Any) -> Any:
            from sartranslate.scenes.source import SceneOptions

            names = ("files", "bands", "nodata", "crs", "resolution", "gcps", "allow_ungeoreferenced")
            return command(scene=SceneOptions(**{name: settings.pop(name) for name in names}), **settings)

        return with_options(gathered, [_band(place), *_SCENE_OPTIONS])

    return with_scene


scene = scene_in("the first argument")


def area(command: Command) -> Command:
    """An area of interest, gathered into one argument `area`."""

    @wraps(command)
    def gathered(aoi: str | None, aoi_crs: str | None, bbox: Box | None, **settings: Any) -> Any:
        return command(area=_area(aoi, aoi_crs, bbox), **settings)

    return with_options(gathered, _AREA_OPTIONS)


def with_options(command: Command, decorators: list[Decorator]) -> Command:
    """All of them, in the order of the help."""
    for decorator in reversed(decorators):
        command = decorator(command)
    return command


def _area(aoi: str | None, aoi_crs: str | None, bbox: Box | None) -> Area | None:
    if aoi is not None and bbox is not None:
        raise click.UsageError("--aoi and --bbox are both given, expected one of them")
    if aoi_crs is not None and aoi is None and bbox is None:
        raise click.UsageError("--aoi-crs without --aoi or --bbox")
    if aoi is None and bbox is None:
        return None
    from sartranslate.scenes.area_file import bbox_area, read_area

    return bbox_area(*bbox, crs=aoi_crs) if bbox is not None else read_area(str(aoi), aoi_crs)
