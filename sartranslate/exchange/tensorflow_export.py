"""Generators as TensorFlow's and TensorFlow Lite's models, and what these compute."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tensorflow.lite.python.convert_phase import ConverterError

from sartranslate.backscatter.radiometry import Float
from sartranslate.errors import BackendError
from sartranslate.networks.backend import without_notes
from sartranslate.networks.topology import SOURCE, TARGET
from sartranslate.rasters.raster import first_line
from sartranslate.runtimes.value_ranges import UNIT, ValueRanges

Call = Callable[[Float], Float]


def with_ranges(model: keras.Model, ranges: ValueRanges, side: int | None) -> keras.Model:
    """A generator with other values at its ends, for windows of so many pixels a side, or of any."""
    source = keras.Input((side, side, model.input_shape[-1]), name=SOURCE)
    x = source
    if ranges.source != UNIT:
        x = keras.ops.clip(keras.layers.Rescaling(*ranges.into, name="into")(x), -1.0, 1.0)
    x = model(x)
    if ranges.target != UNIT:
        x = keras.layers.Rescaling(*ranges.out, name="out")(x)
    return keras.Model(source, keras.layers.Identity(name=TARGET)(x), name=model.name)


def write_savedmodel(model: keras.Model, folder: Path) -> None:
    """Any batch of any window, as the signature `serve`. Raises `OSError` where it can not be written."""
    try:
        model.export(str(folder), format="tf_saved_model", verbose=False)
    except tf.errors.OpError as error:
        raise OSError(first_line(error)) from error


def call_savedmodel(folder: Path) -> Call:
    """What a SavedModel computes."""
    loaded = tf.saved_model.load(str(folder))
    return lambda batch: np.asarray(loaded.serve(batch))


def write_tflite(model: keras.Model, file: Path) -> None:
    """Any batch of the model's window, in float32. Raises `BackendError` where the format can not hold the model.

    It has a signature, unless the shapes of the model get lost in a SavedModel, as those of some that resize do.
    """
    for converted in (_by_savedmodel, _by_call):
        with suppress(ConverterError), without_notes():
            file.write_bytes(converted(model))
            return
    raise BackendError("TensorFlow Lite can not hold this generator")


def _by_savedmodel(model: keras.Model) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        write_savedmodel(model, Path(folder))
        return bytes(tf.lite.TFLiteConverter.from_saved_model(folder).convert())


def _by_call(model: keras.Model) -> bytes:
    window = tf.TensorSpec(model.inputs[0].shape, tf.float32, name=SOURCE)
    kept = tf.Module()  # with the model in its place all values would be NaN
    kept.compute = tf.function(lambda source: model(source, training=False), input_signature=[window])
    compute = [kept.compute.get_concrete_function()]
    return bytes(tf.lite.TFLiteConverter.from_concrete_functions(compute, kept).convert())


def call_tflite(file: Path) -> Call:
    """What a file of TensorFlow Lite computes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that this interpreter will be found in another package
        interpreter = tf.lite.Interpreter(model_content=file.read_bytes())
    source, target = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def call(batch: Float) -> Float:
        interpreter.resize_tensor_input(source, batch.shape)
        with without_notes():
            interpreter.allocate_tensors()
        interpreter.set_tensor(source, batch)
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(target))

    return call
