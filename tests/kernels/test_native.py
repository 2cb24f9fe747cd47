"""Kernels of our own against their definitions by TensorFlow, in float64."""

import contextlib
import os
import shutil
import subprocess
import sys
import sysconfig

import numpy as np
import pytest
import tensorflow as tf
from layer_checks import random_images
from native_checks import EPSILON
from native_checks import as_tensors
from native_checks import check
from native_checks import differentiated
from native_checks import needs_library
from native_checks import normalized
from native_checks import numbers

from keras_atdarts.experiments.runs import runtime
from keras_atdarts.kernels.devices import formulated_for
from keras_atdarts.kernels.devices import runs_native
from keras_atdarts.kernels.devices import tensorflow_only
from keras_atdarts.kernels.native import library
from keras_atdarts.kernels.native import operations as native
from keras_atdarts.kernels.passes import kernels_fixed
from keras_atdarts.operations import resolve_operations
from keras_atdarts.search.cell import SearchCell
from keras_atdarts.search.mixing import MixingWeights
from keras_atdarts.search.mixing import cell_edges


def test_the_library_is_there_where_it_can_be_compiled():
    if sys.platform == "linux" and shutil.which("c++"):
        assert library.find_library() is not None
        assert runs_native() == (not tf.config.list_physical_devices("GPU"))


def test_each_processor_gets_what_it_can_run(monkeypatch, tmp_path):
    ending = sysconfig.get_config_var("EXT_SUFFIX")
    for name in ("kernels_v4", "kernels_v3"):
        (tmp_path / f"{name}{ending}").touch()
    monkeypatch.setattr(library, "FOLDER", tmp_path)
    monkeypatch.setattr(library.platform, "machine", lambda: "x86_64")
    best, other = library.LEVELS["x86_64"].values()
    for features, expected in (
        (best | {"sse2"}, f"kernels_v4{ending}"),
        (other | {"sse2"}, f"kernels_v3{ending}"),
    ):
        monkeypatch.setattr(library, "processor_features", lambda found=features: found)
        assert library.find_library().name == expected
    monkeypatch.setattr(library, "processor_features", set)
    assert library.find_library() is None
    monkeypatch.setattr(library.platform, "machine", lambda: "s390x")
    assert library.find_library() is None


def test_without_the_library_tensorflow_does_it(monkeypatch, capsys):
    for module in ("kernels.devices", "experiments.runs.runtime"):
        monkeypatch.setattr(f"keras_atdarts.{module}.native_library", lambda: None)
    assert not runs_native()
    with pytest.raises(ValueError, match="Install the package again"):
        formulated_for("native")
    runtime.note_missing_kernels()
    assert "apt install g++" in capsys.readouterr().err


