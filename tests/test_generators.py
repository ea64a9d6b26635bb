"""Generators against the published parameter counts, shapes and dropout positions of Pix2Pix."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sartranslate.networks import backend
from sartranslate.recipes.architecture import ARCHITECTURES, UPSAMPLINGS, GeneratorConfig
from tests.conftest import user_environment

backend.select("tensorflow")

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

from sartranslate.networks.blocks import initialise  # noqa: E402
from sartranslate.networks.generators import build_generator  # noqa: E402
from sartranslate.networks.topology import operations  # noqa: E402
from sartranslate.recipes.initialisation import Initialisation  # noqa: E402
from sartranslate.runtimes.folding import fold  # noqa: E402

CONTRAST = Initialisation("kaiming")  # small networks with the paper's weights give almost nothing


def trainable(model: keras.Model) -> int:
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


def paths(model: keras.Model) -> list[str]:
    return [variable.path for variable in model.trainable_variables]


def patches(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


def seeds(*values: int) -> NDArray[np.int32]:
    return np.array(values, np.int32)


def built(config: GeneratorConfig, *, training: bool = False, sampling: bool = False) -> keras.Model:
    """With weights that do not depend on what else the network is built for."""
    model = build_generator(config, training=training, sampling=sampling)
    initialise(model, CONTRAST, 0)
    return model


@pytest.mark.parametrize(("bands", "count"), [(3, 54_413_955), (1, 54_411_907), (2, 54_412_931)])
def test_the_unet_256_has_the_parameters_of_the_reference(bands: int, count: int) -> None:
    assert trainable(build_generator(GeneratorConfig(source_bands=bands))) == count


@pytest.mark.long
@pytest.mark.parametrize(
    ("bands", "norm", "count"),
    [(3, "instance", 54_409_603), (1, "none", 54_407_555)],
)
def test_the_unet_256_has_a_bias_everywhere_without_batch_norm(bands: int, norm: str, count: int) -> None:
    assert trainable(build_generator(GeneratorConfig(source_bands=bands, norm=norm))) == count


def test_the_tutorial_s_generator_has_its_parameters_counted_with_the_stored_statistics() -> None:
    assert build_generator(GeneratorConfig(source_bands=3, bias=True)).count_params() == 54_429_315


def test_the_bottleneck_is_normalised_when_asked_for() -> None:
    """Two more parameters for each of its channels."""
    plain, normalised = (build_generator(GeneratorConfig(filters=2, bottleneck_norm=asked)) for asked in (False, True))
    assert trainable(normalised) == trainable(plain) + 2 * 16


@pytest.mark.long
@pytest.mark.parametrize(
    ("architecture", "norm", "count"),
    [
        ("unet_128", "batch", 41_828_995),
        # Skips double the inputs of seven decoder layers: 16 weights for each pair of channels.
        ("encoder_decoder", "batch", 54_413_955 - 16 * (3 * 512 * 512 + 512 * 256 + 256 * 128 + 128 * 64 + 64 * 3)),
        ("resnet_6blocks", "batch", 7_841_411),
        ("resnet_9blocks", "batch", 11_383_427),
        ("resnet_6blocks", "instance", 7_837_699),
    ],
)
def test_the_other_architectures_have_the_parameters_of_theirs(architecture: str, norm: str, count: int) -> None:
    assert trainable(build_generator(GeneratorConfig(architecture, source_bands=3, norm=norm))) == count


def test_variables_have_the_paths_under_which_model_files_hold_them() -> None:
    expected = []
    for level in range(8):
        expected.append(f"down{level}/kernel")
        if 0 < level < 7:
            expected += [f"down{level}_norm/{name}" for name in ("gamma", "beta", "moving_mean", "moving_variance")]
    for level in range(7, 0, -1):
        expected.append(f"up{level}/kernel")
        expected += [f"up{level}_norm/{name}" for name in ("gamma", "beta", "moving_mean", "moving_variance")]
    expected += ["up0/kernel", "up0/bias"]
    assert sorted(v.path for v in build_generator(GeneratorConfig(filters=1)).variables) == sorted(expected)


@pytest.mark.long
@pytest.mark.parametrize("architecture", ["unet_128", "resnet_6blocks"])
def test_whatever_it_is_built_for_a_generator_has_the_same_weights_in_the_same_order(architecture: str) -> None:
    config = GeneratorConfig(architecture, filters=1)
    expected = paths(build_generator(config))
    assert paths(build_generator(config, training=True)) == expected
    assert paths(build_generator(config, sampling=True)) == expected
    own = build_generator(GeneratorConfig(architecture, filters=1, test_mode="own"))
    assert paths(own) == expected


@pytest.mark.parametrize(("training", "stored"), [(True, 2 * 11), (False, 0)])
def test_the_own_test_mode_stores_no_statistics_but_trains_on_those_of_the_batch(training: bool, stored: int) -> None:
    model = build_generator(GeneratorConfig("unet_128", filters=1, test_mode="own"), training=training)
    assert len(model.non_trainable_variables) == stored


@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
@pytest.mark.parametrize(("bands", "shape"), [(1, (2, 256, 256)), (2, (1, 256, 512))])
def test_the_generator_keeps_size_and_stays_within_tanh(upsampling: str, bands: int, shape: tuple[int, ...]) -> None:
    generator = build_generator(GeneratorConfig(source_bands=bands, filters=2, upsampling=upsampling))
    output = generator(np.ones((*shape, bands), np.float32)).numpy()
    assert output.shape == (*shape, 3)
    assert np.abs(output).max() < 1


@pytest.mark.long
@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
@pytest.mark.parametrize("architecture", ["unet_128", "encoder_decoder", "resnet_6blocks"])
def test_every_architecture_takes_its_multiples(architecture: str, upsampling: str) -> None:
    config = GeneratorConfig(architecture, filters=2, target_bands=2, upsampling=upsampling)
    for rows, cols in [(1, 1), (2, 3)]:
        size = (rows * config.size_multiple, cols * config.size_multiple)
        output = built(config)(patches(1, *size, 1)).numpy()
        assert output.shape == (1, *size, 2)
        assert np.isfinite(output).all()


@pytest.mark.parametrize("test_mode", ["stored", "own"])
@pytest.mark.parametrize("architecture", ["unet_128", "resnet_6blocks"])
def test_an_output_depends_on_its_own_patch_only(architecture: str, test_mode: str) -> None:
    """What else is in the batch must not matter, in the seeds' own test mode neither."""
    generator = built(GeneratorConfig(architecture, filters=4, test_mode=test_mode))
    batch = patches(4, 128, 128, 1)
    together = generator(batch, training=False).numpy()
    alone = np.concatenate([generator(patch[None], training=False) for patch in batch])
    np.testing.assert_allclose(together, alone, atol=1e-4)
    assert together.std() > 0.2


