"""A checkpoint comes back bit for bit, and one that can not be written leaves the one before."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from numpy.typing import NDArray
from safetensors.numpy import save_file

from sartranslate.errors import OutputError, TrainingError
from sartranslate.train.checkpoint import FORMAT_VERSION, METADATA_KEY, load_checkpoint, load_position, save_checkpoint

ROOT = Path(__file__).parents[1]
POSITION: dict[str, Any] = {
    "course": {"epoch": 3, "sums": {"l1": 0.1}},
    "settings": {"seed": 7, "name": "für Radar\n"},
    "none": None,
}
ARRAYS: dict[str, NDArray[Any]] = {
    "generator/down0/kernel": np.random.default_rng(0).normal(size=(4, 4, 1, 64)).astype(np.float32),
    "updates": np.array([12, 1], np.int64),
}
DTYPES = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
DTYPES += ["float16", "float32", "float64"]

any_arrays = st.sampled_from(DTYPES).flatmap(
    lambda dtype: arrays_of.arrays(dtype, arrays_of.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3))
)

# Writes a checkpoint of 800 kB into a file that may not grow beyond 20 kB, as on a full disk.
FULL_DISK = """
import resource, sys
from pathlib import Path
import numpy as np
from sartranslate.train.checkpoint import save_checkpoint
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    save_checkpoint(Path(sys.argv[1]), {"weights": np.ones(100_000)}, {"epoch": 2})
except Exception as error:
    print(type(error).__name__, error)