def convolved(x, depthwise, pointwise, strides, dilation):
    """The definition of a stage before its batch norm, tap by tap."""
    x = tf.nn.relu(x)
    size = depthwise.shape[0]
    if size:
        margin = dilation * (size // 2)
        height, width = (-(-side // strides) for side in x.shape[1:3])
        padded = tf.pad(x, [[0, 0], [margin, margin], [margin, margin], [0, 0]])
        x = tf.add_n(
            [
                padded[
                    :,
                    i * dilation : i * dilation + (height - 1) * strides + 1 : strides,
                    j * dilation : j * dilation + (width - 1) * strides + 1 : strides,
                ]
                * depthwise[i, j, :, 0]
                for i in range(size)
                for j in range(size)
            ]
        )
    return x @ pointwise


def defined_stage(tensors, depthwise, pointwise, scales, offsets, strides, dilation):
    return [
        normalized(convolved(x, *kernels, strides, dilation), scale, offset)
        for x, *kernels, scale, offset in zip(
            tensors,
            tf.unstack(depthwise, len(tensors)),
            tf.unstack(pointwise),
            tf.unstack(scales),
            tf.unstack(offsets),
            strict=True,
        )
    ]


STAGES = {
    "no depthwise": (1, (3, 5, 4), 6, 0, 1, 1),
    "3x3": (2, (4, 8, 6), 16, 3, 1, 1),
    "5x5, odd sizes": (3, (3, 7, 5), 6, 5, 1, 1),
    "7x7, smaller images": (1, (2, 3, 2), 3, 7, 1, 1),
    "9x9": (1, (2, 6, 11), 9, 9, 1, 1),
    "stride 2": (2, (4, 8, 6), 8, 3, 2, 1),
    "stride 2, odd sizes": (2, (2, 9, 7), 8, 5, 2, 1),
    "dilated": (2, (4, 9, 10), 8, 5, 1, 2),
    "stride 2, dilated": (2, (2, 9, 8), 4, 3, 2, 2),
    "one image": (1, (1, 9, 9), 20, 3, 1, 1),
    "four images at once": (2, (8, 5, 3), 2, 3, 1, 1),
    "many channels": (2, (2, 4, 4), 72, 3, 1, 1),
}
all_stages = pytest.mark.parametrize("kind", STAGES)


def inputs_of_stage(kind, dtype="float64"):
    edges, image, channels, size, strides, dilation = STAGES[kind]
    filters = channels if size else channels + 7
    shapes = (
        (edges, *image, channels),
        (edges, size, size, channels, 1),
        (edges, channels, filters),
        (edges, filters),
        (edges, filters),
    )
    inputs = [numbers(*shape, seed=i, dtype=dtype) for i, shape in enumerate(shapes)]
    return inputs, (strides, dilation)


@needs_library
@all_stages
def test_a_stage_of_one_tensor(kind):
    (images, *values), walk = inputs_of_stage(kind)

    def by_kernels(x, *values):
        lines, _ = native.stage([x], *values, EPSILON, *walk)
        return as_tensors(lines)

    def by_definition(x, *values):
        return defined_stage([x] * len(images), *values, *walk)

    inputs = [images[0], *values]
    check(differentiated(by_kernels, inputs), differentiated(by_definition, inputs))


@needs_library
@all_stages
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [("float64", 1e-11), ("float32", 2e-5)]
)
def test_a_stage_after_another(kind, dtype, tolerance):
    """What comes in is the batch norm of another one, which is never computed."""
    (images, *values), walk = inputs_of_stage(kind, dtype)
    scales, offsets = (
        numbers(len(images), images.shape[-1], seed=seed, dtype=dtype)
        for seed in (10, 11)
    )

    def by_kernels(images, scales, offsets, *values):
        tensors = tf.unstack(images)
        lines, _ = native.normalize(tensors, scales, offsets, EPSILON)
        lines, _ = native.stage(lines, *values, EPSILON, *walk)
        return as_tensors(lines)

    def by_definition(images, scales, offsets, *values):
        rows = map(tf.unstack, (images, scales, offsets))
        tensors = [normalized(*row) for row in zip(*rows, strict=True)]
        return defined_stage(tensors, *values, *walk)

    inputs = [images, scales, offsets, *values]
    exact = [tf.cast(x, tf.float64) for x in inputs]
    found = differentiated(by_kernels, inputs, dtype)
    check(found, differentiated(by_definition, exact), tolerance)


@needs_library
@all_stages
def test_in_float32(kind):
    inputs, walk = inputs_of_stage(kind, "float32")

    def by_kernels(images, *values):
        lines, _ = native.stage([images[0]], *values, EPSILON, *walk)
        return as_tensors(lines)

    def by_definition(images, *values):
        return defined_stage([images[0]] * len(images), *values, *walk)

    found = differentiated(by_kernels, inputs, "float32")
    exact = [tf.cast(x, tf.float64) for x in inputs]
    check(found, differentiated(by_definition, exact), tolerance=5e-6)


@needs_library
def test_one_number_scales_an_edge():
    (images, depthwise, pointwise, *_), walk = inputs_of_stage("3x3")
    weights, zeros = numbers(2), tf.zeros(2, tf.float64)

    def by_kernels(x, depthwise, pointwise, weights):
        values = depthwise, pointwise, weights, zeros
        return as_tensors(native.stage([x], *values, EPSILON, *walk)[0])

    def by_definition(x, depthwise, pointwise, weights):
        values = depthwise, pointwise, weights[:, tf.newaxis], zeros[:, tf.newaxis]
        return defined_stage([x] * 2, *values, *walk)

    inputs = [images[0], depthwise, pointwise, weights]
    check(differentiated(by_kernels, inputs), differentiated(by_definition, inputs))


@needs_library
@pytest.mark.parametrize("shared", [False, True], ids=["own", "shared"])
@pytest.mark.parametrize("channels", [1, 3, 8, 36])
def test_a_batch_norm(shared, channels):
    images = numbers(3, 2, 5, 4, channels) * 2 + 1
    inputs = [
        images[0] if shared else images,
        numbers(3, channels, seed=1),
        numbers(3, channels, seed=2),
    ]

    def tensors_of(images):
        return [images] if shared else tf.unstack(images)

    def by_kernels(images, scales, offsets):
        lines, _ = native.normalize(tensors_of(images), scales, offsets, EPSILON)
        return as_tensors(lines)

    def by_definition(images, scales, offsets):
        tensors = tensors_of(images) * (3 if shared else 1)
        rows = zip(tensors, tf.unstack(scales), tf.unstack(offsets), strict=True)
        return [normalized(*row) for row in rows]

    check(differentiated(by_kernels, inputs), differentiated(by_definition, inputs))


@needs_library
def test_a_tensor_times_its_weights():
    inputs = [numbers(2, 5, 4, 3), numbers(3)]

    def by_kernels(x, weights):
        return as_tensors(native.scale([x], weights))

    def by_definition(x, weights):
        return [weight * x for weight in tf.unstack(weights)]

    check(differentiated(by_kernels, inputs), differentiated(by_definition, inputs))


@needs_library
def test_statistics_are_those_of_pytorch():
    """Means, and variances of which PyTorch averages the unbiased ones."""
    inputs, walk = inputs_of_stage("four images at once")
    images, depthwise, pointwise, *_ = inputs
    _, statistics = native.stage([images[0]], *inputs[1:], EPSILON, *walk)
    results = [
        convolved(images[0], *kernels, *walk)
        for kernels in zip(tf.unstack(depthwise), tf.unstack(pointwise), strict=True)
    ]
    _, of_tensors = native.normalize(results, *inputs[3:], EPSILON)
    for found in (statistics, of_tensors):
        means, variances = found
        axes = 1, 2, 3
        np.testing.assert_allclose(means, np.mean(results, axes), rtol=1e-10)
        np.testing.assert_allclose(variances, np.var(results, axes, ddof=1), rtol=1e-10)


@needs_library
@pytest.mark.parametrize("channels", [3, 16, 20])
def test_sums_of_tensors_and_lines(channels):
    images = numbers(4, 2, 5, 4, channels)
    inputs = [images, numbers(2, channels, seed=1), numbers(2, channels, seed=2)]

    def by_kernels(images, scales, offsets):
        first, second, third, fourth = tf.unstack(images)
        lines, _ = native.normalize([first, second], scales, offsets, EPSILON)
        [scaled] = native.scale([third], scales[0, :1])
        return [native.add([lines[1], fourth, scaled, lines[0], lines[1]])]

    def by_definition(images, scales, offsets):
        first, second, third, fourth = tf.unstack(images)
        one = normalized(first, scales[0], offsets[0])
        other = normalized(second, scales[1], offsets[1])
        return [one + 2 * other + scales[0, 0] * third + fourth]

    check(differentiated(by_kernels, inputs), differentiated(by_definition, inputs))


@needs_library
def test_float32_is_as_exact_as_it_can_be():
    """One running sum over 32,768 pixels would be off by 1e-6 and more."""
    generator = np.random.default_rng(0)
    images = (1.5 * generator.normal(size=(32, 32, 32, 4)) + 0.7).astype("float32")
    exact = normalized(tf.constant(images, tf.float64), 1.0, 0.0)
    ones, zeros = tf.ones(1), tf.zeros(1)
    lines, _ = native.normalize([tf.constant(images)], ones, zeros, EPSILON)
    [y] = as_tensors(lines)
    assert np.linalg.norm(y - exact.numpy()) / np.linalg.norm(exact) < 2e-7


@needs_library
def test_products_of_many_channels_are_short_sums():
    """One running sum over 256 channels would be off by twice as much."""
    images = np.maximum(numbers(2, 16, 16, 256, dtype="float32"), 0)
    kernel = numbers(1, 256, 16, seed=1, dtype="float32").numpy()
    no_depthwise = tf.zeros((1, 0, 0, 256, 1))
    ones_and_zeros = tf.ones(1), tf.zeros(1)
    [line], _ = native.stage(
        [images], no_depthwise, kernel, *ones_and_zeros, EPSILON, 1, 1
    )
    exact = images.astype("float64") @ kernel[0].astype("float64")
    difference = np.linalg.norm(line.numbers - exact) / np.linalg.norm(exact)
    assert difference < 1.5e-7


@needs_library
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (0, "`tensors` must be images"),
        (1, "Kernels must have odd sizes"),
        (2, "`pointwise` must be"),
        (3, "Scales and offsets must be"),
    ],
)
def test_wrong_shapes_are_refused(change, message):
    inputs, walk = inputs_of_stage("3x3")
    inputs[0] = inputs[0][0]
    inputs[change] = inputs[change][:, 1:] if change else inputs[0][0]
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        native.stage([inputs[0]], *inputs[1:], EPSILON, *walk)


