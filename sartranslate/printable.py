"""Texts out of files and names of files, fit for a line."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""The text with escapes in place of what would break a line, or is no character at all.

    >>> printable("tile\n\udcff.tif")
    'tile\\n\\udcff.tif'
    """
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii") for sign in text)
