"""What a user says of an optical image: options of the commands that read one."""

from __future__ import annotations

from functools import wraps
from typing import Any

import click

from .options import Command, Decorator, with_options


def optical_in(image: str, coloured: str | None = None) -> Decorator:
    """What a user says of the optical image that an argument or option of that name names, gathered into `optical`.

    `coloured` is what the bands are those of, where more than that.
    """

    def with_optical(command: Command) -> Command:
        @wraps(command)
        def gathered(**settings: Any) -> Any:
            from dataclasses import fields

            from sartranslate.scenes.optical import OpticalOptions

            told = {field.name: settings.pop(field.name) for field in fields(OpticalOptions)}
            return command(optical=OpticalOptions(**told), **settings)

        return with_options(gathered, [rgb_of(coloured or image), *_optical_options(image)])

    return with_optical


def _value_or_none(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """NaN, which no pixel equals, for "none"."""
    if value is None:
        return None
    try:
        return float("nan" if value == "none" else value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r}: expected a number, or none") from error


def rgb_of(images: str) -> Decorator:
    """`--rgb`."""
    return click.option(
        "--rgb", metavar="R,G,B", callback=_colours, help=f"Bands of {images}.  [default: by colour or name]"
    )


def _optical_options(image: str) -> list[Decorator]:
    return [
        click.option(
            "--stretch",
            type=(float, float),
            metavar="LOW HIGH",
            help=f"Values of {image} that become 0 and 255."
            "  [default: bytes as they are, else the 1st and 99th percentile]",
        ),
        click.option(
            "--subtract-haze",
            is_flag=True,
            help=f"Take the haze out of {image}, which is not corrected for the atmosphere: the darkest of each colour "
            "becomes 0, in place of LOW.",
        ),
        click.option(
            "--neutral-haze",
            type=click.FloatRange(0, 1),
            default=0.0,
            metavar="SHARE",
            help=f"Take this share of its colour out of the haze of {image}, from 0 to 1, and none of its brightness.",
        ),
        click.option(
            "--optical-nodata",
            metavar="VALUE|none",
            callback=_value_or_none,
            help=f"Value of {image} that means no data where all of its bands have it; none: black is a colour."
            "  [default: as declared, else black where parts of it are so]",
        ),
    ]


def _colours(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, ...]:
    if value is None:
        return ()
    numbers = value.split(",")
    if len(numbers) != 3 or not all(number.strip().isdecimal() for number in numbers):
        raise click.BadParameter(f"{value!r}: expected three band numbers, such as 4,3,2")
    return tuple(int(number) for number in numbers)