def gradients_of_cell(cell, states, alphas, kind, fixed=False):
    """Returns a cell's result, its gradients, and its moved statistics."""
    weights = [each.value for each in cell.trainable_variables]
    before = cell.get_weights()

    @tf.function(autograph=False)
    def differentiate():
        with formulated_for(kind), tf.GradientTape() as tape:
            tape.watch([alphas, states])
            mixing = [MixingWeights(each, cell.num_nodes) for each in alphas]
            names = zip(("weights", "attention_weights"), mixing, strict=False)
            with kernels_fixed() if fixed else contextlib.nullcontext():
                result = cell(states, **dict(names), training=True)
            loss = tf.reduce_sum(tf.sin(result))
        sources = [*alphas, *states, *weights]
        return [result, *tape.gradient(loss, sources, unconnected_gradients="zero")]

    results = differentiate()
    statistics = [np.array(each) for each in cell.non_trainable_variables]
    cell.set_weights(before)
    return [*results, *statistics]


CELLS = {
    "normal": {},
    "reduction": {"reduction": True},
    "attention": {"attention": ("channel_attention", "spatial_attention")},
    "partial channels": {"partial_channels": 2},
}


@pytest.fixture(scope="module", params=CELLS)
def cell_and_inputs(request):
    options = CELLS[request.param]
    operations = resolve_operations("darts" if "attention" in options else "at_darts")
    cell = SearchCell(4, operations, num_nodes=2, dtype="float64", **options)
    states = [tf.constant(x) for x in random_images((2, 4, 9, 8, 4), "float64")]
    cell.build([x.shape for x in states])
    edges = len(cell_edges(2))
    alphas = [numbers(edges, len(operations))]
    if "attention" in options:
        alphas.append(numbers(edges, 3))
    return cell, states, alphas


