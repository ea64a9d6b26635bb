"""Outlines in degrees go on where longitudes jump."""

import numpy as np

from sartranslate.scenes.longitudes import closed_longitudes


def test_longitudes_go_on_across_the_antimeridian_and_come_back() -> None:
    ring = np.array([(179.0, 0), (-179.0, 0), (-179.0, 1), (179.0, 1)])
    assert closed_longitudes(ring).tolist() == [179, 181, 181, 179, 179]
