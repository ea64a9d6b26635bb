"""A PNG is whole or refused, wherever it ends."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sartranslate.errors import SceneError
from sartranslate.rasters.png import check_png
from tests.tile_files import noise, save_image


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_image(tmp_path_factory.mktemp("png") / "a.png", noise(20, 20))


def test_a_whole_file_passes_whatever_follows_it(whole: Path, tmp_path: Path) -> None:
    check_png(whole)
    (tmp_path / "longer.png").write_bytes(whole.read_bytes() + b"appended")
    check_png(tmp_path / "longer.png")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_part_of_a_file_is_refused(whole: Path, data: st.DataObject) -> None:
    content = whole.read_bytes()
    length = data.draw(st.integers(8, len(content) - 1))
    part = whole.with_name("part.png")
    part.write_bytes(content[:length])
    with pytest.raises(SceneError, match=re.escape(f"ends after {length} bytes, expected a whole PNG")):
        check_png(part)


def test_a_damaged_byte_is_found(whole: Path, tmp_path: Path) -> None:
    content = bytearray(whole.read_bytes())
    content[60] ^= 1
    (tmp_path / "damaged.png").write_bytes(content)
    with pytest.raises(SceneError, match="damaged at byte"):
        check_png(tmp_path / "damaged.png")