@pytest.mark.long
@pytest.mark.parametrize(
    ("architecture", "training"),
    [("unet_128", False), ("unet_128", True), ("encoder_decoder", False), ("resnet_6blocks", False)],
)
def test_the_own_test_mode_is_training_at_batch_size_one_with_seed_zero(architecture: str, training: bool) -> None:
    skips = architecture != "encoder_decoder"  # without them a bottleneck is never normalised
    config = GeneratorConfig(architecture, filters=4, norm_epsilon=1e-3, bottleneck_norm=skips, test_mode="own")
    source = patches(2, config.size_multiple, 512, 1)  # a bottleneck of one pixel would be erased
    learner = built(config, training=True)
    expected = np.concatenate([learner([patch[None], seeds(0)], training=True) for patch in source])
    np.testing.assert_allclose(built(config)(source, training=training), expected, atol=1e-4)
    assert expected.std() > 0.2


def test_the_own_test_mode_drops_values_without_batch_norm_too() -> None:
    own, stored = (
        built(GeneratorConfig("unet_128", filters=4, norm="instance", test_mode=mode)) for mode in ("own", "stored")
    )
    source = patches(1, 128, 128, 1)
    assert np.abs(own(source) - stored(source)).max() > 0.1


def dropouts(training: bool = True, **config: object) -> list[str]:
    model = build_generator(GeneratorConfig(**{"filters": 1, **config}), training=training)
    return [layer.name.removesuffix("_dropout") for layer in model.layers if "dropout" in layer.name]


