"""Numbers of things in words."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """The number and its noun, which is singular after 1 alone.

    >>> counted(1, "pair"), counted(0, "pair"), counted(21, "pair")
    ('1 pair', '0 pairs', '21 pairs')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
