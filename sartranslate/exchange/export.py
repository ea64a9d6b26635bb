"""Models in the formats of other tools, each compared with Keras before it gets its name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from sartranslate.backscatter.radiometry import Float
from sartranslate.errors import BackendError, OptionError, OutputError
from sartranslate.networks import backend, bundle
from sartranslate.outputs.output import check_report
from sartranslate.rasters.geotiff import write_errors
from sartranslate.runtimes import deepness
from sartranslate.runtimes.folding import fold
from sartranslate.runtimes.runtime import installed
from sartranslate.runtimes.steps import Folded
from sartranslate.runtimes.value_ranges import UNIT, ValueRanges
from sartranslate.storage.atomic import replaced_when_whole
from sartranslate.streaming.windows import check_multiple

FORMATS = ("onnx", "savedmodel", "tflite", "deepness")
ENDINGS = {".onnx": ("onnx", "deepness"), ".tflite": ("tflite",)}  # and the formats that they promise
OF_TENSORFLOW = ("savedmodel", "tflite")
RESOLUTION = 10.0  # metres for a pixel, those of Sentinel-1
FINEST, COARSEST = 1e-6, 1e6
TOLERANCE = 1e-4  # of values in [-1, 1]
BATCHES = (1, 3)  # compared, where any is taken
MARK = "saved_model.pb"  # in a folder that is a SavedModel
SAVED = (MARK, "assets", "variables", "variables/variables.*", "fingerprint.pb", "keras_metadata.pb")  # all in one
PATTERN = re.compile(r"[*?\[\\]")


@dataclass(frozen=True)
class ExportOptions:
    """What an exported generator takes and gives."""

    format: str = "onnx"  # one of FORMATS
    ranges: ValueRanges | None = None  # None: -1 to 1, or those of "deepness", which takes no others
    window: int = 256  # pixels, both sides: all that "tflite" and "deepness" take
    resolution: float | None = None  # metres for a pixel of the scenes that "deepness" cuts; None: RESOLUTION
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise OptionError(f"format {self.format!r}: expected one of {', '.join(FORMATS)}")
        if self.format == "deepness" and self.ranges:
            raise OptionError("ranges for deepness, which has its own: 0 to 1")
        if self.resolution is not None and self.format != "deepness":
            raise OptionError(f"resolution for {self.format}, expected it for deepness alone")
        if self.resolution is not None and not FINEST <= self.resolution <= COARSEST:
            raise OptionError(f"resolution {self.resolution:g}: expected {FINEST:g} to {COARSEST:g} metres")
        self.ends.check()

    @property
    def ends(self) -> ValueRanges:
        """The values at both ends of the exported generator."""
        own = ValueRanges(deepness.RANGE, deepness.RANGE) if self.format == "deepness" else ValueRanges()
        return self.ranges or own


def export(model: Path, out: Path, options: ExportOptions | None = None) -> float:
    """Write the generator of a model file to `out`, a file or, of a SavedModel, a folder; whole or not at all.

    Returns how far its values are from those of Keras at most, in terms of [-1, 1]. Raises `BackendError` where that is
    more than 0.0001, a package is missing, or the format can not hold the generator; `OutputError` and `BundleError`.
    """
    options = options or ExportOptions()
    backend.select("tensorflow" if options.format in OF_TENSORFLOW else None)
    check_multiple(options.window, bundle.describe(model).generator.size_multiple)
    if options.format not in ENDINGS.get(out.suffix.lower(), FORMATS):
        raise OptionError(f"{out}: is no name for {options.format}, expected another one or another format")
    _check_free(out, model, options)
    network = bundle.load(model).model
    with replaced_when_whole(out, overwrite=options.overwrite) as unfinished:
        with write_errors(out):
            call = _written(model, network, unfinished, options)
        difference = _difference(network, call, options)
        if not difference <= TOLERANCE:
            raise BackendError(f"{out}: {difference:.3g} from Keras, expected at most {TOLERANCE:g}")
        _check_free(out, model, options)  # as it is by now
    return difference


def _check_free(out: Path, model: Path, options: ExportOptions) -> None:
    if options.format == "savedmodel" and (found := PATTERN.search(str(out.resolve()))):
        raise OutputError(f"{out}: TensorFlow takes {found[0]} in a path for a pattern, expected another one")
    if not out.is_dir():
        check_report(out, [model], "exported", overwrite=options.overwrite)
        if out.exists() and options.format == "savedmodel":
            raise OutputError(f"{out}: is a file, expected the name of a folder")
        return
    if not options.overwrite:
        raise OutputError(f"{out}: exists already; --overwrite replaces it")
    if out.is_symlink():
        raise OutputError(f"{out}: is a link to a folder, expected the folder itself")
    if not (options.format == "savedmodel" and (out / MARK).is_file()):
        raise OutputError(f"{out}: is a folder, and no SavedModel to replace")
    if others := sorted(_others_in(out)):
        raise OutputError(f"{out}: holds {others[0]} beside a SavedModel, expected another folder")


def _others_in(folder: Path) -> Iterator[str]:
    """What does not belong to a SavedModel without assets."""
    for file in folder.rglob("*"):
        name = file.relative_to(folder).as_posix()
        if not any(fnmatchcase(name, pattern) for pattern in SAVED):
            yield name


def _written(model: Path, network: Any, out: Path, options: ExportOptions) -> Callable[[Float], Float]:
    """What was written to `out`, as a call."""
    if options.format in ("onnx", "deepness"):
        return _onnx(model, out, options)
    from sartranslate.exchange import tensorflow_export as exporting

    if options.format == "tflite" and _folded(model).dropout > 0:
        raise BackendError(
            "TensorFlow Lite can not hold a generator that drops values, expected one without dropout in use; "
            "a SavedModel can (--format savedmodel)"
        )
    side = options.window if options.format == "tflite" else None
    network = exporting.with_ranges(network, options.ends, side)
    if options.format == "tflite":
        exporting.write_tflite(network, out)
        return exporting.call_tflite(out)
    exporting.write_savedmodel(network, out)
    return exporting.call_savedmodel(out)


def _onnx(model: Path, out: Path, options: ExportOptions) -> Callable[[Float], Float]:
    if not installed("onnxruntime"):
        raise BackendError("ONNX models are made and compared with onnx and onnxruntime: pip install both")
    from sartranslate.runtimes import onnx_graph, onnx_runtime

    folded = _folded(model)
    if options.format == "onnx":
        content = onnx_graph.onnx_model(folded, options.ends)
        call: Any = onnx_runtime.generator(content, "float32")
    else:
        content = onnx_graph.deepness_model(folded, options.window, 100 * (options.resolution or RESOLUTION))
        call = _as_deepness(onnx_runtime.generator(content, "float32"))
    out.write_bytes(content)
    return call  # type: ignore[no-any-return]


def _folded(model: Path) -> Folded:
    description, tensors = bundle.read(model)
    return fold(description.generator, tensors)


def _as_deepness(run: Callable[[Float], Float]) -> Callable[[Float], Float]:
    """Channels last, and every other pixel."""

    def call(batch: Float) -> Float:
        pictures = [run(np.ascontiguousarray(tile.transpose(2, 0, 1)[None])) for tile in batch]
        return np.concatenate(pictures)[:, :, :: deepness.ENLARGED, :: deepness.ENLARGED].transpose(0, 2, 3, 1)

    return call


def _difference(network: Any, call: Callable[[Float], Float], options: ExportOptions) -> float:
    """The largest one, of random values in the source's range and around it."""
    ranges = options.ends
    low, high = ranges.source
    margin = (high - low) / 8 if ranges.source != UNIT else 0.0  # which is clipped
    compute, found = backend.predictor(network), 0.0
    for count in BATCHES:
        shape = (count, options.window, options.window, network.input_shape[-1])
        source = np.random.default_rng(count).uniform(low - margin, high + margin, shape).astype(np.float32)
        expected = compute(ranges.scaled(source))
        target = (call(source) - ranges.out.offset) / ranges.out.factor
        found = float(np.maximum(found, np.abs(target - expected).max()))  # which is NaN where one of them is
    return found