@pytest.mark.parametrize(
    ("architecture", "dropout_layers", "expected"),
    [
        ("unet_256", (1, 3), ["up7", "up6", "up5"]),
        ("unet_256", (2, 4), ["up6", "up5", "up4"]),
        ("encoder_decoder", (1, 3), ["up7", "up6", "up5"]),
        ("unet_128", (1, 3), ["up6", "up5", "up4"]),
        ("unet_128", (2, 3), ["up5", "up4"]),
        ("unet_256", (7, 8), ["up1"]),
        ("unet_256", (8, 8), []),
        ("resnet_6blocks", (1, 3), [f"block{number}a" for number in range(1, 7)]),
    ],
)
def test_dropout_is_on_the_layers_asked_for_but_never_on_the_outermost(
    architecture: str, dropout_layers: tuple[int, int], expected: list[str]
) -> None:
    assert dropouts(architecture=architecture, dropout_layers=dropout_layers) == expected
    assert dropouts(architecture=architecture, dropout_layers=dropout_layers, training=False) == []


def test_a_rate_of_zero_leaves_dropout_out_and_takes_seeds_nevertheless() -> None:
    assert dropouts(dropout=0.0) == []
    learner = built(GeneratorConfig("unet_128", filters=2, dropout=0.0), training=True)
    source = patches(1, 128, 128, 1)
    first, second = (learner([source, seeds(seed)], training=True) for seed in (1, 2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("architecture", ["unet_128", "resnet_6blocks"])
def test_a_seed_decides_what_is_dropped_whatever_the_batch_is_split_into(architecture: str) -> None:
    learner = built(GeneratorConfig(architecture, filters=4, norm="instance"), training=True)
    source = np.repeat(patches(1, 128, 128, 1), 3, axis=0)
    together = learner([source, seeds(5, -6, 5)], training=True).numpy()
    np.testing.assert_allclose(together[0], together[2], atol=1e-4)
    assert np.abs(together[0] - together[1]).max() > 0.2
    np.testing.assert_allclose(learner([source[:1], seeds(-6)], training=True), together[1:2], atol=1e-4)


def test_dropout_ends_with_training() -> None:
    config = GeneratorConfig("unet_128", filters=2)
    source = patches(1, 128, 128, 1)
    learner, user = built(config, training=True), built(config)
    np.testing.assert_allclose(learner([source, seeds(1)], training=False), user(source), atol=1e-6)


@pytest.mark.parametrize(("architecture", "test_mode"), [("unet_128", "stored"), ("resnet_6blocks", "own")])
def test_a_sample_depends_on_its_own_patch_and_seed_only(architecture: str, test_mode: str) -> None:
    sampler = built(GeneratorConfig(architecture, filters=4, test_mode=test_mode), sampling=True)
    batch, drawn = patches(3, 128, 128, 1), seeds(7, 0, 7)
    together = sampler([batch, drawn], training=False).numpy()
    alone = [sampler([batch[n : n + 1], drawn[n : n + 1]], training=False) for n in range(3)]
    np.testing.assert_allclose(together, np.concatenate(alone), atol=1e-4)
    other = sampler([batch, seeds(7, 1, 8)], training=False).numpy()
    np.testing.assert_allclose(together[0], other[0], atol=1e-4)
    assert min(np.abs(together[n] - other[n]).max() for n in (1, 2)) > 0.1


def test_samples_take_the_statistics_that_are_stored_and_leave_them() -> None:
    sampler = built(GeneratorConfig("unet_128", filters=4), sampling=True)
    source = [patches(2, 128, 128, 1), seeds(1, 2)]
    before = sampler(source, training=False).numpy()
    for variable in sampler.non_trainable_variables:
        variable.assign(variable * 0.25)
    stored = [variable.numpy() for variable in sampler.non_trainable_variables]
    after = sampler(source, training=False).numpy()
    assert np.abs(after - before).max() > 0.1
    for variable, expected in zip(sampler.non_trainable_variables, stored, strict=True):
        assert np.array_equal(variable, expected)


def test_samples_drop_what_training_drops() -> None:
    config = GeneratorConfig("unet_128", filters=4, norm="instance")
    sampler, learner = built(config, sampling=True), built(config, training=True)
    source = patches(2, 128, 128, 1)
    expected = learner([source, seeds(3, -4)], training=True)
    np.testing.assert_allclose(sampler([source, seeds(3, -4)], training=False), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("config", "rate"),
    [
        (GeneratorConfig("unet_128", filters=1, dropout=0.3), 0.3),
        (GeneratorConfig("unet_128", filters=1, dropout=0.0), 0.0),
        (GeneratorConfig("unet_128", filters=1, dropout_layers=(7, 7)), 0.0),
    ],
)
def test_a_rate_is_that_of_the_layers_which_there_are(config: GeneratorConfig, rate: float) -> None:
    tensors = {variable.path: variable.numpy() for variable in build_generator(config).variables}
    assert fold(config, tensors, sampling=True).dropout == rate
    assert fold(config, tensors).dropout == 0


@pytest.mark.long
@pytest.mark.parametrize(
    ("architecture", "test_mode", "precision"),
    [("unet_128", "stored", "float16"), ("unet_128", "own", "bfloat16"), ("resnet_6blocks", "own", "float16")],
)
def test_reduced_precision_keeps_weights_and_output_in_float32(
    architecture: str, test_mode: str, precision: str
) -> None:
    config = GeneratorConfig(architecture, filters=2, test_mode=test_mode)
    with backend.policy(precision):
        generator, learner = build_generator(config), build_generator(config, training=True)
    assert {variable.dtype for variable in (*generator.variables, *learner.variables)} == {"float32"}
    source = patches(1, 128, 128, 1)
    for output in (generator(source), learner([source, seeds(1)], training=True)):
        assert output.dtype == "float32"
        assert np.isfinite(output).all()


def test_leak_momentum_and_epsilon_reach_every_layer() -> None:
    config = GeneratorConfig(filters=1, leak=0.3, norm_epsilon=1e-3)
    model = build_generator(config, momentum=0.99)
    leaky = [layer.negative_slope for layer in model.layers if isinstance(layer, keras.layers.LeakyReLU)]
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    np.testing.assert_allclose(leaky, [0.3] * 7)
    assert [(layer.momentum, layer.epsilon) for layer in norms] == [(0.99, 1e-3)] * 13


@pytest.mark.long
@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_operations_of_a_window_are_those_of_the_network_s_convolutions(architecture: str, upsampling: str) -> None:
    config = GeneratorConfig(architecture, source_bands=2, filters=4, upsampling=upsampling)
    model = build_generator(config)
    convolutions = [layer for layer in model.layers if hasattr(layer, "kernel")]
    ends = keras.Model(model.input, [[layer.input, layer.output] for layer in convolutions])
    counted = 0
    for layer, (given, output) in zip(convolutions, ends(np.zeros((1, 256, 256, 2), np.float32)), strict=True):
        # A transposed convolution spreads each input pixel, a convolution gathers each output pixel.
        side = given if "Transpose" in type(layer).__name__ else output
        counted += 2 * int(np.prod(layer.kernel.shape)) * side.shape[1] * side.shape[2]
    assert operations(config, 256) == counted


@pytest.mark.long
def test_a_compiled_generator_computes_the_same_at_sizes_unknown_before() -> None:
    learner = built(GeneratorConfig("resnet_6blocks", filters=2, norm="instance"), training=True)
    signature = [tf.TensorSpec((None, None, None, 1)), tf.TensorSpec((None,), tf.int32)]
    compiled = tf.function(lambda x, seed: learner([x, seed], training=True), input_signature=signature)
    for shape in [(2, 64, 132, 1), (1, 128, 64, 1)]:
        source, drawn = patches(*shape), np.arange(shape[0], dtype=np.int32)
        expected = learner([source, drawn], training=True)
        np.testing.assert_allclose(compiled(source, drawn), expected, atol=1e-4)


# What each backend computes from the same pictures, weights and seeds. The gradients are of two calls at once, as in
# training: the first call's must not notice what the second one stores.
COMPUTE = """
import sys
from sartranslate.networks import backend
backend.select(sys.argv[1])
import numpy as np
from keras import ops
from sartranslate.recipes.architecture import ARCHITECTURES, UPSAMPLINGS, DiscriminatorConfig, GeneratorConfig
from sartranslate.networks.autograd import Tape
from sartranslate.networks.blocks import initialise
from sartranslate.networks.discriminators import build_discriminator, features_of, logits_of
from sartranslate.networks.dropout import keep_mask
from sartranslate.networks.generators import build_generator
from sartranslate.recipes.initialisation import Initialisation

GENERATORS = [
    *(GeneratorConfig(name, filters=4, upsampling=up) for name in ARCHITECTURES for up in UPSAMPLINGS),
    GeneratorConfig("unet_128", filters=4, norm="instance", dropout_layers=(2, 5)),
    GeneratorConfig("resnet_6blocks", filters=4, norm="none", dropout=0.1),
]
DISCRIMINATORS = [
    DiscriminatorConfig(layers=0, filters=4),
    DiscriminatorConfig(layers=4, filters=4, bias=True, padding="same"),
    DiscriminatorConfig(filters=4, scales=3, spectral_norm=True, norm="instance"),
]
# Of seed 0 an activation lies within rounding of 0, where the slope of a leaky ReLU jumps by its whole share.
rng = np.random.default_rng(1)
source, target = (rng.uniform(-1, 1, (2, 256, 268, bands)).astype(np.float32) for bands in (1, 3))
results = {}


def keep(name, model, call):
    initialise(model, Initialisation("kaiming"), 1)
    for round in range(2):
        for number, output in enumerate(call(model)):
            results[f"{name} {round} {number}"] = ops.convert_to_numpy(output)


for config in GENERATORS:
    width = 268 if config.size_multiple == 4 else 256
    seeds = np.array([3, -5], np.int32)
    learner = build_generator(config, training=True)
    keep(config, learner, lambda model: [model([source[:, :, :width], seeds], training=True)])
own = GeneratorConfig("unet_128", filters=4, test_mode="own")
keep(own, build_generator(own), lambda model: [model(source[:, :, :256], training=False)])
for config in DISCRIMINATORS:
    model = build_discriminator(config, 1, 3)

    def judge(model, training=True):
        outputs = model([source, target], training=training)
        return [*logits_of(outputs), *features_of(outputs)]

    keep(config, model, judge)
    keep(f"stored {config}", model, lambda model: judge(model, training=False))
    with Tape() as tape:
        total = sum(ops.mean(ops.square(output)) for output in [*judge(model), *judge(model)])
    slopes = tape.gradient(total, model.trainable_variables)
    results |= {f"{config} slope {number}": ops.convert_to_numpy(slope) for number, slope in enumerate(slopes)}
seeds = np.array([0, 1, -1, 2**31 - 1, -(2**31)], np.int32)
results["mask"] = ops.convert_to_numpy(keep_mask((5, 40, 30, 33), ops.convert_to_tensor(seeds), 2**32 - 1, 0.3))
np.savez(sys.argv[2], **results)
"""


@pytest.mark.long
@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")
def test_both_backends_compute_the_same_in_training(tmp_path: Path) -> None:
    results = []
    for name in backend.BACKENDS:
        command = [sys.executable, "-c", COMPUTE, name, str(tmp_path / f"{name}.npz")]
        done = subprocess.run(
            command, capture_output=True, text=True, env=user_environment(), cwd=Path(__file__).parents[1]
        )
        assert done.returncode == 0, done.stderr
        results.append(np.load(tmp_path / f"{name}.npz"))
    first, second = results
    assert sorted(first) == sorted(second)
    assert np.array_equal(first["mask"], second["mask"])
    for name in first:
        expected = first[name].astype(np.float64)
        tolerance = 1e-4 * max(1.0, np.abs(expected).max())
        np.testing.assert_allclose(second[name], expected, atol=tolerance, rtol=0, err_msg=name)
