"""Texts and numbers in GDAL's virtual rasters, which are XML."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element, SubElement  # builds only, parses nothing

from affine import Affine


def add_text(parent: Element, tag: str, text: str, **attributes: Any) -> None:
    """An element with a text."""
    SubElement(parent, tag, **attributes).text = text


def transform_text(transform: Affine) -> str:
    """In GDAL's order, without loss."""
    return ",".join(number_text(value) for value in transform.to_gdal())


def number_text(value: float) -> str:
    """Without loss, also of NumPy's numbers."""
    return repr(float(value))