@needs_library
def test_a_cell_computes_the_same(cell_and_inputs):
    check(
        gradients_of_cell(*cell_and_inputs, "native"),
        gradients_of_cell(*cell_and_inputs, "cpu"),
        tolerance=1e-9,
    )


@needs_library
def test_fixed_kernels_change_nothing_else(cell_and_inputs):
    cell, states, alphas = cell_and_inputs
    free, fixed = (
        gradients_of_cell(*cell_and_inputs, "native", each) for each in (False, True)
    )
    others = 1 + len(alphas) + len(states)
    check(fixed[:others], free[:others], tolerance=0)
    assert any(np.any(x) for x in free[others:])


@needs_library
def test_what_does_not_belong_together_is_refused():
    images = numbers(2, 1, 4, 4, 3)
    lines, _ = native.normalize(
        tf.unstack(images), tf.ones((2,), tf.float64), tf.zeros((2,), tf.float64), 0.1
    )
    values = numbers(2, 3, 3, 3, 1), numbers(2, 3, 5), numbers(2, 5), numbers(2, 5)
    with pytest.raises(ValueError, match="those of one batch norm"):
        native.stage(lines[::-1], *values, EPSILON, 1, 1)
    with pytest.raises(tf.errors.InvalidArgumentError, match="of one shape"):
        native.normalize([images[0], images[:, 0]], *values[2:], EPSILON)
    with pytest.raises(tf.errors.InvalidArgumentError, match="one for each edge"):
        native.normalize(list(images) * 2, *values[2:], EPSILON)
    with pytest.raises(tf.errors.InvalidArgumentError, match="must have one shape"):
        native.add([lines[0], images[:, 0]])