"""


def same(found: NDArray[Any], saved: NDArray[Any]) -> bool:
    """Bit for bit, and of the same type and shape."""
    return (found.dtype, found.shape, found.tobytes()) == (saved.dtype, saved.shape, saved.tobytes())


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, ARRAYS, POSITION)
    return path


@settings(max_examples=40, deadline=None)
@given(arrays=st.dictionaries(st.text(st.characters(codec="utf-8"), min_size=1, max_size=6), any_arrays, max_size=4))
def test_arrays_of_any_type_and_shape_come_back_bit_for_bit(
    arrays: dict[str, NDArray[Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    arrays.pop("__metadata__", None)  # safetensors keeps this name for itself
    save_checkpoint(path, arrays, {})
    found, _ = load_checkpoint(path)
    assert found.keys() == arrays.keys()
    assert all(same(found[name], arrays[name]) for name in arrays)


@pytest.mark.parametrize(
    "array",
    [
        np.float32(0.1).reshape(()),
        np.zeros((0, 3), np.float32),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(10)[::-2],
        np.array([np.nan, -np.nan, np.inf, -0.0, 5e-324]),
    ],
    ids=["number", "empty", "columns first", "reversed", "odd numbers"],
)
def test_odd_arrays_come_back_bit_for_bit(tmp_path: Path, array: NDArray[Any]) -> None:
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, {"array": array}, {})
    assert same(load_checkpoint(path)[0]["array"], array)


def test_weights_in_bfloat16_come_back_bit_for_bit(tmp_path: Path) -> None:
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    array = np.array([1 / 3, -0.0, 1e38, np.inf], bfloat16)
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, {"array": array}, {})
    assert same(load_checkpoint(path)[0]["array"], array)


def test_numbers_of_the_other_byte_order_keep_their_values(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, {"array": np.array([1, 258], ">i4")}, {})
    assert load_checkpoint(path)[0]["array"].tolist() == [1, 258]


def test_the_position_comes_back_with_the_arrays_and_without_them(saved: Path) -> None:
    found, position = load_checkpoint(saved)
    assert all(same(found[name], ARRAYS[name]) for name in ARRAYS)
    assert position == POSITION
    assert load_position(saved) == POSITION


@settings(max_examples=40, deadline=None)
@given(number=st.floats(allow_nan=False))
def test_numbers_of_the_position_keep_all_their_digits(number: float, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "position.safetensors"
    save_checkpoint(path, {}, {"score": number})
    assert repr(load_position(path)["score"]) == repr(number)


def test_loaded_arrays_outlive_the_file(saved: Path) -> None:
    found, _ = load_checkpoint(saved)
    save_checkpoint(saved, {name: np.zeros_like(array) for name, array in ARRAYS.items()}, {})
    assert all(same(found[name], ARRAYS[name]) for name in ARRAYS)


def test_a_checkpoint_takes_the_place_of_the_one_before_and_leaves_nothing_beside_it(saved: Path) -> None:
    save_checkpoint(saved, {}, {"epoch": 4})
    assert load_checkpoint(saved) == ({}, {"epoch": 4})
    assert list(saved.parent.iterdir()) == [saved]


def test_a_checkpoint_may_be_read_by_all_who_may_read_other_files(saved: Path) -> None:
    other = saved.with_name("other")
    other.touch()
    assert saved.stat().st_mode == other.stat().st_mode


def test_a_full_disk_leaves_the_checkpoint_before_bit_for_bit_and_nothing_beside_it(saved: Path) -> None:
    before = saved.read_bytes()
    run = subprocess.run(
        [sys.executable, "-c", FULL_DISK, saved], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert run.stdout.startswith(f"OutputError {saved}: can not write the checkpoint: ")
    assert "File too large" in run.stdout
    assert len(run.stdout.splitlines()) == 1
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_arrays_that_the_format_has_no_type_for_leave_the_checkpoint_before(saved: Path) -> None:
    before = saved.read_bytes()
    with pytest.raises(OutputError, match=r"checkpoint\.safetensors: can not write the checkpoint: "):
        save_checkpoint(saved, {"names": np.array(["a", "b"])}, {})
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_a_folder_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"the folder .* does not exist"):
        save_checkpoint(tmp_path / "run" / "checkpoint.safetensors", {}, {})


@pytest.mark.parametrize("load", [load_checkpoint, load_position])
def test_a_checkpoint_that_is_absent_is_an_error(tmp_path: Path, load: Any) -> None:
    with pytest.raises(TrainingError, match=r"none\.safetensors: no such checkpoint$"):
        load(tmp_path / "none.safetensors")
    with pytest.raises(TrainingError, match=r"no such checkpoint$"):
        load(tmp_path)


@pytest.mark.parametrize("load", [load_checkpoint, load_position])
@pytest.mark.parametrize("share", [0, 0.001, 0.05, 0.5, 0.999])
def test_a_file_cut_short_is_an_error(saved: Path, share: float, load: Any) -> None:
    whole = saved.read_bytes()
    saved.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(TrainingError, match=r"checkpoint\.safetensors: not a readable checkpoint: "):
        load(saved)


@pytest.mark.parametrize("content", [b"precious", b"\x00" * 1000, b"PK\x03\x04" * 50, b"II*\x00" * 100])
def test_a_foreign_file_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "scene.tif"
    path.write_bytes(content)
    with pytest.raises(TrainingError, match=r"scene\.tif: not a readable checkpoint: "):
        load_checkpoint(path)


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {"sartranslate": "{}"},
        {METADATA_KEY: "{broken"},
        {METADATA_KEY: "{}"},
        {METADATA_KEY: "3"},
        {METADATA_KEY: "[1, 2]"},
        {METADATA_KEY: "null"},
    ],
)
def test_a_safetensors_file_that_is_no_checkpoint_is_an_error(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    path = tmp_path / "model.safetensors"
    save_file(ARRAYS, path, metadata)
    for load in (load_checkpoint, load_position):
        with pytest.raises(TrainingError, match=r"model\.safetensors: a safetensors file, but not a checkpoint"):
            load(path)


def test_a_checkpoint_of_another_version_names_both(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    save_file({}, path, {METADATA_KEY: json.dumps({"format_version": FORMAT_VERSION + 1})})
    with pytest.raises(TrainingError, match=rf"checkpoint format {FORMAT_VERSION + 1}, .* reads {FORMAT_VERSION}$"):
        load_checkpoint(path)
