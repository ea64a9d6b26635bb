"""Bundles come back as they were saved, and nothing else is taken for one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from sartranslate.errors import BundleError, OutputError
from sartranslate.networks import bundle
from sartranslate.storage.digest import checksum

SOURCE = np.random.default_rng(0).uniform(-1, 1, (1, 256, 256, 1)).astype(np.float32)


def contents(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    with safe_open(path, framework="numpy") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return tensors, json.loads(file.metadata()["sartranslate"])


def rewritten(tiny_model: Path, folder: Path, tensors: dict[str, Any], description: object) -> Path:
    """The bundle with other content, and the checksum that goes with it where the description has one."""
    path = folder / "changed.safetensors"
    if isinstance(description, dict) and "sha256" in description:
        description = {**description, "sha256": checksum(tensors)}
    save_file(tensors, path, {"sartranslate": json.dumps(description)})
    return path


def test_a_bundle_comes_back_with_description_and_output(tiny_model: Path, tmp_path: Path) -> None:
    first = bundle.load(tiny_model)
    again = tmp_path / "again.safetensors"
    bundle.save(again, first)
    second = bundle.load(again)
    assert second.description == first.description
    assert np.array_equal(first.model(SOURCE), second.model(SOURCE))


def test_a_sampler_has_the_same_weights_and_statistics(tiny_model: Path) -> None:
    plain, sampler = bundle.load(tiny_model).model, bundle.load(tiny_model, sampling=True).model
    assert [variable.path for variable in sampler.variables] == [variable.path for variable in plain.variables]
    for variable, same in zip(sampler.variables, plain.variables, strict=True):
        assert np.array_equal(variable, same)
    first, second = (sampler([SOURCE, np.array([seed], np.int32)], training=False) for seed in (1, 2))
    assert not np.array_equal(first, second)


def test_float16_storage_changes_the_output_by_less_than_a_grey_level(tiny_model: Path, tmp_path: Path) -> None:
    full = tmp_path / "full.safetensors"
    loaded = bundle.load(tiny_model)
    for variable in loaded.model.trainable_variables:
        variable.assign(variable * 1.01)  # now it has more digits than half precision
    half = tmp_path / "half.safetensors"
    bundle.save(full, loaded, storage="float32")
    bundle.save(half, loaded, storage="float16")
    assert half.stat().st_size < 0.6 * full.stat().st_size
    difference = np.abs(bundle.load(full).model(SOURCE) - bundle.load(half).model(SOURCE))
    assert 0 < difference.max() < 1 / 127.5


def test_the_description_is_read_without_building_the_network(tiny_model: Path) -> None:
    assert bundle.describe(tiny_model).generator.filters == 2


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"absent\.safetensors: no such model file"):
        bundle.load(tmp_path / "absent.safetensors")


@pytest.mark.parametrize("keep", [0, 7, 100, -1000])
def test_a_truncated_file_is_refused(tiny_model: Path, tmp_path: Path, keep: int) -> None:
    path = tmp_path / "cut.safetensors"
    path.write_bytes(tiny_model.read_bytes()[:keep])
    with pytest.raises(BundleError, match="not a readable safetensors file"):
        bundle.load(path)


def test_a_foreign_safetensors_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    save_file({"weight": np.zeros(3, np.float32)}, path)
    with pytest.raises(BundleError, match="not a sartranslate model"):
        bundle.load(path)


def test_another_format_version_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    tensors, description = contents(tiny_model)
    path = rewritten(tiny_model, tmp_path, tensors, {**description, "format_version": 99})
    with pytest.raises(BundleError, match="model format 99, this sartranslate reads 1"):
        bundle.load(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("generator", {"filters": -1}),
        ("generator", {"depth": 9}),
        ("radiometry", {"scaling": "magic"}),
        ("radiometry", {}),
        ("training", 3),
        ("radiometry", {"bands": [[1]]}),
    ],
)
def test_a_description_out_of_range_is_refused(tiny_model: Path, tmp_path: Path, key: str, value: object) -> None:
    tensors, description = contents(tiny_model)
    with pytest.raises(BundleError, match="broken model description"):
        bundle.load(rewritten(tiny_model, tmp_path, tensors, {**description, key: value}))


def test_tensors_must_fit_the_declared_architecture(tiny_model: Path, tmp_path: Path) -> None:
    tensors, description = contents(tiny_model)
    description["generator"]["filters"] = 3
    with pytest.raises(BundleError, match="expected float"):
        bundle.load(rewritten(tiny_model, tmp_path, tensors, description))


def test_a_missing_tensor_is_named(tiny_model: Path, tmp_path: Path) -> None:
    tensors, description = contents(tiny_model)
    del tensors["down0/kernel"]
    with pytest.raises(BundleError, match="'down0/kernel' does not fit"):
        bundle.load(rewritten(tiny_model, tmp_path, tensors, description))


def test_weights_that_are_not_finite_are_refused(tiny_model: Path, tmp_path: Path) -> None:
    tensors, description = contents(tiny_model)
    tensors["down0/kernel"][0] = np.nan
    with pytest.raises(BundleError, match="not finite"):
        bundle.load(rewritten(tiny_model, tmp_path, tensors, description))


def test_bands_must_agree_with_the_network(tiny_model: Path, tmp_path: Path) -> None:
    tensors, description = contents(tiny_model)
    description["radiometry"]["bands"] = [["VV"], ["VH"]]
    with pytest.raises(BundleError, match="1 source bands, but polarisations for 2"):
        bundle.load(rewritten(tiny_model, tmp_path, tensors, description))


def test_a_changed_byte_in_the_tensors_is_one_clear_line(tiny_model: Path, tmp_path: Path) -> None:
    stored = bytearray(tiny_model.read_bytes())
    stored[-3] ^= 1
    path = tmp_path / "changed.safetensors"
    path.write_bytes(stored)
    with pytest.raises(BundleError, match=r"changed\.safetensors: the tensors have changed .*[0-9a-f]{64}$"):
        bundle.load(path)


def test_a_bundle_from_before_there_were_checksums_is_read(tiny_model: Path, tmp_path: Path) -> None:
    tensors, description = contents(tiny_model)
    del description["sha256"]
    first, before = bundle.read(tiny_model), bundle.read(rewritten(tiny_model, tmp_path, tensors, description))
    assert before[0] == first[0]
    assert all(np.array_equal(before[1][name], first[1][name]) for name in first[1])


def test_the_checksum_of_the_default_model_is_that_of_its_tensors() -> None:
    tensors, description = contents(bundle.DEFAULT_MODEL)
    assert description["sha256"] == checksum(tensors)


def test_a_failed_save_leaves_nothing(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no folder does not exist"):
        bundle.save(tmp_path / "no folder" / "model.safetensors", bundle.load(tiny_model))
    assert list(tmp_path.iterdir()) == []


def refusal(path: Path) -> str:
    with pytest.raises(BundleError) as caught:
        bundle.read(path)
    return str(caught.value).removeprefix(f"{path}: ")


def test_a_name_that_no_line_can_hold_is_escaped_and_cut(tiny_model: Path, tmp_path: Path) -> None:
    tensors, description = contents(tiny_model)
    path = rewritten(tiny_model, tmp_path, tensors, {**description, "name": "a\n\ud800" + "x" * 70_000})
    name = bundle.describe(path).name
    assert name.startswith("a\\n\\ud800xxx")
    assert len(name) < 220


@pytest.mark.parametrize(
    "change",
    [
        {"generator": {"x" * 70_000: 1}},
        {"generator": {"filters": 10**9}},
        {"generator": {"dropout_layers": [1, 10**400]}},
        {"format_version": "1\n" + "x" * 70_000},
        {"radiometry": {"bands": [["VV\n"]]}},
        {"radiometry": {"bands": [["VV"]], "scaling": "fixed", "low": -1, "high": 10**400}},
    ],
)
def test_a_refusal_is_one_line_of_limited_length(tiny_model: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    tensors, description = contents(tiny_model)
    text = refusal(rewritten(tiny_model, tmp_path, tensors, {**description, **change}))
    assert len(text) < 400
    assert text.isprintable()


@pytest.mark.parametrize("depth", [900, 200_000])
def test_nesting_without_end_is_refused(tiny_model: Path, tmp_path: Path, depth: int) -> None:
    path = tmp_path / "deep.safetensors"
    tensors, _ = contents(tiny_model)
    save_file(tensors, path, {"sartranslate": "[" * depth + "]" * depth})
    assert refusal(path).startswith("broken model description")


def test_a_header_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "header.safetensors"
    with path.open("wb") as file:
        file.write((90 * 2**20).to_bytes(8, "little"))
        file.truncate(100 * 2**20)  # a hole that takes no room
    assert "a header of 94371840 bytes, expected at most 4194304" in refusal(path)


def test_tensors_as_large_as_the_declared_network_are_not_looked_for_in_a_small_file(
    tiny_model: Path, tmp_path: Path
) -> None:
    tensors, description = contents(tiny_model)
    description["generator"]["filters"] = 512
    assert "expected float (4, 4, 1, 512)" in refusal(rewritten(tiny_model, tmp_path, tensors, description))


def test_the_embedded_model_has_a_name() -> None:
    assert bundle.located(None) == bundle.located("default") == bundle.DEFAULT_MODEL
    assert bundle.located("./default") == Path("default")