@needs_library
def test_tensorflow_only():
    with formulated_for("native"):
        assert runs_native()
        with tensorflow_only():
            assert not runs_native()
        assert runs_native()


SCRIPT = """
import sys, numpy, tensorflow as tf
from keras_atdarts.kernels.native import library, operations
library.LEVELS = {library.platform.machine(): {"kernels_v3": set()}}
inputs = numpy.load(sys.argv[1])
values = [inputs[name] for name in inputs.files]
lines, _ = operations.stage(
    [values[0][0]], *map(tf.constant, values[1:]), 1e-5, 1, 1
)
numpy.save(sys.argv[2], [operations.add([line]) for line in lines])
"""


@needs_library
@pytest.mark.skipif(
    not list(library.FOLDER.glob("kernels_v3.*.so")), reason="this is no x86-64"
)
def test_older_processors_compute_the_same(tmp_path):
    inputs, walk = inputs_of_stage("5x5, odd sizes")
    np.savez(tmp_path / "inputs.npz", *inputs)
    arguments = [str(tmp_path / name) for name in ("inputs.npz", "results.npy")]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], check=True, env=environment
    )
    lines, _ = native.stage([inputs[0][0]], *inputs[1:], EPSILON, *walk)
    results = np.load(tmp_path / "results.npy")
    np.testing.assert_allclose(results, as_tensors(lines), rtol=1e-9, atol=1e-11)


@needs_library
def test_a_small_variance_beside_a_large_mean():
    noise = np.random.default_rng(0).normal(size=(8, 6, 6, 16))
    images = (100 + 0.01 * noise).astype("float32")
    _, statistics = native.normalize(
        [tf.constant(images)], tf.ones(1), tf.zeros(1), EPSILON
    )
    expected = images.astype("float64").var((0, 1, 2), ddof=1)
    np.testing.assert_allclose(statistics[1, 0], expected, rtol=1e-5)


@needs_library
def test_a_rounded_mean_moves_nothing():
    """The mean, 100 and something, is rounded by up to 4e-6: 4e-4 deviations."""
    noise = np.random.default_rng(0).normal(size=(8, 6, 6, 16))
    images = tf.constant(100 + 0.01 * noise, "float32")
    lines, _ = native.normalize([images], tf.ones(2), tf.zeros(2), EPSILON)
    for y in as_tensors(lines):
        np.testing.assert_allclose(tf.reduce_mean(y, [0, 1, 2]), 0, atol=1e-6)
