"""Our own kernels for CPUs: which library is loaded, what only they promise."""

import itertools
import os
import shutil
import subprocess
import sys
import sysconfig

import numpy as np
import pytest
import tensorflow as tf
from numbers_checks import needs_library
from numbers_checks import numbers

from keras_atdarts.kernels import Native
from keras_atdarts.kernels import machine
from keras_atdarts.kernels.native import library


def test_the_library_is_there_where_it_can_be_compiled():
    if sys.platform == "linux" and shutil.which("c++"):
        assert library.find_library() is not None


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


def test_missing_kernels_are_mentioned(monkeypatch, capsys):
    monkeypatch.setattr(machine, "native_library", lambda: None)
    machine.note_missing_kernels()
    assert "apt install g++" in capsys.readouterr().err


@needs_library
def test_what_does_not_belong_together_is_refused():
    backend, images = Native(), numbers(2, 1, 4, 4, 3)
    terms, _ = backend.normalize(tf.unstack(images))
    kernels = numbers(2, 3, 3, 3, 1), numbers(2, 3, 5)
    with pytest.raises(ValueError, match="those of one batch norm"):
        backend.stage(terms[::-1], *kernels)
    with pytest.raises(tf.errors.InvalidArgumentError):
        backend.normalize([images[0], images[:, 0]])
    with pytest.raises(tf.errors.InvalidArgumentError):
        backend.sum([terms[0], images[:, 0]])


@needs_library
def test_float32_is_as_exact_as_it_can_be():
    """One running sum over 32,768 pixels would be off by 1e-6 and more."""
    generator = np.random.default_rng(0)
    images = (1.5 * generator.normal(size=(32, 32, 32, 4)) + 0.7).astype("float32")
    exact = images.astype("float64")
    exact = (exact - exact.mean((0, 1, 2))) / np.sqrt(exact.var((0, 1, 2)) + 1e-5)
    terms, _ = Native().normalize([tf.constant(images)])
    y = Native().sum(terms)
    assert np.linalg.norm(y - exact) / np.linalg.norm(exact) < 2e-7


@needs_library
def test_products_of_many_channels_are_short_sums():
    """One running sum over 256 channels would be off by twice as much."""
    images = np.maximum(numbers(2, 16, 16, 256, dtype="float32"), 0)
    kernel = numbers(1, 256, 16, seed=1, dtype="float32")
    [term], _ = Native().stage([tf.constant(images)], None, kernel)
    exact = images.astype("float64") @ kernel[0].numpy().astype("float64")
    difference = np.linalg.norm(term.numbers - exact) / np.linalg.norm(exact)
    assert difference < 1.5e-7


@needs_library
def test_a_small_variance_beside_a_large_mean():
    noise = np.random.default_rng(0).normal(size=(8, 6, 6, 16))
    images = (100 + 0.01 * noise).astype("float32")
    _, statistics = Native().normalize([tf.constant(images)])
    expected = images.astype("float64").var((0, 1, 2), ddof=1)
    np.testing.assert_allclose(statistics[1, 0], expected, rtol=1e-5)


@needs_library
def test_a_rounded_mean_moves_nothing():
    """The mean, 100 and something, is rounded by up to 4e-6: 4e-4 deviations."""
    noise = np.random.default_rng(0).normal(size=(8, 6, 6, 16))
    images = tf.constant(100 + 0.01 * noise, "float32")
    terms, _ = Native().normalize([images], tf.ones(2))
    for term in terms:
        mean = tf.reduce_mean(Native().sum([term]), [0, 1, 2])
        np.testing.assert_allclose(mean, 0, atol=1e-6)


def defined_pool(x, slope, kind, strides):
    """Returns the result and the gradient of the sum of `result * slope`."""
    result, gradient = np.zeros(slope.shape), np.zeros(x.shape)
    for index in itertools.product(*map(range, slope.shape)):
        image, row, column, channel = index
        rows, columns = (
            slice(max(place * strides - 1, 0), place * strides + 2)
            for place in (row, column)
        )
        window = x[image, rows, columns, channel]
        parts = np.full(window.shape, 1 / window.size)
        if kind == "max":
            parts = np.zeros(window.shape)
            parts.flat[window.argmax()] = 1  # The first of equal ones.
        result[index] = (parts * window).sum()
        gradient[image, rows, columns, channel] += parts * slope[index]
    return result, gradient


@needs_library
@pytest.mark.parametrize("kind", ["max", "average"])
@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("shape", [(3, 7, 5, 3), (1, 3, 2, 40), (0, 4, 4, 3)])
@pytest.mark.parametrize("equal", [False, True], ids=["distinct", "some equal"])
def test_a_pool_pixel_by_pixel(shape, kind, strides, equal):
    x = tf.round(numbers(*shape)) if equal else numbers(*shape)
    sizes = [-(-size // strides) for size in shape[1:3]]
    slope = numbers(shape[0], *sizes, shape[-1], seed=1)
    with tf.GradientTape() as tape:
        tape.watch(x)
        result = Native().pool(x, kind, strides)
    gradient = tape.gradient(result, x, output_gradients=slope)
    expected = defined_pool(x.numpy(), slope.numpy(), kind, strides)
    np.testing.assert_allclose(result, expected[0], atol=1e-14)
    np.testing.assert_allclose(gradient, expected[1], atol=1e-14)


@needs_library
def test_a_pool_of_unknown_size():
    pool = tf.function(lambda x: Native().pool(x, "max", 2))
    pool = pool.get_concrete_function(tf.TensorSpec((None, None, None, 5)))
    assert pool.output_shapes.as_list() == [None, None, None, 5]


@needs_library
def test_a_maximum_shows_what_is_not_a_number():
    x = numbers(1, 5, 5, 3).numpy()
    x[0, 2, 2, 1] = np.nan
    lost = np.isnan(Native().pool(tf.constant(x), "max", 1))
    expected = np.zeros(x.shape, bool)
    expected[0, 1:4, 1:4, 1] = True
    np.testing.assert_array_equal(lost, expected)


SCRIPT = """
import sys, numpy, tensorflow as tf
from keras_atdarts.kernels import Native
from keras_atdarts.kernels.native import library
library.LEVELS = {library.platform.machine(): {"kernels_v3": set()}}
images, *kernels = numpy.load(sys.argv[1]).values()
terms, _ = Native().stage([tf.constant(images)], *map(tf.constant, kernels))
numpy.save(sys.argv[2], [Native().sum([term]) for term in terms])
"""


@pytest.mark.skipif(
    not list(library.FOLDER.glob("kernels_v3.*.so")), reason="this is no x86-64"
)
@needs_library
def test_older_processors_compute_the_same(tmp_path):
    inputs = [numbers(3, 7, 5, 6), numbers(2, 5, 5, 6, 1), numbers(2, 6, 6)]
    np.savez(tmp_path / "inputs.npz", *inputs)
    arguments = [str(tmp_path / name) for name in ("inputs.npz", "results.npy")]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], check=True, env=environment
    )
    terms, _ = Native().stage(inputs[:1], *inputs[1:])
    expected = [Native().sum([term]) for term in terms]
    results = np.load(tmp_path / "results.npy")
    np.testing.assert_allclose(results, expected, rtol=1e-9, atol=1e-11)
