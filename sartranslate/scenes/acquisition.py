"""When a scene was acquired, as its name or a tag of its file tells."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import datetime, timezone
from typing import NamedTuple

from sartranslate.rasters.raster import opened_raster
from sartranslate.scenes.scene import Scene
from sartranslate.scenes.sentinel1 import MEASUREMENT_NAME, PRODUCT_NAME

TIMES = re.compile(r"[_-](\d{8}T\d{6})[_-](\d{8}T\d{6})(?!\d)", re.IGNORECASE)  # after the polarisation in a name
TAGS = (("IMAGERY", "ACQUISITIONDATETIME"), (None, "TIFFTAG_DATETIME"))  # domain and name, the better one first
OFFSET = re.compile(r"[+-](0\d|1[0-4]):?[0-5]\d$")  # from UTC, at the end of a time
FORMATS = ("%Y:%m:%d %H:%M:%S", "%Y-%m-%d %H:%M:%S")


class Acquisition(NamedTuple):
    """From when to when, UTC, and what tells it."""

    start: datetime
    end: datetime
    told_by: str


def acquisition(scene: Scene) -> Acquisition | None:
    """That of a scene named in Sentinel-1's form, else as tagged, else None.

    TIFFTAG_DATETIME is when an image was made, which some processors take for the acquisition and others do not.
    Raises `SceneError` for a file that is gone.
    """
    for name in (scene.path, *scene.files):
        if times := named_times(name):
            return Acquisition(*times, "the name of the scene")
    return _tagged(scene)


def named_times(name: str) -> tuple[datetime, datetime] | None:
    """Start and end in the name of a Sentinel-1 product or measurement, or of what is derived from one.

    >>> [str(time) for time in named_times("S1A_IW_GRDH_1SDV_20201107T052605_20201107T052630_035143_VH.tif")]
    ['2020-11-07 05:26:05+00:00', '2020-11-07 05:26:30+00:00']
    """
    for part in reversed(re.split(r"[/\\]", name)):  # a folder may have the name of another product
        if times := _times_of(part):
            return times
    return None


def _times_of(name: str) -> tuple[datetime, datetime] | None:
    for found in (*PRODUCT_NAME.finditer(name), *MEASUREMENT_NAME.finditer(name)):
        if times := TIMES.match(name, found.end()):
            with suppress(ValueError):
                start, end = (_parsed(text.upper(), "%Y%m%dT%H%M%S") for text in times.groups())
                return (start, end) if start <= end else None
    return None


def _tagged(scene: Scene) -> Acquisition | None:
    for name in (scene.unwarped or scene).datasets:
        with opened_raster(name) as dataset:
            found = [(tag, dataset.tags(ns=domain).get(tag, "")) for domain, tag in TAGS]
        for tag, text in found:
            for form in FORMATS:
                with suppress(ValueError, OverflowError):
                    offset = OFFSET.search(text[19:])
                    told = f"{text[:19].replace('T', ' ')}{offset[0] if offset else '+00:00'}"
                    time = datetime.strptime(told, f"{form}%z").astimezone(timezone.utc)
                    return Acquisition(time, time, f"the tag {tag} of the scene")
    return None


def _parsed(text: str, form: str) -> datetime:
    return datetime.strptime(text, form).replace(tzinfo=timezone.utc)
