"""The surfaces of the made-up landscape: what each looks like to a camera and to a C-band radar."""

from enum import IntEnum
from typing import NamedTuple


class Cover(IntEnum):
    """Land cover classes."""

    WATER = 0
    FIELD = 1
    FOREST = 2
    ROAD = 3
    BUILDING = 4
    GARDEN = 5
    BARE = 6


class Material(NamedTuple):
    """What one surface looks like to both sensors."""

    cover: Cover
    red: int
    green: int
    blue: int
    vv: float  # sigma0, dB, flat ground
    vh: float
    grain: float  # relative pixel-to-pixel variation in the optical image
    height: float  # 1 = a house: how much of a wall and a shadow it makes


MATERIALS = (
    Material(Cover.WATER, 20, 46, 60, -20.0, -28.0, 0.015, 0.0),
    Material(Cover.WATER, 34, 66, 70, -19.5, -27.5, 0.02, 0.0),
    Material(Cover.FOREST, 28, 52, 34, -8.8, -13.8, 0.16, 0.30),
    Material(Cover.FOREST, 42, 70, 36, -8.2, -13.2, 0.13, 0.25),
    Material(Cover.ROAD, 158, 153, 146, -17.0, -24.0, 0.03, 0.0),
    Material(Cover.BARE, 192, 176, 140, -14.5, -22.5, 0.05, 0.0),
    Material(Cover.GARDEN, 92, 108, 72, -9.5, -15.5, 0.10, 0.05),
    Material(Cover.GARDEN, 136, 130, 118, -8.5, -15.2, 0.08, 0.05),
    Material(Cover.BUILDING, 172, 100, 78, -3.0, -10.0, 0.05, 1.0),
    Material(Cover.BUILDING, 138, 84, 70, -3.5, -10.5, 0.05, 1.0),
    Material(Cover.BUILDING, 160, 158, 158, -3.0, -10.0, 0.05, 1.0),
    Material(Cover.BUILDING, 104, 102, 108, -2.5, -9.5, 0.05, 1.0),
    Material(Cover.BUILDING, 226, 222, 214, -2.0, -9.0, 0.04, 1.0),
    Material(Cover.FIELD, 88, 118, 66, -9.6, -16.2, 0.03, 0.0),
    Material(Cover.FIELD, 70, 102, 56, -9.0, -15.8, 0.03, 0.0),
    Material(Cover.FIELD, 108, 128, 80, -11.0, -17.8, 0.03, 0.0),
    Material(Cover.FIELD, 164, 156, 84, -9.2, -16.0, 0.03, 0.0),
    Material(Cover.FIELD, 178, 158, 114, -12.0, -18.6, 0.03, 0.0),
    Material(Cover.FIELD, 156, 136, 102, -12.4, -19.4, 0.03, 0.0),
    Material(Cover.FIELD, 126, 104, 82, -10.6, -19.6, 0.03, 0.0),
    Material(Cover.FIELD, 104, 88, 72, -11.4, -20.0, 0.03, 0.0),
    Material(Cover.FIELD, 120, 134, 88, -11.6, -17.2, 0.03, 0.0),
)
DEEP, SHALLOW, CONIFER, BROADLEAF, ASPHALT, SAND, LAWN, YARD, ROOF = range(9)
ROOFS = 5
CROP = ROOF + ROOFS
CROPS = len(MATERIALS) - CROP
