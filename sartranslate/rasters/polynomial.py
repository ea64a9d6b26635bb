"""Polynomials of the third order from one plane to another, fitted to pairs of points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]  # (N, 2): x and y, or column and row

ORDER = 3
TERMS = [(i, j) for i in range(ORDER + 1) for j in range(ORDER + 1 - i)]
DETERMINED = 1e-6  # smallest singular value, relative to the largest, of points that determine a polynomial


def determined(points: Points, order: int = ORDER) -> bool:
    """Whether (N, 2) points lie so that they determine a polynomial of this order."""
    terms = [(i, j) for i, j in TERMS if i + j <= order]
    singular = np.linalg.svd(_monomials(_scaled(points, points), terms), compute_uv=False)
    return len(points) >= len(terms) and bool(singular[-1] > DETERMINED * singular[0])


def polynomial(source: Points, target: Points, at: Points) -> Points:
    """The least-squares polynomial from source to target points, at other places."""
    known = _monomials(_scaled(source, source), TERMS)
    coefficients = np.linalg.lstsq(known, target, rcond=None)[0]
    return np.asarray(_monomials(_scaled(at, source), TERMS) @ coefficients)


def _scaled(points: Points, reference: Points) -> Points:
    """To about -1..1, where powers stay comparable."""
    low, high = reference.min(axis=0), reference.max(axis=0)
    return np.asarray((points - (low + high) / 2) / np.maximum((high - low) / 2, 1e-12))


def _monomials(points: Points, terms: list[tuple[int, int]]) -> NDArray[np.float64]:
    return np.stack([points[:, 0] ** i * points[:, 1] ** j for i, j in terms], axis=-1)
