"""Invalid pixels of a patch get values that continue the valid ones.

A network looks far around each pixel: a hole of one value, or of streaks drawn out from its edge, is something of
its own to it, and shows in the output as a dark or bright rim. scipy.ndimage is imported where it is needed: it takes a
quarter of a second to load, and many scenes have no holes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sartranslate.backscatter.radiometry import Float, Mask

Index = NDArray[np.intp]
EDGE = 7  # pixels, both sides of the square in which directions to the edge are averaged
DOUBLINGS = 8  # of the mirror images followed in a row: 256 cross a window from a sliver of valid columns


def fill_mirrored(values: Float, mask: Mask) -> Float:
    """Valid pixels stay bit for bit; an invalid one gets the value of a valid one, mirrored at the edge of its hole.

    `values` is (H, W, C), `mask` (H, W), True = valid; invalid values may be anything, NaN too. The mirror image of a
    pixel lies as far behind the edge as the pixel lies before it, folded back at the border of the patch; where it is
    invalid in turn, its own mirror image counts, and so on. Values are copied, not interpolated, so speckle goes on
    as it was. Without a valid pixel the patch is 0; without an invalid one it is `values` itself.

    >>> row = np.array([[5, 6, 7, np.nan, np.nan]], np.float32)
    >>> fill_mirrored(row[..., None], np.isfinite(row))[..., 0].tolist()
    [[5.0, 6.0, 7.0, 7.0, 6.0]]
    """
    if mask.all():
        return values
    if not mask.any():
        return np.zeros_like(values)
    filled = values.copy()
    filled[~mask] = values.reshape(mask.size, -1)[_sources(mask)]
    return filled


def _sources(mask: Mask) -> Index:
    """The valid pixel that each invalid one copies; pixels are counted along the rows."""
    nearest, found = _nearest_and_mirrors(mask)
    valid, holes = mask.ravel(), np.flatnonzero(~mask)
    source = np.arange(mask.size)
    source[holes] = found
    for _ in range(DOUBLINGS):
        lost = np.flatnonzero(~valid[found])
        found[lost] = source[found[lost]]
        source[holes[lost]] = found[lost]
    # Amid opposite edges a pixel can be its own mirror image, or two each other's.
    return np.where(valid[found], found, nearest)


def _nearest_and_mirrors(mask: Mask) -> tuple[Index, Index]:
    """The valid pixel nearest to each invalid one, and its mirror image, valid or not.

    The edge is a staircase, whose corners would each turn a wedge of the picture upside down: a pixel is therefore
    mirrored in the mean direction of its surroundings.
    """
    from scipy.ndimage import uniform_filter

    box = _box(~mask)
    rows, cols = np.nonzero(~mask[box])
    ways = _ways_to_valid(mask[box])
    mean = uniform_filter(ways, (1, EDGE, EDGE), mode="nearest")[:, rows, cols]
    direction = mean / np.maximum(np.hypot(*mean), 1)
    way = ways[:, rows, cols]
    steps = ((direction * way).sum(axis=0) + np.hypot(*way) - 1) * direction
    places = np.stack([rows + box[0].start, cols + box[1].start])
    return _counted(places + way.astype(np.intp), mask), _counted(places + np.rint(steps).astype(np.intp), mask)


def _box(holes: Mask) -> tuple[slice, slice]:
    """Rows and columns of all holes and the pixels around them: no nearest valid pixel lies farther out."""
    rows, cols = np.flatnonzero(holes.any(axis=1)), np.flatnonzero(holes.any(axis=0))
    return slice(max(rows[0] - 1, 0), rows[-1] + 2), slice(max(cols[0] - 1, 0), cols[-1] + 2)


def _ways_to_valid(mask: Mask) -> Float:
    """(2, H, W) rows and columns from each pixel to the valid one nearest to it."""
    from scipy.ndimage import distance_transform_edt

    nearest = distance_transform_edt(~mask, return_distances=False, return_indices=True)
    return np.asarray(nearest - np.indices(mask.shape, np.int32), np.float32)


def _counted(places: Index, mask: Mask) -> Index:
    """(2, N) rows and columns as pixels counted along the rows; outside, they are folded back at the border."""
    last = np.array(mask.shape)[:, None] - 1
    rows, cols = last - np.abs(last - np.abs(np.clip(places, -last, 2 * last)))
    return np.asarray(rows * mask.shape[1] + cols)
