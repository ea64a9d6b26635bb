"""Model files, and damage to them that knows of their header, their description and their tensors."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
from mutations import TEXTS, WHOLE, damaged, odd_number, odd_value, one_of, some, with_deep_text, with_odd_part
from numpy.random import Generator
from safetensors.numpy import save

from sartranslate.backscatter.radiometry import Radiometry
from sartranslate.networks.bundle import METADATA_KEY
from sartranslate.networks.topology import variables
from sartranslate.recipes.architecture import ARCHITECTURES, NORMS, TEST_MODES, UPSAMPLINGS, GeneratorConfig

LENGTH = 8  # bytes, of the header's length
DTYPES = ("F16", "F32", "F64", "BF16", "I8", "U64", "BOOL", "F8_E4M3", "f32", "", "X" * 1000)
FEW = {"filters": 1, "dropout": 0.0}  # so that a case takes milliseconds
GENERATORS = (
    GeneratorConfig(architecture="resnet_6blocks", **FEW),  # type: ignore[arg-type]
    GeneratorConfig(architecture="resnet_6blocks", norm="instance", upsampling="resize", **FEW),  # type: ignore[arg-type]
    GeneratorConfig(architecture="unet_128", bias=True, **FEW),  # type: ignore[arg-type]
)
HUGE = (10**9, 512, 2**31, 2**63, 10**400, 1e300)
FIELDS = {
    "architecture": ARCHITECTURES,
    "norm": NORMS,
    "test_mode": TEST_MODES,
    "upsampling": UPSAMPLINGS,
    "filters": (0, 2, -1, *HUGE),
    "source_bands": (0, 2, 64, *HUGE),
    "target_bands": (1, 2, 64, *HUGE),
    "dropout_layers": ([1, 10**9], [10**9, 10**9 + 1], [8, 1], [1.5, 2]),
    "norm_epsilon": (float("nan"), 1e-300, 1e300, -1.0),
    "leak": (float("nan"), 1e300, -1.0, True),
}


def base_bundle(number: int, rng: Generator) -> bytes:
    """A whole model file of one of `GENERATORS`, with weights that are drawn."""
    config = GENERATORS[number]
    description = {
        "format_version": 1,
        "software": "sartranslate",
        "name": "drawn",
        "generator": config.as_dict(),
        "radiometry": Radiometry().as_dict(),
        "training": {"pairs": 12},
    }
    tensors = {name: _weights(name, shape, rng) for name, shape in variables(config).items()}
    return bytes(save(tensors, {METADATA_KEY: json.dumps(description)}))


def mutated_bundle(rng: Generator, content: bytes) -> bytes:
    """With up to two damages, most of them to header and description."""
    for _ in some(rng, 2):
        content = one_of(rng, DAMAGES)(rng, content)
    return content


def _weights(name: str, shape: tuple[int, ...], rng: Generator) -> Any:
    scale = 0.5 if name.endswith(("kernel", "bias", "beta", "mean")) else 0.0
    return (rng.normal(0, scale, shape) if scale else rng.uniform(0.5, 1.5, shape)).astype(np.float32)


def _parts(content: bytes) -> tuple[dict[str, Any], bytes] | None:
    """Header and tensors; None where damage has come before."""
    length = int.from_bytes(content[:LENGTH], "little")
    try:
        header = json.loads(content[LENGTH : LENGTH + length])
        return (header, content[LENGTH + length :]) if isinstance(header, dict) else None
    except (ValueError, RecursionError):
        return None


def _joined(header: str, tensors: bytes) -> bytes:
    encoded = header.encode("utf-8", "surrogatepass")
    return len(encoded).to_bytes(LENGTH, "little") + encoded + tensors


def _on_header(change: Callable[[Generator, dict[str, Any]], Any]) -> Callable[[Generator, bytes], bytes]:
    """A damage to the whole file, from one to its parsed header."""

    def damage(rng: Generator, content: bytes) -> bytes:
        parts = _parts(content)
        if parts is None:
            return damaged(rng, content)
        return _joined(json.dumps(change(rng, parts[0]), ensure_ascii=bool(rng.random() < 0.8)), parts[1])

    return damage


def _on_description(change: Callable[[Generator, Any], Any]) -> Callable[[Generator, bytes], bytes]:
    def on_header(rng: Generator, header: dict[str, Any]) -> dict[str, Any]:
        try:
            description = json.loads(header["__metadata__"][METADATA_KEY])
        except (KeyError, TypeError, ValueError, RecursionError):
            return header
        changed = change(rng, description)
        text = changed if isinstance(changed, str) else json.dumps(changed)
        return {**header, "__metadata__": {METADATA_KEY: text}}

    return _on_header(on_header)


def _odd_length(rng: Generator, content: bytes) -> bytes:
    return one_of(rng, WHOLE).to_bytes(LENGTH, "little") + content[LENGTH:]


def _deep_header(rng: Generator, content: bytes) -> bytes:
    parts = _parts(content)
    return damaged(rng, content) if parts is None else _joined(with_deep_text(rng, json.dumps(parts[0])), parts[1])


def _odd_tensor(rng: Generator, header: dict[str, Any]) -> dict[str, Any]:
    """Another type, other dimensions or another place of a tensor."""
    name = one_of(rng, list(header))
    tensor = header[name]
    if not isinstance(tensor, dict) or not isinstance(tensor.get("shape"), list):
        return {**header, name: odd_value(rng)}
    shape, offsets = list(tensor["shape"]), list(tensor["data_offsets"])
    changes: tuple[dict[str, Any], ...] = (
        {"dtype": one_of(rng, DTYPES)},
        {"shape": [*shape[:-1], one_of(rng, WHOLE)]},
        {"shape": [*shape, 1]},
        {"shape": [2**20] * len(shape)},
        {"shape": odd_value(rng)},
        {"data_offsets": [offsets[0], one_of(rng, WHOLE)]},
        {"data_offsets": offsets[::-1]},
        {"data_offsets": one_of(rng, list(header.values())).get("data_offsets", odd_value(rng))},
    )
    return {**header, name: {**tensor, **one_of(rng, changes)}}


def _renamed_tensor(rng: Generator, header: dict[str, Any]) -> dict[str, Any]:
    name = one_of(rng, list(header))
    return {one_of(rng, TEXTS) if key == name else key: value for key, value in header.items()}


def _odd_field(rng: Generator, description: Any) -> Any:
    """A field of the generator with a value that is out of range, or that the tensors do not fit."""
    name = one_of(rng, list(FIELDS))
    if not isinstance(description, dict) or not isinstance(description.get("generator"), dict):
        return description
    return {**description, "generator": {**description["generator"], name: one_of(rng, FIELDS[name])}}


def _odd_radiometry(rng: Generator, description: Any) -> Any:
    choices = (
        {"bands": [[one_of(rng, TEXTS)]]},
        {"bands": [["VV"] * 100_000]},
        {"scaling": "fixed", "low": odd_number(rng), "high": odd_number(rng)},
        {"low": odd_number(rng), "high": odd_number(rng)},
        {"scaling": "image", "fill": "mean"},
    )
    found = description.get("radiometry", {}) if isinstance(description, dict) else {}
    return {**description, "radiometry": {**found, **one_of(rng, choices)}} if isinstance(found, dict) else description


def _odd_name(rng: Generator, description: Any) -> Any:
    return {**description, "name": one_of(rng, TEXTS)} if isinstance(description, dict) else description


def _odd_weights(rng: Generator, content: bytes) -> bytes:
    """Single values, or all of a run, that are huge, infinite or no numbers."""
    parts = _parts(content)
    if parts is None or len(parts[1]) < LENGTH:
        return damaged(rng, content)
    values = np.frombuffer(parts[1][: len(parts[1]) // 4 * 4], np.float32).copy()
    first = int(rng.integers(len(values)))
    values[first : first + int(one_of(rng, (1, 10, len(values))))] = one_of(
        rng, (np.nan, np.inf, 3e38, -3e38, 1e20, -1e20, 1e-45, 0.0, -1.0)
    )
    return content[: len(content) - len(parts[1])] + values.tobytes()


DAMAGES: tuple[Callable[[Generator, bytes], bytes], ...] = (
    damaged,
    _odd_length,
    _deep_header,
    _odd_weights,
    _odd_weights,
    _on_header(with_odd_part),
    _on_header(_odd_tensor),
    _on_header(_odd_tensor),
    _on_header(_renamed_tensor),
    _on_description(with_odd_part),
    _on_description(with_odd_part),
    _on_description(lambda rng, description: with_deep_text(rng, json.dumps(description))),
    _on_description(_odd_field),
    _on_description(_odd_field),
    _on_description(_odd_radiometry),
    _on_description(_odd_name),
)
