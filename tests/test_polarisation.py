"""Bands are chosen by the name of their polarisation, and a mismatch says what was found and expected."""

import re

import pytest

from sartranslate.backscatter.polarisation import choose_bands, polarisation
from sartranslate.errors import SceneError

EITHER = [["VH", "VV"]]
BOTH = [["VV"], ["VH"]]


@pytest.mark.parametrize(
    ("names", "wanted", "bands"),
    [
        pytest.param(["VV", "VH"], EITHER, (2,), id="the preferred of two"),
        pytest.param(["VH", "VV"], EITHER, (1,), id="the preferred of two, first"),
        pytest.param(["VV"], EITHER, (1,), id="the second choice where the first is missing"),
        pytest.param(["VH", "VV"], BOTH, (2, 1), id="the model's order, not the file's"),
        pytest.param([None, "HH", "VH", "VV"], BOTH, (4, 3), id="among others"),
        pytest.param(["VV", "VV"], [["VV"]], (1,), id="the first of two alike"),
        pytest.param(["HH", "HV"], [["VV", "HH"], ["VH", "HV"]], (1, 2), id="channel by channel"),
    ],
)
def test_bands_are_chosen_by_name_in_the_models_order(
    names: list[str | None], wanted: list[list[str]], bands: tuple[int, ...]
) -> None:
    assert choose_bands(names, wanted) == bands


def test_bands_without_names_are_taken_in_order_where_their_number_agrees() -> None:
    assert choose_bands([None, None], BOTH) == (1, 2)
    assert choose_bands([None], EITHER) == (1,)


@pytest.mark.parametrize("told", [(2, 1), (3, 3), (1, 2)])
def test_told_bands_win_over_names(told: tuple[int, ...]) -> None:
    assert choose_bands(["VV", "VH", "HH"], BOTH, told) == told


@pytest.mark.parametrize(
    ("names", "wanted", "message"),
    [
        (["VH"], BOTH, "1 band (VH), the model expects 2 (VV, VH)"),
        (["HH", "HV"], BOTH, "2 bands (HH, HV), the model expects 2 (VV, VH)"),
        ([None, None], EITHER, "2 bands (unnamed, unnamed), the model expects 1 (VH or VV)"),
        ([None], BOTH, "1 band (unnamed), the model expects 2 (VV, VH)"),
        ([None, "VV"], BOTH, "2 bands (unnamed, VV), the model expects 2 (VV, VH)"),
    ],
)
def test_a_mismatch_names_the_bands_found_and_expected_and_the_way_out(
    names: list[str | None], wanted: list[list[str]], message: str
) -> None:
    with pytest.raises(SceneError, match=f"^{re.escape(message)}$"):
        choose_bands(names, wanted)
    with pytest.raises(SceneError, match=f"^{re.escape(message)}; choose with --channels$"):
        choose_bands(names, wanted, option="--channels")


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ((3, 1), "bands 3, 1 of 2 bands (VV, unnamed) told, the model expects 2 (VV, VH)"),
        ((0, 1), "bands 0, 1 of 2 bands (VV, unnamed) told, the model expects 2 (VV, VH)"),
        ((1,), "bands 1 of 2 bands (VV, unnamed) told, the model expects 2 (VV, VH)"),
        ((1, 2, 1), "bands 1, 2, 1 of 2 bands (VV, unnamed) told, the model expects 2 (VV, VH)"),
    ],
)
def test_told_bands_that_the_scene_lacks_or_the_model_has_no_channel_for_are_refused(
    told: tuple[int, ...], message: str
) -> None:
    with pytest.raises(SceneError, match=f"^{re.escape(message)}$"):
        choose_bands(["VV", None], BOTH, told)


@pytest.mark.parametrize(
    ("description", "name"),
    [
        ("VV", "VV"),
        ("vh", "VH"),
        ("Sigma0_VH_db", "VH"),
        ("Gamma0-HH (linear)", "HH"),
        ("S1A IW GRDH / HV / amplitude", "HV"),
        ("measurement.vv.tif", "VV"),
        ("VV VV", None),
        ("VV/VH ratio", None),
        ("SAVVY", None),
        ("Band 1", None),
        ("", None),
        (None, None),
    ],
)
def test_a_description_names_a_polarisation_only_if_exactly_one_of_its_words_does(
    description: str | None, name: str | None
) -> None:
    assert polarisation(description) == name


def test_of_many_bands_an_error_names_the_first() -> None:
    with pytest.raises(SceneError, match=re.escape("900 bands (" + "unnamed, " * 8 + "...), the model expects 2")):
        choose_bands([None] * 900, BOTH)
